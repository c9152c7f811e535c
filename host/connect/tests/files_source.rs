//! The source `files`: what is listed, in which order, and what loading a file gives.

mod common;

use std::fs;
use std::path::Path;

use common::{columns, list, options, text};
use flowstone_connect::{
    ConnectError, Entry, Hint, RowError, Source, check_source, display_key, open_source,
};
use flowstone_core::{OptionValue, Type, Value};
use proptest::prelude::*;

fn open(base: &Path, more: &[(&str, OptionValue)], asked: &[(&str, Type)]) -> Box<dyn Source> {
    let mut options = options(more);
    options.insert("root".to_owned(), text("root"));
    open_source("files", &options, columns(asked), base).unwrap()
}

fn write(base: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = base.join("root").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn entries(source: &dyn Source) -> Vec<Entry> {
    source.entries().unwrap().map(Result::unwrap).collect()
}

fn paths(source: &dyn Source) -> Vec<String> {
    entries(source)
        .into_iter()
        .map(|entry| String::from_utf8_lossy(&entry.key).into_owned())
        .collect()
}

fn content(source: &dyn Source, path: &str) -> Result<Vec<Value>, RowError> {
    source.load(&Entry::new(path.as_bytes().to_vec(), Hint::unknown(), 0))
}

fn failure(source: &dyn Source, path: &str) -> (String, bool) {
    match content(source, path) {
        Err(RowError::Failed { reason, retry }) => (reason, retry),
        other => panic!("{other:?}"),
    }
}

#[test]
fn folders_sort_as_their_files_do() {
    let base = tempfile::tempdir().unwrap();
    for path in ["a/b", "a.txt", "a0", "a/c/d", "a-b/c", "b", "B", "é"] {
        write(base.path(), path, "");
    }
    let source = open(base.path(), &[], &[]);
    assert_eq!(
        paths(source.as_ref()),
        ["B", "a-b/c", "a.txt", "a/b", "a/c/d", "a0", "b", "é"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_listing_is_the_sorted_full_paths(
        trees in prop::collection::btree_set("[a.0-]{1,2}(/[a.0-]{1,2}){0,3}", 1..30),
    ) {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut written: Vec<String> = Vec::new();
        for path in trees {
            if path.split('/').any(|name| name == "." || name == "..") {
                continue;
            }
            // A path that runs through a file that is there already, or names a folder, is no file of the tree.
            let _ = fs::create_dir_all(root.join(&path).parent().unwrap());
            if fs::write(root.join(&path), "").is_ok() {
                written.push(path);
            }
        }
        let mut expected = written;
        expected.sort();
        let hidden = open(base.path(), &[("hidden", OptionValue::Bool(true))], &[]);
        prop_assert_eq!(paths(hidden.as_ref()), expected.clone());
        expected.retain(|path| !path.split('/').any(|name| name.starts_with('.')));
        prop_assert_eq!(paths(open(base.path(), &[], &[]).as_ref()), expected);
    }
}

#[test]
fn globs_choose_files_and_hidden_names_are_left_out() {
    let base = tempfile::tempdir().unwrap();
    for path in [
        "a.md",
        "b.txt",
        "docs/c.md",
        "docs/draft/d.md",
        ".git/e.md",
        "docs/.f.md",
        "target/x/g.md",
    ] {
        write(base.path(), path, "");
    }
    let only = |more: &[(&str, OptionValue)]| paths(open(base.path(), more, &[]).as_ref());
    assert_eq!(only(&[("include", text("*.md"))]), ["a.md"]);
    assert_eq!(
        only(&[("include", list(&["docs/**/*.md"]))]),
        ["docs/c.md", "docs/draft/d.md"]
    );
    assert_eq!(
        only(&[
            ("include", list(&["**/*.md"])),
            ("exclude", list(&["docs/draft", "target/**"]))
        ]),
        ["a.md", "docs/c.md"]
    );
    let hidden = only(&[
        ("include", text("**/*.md")),
        ("hidden", OptionValue::Bool(true)),
    ]);
    assert_eq!(
        hidden,
        [
            ".git/e.md",
            "a.md",
            "docs/.f.md",
            "docs/c.md",
            "docs/draft/d.md",
            "target/x/g.md"
        ]
    );
}

#[test]
fn every_column_has_its_value() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "d/a.txt", "héllo");
    let time = fs::metadata(base.path().join("root/d/a.txt"))
        .unwrap()
        .modified()
        .unwrap();
    let seconds = time
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let asked = [
        ("modified", Type::S64),
        ("content", Type::String),
        ("path", Type::String),
        ("size", Type::U64),
        ("content", Type::bytes()),
    ];
    let source = open(base.path(), &[], &asked);
    let entry = entries(source.as_ref()).remove(0);
    assert_eq!(entry.size, 6 + 7);
    let expected = [
        Value::S64(seconds as i64),
        Value::str("héllo"),
        Value::str("d/a.txt"),
        Value::U64(6),
        Value::bytes("héllo".as_bytes().to_vec()),
    ];
    assert_eq!(source.load(&entry).unwrap(), expected);
}

#[test]
fn columns_that_files_do_not_have_are_refused() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "a", "");
    for (name, ty) in [
        ("text", Type::String),
        ("size", Type::String),
        ("content", Type::list(Type::U16)),
    ] {
        let opened = open_source(
            "files",
            &options(&[("root", text("root"))]),
            columns(&[(name, ty)]),
            base.path(),
        );
        let Err(ConnectError::Column {
            column, candidates, ..
        }) = opened
        else {
            panic!("{name}")
        };
        assert_eq!(column, name);
        assert_eq!(candidates, ["path", "content", "size", "modified"]);
    }
}

