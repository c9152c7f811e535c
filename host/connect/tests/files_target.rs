//! The target `files`: hostile paths, links, files of others, and what is left behind.

mod common;

use std::fs;
use std::path::Path;

use common::{columns, files_spec, identity, options, text};
use flowstone_connect::{
    ConnectError, Held, RowError, Target, TargetOp, TargetState, check_target, open_target,
};
use flowstone_core::{TargetSpec, Type, Value};

/// One file per `path`, with `body` in it.
fn spec() -> TargetSpec {
    TargetSpec {
        kind: "files".to_owned(),
        options: options(&[
            ("root", text("out")),
            ("path", text("{path}")),
            ("content", text("body")),
        ]),
        columns: columns(&[("body", Type::bytes()), ("path", Type::String)]),
        key: vec![],
    }
}

fn open(base: &Path) -> (Box<dyn Target>, TargetState) {
    open_target(&spec(), base, &identity('a'), false).unwrap()
}

fn upsert(path: &str, body: &str) -> TargetOp {
    let row = vec![Value::bytes(body.as_bytes()), Value::str(path)];
    TargetOp::Upsert {
        key: path.as_bytes().to_vec(),
        row,
    }
}

fn delete(path: &str) -> TargetOp {
    TargetOp::Delete {
        key: path.as_bytes().to_vec(),
    }
}

/// Everything below the root but the target's books.
fn tree(base: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                found.push(format!("{name}/"));
                walk(&entry.path(), &format!("{name}/"), found);
            } else if name != ".flowstone-target.db" {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(&base.join("out"), "", &mut found);
    found.sort();
    found
}

#[test]
fn folders_are_made_and_removed_with_their_files() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    target
        .apply(
            1,
            &[upsert("a/b/c", "1"), upsert("a/d", "2"), upsert("e", "3")],
        )
        .unwrap();
    assert_eq!(tree(base.path()), ["a/", "a/b/", "a/b/c", "a/d", "e"]);
    target.apply(2, &[delete("a/b/c")]).unwrap();
    assert_eq!(tree(base.path()), ["a/", "a/d", "e"]);
    target.apply(3, &[delete("a/d"), delete("e")]).unwrap();
    assert!(tree(base.path()).is_empty());
    target.retire().unwrap();
    assert!(!base.path().join("out").exists());
}

#[test]
fn a_file_becomes_a_folder_and_back() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    target.apply(1, &[upsert("a", "file")]).unwrap();
    target
        .apply(2, &[upsert("a/b", "deeper"), delete("a")])
        .unwrap();
    assert_eq!(tree(base.path()), ["a/", "a/b"]);
    target
        .apply(3, &[upsert("a", "file"), delete("a/b")])
        .unwrap();
    assert_eq!(tree(base.path()), ["a"]);
    // Both at once cannot be.
    let failed = target.apply(4, &[upsert("a/b", "deeper")]);
    assert!(
        matches!(failed, Err(ConnectError::WrongType { .. })),
        "{failed:?}"
    );
    assert_eq!(
        fs::read_to_string(base.path().join("out/a")).unwrap(),
        "file"
    );
}

#[test]
fn files_of_others_are_neither_overwritten_nor_removed() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("out/d")).unwrap();
    fs::write(base.path().join("out/d/mine"), "by hand").unwrap();
    let (mut target, state) = open(base.path());
    assert_eq!(state, TargetState::Created);
    let failed = target.apply(1, &[upsert("a", "1"), upsert("d/mine", "2")]);
    let Err(ConnectError::NotOurs { what, .. }) = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(what, "the file `d/mine`");
    assert_eq!(
        tree(base.path()),
        ["d/", "d/mine"],
        "nothing of the batch was written"
    );
    target
        .apply(1, &[upsert("a", "1"), delete("d/mine")])
        .unwrap();
    target.clear().unwrap();
    assert_eq!(
        fs::read_to_string(base.path().join("out/d/mine")).unwrap(),
        "by hand"
    );
    assert_eq!(tree(base.path()), ["d/", "d/mine"]);
    target.retire().unwrap();
    assert_eq!(tree(base.path()), ["d/", "d/mine"]);
    assert!(!base.path().join("out/.flowstone-target.db").exists());
}

