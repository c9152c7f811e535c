//! A run: recover, open, scan, guard, execute, settle, report.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use flowstone_connect::{
    ConnectError, Entries, Entry, RowError, Source, open_source, reading_options, target_keys,
};
use flowstone_core::{Column, Fingerprint, OnError, Options, RunId, SourcePlan, Stage, Value};
use flowstone_store::{CollectionId, Snapshot, StoreError, TargetId, Writer};

use crate::batch::{Halt, Item};
use crate::books::{Books, TransformEntry, put_stage_names};
use crate::calls::Calls;
use crate::commit::{Committer, FAILED_LISTED_MAX, OpenTarget, StageState};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::execute::{Spread, execute};
use crate::report::{FailedRow, RunReport, SourceCounts, TransformCounts};
use crate::scan::{Found, diff, scan};
use crate::stage::{Counters, PreparedTransform, StageRun, StageTarget, Stop, columns_identity};

/// How a run is done.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Whether to go on where more than half of a source's rows are gone.
    pub allow_deletes: bool,
    /// Whether somebody listens closely: events then carry the keys of rows.
    pub observed: bool,
}

/// What all stages of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) calls: Calls,
    pub(crate) commits: AtomicU64,
    pub(crate) pool: rayon::ThreadPool,
    pub(crate) stop: Stop<'a>,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) observed: bool,
    pub(crate) run: RunId,
    pub(crate) dry: bool,
}

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
        let start = Instant::now();
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
        let shared = self.shared(run, stop, observer, options.observed)?;
        let left = left_stages(&books, flow);
        let mut stages = self.stages(flow, &left, &books, &shared)?;
        let mut progress = Progress {
            open: Vec::new(),
            states: Vec::new(),
            failed: Vec::new(),
            interrupted: false,
        };
        // All sources are listed, and guarded, before anything is changed.
        let outcome = match self.scan_all(&stages, flow, options) {
            Ok(mut found) => {
                if self.open_targets(flow, &mut books, &mut progress.open, observer)? {
                    stages = self.stages(flow, &left, &books, &shared)?;
                    found = match self.scan_all(&stages, flow, options) {
                        Ok(found) => found,
                        Err(Halt::Error(error)) => return Err(error),
                        Err(Halt::Interrupted) => Vec::new(),
                    };
                }
                self.work(&stages, found, &mut books, &shared, options, &mut progress)
            }
            Err(halt) => Err(halt),
        };
        match outcome {
            Ok(()) => {}
            Err(Halt::Interrupted) => progress.interrupted = true,
            Err(Halt::Error(error)) => return Err(error),
        }
        let report = report(flow, run, &stages, &books, progress, start);
        self.finish(flow, &stages, &mut books, &report, &left)?;
        Ok(report)
    }

    pub(crate) fn shared<'a>(
        &self,
        run: RunId,
        stop: &'a AtomicBool,
        observer: &'a dyn Observer,
        observed: bool,
    ) -> Result<Shared<'a>, Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.config.threads)
            .thread_name(|index| format!("flowstone-call-{index}"))
            .build()
            .map_err(|_| Error::Internal("the threads for calls could not be started"))?;
        Ok(Shared {
            calls: Calls::default(),
            commits: AtomicU64::new(0),
            pool,
            stop: Stop {
                asked: stop,
                failed: AtomicBool::new(false),
            },
            observer,
            observed,
            run,
            dry: false,
        })
    }

    pub(crate) fn stage_run<'a>(
        &'a self,
        flow: &'a Flow,
        stage: &'a Stage,
        books: &Books,
        shared: &'a Shared<'a>,
    ) -> Result<StageRun<'a>, Error> {
        let collection = books.source(&stage.source.name).unwrap_or(CollectionId(0));
        let source_plan = &stage.source;
        let source = open_source(
            &source_plan.kind,
            &source_plan.options,
            source_plan.columns.clone(),
            &flow.place.base,
        )
        .map_err(|error| Error::Source {
            source_name: source_plan.name.clone(),
            error,
        })?;
        let transforms: Vec<PreparedTransform<'_>> = stage
            .transforms
            .iter()
            .map(|transform| PreparedTransform::new(transform, flow.code(&transform.plugin)))
            .collect();
        let recipes: Vec<_> = transforms
            .iter()
            .map(|transform| transform.recipe)
            .collect();
        let how = reading_options(&source_plan.kind, &source_plan.options);
        let shape = columns_identity(&source_plan.columns, &how);
        let all: Vec<&str> = (flow.plan.stages.iter())
            .flat_map(|stage| &stage.targets)
            .map(|target| &*target.name)
            .collect();
        let (mut targets, mut layouts) = (Vec::new(), Vec::new());
        for target in &stage.targets {
            let id = books.target(&target.spec).unwrap_or(TargetId(0));
            let layout = books.targets.get(&id).map_or(0, |entry| entry.layout);
            layouts.push(u64::from(id.0) << 32 | u64::from(layout));
            targets.push(StageTarget {
                id,
                slot: all
                    .iter()
                    .position(|name| *name == target.name)
                    .unwrap_or_default(),
                columns: columns_identity(&target.spec.columns, &layout.to_string()),
                keys: target_keys(&target.spec).map_err(|error| Error::Target {
                    target: target.name.clone(),
                    error: error.into(),
                })?,
            });
        }
        let fingerprint = stage.fingerprint(&shape, &recipes, &layouts);
        Ok(StageRun {
            source,
            collection,
            fingerprint,
            shape,
            column_types: column_types(&source_plan.columns),
            targets,
            transforms,
            counters: Counters::new(stage),
            ..self.bare_stage(stage, shared)
        })
    }

    fn bare_stage<'a>(&'a self, stage: &'a Stage, shared: &'a Shared<'a>) -> StageRun<'a> {
        StageRun {
            stage,
            source: Box::new(NoSource),
            collection: CollectionId(0),
            fingerprint: Fingerprint::from_bytes([0; 32]),
            shape: columns_identity(&[], ""),
            column_types: Vec::new(),
            transforms: Vec::new(),
            targets: Vec::new(),
            counters: Counters::new(stage),
            store: &self.store,
            sandbox: &self.sandbox,
            calls: &shared.calls,
            commits: &shared.commits,
            pool: &shared.pool,
            observer: shared.observer,
            observed: shared.observed,
            stop: &shared.stop,
            run: shared.run,
            dry: shared.dry,
            row_bytes_max: self.config.memory_bytes_max / 2,
        }
    }

    fn stages<'a>(
        &'a self,
        flow: &'a Flow,
        left: &'a [(CollectionId, Stage)],
        books: &Books,
        shared: &'a Shared<'a>,
    ) -> Result<Vec<StageRun<'a>>, Error> {
        let mut stages = Vec::with_capacity(flow.plan.stages.len() + left.len());
        for stage in &flow.plan.stages {
            stages.push(self.stage_run(flow, stage, books, shared)?);
        }
        for (collection, stage) in left {
            stages.push(StageRun {
                collection: *collection,
                ..self.bare_stage(stage, shared)
            });
        }
        Ok(stages)
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
            all.push(found);
        }
        Ok(all)
    }

    fn work(
        &self,
        stages: &[StageRun<'_>],
        found: Vec<Found>,
        books: &mut Books,
        shared: &Shared<'_>,
        options: &RunOptions,
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
        );
        let outcome = self.execute_all(stages, found, options, &mut committer);
        // Also after a halt: what the targets hold is settled.
        let settled = if committer.is_pending() {
            committer.settle(|_, _| Ok(()))
        } else {
            Ok(())
        };
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
            committer.settle(|_, _| Ok(()))?;
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

    /// Writes the run's record, and takes away what nothing refers to any more.
    fn finish(
        &self,
        flow: &Flow,
        stages: &[StageRun<'_>],
        books: &mut Books,
        report: &RunReport,
        left: &[(CollectionId, Stage)],
    ) -> Result<(), Error> {
        let mut transforms = BTreeMap::new();
        for transform in flow.plan.stages.iter().flat_map(|stage| &stage.transforms) {
            transforms.insert(
                transform.name.clone(),
                TransformEntry::new(transform, flow.code(&transform.plugin)),
            );
        }
        let json =
            serde_json::to_string(report).map_err(|_| Error::Internal("a report is not JSON"))?;
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
                    books.put_transforms(writer, &transforms)?;
                    for (collection, _) in left {
                        writer.remove_meta(&format!("source/{:08x}", collection.0))?;
                    }
                    for id in &gone {
                        books.put_target(writer, *id)?;
                    }
                }
                for stage in stages.iter().take(flow.plan.stages.len()) {
                    let names: Vec<String> = stage
                        .stage
                        .transforms
                        .iter()
                        .map(|transform| transform.name.clone())
                        .collect();
                    put_stage_names(writer, &stage.fingerprint, &names)?;
                }
                writer.put_run(report.run, &json)
            })?;
        if complete {
            self.retire_former(flow, books)?;
        }
        Ok(())
    }
}

