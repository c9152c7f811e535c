//! Indices and records that do not fit each other: misses, never another value, and nothing is left behind.

use super::*;

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
        (found.entries, found.entries_damaged, found.strays),
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
        (repaired.entries, repaired.entries_damaged, repaired.strays),
        (4, 1, 3)
    );
    let after = verify(&store, true);
    assert!(after.is_sound() && after.strays == 0, "{after:?}");
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
                drop(index.pop_first().unwrap());
                // Nor is what is too short to have a key led to.
                records.insert(1000, &[1; 9][..]).unwrap();
            });
            let store = open(&dir);
            let told = verify(&store, false);
            assert!(told.is_sound());
            assert_eq!(told.strays, 2);
            if collect {
                let dry_run = GcPolicy {
                    dry_run: true,
                    ..GcPolicy::default()
                };
                let done = gc(&store, &dry_run);
                assert_eq!(verify(&store, false).strays, 2);
                assert_eq!(gc(&store, &GcPolicy::default()), done);
            } else {
                assert_eq!(verify(&store, true).strays, 2);
            }
            assert_eq!(verify(&store, true).strays, 0);
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
