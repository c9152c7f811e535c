//! Components kept for all projects of this machine, by what they were made of.
//!
//! ```text
//! <folder of the tools>/
//!   components/d41f9c…/component.wasm     a component, by its identity
//!   packages/d41f9c…/                     packages that a lock file names
//! ```
//!
//! Interpreters are put into a component together with their memory, which holds random numbers, times and addresses: no
//! two builds are alike. What was built once is therefore taken again wherever the same is asked for. That makes equal
//! sources equal components on a machine, and saves the build.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::sources::Sources;
use super::tools;
use super::work::Work;
use crate::failure::{Failure, Kind};

/// Raised when a builder makes other components of the same.
const VERSION: &str = "1";

/// So many are kept of each kind; those that were not used for longest go.
const KEPT_MAX: usize = 64;

const COMPONENT: &str = "component.wasm";

/// What a component is made of: equal ones make components that do the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(String);

impl Identity {
    /// That of these sources and settings, built with these tools.
    pub(super) fn new(recipe: &str, settings: &[&str], sources: &Sources) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            // With the lengths no two lists of parts run together.
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(VERSION.as_bytes());
        add(recipe.as_bytes());
        add(&settings.len().to_le_bytes());
        for setting in settings {
            add(setting.as_bytes());
        }
        for (name, bytes) in sources.iter() {
            add(name.as_bytes());
            add(bytes);
        }
        Self(hasher.finalize().to_hex().to_string())
    }
}

/// The component of this identity: the kept one, else the one that is made now.
pub(super) fn component(
    identity: &Identity,
    make: impl FnOnce() -> Result<Vec<u8>, Failure>,
) -> Result<Vec<u8>, Failure> {
    component_in(&tools::folder()?, identity, make)
}

fn component_in(
    folder: &Path,
    identity: &Identity,
    make: impl FnOnce() -> Result<Vec<u8>, Failure>,
) -> Result<Vec<u8>, Failure> {
    let place = in_folder(folder, "components", identity, |work| {
        let file = work.join(COMPONENT);
        fs::write(&file, make()?).map_err(|error| cannot("write", &file, &error))
    })?;
    let file = place.join(COMPONENT);
    fs::read(&file).map_err(|error| cannot("read", &file, &error))
}

/// The folder with the packages of this identity: there already, or installed now.
pub(super) fn packages(
    identity: &Identity,
    install: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    in_folder(&tools::folder()?, "packages", identity, install)
}

fn in_folder(
    folder: &Path,
    kind: &str,
    identity: &Identity,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    tools::make_private(folder)?;
    let folder = folder.join(kind);
    let place = folder.join(&identity.0);
    if !place.is_dir() {
        let work = Work::new(&folder)?;
        make(work.path())?;
        work.complete(&place)?;
        leave_newest(&folder);
    }
    // What is used is kept for longer. Where that cannot be said, it is only built again the sooner.
    let _ = fs::File::open(&place).and_then(|place| place.set_modified(SystemTime::now()));
    Ok(place)
}

fn leave_newest(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut by_time: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
        let used = entry.metadata().and_then(|meta| meta.modified());
        by_time.entry(used.ok()).or_default().push(entry.path());
    }
    for old in by_time.into_values().flatten().rev().skip(KEPT_MAX) {
        // Somebody else may be at the same.
        let _ = fs::remove_dir_all(old);
    }
}

fn cannot(what: &str, file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::Machine,
        format!("cannot {what} `{}`: {error}", file.display()),
    )
}
