//! Granted trees: what is read, what is trusted, and what counts.

use std::fs;
use std::time::{Duration, SystemTime};

use super::*;

fn folder() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("words/more")).unwrap();
    fs::write(base.path().join("words/en.txt"), "the").unwrap();
    fs::write(base.path().join("words/more/de.txt"), "der").unwrap();
    base
}

fn take(base: &tempfile::TempDir, before: Option<&GrantedTree>) -> GrantedTree {
    GrantedTree::take(base.path(), "words", before).unwrap()
}

/// Replaces the digest of a file, so that it shows whether it is taken over or made anew.
fn marked(mut tree: GrantedTree, path: &str) -> GrantedTree {
    if let Some(GrantedEntry::File { digest, .. }) = tree.entries.get_mut(path) {
        *digest = Fingerprint::from_bytes([7; 32]);
    }
    tree
}

fn digest(tree: &GrantedTree, path: &str) -> Fingerprint {
    match tree.entries.get(path) {
        Some(GrantedEntry::File { digest, .. }) => *digest,
        other => panic!("{path} is {other:?}"),
    }
}

/// Waits until files that were written by now are trusted.
fn settle() {
    let end = SystemTime::now() + Duration::from_millis(60);
    while SystemTime::now() < end {
        std::thread::yield_now();
    }
}

#[test]
fn a_tree_knows_names_kinds_and_contents() {
    let base = folder();
    let tree = take(&base, None);
    let paths: Vec<&str> = tree.entries.keys().map(String::as_str).collect();
    assert_eq!(paths, ["en.txt", "more", "more/de.txt"]);
    assert_eq!(
        digest(&tree, "en.txt").as_bytes(),
        blake3::hash(b"the").as_bytes()
    );
    assert_eq!(tree.bytes(), 6);
    assert_eq!(
        tree.read(base.path(), "words", "more/de.txt"),
        Ok(b"der".to_vec())
    );
    let file = GrantedTree::take(base.path(), "words/en.txt", None).unwrap();
    assert_eq!(
        file.read(base.path(), "words/en.txt", ""),
        Ok(b"the".to_vec())
    );
}

#[test]
#[cfg(unix)]
fn settled_files_are_trusted_and_not_read() {
    let base = folder();
    settle();
    let known = marked(take(&base, None), "en.txt");
    assert_eq!(take(&base, Some(&known)), known);
    fs::write(base.path().join("words/en.txt"), "THE").unwrap();
    let changed = take(&base, Some(&known));
    assert_eq!(
        digest(&changed, "en.txt").as_bytes(),
        blake3::hash(b"THE").as_bytes()
    );
}

#[test]
fn files_that_were_just_written_are_read_again() {
    let base = folder();
    let path = base.path().join("words/en.txt");
    // However long this takes, a file whose times lie ahead is never settled.
    let ahead = SystemTime::now() + Duration::from_hours(1);
    let times = fs::FileTimes::new().set_modified(ahead);
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
    let known = marked(take(&base, None), "en.txt");
    let again = take(&base, Some(&known));
    assert_eq!(
        digest(&again, "en.txt").as_bytes(),
        blake3::hash(b"the").as_bytes()
    );
}

#[test]
fn digests_tell_names_kinds_and_contents_apart_and_nothing_else() {
    let file = |content: &[u8], version: u8| GrantedEntry::File {
        size: content.len() as u64,
        digest: Fingerprint::from_bytes(*blake3::hash(content).as_bytes()),
        version: Some(Fingerprint::from_bytes([version; 32])),
    };
    let tree = |entries: &[(&str, GrantedEntry)]| {
        let entries = entries
            .iter()
            .map(|(path, entry)| ((*path).to_owned(), entry.clone()));
        GrantedTree {
            entries: entries.collect(),
        }
        .digest()
    };
    let one = tree(&[("a", file(b"x", 1))]);
    // It is in keys: another one throws away what was made with granted files.
    assert_eq!(
        tree(&[("a", GrantedEntry::Folder), ("a/b", file(b"x", 1))]).to_string(),
        "95c563a742997c6116a6f983c9dcf4dbc5e6e2f9e3edc54f64f57f4ee4576b23"
    );
    assert_eq!(one, tree(&[("a", file(b"x", 2))]));
    let others = [
        tree(&[]),
        tree(&[("a", file(b"y", 1))]),
        tree(&[("b", file(b"x", 1))]),
        tree(&[("a", GrantedEntry::Folder)]),
        tree(&[("a", file(b"x", 1)), ("b", GrantedEntry::Folder)]),
        tree(&[("a", GrantedEntry::Folder), ("a/a", file(b"x", 1))]),
    ];
    for (at, other) in others.iter().enumerate() {
        assert_ne!(*other, one, "{at}");
        assert!(!others[..at].contains(other), "{at}");
    }
}

