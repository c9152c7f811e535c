//! Compiled code is used only when the key fits and nobody else can have touched the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flowstone_core::ComponentDigest;
use tempfile::TempDir;

use super::hash;
use crate::{Store, StoreOptions};

fn open(dir: &Path, code_key: Option<[u8; 32]>) -> Store {
    Store::open(
        dir,
        StoreOptions {
            code_key,
            ..StoreOptions::default()
        },
    )
    .unwrap()
}

fn digest() -> ComponentDigest {
    ComponentDigest::from_bytes(hash(1))
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join(format!("aot/{}-x86.cwasm", digest()))
}

#[test]
fn code_is_kept_by_component_and_compatibility() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), Some([1; 32]));
    let odd = "../../x86 with \0 and / in it";
    store
        .put_compiled(&digest(), "x86", b"native code")
        .unwrap();
    store.put_compiled(&digest(), odd, b"other code").unwrap();
    let kept = |compatibility: &str| store.compiled(&digest(), compatibility).unwrap();
    assert_eq!(
        kept("x86"),
        Some((b"native code".to_vec(), blake3::hash(b"native code")))
    );
    assert_eq!(
        kept(odd),
        Some((b"other code".to_vec(), blake3::hash(b"other code")))
    );
    assert_eq!(kept("arm"), None);
    assert_eq!(
        store
            .compiled(&ComponentDigest::from_bytes(hash(2)), "x86")
            .unwrap(),
        None
    );
    assert_eq!(fs::read_dir(dir.path().join("aot")).unwrap().count(), 2);
    store.put_compiled(&digest(), "x86", b"newer code").unwrap();
    assert_eq!(kept("x86").unwrap().0, b"newer code");
    drop(store);
    assert_eq!(
        open(dir.path(), Some([1; 32]))
            .compiled(&digest(), "x86")
            .unwrap()
            .unwrap()
            .0,
        b"newer code"
    );
}

#[test]
fn without_a_key_no_code_is_kept_and_none_is_used() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), None);
    store
        .put_compiled(&digest(), "x86", b"native code")
        .unwrap();
    assert!(!dir.path().join("aot").exists());
    drop(store);
    open(dir.path(), Some([1; 32]))
        .put_compiled(&digest(), "x86", b"native code")
        .unwrap();
    assert_eq!(
        open(dir.path(), None).compiled(&digest(), "x86").unwrap(),
        None
    );
}

#[test]
fn code_kept_under_another_key_is_a_miss_and_removed() {
    let dir = TempDir::new().unwrap();
    open(dir.path(), Some([1; 32]))
        .put_compiled(&digest(), "x86", b"native code")
        .unwrap();
    assert_eq!(
        open(dir.path(), Some([2; 32]))
            .compiled(&digest(), "x86")
            .unwrap(),
        None
    );
    assert!(!file(&dir).exists());
}

#[test]
fn changed_code_is_a_miss_and_removed() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), Some([1; 32]));
    for changed in [&b"hostile cod"[..], b"native code and more", b""] {
        store
            .put_compiled(&digest(), "x86", b"native code")
            .unwrap();
        fs::write(file(&dir), changed).unwrap();
        assert_eq!(store.compiled(&digest(), "x86").unwrap(), None);
        assert!(!file(&dir).exists());
    }
}

#[cfg(unix)]
#[test]
fn the_folder_and_its_files_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), Some([1; 32]));
    let put = || {
        store
            .put_compiled(&digest(), "x86", b"native code")
            .unwrap();
    };
    let get = || store.compiled(&digest(), "x86").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    put();
    let folder = dir.path().join("aot");
    assert_eq!((mode(&folder), mode(&file(&dir))), (0o700, 0o600));

    set(&file(&dir), 0o640);
    assert_eq!(get(), None);
    assert!(!file(&dir).exists());

    put();
    set(&folder, 0o750);
    assert_eq!(get(), None);
    put();
    assert_eq!(mode(&folder), 0o700);
    assert!(get().is_some());

    fs::remove_dir_all(&folder).unwrap();
    let outside = TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), &folder).unwrap();
    assert_eq!(get(), None);
    put();
    assert!(get().is_some());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// A store with the code of three components of 10 bytes each, used 1, 2 and 3 hours ago.
