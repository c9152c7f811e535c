//! Summing up: what a session has come to, as the report tells it.

use std::collections::{BTreeMap, BTreeSet};

use flowstone_store::{RecipeId, Snapshot};

use super::session::Session;
use crate::batch::Halt;
use crate::commit::{FAILED_LISTED_MAX, StageState};
use crate::meter::Measures;
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
    /// What was measured of each function.
    measures: BTreeMap<String, Measures>,
}

#[derive(Default)]
struct SourceTally {
    counts: SourceCounts,
    /// How many rows are failed now.
    failures: u64,
    /// How many rows there were at most since it was listed last.
    most: u64,
}

/// What a round looked at in a source.
pub(super) enum LookedAt {
    Nothing,
    /// All that is due of rows that come from other stages, where everything that failed is.
    Gathered,
    /// All its rows, so many. Where those that are gone have to stay: how many the store knows.
    Whole {
        rows: u64,
        stay: Option<u64>,
    },
    /// All that the store knows of a source that cannot be listed now. They are left as they are.
    Unlisted,
    /// Some rows, of which so many were failed before.
    Some {
        failed_before: u64,
    },
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

    /// Takes rows that are looked at again off the list of those that failed: those with these keys, or all of a source.
    pub(super) fn forget_failed(&mut self, stage: &StageRun<'_>, keys: Option<&BTreeSet<Vec<u8>>>) {
        if !self.failed.is_empty() {
            let labels = |keys: &BTreeSet<Vec<u8>>| -> BTreeSet<String> {
                keys.iter().map(|key| stage.label(key)).collect()
            };
            let labels = keys.map(labels);
            let source = &stage.stage.source.name;
            let looked_at = |key: &String| labels.as_ref().is_none_or(|all| all.contains(key));
            self.failed
                .retain(|row| row.source != *source || !looked_at(&row.key));
        }
    }

    /// How many rows a source had at most since it was listed last, of what is known at the ends of rounds, and how many it
    /// has now.
    pub(super) fn rows_of(&self, source: &str) -> (u64, u64) {
        let tally = self.sources.get(source);
        tally.map_or((0, 0), |tally| (tally.most, tally.counts.rows))
    }

    /// How many rows are failed now.
    pub(super) fn failures(&self) -> u64 {
        self.sources.values().map(|source| source.failures).sum()
    }

    /// Adds what a round came to, and gives it by source, without those that were not looked at.
    pub(super) fn add(
        &mut self,
        states: Vec<StageState>,
        looked_at: &[LookedAt],
        failed: &[FailedRow],
    ) -> BTreeMap<String, SourceCounts> {
        // Those that were looked at again are listed once, if at all.
        for state in &states {
            let again = &state.failed_again;
            (self.failed).retain(|row| row.source != state.source || !again.contains(&row.key));
        }
        let room = FAILED_LISTED_MAX.saturating_sub(self.failed.len());
        self.failed.extend(failed.iter().take(room).cloned());
        let mut round = BTreeMap::new();
        for (state, looked_at) in states.into_iter().zip(looked_at) {
            let tally = self.sources.entry(state.source.clone()).or_default();
            tally.add(&state, looked_at);
            let is_idle = match looked_at {
                LookedAt::Nothing | LookedAt::Unlisted => true,
                LookedAt::Gathered => state.counts.is_as_before(),
                LookedAt::Whole { .. } | LookedAt::Some { .. } => false,
            };
            if !is_idle {
                round.insert(state.source, state.counts);
            }
        }
        round
    }
}

impl SourceTally {
    fn add(&mut self, state: &StageState, looked_at: &LookedAt) {
        let (total, counts) = (&mut self.counts, state.counts);
        total.added += counts.added;
        total.changed += counts.changed;
        total.removed += counts.removed;
        let (whole, failed_before) = match looked_at {
            LookedAt::Nothing => (None, 0),
            LookedAt::Gathered | LookedAt::Unlisted => (Some((counts.rows, counts.rows)), 0),
            LookedAt::Whole { rows, stay } => (Some((*rows, stay.unwrap_or(*rows))), 0),
            LookedAt::Some { failed_before } => (None, *failed_before),
        };
        if let Some((rows, most)) = whole {
            total.rows = rows;
            total.unchanged = counts.unchanged;
            total.kept = counts.kept;
            self.failures = 0;
            self.most = most;
        } else {
            total.rows = (total.rows + counts.added).saturating_sub(counts.removed);
            total.unchanged = total.unchanged.saturating_sub(counts.changed);
            self.most = self.most.max(total.rows);
        }
        let before = failed_before + state.failed_before;
        self.failures = (self.failures + state.failures).saturating_sub(before);
    }
}

