//! Collections that are killed at any write: the next one ends where an uninterrupted one would have.

use std::io;

use tempfile::TempDir;

use super::*;
use crate::tests::crash::{empty_image, open};
use crate::tests::disk::{Disk, Stop, Survives};
use crate::tests::write;

/// A store with something of every kind to keep and to remove, and what a collection of it is to keep.
fn fill(store: &Store) -> Result<(), StoreError> {
    for number in 1..3 {
        put_component(store, number)?;
    }
    write(store, |writer| {
        for number in 0..KEYS {
            let of = (number % 4 == 0).then_some((number / 4) as u8);
            let record = entry(number, number % 7, (number % RECIPES) as u32, of);
            writer.put_memo(&memo_key(number), &record)?;
            if number % 3 == 0 {
                writer.add_usage(&memo_key(number), RunId(number % 9), 1)?;
            }
        }
        for number in 0..OBJECTS {
            let (encoding, value, _) = object(number);
            writer.put_object(&value, &encoding)?;
        }
        for row in 0..4 {
            let calls = [u64::from(row), u64::from(row) * 5];
            put_row(writer, row.into(), row, &using(&calls, &[23]))?;
        }
        for number in 0..RECIPES {
            writer.put_recipe(RecipeId(number as u32), &recipe(number))?;
        }
        (1..8).try_for_each(|run| writer.put_run(RunId(run), "{}"))
    })
}

fn policy() -> GcPolicy {
    GcPolicy {
        used_since: RunId(6),
        runs_since: RunId(5),
        pinned: [RecipeId(2)].into(),
        // Small enough that young entries go.
        bytes_max: Some(170_000),
        ..GcPolicy::default()
    }
}

fn gc(store: &Store) -> Result<GcReport, StoreError> {
    let limits = GcLimits {
        marks: 5,
        records: 7,
        bytes: 1 << 20,
    };
    store.gc_within(&policy(), limits, &AtomicBool::new(false), &mut |_| {})
}

/// A copy of the files of a store, since collections remove them.
pub(super) fn copy(from: &TempDir) -> TempDir {
    let to = TempDir::new().unwrap();
    for name in files(from) {
        let path = to.path().join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::hard_link(from.path().join(&name), path).unwrap();
    }
    to
}

fn stop_everywhere(stop: Stop, survivals: &[Survives]) {
    let original = TempDir::new().unwrap();
    let image = {
        let disk = Disk::with(&empty_image(&original), None);
        let store = open(&original, disk.clone()).unwrap();
        fill(&store).unwrap();
        drop(store);
        disk.surviving(Survives::All)
    };
    let (expected, report, operations) = {
        let dir = copy(&original);
        let disk = Disk::with(&image, None);
        let store = open(&dir, disk.clone()).unwrap();
        let report = gc(&store).unwrap();
        assert!(
            report.evicted_for_size > 0 && report.recent > 0 && report.expired > 0,
            "{report:?}"
        );
        let expected = (World::of(&store).unwrap(), files(&dir));
        drop(store);
        let operations = disk.state().operations;
        (expected, report, operations)
    };
    for at in 0..operations {
        let dir = copy(&original);
        let disk = Disk::with(&image, Some((at, stop)));
        if let Ok(store) = open(&dir, disk.clone()) {
            // It may not notice: a lost power does not tell.
            let _ = gc(&store);
        }
        for survives in survivals {
            let dir = copy(&dir);
            let store = open(&dir, Disk::with(&disk.surviving(*survives), None)).unwrap();
            let there = World::of(&store).unwrap();
            for (key, record) in &expected.0.memos {
                assert_eq!(
                    there.memos.get(key),
                    Some(record),
                    "{stop:?} at {at}, {survives:?}"
                );
            }
            let again = gc(&store).unwrap();
            assert!(again.finished);
            let found = (World::of(&store).unwrap(), files(&dir));
            assert_eq!(found, expected, "{stop:?} at {at}, {survives:?}");
            if again.resumed {
                // The figures of both parts together are those of the whole, but for files that were left.
                let mut again = GcReport {
                    resumed: false,
                    ..again
                };
                again.orphans_removed = 0;
                assert_eq!(again, report, "{stop:?} at {at}, {survives:?}");
            }
        }
    }
}

#[test]
fn a_power_loss_at_any_write_costs_nothing_that_is_needed() {
    stop_everywhere(
        Stop::PowerLoss,
        &[Survives::All, Survives::Nothing, Survives::Some(5)],
    );
}

#[test]
fn a_disk_that_fails_at_any_write_costs_nothing_that_is_needed() {
    stop_everywhere(
        Stop::Fail(io::ErrorKind::Other),
        &[Survives::All, Survives::Some(6)],
    );
}
