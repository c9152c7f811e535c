//! What can go wrong with a store, as text for people: what happened, where, and what to do next.

use std::io;
use std::path::PathBuf;

/// The process that has a store open, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Since when it has it, in seconds since 1970.
    pub since: Option<u64>,
    /// What it calls itself: [`StoreOptions::holder`](crate::StoreOptions::holder).
    pub command: Option<String>,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another part of this one, has the store open.
    #[error(
        "the store `{}` is in use by {}: wait until it ends, stop it, or use another store folder",
        path.display(),
        held_by(holder.as_ref())
    )]
    Locked {
        /// The store's folder.
        path: PathBuf,
        /// The process that holds it, where it left word.
        holder: Option<Holder>,
    },
    /// The store was written by a version of flowstone with another format.
    #[error(
        "the store `{}` has format {found} and this flowstone reads format {supported}: use the version that wrote it, \
         or delete the folder and run again, which rebuilds everything from the sources, but for pinned results of older \
         code and those of `cache put`",
        path.display()
    )]
    Format {
        /// The store's folder.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The format this version reads and writes.
        supported: u32,
    },
    /// The folder is no store, and holds what is somebody else's.
    #[error(
        "the folder `{}` is no store of flowstone and is not empty: `{}` is in it. Name a new folder, or an empty one",
        path.display(),
        flowstone_core::printable(name, &[])
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Something that is in it.
        name: String,
    },
    /// The store's bytes are not what flowstone wrote.
    #[error(
        "the store `{}` is damaged: {what}. Delete the folder and run again: everything is rebuilt from the sources, \
         but for pinned results of older code and those of `cache put`",
        path.display()
    )]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// Which part, and how that shows.
        what: String,
    },
    /// The disk or the quota is full. What was committed before is intact.
    #[error(
        "no space left for the store `{}` while {doing}: free some space and run again, nothing that was finished is lost",
        path.display()
    )]
    Full {
        /// The store's folder.
        path: PathBuf,
        /// What the store was doing.
        doing: &'static str,
    },
    /// The operating system refused.
    #[error("{doing} in the store `{}` failed: {source}", path.display())]
    Io {
        /// The store's folder.
        path: PathBuf,
        /// What the store was doing.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The store was closed, or an earlier failure keeps it from being used further in this process.
    #[error(
        "the store `{}` cannot be used any more after an earlier failure: open it again, nothing that was finished is lost",
        path.display()
    )]
    Unusable {
        /// The store's folder.
        path: PathBuf,
    },
    /// Something is longer than the store takes.
    #[error("{what} of {bytes} bytes is too long: the store takes at most {bytes_max}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// The name of a meta entry that belongs to the store itself.
    #[error("the meta entry `{name}` belongs to the store itself and cannot be changed")]
    Reserved {
        /// The name.
        name: String,
    },
}

fn held_by(holder: Option<&Holder>) -> String {
    let Some(Holder { pid, command, .. }) = holder else {
        return "another process".to_owned();
    };
    match command {
        // It comes from a file that anybody may have written.
        Some(command) => format!(
            "process {pid} (`{}`)",
            flowstone_core::printable(command, &[])
        ),
        None => format!("process {pid}"),
    }
}
