//! Single rules of collections, and what happens around them.

use std::fs;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::*;
use crate::tests::log::put_logged;
use crate::tests::{open, write};

fn used_since(run: u64) -> GcPolicy {
    GcPolicy {
        used_since: RunId(run),
        runs_since: RunId(run),
        ..GcPolicy::default()
    }
}

fn keys(store: &Store) -> BTreeSet<u64> {
    let snapshot = store.snapshot().unwrap();
    let there = |number: &u64| snapshot.memo(&memo_key(*number)).unwrap().is_some();
    (0..KEYS).filter(there).collect()
}

#[test]
fn only_what_rows_use_now_counts_not_what_they_used_before() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        (0..4).try_for_each(|number| {
            writer.put_memo(&memo_key(number), &entry(number, 1, 1, None))
        })?;
        put_row(writer, 0, 1, &using(&[0, 1], &[2, 3]))?;
        put_row(writer, 1, 1, &using(&[2], &[]))
    })
    .unwrap();
    let report = collect(&store, &used_since(9), 100, None);
    assert_eq!(keys(&store), [0, 1, 2].into());
    assert_eq!((report.in_use, report.expired), (3, 1));
    // Lineage itself stays as it was.
    let lineage = store
        .snapshot()
        .unwrap()
        .lineage(CollectionId(0), &[1])
        .unwrap();
    assert_eq!(lineage, Some(using(&[0, 1], &[2, 3])));
}

#[test]
fn the_newest_run_stays_however_old() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        (1..=5).try_for_each(|run| writer.put_run(RunId(run), "{}"))
    })
    .unwrap();
    collect(&store, &used_since(4), 1, None);
    let runs = |store: &Store| -> Vec<u64> {
        let runs = store.snapshot().unwrap().runs().unwrap();
        runs.map(|run| run.unwrap().0.0).collect()
    };
    assert_eq!(runs(&store), [5, 4]);
    collect(&store, &used_since(100), 1, None);
    assert_eq!(runs(&store), [5]);
    assert_eq!(
        store.snapshot().unwrap().last_run().unwrap(),
        Some(RunId(5))
    );
}

#[test]
fn a_write_between_two_parts_of_a_collection_makes_it_begin_anew() {
    type Change<'a> = &'a dyn Fn(&Store);
    let changes: [(&str, Change<'_>); 4] = [
        ("a row", &|store| {
            write(store, |writer| put_row(writer, 0, 7, &using(&[0], &[]))).unwrap();
        }),
        ("an entry", &|store| {
            write(store, |writer| {
                writer.put_memo(&memo_key(0), &entry(0, 9, 1, Some(1)))
            })
            .unwrap();
        }),
        ("usage", &|store| {
            write(store, |writer| writer.add_usage(&memo_key(0), RunId(9), 1)).unwrap();
        }),
        ("a pin's entries, by name", &|store| {
            write(store, |writer| {
                writer.put_memo(&memo_key(0), &entry(0, 1, 3, Some(1)))
            })
            .unwrap();
        }),
    ];
    let mut policy = used_since(5);
    policy.pinned.insert(RecipeId(3));
    for (what, change) in changes {
        for stop_after in 0..14 {
            let dir = TempDir::new().unwrap();
            let (store, _disk) = fast(&dir);
            let (encoding, value, ty) = object(1);
            let put = |writer: &mut Writer<'_>| {
                writer.put_object(&value, &encoding)?;
                writer.put_memo(&memo_key(0), &entry(0, 1, 1, Some(1)))
            };
            write(&store, put).unwrap();
            let first = collect(&store, &policy, 1, Some(stop_after));
            // The entry may be gone by now; then it is made again, as a run would.
            write(&store, put).unwrap();
            change(&store);
            let report = collect(&store, &policy, 1, None);
            assert!(report.finished);
            assert!(first.finished || !report.resumed, "{what}, {stop_after}");
            assert_eq!(keys(&store), [0].into(), "{what}, {stop_after}");
            let snapshot = store.snapshot().unwrap();
            assert_eq!(
                snapshot.object(&value, &ty).unwrap().as_ref(),
                Some(&encoding)
            );
        }
    }
}

