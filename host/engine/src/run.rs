//! A run: recover, open, scan, guard, execute, settle, report.

mod options;
mod prepare;
mod summary;

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use flowstone_core::{Fingerprint, RunId, Stage};
use flowstone_store::{CollectionId, StoreError, Writer};

pub use self::options::{CacheOptions, RunOptions};
use self::prepare::left_stages;
pub(crate) use self::prepare::{Shared, started};
use self::summary::{list_failed, report, state_of};
use crate::batch::{Halt, Item};
use crate::books::{Books, put_stage_names};
use crate::commit::{Begun, Committer, OpenTarget, StageState};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::execute::{Spread, execute};
use crate::history;
use crate::report::{FailedRow, RunReport};
use crate::scan::{Found, diff, hand_out, scan};
use crate::stage::StageRun;

impl Engine {
    /// Brings the targets of a flow up to date with its sources.
    ///
    /// Setting `stop` ends the run early: what has been settled stays, the next run does the rest.
    ///
    /// # Errors
    ///
    /// When the store, a source or a target fails as a whole, or too many rows are gone. Rows that fail are no error:
    /// the report counts them.
    pub fn run(
        &self,
        flow: &Flow,
        options: &RunOptions,
        stop: &AtomicBool,
        observer: &dyn Observer,
    ) -> Result<RunReport, Error> {
        let start = Start::now();
        options.cache.check(&flow.plan)?;
        let snapshot = self.store.snapshot()?;
        let run = RunId(snapshot.last_run()?.map_or(1, |last| last.0 + 1));
        drop(snapshot);
        observer.event(&Event::RunStarted {
            run,
            flow: &flow.plan.name,
        });
        self.recover(&flow.place)?;
        let snapshot = self.store.snapshot()?;
        let mut books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        drop(snapshot);
        books.open(&self.store, &flow.plan)?;
        books.decide(&flow.plan);
        let mut shared = self.shared(run, stop, observer)?;
        shared.observed = options.observed;
        shared.options = options.clone();
        self.register(flow, &mut shared)?;
        let left = left_stages(&books, flow);
        let mut stages = self.stages(flow, &left, &books, &shared)?;
        let mut progress = Progress {
            open: Vec::new(),
            states: Vec::new(),
            failed: Vec::new(),
            interrupted: false,
        };
        let mut work = || -> Result<(), Halt> {
            // All sources are listed, and guarded, before anything is changed.
            let mut found = self.scan_all(&stages, flow, options)?;
            if self.open_targets(flow, &mut books, &mut progress.open, observer)? {
                stages = self.stages(flow, &left, &books, &shared)?;
                found = self.scan_all(&stages, flow, options)?;
            }
            let begun = begun(flow, run, &books, &stages, (options, &start))?;
            self.work(&stages, found, (&mut books, begun), &shared, &mut progress)
        };
        let outcome = work();
        match outcome {
            Ok(()) => {}
            Err(Halt::Interrupted) => progress.interrupted = true,
            Err(Halt::Error(error)) => return Err(error),
        }
        let mut report = report(flow, run, &stages, &books, progress, &start);
        report.cache = options.cache.clone();
        self.finish(flow, &stages, &mut books, &report, &left)?;
        Ok(report)
    }

    fn scan_all(
        &self,
        stages: &[StageRun<'_>],
        flow: &Flow,
        options: &RunOptions,
    ) -> Result<Vec<Found>, Halt> {
        let snapshot = self.store.snapshot()?;
        let mut all = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            let found = scan(stage, &snapshot)?;
            let in_flow = index < flow.plan.stages.len();
            if in_flow && found.is_mass_delete() && !options.allow_deletes {
                return Err(too_many(stage, found.removed, found.known).into());
            }
            if let Some((key, place)) = stage.overrides.unlisted(&found.given) {
                let source = &stage.stage.source.name;
                return Err(Halt::Error(Error::Override {
                    place: place.to_owned(),
                    message: format!("source `{source}` has no row `{key}`"),
                }));
            }
            all.push(found);
        }
        Ok(all)
    }

