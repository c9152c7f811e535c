//! Summing up: what a run has come to, as the report tells it.

use std::collections::BTreeMap;

use flowstone_core::RunId;
use flowstone_store::Snapshot;

use super::{CacheOptions, Progress, Start};
use crate::batch::Halt;
use crate::books::Books;
use crate::commit::{FAILED_LISTED_MAX, StageState};
use crate::engine::Flow;
use crate::report::{FailedRow, RunReport, SourceCounts, TargetCounts, TransformCounts};
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
    start: &Start,
) -> RunReport {
    let mut transforms = BTreeMap::new();
    for stage in stages {
        let prepared = stage.stage.transforms.iter().zip(&stage.transforms);
        for ((transform, prepared), counts) in prepared.zip(&stage.counters.transforms) {
            transforms.insert(
                transform.name.clone(),
                TransformCounts {
                    code: prepared.record.recipe.code.to_string(),
                    recipe: prepared.recipe_id,
                    ..counts.counts()
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
    let mut targets: BTreeMap<String, TargetCounts> = BTreeMap::new();
    for open in progress.open {
        let rows = books.targets.get(&open.id).map_or(0, |entry| entry.rows);
        // A target that was moved is open twice under one name: where it is now, and where it was.
        let total = targets.entry(open.name).or_default();
        total.inserted += open.counts.inserted;
        total.updated += open.counts.updated;
        total.deleted += open.counts.deleted;
        total.unchanged += rows.saturating_sub(open.counts.inserted + open.counts.updated);
    }
    // Rows end in the order in which the threads get to them.
    let mut failed = progress.failed;
    failed.sort_by(|a, b| (&a.source, &a.key).cmp(&(&b.source, &b.key)));
    RunReport {
        run,
        flow: flow.plan.name.clone(),
        started: start.unix_s,
        cache: CacheOptions::default(),
        seconds: start.at.elapsed().as_secs_f64(),
        sources,
        transforms,
        targets,
        failures,
        failed,
        interrupted: progress.interrupted,
    }
}
