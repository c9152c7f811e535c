//! Collections of a store that is too large: the least recently used go first, as many as must, and no other.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::tests::relation::dump_relations;
use crate::tests::{open, write};
use crate::{LookupRecord, Member, Step, TargetId, member_key};

/// An entry of about a kilobyte.
fn large(number: u64, run: u64) -> MemoRecord {
    let mut record = entry(number, run, 1, None);
    record.outcome = Outcome::Value {
        fingerprint: fingerprint(number),
        parts: Vec::new(),
        stored: Stored::Inline(vec![number as u8; 1000]),
    };
    record
}

fn at_most(bytes_max: u64) -> GcPolicy {
    GcPolicy {
        bytes_max: Some(bytes_max),
        ..GcPolicy::default()
    }
}

fn size(store: &Store) -> u64 {
    let dry_run = GcPolicy {
        dry_run: true,
        ..GcPolicy::default()
    };
    collect(store, &dry_run, 1000, None).bytes_before
}

fn last_runs(store: &Store, keys: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let snapshot = store.snapshot().unwrap();
    keys.into_iter()
        .filter_map(|number| {
            let record = snapshot.memo(&memo_key(number)).unwrap()?;
            let usage = snapshot.usage(&memo_key(number)).unwrap();
            Some(
                usage
                    .map_or(record.run, |usage| usage.run.max(record.run))
                    .0,
            )
        })
        .collect()
}

#[test]
fn a_store_that_is_small_enough_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        (0..100).try_for_each(|number| writer.put_memo(&memo_key(number), &large(number, number)))
    })
    .unwrap();
    let exact = size(&store);
    let report = collect(&store, &at_most(exact), 7, None);
    assert_eq!((report.removed, report.over_max), (0, false));
    let report = collect(&store, &at_most(exact - 1), 7, None);
    // A tenth less than what it may be, and what is needed for that.
    assert!((8..16).contains(&report.evicted_for_size), "{report:?}");
    assert!(report.bytes_after <= (exact - 1) / 10 * 9 + 1000);
    assert!(report.bytes_after > (exact - 1) / 10 * 9 - 2000);
    assert!(!report.over_max);
    let left = last_runs(&store, 0..100);
    assert_eq!(left, (report.removed..100).collect::<Vec<_>>());
}

#[test]
fn what_a_collection_that_was_cut_off_left_does_not_weigh_in_the_next_one() {
    let filled = || {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        write(&store, |writer| {
            (0..200)
                .try_for_each(|number| writer.put_memo(&memo_key(number), &large(number, number)))
        })
        .unwrap();
        (dir, store)
    };
    let (_dir, store) = filled();
    let policy = at_most(size(&store) / 2);
    let report = collect(&store, &policy, 7, None);
    let expected = last_runs(&store, 0..200);
    assert!(
        report.evicted_for_size > 80 && !report.over_max,
        "{report:?}"
    );

    let mut strays_left = 0;
    for stop_after in 0.. {
        let (_dir, store) = filled();
        if collect(&store, &policy, 7, Some(stop_after)).finished {
            break;
        }
        let left = last_runs(&store, 0..200).len() as u64;
        // Under another policy it is begun anew.
        let seen = collect(
            &store,
            &GcPolicy {
                dry_run: true,
                ..policy.clone()
            },
            7,
            None,
        );
        assert_eq!(seen.entries, left, "stopped after {stop_after}");
        strays_left += u64::from(left < 200 && seen.evicted_for_size == 0);
        let again = collect(&store, &policy, 7, None);
        assert!(again.finished && !again.over_max, "{again:?}");
        // Once it is small enough no more goes, so it may be more; but hardly less, by what pages are only nearly full of.
        let left = last_runs(&store, 0..200).len();
        assert!(
            left + 2 >= expected.len(),
            "stopped after {stop_after}: {left} of {}",
            expected.len()
        );
    }
    assert!(
        strays_left > 0,
        "it was never stopped between entries and their records"
    );
}

#[test]
fn entries_that_rows_use_or_pins_hold_stay_however_large_the_store_is() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        for number in 0..40 {
            let mut record = large(number, 1);
            record.recipe = RecipeId(number as u32 % 2);
            writer.put_memo(&memo_key(number), &record)?;
        }
        put_row(writer, 0, 1, &using(&(20..30).collect::<Vec<_>>(), &[]))
    })
    .unwrap();
    let mut policy = at_most(1);
    policy.pinned.insert(RecipeId(1));
    let report = collect(&store, &policy, 7, None);
    assert_eq!((report.in_use, report.pinned, report.recent), (10, 15, 0));
    assert_eq!((report.evicted_for_size, report.over_max), (15, true));
    assert_eq!(report.kept, 25);
}

#[test]
fn an_object_counts_where_the_last_entry_that_needs_it_goes() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    // Objects 1, 3 and 5 have files of 66,004 bytes. One is shared by an old and a young entry, one by two of the same run.
    write(&store, |writer| {
        for (number, run, of) in [(0, 1, 1), (1, 5, 1), (2, 2, 3), (3, 2, 3), (4, 6, 5)] {
            let (encoding, value, _) = object(of);
            writer.put_object(&value, &encoding)?;
            writer.put_memo(&memo_key(number), &entry(number, run, 1, Some(of)))?;
        }
        Ok(())
    })
    .unwrap();
    let size = size(&store);
    assert_eq!(store.size().unwrap().objects, 3 * 66_004);
    // One object must go; the oldest entry needs one, but so does a young one.
    let report = collect(&store, &at_most(size - 1), 2, None);
    assert_eq!((report.evicted_for_size, report.objects_removed), (3, 1));
    assert_eq!(last_runs(&store, 0..5), [5, 6]);
    assert_eq!(World::of(&store).unwrap().objects, [1, 5].into());
    assert_eq!(store.size().unwrap().objects, 2 * 66_004);
    assert!(!report.over_max);
}