/// The source of a stage that has none: it lists nothing.
struct NoSource;

impl Source for NoSource {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        Ok(Box::new(std::iter::empty()))
    }

    fn load(&self, _: &Entry) -> Result<Vec<Value>, RowError> {
        Err(RowError::Vanished)
    }
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

fn hand_out(items: Vec<Item>, visit: &mut dyn FnMut(Item) -> ControlFlow<()>) {
    for item in items {
        if visit(item).is_break() {
            return;
        }
    }
}

fn column_types(columns: &[Column]) -> Vec<(flowstone_core::Type, Fingerprint)> {
    columns
        .iter()
        .map(|column| (column.ty.clone(), column.ty.fingerprint()))
        .collect()
}

/// The sources that the store knows of the flow and the flow no longer has, each as a stage without transforms.
fn left_stages(books: &Books, flow: &Flow) -> Vec<(CollectionId, Stage)> {
    let in_flow = |name: &str| {
        flow.plan
            .stages
            .iter()
            .any(|stage| stage.source.name == name)
    };
    let left = books.sources.iter().filter(|(_, (name, _))| !in_flow(name));
    left.map(|(id, (name, kind))| {
        let source = SourcePlan {
            name: name.clone(),
            kind: kind.clone(),
            options: Options::new(),
            columns: Vec::new(),
            on_error: OnError::default(),
        };
        (
            *id,
            Stage {
                source,
                collections: Vec::new(),
                transforms: Vec::new(),
                targets: Vec::new(),
            },
        )
    })
    .collect()
}

/// Lists the rows that failed in an earlier run and have not changed since.
fn list_failed(
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

fn state_of(stage: &StageRun<'_>, found: &Found) -> StageState {
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

fn report(
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
