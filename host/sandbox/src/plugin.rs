//! A loaded component: what it offers, its compiled code, and the way to its functions.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowstone_core::{ComponentDigest, Interface};
use wasmtime::component::{Component, InstancePre};

use crate::call::Callable;
use crate::describe::describe;
use crate::error::{LoadError, SandboxError};
use crate::host::Host;
use crate::identity::{IDENTITY_VERSION, emptied, reduced};
use crate::imports;
use crate::memories;
use crate::sandbox::Sandbox;
use crate::scan::Scan;
use crate::unchecked::deserialize;

/// What compiled code starts with: a magic word with the format's version, the component that it belongs to, and which of its
/// functions can be called.
fn header(digest: ComponentDigest, extent: &Extent) -> Vec<u8> {
    [b"flowaot2", &digest.as_bytes()[..], &extent.digest()].concat()
}

/// Which functions of a component its compiled code is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    All,
    /// These, by the names that they have in its [`Interface`]. What only others reach is not compiled.
    Only(BTreeSet<String>),
}

impl Extent {
    /// A name for it: none for all functions, else 16 hexadecimal digits.
    pub fn label(&self) -> Option<String> {
        match self {
            Extent::All => None,
            Extent::Only(_) => {
                let digest = blake3::Hash::from_bytes(self.digest());
                Some(digest.to_hex()[..16].to_owned())
            }
        }
    }

    /// What is left out follows from how it is known what functions reach, so that counts as well.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone functions of compiled code");
        match self {
            Extent::All => hasher.update(b"all"),
            Extent::Only(functions) => {
                hasher.update(b"only");
                hasher.update(&IDENTITY_VERSION.to_le_bytes());
                for function in functions {
                    hasher.update(&(function.len() as u64).to_le_bytes());
                    hasher.update(function.as_bytes());
                }
                &mut hasher
            }
        };
        *hasher.finalize().as_bytes()
    }

    fn has(&self, function: &str) -> bool {
        match self {
            Extent::All => true,
            Extent::Only(functions) => functions.contains(function),
        }
    }
}

/// A component, ready to be called. Cheap to clone, and to be used from many threads.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

/// What all clones of a plugin share.
pub(crate) struct Loaded {
    pub(crate) sandbox: Sandbox,
    pub(crate) interface: Interface,
    pub(crate) pre: InstancePre<Host>,
    digest: ComponentDigest,
    extent: Extent,
}

impl Plugin {
    /// Compiles: all of it, or what these functions need.
    pub(crate) fn compile(
        sandbox: &Sandbox,
        scan: &Scan,
        bytes: &[u8],
        extent: &Extent,
    ) -> Result<Self, LoadError> {
        memories::check(bytes)?;
        let reduced = match extent {
            Extent::All => None,
            Extent::Only(functions) => reduced(bytes, functions.iter().map(String::as_str)),
        };
        let (bytes, extent) = match &reduced {
            Some(reduced) => (&reduced[..], extent),
            None => (bytes, &Extent::All),
        };
        Self::new(sandbox, scan, &component(sandbox, bytes)?, extent)
    }

    /// What a component offers and needs.
    pub(crate) fn describe(
        sandbox: &Sandbox,
        scan: &Scan,
        bytes: &[u8],
    ) -> Result<Interface, LoadError> {
        memories::check(bytes)?;
        // What is not valid is refused in the words of the engine.
        let emptied = emptied(bytes);
        let component = component(sandbox, emptied.as_deref().unwrap_or(bytes))?;
        let plugin = Self::new(sandbox, scan, &component, &Extent::Only(BTreeSet::new()))?;
        Ok(plugin.interface().clone())
    }

    /// Maps compiled code.
    pub(crate) fn map(
        sandbox: &Sandbox,
        scan: &Scan,
        extent: &Extent,
        compiled: &[u8],
        expected: &blake3::Hash,
    ) -> Result<Self, LoadError> {
        let header = header(scan.digest, extent);
        let component = deserialize(sandbox.engine(), compiled, &header, expected)?;
        Self::new(sandbox, scan, &component, extent)
    }

