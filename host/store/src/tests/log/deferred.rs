//! Entries that wait: found as ever, entered many at once, by the next process where one is cut off.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::super::damage::put_raw;
use super::super::{memo, memo_key, open, text_value, write};
use super::{alike, assert_in_step, dump, get, verify};
use crate::log::tail::DEFERRED_MAX;
use crate::tables::{MEMO, META, OBJECT, half};
use crate::{Store, StoreError};

fn defer(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    write(store, |writer| {
        writer.defer_entries();
        (numbers.into_iter())
            .try_for_each(|number| writer.put_memo(&memo_key(number), &memo(number)))
    })
    .unwrap();
}

fn waiting(store: &Store) -> usize {
    store.snapshot().unwrap().deferred()
}

/// Whether the store says that entries wait.
fn says_so(store: &Store) -> bool {
    let snapshot = store.snapshot().unwrap();
    snapshot.meta(MEMO.deferred_entry).unwrap().is_some()
}

#[test]
fn what_waits_is_found_and_enters_when_asked_to_or_when_it_is_too_much() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    defer(&store, 0..3);
    defer(&store, 3..7);
    assert_eq!((waiting(&store), says_so(&store)), (7, true));
    for number in 0..7 {
        assert_eq!(get(&store, &memo_key(number)), Some(memo(number)));
    }
    assert_eq!(get(&store, &memo_key(7)), None);
    let before = store.snapshot().unwrap();
    assert_eq!(before.memo_entries().unwrap().count(), 7);
    defer(&store, 7..9);
    assert_eq!(7 + 2, DEFERRED_MAX + 1);
    assert_eq!((waiting(&store), says_so(&store)), (0, false));
    let after = store.snapshot().unwrap();
    assert_eq!(after.memo_entries().unwrap().count(), 9);
    assert_eq!(before.memo_entries().unwrap().count(), 7);
    assert_eq!(before.memo(&memo_key(6)).unwrap(), Some(memo(6)));
    defer(&store, 30..32);
    store.enter_deferred().unwrap();
    assert_eq!((waiting(&store), says_so(&store)), (0, false));
    let version = store.version();
    store.enter_deferred().unwrap();
    assert_eq!(store.version(), version, "there was nothing to do");
    drop((before, after, store));
    assert_in_step(&dump(&dir, &MEMO));
}

#[test]
fn what_is_put_again_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    defer(&store, 0..4);
    store.enter_deferred().unwrap();
    let put = |key, value| {
        write(&store, |writer| {
            writer.defer_entries();
            writer.put_memo(&key, &memo(value))?;
            assert_eq!(writer.memo(&key)?, Some(memo(value)));
            Ok(())
        })
        .unwrap();
        assert_eq!(get(&store, &key), Some(memo(value)));
    };
    // Over one in the index, over that, and another one that begins alike.
    put(memo_key(1), 7);
    put(memo_key(1), 8);
    put(alike(2), 9);
    assert_eq!(waiting(&store), 2);
    assert_eq!(get(&store, &memo_key(2)), None);
    drop(store);
    let store = open(&dir);
    assert_eq!((waiting(&store), says_so(&store)), (2, true));
    assert_eq!(get(&store, &memo_key(1)), Some(memo(8)));
    assert_eq!(get(&store, &alike(2)), Some(memo(9)));
    store.enter_deferred().unwrap();
    assert_eq!((waiting(&store), says_so(&store)), (0, false));
    assert_eq!(get(&store, &memo_key(1)), Some(memo(8)));
    assert_eq!(get(&store, &alike(2)), Some(memo(9)));
    drop(store);
    let tables = dump(&dir, &MEMO);
    assert_in_step(&tables);
    assert_eq!(tables.1.len(), 4);
}

#[test]
fn objects_wait_as_well_and_are_not_written_twice() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (encoding, value, ty) = text_value('a', 3000);
    for _ in 0..2 {
        write(&store, |writer| {
            writer.defer_entries();
            writer.put_object(&value, &encoding)?;
            writer.put_object(&value, &encoding)
        })
        .unwrap();
    }
    let found = store.snapshot().unwrap().object(&value, &ty).unwrap();
    assert_eq!(found.as_ref(), Some(&encoding));
    assert_eq!(waiting(&store), 1);
    drop(store);
    assert!(dump(&dir, &OBJECT).0.is_empty());
    open(&dir).enter_deferred().unwrap();
    let tables = dump(&dir, &OBJECT);
    assert_in_step(&tables);
    assert_eq!(tables.1.keys().collect::<Vec<_>>(), [&0]);
}

