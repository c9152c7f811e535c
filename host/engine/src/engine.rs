//! The engine: a store, a sandbox, and the flows that are opened on them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flowstone_core::{
    Argument, ColumnKind, ComponentDigest, FlowFile, Identity, Interface, Lookup, Plan,
    RelationRef, Stage, TargetPlan, Value,
};
use flowstone_sandbox::{
    CallError, Kept, Limits, LoadError, Output, Plugin, Sandbox, SandboxConfig, World, scan,
};
use flowstone_store::{Store, StoreOptions};

use crate::catalog::Catalog;
use crate::compiled::{CompiledFolder, KeptCode};
use crate::error::Error;
use crate::granted::Granted;
use crate::recipe::IDENTITY;
use crate::stage::{PluginCode, SandboxCell};

/// The part of the memory given that the store's cache takes, and the least and the most that makes sense. What is written
/// together is read together, and the system caches files as well, so that more saves little time.
const STORE_CACHE_SHARE: u64 = 8;
const STORE_CACHE_BYTES_MIN: u64 = 4 << 20;
const STORE_CACHE_BYTES_MAX: u64 = 16 << 20;

/// How an engine works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineConfig {
    /// How many threads call functions.
    pub threads: usize,
    /// How many bytes of values may be in flight.
    pub memory_bytes_max: u64,
    /// How many rows of sources are committed together, about. With more a run takes less time, and one that is cut off has
    /// more to do again.
    pub commit_rows: usize,
    /// The secret under which compiled code is kept in the store, from a place outside of it; without one components
    /// are compiled in every process.
    pub code_key: Option<[u8; 32]>,
    /// What this process is called to another one that finds the store in use, such as its command.
    pub holder: Option<String>,
    /// Whether targets may lie outside the folder of the flow file.
    pub allow_outside: bool,
    /// A file of certificates (PEM) of the authorities that encrypted requests of plugins trust, in place of those that
    /// Mozilla trusts.
    pub authorities: Option<PathBuf>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes_max: 512 << 20,
            commit_rows: 2048,
            code_key: None,
            holder: None,
            allow_outside: false,
            authorities: None,
        }
    }
}

/// Where a flow lives.
#[derive(Clone, Debug)]
pub struct FlowPlace {
    /// The folder that relative paths of the flow start at.
    pub base: PathBuf,
    /// What tells the flow's file from others of the same store: it stays the same when the flow is renamed.
    pub file: String,
}

/// A flow that has been checked and can be run: with the code of its plugins and the content of granted files as they were
/// then. Calls for which a granted file has changed since fail, and are not remembered, until the flow is opened again.
pub struct Flow {
    pub(crate) plan: Plan,
    pub(crate) place: FlowPlace,
    pub(crate) plugins: BTreeMap<String, PluginCode>,
    pub(crate) granted: Granted,
}

impl Flow {
    /// The flow, wired.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What a relation holds.
    pub(crate) fn relation(&self, relation: RelationRef) -> &TargetPlan {
        &self.plan.stages[relation.stage].relations[relation.relation].rows
    }

    pub(crate) fn code(&self, plugin: &str) -> &PluginCode {
        self.plugins
            .get(plugin)
            .expect("a wired flow calls only plugins that it has")
    }
}

/// A store and a sandbox: what flows run on.
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) sandbox: SandboxCell,
    pub(crate) config: EngineConfig,
}

impl Engine {
    /// Opens the store in the folder `store`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// When the store is in use by another process, damaged, or of another version; or the folder is used for something else.
    pub fn open(store: &Path, config: EngineConfig) -> Result<Self, Error> {
        let mut options = StoreOptions::default();
        options.code_key = config.code_key;
        options.holder.clone_from(&config.holder);
        let cache = config.memory_bytes_max / STORE_CACHE_SHARE;
        options.cache_bytes = cache.clamp(STORE_CACHE_BYTES_MIN, STORE_CACHE_BYTES_MAX) as usize;
        let store = Store::open(store, options)?;
        Ok(Self::on(store, config))
    }

