//! A round: scan, guard, execute, settle. Over all rows of all sources, or over those that something is known to have
//! changed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Instant;

use super::guard::too_many;
use super::session::Session;
use super::summary::{LookedAt, since, state_of};
use super::turn::Turns;
use crate::batch::{Halt, Item};
use crate::commit::Committer;
use crate::error::Error;
use crate::event::Event;
use crate::report::{FailedRow, RoundReport, SourceCounts};
use crate::scan::{Found, Pass, go_over};
use crate::stage::StageRun;

/// What a round looks at.
pub(crate) enum Scope {
    /// All rows of all sources.
    All,
    /// Parts of sources, by their names; of sources that are not named, nothing.
    Some(BTreeMap<String, Part>),
}

/// What a round looks at in a source.
pub(crate) enum Part {
    /// All of its rows.
    Whole,
    /// The rows with these keys.
    Keys(BTreeSet<Vec<u8>>),
}

impl Scope {
    /// What it looks at in a source.
    pub(crate) fn part(&self, source: &str) -> Option<&Part> {
        match self {
            Scope::All => Some(&Part::Whole),
            Scope::Some(parts) => parts.get(source),
        }
    }
}

/// What a round did.
pub(crate) struct Round {
    pub(crate) report: RoundReport,
    /// What was wrong with sources that were left as they are; only where the session is lenient.
    pub(crate) faults: Faults,
}

/// What is wrong with sources, by their names.
type Faults = Vec<(String, Error)>;

/// What a scan found in a stage.
struct Scanned<'s> {
    found: Found,
    /// What was to be looked at.
    part: Option<&'s Part>,
    /// What was.
    looked_at: LookedAt,
}