#[test]
fn a_collection_goes_on_only_under_the_policy_that_it_began_with() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        (0..8).try_for_each(|number| {
            writer.put_memo(&memo_key(number), &entry(number, number, 1, None))
        })
    })
    .unwrap();
    let unfinished = collect(&store, &used_since(2), 1, Some(1));
    assert!(!unfinished.finished);
    let report = collect(&store, &used_since(6), 1, None);
    assert!(!report.resumed);
    assert_eq!((report.entries, report.removed), (8, 6));
    assert_eq!(keys(&store), [6, 7].into());

    collect(&store, &used_since(7), 1, Some(3));
    assert!(collect(&store, &used_since(7), 1, None).resumed);
}

#[test]
fn writers_that_never_rest_put_a_collection_off_but_never_make_it_wrong() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        writer.put_memo(&memo_key(0), &entry(0, 1, 1, None))
    })
    .unwrap();
    let limits = GcLimits::default();
    let mut row = 0;
    let disturb = &mut |_| {
        row += 1;
        write(&store, |writer| put_row(writer, 0, row, &using(&[0], &[]))).unwrap();
    };
    let report = store
        .gc_within(&used_since(5), limits, &AtomicBool::new(false), disturb)
        .unwrap();
    assert!(!report.finished);
    assert_eq!(keys(&store), [0].into());
    assert!(collect(&store, &used_since(5), 10, None).finished);
    assert_eq!(keys(&store), [0].into());
}

#[test]
fn readers_see_what_was_there_when_they_began() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (encoding, value, ty) = object(0);
    write(&store, |writer| {
        writer.put_object(&value, &encoding)?;
        (0..KEYS).try_for_each(|number| {
            writer.put_memo(&memo_key(number), &entry(number, 1, 1, Some(0)))
        })
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                assert_eq!(snapshot.memo_entries().unwrap().count() as u64, KEYS);
                assert_eq!(
                    snapshot.object(&value, &ty).unwrap().as_ref(),
                    Some(&encoding)
                );
                // One that begins now sees some state between, whole.
                let now = store.snapshot().unwrap();
                let entries: Result<Vec<_>, _> = now.memo_entries().unwrap().collect();
                assert!(entries.unwrap().len() as u64 <= KEYS);
                rounds += 1;
            }
            rounds
        });
        let report = collect(&store, &used_since(5), 2, None);
        done.store(true, Ordering::Relaxed);
        assert_eq!((report.removed, report.objects_removed), (KEYS, 1));
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(snapshot.memo_entries().unwrap().count() as u64, KEYS);
    assert_eq!(store.snapshot().unwrap().memo_entries().unwrap().count(), 0);
}

#[test]
fn an_object_in_a_file_that_is_collected_is_a_miss_for_a_reader_who_comes_too_late() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (encoding, value, ty) = object(1);
    let put = |writer: &mut Writer<'_>| {
        writer.put_object(&value, &encoding)?;
        writer.put_memo(&memo_key(0), &entry(0, 1, 1, Some(1)))
    };
    write(&store, put).unwrap();
    let snapshot = store.snapshot().unwrap();
    collect(&store, &used_since(5), 2, None);
    assert_eq!(snapshot.object(&value, &ty).unwrap(), None);
    write(&store, put).unwrap();
    assert_eq!(snapshot.object(&value, &ty).unwrap(), Some(encoding));
}