#[test]
fn a_file_that_is_no_text_fails_by_itself() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "a", b"good\xffbad");
    let source = open(base.path(), &[], &[("content", Type::String)]);
    let (reason, retry) = failure(source.as_ref(), "a");
    assert!(reason.contains("offset 4"), "{reason}");
    assert!(!retry);
    let source = open(base.path(), &[], &[("content", Type::bytes())]);
    assert_eq!(
        content(source.as_ref(), "a").unwrap(),
        [Value::bytes(b"good\xffbad".to_vec())]
    );
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "a", "12345");
    let source = open(
        base.path(),
        &[("max-size", OptionValue::Int(4))],
        &[("content", Type::String)],
    );
    let (reason, retry) = failure(source.as_ref(), "a");
    assert!(
        reason.contains("5 bytes") && reason.contains("max-size"),
        "{reason}"
    );
    assert!(retry, "the option may be raised before the file changes");
    // Nothing is read of it, so it takes no memory: else that would be what is complained about.
    assert_eq!(entries(source.as_ref())[0].size, 1);
    let source = open(
        base.path(),
        &[("max-size", OptionValue::Int(4))],
        &[("size", Type::U64)],
    );
    assert_eq!(content(source.as_ref(), "a").unwrap(), [Value::U64(5)]);
}

#[test]
fn a_file_that_is_gone_has_vanished() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "d/a", "");
    let source = open(base.path(), &[], &[("content", Type::String)]);
    let entry = entries(source.as_ref()).remove(0);
    fs::remove_dir_all(base.path().join("root/d")).unwrap();
    assert_eq!(source.load(&entry), Err(RowError::Vanished));
    // Something else is in its place now.
    fs::create_dir_all(base.path().join("root/d/a")).unwrap();
    assert_eq!(source.load(&entry), Err(RowError::Vanished));
}

#[test]
fn a_root_that_is_not_there_is_no_empty_collection() {
    let base = tempfile::tempdir().unwrap();
    let wanted = options(&[("root", text("root"))]);
    let opened = open_source("files", &wanted, vec![], base.path());
    assert!(matches!(opened, Err(ConnectError::Missing { .. })));
    fs::write(base.path().join("root"), "").unwrap();
    let opened = open_source("files", &wanted, vec![], base.path());
    assert!(matches!(
        opened,
        Err(ConnectError::WrongType {
            expected: "a folder",
            ..
        })
    ));

    fs::remove_file(base.path().join("root")).unwrap();
    fs::create_dir(base.path().join("root")).unwrap();
    let source = open_source("files", &wanted, vec![], base.path()).unwrap();
    assert_eq!(source.entries().unwrap().count(), 0);
    fs::remove_dir(base.path().join("root")).unwrap();
    assert!(matches!(
        source.entries(),
        Err(ConnectError::Missing { .. })
    ));
}