#[test]
fn a_batch_cut_short_is_completed_by_applying_it_again() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    target
        .apply(1, &[upsert("old", "1"), upsert("kept", "1")])
        .unwrap();
    // `z/` cannot be made while a file of somebody else is there, so the batch stops after `a` and the removal.
    let batch = [
        upsert("a", "2"),
        upsert("kept", "2"),
        delete("old"),
        upsert("z/x", "2"),
    ];
    fs::write(base.path().join("out/z"), "in the way").unwrap();
    assert!(target.apply(2, &batch).is_err());
    assert_eq!(tree(base.path()), ["a", "kept", "z"]);
    drop(target);
    let (mut target, state) = open(base.path());
    assert_eq!(state, TargetState::Known { batch: 1 });
    fs::remove_file(base.path().join("out/z")).unwrap();
    target.apply(2, &batch).unwrap();
    assert_eq!(tree(base.path()), ["a", "kept", "z/", "z/x"]);
    drop(target);
    assert_eq!(open(base.path()).1, TargetState::Known { batch: 2 });
}

#[test]
fn what_an_interrupted_write_left_is_swept_up() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    fs::write(base.path().join("out/z"), "in the way").unwrap();
    // Claims `d/f`, and fails at `z/x`, so that `d/f` stays marked as being written.
    assert!(
        target
            .apply(1, &[upsert("d/f", "1"), upsert("z/x", "1")])
            .is_err()
    );
    drop(target);
    let name = format!(".flowstone-tmp-{}", &blake3::hash(b"f").to_hex()[..16]);
    fs::write(base.path().join("out/d").join(&name), "half of i").unwrap();
    open(base.path());
    assert_eq!(tree(base.path()), ["d/", "d/f", "z"]);
}

#[test]
fn hostile_paths_are_refused_row_by_row() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    let long = "x".repeat(256);
    for path in [
        "",
        "..",
        "../a",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "a/",
        "./a",
        "a\0b",
        &long,
        ".flowstone-target.db",
    ] {
        let key = target.keys().key(&[Value::bytes(vec![]), Value::str(path)]);
        assert!(
            matches!(key, Err(RowError::Failed { retry: false, .. })),
            "{path:?}: {key:?}"
        );
        // Bytes that no row gave, should they ever come, are refused too.
        assert!(
            matches!(
                target.apply(1, &[upsert(path, "x")]),
                Err(ConnectError::Misuse { .. })
            ),
            "{path:?}"
        );
        assert!(
            matches!(
                target.apply(1, &[delete(path)]),
                Err(ConnectError::Misuse { .. })
            ),
            "{path:?}"
        );
    }
    assert!(tree(base.path()).is_empty());
    let good = "x".repeat(255);
    target.apply(1, &[upsert(&good, "1")]).unwrap();
    assert_eq!(tree(base.path()), [good]);
}

#[test]
fn specifications_are_checked() {
    let wrong = |change: fn(&mut TargetSpec)| {
        let mut spec = files_spec();
        change(&mut spec);
        check_target(&spec).unwrap_err()
    };
    let missing = wrong(|spec| drop(spec.options.remove("path")));
    assert_eq!(missing.option.as_deref(), Some("path"));
    let content = wrong(|spec| drop(spec.options.insert("content".to_owned(), text("body"))));
    assert_eq!(
        (content.option.as_deref(), content.candidates.len()),
        (Some("content"), 3)
    );
    let ty = wrong(|spec| spec.columns[2].ty = Type::U8);
    assert!(ty.message.contains("`u8`"), "{}", ty.message);
    let unused = wrong(|spec| drop(spec.options.insert("path".to_owned(), text("{path}"))));
    assert!(unused.message.contains("`heading`"), "{}", unused.message);
}

