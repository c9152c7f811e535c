//! Compiled code is taken again where it is what was kept, and otherwise the component is compiled, whatever is there.

use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::SystemTime;

use flowstone_core::Value;
use flowstone_sandbox::Limits;
use tempfile::TempDir;

use super::*;
use crate::Component;

/// A component whose function `answer` gives this number, large enough to be kept.
fn component(answer: u32) -> Vec<u8> {
    padded(answer, COMPONENT_BYTES_MIN)
}

fn padded(answer: u32, bytes: usize) -> Vec<u8> {
    let text = format!(
        r#"(core module $m (func (export "answer") (result i32) (i32.const {answer})))
          (core instance $i (instantiate $m))
          (func (export "answer") (result u32) (canon lift (core func $i "answer")))"#
    );
    with(&text, bytes)
}

/// A component with these parts, and as much padding.
fn with(parts: &str, bytes: usize) -> Vec<u8> {
    let padding = " ".repeat(bytes);
    let text =
        format!(r#"(component {parts} (core module (memory 1) (data (i32.const 0) "{padding}")))"#);
    wat::parse_str(text).expect("it is a component")
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test");
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("cache/compiled")
    }

    fn folder(&self) -> CompiledFolder {
        CompiledFolder::new(self.path(), [1; 32])
    }

    /// The files of code.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("aot"));
        let entries = entries.into_iter().flatten();
        entries
            .map(|entry| entry.expect("it is listed").path())
            .collect()
    }
}

/// Loads a component and calls it: it is the right one, wherever its code is from.
fn load(folder: &CompiledFolder, answer: u32) -> KeptCode {
    let (component, kept) = Component::load_from(folder, "plug", &component(answer), None)
        .expect("nothing about the folder is an error");
    let output = component.call("answer", &[], &Limits::default(), [0; 32]);
    let output = output.expect("it has the function").expect("it returns");
    assert_eq!(output.value, Some(Value::U32(answer)));
    kept
}

#[test]
fn the_second_time_kept_code_is_used_and_that_is_noted() {
    let place = Place::new();
    assert!(matches!(load(&place.folder(), 1), KeptCode::Added));
    let files = place.files();
    let file = File::open(&files[0]).expect("the code was kept");
    file.set_modified(SystemTime::UNIX_EPOCH)
        .expect("it is ours");
    assert!(matches!(load(&place.folder(), 1), KeptCode::Used));
    // The same file, not one in its place: its time is seen through what was opened before.
    let used = file.metadata().and_then(|metadata| metadata.modified());
    assert!(used.expect("it is there") > SystemTime::UNIX_EPOCH);
    assert!(matches!(load(&place.folder(), 2), KeptCode::Added));
    assert_eq!(place.files().len(), 2);
}

#[test]
fn a_small_component_or_one_that_is_refused_leaves_no_folder() {
    let place = Place::new();
    let small = padded(1, 0);
    let loaded = Component::load_from(&place.folder(), "plug", &small, None);
    assert!(matches!(loaded, Ok((_, KeptCode::NotKept(None)))));
    let refused = with(
        r#"(import "acme:other/api" (instance (export "f" (func))))"#,
        COMPONENT_BYTES_MIN,
    );
    let of_folder = Component::load_from(&place.folder(), "plug", &refused, None).err();
    let alone = Component::load("plug", &refused).err();
    let said = alone.expect("it is refused").to_string();
    assert_eq!(of_folder.expect("it is refused").to_string(), said);
    assert!(!place.path().exists());
}

#[test]
fn code_that_was_changed_is_not_loaded() {
    let place = Place::new();
    load(&place.folder(), 1);
    let file = &place.files()[0];
    let whole = fs::read(file).expect("it was kept");
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(file, changed).expect("it is ours");
        assert!(matches!(load(&place.folder(), 1), KeptCode::Added));
        assert!(matches!(load(&place.folder(), 1), KeptCode::Used));
    }
}

#[test]
fn a_folder_with_another_key_brings_no_code() {
    let place = Place::new();
    load(&CompiledFolder::new(place.path(), [2; 32]), 1);
    assert!(matches!(load(&place.folder(), 1), KeptCode::Added));
    assert!(matches!(load(&place.folder(), 1), KeptCode::Used));
}

#[test]
fn a_store_in_use_is_not_waited_for() {
    let place = Place::new();
    load(&place.folder(), 1);
    let held = Store::open(&place.path(), StoreOptions::default()).expect("nobody holds it");
    for answer in [1, 2] {
        let kept = load(&place.folder(), answer);
        assert!(matches!(
            kept,
            KeptCode::NotKept(Some(Error::Store(StoreError::Locked { .. })))
        ));
    }
    drop(held);
    assert!(matches!(load(&place.folder(), 1), KeptCode::Used));
}

#[test]
fn a_folder_that_cannot_be_made_is_gone_without() {
    let place = Place::new();
    fs::write(place.dir.path().join("cache"), "a file").expect("it is ours");
    for _ in 0..2 {
        let kept = load(&place.folder(), 1);
        assert!(matches!(
            kept,
            KeptCode::NotKept(Some(Error::Store(StoreError::Io { .. })))
        ));
    }
}

#[test]
fn a_damaged_store_is_made_anew() {
    let place = Place::new();
    for damage in [&b"no database"[..], b""] {
        load(&place.folder(), 1);
        fs::write(place.path().join("store.redb"), damage).expect("it is ours");
        assert!(matches!(load(&place.folder(), 1), KeptCode::Added));
        assert!(matches!(load(&place.folder(), 1), KeptCode::Used));
    }
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path()).expect("it is ours");
    fs::write(place.path().join("store.redb"), "no database").expect("it is ours");
    for _ in 0..2 {
        assert!(matches!(
            load(&place.folder(), 1),
            KeptCode::NotKept(Some(_))
        ));
    }
    let left = fs::read_dir(place.path()).expect("it is there");
    assert_eq!(left.count(), 1);
}

#[test]
fn there_is_a_limit_to_what_is_kept() {
    let place = Place::new();
    for answer in 0..=FILES_MAX as u32 {
        load(&place.folder(), answer);
    }
    assert_eq!(place.files().len(), FILES_MAX);
}

#[test]
fn many_at_once_all_get_the_component() {
    let place = Place::new();
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for answer in [1, 1, 2, 2] {
            let (place, start) = (&place, &start);
            scope.spawn(move || {
                start.wait();
                load(&place.folder(), answer);
            });
        }
    });
    load(&place.folder(), 1);
    assert!(matches!(load(&place.folder(), 1), KeptCode::Used));
}
