//! A round: scan, guard, execute, settle. Over all rows of all sources, or over those that something is known to have
//! changed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use flowstone_store::Snapshot;

use super::RunOptions;
use super::session::Session;
use super::summary::state_of;
use crate::batch::{Halt, Item};
use crate::commit::Committer;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::execute::{Spread, execute};
use crate::scan::{Found, diff, hand_out, scan, scan_keys};
use crate::stage::StageRun;

/// What a round looks at.
pub(crate) enum Scope {
    /// All rows of all sources.
    All,
    #[expect(dead_code, reason = "batch runs look at everything")]
    /// The rows with these keys, by the name of their source; of sources that are not named, none.
    Keys(BTreeMap<String, BTreeSet<Vec<u8>>>),
}

impl Session<'_> {
    /// Brings the targets in step with the rows in scope. The first round is over all.
    ///
    /// # Errors
    ///
    /// When the session cannot go on: the store, a source or a target failed as a whole, or too many rows are gone.
    pub(crate) fn round(&mut self, scope: &Scope) -> Result<(), Halt> {
        let outcome = self.do_round(scope);
        self.tally.interrupted |= matches!(outcome, Err(Halt::Interrupted));
        outcome
    }

    fn do_round(&mut self, scope: &Scope) -> Result<(), Halt> {
        // All sources are listed, and guarded, before anything is changed.
        let mut found = self.scan(scope)?;
        if self.open.is_none() && self.open_targets()? {
            found = self.scan(&Scope::All)?;
        }
        let verify = self.ground.shared.options.verify_targets && matches!(scope, Scope::All);
        if verify && self.verify_targets()? {
            found = self.scan(&Scope::All)?;
        }
        self.work(scope, found)
    }

    /// Compares what the targets hold with what was written to them. True when rows have to be looked at again for it,
    /// which a round over all rows does.
    fn verify_targets(&mut self) -> Result<bool, Halt> {
        let open = self.open.get_or_insert_default();
        (self.engine).verify_targets(&self.stages, open, &mut self.tally.drifted)
    }

    fn scan(&self, scope: &Scope) -> Result<Vec<Found>, Halt> {
        let snapshot = self.engine.store.snapshot()?;
        let mut all = Vec::with_capacity(self.stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            let found = match scope {
                Scope::All => self.scan_whole(index, stage, &snapshot)?,
                Scope::Keys(keys) => match keys.get(&stage.stage.source.name) {
                    Some(keys) => scan_keys(stage, &snapshot, keys)?,
                    None => Found::default(),
                },
            };
            all.push(found);
        }
        Ok(all)
    }

    fn scan_whole(
        &self,
        index: usize,
        stage: &StageRun<'_>,
        snapshot: &Snapshot,
    ) -> Result<Found, Halt> {
        let found = scan(stage, snapshot)?;
        let in_flow = index < self.ground.flow.plan.stages.len();
        if in_flow && found.is_mass_delete() && !self.ground.shared.options.allow_deletes {
            return Err(too_many(stage, found.removed, found.known).into());
        }
        if let Some((key, place)) = stage.overrides.unlisted(&found.given) {
            let source = &stage.stage.source.name;
            return Err(Halt::Error(Error::Override {
                place: place.to_owned(),
                message: format!("source `{source}` has no row `{key}`"),
            }));
        }
        Ok(found)
    }

    fn work(&mut self, scope: &Scope, found: Vec<Found>) -> Result<(), Halt> {
        let shared = &self.ground.shared;
        shared.calls.begin();
        let snapshot = self.engine.store.snapshot()?;
        let mut states = Vec::with_capacity(self.stages.len());
        for (stage, found) in self.stages.iter().zip(&found) {
            if matches!(scope, Scope::All) {
                shared.observer.event(&Event::SourceScanned {
                    source: &stage.stage.source.name,
                    rows: found.rows,
                    pending: found.pending,
                });
            }
            if let Scope::Keys(keys) = scope
                && let Some(keys) = keys.get(&stage.stage.source.name)
            {
                self.tally.forget_failed(stage, keys);
            }
            self.tally.list_failed(stage, found, &snapshot)?;
            states.push(state_of(stage, found));
        }
        drop(snapshot);
        let known_failed: Vec<u64> = found.iter().map(|found| found.known_failed).collect();
        let open = self.open.get_or_insert_default();
        let mut committer = Committer::new(
            &self.engine.store,
            &mut self.books,
            open,
            &mut states,
            (&shared.calls, &shared.commits, shared.observer),
            &mut self.tally.failed,
            (shared.run, &mut self.begun),
        );
        let options = &shared.options;
        let outcome = (self.engine).execute_all(&self.stages, found, options, &mut committer);
        // Also after a halt: what the targets hold is settled.
        let settled = committer.end();
        self.tally
            .add(states, &known_failed, matches!(scope, Scope::All));
        outcome.and(settled.map_err(Halt::Error))
    }
}