#[test]
fn a_root_that_is_a_file_is_left_as_it_is() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("out"), "x").unwrap();
    let refused = open_target(&spec(), base.path(), &identity('a'), false).err();
    assert!(
        matches!(
            refused,
            Some(ConnectError::WrongType {
                expected: "a folder",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_inside_the_root_are_never_followed() {
        let base = tempfile::tempdir().unwrap();
        let away = tempfile::tempdir().unwrap();
        fs::write(away.path().join("f"), "precious").unwrap();
        let (mut target, _) = open(base.path());
        target
            .apply(1, &[upsert("d/f", "1"), upsert("g", "1")])
            .unwrap();
        fs::remove_dir_all(base.path().join("out/d")).unwrap();
        symlink(away.path(), base.path().join("out/d")).unwrap();
        fs::remove_file(base.path().join("out/g")).unwrap();
        symlink(away.path().join("f"), base.path().join("out/g")).unwrap();

        let failed = target.apply(2, &[upsert("d/f", "2")]);
        assert!(
            matches!(failed, Err(ConnectError::WrongType { .. })),
            "{failed:?}"
        );
        target.apply(2, &[delete("d/f")]).unwrap();
        // The link itself is what is replaced.
        target.apply(3, &[upsert("g", "3")]).unwrap();
        assert_eq!(fs::read_to_string(base.path().join("out/g")).unwrap(), "3");
        assert_eq!(
            fs::read_to_string(away.path().join("f")).unwrap(),
            "precious"
        );
        target.clear().unwrap();
        assert_eq!(fs::read_dir(away.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_root_that_is_a_link_out_of_the_flow_is_outside() {
        let base = tempfile::tempdir().unwrap();
        let away = tempfile::tempdir().unwrap();
        symlink(away.path(), base.path().join("out")).unwrap();
        let refused = open_target(&spec(), base.path(), &identity('a'), false).err();
        assert!(
            matches!(refused, Some(ConnectError::OutsideFlow { .. })),
            "{refused:?}"
        );
        assert_eq!(fs::read_dir(away.path()).unwrap().count(), 0);
        assert!(open_target(&spec(), base.path(), &identity('a'), true).is_ok());
    }
}

/// What the target says of the file `a`, written as `one`, once `edit` was done to it; twice, since the first look may
/// leave a note.
fn after(edit: impl Fn(&Path)) -> Option<Held> {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    target.apply(1, &[upsert("a", "one")]).unwrap();
    let mut look = || {
        let mut found = None;
        let keys = [b"a".to_vec(), b"b".to_vec()];
        let mut note = |index, held| {
            assert_eq!(index, 0);
            found = Some(held);
        };
        target.held(&keys, &mut note).unwrap();
        found
    };
    assert_eq!(look(), Some(Held::AsWritten));
    edit(&base.path().join("out/a"));
    let first = look();
    assert_eq!(look(), first);
    first
}

#[test]
fn a_file_that_others_changed_is_seen_by_its_content() {
    assert_eq!(after(|_| {}), Some(Held::AsWritten));
    assert_eq!(
        after(|path| fs::write(path, "two").unwrap()),
        Some(Held::Other)
    );
    assert_eq!(
        after(|path| fs::write(path, "longer").unwrap()),
        Some(Held::Other)
    );
    assert_eq!(after(|path| fs::remove_file(path).unwrap()), None);
    // Touched, or written anew with the same content, it is what it was.
    assert_eq!(
        after(|path| fs::write(path, "one").unwrap()),
        Some(Held::AsWritten)
    );
    let old = std::time::SystemTime::UNIX_EPOCH;
    let touch = |path: &Path| fs::File::open(path).unwrap().set_modified(old).unwrap();
    assert_eq!(after(touch), Some(Held::AsWritten));
    let same_time = |path: &Path| {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, "two").unwrap();
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    assert_eq!(after(same_time), Some(Held::Other));
}

#[test]
#[cfg(unix)]
fn what_is_no_file_is_not_what_was_written() {
    let replaced = |put: fn(&Path)| {
        after(move |path| {
            fs::remove_file(path).unwrap();
            put(path);
        })
    };
    assert_eq!(
        replaced(|path| fs::create_dir(path).unwrap()),
        Some(Held::Other)
    );
    let link = |path: &Path| {
        fs::write(path.with_file_name("real"), "one").unwrap();
        std::os::unix::fs::symlink("real", path).unwrap();
    };
    assert_eq!(replaced(link), Some(Held::Other));
    let fifo = |path: &Path| {
        assert!(
            std::process::Command::new("mkfifo")
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    };
    assert_eq!(replaced(fifo), Some(Held::Other));
}

#[test]
fn books_of_the_first_format_are_brought_up_to_date() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(base.path());
    target.apply(7, &[upsert("a", "one")]).unwrap();
    drop(target);
    let books = rusqlite::Connection::open(base.path().join("out/.flowstone-target.db")).unwrap();
    books
        .execute_batch(
            "DROP TABLE file; CREATE TABLE file (path TEXT PRIMARY KEY NOT NULL, pending INTEGER NOT NULL) WITHOUT ROWID; \
             INSERT INTO file VALUES ('a', 0); UPDATE target SET format = 1;",
        )
        .unwrap();
    let (mut target, state) = open(base.path());
    assert_eq!(state, TargetState::Known { batch: 7 });
    let look = |target: &mut dyn Target| {
        let mut found = None;
        target
            .held(&[b"a".to_vec()], &mut |_, held| found = Some(held))
            .unwrap();
        found
    };
    // Nobody knows what was written.
    assert_eq!(look(&mut *target), Some(Held::Other));
    target.apply(8, &[upsert("a", "one")]).unwrap();
    assert_eq!(look(&mut *target), Some(Held::AsWritten));
}