    /// Whether a store could be in a folder, for who puts something beside it before [`Engine::open`], which looks by itself.
    ///
    /// # Errors
    ///
    /// When the folder is used for something else, or cannot be looked at.
    pub fn check_store_folder(folder: &Path) -> Result<(), Error> {
        Ok(Store::check_folder(folder)?)
    }

    /// The engine on a store that is open: for tests of what becomes of runs when storage fails.
    #[doc(hidden)]
    pub fn on(store: Store, config: EngineConfig) -> Self {
        let mut sandbox = SandboxConfig::for_threads(config.threads);
        sandbox.authorities.clone_from(&config.authorities);
        Self {
            store,
            sandbox: SandboxCell::new(sandbox),
            config,
        }
    }

    /// What a component is and offers: from the store, or by looking at it.
    fn read(&self, plugin: &str, bytes: &[u8]) -> Result<(ComponentDigest, Interface), Error> {
        let fault = |error| refused(plugin, error);
        let digest = scan(bytes).map_err(fault)?.digest;
        if let Some(interface) = self.store.snapshot()?.interface(&digest)? {
            return Ok((digest, interface));
        }
        let interface = self.sandbox.get()?.describe(bytes).map_err(fault)?;
        self.store
            .write(|writer| writer.put_interface(&digest, &interface))?;
        Ok((digest, interface))
    }

    /// Checks a flow: reads what its components offer, wires it and looks at what it grants. Nothing is run.
    ///
    /// `components` holds the binary of every plugin by its name in the flow.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the flow, or what is wrong with a component.
    pub fn flow(
        &self,
        file: &FlowFile,
        place: FlowPlace,
        mut components: BTreeMap<String, Vec<u8>>,
    ) -> Result<Flow, Error> {
        let mut plugins = BTreeMap::new();
        let mut interfaces = BTreeMap::new();
        for plugin in &file.plugins {
            let name = plugin.name.value.clone();
            let bytes = components.remove(&name).ok_or_else(|| {
                Error::NotFound(format!(
                    "the component of plugin `{name}` was not handed in"
                ))
            })?;
            let (digest, interface) = self.read(&name, &bytes)?;
            let functions = match plugin.identity.unwrap_or(IDENTITY) {
                Identity::Component => BTreeMap::new(),
                Identity::Function => {
                    let found = self.function_digests(&bytes, &digest)?;
                    found.map_err(|error| Error::Plugin {
                        plugin: name.clone(),
                        error,
                    })?
                }
            };
            let mut limits = Limits::default();
            limits.memory_bytes_max = plugin.memory_bytes_max.unwrap_or(limits.memory_bytes_max);
            limits.time_ms_max = plugin.time_max.map_or(limits.time_ms_max, |time| {
                u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
            });
            interfaces.insert(name.clone(), interface);
            plugins.insert(
                name.clone(),
                PluginCode {
                    name,
                    bytes,
                    digest,
                    functions,
                    called: BTreeSet::new(),
                    limits,
                    loaded: Mutex::default(),
                },
            );
        }
        let plan = file.wire(&interfaces, &Catalog)?;
        for (plugin, function) in plan.functions() {
            if let Some(code) = plugins.get_mut(plugin) {
                code.called.insert(function.name.clone());
            }
        }
        self.check_target_places(&plan, &place)?;
        let memory = self.config.memory_bytes_max;
        let granted = Granted::take(&plan, &place, &self.store, memory)?;
        Ok(Flow {
            plan,
            place,
            plugins,
            granted,
        })
    }
}

/// A component by itself, without store or flow.
pub struct Component {
    plugin: Plugin,
}

impl Component {
    /// Compiles a component; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// When it is no component, or needs what the sandbox does not offer.
    pub fn load(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        Self::load_trusting(name, bytes, None)
    }