fn aged(dir: &TempDir) -> Store {
    let store = open(dir.path(), Some([1; 32]));
    for hours in 1..=3 {
        let digest = ComponentDigest::from_bytes(hash(hours));
        store.put_compiled(&digest, "x86", &[0; 10]).unwrap();
        let file = dir.path().join(format!("aot/{digest}-x86.cwasm"));
        let used = SystemTime::now() - Duration::from_secs(3600 * hours);
        fs::File::open(file).unwrap().set_modified(used).unwrap();
    }
    store
}

/// Which of the three are left: by record and content, and by the file's name alone.
fn left(dir: &TempDir, store: &Store) -> (Vec<u64>, Vec<u64>) {
    let digest = |hours| ComponentDigest::from_bytes(hash(hours));
    let usable = (1..=3).filter(|hours| store.compiled(&digest(*hours), "x86").unwrap().is_some());
    let there =
        (1..=3).filter(|hours| Store::has_compiled_file(dir.path(), &digest(*hours), "x86"));
    (usable.collect(), there.collect())
}

#[test]
fn the_code_that_was_not_used_for_longest_goes_first() {
    for (files_max, bytes_max, expected) in [
        (3, 30, &[1, 2, 3][..]),
        (2, 30, &[1, 2]),
        (3, 29, &[1, 2]),
        (3, 10, &[1]),
        (3, 9, &[]),
        (0, 30, &[]),
    ] {
        let dir = TempDir::new().unwrap();
        let store = aged(&dir);
        let removed = store.prune_compiled(files_max, bytes_max).unwrap();
        assert_eq!(removed, 3 - expected.len());
        assert_eq!(left(&dir, &store), (expected.to_vec(), expected.to_vec()));
        let records = store.size().unwrap().compiled;
        assert_eq!(records, 10 * expected.len() as u64);
    }
}

#[test]
fn code_that_is_used_stays_and_files_without_a_record_go() {
    let dir = TempDir::new().unwrap();
    let store = aged(&dir);
    let oldest = ComponentDigest::from_bytes(hash(3));
    store.note_compiled_use(&oldest, "x86").unwrap();
    let stray = dir.path().join(format!(
        "aot/{}-x86.cwasm",
        ComponentDigest::from_bytes(hash(4))
    ));
    fs::write(&stray, b"left by a process that was killed").unwrap();
    let file = fs::File::open(&stray).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(store.prune_compiled(2, 100).unwrap(), 2);
    assert_eq!(left(&dir, &store), (vec![1, 3], vec![1, 3]));
    assert!(!stray.exists());
    let nothing = ComponentDigest::from_bytes(hash(5));
    assert!(store.note_compiled_use(&nothing, "x86").is_err());
}

#[test]
fn the_older_code_of_one_component_goes_and_that_of_others_stays() {
    let dir = TempDir::new().unwrap();
    let store = aged(&dir);
    let digest = ComponentDigest::from_bytes(hash(2));
    for (compatibility, hours) in [("arm", 9), ("arm-part", 1)] {
        store
            .put_compiled(&digest, compatibility, &[0; 10])
            .unwrap();
        let file = dir
            .path()
            .join(format!("aot/{digest}-{compatibility}.cwasm"));
        let used = SystemTime::now() - Duration::from_secs(3600 * hours);
        fs::File::open(file).unwrap().set_modified(used).unwrap();
    }
    let there = |compatibility| store.compiled(&digest, compatibility).unwrap().is_some();
    store.prune_compiled_of(&digest, 2).unwrap();
    assert!(!there("arm") && there("arm-part"));
    assert_eq!(left(&dir, &store), (vec![1, 2, 3], vec![1, 2, 3]));
    store.prune_compiled_of(&digest, 1).unwrap();
    assert!(there("arm-part"));
    assert_eq!(left(&dir, &store), (vec![1, 3], vec![1, 3]));
}

#[test]
fn a_store_without_compiled_code_is_pruned_to_itself() {
    let dir = TempDir::new().unwrap();
    assert_eq!(open(dir.path(), None).prune_compiled(0, 0).unwrap(), 0);
}
