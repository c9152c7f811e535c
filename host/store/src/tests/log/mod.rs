//! Records in the order of writing, and the index that leads to them.

mod damage;
mod deferred;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use flowstone_core::{Fingerprint, MemoKey, RunId};
use proptest::prelude::*;
use redb::{ReadableDatabase, ReadableTable};
use tempfile::TempDir;

use super::crash::empty_image;
use super::disk::Disk;
use super::{golden, hash, memo, memo_key, open, text_value, write};
use crate::codec;
use crate::tables::{HalfBytes, LogSpec, MEMO, OBJECT, half};
use crate::{GcPolicy, GcReport, Outcome, Store, Stored, VerifyReport};

/// Changes both tables, past everything that the crate does about it.
fn change_raw(
    dir: &TempDir,
    spec: &LogSpec,
    change: impl FnOnce(
        &mut redb::Table<'_, &'static [u8; 16], u64>,
        &mut redb::Table<'_, u64, &'static [u8]>,
    ),
) {
    let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut index = transaction.open_table(spec.index.definition).unwrap();
        let mut records = transaction.open_table(spec.records.definition).unwrap();
        change(&mut index, &mut records);
    }
    transaction.commit().unwrap();
}

/// Puts what `value` makes of its number where the record of `hash` is, or behind all, with an entry that leads to it.
pub(super) fn put_logged_with(
    dir: &TempDir,
    spec: &LogSpec,
    hash: &[u8; 32],
    value: impl FnOnce(u64) -> Vec<u8>,
) {
    change_raw(dir, spec, |index, records| {
        let number = index.get(&half(hash)).unwrap().map(|number| number.value());
        let last = records.last().unwrap().map(|(last, _)| last.value());
        let number = number.unwrap_or_else(|| last.map_or(0, |last| last + 1));
        index.insert(&half(hash), number).unwrap();
        records.insert(number, &*value(number)).unwrap();
    });
}

/// As [`put_logged_with`], with these bytes.
pub(super) fn put_logged(dir: &TempDir, spec: &LogSpec, hash: &[u8; 32], value: &[u8]) {
    put_logged_with(dir, spec, hash, |_| value.to_vec());
}

/// What is stored for `hash`.
pub(super) fn get_logged(dir: &TempDir, spec: &LogSpec, hash: &[u8; 32]) -> Vec<u8> {
    let (index, records) = dump(dir, spec);
    records[&index[&half(hash)]].clone()
}

type Dump = (BTreeMap<HalfBytes, u64>, BTreeMap<u64, Vec<u8>>);

/// All that is in both tables of a store that is closed.
fn dump(dir: &TempDir, spec: &LogSpec) -> Dump {
    let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let index = transaction.open_table(spec.index.definition).unwrap();
    let records = transaction.open_table(spec.records.definition).unwrap();
    let index = index.iter().unwrap().map(|entry| {
        let (half, number) = entry.unwrap();
        (*half.value(), number.value())
    });
    let records = records.iter().unwrap().map(|entry| {
        let (number, stored) = entry.unwrap();
        (number.value(), stored.value().to_vec())
    });
    (index.collect(), records.collect())
}

/// Asserts that each entry leads to a record of its own, and that there are no others.
fn assert_in_step((index, records): &Dump) {
    assert_eq!(index.len(), records.len());
    for (half, number) in index {
        assert!(records[number].starts_with(half), "{number}");
    }
}

fn fill(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    write(store, |writer| {
        (numbers.into_iter())
            .try_for_each(|number| writer.put_memo(&memo_key(number), &memo(number)))
    })
    .unwrap();
}

fn get(store: &Store, key: &MemoKey) -> Option<crate::MemoRecord> {
    let snapshot = store.snapshot().unwrap();
    let found = snapshot.memo(key).unwrap();
    assert_eq!(
        snapshot.memos(&[*key, *key]).unwrap(),
        [found.clone(), found.clone()]
    );
    found
}

fn verify(store: &Store, repair: bool) -> VerifyReport {
    let stop = AtomicBool::new(false);
    store.verify(repair, &stop, &mut |_| {}).unwrap()
}

