//! A stage made ready to run: its source open, its keys' recipes made, its counters at zero.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flowstone_connect::{Entry, RowError, Source, TargetKeys};
use flowstone_core::{
    CacheMode, Column, ComponentDigest, Fingerprint, FunctionDigest, KeyRecipe, RecipeRecord,
    RunId, Stage, Transform, Type, Value, format_size,
};
use flowstone_sandbox::{Callable, Extent, Limits, Plugin, Row, Sandbox, SandboxConfig, World};
use flowstone_store::{CollectionId, RecipeId, RowHead, RowState, Store, TargetId};

use crate::answer::Typed;
use crate::batch::Root;
use crate::calls::Calls;
use crate::commit::DueRows;
use crate::compiled::{LoadFault, load_plugin};
use crate::engine::Flow;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::fold::PreparedFold;
use crate::former::Former;
use crate::gathered::View;
use crate::lists::Lists;
use crate::meter::Meter;
use crate::overrides::SourceOverrides;
use crate::recipe::recipe;
use crate::relation::{RelationKeys, display_key};
use crate::seats::Seats;

/// A plugin of a flow: its binary, what it offers, and its compiled code once a call needs it.
pub(crate) struct PluginCode {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: ComponentDigest,
    /// The digests of what its functions can reach; empty where the whole component stands for them.
    pub(crate) functions: BTreeMap<String, FunctionDigest>,
    /// The functions that the flow calls.
    pub(crate) called: BTreeSet<String>,
    pub(crate) limits: Limits,
    pub(crate) loaded: Mutex<Option<Plugin>>,
}

impl PluginCode {
    /// The plugin with the functions that the flow calls, compiled or taken from the store's compiled code on first use.
    pub(crate) fn load(
        &self,
        sandbox: &SandboxCell,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<Plugin, Error> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = &*loaded {
            return Ok(plugin.clone());
        }
        let component = (&self.bytes[..], &self.digest);
        let compiles = || observer.event(&Event::WillCompile { plugin: &self.name });
        let plugin = load_plugin(
            component,
            &Extent::Only(self.called.clone()),
            &sandbox.get()?,
            store,
            compiles,
        );
        let plugin = plugin.map_err(|error| match error {
            LoadFault::Load(error) => Error::Plugin {
                plugin: self.name.clone(),
                error,
            },
            LoadFault::Other(error) => error,
        })?;
        *loaded = Some(plugin.clone());
        Ok(plugin)
    }
}

/// The sandbox, made on first use: a run in which nothing changed needs none.
pub(crate) struct SandboxCell {
    config: SandboxConfig,
    cell: Mutex<Option<Sandbox>>,
}

impl SandboxCell {
    pub(crate) fn new(config: SandboxConfig) -> Self {
        Self {
            config,
            cell: Mutex::new(None),
        }
    }

    pub(crate) fn get(&self) -> Result<Sandbox, Error> {
        let mut cell = self.cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sandbox) = &*cell {
            return Ok(sandbox.clone());
        }
        let sandbox = Sandbox::new(self.config.clone())?;
        Ok(cell.insert(sandbox).clone())
    }

    /// Ends the calls that are running.
    pub(crate) fn interrupt(&self) {
        let cell = self.cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sandbox) = &*cell {
            sandbox.interrupt();
        }
    }
}

/// A transform made ready: everything of its calls that is the same for all rows.
pub(crate) struct PreparedTransform<'a> {
    pub(crate) code: &'a PluginCode,
    pub(crate) recipe: KeyRecipe,
    /// The recipe in full, and its number: 0 before the first run with it.
    pub(crate) record: RecipeRecord,
    pub(crate) recipe_id: RecipeId,
    pub(crate) mode: CacheMode,
    /// The first run whose results are not too old.
    pub(crate) fresh_since: RunId,
    pub(crate) typed: Typed,
    /// The lists of a function over rows.
    pub(crate) lists: Option<Lists>,
    pub(crate) limits: &'a Limits,
    /// What its calls can learn, all but the seed and the row.
    world: World,
    callable: OnceLock<Callable>,
}