#[test]
fn differences_are_told_in_a_few_words() {
    let base = folder();
    let before = take(&base, None);
    fs::write(base.path().join("words/en.txt"), "THE").unwrap();
    fs::remove_file(base.path().join("words/more/de.txt")).unwrap();
    fs::write(base.path().join("words/fr.txt"), "le").unwrap();
    let after = take(&base, None);
    assert_eq!(after.difference(&before), "~en.txt, +fr.txt, -more/de.txt");
    assert_eq!(after.difference(&after), "");
    fs::write(base.path().join("words/\u{1b}[31m"), "x").unwrap();
    let odd = take(&base, None).difference(&after);
    assert_eq!(odd, "+\\u{1b}[31m");
    fs::remove_file(base.path().join("words/\u{1b}[31m")).unwrap();
    let many = GrantedTree {
        entries: (0..9)
            .map(|at| (at.to_string(), GrantedEntry::Folder))
            .collect(),
    };
    assert_eq!(
        many.difference(&GrantedTree::default()),
        "+0, +1, +2, +3, +4 and 4 more"
    );
}

#[test]
fn a_content_that_is_not_what_was_looked_at_is_refused() {
    let base = folder();
    let tree = take(&base, None);
    fs::write(base.path().join("words/en.txt"), "the end").unwrap();
    let refused = tree.read(base.path(), "words", "en.txt").unwrap_err();
    assert!(refused.contains("`words/en.txt` was changed"), "{refused}");
    let refused = tree.read(base.path(), "words", "more").unwrap_err();
    assert!(refused.contains("is no file"), "{refused}");
    // A damaged store may have any sizes in it: no memory is set aside for them.
    let mut damaged = tree;
    if let Some(GrantedEntry::File { size, .. }) = damaged.entries.get_mut("en.txt") {
        *size = u64::MAX;
    }
    assert!(damaged.read(base.path(), "words", "en.txt").is_err());
}

#[test]
#[cfg(unix)]
fn what_vanishes_while_a_folder_is_listed_is_not_there() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let base = folder();
    let place = base.path().join("words");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let brief = (0..100).map(|at| place.join(format!("brief-{at}")));
                for path in brief.clone() {
                    fs::create_dir_all(path.join("inner")).unwrap();
                    fs::write(path.join("file"), "x").unwrap();
                }
                brief.for_each(|path| fs::remove_dir_all(path).unwrap());
            }
        });
        let trees: Vec<_> = (0..30)
            .map(|_| GrantedTree::take(base.path(), "words", None))
            .collect();
        done.store(true, Ordering::Relaxed);
        for tree in trees {
            let tree = tree.unwrap();
            assert!(tree.entries.contains_key("more/de.txt"));
        }
    });
}

#[test]
#[cfg(unix)]
fn what_is_neither_file_nor_folder_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let base = folder();
    let socket = std::os::unix::net::UnixListener::bind(base.path().join("words/socket")).unwrap();
    let refused = GrantedTree::take(base.path(), "words", None).unwrap_err();
    assert_eq!(
        refused.message,
        "`words/socket` is neither a file nor a folder"
    );
    drop(socket);
    fs::remove_file(base.path().join("words/socket")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"words/\xff");
    fs::write(base.path().join(name), "x").unwrap();
    let refused = GrantedTree::take(base.path(), "words", None).unwrap_err();
    assert_eq!(refused.message, "`words` holds a name that is not UTF-8");
}