fn gc(store: &Store, policy: &GcPolicy) -> GcReport {
    let stop = AtomicBool::new(false);
    store.gc(policy, &stop, &mut |_| {}).unwrap()
}

/// A key that begins as that of `number` does, and ends in other bytes.
fn alike(number: u64) -> MemoKey {
    let mut bytes = hash(number);
    bytes[16] ^= 1;
    MemoKey::from_bytes(bytes)
}

#[test]
fn of_two_keys_that_begin_alike_the_later_one_is_kept() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    fill(&store, 0..3);
    write(&store, |writer| {
        // What is not there is not removed in place of the other.
        writer.remove_memo(&alike(1))?;
        assert_eq!(writer.memo(&memo_key(1))?, Some(memo(1)));
        writer.put_memo(&alike(1), &memo(7))?;
        assert_eq!(writer.memo(&memo_key(1))?, None);
        assert_eq!(writer.memo(&alike(1))?, Some(memo(7)));
        Ok(())
    })
    .unwrap();
    assert_eq!(get(&store, &memo_key(1)), None);
    assert_eq!(get(&store, &alike(1)), Some(memo(7)));
    let listed = store.snapshot().unwrap().memo_entries().unwrap();
    assert_eq!(
        listed
            .map(Result::unwrap)
            .filter(|(key, _)| *key == alike(1))
            .count(),
        1
    );
    write(&store, |writer| writer.remove_memo(&memo_key(1))).unwrap();
    assert_eq!(get(&store, &alike(1)), Some(memo(7)));
    drop(store);
    let tables = dump(&dir, &MEMO);
    assert_in_step(&tables);
    assert_eq!(tables.0.len(), 3);
    write(&open(&dir), |writer| writer.remove_memo(&alike(1))).unwrap();
    let tables = dump(&dir, &MEMO);
    assert_in_step(&tables);
    assert_eq!(tables.0.len(), 2);
}

#[test]
fn of_two_objects_that_begin_alike_the_later_one_is_kept() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (encoding, value, ty) = text_value('a', 3000);
    let mut bytes = *value.as_bytes();
    bytes[31] ^= 1;
    let other = Fingerprint::from_bytes(bytes);
    let put = |value: &Fingerprint| write(&store, |writer| writer.put_object(value, &encoding));
    let get = || store.snapshot().unwrap().object(&value, &ty).unwrap();
    put(&value).unwrap();
    assert_eq!(get().as_ref(), Some(&encoding));
    put(&other).unwrap();
    assert_eq!(get(), None);
    let bytes = |value| store.snapshot().unwrap().object_bytes(value).unwrap();
    assert_eq!((bytes(&value), bytes(&other)), (None, Some(3004)));
    put(&value).unwrap();
    assert_eq!(get().as_ref(), Some(&encoding));
    drop(store);
    let tables = dump(&dir, &OBJECT);
    assert_in_step(&tables);
    assert_eq!(tables.0.len(), 1);
}

#[test]
fn both_tables_keep_their_byte_form() {
    let dir = TempDir::new().unwrap();
    let value = Fingerprint::from_bytes([0xaa; 32]);
    write(&open(&dir), |writer| {
        writer.put_memo(&memo_key(0), &memo(0))?;
        writer.put_memo(&memo_key(1), &memo(1))?;
        writer.put_object(&value, b"hi")
    })
    .unwrap();
    let sealed = |tag, number: u64, parts: &[&[u8]]| {
        let mut value = parts.concat();
        codec::seal(tag, &number.to_le_bytes(), &mut value);
        value
    };
    let (index, records) = dump(&dir, &MEMO);
    for number in 0..2 {
        assert_eq!(index[&half(&hash(number))], number);
        let expected = sealed(1, number, &[&hash(number), &golden::bytes(&memo(number))]);
        assert_eq!(records[&number], expected);
    }
    let (index, records) = dump(&dir, &OBJECT);
    assert_eq!(index, [([0xaa; 16], 0)].into());
    assert_eq!(records, [(0, sealed(2, 0, &[&[0xaa; 32], b"\0hi"]))].into());
    let names = [&MEMO, &OBJECT].map(|log| (log.index.name, log.records.name, log.next_entry));
    assert_eq!(names[0], ("memo", "entry", "store/next-entry"));
    assert_eq!(names[1], ("object", "blob", "store/next-blob"));
}