impl<'a> PreparedTransform<'a> {
    pub(crate) fn new(flow: &'a Flow, stage: &Stage, transform: &Transform) -> Self {
        let record = recipe(flow, stage, transform);
        let code = flow.code(&transform.plugin);
        Self {
            code,
            recipe: record.recipe.key(),
            lists: Lists::of(&record.recipe),
            record,
            recipe_id: RecipeId(0),
            mode: transform.cache.mode,
            fresh_since: RunId(0),
            typed: Typed::new(transform.result.clone(), transform.makes.is_some()),
            limits: &code.limits,
            world: flow.granted.world(&transform.grants),
            callable: OnceLock::new(),
        }
    }

    /// Whether results are looked up and remembered.
    pub(crate) fn remembers(&self) -> bool {
        matches!(self.mode, CacheMode::Default | CacheMode::Recompute)
    }
}

/// The identity of columns and of how they are read: under another, fingerprints that are kept mean something else.
pub(crate) fn columns_identity(columns: &[Column], how: &str) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 columns");
    hasher.update(&(how.len() as u32).to_le_bytes());
    hasher.update(how.as_bytes());
    for column in columns {
        hasher.update(&(column.name.len() as u32).to_le_bytes());
        hasher.update(column.name.as_bytes());
        hasher.update(column.ty.fingerprint().as_bytes());
    }
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}

/// A target or a relation as a stage sees it.
pub(crate) struct StageTarget {
    pub(crate) id: TargetId,
    /// The identity of its columns: the rows of other columns are other rows.
    pub(crate) columns: Fingerprint,
    pub(crate) to: Outlet,
}

/// Where the rows of a stage go.
pub(crate) enum Outlet {
    /// Out of the store.
    Target {
        /// The target's place among the run's open targets.
        slot: usize,
        keys: Box<dyn TargetKeys>,
    },
    /// To other stages.
    Relation(RelationKeys),
}

/// A relation that a stage looks something up in.
pub(crate) struct StageLookup {
    pub(crate) relation: TargetId,
    /// How many of the relation's columns are key columns.
    pub(crate) keys: usize,
    /// The types of the others.
    pub(crate) types: Vec<Type>,
    /// The type of what is found, and its fingerprint.
    pub(crate) ty: (Type, Fingerprint),
}

/// What the threads of a run count for a stage.
pub(crate) struct Counters {
    pub(crate) transforms: Vec<Meter>,
    /// Into how many calls at least the rows of a micro-batch are put, so that every thread has work.
    pub(crate) parts: AtomicUsize,
}

impl Counters {
    pub(crate) fn new(stage: &Stage) -> Self {
        Self {
            transforms: stage.transforms.iter().map(|_| Meter::default()).collect(),
            parts: AtomicUsize::new(1),
        }
    }

    /// Into how many calls at least the rows of a micro-batch are put.
    pub(crate) fn parts(&self) -> usize {
        self.parts.load(Ordering::Relaxed)
    }
}

/// Whether to stop: because the user asked, or because something failed.
pub(crate) struct Stop<'a> {
    pub(crate) asked: &'a AtomicBool,
    pub(crate) failed: AtomicBool,
}

impl Stop<'_> {
    pub(crate) fn is_set(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }
}

/// A stage while it runs.
pub(crate) struct StageRun<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) source: Box<dyn Source + 'a>,
    pub(crate) collection: CollectionId,
    /// The identity of what is done to a row.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) shape: Fingerprint,
    pub(crate) column_types: Vec<(Type, Fingerprint)>,
    pub(crate) transforms: Vec<PreparedTransform<'a>>,
    /// The targets, then the relations: in the order of [`Stage::outputs`].
    pub(crate) targets: Vec<StageTarget>,
    pub(crate) lookups: Vec<StageLookup>,
    /// What its source reads, where that is what other stages publish.
    pub(crate) view: Arc<View>,
    /// What is made of its rows' members before there are rows.
    pub(crate) fold: Option<PreparedFold<'a>>,
    pub(crate) counters: Counters,
    pub(crate) store: &'a Store,
    pub(crate) sandbox: &'a SandboxCell,
    pub(crate) calls: &'a Calls,
    pub(crate) seats: &'a Seats,
    /// How many batches of this run have been committed.
    pub(crate) commits: &'a AtomicU64,
    pub(crate) pool: &'a rayon::ThreadPool,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) observed: bool,
    pub(crate) stop: &'a Stop<'a>,
    pub(crate) run: RunId,
    /// Whether every row is worked on, also those that did not change.
    pub(crate) always: bool,
    pub(crate) overrides: SourceOverrides<'a>,
    /// The transforms' positions in former versions of the stage, by its fingerprint.
    pub(crate) former: Former,
    /// Whether nothing may be called and nothing is written.
    pub(crate) dry: bool,
    /// The largest row that is loaded.
    pub(crate) row_bytes_max: u64,
}