impl Session<'_> {
    /// Brings the targets in step with the rows in scope. The first round is over all.
    ///
    /// # Errors
    ///
    /// When the session cannot go on: the store or a target failed as a whole. Also when a source did, or too many rows are
    /// gone, unless the session is lenient.
    pub(crate) fn round(&mut self, scope: &Scope) -> Result<Round, Halt> {
        let outcome = self.do_round(scope);
        self.tally.interrupted |= matches!(outcome, Err(Halt::Interrupted));
        let flow = self.ground.flow;
        let forgotten = (flow.granted).forget_doubted(&self.engine.store, &flow.place.file);
        let round = outcome?;
        forgotten?;
        Ok(round)
    }

    fn do_round(&mut self, scope: &Scope) -> Result<Round, Halt> {
        let at = Instant::now();
        // All sources are listed, and guarded, before anything is changed.
        let (mut scanned, mut faults) = self.scan(scope)?;
        if self.open.is_none() && self.open_targets()? {
            (scanned, faults) = self.scan(&Scope::All)?;
        }
        let verify = self.ground.shared.options.verify_targets && matches!(scope, Scope::All);
        if verify && self.verify_targets()? {
            (scanned, faults) = self.scan(&Scope::All)?;
        }
        let before = self.targets();
        let (sources, failed) = self.work(matches!(scope, Scope::All), scanned)?;
        let report = RoundReport {
            run: self.ground.shared.run,
            whole: matches!(scope, Scope::All),
            seconds: at.elapsed().as_secs_f64(),
            sources,
            transforms: self.measure(),
            targets: since(self.targets(), &before),
            failures: self.tally.failures(),
            failed,
        };
        Ok(Round { report, faults })
    }

    /// Compares what the targets hold with what was written to them. True when rows have to be looked at again for it,
    /// which a round over all rows does.
    fn verify_targets(&mut self) -> Result<bool, Halt> {
        let open = self.open.get_or_insert_default();
        (self.engine).verify_targets(&self.stages, open, &mut self.tally.drifted)
    }

    fn scan<'s>(&self, scope: &'s Scope) -> Result<(Vec<Scanned<'s>>, Faults), Halt> {
        let snapshot = self.engine.store.snapshot()?;
        let (mut all, mut faults) = (Vec::with_capacity(self.stages.len()), Vec::new());
        for (index, stage) in self.stages.iter().enumerate() {
            let part = scope.part(&stage.stage.source.name);
            let looked = self.look(index, part, &snapshot)?;
            let fault = looked
                .fault
                .map(|error| (stage.stage.source.name.clone(), error));
            faults.extend(fault);
            all.push(Scanned {
                found: looked.found,
                part,
                looked_at: looked.at,
            });
        }
        Ok((all, faults))
    }

    /// The keys of the rows that the store knows below a prefix; none when there are more than `most`.
    pub(crate) fn keys_below(
        &self,
        source: &str,
        prefix: &[u8],
        most: usize,
    ) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let named = |stage: &&StageRun<'_>| stage.stage.source.name == source;
        let Some(stage) = self.stages.iter().find(named) else {
            return Ok(Some(Vec::new()));
        };
        let snapshot = self.engine.store.snapshot()?;
        let mut keys = Vec::new();
        for row in snapshot.rows_below(stage.collection, prefix)? {
            if keys.len() == most {
                return Ok(None);
            }
            keys.push(row?.0);
        }
        Ok(Some(keys))
    }

    fn work(
        &mut self,
        is_whole: bool,
        scanned: Vec<Scanned<'_>>,
    ) -> Result<(BTreeMap<String, SourceCounts>, Vec<FailedRow>), Halt> {
        let shared = &self.ground.shared;
        shared.calls.begin();
        let snapshot = self.engine.store.snapshot()?;
        let (mut states, mut found) = (Vec::new(), Vec::new());
        let mut looked_at = Vec::with_capacity(self.stages.len());
        for (stage, scanned) in self.stages.iter().zip(scanned) {
            match scanned.looked_at {
                LookedAt::Whole { stay, .. } => {
                    // One that lacks too many rows is not as it should be, and not told as such.
                    if stay.is_none() {
                        shared.observer.event(&Event::SourceScanned {
                            source: &stage.stage.source.name,
                            rows: scanned.found.rows,
                            pending: scanned.found.pending,
                        });
                    }
                    self.tally.forget_failed(stage, None);
                }
                // What failed there is looked at in every round.
                LookedAt::Gathered | LookedAt::Unlisted => self.tally.forget_failed(stage, None),
                LookedAt::Some { .. } => {
                    if let Some(Part::Keys(keys)) = scanned.part {
                        self.tally.forget_failed(stage, Some(keys));
                    }
                }
                LookedAt::Nothing => {}
            }
            self.tally.list_failed(stage, &scanned.found, &snapshot)?;
            states.push(state_of(stage, &scanned.found));
            let is_left = matches!(scanned.looked_at, LookedAt::Unlisted);
            found.push((!is_left).then_some(scanned.found));
            looked_at.push(scanned.looked_at);
        }
        drop(snapshot);
        let open = self.open.get_or_insert_default();
        let mut failed = Vec::new();
        let mut committer = Committer::new(
            &self.engine.store,
            &mut self.books,
            open,
            &mut states,
            (&shared.calls, &shared.commits, shared.observer, &self.feeds),
            &mut failed,
            (shared.run, &mut self.begun),
        );
        let turns = Turns {
            engine: self.engine,
            stages: &self.stages,
            shared,
            is_whole,
            lenient: self.lenient,
        };
        let outcome = turns.take(found, &mut committer);
        // Also after a halt: what the targets hold is settled.
        let settled = committer.end();
        let sources = self.tally.add(states, &looked_at, &failed);
        outcome.and(settled.map_err(Halt::Error))?;
        Ok((sources, failed))
    }
}

/// Lists the source again, twice, for rows that were too many to keep: those that are gone, then the others.
pub(super) fn hand_out_again(
    stage: &StageRun<'_>,
    (pass, removed_max): (Pass, u64),
    visit: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Result<(), Halt> {
    for gone in [true, false] {
        let mut removed = 0;
        let mut found = Found {
            pass,
            ..Found::default()
        };
        go_over(stage, &mut found, |item| {
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
