//! Watching a source: what it tells of changes, and how. A watch may miss some, or tell of some that are none: it says
//! where to look. What is really the case, a look at the row or a full listing tells.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ConnectError;
use crate::stamp::{FileTime, Stamp};

/// Where something may have changed in a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// In the row with this key: it is new, other or gone.
    Row(Vec<u8>),
    /// In the row with this key, and whoever changed it is done: a file was closed, or moved in.
    Done(Vec<u8>),
    /// In rows whose keys begin with this: they may be gone.
    Below(Vec<u8>),
    /// Anywhere: the source has to be listed.
    Any,
}

/// Takes what a watch tells. Called from other threads; it should return quickly.
pub type Tell = Arc<dyn Fn(Change) + Send + Sync>;

/// How a source tells of changes.
pub enum Watch {
    /// It tells of changes as they happen, until this is dropped.
    Push(Box<dyn Push>),
    /// It can be asked for the latest changes. Rows that are gone are seen in a full listing only.
    Recent(Box<dyn Poll>),
    /// It can only be listed; whether that is worth while can be asked.
    List(Box<dyn Poll>),
}

/// A source that tells of changes as they happen.
pub trait Push: Send {
    /// Whether it still tells of the place that the source has now; if not, another watch has to be made.
    fn is_live(&self) -> bool;
}

/// A source that has to be asked.
pub trait Poll: Send {
    /// Where something may have changed since the last time, or since the watch was made.
    ///
    /// # Errors
    ///
    /// When the source cannot be asked now. It may be asked again.
    fn poll(&mut self) -> Result<Vec<Change>, ConnectError>;

    /// How often it wants to be asked, where it has a say in that.
    fn interval(&self) -> Option<Duration> {
        None
    }
}

/// A file that is watched by its stamp: any change of it may be one of any row.
pub(crate) struct FilePoll {
    path: PathBuf,
    last: Option<Stamp>,
}

impl FilePoll {
    pub(crate) fn new(path: PathBuf) -> Self {
        let mut poll = Self { path, last: None };
        poll.last = poll.look().ok();
        poll
    }

    fn look(&self) -> Result<Stamp, ConnectError> {
        Stamp::at(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ConnectError::Missing {
                what: "the file of the source",
                path: self.path.clone(),
            },
            _ => ConnectError::io("look at", &self.path, error),
        })
    }
}

impl Poll for FilePoll {
    fn poll(&mut self) -> Result<Vec<Change>, ConnectError> {
        let now = self.look()?;
        let seen = FileTime::now();
        // A stamp that could hide a later write stands for a change until it is old enough.
        if self.last == Some(now) && now.settled(seen) {
            return Ok(Vec::new());
        }
        self.last = now.settled(seen).then_some(now);
        Ok(vec![Change::Any])
    }
}

/// Always worth a listing: what is watched says nothing that is cheaper to have.
pub(crate) struct Always;

impl Poll for Always {
    fn poll(&mut self) -> Result<Vec<Change>, ConnectError> {
        Ok(vec![Change::Any])
    }
}