impl StageRun<'_> {
    /// Loads a row, unless it is too large for the memory given.
    pub(crate) fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError> {
        if entry.size > self.row_bytes_max {
            let reason = format!(
                "it holds {}, and the memory given leaves {} for one row: raise `--memory`",
                format_size(entry.size),
                format_size(self.row_bytes_max)
            );
            return Err(RowError::Failed {
                reason,
                retry: true,
            });
        }
        self.source.load(entry)
    }

    /// The fingerprint of a row's content.
    pub(crate) fn content(&self, columns: &[Fingerprint]) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_keyed(self.shape.as_bytes());
        for column in columns {
            hasher.update(column.as_bytes());
        }
        Fingerprint::from_bytes(*hasher.finalize().as_bytes())
    }

    /// Whether the row turned out to be as the last run left it: only its version hint is another.
    pub(crate) fn is_settled(&self, root: &Root) -> bool {
        // What it looks up may be other, though the row is not.
        let is_current = !root.item.due || self.lookups.is_empty();
        root.failures.is_empty()
            && is_current
            && (root.item.head.as_ref()).is_some_and(|head| {
                head.content == root.content && self.is_done(&root.item.key, head)
            })
    }

    /// Which rows may have to be looked at for the sake of others than their source's.
    pub(crate) fn due_rows(&self) -> DueRows {
        if self.stage.source.gather.is_some() {
            DueRows::All
        } else if self.lookups.is_empty() {
            DueRows::None
        } else {
            DueRows::Readers
        }
    }

    /// Whether this flow has been run on the row, and running it again would give the same.
    pub(crate) fn is_done(&self, key: &[u8], head: &RowHead) -> bool {
        !self.always
            && head.flow == self.flow(key)
            && !matches!(head.state, RowState::Failed { retry: true })
    }

    /// The identity of what is done to a row.
    pub(crate) fn flow(&self, key: &[u8]) -> Fingerprint {
        if self.overrides.is_empty() {
            return self.fingerprint;
        }
        let kind = &self.stage.source.kind;
        self.overrides.flow(&self.fingerprint, kind, key)
    }

    /// What a call of a transform can learn besides its arguments. Random numbers follow from the arguments, not from the
    /// key: whatever stands for the code, a call gives the same. For a batch there are none here: what a row gets must not
    /// hang on those that share its call.
    pub(crate) fn world(
        &self,
        transform: usize,
        arguments: &[Fingerprint],
        told: Option<Row>,
    ) -> World {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 random numbers");
        for argument in arguments {
            hasher.update(argument.as_bytes());
        }
        let mut world = self.transforms[transform].world.clone();
        world.seed = *hasher.finalize().as_bytes();
        world.row = told;
        world
    }

    /// The transform whose results are the rows of a child collection.
    pub(crate) fn maker(&self, collection: usize) -> usize {
        let maker = self
            .stage
            .transforms
            .iter()
            .position(|transform| transform.makes == Some(collection));
        maker.expect("every collection but the root is made by a transform")
    }

    /// The function of a transform, loaded on first use.
    pub(crate) fn callable(&self, index: usize) -> Result<&Callable, Error> {
        let prepared = &self.transforms[index];
        if prepared.callable.get().is_none() {
            let plugin = prepared
                .code
                .load(self.sandbox, self.store, self.observer)?;
            let function = plugin.function(&self.stage.transforms[index].function.name);
            let _ = prepared
                .callable
                .set(function.ok_or(Error::Internal("a function is gone from its component"))?);
        }
        prepared
            .callable
            .get()
            .ok_or(Error::Internal("a function was not kept"))
    }

    /// A key of the source as text.
    pub(crate) fn label(&self, key: &[u8]) -> String {
        display_key(&self.stage.source.kind, key)
    }
}
