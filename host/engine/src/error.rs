//! What stops a run, a check or a plan. Failures of single rows are no errors: they are reported in the result.

use flowstone_connect::ConnectError;
use flowstone_core::FlowErrors;
use flowstone_sandbox::{LoadError, SandboxError};
use flowstone_store::StoreError;

use crate::cache::ArchiveError;

use crate::pins::PinError;

/// Why the engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The flow file is wrong. Nothing was changed.
    #[error(transparent)]
    Flow(#[from] FlowErrors),
    /// A plugin's component cannot be used. Nothing was changed.
    #[error("plugin `{plugin}`: {error}")]
    Plugin {
        /// The plugin's name in the flow.
        plugin: String,
        /// Why not.
        error: LoadError,
    },
    /// The sandbox cannot be set up on this machine.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A source failed as a whole; its rows were left as they are.
    #[error("source `{source_name}`: {error}")]
    Source {
        /// The source's name.
        source_name: String,
        /// What went wrong.
        error: ConnectError,
    },
    /// A target failed.
    #[error("target `{target}`: {error}")]
    Target {
        /// The target's name.
        target: String,
        /// What went wrong.
        error: ConnectError,
    },
    /// A target's place is taken by another flow's.
    #[error(
        "target `{target}`: its place belongs to target `{other_target}` of flow `{other_flow}`"
    )]
    TargetTaken {
        /// The target's name.
        target: String,
        /// The flow that made what is there.
        other_flow: String,
        /// The name of the target in that flow.
        other_target: String,
    },
    /// A target's place is one where flowstone keeps something else.
    #[error("target `{target}`: `{path}` {why}")]
    TargetPlace {
        /// The target's name.
        target: String,
        /// Its path, as the flow file has it.
        path: String,
        /// What it is instead: `lies in the store` ...
        why: &'static str,
    },
    /// The run would delete more than half of a source's rows. Nothing was changed.
    #[error("{removed} of the {rows} rows of source `{source_name}` are gone")]
    TooManyDeletes {
        /// The source's name.
        source_name: String,
        /// How many rows are gone.
        removed: u64,
        /// How many there were.
        rows: u64,
    },
    /// A function that is called in a kept instance gives something else in a fresh one. What the instance gave is not used.
    #[error(
        "transform `{transform}`: called again for row `{key}` in a fresh instance, it gives another result than in a kept one"
    )]
    HangsOnCallsBefore {
        /// The transform's name.
        transform: String,
        /// The row.
        key: String,
    },
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// A result that was given for a run, or to be remembered, cannot be used. Nothing was changed.
    #[error("{place}: {message}")]
    Override {
        /// The file and line, or what else names it.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// What was asked of a pin cannot be done. Nothing was changed.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A file of results cannot be written or read. Of one that cannot be read nothing was imported.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A thread of the engine ended in a way it should not have.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Error {
    /// Whether it is about one source, and the others can go on.
    pub(crate) fn is_of_source(&self) -> bool {
        matches!(self, Error::Source { .. } | Error::TooManyDeletes { .. })
    }
}