/// What came to targets since an earlier time.
pub(super) fn since(
    mut now: BTreeMap<String, TargetCounts>,
    before: &BTreeMap<String, TargetCounts>,
) -> BTreeMap<String, TargetCounts> {
    for (name, counts) in &mut now {
        if let Some(before) = before.get(name) {
            counts.inserted -= before.inserted;
            counts.updated -= before.updated;
            counts.deleted -= before.deleted;
        }
    }
    now
}

impl Session<'_> {
    /// What was measured of each function since this was last asked. It is added to what the session came to.
    pub(super) fn measure(&mut self) -> BTreeMap<String, TransformCounts> {
        let mut counts = BTreeMap::new();
        for stage in &self.stages {
            let prepared = stage.transforms.iter().zip(&stage.counters.transforms);
            let transforms = stage.stage.transforms.iter().zip(prepared);
            let transforms = transforms.map(|(transform, (prepared, meter))| {
                (&transform.name, meter, &prepared.record, prepared.recipe_id)
            });
            let fold = stage.fold.iter();
            let fold = fold.map(|fold| (&fold.plan.name, &fold.meter, &fold.record, RecipeId(0)));
            for (name, meter, record, recipe) in transforms.chain(fold) {
                let measures = meter.take();
                let these = TransformCounts {
                    code: record.recipe.code.to_string(),
                    recipe,
                    ..measures.counts()
                };
                counts.insert(name.clone(), these);
                let total = self.tally.measures.entry(name.clone());
                total.or_default().add(&measures);
            }
        }
        counts
    }

    /// What targets came to so far.
    pub(super) fn targets(&self) -> BTreeMap<String, TargetCounts> {
        let mut targets: BTreeMap<String, TargetCounts> = BTreeMap::new();
        for open in self.open.iter().flatten() {
            let entry = self.books.targets.get(&open.id);
            let rows = entry.map_or(0, |entry| entry.rows);
            // A target that was moved is open twice under one name: where it is now, and where it was.
            let total = targets.entry(open.name.clone()).or_default();
            total.inserted += open.counts.inserted;
            total.updated += open.counts.updated;
            total.deleted += open.counts.deleted;
            total.drifted = total.drifted.max(open.counts.drifted);
            total.unchanged += rows.saturating_sub(open.counts.inserted + open.counts.updated);
        }
        targets
    }

    /// What the session came to.
    pub(super) fn report(&mut self) -> RunReport {
        // Also what a round that was cut off did.
        let mut transforms = self.measure();
        let targets = self.targets();
        let tally = std::mem::take(&mut self.tally);
        for (name, counts) in &mut transforms {
            if let Some(measures) = tally.measures.get(name) {
                *counts = TransformCounts {
                    code: std::mem::take(&mut counts.code),
                    recipe: counts.recipe,
                    ..measures.counts()
                };
            }
        }
        let failures = tally.failures();
        let sources = tally.sources.into_iter();
        // Rows end in the order in which the threads get to them.
        let mut failed = tally.failed;
        failed.sort_by(|a, b| (&a.source, &a.key).cmp(&(&b.source, &b.key)));
        let shared = &self.ground.shared;
        RunReport {
            run: shared.run,
            flow: self.ground.flow.plan.name.clone(),
            started: self.ground.start.unix_s,
            cache: shared.options.cache.clone(),
            seconds: self.ground.start.at.elapsed().as_secs_f64(),
            sources: sources
                .map(|(name, source)| (name, source.counts))
                .collect(),
            transforms,
            targets,
            failures,
            failed,
            drifted: tally.drifted,
            interrupted: tally.interrupted,
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
            kept: found.spared,
            ..SourceCounts::default()
        },
        failures: found.failed,
        conflicts: Vec::new(),
        second: false,
        due: false,
        failed_before: 0,
        failed_again: Vec::new(),
        due_rows: stage.due_rows(),
    }
}
