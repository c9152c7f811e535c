//! Compiled code of components, taken from where it is kept: from the store of a flow, or, for a component by itself, from
//! a folder that is there for nothing else. What the latter is worth is time, so it never is a reason to fail or to wait.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flowstone_core::ComponentDigest;
use flowstone_sandbox::{Extent, LoadError, Plugin, Sandbox, scan};
use flowstone_store::{Store, StoreError, StoreOptions};

use crate::error::Error;

/// Components with less code than this are compiled each time: it takes no longer than to open a store.
const COMPONENT_BYTES_MIN: usize = 32 << 10;

/// For so many sets of functions the code of a component is kept: that for the last ones that it was compiled for.
const PARTS_MAX: usize = 4;

/// How much code a folder keeps.
const FILES_MAX: usize = 32;
const BYTES_MAX: u64 = 1 << 30;

/// The file that says of a folder that all in it can be made again. Its form: <https://bford.info/cachedir/>.
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # Compiled code of components, kept by flowstone. It can be deleted at any time.\n";

pub(crate) enum LoadFault {
    Load(LoadError),
    Other(Error),
}

/// Loads functions of a component with the store's compiled code where it has it, and keeps the code where it has not:
/// `compiles` is called before that.
pub(crate) fn load_plugin(
    (bytes, digest): (&[u8], &ComponentDigest),
    extent: &Extent,
    sandbox: &Sandbox,
    store: &Store,
    compiles: impl FnOnce(),
) -> Result<Plugin, LoadFault> {
    // What was compiled for all functions is for some of them as well.
    let mut fitting = vec![&Extent::All];
    fitting.extend((*extent != Extent::All).then_some(extent));
    for extent in fitting {
        let kept = kept(bytes, digest, extent, sandbox, store);
        if let Some(plugin) = kept.map_err(LoadFault::Other)? {
            return Ok(plugin);
        }
    }
    compiles();
    let plugin = sandbox.load_for(bytes, extent).map_err(LoadFault::Load)?;
    keep(&plugin, sandbox, store).map_err(LoadFault::Other)?;
    Ok(plugin)
}

/// The component by the store's compiled code, where it has some that can be used.
fn kept(
    bytes: &[u8],
    digest: &ComponentDigest,
    extent: &Extent,
    sandbox: &Sandbox,
    store: &Store,
) -> Result<Option<Plugin>, Error> {
    let code = store.compiled(digest, &compatibility(sandbox, extent))?;
    Ok(code.and_then(|(code, hash)| sandbox.load_compiled(bytes, extent, &code, &hash).ok()))
}

fn keep(plugin: &Plugin, sandbox: &Sandbox, store: &Store) -> Result<(), Error> {
    let (code, digest) = (plugin.compiled()?, plugin.digest());
    store.put_compiled(&digest, &compatibility(sandbox, plugin.extent()), &code)?;
    // Code for all functions makes that for some of them useless.
    let parts_max = match plugin.extent() {
        Extent::All => 1,
        Extent::Only(_) => PARTS_MAX,
    };
    Ok(store.prune_compiled_of(&digest, parts_max)?)
}

/// What compiled code goes by besides the component: the compiler, and the functions that it is for.
fn compatibility(sandbox: &Sandbox, extent: &Extent) -> String {
    let compatibility = sandbox.compatibility();
    match extent.label() {
        None => compatibility,
        Some(label) => format!("{compatibility}-{label}"),
    }
}

/// What became of the compiled code of a component: see [`Component::load_from`](crate::Component::load_from).
#[derive(Debug)]
pub enum KeptCode {
    /// It was kept before, and used now.
    Used,
    /// The component was compiled, and the code kept.
    Added,
    /// The component was compiled, and the code not kept: for this reason, or since compiling takes no time.
    NotKept(Option<Error>),
}

/// A folder that keeps the compiled code of components between processes: see
/// [`Component::load_from`](crate::Component::load_from).
///
/// It is a store of its own, open only while code is read or written. One that is damaged is deleted. Only folders that
/// were made here are touched: they bear a mark.
#[derive(Clone, Debug)]
pub struct CompiledFolder {
    path: PathBuf,
    code_key: [u8; 32],
}

impl CompiledFolder {
    /// The folder at `path`, made when there is something to keep. `code_key` is as in
    /// [`EngineConfig::code_key`](crate::EngineConfig::code_key).
    pub fn new(path: PathBuf, code_key: [u8; 32]) -> Self {
        Self { path, code_key }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn load(
        &self,
        bytes: &[u8],
        sandbox: &Sandbox,
    ) -> Result<(Plugin, KeptCode), LoadError> {
        let scan = scan(bytes)?;
        if bytes.len() - scan.custom_bytes < COMPONENT_BYTES_MIN {
            return Ok((sandbox.load(bytes)?, KeptCode::NotKept(None)));
        }
        if let Some(plugin) = self.kept(bytes, &scan.digest, sandbox) {
            return Ok((plugin, KeptCode::Used));
        }
        // The store is not held meanwhile: this takes seconds, and others may want other code.
        let plugin = sandbox.load(bytes)?;
        let kept = match self.keep(&plugin, sandbox) {
            Ok(()) => KeptCode::Added,
            Err(error) => KeptCode::NotKept(Some(error)),
        };
        Ok((plugin, kept))
    }

    fn kept(&self, bytes: &[u8], digest: &ComponentDigest, sandbox: &Sandbox) -> Option<Plugin> {
        let compatibility = sandbox.compatibility();
        if !Store::has_compiled_file(&self.path, digest, &compatibility) || !self.is_marked() {
            return None;
        }
        let plugin = self.with_store(|store| {
            let plugin = kept(bytes, digest, &Extent::All, sandbox, store)?;
            if plugin.is_some() {
                // Nothing depends on it but which code goes first.
                let _ = store.note_compiled_use(digest, &compatibility);
            }
            Ok(plugin)
        });
        plugin.ok().flatten()
    }

    fn keep(&self, plugin: &Plugin, sandbox: &Sandbox) -> Result<(), Error> {
        if !self.is_marked() {
            self.make().map_err(|source| StoreError::Io {
                path: self.path.clone(),
                doing: "making the folder",
                source,
            })?;
        }
        self.with_store(|store| {
            keep(plugin, sandbox, store)?;
            store.prune_compiled(FILES_MAX, BYTES_MAX)?;
            Ok(())
        })
    }

    /// What `run` gives in the open store. A damaged store goes, so that the next one is whole; the mark was seen before.
    fn with_store<R>(&self, run: impl FnOnce(&Store) -> Result<R, Error>) -> Result<R, Error> {
        let mut options = StoreOptions::default();
        options.code_key = Some(self.code_key);
        let outcome = Store::open(&self.path, options)
            .map_err(Error::from)
            .and_then(|store| run(&store));
        if let Err(Error::Store(StoreError::Damaged { .. } | StoreError::Format { .. })) = &outcome
        {
            // What stays is tried again by the next process.
            let _ = fs::remove_dir_all(&self.path);
        }
        outcome
    }

    fn is_marked(&self) -> bool {
        let mut text = String::new();
        let read = File::open(self.path.join(TAG)).and_then(|tag| {
            tag.take(TAG_TEXT.len() as u64 + 1)
                .read_to_string(&mut text)
        });
        read.is_ok() && text == TAG_TEXT
    }

    /// Makes the folder with its mark.
    fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)?;
        if fs::read_dir(&self.path)?.next().is_some() {
            return Err(io::Error::other("there is something else in it"));
        }
        fs::write(self.path.join(TAG), TAG_TEXT)
    }
}

#[cfg(test)]
mod tests;
