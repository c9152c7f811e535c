//! A run: recover, open, scan, guard, execute, settle, report.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use flowstone_connect::{
    ConnectError, Entries, Entry, RowError, Source, TargetIdentity, TargetState, open_source,
    open_target,
};
use flowstone_core::{
    Column, Fingerprint, OnError, Options, RunId, SourcePlan, Stage, TargetSpec, Value,
};
use flowstone_store::{
    CollectionId, IntentRow, Lineage, RowHead, RowState, Snapshot, StoreError, TargetId, Writer,
};

use crate::batch::{Halt, Item};
use crate::books::{Books, TransformEntry, put_stage_names};
use crate::calls::Calls;
use crate::commit::{Committer, FAILED_LISTED_MAX, OpenTarget, StageState};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::execute::{Spread, execute};
use crate::report::{FailedRow, RunReport, SourceCounts, TargetCounts, TransformCounts};
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
        self.recover()?;
        let mut books = Books::read(&self.store.snapshot()?, &flow.plan.name, &flow.place.file)?;
        books.open(&self.store, &flow.plan)?;
        let mut open = Vec::new();
        self.open_targets(flow, &mut books, &mut open, observer)?;
        let shared = self.shared(run, stop, observer, options.observed)?;
        let left = left_stages(&books, flow);
        let mut stages = Vec::with_capacity(flow.plan.stages.len() + left.len());
        for stage in &flow.plan.stages {
            stages.push(self.stage_run(flow, stage, &books, &shared)?);
        }
        for (collection, stage) in &left {
            stages.push(self.left_stage_run(stage, *collection, &shared)?);
        }
        let mut progress = Progress {
            open,
            states: Vec::new(),
            failed: Vec::new(),
            interrupted: false,
        };
        let outcome = self.work(flow, &stages, &mut books, &shared, options, &mut progress);
        match outcome {
            Ok(()) => {}
            Err(Halt::Interrupted) => progress.interrupted = true,
            Err(Halt::Error(error)) => return Err(error),
        }
        let report = report(flow, run, &stages, &books, progress, start);
        self.finish(flow, &stages, &mut books, &report, &left)?;
        Ok(report)
    }

    /// Takes up what a killed run left: its intents become the lineage of their rows, trusted for deleting only.
    fn recover(&self) -> Result<(), Error> {
        let snapshot = self.store.snapshot()?;
        let intents = snapshot.intents()?;
        if intents.is_empty() {
            return Ok(());
        }
        let last = intents
            .iter()
            .map(|(batch, _)| *batch)
            .max()
            .unwrap_or_default();
        let mut books = Books::read(&snapshot, "", "")?;
        books.batch = books.batch.max(last);
        self.store.write(|writer| {
            for (batch, intent) in &intents {
                for row in &intent.rows {
                    let (head, lineage) = recovered(writer, row)?;
                    writer.put_row(row.collection, &row.key, &head, &lineage)?;
                }
                writer.clear_intent(*batch)?;
            }
            books.put_batch(writer)
        })?;
        // How many rows the targets hold is known from the claims: the counts were not settled.
        let snapshot = self.store.snapshot()?;
        let mut recounted = Vec::new();
        for (id, entry) in &mut books.targets {
            let mut rows = 0;
            for owned in snapshot.owned(*id)? {
                owned?;
                rows += 1;
            }
            entry.rows = rows;
            recounted.push(*id);
        }
        self.store.write(|writer| {
            recounted
                .iter()
                .try_for_each(|id| books.put_target(writer, *id))
        })?;
        Ok(())
    }

    /// Opens the targets of the flow, and those that left it but may still hold rows.
    fn open_targets(
        &self,
        flow: &Flow,
        books: &mut Books,
        open: &mut Vec<OpenTarget>,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        for target in flow.plan.stages.iter().flat_map(|stage| &stage.targets) {
            open.push(self.open_target(flow, &target.name, &target.spec, books, observer)?);
        }
        let former: Vec<TargetId> = books
            .targets
            .iter()
            .filter(|(id, entry)| {
                entry.flow == books.flow && !entry.void && open.iter().all(|open| open.id != **id)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in former {
            let Some(entry) = books.targets.get_mut(&id) else {
                continue;
            };
            let identity = TargetIdentity {
                flow: flow.plan.name.clone(),
                target: entry.name.clone(),
                token: entry.token.clone(),
            };
            let opened = open_target(
                &entry.spec,
                &flow.place.base,
                &identity,
                self.config.allow_outside,
            );
            match opened {
                Ok((target, TargetState::Known { .. })) => {
                    let counts = TargetCounts::default();
                    open.push(OpenTarget {
                        id,
                        name: entry.name.clone(),
                        target,
                        counts,
                    });
                }
                // Nothing of ours is there any more: there is nothing to delete either.
                Ok((target, TargetState::Created)) => {
                    let _ = target.retire();
                    entry.void = true;
                }
                _ => entry.void = true,
            }
        }
        let changed: Vec<TargetId> = books.targets.keys().copied().collect();
        self.store.write(|writer| {
            changed
                .iter()
                .try_for_each(|id| books.put_target(writer, *id))
        })?;
        Ok(())
    }

    fn open_target(
        &self,
        flow: &Flow,
        name: &str,
        spec: &TargetSpec,
        books: &mut Books,
        observer: &dyn Observer,
    ) -> Result<OpenTarget, Error> {
        let fail = |error| Error::Target {
            target: name.to_owned(),
            error,
        };
        let opened = |id: TargetId, target| OpenTarget {
            id,
            name: name.to_owned(),
            target,
            counts: TargetCounts::default(),
        };
        let batch = books.batch;
        let connect = |books: &Books, id: TargetId| {
            let token = books
                .targets
                .get(&id)
                .map(|entry| entry.token.clone())
                .unwrap_or_default();
            let identity = TargetIdentity {
                flow: flow.plan.name.clone(),
                target: name.to_owned(),
                token,
            };
            open_target(spec, &flow.place.base, &identity, self.config.allow_outside).map_err(fail)
        };
        if let Some(id) = books.target(spec) {
            let (target, state) = connect(books, id)?;
            let settled = books.targets.get(&id).map_or(0, |entry| entry.batch);
            let as_left = match state {
                TargetState::Known { batch: held } => held >= settled && held <= batch,
                TargetState::Created => settled == 0,
                _ => false,
            };
            if as_left {
                if let Some(entry) = books.targets.get_mut(&id) {
                    name.clone_into(&mut entry.name);
                    entry.spec = spec.clone();
                }
                return Ok(opened(id, target));
            }
            // Deleted, replaced, or put back from an older copy: it is filled anew.
            observer.event(&Event::TargetRebuilt { target: name });
        }
        let before = books.targets.clone();
        let id = books.replace_target(name, spec);
        let (mut target, state) = connect(books, id)?;
        if let TargetState::Foreign {
            flow: other_flow,
            target: other_target,
        } = &state
        {
            // It may be this flow's own: under a number that has just been given up, or from a store that is gone.
            let given_up = before
                .values()
                .any(|entry| entry.flow == books.flow && entry.name == *other_target);
            if *other_flow != flow.plan.name && !given_up || (other_target != name && !given_up) {
                let (other_flow, other_target) = (other_flow.clone(), other_target.clone());
                return Err(Error::TargetTaken {
                    target: name.to_owned(),
                    other_flow,
                    other_target,
                });
            }
        }
        if state != TargetState::Created {
            target.clear().map_err(fail)?;
        }
        Ok(opened(id, target))
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
        let ids: Vec<TargetId> = stage
            .targets
            .iter()
            .map(|target| books.target(&target.spec).unwrap_or(TargetId(0)))
            .collect();
        let recipes: Vec<_> = transforms
            .iter()
            .map(|transform| transform.recipe)
            .collect();
        let fingerprint =
            stage.fingerprint(&recipes, &ids.iter().map(|id| id.0).collect::<Vec<_>>());
        let all_targets: Vec<&str> = flow
            .plan
            .stages
            .iter()
            .flat_map(|stage| &stage.targets)
            .map(|target| &*target.name)
            .collect();
        let targets = stage
            .targets
            .iter()
            .zip(&ids)
            .map(|(target, id)| StageTarget {
                id: *id,
                slot: all_targets
                    .iter()
                    .position(|name| *name == target.name)
                    .unwrap_or_default(),
                columns: columns_identity(&target.spec.columns),
            });
        Ok(StageRun {
            source,
            collection,
            fingerprint,
            shape: columns_identity(&source_plan.columns),
            column_types: column_types(&source_plan.columns),
            targets: targets.collect(),
            transforms,
            counters: Counters::new(stage),
            ..self.bare_stage(stage, shared)
        })
    }

    /// A stage for a source that the flow no longer has: all its rows are gone.
    fn left_stage_run<'a>(
        &'a self,
        stage: &'a Stage,
        collection: CollectionId,
        shared: &'a Shared<'a>,
    ) -> Result<StageRun<'a>, Error> {
        Ok(StageRun {
            collection,
            ..self.bare_stage(stage, shared)
        })
    }

    fn bare_stage<'a>(&'a self, stage: &'a Stage, shared: &'a Shared<'a>) -> StageRun<'a> {
        StageRun {
            stage,
            source: Box::new(NoSource),
            collection: CollectionId(0),
            fingerprint: Fingerprint::from_bytes([0; 32]),
            shape: columns_identity(&[]),
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

    fn work(
        &self,
        flow: &Flow,
        stages: &[StageRun<'_>],
        books: &mut Books,
        shared: &Shared<'_>,
        options: &RunOptions,
        progress: &mut Progress,
    ) -> Result<(), Halt> {
        // All sources are listed, and guarded, before anything is changed.
        let snapshot = self.store.snapshot()?;
        let mut found = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            let this = scan(stage, &snapshot)?;
            let in_flow = index < flow.plan.stages.len();
            if in_flow && this.is_mass_delete() && !options.allow_deletes {
                let source_name = stage.stage.source.name.clone();
                return Err(Error::TooManyDeletes {
                    source_name,
                    removed: this.removed,
                    rows: this.known,
                }
                .into());
            }
            shared.observer.event(&Event::SourceScanned {
                source: &stage.stage.source.name,
                rows: this.rows,
                pending: this.pending,
            });
            list_failed(stage, &this, &snapshot, &mut progress.failed)?;
            progress.states.push(state_of(stage, &this));
            found.push(this);
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
        let outcome = self.execute_all(stages, found, &mut committer);
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
        committer: &mut Committer<'_>,
    ) -> Result<(), Halt> {
        // Rows that are gone make room first: those of sources that left the flow, then those of each source.
        let mut all: Vec<_> = stages.iter().zip(found).enumerate().collect();
        all.sort_by_key(|(_, (stage, _))| !stage.stage.collections.is_empty());
        for (index, (stage, found)) in all {
            let Found { pending, kept, .. } = found;
            if pending == 0 {
                continue;
            }
            let spread = Spread::new(self.config.threads, self.config.memory_bytes_max, pending);
            execute(stage, index, &spread, committer, |visit| match kept {
                Some(mut items) => {
                    items.sort_by_key(|item| item.entry.is_some());
                    hand_out(items, visit);
                    Ok(())
                }
                None => diff(stage, &self.store.snapshot()?, &mut Found::default(), visit),
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

    /// Removes targets that the flow no longer has and in which no row is left.
    fn retire_former(&self, flow: &Flow, books: &mut Books) -> Result<(), Error> {
        let specs: Vec<TargetId> = flow
            .plan
            .stages
            .iter()
            .flat_map(|stage| &stage.targets)
            .filter_map(|t| books.target(&t.spec))
            .collect();
        let former: Vec<TargetId> = books
            .targets
            .iter()
            .filter(|(id, entry)| {
                entry.flow == books.flow && entry.rows == 0 && !specs.contains(id)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in former {
            let Some(entry) = books.targets.remove(&id) else {
                continue;
            };
            let identity = TargetIdentity {
                flow: flow.plan.name.clone(),
                target: entry.name.clone(),
                token: entry.token,
            };
            let fail = |error| Error::Target {
                target: entry.name.clone(),
                error,
            };
            let (target, state) = open_target(
                &entry.spec,
                &flow.place.base,
                &identity,
                self.config.allow_outside,
            )
            .map_err(fail)?;
            if matches!(state, TargetState::Known { .. } | TargetState::Created) {
                target.retire().map_err(fail)?;
            }
            self.store.write(|writer| books.put_target(writer, id))?;
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

fn recovered(writer: &mut Writer<'_>, row: &IntentRow) -> Result<(RowHead, Lineage), StoreError> {
    let zero = Fingerprint::from_bytes([0; 32]);
    let known = writer.row(row.collection, &row.key)?;
    let (content, flow) = known.map_or((zero, zero), |head| (head.content, head.flow));
    let head = RowHead {
        hint: Vec::new(),
        content,
        flow,
        state: RowState::Failed { retry: true },
    };
    let lineage = writer
        .lineage(row.collection, &row.key)?
        .unwrap_or_default();
    Ok((
        head,
        Lineage {
            targets: row.targets.clone(),
            good: false,
            ..lineage
        },
    ))
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
