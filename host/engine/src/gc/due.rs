//! When a run collects by itself: never where nothing changed, so that such a run costs nothing more.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use flowstone_core::RunId;
use flowstone_store::{GcProgress, StoreError, StoreSize};

use super::{Collection, FREE_PART, GcOptions, kept_since};
use crate::books::{get, put};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::report::RunReport;
use crate::run::now_s;

/// The meta entry that says when there was a collection last.
const ENTRY: &str = "collected";

/// Where something changed, there is a collection after so long.
const APART_S: u64 = 24 * 60 * 60;

/// A store that grew by less is not worth one, nor one that grew by less than this part of it.
const GROWTH_BYTES_MIN: u64 = 16 << 20;
const GROWTH_PART: u64 = 4;

/// The same while no result can go, since all runs that there ever were are recent: only what results were replaced by others
/// left can.
const GROWTH_PART_YOUNG: u64 = 1;
const FIRST_RUN: RunId = RunId(1);

/// The last collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    /// When it ended, in seconds since 1970.
    at: u64,
    /// How large the store was then.
    bytes: u64,
    /// How large it was allowed to be.
    bytes_max: Option<u64>,
}

impl Engine {
    /// Collects after a run, where there may be something to gain: the store is too large, it has grown by a quarter (or has
    /// doubled, where all runs are recent), or the last collection was a day ago. A run in which nothing changed has nothing
    /// to collect.
    ///
    /// # Errors
    ///
    /// As [`Engine::gc`].
    pub fn gc_if_due(
        &mut self,
        flow: &Flow,
        report: &RunReport,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<Option<Collection>, Error> {
        if report.interrupted || !report.changed_something() {
            return Ok(None);
        }
        let settings = flow.plan.store;
        let size = self.store.size()?.total();
        let snapshot = self.store.snapshot()?;
        let last: Option<Last> = get(&snapshot, ENTRY)?;
        let Some(last) = last else {
            // A new store, or one that was filled by an import: what it is now is what it grows from.
            if settings.bytes_max.is_none_or(|bytes_max| size <= bytes_max) {
                self.note_collection(None)?;
                return Ok(None);
            }
            return self.gc_after_run(flow, stop, progress).map(Some);
        };
        let is_due = |part: u64| last.is_due(size, settings.bytes_max, now_s(), part);
        if !is_due(GROWTH_PART) {
            return Ok(None);
        }
        let all_recent = kept_since(&snapshot, &settings, now_s())? <= FIRST_RUN;
        drop(snapshot);
        if all_recent && !is_due(GROWTH_PART_YOUNG) {
            return Ok(None);
        }
        self.gc_after_run(flow, stop, progress).map(Some)
    }

    fn gc_after_run(
        &mut self,
        flow: &Flow,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<Collection, Error> {
        let settings = flow.plan.store;
        let options = GcOptions {
            settings,
            dry_run: false,
            // What is free is used again by the next runs, and compacting takes longer than collecting.
            no_compact: true,
        };
        let mut collection = self.gc(Some(flow), &options, stop, progress)?;
        let is_too_large =
            (settings.bytes_max).is_some_and(|bytes_max| collection.size.total() > bytes_max);
        let free = free_bytes(&collection);
        if collection.report.finished
            && (is_too_large || free > collection.size.database / FREE_PART)
        {
            collection.compaction = Some(self.store.compact()?);
            collection.size = self.store.size()?;
            self.note_collection(settings.bytes_max)?;
        }
        Ok(collection)
    }

    /// Notes that there was a collection just now, to this size.
    pub(super) fn note_collection(&self, bytes_max: Option<u64>) -> Result<(), Error> {
        let last = Last {
            at: now_s(),
            bytes: self.store.size()?.total(),
            bytes_max,
        };
        self.store
            .write(|writer| put(writer, ENTRY, &last))
            .map_err(|error: StoreError| error.into())
    }
}

/// How much of the database is free, going by what the collection found and removed.
fn free_bytes(collection: &Collection) -> u64 {
    let StoreSize { database, .. } = collection.size;
    let records = (collection.report.bytes_after).saturating_sub(collection.size.files());
    database.saturating_sub(records)
}

impl Last {
    /// Whether there is to be a collection where that is worth while when the store grew by one of so many parts.
    fn is_due(self, bytes: u64, bytes_max: Option<u64>, now_s: u64, parts: u64) -> bool {
        let growth = bytes.saturating_sub(self.bytes);
        let has_grown = growth >= GROWTH_BYTES_MIN && growth >= self.bytes / parts;
        // A store that was too large and still is holds what it must: more of that is no reason to look again.
        let is_too_large = bytes_max.is_some_and(|bytes_max| {
            let was_too_large = self.bytes_max == Some(bytes_max) && self.bytes > bytes_max;
            bytes > bytes_max && (!was_too_large || growth >= GROWTH_BYTES_MIN)
        });
        // One that is yet to come was noted by a clock that was put back since.
        let is_long_ago = now_s.saturating_sub(self.at) >= APART_S || self.at > now_s;
        is_too_large || has_grown || is_long_ago
    }
}

impl RunReport {
    /// Whether the run did anything at all.
    fn changed_something(&self) -> bool {
        let mut sources = self.sources.values();
        let mut transforms = self.transforms.values();
        let mut targets = self.targets.values();
        sources.any(|rows| rows.added + rows.changed + rows.removed > 0)
            || transforms.any(|calls| calls.called + calls.reused > 0)
            || targets.any(|rows| rows.inserted + rows.updated + rows.deleted > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn last() -> Last {
        Last {
            at: 1000,
            bytes: 100 * MIB,
            bytes_max: Some(90 * MIB),
        }
    }

    #[test]
    fn a_collection_is_due_when_the_store_has_grown_by_a_quarter() {
        let due = |mib: u64| last().is_due(mib * MIB, None, 2000, GROWTH_PART);
        assert!(!due(100) && !due(124) && !due(50));
        assert!(due(125));
        let due_among_young = |mib: u64| last().is_due(mib * MIB, None, 2000, GROWTH_PART_YOUNG);
        assert!(!due_among_young(199) && due_among_young(200));
        // In a small store a quarter is not worth it.
        let small = Last {
            at: 1000,
            bytes: MIB,
            bytes_max: None,
        };
        assert!(!small.is_due(16 * MIB, None, 2000, GROWTH_PART));
        assert!(small.is_due(17 * MIB, None, 2000, GROWTH_PART));
    }

    #[test]
    fn a_collection_is_due_once_a_day() {
        let due = |now_s: u64| last().is_due(100 * MIB, None, now_s, GROWTH_PART);
        assert!(!due(1000 + APART_S - 1));
        assert!(due(1000 + APART_S));
        // Nor is it put off for ever by a clock that was put back.
        assert!(due(10));
    }

    #[test]
    fn a_store_that_is_too_large_is_collected_but_not_after_every_run() {
        let due = |mib: u64, max: u64| last().is_due(mib * MIB, Some(max * MIB), 2000, GROWTH_PART);
        assert!(!due(105, 110));
        assert!(due(111, 110));
        // It was too large after the last one already: what it holds is in use.
        assert!(!due(105, 90));
        assert!(due(116, 90));
        // It was too large, but for less than is allowed now.
        assert!(due(101, 80));
    }
}
