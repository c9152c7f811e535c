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

use super::place::replace;
use super::sources::Sources;
use super::tools;
use super::work::Work;
use crate::failure::{Failure, Kind};

/// Raised when something else is kept of the same. How a builder makes components is in its recipe.
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
    let is_there = |place: &Path| place.join(COMPONENT).is_file();
    let place = in_folder(folder, "components", identity, is_there, |work| {
        let file = work.join(COMPONENT);
        // It reaches the disk before its folder gets its name: a crash leaves no empty component there.
        replace(&file, &make()?)
            .map_err(|error| Failure::cannot(Kind::Machine, "write", &file, &error))
    })?;
    let file = place.join(COMPONENT);
    fs::read(&file).map_err(|error| Failure::cannot(Kind::Machine, "read", &file, &error))
}

/// The folder with the packages of this identity: there already, or installed now.
pub(super) fn packages(
    identity: &Identity,
    install: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    in_folder(
        &tools::folder()?,
        "packages",
        identity,
        Path::is_dir,
        install,
    )
}

fn in_folder(
    folder: &Path,
    kind: &str,
    identity: &Identity,
    is_there: impl Fn(&Path) -> bool,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    tools::make_private(folder)?;
    let folder = folder.join(kind);
    let place = folder.join(&identity.0);
    if !is_there(&place) {
        let work = Work::new(&folder)?;
        make(work.path())?;
        if !is_there(&place) {
            // Half of one is in the way.
            remove(&folder, &place);
        }
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
        remove(folder, &old);
    }
}

/// Removes what is kept in a folder, as a whole: nobody sees half of it under its name, also after a kill. Somebody else
/// may be at the same.
fn remove(folder: &Path, place: &Path) {
    if let Ok(work) = Work::new(folder) {
        let _ = fs::rename(place, work.path().join("old"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn identity(text: &str) -> Identity {
        Identity::new("tool 1", &[text], &Sources::default())
    }

    #[test]
    fn what_was_made_once_is_taken_again() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let get = |text: &str, made: &[u8]| {
            component_in(folder.path(), &identity(text), || Ok(made.to_vec())).expect("it is made")
        };
        assert_eq!(get("a", b"first"), b"first");
        assert_eq!(get("a", b"second"), b"first", "the same was asked for");
        assert_eq!(get("b", b"second"), b"second");
    }

    #[test]
    fn a_folder_without_its_component_is_none() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let half = folder.path().join("components").join(identity("a").0);
        fs::create_dir_all(half.join("left")).expect("it can be made");
        let get = |made: &[u8]| component_in(folder.path(), &identity("a"), || Ok(made.to_vec()));
        assert_eq!(get(b"first").expect("it is made"), b"first");
        assert_eq!(get(b"second").expect("it is kept"), b"first");
        assert!(!half.join("left").exists());
    }

    #[test]
    fn what_could_not_be_made_is_made_the_next_time() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let failed = || Err(Failure::new(Kind::Build, "no"));
        assert!(component_in(folder.path(), &identity("a"), failed).is_err());
        let made = component_in(folder.path(), &identity("a"), || Ok(b"now".to_vec()));
        assert_eq!(made.expect("it is made"), b"now");
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let all = [
            Identity::new("a", &["b", "c"], &Sources::default()),
            Identity::new("a", &["bc"], &Sources::default()),
            Identity::new("ab", &["c"], &Sources::default()),
            Identity::new("a", &["b", "c", ""], &Sources::default()),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one), "{at}");
        }
    }

    #[test]
    fn those_that_were_not_used_for_longest_go() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for number in 0..=KEPT_MAX {
            let place = folder.path().join(number.to_string());
            fs::create_dir(&place).expect("it can be made");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - number as u64);
            let opened = fs::File::open(&place).expect("it is there");
            opened.set_modified(time).expect("it is ours");
        }
        leave_newest(folder.path());
        let left = |number: usize| folder.path().join(number.to_string()).is_dir();
        assert!(left(0) && left(KEPT_MAX - 1));
        assert!(!left(KEPT_MAX), "the oldest");
        let all = fs::read_dir(folder.path()).expect("it is there");
        assert_eq!(all.count(), KEPT_MAX, "nothing is left of it");
    }
}