#[test]
fn a_root_replaced_during_the_scan_ends_it_with_an_error() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "a", "");
    let source = open(base.path(), &[], &[]);
    let scan = source.entries().unwrap();
    fs::rename(base.path().join("root"), base.path().join("old")).unwrap();
    fs::create_dir(base.path().join("root")).unwrap();
    let last = scan.last().unwrap();
    assert!(
        matches!(last, Err(ConnectError::Incomplete { .. })),
        "{last:?}"
    );
    // The next scan is of the new root.
    assert_eq!(source.entries().unwrap().count(), 0);
}

#[test]
fn a_folder_removed_before_it_is_reached_ends_it_with_an_error() {
    let base = tempfile::tempdir().unwrap();
    for path in ["a/1", "b/1", "c/1"] {
        write(base.path(), path, "");
    }
    let source = open(base.path(), &[], &[]);
    let mut scan = source.entries().unwrap();
    assert_eq!(scan.next().unwrap().unwrap().key, b"a/1");
    fs::remove_dir_all(base.path().join("root/b")).unwrap();
    let Some(Err(ConnectError::Incomplete { path, .. })) = scan.next() else {
        panic!("the folder was listed")
    };
    assert_eq!(path, base.path().join("root/b"));
    assert!(scan.next().is_none());
}

#[test]
fn a_folder_removed_under_the_scan_ends_it_with_an_error() {
    let base = tempfile::tempdir().unwrap();
    for path in ["a/1", "a/2", "b"] {
        write(base.path(), path, "");
    }
    let source = open(base.path(), &[], &[]);
    let mut scan = source.entries().unwrap();
    assert_eq!(scan.next().unwrap().unwrap().key, b"a/1");
    fs::remove_dir_all(base.path().join("root/a")).unwrap();
    let ended = scan.next();
    assert!(
        matches!(ended, Some(Err(ConnectError::Incomplete { .. }))),
        "{ended:?}"
    );
}

#[test]
fn a_file_removed_during_the_scan_is_just_not_listed() {
    let base = tempfile::tempdir().unwrap();
    for path in ["a", "b", "c"] {
        write(base.path(), path, "");
    }
    let source = open(base.path(), &[], &[]);
    let mut scan = source.entries().unwrap();
    assert_eq!(scan.next().unwrap().unwrap().key, b"a");
    fs::remove_file(base.path().join("root/b")).unwrap();
    assert_eq!(
        scan.map(|entry| entry.unwrap().key).collect::<Vec<_>>(),
        [b"c"]
    );
}

#[test]
fn a_touched_file_has_another_hint_and_a_fresh_one_proves_nothing() {
    let base = tempfile::tempdir().unwrap();
    write(base.path(), "a", "1");
    let source = open(base.path(), &[], &[]);
    let first = entries(source.as_ref()).remove(0).hint;
    assert!(!first.settled, "it was written just now");
    assert_eq!(entries(source.as_ref()).remove(0).hint.bytes, first.bytes);
    write(base.path(), "a", "22");
    assert_ne!(entries(source.as_ref()).remove(0).hint.bytes, first.bytes);
}

#[test]
fn options_are_checked_without_opening_anything() {
    assert!(check_source("files", &options(&[("root", text("nowhere"))])).is_ok());
    for (bad, option) in [
        (options(&[]), "root"),
        (options(&[("root", text(""))]), "root"),
        (
            options(&[("root", text("x")), ("include", text("a[b"))]),
            "include",
        ),
        (
            options(&[("root", text("x")), ("hidden", text("yes"))]),
            "hidden",
        ),
        (
            options(&[("root", text("x")), ("includes", text("yes"))]),
            "includes",
        ),
        (
            options(&[("root", text("x")), ("max-size", text("big"))]),
            "max-size",
        ),
    ] {
        assert_eq!(
            check_source("files", &bad).unwrap_err().option.as_deref(),
            Some(option)
        );
    }
}