    fn new(
        sandbox: &Sandbox,
        scan: &Scan,
        component: &Component,
        extent: &Extent,
    ) -> Result<Self, LoadError> {
        let imports = imports::check(component, sandbox.engine())?;
        let pre = imports::link(component, sandbox.linker(), &imports).map_err(|error| {
            let causes = error.chain().map(ToString::to_string).collect::<Vec<_>>();
            LoadError::ImportMismatch(causes.join(": "))
        })?;
        let interface = describe(component, sandbox.engine(), &scan.docs, imports);
        Ok(Plugin(Arc::new(Loaded {
            sandbox: sandbox.clone(),
            interface,
            pre,
            digest: scan.digest,
            extent: extent.clone(),
        })))
    }

    /// What all its clones share.
    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.0
    }

    /// The identity of its code.
    pub fn digest(&self) -> ComponentDigest {
        self.0.digest
    }

    /// What it offers and what it needs.
    pub fn interface(&self) -> &Interface {
        &self.0.interface
    }

    /// Which of its functions can be called.
    pub fn extent(&self) -> &Extent {
        &self.0.extent
    }

    /// Its compiled code, for [`Sandbox::load_compiled`]. Keep its BLAKE3 where only the host writes.
    ///
    /// # Errors
    ///
    /// When the engine cannot write it out.
    pub fn compiled(&self) -> Result<Vec<u8>, SandboxError> {
        let code = self
            .0
            .pre
            .component()
            .serialize()
            .map_err(|error| SandboxError::Serialize(format!("{error:#}")))?;
        Ok([header(self.0.digest, &self.0.extent), code].concat())
    }

    /// The function that `name` means, as [`Interface::function`] has it. Nothing for those that cannot be called, or were
    /// not compiled.
    pub fn function(&self, name: &str) -> Option<Callable> {
        let functions = &self.0.interface.functions;
        let name = &self.0.interface.function(name)?.name;
        if !self.0.extent.has(name) {
            return None;
        }
        let index = functions
            .iter()
            .position(|function| function.name == *name)?;
        let component = self.0.pre.component();
        let export = match name.split_once('#') {
            None => component.get_export_index(None, name)?,
            Some((interface, name)) => {
                let instance = component.get_export_index(None, interface)?;
                component.get_export_index(Some(&instance), name)?
            }
        };
        Some(Callable::new(Arc::clone(&self.0), index, export))
    }
}

fn component(sandbox: &Sandbox, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(sandbox.engine(), bytes).map_err(|error| invalid(&error))
}

/// Says what a validation error means for the person who built the component.
fn invalid(error: &wasmtime::Error) -> LoadError {
    let reason = error
        .chain()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let advice = if says(&[
        "async",
        "stream",
        "future",
        "error-context",
        "thread.",
        "waitable",
        "task.",
    ]) {
        "; plugins cannot be asynchronous: build it for WASI 0.2 (wasm32-wasip2), with plain functions and values"
    } else if says(&[
        "fixed-length lists",
        "fixed size list",
        "Fixed size list",
        "component model map",
    ]) {
        "; use plain lists, of tuples for a map"
    } else if says(&["more than 32 flags"]) {
        "; split the flags, or use a list of an enum"
    } else if says(&["memory64", "64-bit"]) {
        "; plugins have 32-bit memories: build it for wasm32"
    } else if says(&["exceptions", "exception", "try_table", "legacy"]) {
        "; build it without WebAssembly exceptions"
    } else if says(&["gc ", "GC", "function references", "heap type"]) {
        "; languages that need WebAssembly's garbage collector are not supported"
    } else {
        ""
    };
    LoadError::Invalid { reason, advice }
}
