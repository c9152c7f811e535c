//! The source `files` while it is watched: what it tells, and what it says of a single row.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{columns, list, options, text};
use flowstone_connect::{Change, ConnectError, Source, Watch, open_source};
use flowstone_core::{OptionValue, Type};
use proptest::prelude::*;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Folder {
    base: tempfile::TempDir,
    source: Box<dyn Source>,
}

impl Folder {
    fn new(more: &[(&str, OptionValue)]) -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("root")).unwrap();
        let source = open(base.path(), more);
        Folder { base, source }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.base.path().join("root").join(path)
    }

    fn write(&self, path: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn watch(&self) -> (Watch, Told) {
        let (send, told) = channel();
        let watch = self
            .source
            .watch(Arc::new(move |change| {
                let _ = send.send(change);
            }))
            .unwrap();
        (watch, Told(told))
    }
}

fn open(base: &Path, more: &[(&str, OptionValue)]) -> Box<dyn Source> {
    let mut options = options(more);
    options.insert("root".to_owned(), text("root"));
    let asked = columns(&[("content", Type::String)]);
    open_source("files", &options, asked, base).unwrap()
}

struct Told(Receiver<Change>);

impl Told {
    /// Everything that is told until `last` is, whether or not whoever changed a row is done.
    fn until(&self, last: &Change) -> BTreeSet<Change> {
        self.until_exactly(last, |change| match change {
            Change::Done(key) => Change::Row(key),
            other => other,
        })
    }

    fn until_exactly(&self, last: &Change, seen_as: impl Fn(Change) -> Change) -> BTreeSet<Change> {
        let end = Instant::now() + PATIENCE;
        let mut told = BTreeSet::new();
        while !told.contains(last) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(change) = self.0.recv_timeout(left) else {
                panic!("{last:?} was not told, only {told:?}");
            };
            told.insert(seen_as(change));
        }
        told
    }
}

fn row(path: &str) -> Change {
    Change::Row(path.as_bytes().to_vec())
}

fn below(path: &str) -> Change {
    Change::Below(path.as_bytes().to_vec())
}

#[test]
fn new_edited_and_removed_files_are_told() {
    let folder = Folder::new(&[]);
    folder.write("deep/er/old.md");
    let (watch, told) = folder.watch();
    assert!(matches!(watch, Watch::Push(_)));
    folder.write("new.md");
    told.until(&row("new.md"));
    folder.write("deep/er/old.md");
    told.until(&row("deep/er/old.md"));
    fs::remove_file(folder.at("new.md")).unwrap();
    told.until(&row("new.md"));
    fs::rename(folder.at("deep/er/old.md"), folder.at("deep/b.md")).unwrap();
    let both = told.until(&row("deep/b.md"));
    assert!(both.contains(&row("deep/er/old.md")));
}

#[test]
#[cfg(target_os = "linux")]
fn it_is_told_when_a_file_is_closed_or_moved_in() {
    use std::io::Write as _;

    let done = |path: &str| Change::Done(path.as_bytes().to_vec());
    let folder = Folder::new(&[]);
    let (_watch, told) = folder.watch();
    let mut file = fs::File::create(folder.at("slow.md")).unwrap();
    file.write_all(b"half").unwrap();
    // Of the writing it is not told that it is done.
    let open = told.until_exactly(&row("slow.md"), |change| change);
    assert!(!open.contains(&done("slow.md")), "{open:?}");
    file.write_all(b", and whole").unwrap();
    drop(file);
    told.until_exactly(&done("slow.md"), |change| change);

    let elsewhere = folder.base.path().join("elsewhere.md");
    fs::write(&elsewhere, "whole").unwrap();
    fs::rename(&elsewhere, folder.at("moved.md")).unwrap();
    told.until_exactly(&done("moved.md"), |change| change);
}

#[test]
fn new_folders_are_watched_and_what_lies_in_them_is_told() {
    let folder = Folder::new(&[]);
    let (_watch, told) = folder.watch();
    folder.write("a/b/c/first.md");
    told.until(&row("a/b/c/first.md"));
    folder.write("a/b/c/second.md");
    told.until(&row("a/b/c/second.md"));
    let elsewhere = folder.base.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("in")).unwrap();
    for name in ["x.md", "in/y.md"] {
        fs::write(elsewhere.join(name), "x").unwrap();
    }
    fs::rename(&elsewhere, folder.at("moved")).unwrap();
    let mut seen = told.until(&row("moved/in/y.md"));
    if !seen.contains(&row("moved/x.md")) {
        seen.extend(told.until(&row("moved/x.md")));
    }
    folder.write("moved/in/z.md");
    told.until(&row("moved/in/z.md"));
}

#[test]
fn a_folder_that_goes_is_told_as_a_whole_and_one_that_comes_again_is_watched_again() {
    let folder = Folder::new(&[]);
    folder.write("a/b/one.md");
    folder.write("a.md");
    let (_watch, told) = folder.watch();
    fs::rename(folder.at("a"), folder.base.path().join("away")).unwrap();
    told.until(&below("a/"));
    folder.write("a/b/two.md");
    told.until(&row("a/b/two.md"));
    fs::remove_dir_all(folder.at("a")).unwrap();
    told.until(&below("a/"));
    folder.write("a/b/three.md");
    told.until(&row("a/b/three.md"));
    fs::rename(folder.at("a"), folder.at("c")).unwrap();
    told.until(&row("c/b/three.md"));
    folder.write("c/b/four.md");
    told.until(&row("c/b/four.md"));
}

