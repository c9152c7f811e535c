//! What can go wrong: with an option of the flow file, with one row, or with a source or target as a whole.

use flowstone_core::OptionError;
use std::io;
use std::path::{Path, PathBuf};

/// Text from the command line that is no key of the target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct KeyParseError {
    /// What was expected and what was found.
    pub message: String,
}

/// Why the values of one row could not be had, or why a target cannot hold it. The other rows go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The row was listed, and is gone now. The next scan will say so too.
    #[error("it is gone since it was listed")]
    Vanished,
    /// The row is there, but it is no good.
    #[error("{reason}")]
    Failed {
        /// What is wrong with it.
        reason: String,
        /// Whether the same row may be fine later though nobody touches it (a permission, a disk error). When false,
        /// the failure is a function of the row's content and stands until that changes.
        retry: bool,
    },
}

impl RowError {
    /// A failure that is a function of the content.
    pub(crate) fn content(reason: impl Into<String>) -> Self {
        RowError::Failed {
            reason: reason.into(),
            retry: false,
        }
    }

    /// A failure that may pass.
    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        RowError::Failed {
            reason: reason.into(),
            retry: true,
        }
    }
}

/// Why a source or target as a whole could not be opened, listed or written.
///
/// No variant ever means "there are no rows": a scan that ends with one has said nothing about what was not listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no such kind of source or target, or this build left it out.
    #[error("there is no {role} of kind `{kind}`")]
    UnknownKind {
        /// `source` or `target`.
        role: &'static str,
        /// The kind asked for.
        kind: String,
        /// The kinds there are.
        candidates: Vec<String>,
    },
    /// An option is missing, unknown or wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A column that the source does not offer, or not as this type.
    #[error("{message}")]
    Column {
        /// The column asked for.
        column: String,
        /// What is wrong.
        message: String,
        /// The columns there are.
        candidates: Vec<String>,
    },
    /// A file or folder that should be there is not.
    #[error("{what} `{}` does not exist", path.display())]
    Missing {
        /// What it is for.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A path leads to something of another kind.
    #[error("`{}` is not {expected}", path.display())]
    WrongType {
        /// The path.
        path: PathBuf,
        /// What should be there: `a folder`, `a regular file`, `an SQLite database` ...
        expected: &'static str,
    },
    /// The file system said no.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: `open`, `list`, `write` ...
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The source changed or broke while it was listed, so what was listed is not all there is. Running again may help.
    #[error("the scan of `{}` is incomplete: {reason}", path.display())]
    Incomplete {
        /// What was being listed.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// What other stages publish cannot be read.
    #[error("{0}")]
    Gathered(String),
    /// The target's path leads out of the folder of the flow file.
    #[error("the target `{}` lies outside the folder of the flow file", path.display())]
    OutsideFlow {
        /// The path as the flow file has it.
        path: PathBuf,
    },
    /// Something is in the target's place that flowstone did not make. It was not touched.
    #[error("{what} in `{}` was not made by flowstone", path.display())]
    NotOurs {
        /// What it is: ``the table `pages` ``, ``the file `a/b.txt` ``.
        what: String,
        /// Where.
        path: PathBuf,
    },
    /// The target was made by a newer flowstone that keeps its books in another way.
    #[error("`{}` was written by a newer flowstone (format {found}; this one knows {known})", path.display())]
    NewerFormat {
        /// The target's path.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format known.
        known: i64,
    },
    /// The target may not be written to.
    #[error("`{}` is read-only", path.display())]
    ReadOnly {
        /// The target's path.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("there is no space left for `{}`", path.display())]
    Full {
        /// The target's path.
        path: PathBuf,
    },
    /// Another program held the database for longer than flowstone waits.
    #[error("`{}` is locked by another program", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// A server did not let flowstone in, or the connection to it was lost. What was being written is written in whole
    /// or not at all.
    #[error("cannot reach `{}`: {message}", place.display())]
    Unreachable {
        /// The server and the database.
        place: PathBuf,
        /// What was said, by the server or by the system.
        message: String,
    },
    /// A database failed in another way.
    #[error("cannot {action} in `{}`: {message}", path.display())]
    Database {
        /// What was tried.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// What the database said.
        message: String,
    },
    /// The call does not fit the state of the target, or a row does not fit its columns: a mistake of the caller.
    #[error("{message}")]
    Misuse {
        /// What does not fit.
        message: String,
    },
}

impl ConnectError {
    /// Sorts an I/O error into the variant that tells people most.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ConnectError::Full { path }
            }
            io::ErrorKind::ReadOnlyFilesystem => ConnectError::ReadOnly { path },
            _ => ConnectError::Io {
                action,
                path,
                source,
            },
        }
    }

    pub(crate) fn incomplete(path: &Path, reason: impl Into<String>) -> Self {
        ConnectError::Incomplete {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        ConnectError::Misuse {
            message: message.into(),
        }
    }
}