#[test]
fn what_is_written_over_keeps_its_number_and_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    fill(&open(&dir), 0..5);
    let before = dump(&dir, &MEMO);
    let numbers: BTreeSet<u64> = before.0.values().copied().collect();
    assert_eq!(numbers, (0..5).collect());
    let store = open(&dir);
    write(&store, |writer| writer.put_memo(&memo_key(3), &memo(9))).unwrap();
    assert_eq!(get(&store, &memo_key(3)), Some(memo(9)));
    drop(store);
    let after = dump(&dir, &MEMO);
    assert_in_step(&after);
    assert_eq!(after.0, before.0);
    assert_eq!(after.1.len(), 5);
}

#[test]
fn no_number_is_given_twice_whatever_is_removed_or_given_up() {
    let dir = TempDir::new().unwrap();
    let numbers = || -> Vec<u64> { dump(&dir, &MEMO).1.into_keys().collect() };
    fill(&open(&dir), 0..5);
    assert_eq!(numbers(), [0, 1, 2, 3, 4]);
    write(&open(&dir), |writer| {
        (0..5).try_for_each(|number| writer.remove_memo(&memo_key(number)))
    })
    .unwrap();
    assert!(numbers().is_empty());
    let store = open(&dir);
    fill(&store, 7..8);
    let given_up: Result<(), crate::StoreError> = store.write(|writer| {
        writer.put_memo(&memo_key(8), &memo(8))?;
        let name = String::new();
        Err(crate::StoreError::Reserved { name })
    });
    assert!(given_up.is_err());
    gc(
        &store,
        &GcPolicy {
            used_since: RunId(100),
            ..GcPolicy::default()
        },
    );
    fill(&store, 9..11);
    drop(store);
    assert_eq!(numbers(), [6, 7]);
    // Without the entry that says it, they go on behind those that are there.
    super::damage::put_raw(&dir, &crate::tables::META, MEMO.next_entry, &[1; 16]);
    fill(&open(&dir), 11..12);
    assert_eq!(numbers(), [6, 7, 8]);
    assert_in_step(&dump(&dir, &MEMO));
}

#[test]
fn numbers_can_run_out() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    change_raw(&dir, &MEMO, |_, records| {
        records.insert(u64::MAX, &[1; 90][..]).unwrap();
    });
    let store = open(&dir);
    let error = write(&store, |writer| writer.put_memo(&memo_key(0), &memo(0))).unwrap_err();
    assert!(error.to_string().contains("used up"), "{error}");
    assert_eq!(get(&store, &memo_key(0)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn many_lookups_at_once_are_those_one_by_one(
        batches in prop::collection::vec(prop::collection::vec(0..300_u64, 0..80), 1..5),
        removed in prop::collection::vec(0..300_u64, 0..60),
        asked in prop::collection::vec(0..330_u64, 0..200),
        all in any::<bool>(),
    ) {
        let dir = TempDir::new().unwrap();
        let disk = Disk::with(&empty_image(&dir), None);
        let store = super::crash::open(&dir, disk).unwrap();
        let mut model = BTreeMap::new();
        for numbers in batches {
            fill(&store, numbers.iter().copied());
            model.extend(numbers.iter().map(|number| (*number, memo(*number))));
        }
        write(&store, |writer| {
            (removed.iter()).try_for_each(|number| writer.remove_memo(&memo_key(*number)))
        }).unwrap();
        model.retain(|number, _| !removed.contains(number));
        let mut asked = if all { (0..330).collect() } else { asked };
        asked.sort_by_key(|number| memo_key(*number));
        let keys: Vec<MemoKey> = asked.iter().copied().map(memo_key).collect();
        let snapshot = store.snapshot().unwrap();
        let found = snapshot.memos(&keys).unwrap();
        for ((number, key), found) in asked.iter().zip(&keys).zip(found) {
            prop_assert_eq!(&snapshot.memo(key).unwrap(), &found);
            prop_assert_eq!(found.as_ref(), model.get(number));
        }
    }
}