#[test]
fn what_the_source_does_not_list_is_not_told() {
    let folder = Folder::new(&[
        ("include", list(&["**/*.md"])),
        ("exclude", list(&["target/**"])),
    ]);
    let (_watch, told) = folder.watch();
    for path in [
        "a.txt",
        ".git/b.md",
        "target/c.md",
        "target/d/e.md",
        "d/.f.md",
        "last.md",
    ] {
        folder.write(path);
    }
    let seen = told.until(&row("last.md"));
    assert_eq!(seen, BTreeSet::from([row("last.md")]));
}

#[test]
fn a_root_that_goes_or_is_another_folder_ends_the_watch() {
    let folder = Folder::new(&[]);
    let (watch, told) = folder.watch();
    let Watch::Push(push) = watch else {
        panic!("not pushed");
    };
    assert!(push.is_live());
    fs::rename(folder.at(""), folder.base.path().join("old")).unwrap();
    told.until(&Change::Any);
    assert!(!push.is_live());
    fs::create_dir(folder.at("")).unwrap();
    assert!(!push.is_live(), "it is another folder");
    assert!(matches!(
        folder.source.find(b"a.md"),
        Err(ConnectError::Incomplete { .. })
    ));
}

#[test]
#[cfg(unix)]
fn a_root_behind_a_link_is_watched_where_it_leads() {
    let base = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        fs::create_dir(base.path().join(name)).unwrap();
    }
    let link = base.path().join("root");
    std::os::unix::fs::symlink("one", &link).unwrap();
    let source = open(base.path(), &[]);
    let folder = Folder { base, source };
    let (watch, told) = folder.watch();
    folder.write("a.md");
    told.until(&row("a.md"));
    let Watch::Push(push) = watch else {
        panic!("not pushed");
    };
    assert!(push.is_live());
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("two", &link).unwrap();
    assert!(!push.is_live(), "the link leads elsewhere now");
}

#[test]
fn a_folder_can_be_listed_instead() {
    let folder = Folder::new(&[("poll", text("1ms"))]);
    let (watch, _) = folder.watch();
    let Watch::List(mut poll) = watch else {
        panic!("not listed");
    };
    assert_eq!(poll.interval(), Some(Duration::from_millis(1)));
    let end = Instant::now() + PATIENCE;
    while poll.poll().unwrap() != [Change::Any] {
        assert!(Instant::now() < end);
    }
}

#[test]
#[cfg(unix)]
fn a_row_is_found_by_the_rules_of_the_listing() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[
        ("include", list(&["**/*.md"])),
        ("exclude", list(&["out/**"])),
    ]);
    for path in [
        "a.md", "b/c.md", "b/d.txt", "out/e.md", ".h/i.md", "b/.j.md",
    ] {
        folder.write(path);
    }
    fs::write(folder.base.path().join("outside.md"), "x").unwrap();
    symlink("../a.md", folder.at("b/link.md")).unwrap();
    symlink("b", folder.at("folder")).unwrap();
    symlink("nowhere", folder.at("dangling.md")).unwrap();
    symlink("../outside.md", folder.at("escape.md")).unwrap();
    symlink("loop.md", folder.at("loop.md")).unwrap();
    fs::create_dir(folder.at("g.md")).unwrap();
    let listed: Vec<_> = folder
        .source
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for entry in &listed {
        let found = folder
            .source
            .find(&entry.key)
            .unwrap()
            .expect("it is listed");
        assert_eq!(
            (found.hint.bytes, found.size),
            (entry.hint.bytes.clone(), entry.size)
        );
    }
    let names: Vec<_> = listed.iter().map(|entry| entry.key.as_slice()).collect();
    assert_eq!(names, [b"a.md".as_slice(), b"b/c.md", b"b/link.md"]);
    let others = [
        "b/d.txt",
        "out/e.md",
        ".h/i.md",
        "b/.j.md",
        "folder/c.md",
        "dangling.md",
        "escape.md",
        "loop.md",
        "g.md",
        "none.md",
        "a.md/b.md",
        "",
        "/",
        "b/",
        "b//c.md",
        "./a.md",
        "b/../a.md",
        "/a.md",
        "a\0.md",
    ];
    for key in others {
        assert!(
            folder.source.find(key.as_bytes()).unwrap().is_none(),
            "{key}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_key_is_found_that_is_not_listed(keys in proptest::collection::vec("[ab./]{0,5}", 1..12)) {
        let folder = Folder::new(&[("include", list(&["a/**", "b*"]))]);
        for key in &keys {
            let path = folder.at("").join(key.trim_start_matches('/'));
            if !key.contains("..") && fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let _ = fs::write(path, "x");
            }
        }
        let listed: BTreeSet<_> = folder.source.entries().unwrap().map(|entry| entry.unwrap().key).collect();
        for key in keys.iter().map(String::as_bytes).chain(listed.iter().map(Vec::as_slice)) {
            prop_assert_eq!(folder.source.find(key).unwrap().is_some(), listed.contains(key));
        }
    }
}