impl Engine {
    /// Works through what was found, stage by stage, each settled before rows that collided are tried again.
    fn execute_all(
        &self,
        stages: &[StageRun<'_>],
        found: Vec<Found>,
        options: &RunOptions,
        committer: &mut Committer<'_>,
    ) -> Result<(), Halt> {
        // Rows that are gone make room first: those of sources that left the flow, then those of each source.
        let mut all: Vec<_> = stages.iter().zip(found).enumerate().collect();
        all.sort_by_key(|(_, (stage, _))| !stage.stage.collections.is_empty());
        for (index, (stage, found)) in all {
            let Found {
                pending,
                kept,
                known,
                removed,
                ..
            } = found;
            if pending == 0 {
                continue;
            }
            let spread = Spread::new(self.config.threads, self.config.memory_bytes_max, pending);
            execute(stage, index, &spread, committer, |visit| {
                if let Some(mut items) = kept {
                    items.sort_by_key(|item| item.entry.is_some());
                    hand_out(items, visit);
                    Ok(())
                } else {
                    // The guard holds for what is listed now, too.
                    let most = if options.allow_deletes {
                        u64::MAX
                    } else {
                        removed.max(known / 2)
                    };
                    self.hand_out_again(stage, most, visit)
                }
            })?;
        }
        for (index, stage) in stages.iter().enumerate() {
            let entries = std::mem::take(&mut committer.stages[index].conflicts);
            if entries.is_empty() {
                continue;
            }
            committer.settle()?;
            committer.stages[index].second = true;
            let snapshot = self.store.snapshot()?;
            let spread = Spread::new(
                self.config.threads,
                self.config.memory_bytes_max,
                entries.len() as u64,
            );
            let mut items = Vec::with_capacity(entries.len());
            for entry in entries {
                let head = snapshot.row(stage.collection, &entry.key)?;
                items.push(Item {
                    key: entry.key.clone(),
                    entry: Some(entry),
                    head,
                    same_version: false,
                });
            }
            execute(stage, index, &spread, committer, |visit| {
                hand_out(items, visit);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Lists the source again, twice, for rows that were too many to keep: those that are gone, then the others.
    fn hand_out_again(
        &self,
        stage: &StageRun<'_>,
        removed_max: u64,
        visit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), Halt> {
        let snapshot = self.store.snapshot()?;
        for gone in [true, false] {
            let mut removed = 0;
            let mut found = Found::default();
            diff(stage, &snapshot, &mut found, |item| {
                let is_gone = item.entry.is_none();
                removed += u64::from(is_gone);
                if removed > removed_max {
                    return ControlFlow::Break(());
                }
                if is_gone == gone {
                    visit(item)
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if removed > removed_max {
                return Err(too_many(stage, removed, found.known).into());
            }
        }
        Ok(())
    }
}

fn too_many(stage: &StageRun<'_>, removed: u64, rows: u64) -> Error {
    Error::TooManyDeletes {
        source_name: stage.stage.source.name.clone(),
        removed,
        rows,
    }
}
