//! Counting: what a batch came to, for the report and for whoever listens.

use flowstone_store::RowState;

use super::{Committer, FAILED_LISTED_MAX};
use crate::event::{Change, Event};
use crate::reconcile::{RowUpdate, UpdateKind};
use crate::relation::display_key;
use crate::report::FailedRow;

/// So many rows are tried again in the same run; the next run tries the rest.
const CONFLICTS_MAX: usize = 10_000;

impl Committer<'_> {
    pub(super) fn count(&mut self, stage: usize, updates: &mut [RowUpdate], conflicts: &[Vec<u8>]) {
        let state = &mut self.stages[stage];
        let source = state.source.clone();
        for update in updates {
            let label = || display_key(&state.kind, &update.key);
            if !state.second {
                match update.change {
                    Some(Change::Added) => state.counts.added += 1,
                    Some(Change::Changed) => state.counts.changed += 1,
                    Some(Change::Removed) => state.counts.removed += 1,
                    None if state.due => {}
                    None => state.counts.unchanged += 1,
                }
                if let Some(change) = update.change {
                    self.observer.event(&Event::RowChanged {
                        source: &source,
                        key: &label(),
                        change,
                    });
                }
            }
            let mut again = false;
            let failure = match &mut update.kind {
                UpdateKind::Write { entry, .. }
                    if !state.second
                        && state.conflicts.len() < CONFLICTS_MAX
                        && conflicts.contains(&update.key) =>
                {
                    state.conflicts.extend(entry.take());
                    again = true;
                    None
                }
                UpdateKind::Write { head, lineage, .. } => {
                    let failed = matches!(head.state, RowState::Failed { .. });
                    failed.then(|| lineage.failure.clone().unwrap_or_default())
                }
                UpdateKind::Touch { head, failure } => {
                    let failed = matches!(head.state, RowState::Failed { .. });
                    failed.then(|| failure.take().unwrap_or_default())
                }
                UpdateKind::Remove { .. } => None,
            };
            if let Some(reason) = failure {
                let key = display_key(&state.kind, &update.key);
                state.failures += 1;
                self.observer.event(&Event::RowFailed {
                    source: &source,
                    key: &key,
                    reason: &reason,
                });
                if self.failed.len() < FAILED_LISTED_MAX {
                    self.failed.push(FailedRow {
                        source: source.clone(),
                        key,
                        reason,
                    });
                }
            }
            if !again {
                self.observer.event(&Event::RowDone { source: &source });
            }
        }
    }
}
