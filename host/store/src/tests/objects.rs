//! Object files that are not what was written, and links that lead out of the store.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{open, text_value, write};
use crate::{Store, StoreError, StoreOptions};

fn object_file(dir: &TempDir, value: &flowstone_core::Fingerprint) -> PathBuf {
    let digits = value.to_string();
    dir.path()
        .join("objects")
        .join(&digits[..2])
        .join(&digits[2..])
}

#[test]
fn objects_are_kept_in_the_database_or_in_files_by_their_length() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for len in [0, 10, 60_000, 70_000, 3_000_000] {
        let (encoding, value, ty) = text_value('x', len);
        write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
        assert_eq!(
            store
                .snapshot()
                .unwrap()
                .object(&value, &ty)
                .unwrap()
                .as_ref(),
            Some(&encoding)
        );
        assert_eq!(
            store
                .snapshot()
                .unwrap()
                .object(&value, &flowstone_core::Type::Bool.fingerprint())
                .unwrap(),
            None
        );
        let digits = value.to_string();
        let file = dir
            .path()
            .join("objects")
            .join(&digits[..2])
            .join(&digits[2..]);
        assert_eq!(file.exists(), len > 65_536);
    }
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn an_object_file_that_is_not_the_value_is_a_miss_and_healed_by_the_next_put() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (encoding, value, ty) = text_value('x', 100_000);
    let file = object_file(&dir, &value);
    let put = || write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
    let get = || store.snapshot().unwrap().object(&value, &ty).unwrap();
    put();
    let damages: [&dyn Fn(); 5] = [
        &|| fs::remove_file(&file).unwrap(),
        &|| fs::write(&file, &encoding[..50_000]).unwrap(),
        &|| fs::write(&file, [&encoding[..], b"x"].concat()).unwrap(),
        &|| {
            let mut other = encoding.clone();
            other[70_000] = b'y';
            fs::write(&file, other).unwrap();
        },
        &|| fs::remove_dir_all(file.parent().unwrap()).unwrap(),
    ];
    for damage in damages {
        assert_eq!(get().as_ref(), Some(&encoding));
        damage();
        assert_eq!(get(), None);
        put();
    }
    assert_eq!(get(), Some(encoding));
}

#[test]
fn an_object_that_is_there_is_not_written_again() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (encoding, value, _) = text_value('x', 100_000);
    write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
    let before = fs::metadata(object_file(&dir, &value))
        .unwrap()
        .modified()
        .unwrap();
    write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
    assert_eq!(
        fs::metadata(object_file(&dir, &value))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[test]
fn what_an_interrupted_process_left_in_tmp_is_removed() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    fs::write(dir.path().join("tmp/unfinished-0"), "half an object").unwrap();
    fs::write(dir.path().join("tmp/unfinished-1"), "half a database").unwrap();
    let store = open(&dir);
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    let (encoding, value, ty) = text_value('x', 100_000);
    write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
    assert_eq!(
        store.snapshot().unwrap().object(&value, &ty).unwrap(),
        Some(encoding)
    );
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_out_of_the_store_is_not_followed() {
        let outside = TempDir::new().unwrap();
        let (encoding, value, ty) = text_value('x', 100_000);
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
        let file = object_file(&dir, &value);

        // A file of the right bytes, but elsewhere.
        let elsewhere = outside.path().join("object");
        fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert_eq!(store.snapshot().unwrap().object(&value, &ty).unwrap(), None);
        write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
        assert!(
            fs::symlink_metadata(&file).unwrap().is_file(),
            "the link is replaced"
        );
        assert_eq!(fs::read(&elsewhere).unwrap(), encoding);

        // A folder elsewhere: nothing is read from it and nothing written to it.
        let shard = file.parent().unwrap();
        fs::remove_dir_all(shard).unwrap();
        symlink(outside.path(), shard).unwrap();
        assert_eq!(store.snapshot().unwrap().object(&value, &ty).unwrap(), None);
        let written = write(&store, |writer| writer.put_object(&value, &encoding));
        assert!(matches!(written, Err(StoreError::Io { .. })));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn neither_are_linked_databases_locks_and_folders() {
        for name in ["store.redb", "lock", "tmp", "objects"] {
            let outside = TempDir::new().unwrap();
            fs::write(outside.path().join("file"), "precious").unwrap();
            let dir = TempDir::new().unwrap();
            let to = if name.contains('o') && name.len() < 5 || name == "store.redb" {
                outside.path().join("file")
            } else {
                outside.path().to_owned()
            };
            symlink(to, dir.path().join(name)).unwrap();
            let used = Store::open(dir.path(), StoreOptions::default()).and_then(|store| {
                let (encoding, value, _) = text_value('x', 100_000);
                store.write(|writer| writer.put_object(&value, &encoding))
            });
            assert!(
                matches!(used, Err(StoreError::Io { .. })),
                "{name}: {used:?}"
            );
            assert_eq!(
                fs::read_to_string(outside.path().join("file")).unwrap(),
                "precious"
            );
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_pipe_in_place_of_an_object_is_a_miss_and_does_not_block() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        let (encoding, value, ty) = text_value('x', 100_000);
        write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
        let file = object_file(&dir, &value);
        fs::remove_file(&file).unwrap();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&file)
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(store.snapshot().unwrap().object(&value, &ty).unwrap(), None);
    }
}
