//! Summing up: what a run has come to, as the report tells it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flowstone_core::RunId;
use flowstone_store::Snapshot;

use super::Progress;
use crate::batch::Halt;
use crate::books::Books;
use crate::commit::{FAILED_LISTED_MAX, StageState};
use crate::engine::Flow;
use crate::report::{FailedRow, RunReport, SourceCounts, TransformCounts};
use crate::scan::Found;
use crate::stage::StageRun;

/// Lists the rows that failed in an earlier run and have not changed since.
pub(super) fn list_failed(
    stage: &StageRun<'_>,
    found: &Found,
    snapshot: &Snapshot,
    failed: &mut Vec<FailedRow>,
) -> Result<(), Halt> {
    for key in found
        .failed_keys
        .iter()
        .take(FAILED_LISTED_MAX.saturating_sub(failed.len()))
    {
        let lineage = snapshot.lineage(stage.collection, key)?.unwrap_or_default();
        failed.push(FailedRow {
            source: stage.stage.source.name.clone(),
            key: stage.label(key),
            reason: lineage.failure.unwrap_or_default(),
        });
    }
    Ok(())
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
    flow: &Flow,
    run: RunId,
    stages: &[StageRun<'_>],
    books: &Books,
    progress: Progress,
    start: Instant,
) -> RunReport {
    let mut transforms = BTreeMap::new();
    for stage in stages {
        for (transform, counts) in stage
            .stage
            .transforms
            .iter()
            .zip(&stage.counters.transforms)
        {
            let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
            transforms.insert(
                transform.name.clone(),
                TransformCounts {
                    called: get(&counts.called),
                    reused: get(&counts.reused),
                    failed: get(&counts.failed),
                    seconds: get(&counts.nanoseconds) as f64 / 1e9,
                },
            );
        }
    }
    let failures = progress.states.iter().map(|state| state.failures).sum();
    let sources = progress
        .states
        .into_iter()
        .map(|state| (state.source, state.counts))
        .collect();
    let targets = progress.open.into_iter().map(|open| {
        let rows = books.targets.get(&open.id).map_or(0, |entry| entry.rows);
        let mut counts = open.counts;
        counts.unchanged = rows.saturating_sub(counts.inserted + counts.updated);
        (open.name, counts)
    });
    let targets = targets.collect();
    RunReport {
        run,
        flow: flow.plan.name.clone(),
        seconds: start.elapsed().as_secs_f64(),
        sources,
        transforms,
        targets,
        failures,
        failed: progress.failed,
        interrupted: progress.interrupted,
    }
}
