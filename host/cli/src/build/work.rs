//! Folders for what is made on the way. They are gone afterwards; what a kill leaves is removed by a later build.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::failure::{Failure, Kind};

/// How the folders begin. They are hidden, so nobody takes one for something that is complete.
const PREFIX: &str = ".making-";

/// A folder that is not touched for so long belongs to nobody any more, where that cannot be told by its lock.
const ABANDONED: Duration = Duration::from_hours(24);

/// Between its making and its locking a folder has no lock.
const MAKING: Duration = Duration::from_mins(1);

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Work {
    folder: TempDir,
    /// The folder itself, locked: a kill opens the lock, and what is not locked is nobody's. None where folders cannot be
    /// locked.
    _lock: Option<File>,
}

impl Work {
    /// A new, empty folder in `parent`, which is made too.
    pub(super) fn new(parent: &Path) -> Result<Self, Failure> {
        remove_abandoned(parent);
        fs::create_dir_all(parent)
            .and_then(|()| tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent))
            .map(|folder| Self {
                _lock: lock(folder.path()).ok(),
                folder,
            })
            .map_err(|error| {
                let message = format!("cannot make a folder in `{}`: {error}", parent.display());
                Failure::new(Kind::Machine, message)
            })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it `place`, as a whole: whoever looks sees all of it or nothing. Where somebody else was first, theirs
    /// stays, since it was made of the same.
    pub(super) fn complete(self, place: &Path) -> Result<PathBuf, Failure> {
        match fs::rename(self.path(), place) {
            Ok(()) => {
                let _ = self.folder.keep();
            }
            Err(_) if place.is_dir() => {}
            Err(error) => {
                let message = format!("cannot make `{}`: {error}", place.display());
                return Err(Failure::new(Kind::Machine, message));
            }
        }
        Ok(place.to_owned())
    }
}

/// Opens and locks a folder, if nobody else has.
fn lock(folder: &Path) -> Result<File, TryLockError> {
    let folder = File::open(folder).map_err(TryLockError::Error)?;
    folder.try_lock()?;
    Ok(folder)
}

fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes());
        let age = entry
            .metadata()
            .ok()
            .and_then(|meta| meta.modified().ok()?.elapsed().ok());
        let Some(age) = age.filter(|age| ours && *age > MAKING) else {
            continue;
        };
        let path = entry.path();
        let lock = lock(&path);
        let is_abandoned = match &lock {
            Ok(_) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => age > ABANDONED,
        };
        if is_abandoned {
            // Somebody else may be at the same.
            let _ = fs::remove_dir_all(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn what_is_complete_is_there_as_a_whole_and_nothing_else_stays() {
        let parent = tempfile::tempdir().expect("a folder for the test");
        let place = parent.path().join("tool-1");
        let work = Work::new(parent.path()).expect("it can be made");
        fs::write(work.path().join("program"), "1").expect("it can be written to");
        assert!(!place.exists(), "not before it is complete");
        work.complete(&place).expect("nobody is in the way");
        assert_eq!(fs::read(place.join("program")).expect("it is there"), b"1");
        drop(Work::new(parent.path()).expect("it can be made"));
        assert_eq!(fs::read_dir(parent.path()).expect("it is there").count(), 1);
    }

    #[test]
    fn who_comes_second_takes_what_the_first_made() {
        let parent = tempfile::tempdir().expect("a folder for the test");
        let place = parent.path().join("tool-1");
        let make = |text: &str| {
            let work = Work::new(parent.path()).expect("it can be made");
            fs::write(work.path().join("program"), text).expect("it can be written to");
            work
        };
        let (first, second) = (make("first"), make("second"));
        first.complete(&place).expect("nobody is in the way");
        second.complete(&place).expect("it is there");
        assert_eq!(
            fs::read(place.join("program")).expect("it is there"),
            b"first"
        );
        assert_eq!(fs::read_dir(parent.path()).expect("it is there").count(), 1);
    }

    #[test]
    fn what_a_kill_left_goes_and_what_somebody_works_in_stays() {
        let parent = tempfile::tempdir().expect("a folder for the test");
        let aged = |folder: &Path, age: Duration| {
            let opened = File::open(folder).expect("it is there");
            opened
                .set_modified(SystemTime::now() - age)
                .expect("it is ours");
        };
        let leave = |name: &str, age: Duration| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).expect("it can be made");
            fs::write(folder.join("half"), "").expect("it can be written to");
            aged(&folder, age);
            folder
        };
        let left = leave(".making-left", MAKING * 2);
        let new = leave(".making-new", MAKING / 2);
        let other = leave("tool-1", ABANDONED * 2);
        let work = Work::new(parent.path()).expect("it can be made");
        aged(work.path(), ABANDONED * 2);
        drop(Work::new(parent.path()).expect("it can be made"));
        assert_eq!(
            (left.exists(), new.exists(), other.exists()),
            (false, true, true)
        );
        assert!(work.path().exists(), "somebody works in it");
    }
}