#[test]
fn keys_are_given_as_they_are_but_for_what_is_no_text() {
    assert_eq!(display_key("files", b"a\x1b\n/\xff"), "a\x1b\n/\u{fffd}");
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn links_to_files_inside_are_read_and_all_others_skipped() {
        let base = tempfile::tempdir().unwrap();
        write(base.path(), "d/real", "inside");
        fs::write(base.path().join("secret"), "outside").unwrap();
        let root = base.path().join("root");
        symlink("d/real", root.join("1-good")).unwrap();
        symlink("../root/d/real", root.join("2-out-and-back")).unwrap();
        symlink("../secret", root.join("3-out")).unwrap();
        symlink(base.path().join("secret"), root.join("4-absolute")).unwrap();
        symlink("nowhere", root.join("5-dangling")).unwrap();
        symlink("6-loop", root.join("6-loop")).unwrap();
        symlink("d", root.join("7-folder")).unwrap();
        symlink(".", root.join("d/8-cycle")).unwrap();
        symlink("../1-good", root.join("d/9-chain")).unwrap();
        let source = open(base.path(), &[], &[("content", Type::String)]);
        assert_eq!(paths(source.as_ref()), ["1-good", "d/9-chain", "d/real"]);
        for entry in entries(source.as_ref()) {
            assert_eq!(source.load(&entry).unwrap(), [Value::str("inside")]);
        }
    }

    #[test]
    fn nothing_outside_is_read_though_a_link_changes_after_the_listing() {
        let base = tempfile::tempdir().unwrap();
        write(base.path(), "a", "inside");
        write(base.path(), "d/b", "inside");
        fs::write(base.path().join("secret"), "outside").unwrap();
        fs::create_dir(base.path().join("away")).unwrap();
        fs::write(base.path().join("away/b"), "outside").unwrap();
        let source = open(base.path(), &[], &[("content", Type::String)]);
        let listed = entries(source.as_ref());
        let root = base.path().join("root");
        fs::remove_file(root.join("a")).unwrap();
        symlink("../secret", root.join("a")).unwrap();
        fs::remove_dir_all(root.join("d")).unwrap();
        symlink("../away", root.join("d")).unwrap();
        for entry in &listed {
            let loaded = source.load(entry);
            assert!(
                matches!(&loaded, Err(RowError::Failed { reason, retry: true }) if reason.contains("out of")),
                "{loaded:?}"
            );
        }
    }

    #[test]
    fn a_fifo_is_skipped_and_one_that_took_a_files_place_does_not_hang() {
        let base = tempfile::tempdir().unwrap();
        write(base.path(), "a", "");
        let root = base.path().join("root");
        let source = open(base.path(), &[], &[("content", Type::String)]);
        let listed = entries(source.as_ref()).remove(0);
        fs::remove_file(root.join("a")).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(root.join("a"))
                .status()
                .unwrap()
                .success()
        );
        let _socket = std::os::unix::net::UnixListener::bind(root.join("s")).unwrap();
        assert_eq!(source.load(&listed), Err(RowError::Vanished));
        assert!(paths(source.as_ref()).is_empty());
    }

    #[test]
    fn names_can_be_any_bytes_but_only_utf8_is_loaded() {
        let base = tempfile::tempdir().unwrap();
        write(base.path(), "two\nlines", "x");
        fs::write(
            base.path().join("root").join(OsStr::from_bytes(b"bad\xff")),
            "",
        )
        .unwrap();
        let source = open(base.path(), &[], &[("path", Type::String)]);
        let listed = entries(source.as_ref());
        assert_eq!(listed[0].key, b"bad\xff");
        let failed = source.load(&listed[0]);
        assert!(
            matches!(failed, Err(RowError::Failed { retry: false, .. })),
            "{failed:?}"
        );
        assert_eq!(source.load(&listed[1]).unwrap(), [Value::str("two\nlines")]);
    }

    #[test]
    fn a_root_may_be_a_link_and_lie_anywhere() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("a"), "x").unwrap();
        symlink(elsewhere.path(), base.path().join("root")).unwrap();
        assert_eq!(paths(open(base.path(), &[], &[]).as_ref()), ["a"]);
    }

    #[test]
    fn folders_are_walked_deeper_than_a_path_is_long() {
        let base = tempfile::tempdir().unwrap();
        let name = "x".repeat(200);
        // 30 levels of 200 bytes: more than PATH_MAX, so it is made from the inside out.
        let script = format!(
            "cd \"$1\" && mkdir root && cd root && for i in $(seq 30); do mkdir {name} && cd {name}; done && echo > f"
        );
        assert!(
            Command::new("bash")
                .args(["-c", &script, "-"])
                .arg(base.path())
                .status()
                .unwrap()
                .success()
        );
        let source = open(base.path(), &[], &[("content", Type::String)]);
        let listed = entries(source.as_ref());
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].key.len(), 30 * 201 + 1);
        assert!(matches!(
            source.load(&listed[0]),
            Err(RowError::Failed { retry: true, .. })
        ));
    }
}
