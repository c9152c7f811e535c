//! Kept binaries: what is read is what was put, or nothing.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{component, open};

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join(format!("builds/{}.wasm", component(1)))
}

#[test]
fn a_binary_is_kept_once_and_read_by_a_later_process() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    assert_eq!(store.build(&component(1)).unwrap(), None);
    store.put_build(&component(1), b"a component").unwrap();
    let written = fs::metadata(file(&dir)).unwrap().modified().unwrap();
    // Another binary of the same code: the one that is there stays.
    store.put_build(&component(1), b"with names!").unwrap();
    assert_eq!(
        fs::metadata(file(&dir)).unwrap().modified().unwrap(),
        written
    );
    drop(store);
    let store = open(&dir);
    assert_eq!(
        store.build(&component(1)).unwrap().as_deref(),
        Some(&b"a component"[..])
    );
    assert_eq!(store.build(&component(2)).unwrap(), None);
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_what_was_put_is_a_miss_and_healed_by_the_next_put() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let put = || store.put_build(&component(1), b"a component").unwrap();
    let damages: [&dyn Fn(); 5] = [
        &|| fs::remove_file(file(&dir)).unwrap(),
        &|| fs::write(file(&dir), b"b component").unwrap(),
        &|| fs::write(file(&dir), b"a component and more").unwrap(),
        &|| fs::write(file(&dir), b"").unwrap(),
        &|| fs::remove_dir_all(dir.path().join("builds")).unwrap(),
    ];
    for damage in damages {
        put();
        assert!(store.build(&component(1)).unwrap().is_some());
        damage();
        assert_eq!(store.build(&component(1)).unwrap(), None);
        put();
        assert!(store.build(&component(1)).unwrap().is_some());
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_store_is_not_followed() {
    use std::os::unix::fs::symlink;

    let outside = TempDir::new().unwrap();
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.put_build(&component(1), b"a component").unwrap();
    let elsewhere = outside.path().join("file");
    fs::rename(file(&dir), &elsewhere).unwrap();
    symlink(&elsewhere, file(&dir)).unwrap();
    assert_eq!(store.build(&component(1)).unwrap(), None);
    assert_eq!(fs::read(&elsewhere).unwrap(), b"a component");

    fs::remove_dir_all(dir.path().join("builds")).unwrap();
    symlink(outside.path(), dir.path().join("builds")).unwrap();
    assert!(store.put_build(&component(1), b"a component").is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}
