//! Preparing: the stages of a flow with all that a run needs at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::late::Late;
use super::outlets::{fold, lookups, outlets, shape};
use super::{RunOptions, now_s};

use flowstone_connect::{ConnectError, Entries, Entry, RowError, Source, SourcePlace, open_source};
use flowstone_core::{Column, Fingerprint, OnError, Options, RunId, SourcePlan, Stage, Value};
use flowstone_store::{CollectionId, RecipeId, TargetId};

use crate::books::Books;
use crate::calls::Calls;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::Observer;
use crate::former::Former;
use crate::gathered::{Gathered, View};
use crate::granted::{Written, keep_used};
use crate::overrides::SourceOverrides;
use crate::pins::note_uses;
use crate::recipe::{Recipes, recipe};
use crate::seats::Seats;
use crate::stage::{Counters, PreparedTransform, StageRun, Stop, columns_identity};

/// What all stages of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) calls: Calls,
    pub(crate) seats: Seats,
    pub(crate) commits: AtomicU64,
    pub(crate) pool: rayon::ThreadPool,
    pub(crate) stop: Stop<'a>,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) observed: bool,
    pub(crate) options: RunOptions,
    pub(crate) recipes: Recipes,
    pub(crate) run: RunId,
    pub(crate) dry: bool,
    /// Whether the work goes on where a source cannot be had.
    pub(crate) lenient: bool,
}

