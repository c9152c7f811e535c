//! Summing up: what a session has come to, as the report tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use flowstone_store::Snapshot;

use super::{Shared, Start};
use crate::batch::Halt;
use crate::books::Books;
use crate::commit::{FAILED_LISTED_MAX, OpenTarget, StageState};
use crate::engine::Flow;
use crate::report::{
    DriftedRow, FailedRow, RunReport, SourceCounts, TargetCounts, TransformCounts,
};
use crate::scan::Found;
use crate::stage::StageRun;

/// What the rounds of a session have come to so far.
#[derive(Default)]
pub(crate) struct Tally {
    sources: BTreeMap<String, SourceTally>,
    /// The first rows that are failed.
    pub(super) failed: Vec<FailedRow>,
    /// The first target rows that were not as they were written.
    pub(super) drifted: Vec<DriftedRow>,
    pub(super) interrupted: bool,
}

#[derive(Default)]
struct SourceTally {
    counts: SourceCounts,
    /// How many rows are failed now.
    failures: u64,
}

impl Tally {
    /// Lists the rows that failed in an earlier run and have not changed since.
    pub(super) fn list_failed(
        &mut self,
        stage: &StageRun<'_>,
        found: &Found,
        snapshot: &Snapshot,
    ) -> Result<(), Halt> {
        let room = FAILED_LISTED_MAX.saturating_sub(self.failed.len());
        for key in found.failed_keys.iter().take(room) {
            let lineage = snapshot.lineage(stage.collection, key)?.unwrap_or_default();
            self.failed.push(FailedRow {
                source: stage.stage.source.name.clone(),
                key: stage.label(key),
                reason: lineage.failure.unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Takes rows that are looked at again off the list of those that failed.
    pub(super) fn forget_failed(&mut self, stage: &StageRun<'_>, keys: &BTreeSet<Vec<u8>>) {
        if !self.failed.is_empty() {
            let labels: BTreeSet<String> = keys.iter().map(|key| stage.label(key)).collect();
            let source = &stage.stage.source.name;
            self.failed
                .retain(|row| row.source != *source || !labels.contains(&row.key));
        }
    }

    /// Adds what a round came to, over all rows or over some, of which so many were failed before.
    pub(super) fn add(&mut self, states: Vec<StageState>, known_failed: &[u64], whole: bool) {
        for (state, known_failed) in states.into_iter().zip(known_failed) {
            let tally = self.sources.entry(state.source).or_default();
            let (total, counts) = (&mut tally.counts, state.counts);
            if whole {
                *tally = SourceTally {
                    counts,
                    failures: state.failures,
                };
                continue;
            }
            total.rows = (total.rows + counts.added).saturating_sub(counts.removed);
            total.added += counts.added;
            total.changed += counts.changed;
            total.removed += counts.removed;
            total.unchanged = total.unchanged.saturating_sub(counts.changed);
            tally.failures = (tally.failures + state.failures).saturating_sub(*known_failed);
        }
    }
}

pub(super) fn state_of(stage: &StageRun<'_>, found: &Found) -> StageState {
    StageState {
        source: stage.stage.source.name.clone(),
        kind: stage.stage.source.kind.clone(),
        collection: stage.collection,
        counts: SourceCounts {
            rows: found.rows,
            unchanged: found.settled(),
            ..SourceCounts::default()
        },
        failures: found.failed,
        conflicts: Vec::new(),
        second: false,
    }
}

pub(super) fn report(
    (flow, shared, start): (&Flow, &Shared<'_>, &Start),
    stages: &[StageRun<'_>],
    books: &Books,
    tally: Tally,
    open: Vec<OpenTarget>,
) -> RunReport {
    let mut transforms = BTreeMap::new();
    for stage in stages {
        let prepared = stage.stage.transforms.iter().zip(&stage.transforms);
        for ((transform, prepared), counts) in prepared.zip(&stage.counters.transforms) {
            let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
            transforms.insert(
                transform.name.clone(),
                TransformCounts {
                    called: get(&counts.called),
                    reused: get(&counts.reused),
                    failed: get(&counts.failed),
                    seconds: get(&counts.nanoseconds) as f64 / 1e9,
                    code: prepared.record.recipe.code.to_string(),
                    recipe: prepared.recipe_id,
                },
            );
        }
    }
    let failures = tally.sources.values().map(|source| source.failures).sum();
    let sources = tally.sources.into_iter();
    let sources = sources
        .map(|(name, source)| (name, source.counts))
        .collect();
    let mut targets: BTreeMap<String, TargetCounts> = BTreeMap::new();
    for open in open {
        let rows = books.targets.get(&open.id).map_or(0, |entry| entry.rows);
        // A target that was moved is open twice under one name: where it is now, and where it was.
        let total = targets.entry(open.name).or_default();
        total.inserted += open.counts.inserted;
        total.updated += open.counts.updated;
        total.deleted += open.counts.deleted;
        total.drifted = total.drifted.max(open.counts.drifted);
        total.unchanged += rows.saturating_sub(open.counts.inserted + open.counts.updated);
    }
    // Rows end in the order in which the threads get to them.
    let mut failed = tally.failed;
    failed.sort_by(|a, b| (&a.source, &a.key).cmp(&(&b.source, &b.key)));
    RunReport {
        run: shared.run,
        flow: flow.plan.name.clone(),
        started: start.unix_s,
        cache: shared.options.cache.clone(),
        seconds: start.at.elapsed().as_secs_f64(),
        sources,
        transforms,
        targets,
        failures,
        failed,
        drifted: tally.drifted,
        interrupted: tally.interrupted,
    }
}