#[test]
fn whoever_needs_the_index_enters_what_waits_first() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    defer(&store, 0..4);
    write(&store, |writer| {
        writer.defer_entries();
        writer.put_memo(&memo_key(4), &memo(4))?;
        writer.remove_memo(&memo_key(0))?;
        writer.remove_memo(&memo_key(4))?;
        writer.defer_entries();
        writer.put_memo(&memo_key(5), &memo(5))
    })
    .unwrap();
    assert_eq!(waiting(&store), 0);
    defer(&store, 6..8);
    write(&store, |writer| writer.put_memo(&memo_key(8), &memo(8))).unwrap();
    assert_eq!(waiting(&store), 0);
    defer(&store, 9..11);
    let report = verify(&store, false);
    assert_eq!((report.entries, report.strays), (9, 0));
    assert_eq!(waiting(&store), 0);
    drop(store);
    let tables = dump(&dir, &MEMO);
    assert_in_step(&tables);
    let expected: BTreeSet<_> = [1, 2, 3, 5, 6, 7, 8, 9, 10].into();
    let expected: BTreeSet<_> = expected
        .into_iter()
        .map(|n| half(&super::hash(n)))
        .collect();
    assert_eq!(tables.0.into_keys().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn what_is_given_up_does_not_wait() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    defer(&store, 0..2);
    let name = || StoreError::Reserved {
        name: String::new(),
    };
    let given_up: Result<(), _> = store.write(|writer| {
        writer.defer_entries();
        writer.put_memo(&memo_key(2), &memo(2))?;
        Err(name())
    });
    assert!(given_up.is_err());
    let given_up: Result<(), _> = store.write(|writer| {
        writer.enter_deferred()?;
        Err(name())
    });
    assert!(given_up.is_err());
    assert_eq!((waiting(&store), says_so(&store)), (2, true));
    for number in 0..3 {
        let expected = (number < 2).then(|| memo(number));
        assert_eq!(get(&store, &memo_key(number)), expected);
    }
}

#[test]
fn what_a_store_says_of_what_waits_is_not_trusted() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let count = 3 * DEFERRED_MAX as u64 + 1;
    write(&store, |writer| {
        (0..count).try_for_each(|number| writer.put_memo(&memo_key(number), &memo(number)))
    })
    .unwrap();
    drop(store);
    let before = dump(&dir, &MEMO);
    let mut entries: Vec<Vec<u8>> = [0, 5, count - 1, count, u64::MAX]
        .map(|first| first.to_le_bytes().to_vec())
        .into();
    entries.extend([vec![], vec![1; 7]]);
    for entry in entries {
        let mut value = entry.clone();
        crate::codec::seal(META.tag, MEMO.deferred_entry.as_bytes(), &mut value);
        put_raw(&dir, &META, MEMO.deferred_entry, &value);
        let store = open(&dir);
        assert!(waiting(&store) <= DEFERRED_MAX, "{entry:?}");
        for number in 0..count {
            assert_eq!(get(&store, &memo_key(number)), Some(memo(number)));
        }
        let listed = store.snapshot().unwrap().memo_entries().unwrap();
        assert_eq!(listed.count() as u64, count);
        store.enter_deferred().unwrap();
        drop(store);
        assert_eq!(dump(&dir, &MEMO), before, "{entry:?}");
    }
    // One that is damaged is as none, and a number that leads to a record before the right one to that.
    put_raw(&dir, &META, MEMO.deferred_entry, &[1; 16]);
    let store = open(&dir);
    assert_eq!(waiting(&store), 0);
    assert_eq!(get(&store, &memo_key(0)), Some(memo(0)));
    defer(&store, [count]);
    store.enter_deferred().unwrap();
    assert!(!says_so(&store));
}

#[test]
fn a_snapshot_stays_as_it_is_whatever_is_deferred_later() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    defer(&store, 0..2);
    store.enter_deferred().unwrap();
    defer(&store, 2..4);
    let before = store.snapshot().unwrap();
    let put = |key, value| {
        write(&store, |writer| {
            writer.defer_entries();
            writer.put_memo(&memo_key(key), &memo(value))
        })
        .unwrap();
    };
    put(1, 7);
    put(3, 8);
    put(4, 4);
    for number in 0..6 {
        let expected = (number < 4).then(|| memo(number));
        assert_eq!(
            before.memo(&memo_key(number)).unwrap(),
            expected,
            "{number}"
        );
    }
    let listed = before.memo_entries().unwrap().map(Result::unwrap);
    let mut listed: Vec<_> = listed.map(|(_, record)| record.run.0).collect();
    listed.sort_unstable();
    assert_eq!(listed, [0, 1, 2, 3]);
    let after = store.snapshot().unwrap();
    let mut listed: Vec<_> = (after.memo_entries().unwrap())
        .map(|entry| entry.unwrap().1.run.0)
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, [0, 2, 4, 7, 8]);
}

#[test]
fn a_transaction_finds_what_it_put_behind_what_it_entered() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    defer(&store, 0..3);
    write(&store, |writer| {
        writer.remove_memo(&memo_key(1))?;
        assert_eq!(writer.memo(&memo_key(1))?, None);
        writer.put_memo(&memo_key(1), &memo(9))?;
        assert_eq!(writer.memo(&memo_key(1))?, Some(memo(9)));
        writer.remove_memo(&memo_key(1))?;
        writer.put_memo(&memo_key(2), &memo(8))
    })
    .unwrap();
    assert_eq!(waiting(&store), 0);
    assert_eq!(get(&store, &memo_key(2)), Some(memo(8)));
    drop(store);
    let tables = dump(&dir, &MEMO);
    assert_in_step(&tables);
    assert_eq!(tables.0.len(), 2);
}