    fn work(
        &self,
        stages: &[StageRun<'_>],
        found: Vec<Found>,
        (books, begun): (&mut Books, Begun),
        shared: &Shared<'_>,
        progress: &mut Progress,
    ) -> Result<(), Halt> {
        let snapshot = self.store.snapshot()?;
        for (stage, found) in stages.iter().zip(&found) {
            shared.observer.event(&Event::SourceScanned {
                source: &stage.stage.source.name,
                rows: found.rows,
                pending: found.pending,
            });
            list_failed(stage, found, &snapshot, &mut progress.failed)?;
            progress.states.push(state_of(stage, found));
        }
        drop(snapshot);
        let Progress {
            open,
            states,
            failed,
            ..
        } = progress;
        let mut committer = Committer::new(
            &self.store,
            books,
            open,
            states,
            (&shared.calls, &shared.commits, shared.observer),
            failed,
            begun,
        );
        let outcome = self.execute_all(stages, found, &shared.options, &mut committer);
        // Also after a halt: what the targets hold is settled.
        let settled = committer.end();
        outcome.and(settled.map_err(Halt::Error))
    }

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
            let spread = self.spread(stage.stage, pending);
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
            let spread = self.spread(stage.stage, entries.len() as u64);
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

    fn spread(&self, stage: &Stage, pending: u64) -> Spread {
        let config = &self.config;
        Spread::new(stage, config.threads, config.memory_bytes_max, pending)
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

    /// Writes the run's record, and takes away what nothing refers to any more.
    fn finish(
        &self,
        flow: &Flow,
        stages: &[StageRun<'_>],
        books: &mut Books,
        report: &RunReport,
        left: &[(CollectionId, Stage)],
    ) -> Result<(), Error> {
        let json = history::record(report, books)?;
        let complete = !report.interrupted;
        let mut gone = Vec::new();
        if complete {
            gone.extend(
                books
                    .targets
                    .iter()
                    .filter(|(_, entry)| entry.flow == books.flow && entry.void)
                    .map(|(id, _)| *id),
            );
        }
        for id in &gone {
            books.targets.remove(id);
        }
        self.store
            .write(|writer: &mut Writer<'_>| -> Result<(), StoreError> {
                if complete {
                    for (collection, _) in left {
                        writer.remove_meta(&format!("source/{:08x}", collection.0))?;
                    }
                    for id in &gone {
                        books.put_target(writer, *id)?;
                    }
                }
                for (stage, names) in stage_names(flow, stages) {
                    put_stage_names(writer, &stage, &names)?;
                }
                writer.put_run(report.run, &json)
            })?;
        if complete {
            self.retire_former(flow, books)?;
        }
        Ok(())
    }
}

/// The names of the transforms of the flow's stages, by the identity of what is done to their rows.
fn stage_names(flow: &Flow, stages: &[StageRun<'_>]) -> Vec<(Fingerprint, Vec<String>)> {
    let stages = stages.iter().take(flow.plan.stages.len());
    let names = stages.flat_map(|stage| {
        let transforms = stage.stage.transforms.iter();
        let names: Vec<String> = transforms.map(|transform| transform.name.clone()).collect();
        let given = stage.overrides.given_flow(&stage.fingerprint);
        let flows = std::iter::once(stage.fingerprint).chain(given);
        flows.map(move |flow| (flow, names.clone()))
    });
    names.collect()
}

fn begun(
    flow: &Flow,
    run: RunId,
    books: &Books,
    stages: &[StageRun<'_>],
    (options, start): (&RunOptions, &Start),
) -> Result<Begun, Error> {
    let record = RunReport {
        run,
        flow: flow.plan.name.clone(),
        started: start.unix_s,
        cache: options.cache.clone(),
        interrupted: true,
        ..RunReport::default()
    };
    Ok(Begun {
        run,
        record: history::record(&record, books)?,
        names: stage_names(flow, stages),
    })
}

/// When a run began.
struct Start {
    at: Instant,
    unix_s: u64,
}

impl Start {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            unix_s: now_s(),
        }
    }
}

/// The time, in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}

fn too_many(stage: &StageRun<'_>, removed: u64, rows: u64) -> Error {
    Error::TooManyDeletes {
        source_name: stage.stage.source.name.clone(),
        removed,
        rows,
    }
}

/// What a run has come to so far.
struct Progress {
    open: Vec<OpenTarget>,
    states: Vec<StageState>,
    failed: Vec<FailedRow>,
    interrupted: bool,
}