impl Engine {
    pub(crate) fn shared<'a>(
        &self,
        run: RunId,
        stop: &'a AtomicBool,
        observer: &'a dyn Observer,
    ) -> Result<Shared<'a>, Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.config.threads)
            .thread_name(|index| format!("flowstone-call-{index}"))
            .build()
            .map_err(|_| Error::Internal("the threads for calls could not be started"))?;
        Ok(Shared {
            calls: Calls::default(),
            seats: Seats::new(self.config.threads),
            commits: AtomicU64::new(0),
            pool,
            stop: Stop {
                asked: stop,
                failed: AtomicBool::new(false),
            },
            observer,
            observed: false,
            options: RunOptions::default(),
            recipes: Recipes::read(&self.store.snapshot()?)?,
            run,
            dry: false,
            lenient: false,
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
        let view = Arc::new(View::default());
        let source = self.source(
            flow,
            source_plan,
            (books, shared.lenient),
            Arc::clone(&view),
        )?;
        let transforms = self.transforms(flow, stage, shared)?;
        let always = shared.options.cache.work_on_all(stage);
        let recipes: Vec<_> = transforms
            .iter()
            .map(|transform| transform.recipe)
            .collect();
        let shape = shape(flow, source_plan, books);
        let (targets, layouts) = outlets(flow, stage, books)?;
        let (lookups, looked_in) = lookups(flow, stage, books);
        let fingerprint = stage.fingerprint(&shape, &recipes, &layouts, &looked_in);
        Ok(StageRun {
            source,
            collection,
            fingerprint,
            shape,
            column_types: column_types(&source_plan.columns),
            targets,
            view,
            lookups,
            fold: fold(flow, stage, books, shared),
            transforms,
            counters: Counters::new(stage),
            always,
            overrides: shared.options.overrides.of_source(&source_plan.name),
            ..self.bare_stage(stage, shared)
        })
    }

    fn source<'a>(
        &'a self,
        flow: &'a Flow,
        plan: &'a SourcePlan,
        (books, lenient): (&Books, bool),
        view: Arc<View>,
    ) -> Result<Box<dyn Source + 'a>, Error> {
        if let Some(gather) = &plan.gather {
            let relations = gather.from.iter();
            let relations = relations.map(|from| flow.relation(from.relation));
            return Ok(Box::new(Gathered {
                view,
                store: &self.store,
                gather,
                relations: (relations.clone())
                    .map(|relation| books.target(&relation.spec).unwrap_or(TargetId(0)))
                    .collect(),
                types: relations
                    .map(|relation| relation.columns.iter().map(|column| column.ty.clone()))
                    .map(Iterator::collect)
                    .collect(),
            }));
        }
        let written = Written::of(&flow.plan, &flow.place, self.store.path()).paths();
        let open = move || {
            let (kind, options) = (&plan.kind, &plan.options);
            let place = SourcePlace {
                base: &flow.place.base,
                written: &written,
            };
            open_source(kind, options, plan.columns.clone(), place)
        };
        if lenient {
            return Ok(Box::new(Late::new(Box::new(open))));
        }
        open().map_err(|error| Error::Source {
            source_name: plan.name.clone(),
            error,
        })
    }

    /// Everything of the calls of a stage's transforms that is the same for all rows.
    fn transforms<'a>(
        &self,
        flow: &'a Flow,
        stage: &Stage,
        shared: &Shared<'_>,
    ) -> Result<Vec<PreparedTransform<'a>>, Error> {
        let mut prepared = Vec::with_capacity(stage.transforms.len());
        for transform in &stage.transforms {
            let mut this = PreparedTransform::new(flow, stage, transform);
            this.mode = shared.options.cache.mode(transform);
            this.recipe_id = shared.recipes.id(&this.record).unwrap_or(RecipeId(0));
            if let Some(age_max) = transform.cache.age_max {
                this.fresh_since = self.first_run_since(age_max)?;
            }
            prepared.push(this);
        }
        Ok(prepared)
    }

    /// The first run that is not older than so long; the next one when all are.
    fn first_run_since(&self, age_max: Duration) -> Result<RunId, Error> {
        // Both are known to the second only: what may be too old is.
        let until = now_s() + 1;
        let since = until.saturating_sub(age_max.as_secs());
        let snapshot = self.store.snapshot()?;
        let mut first = RunId(snapshot.last_run()?.map_or(1, |last| last.0 + 1));
        for run in snapshot.runs()? {
            let (run, record) = run?;
            // What was made in the future, by a clock that was put back since, has no age that could be known.
            if !(since..=until).contains(&started(&record)) {
                break;
            }
            first = run;
        }
        Ok(first)
    }

    /// Gives the recipes of a flow's transforms their numbers, keeps the code behind new ones, and lets its pins stand.
    ///
    /// # Errors
    ///
    /// As [`note_uses`]: nothing is written then.
    pub(super) fn register(&self, flow: &Flow, shared: &mut Shared<'_>) -> Result<(), Error> {
        note_uses(&self.store, flow)?;
        keep_used(&self.store, &flow.place.file, &flow.granted)?;
        for stage in &flow.plan.stages {
            for transform in &stage.transforms {
                let code = flow.code(&transform.plugin);
                let record = recipe(flow, stage, transform);
                if shared.recipes.id(&record).is_none() {
                    // Kept, so that its results can be checked when the flow has other code by then.
                    self.store.put_build(&code.digest, &code.bytes)?;
                    shared.recipes.register(&self.store, record)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn bare_stage<'a>(
        &'a self,
        stage: &'a Stage,
        shared: &'a Shared<'a>,
    ) -> StageRun<'a> {
        StageRun {
            stage,
            source: Box::new(NoSource),
            collection: CollectionId(0),
            fingerprint: Fingerprint::from_bytes([0; 32]),
            shape: columns_identity(&[], ""),
            column_types: Vec::new(),
            transforms: Vec::new(),
            targets: Vec::new(),
            view: Arc::default(),
            lookups: Vec::new(),
            fold: None,
            counters: Counters::new(stage),
            store: &self.store,
            sandbox: &self.sandbox,
            calls: &shared.calls,
            seats: &shared.seats,
            commits: &shared.commits,
            pool: &shared.pool,
            observer: shared.observer,
            observed: shared.observed,
            stop: &shared.stop,
            run: shared.run,
            always: false,
            overrides: SourceOverrides::default(),
            former: Former::default(),
            dry: shared.dry,
            row_bytes_max: self.config.memory_bytes_max / 2,
        }
    }

    pub(super) fn stages<'a>(
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
}

/// When a run began, in seconds since 1970, by its record; 0 where it does not say.
pub(crate) fn started(record: &str) -> u64 {
    #[derive(serde::Deserialize)]
    struct Started {
        started: u64,
    }
    serde_json::from_str::<Started>(record).map_or(0, |record| record.started)
}

/// The source of a stage that has none: it lists nothing.
struct NoSource;

impl Source for NoSource {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        Ok(Entries::new(std::iter::empty()))
    }

    fn load(&self, _: &Entry) -> Result<Vec<Value>, RowError> {
        Err(RowError::Vanished)
    }
}

fn column_types(columns: &[Column]) -> Vec<(flowstone_core::Type, Fingerprint)> {
    columns
        .iter()
        .map(|column| (column.ty.clone(), column.ty.fingerprint()))
        .collect()
}

/// The sources that the store knows of the flow and the flow no longer has, each as a stage without transforms.
pub(super) fn left_stages(books: &Books, flow: &Flow) -> Vec<(CollectionId, Stage)> {
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
            gather: None,
        };
        (
            *id,
            Stage {
                source,
                collections: Vec::new(),
                transforms: Vec::new(),
                lookups: Vec::new(),
                targets: Vec::new(),
                relations: Vec::new(),
            },
        )
    })
    .collect()
}
