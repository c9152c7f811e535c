//! The sandbox: one engine, what it offers to plugins, and the way in for components.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowstone_core::Interface;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::config::SandboxConfig;
use crate::engine::{self, Allocation};
use crate::error::{LoadError, SandboxError};
use crate::host::Host;
use crate::imports;
use crate::network::Outside;
use crate::plugin::{Extent, Plugin};
use crate::scan::scan;
use crate::turns::Turns;

/// Where plugins are loaded and run. Cheap to clone; one is enough for a process.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    interrupts: Arc<AtomicU64>,
    turns: Turns,
    outside: Arc<Outside>,
    linker: Linker<Host>,
    engine: Engine,
    allocation: Allocation,
    memory_bytes_max: u64,
}

impl Sandbox {
    /// Makes the engine, and sets its memory aside where the address space allows.
    ///
    /// # Errors
    ///
    /// When the machine lacks what the engine needs.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let (engine, allocation) = engine::new(&config)?;
        let linker =
            imports::linker(&engine).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let turns = Turns::new(&engine, config.threads)?;
        let memory_bytes_max = config.memory_bytes_max;
        Ok(Sandbox(Arc::new(Inner {
            turns,
            linker,
            engine,
            allocation,
            memory_bytes_max,
            interrupts: Arc::default(),
            outside: Arc::new(Outside::new(config.authorities)),
        })))
    }

    /// Names what compiled code depends on besides the component: 32 hexadecimal digits.
    pub fn compatibility(&self) -> String {
        engine::compatibility(&self.0.engine)
    }

    /// Ends all calls that are running now, as if their time were up. Later calls run as ever.
    pub fn interrupt(&self) {
        self.0.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    /// How often [`Sandbox::interrupt`] was called.
    pub(crate) fn interrupts(&self) -> &Arc<AtomicU64> {
        &self.0.interrupts
    }

    /// Whether memory was set aside in advance, or is taken call by call.
    pub fn is_pooling(&self) -> bool {
        self.0.allocation == Allocation::Pooling
    }

    /// Compiles a component and describes it. Takes seconds for large ones: keep [`Plugin::compiled`].
    ///
    /// # Errors
    ///
    /// When the bytes are no component, do not validate, or need what plugins are not given.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        self.load_for(bytes, &Extent::All)
    }

    /// As [`Sandbox::load`], but what only other functions than those of `extent` need is left out, where that is known and
    /// spares something. [`Plugin::extent`] says whether it was.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::load`]. Code that is left out is not validated.
    pub fn load_for(&self, bytes: &[u8], extent: &Extent) -> Result<Plugin, LoadError> {
        Plugin::compile(self, &scan(bytes)?, bytes, extent)
    }

    /// Describes a component without compiling its code.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::load`].
    pub fn describe(&self, bytes: &[u8]) -> Result<Interface, LoadError> {
        Plugin::describe(self, &scan(bytes)?, bytes)
    }

    /// Loads a component whose compiled code was kept.
    ///
    /// `compiled` must be what [`Plugin::compiled`] gave for this component, of this [`Plugin::extent`], and `expected` its
    /// BLAKE3, taken then and kept where only the host writes: compiled code runs as it is, outside of all limits.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::load`]; and [`LoadError::Tampered`] when `compiled` is not what `expected` was taken of,
    /// [`LoadError::Stale`] when it is of another component, or of another version or configuration of the engine.
    pub fn load_compiled(
        &self,
        bytes: &[u8],
        extent: &Extent,
        compiled: &[u8],
        expected: &blake3::Hash,
    ) -> Result<Plugin, LoadError> {
        Plugin::map(self, &scan(bytes)?, extent, compiled, expected)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn linker(&self) -> &Linker<Host> {
        &self.0.linker
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    pub(crate) fn outside(&self) -> &Arc<Outside> {
        &self.0.outside
    }

    pub(crate) fn memory_bytes_max(&self) -> u64 {
        self.0.memory_bytes_max
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("allocation", &self.0.allocation)
            .finish_non_exhaustive()
    }
}