#[test]
fn entries_of_a_great_many_runs_are_cut_at_the_right_one() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let numbers = 0..9000_u64;
    // Each its own run, so that the histogram has to be refined.
    write(&store, |writer| {
        (numbers.clone()).try_for_each(|number| {
            writer.put_memo(
                &memo_key(number),
                &entry(number, number * 7919 % 9000, 1, None),
            )
        })
    })
    .unwrap();
    let before = size(&store);
    let report = collect(&store, &at_most(before / 2), 1000, None);
    let mut left = last_runs(&store, numbers);
    left.sort_unstable();
    assert_eq!(left, (report.evicted_for_size..9000).collect::<Vec<_>>());
    let target = before / 2 / 10 * 9;
    assert!(
        report.bytes_after.abs_diff(target) < target / 100,
        "{report:?}, {target}"
    );
}

#[test]
fn what_relations_hold_counts_and_stays() {
    const RECORDS: u64 = 300;
    type Put = fn(&mut Writer<'_>, &[u8]) -> Result<(), StoreError>;
    let kinds: [(&str, Put); 5] = [
        ("relation", |writer, key| {
            let member = Member {
                columns: Vec::new(),
            };
            let put = writer.put_member(TargetId(0), &member_key(b"", key), Some(&member));
            put.map(drop)
        }),
        ("reader", |writer, key| {
            let lookup = LookupRecord {
                relation: TargetId(0),
                key: [0; 16],
            };
            writer.put_reader(&lookup, CollectionId(0), key, true)
        }),
        ("due", |writer, key| writer.put_due(CollectionId(0), key)),
        ("step", |writer, key| {
            let step = Step {
                fingerprint: fingerprint(0),
                bytes: Vec::new(),
            };
            let put = writer.put_step((TargetId(0), b"", 0), key, Some(&step));
            put.map(drop)
        }),
        ("change", |writer, key| {
            writer.put_change((TargetId(0), b"", 0), key, false)
        }),
    ];
    let dir = TempDir::new().unwrap();
    let (store, _disk) = fast(&dir);
    for (what, put) in kinds {
        let before = store.live_bytes().unwrap();
        write(&store, |writer| {
            (0..RECORDS).try_for_each(|number| put(writer, &hash(number).repeat(4)))
        })
        .unwrap();
        let grown = store.live_bytes().unwrap() - before;
        assert!(grown >= RECORDS * 128, "{what}: {grown} bytes more");
    }
    let records = dump_relations(&store).unwrap();
    assert_eq!(records.len() as u64, 5 * RECORDS);
    // Whatever can go goes.
    let mut policy = at_most(1);
    policy.used_since = RunId(100);
    policy.runs_since = RunId(100);
    assert!(collect(&store, &policy, 7, None).over_max);
    assert_eq!(dump_relations(&store).unwrap(), records);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_entry_goes_before_one_that_was_used_less_recently(
        entries in prop::collection::btree_map(0..KEYS, (1..6_u64, prop::option::of(1..6_u64), prop::option::of(0..OBJECTS)), 1..20),
        used in prop::collection::vec(0..KEYS, 0..5),
        used_since in 0..4_u64,
        share in 1..120_u64,
        records in 1..9_usize,
        stop_after in 0..20_usize,
    ) {
        let dir = TempDir::new().unwrap();
        let (store, _disk) = fast(&dir);
        write(&store, |writer| {
            for (number, (run, usage, of)) in &entries {
                writer.put_memo(&memo_key(*number), &entry(*number, *run, 1, *of))?;
                if let Some(of) = of {
                    let (encoding, value, _) = object(*of);
                    writer.put_object(&value, &encoding)?;
                }
                if let Some(run) = usage {
                    writer.add_usage(&memo_key(*number), RunId(*run), 1)?;
                }
            }
            put_row(writer, 0, 1, &using(&used, &[]))
        }).unwrap();
        let before = World::of(&store).unwrap();
        let bytes_max = size(&store) * share / 100;
        let mut policy = at_most(bytes_max);
        policy.used_since = RunId(used_since);
        let dry_run = GcPolicy { dry_run: true, ..policy.clone() };
        let dry = collect(&store, &dry_run, records, None);
        collect(&store, &policy, records, Some(stop_after));
        let mut report = collect(&store, &policy, records, None);
        let after = World::of(&store).unwrap();

        let all = before.clone().collected(&policy);
        let last = |number: &u64| {
            let (run, usage, _) = entries[number];
            usage.map_or(run, |usage| usage.max(run))
        };
        let young: BTreeSet<u64> = (entries.keys().copied())
            .filter(|number| all.memos.contains_key(&memo_key(*number)) && !used.contains(number))
            .collect();
        let (stays, goes): (Vec<u64>, Vec<u64>) =
            young.iter().partition(|number| after.memos.contains_key(&memo_key(**number)));
        prop_assert_eq!(goes.len() as u64, report.evicted_for_size);
        prop_assert!(goes.iter().map(last).max() <= stays.iter().map(last).min() || goes.is_empty() || stays.is_empty());
        prop_assert!(used.iter().all(|number| !entries.contains_key(number) || after.memos.contains_key(&memo_key(*number))));
        // As many as must, and not one more: what the last one freed was needed.
        prop_assert!(!report.over_max || stays.is_empty());
        if share >= 100 && all == before {
            prop_assert_eq!(report.removed, 0);
        }
        let mut left = all;
        left.memos.retain(|key, _| after.memos.contains_key(key));
        prop_assert_eq!(left.without_what_nobody_needs(&policy), after);
        report.resumed = false;
        prop_assert_eq!(report, dry);
    }
}