#[test]
fn files_that_no_record_names_go_and_files_of_others_stay() {
    let dir = TempDir::new().unwrap();
    let (store, _disk) = fast(&dir);
    let (encoding, value, _) = object(1);
    write(&store, |writer| {
        writer.put_object(&value, &encoding)?;
        writer.put_memo(&memo_key(0), &entry(0, 9, 1, Some(1)))?;
        writer.put_recipe(RecipeId(1), &recipe(1))
    })
    .unwrap();
    put_component(&store, 1).unwrap();
    let kept = files(&dir);
    let digest = component(2);
    let orphans = [
        format!("objects/00/{}", "1".repeat(62)),
        format!("objects/ff/{}", "a".repeat(62)),
        format!("builds/{digest}.wasm"),
    ];
    let foreign = ["objects/00/notes.txt", "builds/notes.txt", "aot/notes"];
    for folder in ["objects/00", "objects/ff", "builds", "aot"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    for name in orphans.iter().map(String::as_str).chain(foreign) {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let aot = format!("aot/{digest}-x86.cwasm");
    fs::write(dir.path().join(&aot), "x").unwrap();

    let dry_run = GcPolicy {
        dry_run: true,
        ..used_since(5)
    };
    assert_eq!(collect(&store, &dry_run, 10, None).orphans_removed, 4);
    assert!(orphans.iter().all(|name| dir.path().join(name).exists()));
    assert_eq!(collect(&store, &used_since(5), 10, None).orphans_removed, 4);
    let mut expected = kept;
    expected.extend(foreign.map(str::to_owned));
    assert_eq!(files(&dir), expected);
}

#[cfg(unix)]
#[test]
fn links_out_of_the_store_are_not_followed() {
    use std::os::unix::fs::symlink;

    let outside = TempDir::new().unwrap();
    let precious = outside.path().join("1".repeat(62));
    fs::write(&precious, "precious").unwrap();
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    symlink(outside.path(), dir.path().join("objects/00")).unwrap();
    symlink(outside.path(), dir.path().join("builds")).unwrap();
    fs::create_dir(dir.path().join("objects/01")).unwrap();
    symlink(
        &precious,
        dir.path().join(format!("objects/01/{}", "2".repeat(62))),
    )
    .unwrap();
    let report = collect(&store, &used_since(5), 10, None);
    assert_eq!(report.orphans_removed, 1, "the link itself");
    assert_eq!(fs::read_to_string(precious).unwrap(), "precious");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn what_is_damaged_goes_and_damage_to_what_rows_use_stops_everything() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        (0..4).try_for_each(|number| {
            writer.put_memo(&memo_key(number), &entry(number, 9, 1, None))
        })?;
        writer.add_usage(&memo_key(20), RunId(9), 1)?;
        put_row(writer, 0, 1, &using(&[0], &[]))
    })
    .unwrap();
    drop(store);
    put_logged(&dir, &crate::tables::MEMO, &hash(1), &[1; 90]);
    put_logged(&dir, &crate::tables::MEMO, &hash(0), &[1; 90]);
    let usage = crate::tables::usage_key(&memo_key(2));
    crate::tests::damage::put_raw(&dir, &crate::tables::USAGE, &usage, &[1; 12]);
    let store = open(&dir);
    let report = collect(&store, &used_since(5), 1, None);
    // One of them is used, but it is a miss all the same.
    assert_eq!((report.in_use, report.damaged), (0, 2));
    assert_eq!((report.entries, report.kept, report.recent), (4, 2, 2));
    assert_eq!(report.usage_removed, 1);
    drop(store);

    let row = [&0_u32.to_be_bytes()[..], &[2]].concat();
    crate::tests::damage::put_raw(&dir, &crate::tables::LINEAGE, &row, &[1; 90]);
    let store = open(&dir);
    let error = store
        .gc(&used_since(50), &AtomicBool::new(false), &mut |_| {})
        .unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert_eq!(keys(&store), [2, 3].into());
}

#[test]
fn a_state_that_is_damaged_or_of_another_version_is_none() {
    for state in [&b"not json"[..], b"{}", b"{\"phase\":\"sweep\"}"] {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        write(&store, |writer| {
            writer.put_memo(&memo_key(0), &entry(0, 1, 1, None))
        })
        .unwrap();
        drop(store);
        let mut value = state.to_vec();
        crate::codec::seal(crate::tables::META.tag, b"store/collection", &mut value);
        crate::tests::damage::put_raw(&dir, &crate::tables::META, "store/collection", &value);
        let store = open(&dir);
        let report = collect(&store, &used_since(5), 1, None);
        assert!(report.finished && !report.resumed);
        assert_eq!(keys(&store), [].into());
    }
}