    /// As [`Component::load`], for requests that trust `authorities`: as in [`EngineConfig::authorities`].
    ///
    /// # Errors
    ///
    /// As [`Component::load`].
    pub fn load_trusting(
        name: &str,
        bytes: &[u8],
        authorities: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let sandbox = sandbox_trusting(authorities)?;
        let plugin = sandbox.load(bytes).map_err(|error| refused(name, error))?;
        Ok(Self { plugin })
    }

    /// As [`Component::load_trusting`], but the code that an earlier process compiled it to is used where `folder` has it, and kept
    /// there where it has not. Whatever is wrong with the folder, the component is compiled.
    ///
    /// # Errors
    ///
    /// As [`Component::load`].
    pub fn load_from(
        folder: &CompiledFolder,
        name: &str,
        bytes: &[u8],
        authorities: Option<PathBuf>,
    ) -> Result<(Self, KeptCode), Error> {
        let sandbox = sandbox_trusting(authorities)?;
        let loaded = folder.load(bytes, &sandbox);
        let (plugin, kept) = loaded.map_err(|error| refused(name, error))?;
        Ok((Self { plugin }, kept))
    }

    /// What it offers.
    pub fn interface(&self) -> &Interface {
        self.plugin.interface()
    }

    /// One call of a function; with a seed for a world, all that it can learn is virtual.
    ///
    /// # Errors
    ///
    /// When the component has no such function; the outer result. The inner one is the call's own.
    pub fn call(
        &self,
        function: &str,
        arguments: &[Value],
        limits: &Limits,
        world: impl Into<World>,
    ) -> Result<Result<Output, CallError>, Error> {
        let callable = self.plugin.function(function).ok_or_else(|| {
            Error::NotFound(format!("the component has no function `{function}`"))
        })?;
        Ok(callable.call(arguments, limits, world))
    }

    /// An instance that is kept for several calls. Other calls wait until it is dropped.
    ///
    /// # Errors
    ///
    /// When the component does not start.
    pub fn keep(&self, limits: &Limits, world: impl Into<World>) -> Result<Kept<'_>, CallError> {
        self.plugin.keep(limits, world)
    }

    /// As [`Component::call`], in an instance of this component that is kept; none when there is no such function.
    pub fn call_in(
        &self,
        kept: &mut Kept<'_>,
        function: &str,
        arguments: &[Value],
    ) -> Option<Result<Output, CallError>> {
        let callable = self.plugin.function(function)?;
        Some(kept.call(&callable, arguments, [0; 32]))
    }
}

/// The sandbox of a component by itself.
fn sandbox_trusting(authorities: Option<PathBuf>) -> Result<Sandbox, Error> {
    let mut config = SandboxConfig::for_threads(1);
    config.authorities = authorities;
    Ok(Sandbox::new(config)?)
}

fn refused(name: &str, error: LoadError) -> Error {
    Error::Plugin {
        plugin: name.to_owned(),
        error,
    }
}

/// How an argument of a transform is given, as text for people: a literal, the path of a column, or what is looked up.
pub fn argument_text(plan: &Plan, stage: usize, transform: usize, position: usize) -> String {
    let stage = &plan.stages[stage];
    let transform = &stage.transforms[transform];
    match &transform.arguments[position] {
        Argument::Literal(value) => {
            flowstone_core::to_wave(value, &transform.function.params[position].ty)
        }
        Argument::Column(column) => match column.kind {
            ColumnKind::Lookup(lookup) => lookup_text(plan, stage, &stage.lookups[lookup]),
            _ => stage.column_path(column),
        },
    }
}

/// What is looked up: `company (id = product.company-id)`.
fn lookup_text(plan: &Plan, stage: &Stage, lookup: &Lookup) -> String {
    let within = &plan.stages[lookup.relation.stage].relations[lookup.relation.relation]
        .rows
        .spec;
    let pairs = within.columns.iter().zip(&lookup.keys);
    let pairs = pairs.map(|(on, key)| format!("{} = {}", on.name, stage.column_path(key)));
    let all = if lookup.many { "all of " } else { "" };
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    format!("{all}{} ({pairs})", lookup.within)
}
