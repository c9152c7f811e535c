//! Where a store is, and the one gate through which everything done to it passes.
//!
//! redb may panic on pages that do not hold what it wrote. Every operation runs inside [`Place::guarded`], which turns
//! such a panic into [`StoreError::Damaged`] and from then on refuses to write: a file known to be damaged is not
//! written further.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::error::StoreError;
use crate::files;

/// The folder of a store, opened once. All files are reached from here, and none outside it.
pub(crate) struct Place {
    path: PathBuf,
    dir: Dir,
    damaged: AtomicBool,
    collecting: AtomicBool,
    temporaries: AtomicU64,
}

impl Place {
    /// The folder at `path`, which is made where it is missing.
    pub(crate) fn at(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let opened = std::fs::create_dir_all(&path)
            .and_then(|()| Dir::open_ambient_dir(&path, ambient_authority()));
        match opened {
            Ok(dir) => Ok(Self {
                path,
                dir,
                damaged: AtomicBool::new(false),
                collecting: AtomicBool::new(false),
                temporaries: AtomicU64::new(0),
            }),
            Err(source) => Err(io_error(&path, "opening the folder", source)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// A name for a file being written that no other file of this process has.
    pub(crate) fn temporary_name(&self) -> String {
        files::temporary_name(self.temporaries.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs one operation; a panic inside it is damage.
    pub(crate) fn guarded<R>(
        &self,
        run: impl FnOnce() -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        // Unwind safety: after a panic no transaction goes on (the writer refuses, and so does the next one), and
        // readers hold nothing that a panic could leave half done.
        panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
            self.damaged.store(true, Ordering::Release);
            Err(self.damaged(format!(
                "the database is inconsistent ({})",
                panic_text(&*payload)
            )))
        })
    }

    /// Whether a panic has shown that the database is inconsistent.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Whether a collection is under way, also one that was cut off: see [`crate::gc`].
    pub(crate) fn is_collecting(&self) -> bool {
        self.collecting.load(Ordering::Acquire)
    }

    pub(crate) fn set_collecting(&self, is_collecting: bool) {
        self.collecting.store(is_collecting, Ordering::Release);
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// Why nothing more is written after a failure.
    pub(crate) fn refusal(&self) -> StoreError {
        if self.is_damaged() {
            self.damaged("the database was found to be inconsistent before")
        } else {
            self.unusable()
        }
    }

    fn unusable(&self) -> StoreError {
        StoreError::Unusable {
            path: self.path.clone(),
        }
    }

    pub(crate) fn io(&self, doing: &'static str, source: io::Error) -> StoreError {
        io_error(&self.path, doing, source)
    }

    /// An error of redb in the store's own words.
    pub(crate) fn redb(&self, doing: &'static str, error: impl Into<redb::Error>) -> StoreError {
        use redb::Error as E;
        match error.into() {
            E::Corrupted(text) => self.damaged(text),
            // redb reads only where its own structures point, so bytes that are not there were cut off.
            E::Io(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                self.damaged(source.to_string())
            }
            E::Io(source) => self.io(doing, source),
            E::DatabaseAlreadyOpen | E::LockProtocolMismatch => StoreError::Locked {
                path: self.path.clone(),
                holder: None,
            },
            E::PreviousIo | E::DatabaseClosed | E::LockPoisoned(_) | E::TransactionPoisoned => {
                self.unusable()
            }
            error @ (E::TableDoesNotExist(_)
            | E::TableTypeMismatch { .. }
            | E::TableIsMultimap(_)
            | E::TypeDefinitionChanged { .. }
            | E::UpgradeRequired(_)
            | E::RepairAborted) => self.damaged(error.to_string()),
            error => self.io(doing, io::Error::other(error)),
        }
    }
}

fn io_error(path: &Path, doing: &'static str, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { path, doing }
        }
        _ => StoreError::Io {
            path,
            doing,
            source,
        },
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}
