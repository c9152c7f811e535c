//! Records in the order of writing, and the index that leads to them: what the crate does about it, and what it makes of
//! indices and records that do not fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use flowstone_core::{Fingerprint, MemoKey, RunId};
use proptest::prelude::*;
use redb::{ReadableDatabase, ReadableTable};
use tempfile::TempDir;

use super::crash::empty_image;
use super::disk::Disk;
use super::{hash, memo, memo_key, open, text_value, write};
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

#[test]
fn an_index_that_is_damaged_leads_to_misses_alone() {
    let dir = TempDir::new().unwrap();
    fill(&open(&dir), 0..5);
    // 1 leads to the record of 2, 3 to nothing, and 4 is written under the key of 9.
    change_raw(&dir, &MEMO, |index, _| {
        let of = |number: u64| half(&hash(number));
        let two = index.get(&of(2)).unwrap().unwrap().value();
        index.insert(&of(1), two).unwrap();
        index.insert(&of(3), 1 << 63).unwrap();
        let four = index.remove(&of(4)).unwrap().unwrap().value();
        index.insert(&of(9), four).unwrap();
    });
    let store = open(&dir);
    for number in [1, 3, 4, 9] {
        assert_eq!(get(&store, &memo_key(number)), None);
    }
    for number in [0, 2] {
        assert_eq!(get(&store, &memo_key(number)), Some(memo(number)));
    }
    let mut keys: Vec<MemoKey> = (0..10).map(memo_key).collect();
    keys.sort();
    let found = store.snapshot().unwrap().memos(&keys).unwrap();
    assert_eq!(found.iter().flatten().count(), 2);
    assert_eq!(store.snapshot().unwrap().memo_entries().unwrap().count(), 2);

    let found = verify(&store, false);
    assert_eq!(
        (found.entries, found.entries_damaged, found.orphans),
        (5, 3, 3)
    );
    assert_eq!(verify(&store, false), found);
    // To forget or to write 1 again leaves 2 alone.
    write(&store, |writer| {
        writer.remove_memo(&memo_key(1))?;
        writer.put_memo(&memo_key(3), &memo(3))
    })
    .unwrap();
    assert_eq!(get(&store, &memo_key(2)), Some(memo(2)));
    assert_eq!(get(&store, &memo_key(3)), Some(memo(3)));
    let repaired = verify(&store, true);
    assert_eq!(
        (repaired.entries, repaired.entries_damaged, repaired.orphans),
        (4, 1, 3)
    );
    let after = verify(&store, true);
    assert!(after.is_sound() && after.orphans == 0, "{after:?}");
    for number in [0, 2, 3] {
        assert_eq!(get(&store, &memo_key(number)), Some(memo(number)));
    }
    drop(store);
    let tables = dump(&dir, &MEMO);
    assert_in_step(&tables);
    assert_eq!(tables.0.len(), 3);
}

#[test]
fn records_that_nothing_leads_to_are_told_and_removed() {
    for spec in [&MEMO, &OBJECT] {
        for collect in [false, true] {
            let dir = TempDir::new().unwrap();
            let (encoding, value, ty) = text_value('a', 3000);
            let store = open(&dir);
            fill(&store, 0..5);
            write(&store, |writer| writer.put_object(&value, &encoding)).unwrap();
            drop(store);
            change_raw(&dir, spec, |index, records| {
                let (_, number) = index.pop_first().unwrap().unwrap();
                drop(number);
                // Nor is what is too short to have a key led to.
                records.insert(1000, &[1; 9][..]).unwrap();
            });
            let store = open(&dir);
            if collect {
                let policy = GcPolicy::default();
                let dry_run = GcPolicy {
                    dry_run: true,
                    ..policy.clone()
                };
                let told = gc(&store, &dry_run);
                let done = gc(&store, &policy);
                assert_eq!((told.orphans_removed, done.orphans_removed), (2, 2));
                assert_eq!(done.damaged, 0);
                assert_eq!(gc(&store, &policy).orphans_removed, 0);
            } else {
                let told = verify(&store, false);
                assert!(told.is_sound());
                assert_eq!((told.orphans, verify(&store, true).orphans), (2, 2));
                assert_eq!(verify(&store, true).orphans, 0);
            }
            let left = (0..5).filter(|number| get(&store, &memo_key(*number)).is_some());
            assert_eq!(
                left.count(),
                if spec.records.tag == MEMO.records.tag {
                    4
                } else {
                    5
                }
            );
            let object = store.snapshot().unwrap().object(&value, &ty).unwrap();
            // No entry needs it, so that a collection removes it.
            let is_kept = spec.records.tag == MEMO.records.tag && !collect;
            assert_eq!(object.is_some(), is_kept);
            drop(store);
            assert_in_step(&dump(&dir, &MEMO));
            assert_in_step(&dump(&dir, &OBJECT));
        }
    }
}

#[test]
fn a_collection_of_half_the_entries_leaves_the_others_and_no_more() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let value = |number: u64| text_value(char::from(b'a' + number as u8), 2000 + number as usize);
    write(&store, |writer| {
        for number in 0..20 {
            let (encoding, fingerprint, _) = value(number);
            writer.put_object(&fingerprint, &encoding)?;
            let mut record = memo(number);
            record.outcome = Outcome::Value {
                fingerprint,
                parts: Vec::new(),
                stored: Stored::Object,
            };
            writer.put_memo(&memo_key(number), &record)?;
        }
        Ok(())
    })
    .unwrap();
    let policy = GcPolicy {
        used_since: RunId(10),
        ..GcPolicy::default()
    };
    let report = gc(&store, &policy);
    assert_eq!(
        (
            report.removed,
            report.objects_removed,
            report.orphans_removed
        ),
        (10, 10, 0)
    );
    for number in 0..20 {
        let (encoding, fingerprint, ty) = value(number);
        let is_young = number >= 10;
        assert_eq!(get(&store, &memo_key(number)).is_some(), is_young);
        let object = store.snapshot().unwrap().object(&fingerprint, &ty).unwrap();
        assert_eq!(object, is_young.then_some(encoding));
    }
    drop(store);
    for (spec, hashes) in [
        (&MEMO, (10..20).map(hash).collect::<Vec<_>>()),
        (
            &OBJECT,
            (10..20).map(|number| *value(number).1.as_bytes()).collect(),
        ),
    ] {
        let tables = dump(&dir, spec);
        assert_in_step(&tables);
        let expected: BTreeSet<HalfBytes> = hashes.iter().map(half).collect();
        assert_eq!(tables.0.keys().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(
            tables.1.into_keys().collect::<Vec<_>>(),
            (10..20).collect::<Vec<_>>()
        );
    }
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
