//! What the engine tells while it works. Progress, JSON lines, metrics and tests are built on these events alone.

use std::time::Duration;

use flowstone_core::RunId;
use flowstone_sandbox::LogLine;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::report::RoundReport;

/// How a row of a source differs from the last run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Added,
    /// Its content, or what is done to it, is another.
    Changed,
    /// It is no longer there.
    Removed,
}

/// How a source tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// It tells of them as they happen.
    Push,
    /// It is asked for the latest.
    Recent,
    /// It is listed when something in it may have changed.
    List,
}

/// How a row of a target differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It holds something else.
    Changed,
    /// It is not there.
    Missing,
    /// Nobody wrote it.
    Added,
}

/// Something that happened during a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A run began.
    RunStarted {
        /// Its number.
        run: RunId,
        /// The flow's name.
        flow: &'a str,
    },
    /// A source has been listed and compared with the last run.
    SourceScanned {
        /// The source's name.
        source: &'a str,
        /// How many rows it has.
        rows: u64,
        /// How many of them, or of those that are gone, have to be looked at.
        pending: u64,
    },
    /// A row is new, other or gone.
    RowChanged {
        /// The source's name.
        source: &'a str,
        /// The row's key: the true one, which may hold any character. Lossy where it is not UTF-8.
        key: &'a str,
        /// How it differs.
        change: Change,
    },
    /// A row has been dealt with, whether or not it was changed.
    RowDone {
        /// The source's name.
        source: &'a str,
    },
    /// Calls of a transform were not needed: their results are remembered.
    MemoHits {
        /// The transform's name.
        transform: &'a str,
        /// How many rows.
        rows: u64,
    },
    /// A plugin of the flow is about to be compiled, which takes seconds where it brings an interpreter along: the store has no code for the
    /// functions that the flow calls.
    WillCompile {
        /// The plugin's name in the flow.
        plugin: &'a str,
    },
    /// A function is about to be called for a row. The rows of a batch are told one after the other.
    WillCall {
        /// The transform's name.
        transform: &'a str,
        /// The key of the root row: the true one, which may hold any character.
        key: &'a str,
    },
    /// A function was called.
    Called {
        /// The transform's name.
        transform: &'a str,
        /// How many rows it was called for.
        rows: u64,
        /// How long these waited, from when it was known that the call has to be made.
        queued: Duration,
        /// How long it took.
        time: Duration,
        /// What it wrote to its log, if anything.
        log: &'a [LogLine],
    },
    /// A row failed.
    RowFailed {
        /// The source's name.
        source: &'a str,
        /// The root row's key: the true one, which may hold any character.
        key: &'a str,
        /// What failed and why.
        reason: &'a str,
    },
    /// Rows were written to a target.
    TargetApplied {
        /// The target's name.
        target: &'a str,
        /// How many were inserted or updated.
        upserted: u64,
        /// How many were deleted.
        deleted: u64,
    },
    /// Rows that are committed together are in the store and in the targets.
    BatchCommitted {
        /// The number of the commit.
        batch: u64,
        /// How many rows of sources it holds.
        rows: u64,
        /// How long it took to write it, to the store and to the targets.
        time: Duration,
    },
    /// A round of a flow that is watched is done, and settled.
    RoundDone {
        /// What it did.
        report: &'a RoundReport,
    },
    /// A source of a flow is watched now.
    SourceWatched {
        /// The source's name.
        source: &'a str,
        /// How it tells of changes.
        kind: WatchKind,
    },
    /// A source of a flow that is watched cannot be had, or lacks too many rows. The others go on.
    SourceFailed {
        /// The source's name.
        source: &'a str,
        /// What is wrong.
        error: &'a Error,
    },
    /// A source that could not be had is listed again.
    SourceRecovered {
        /// The source's name.
        source: &'a str,
    },
    /// No round can be done for now: it is tried again.
    Stalled {
        /// Why not.
        reason: &'a str,
    },
    /// Rounds are done again.
    Resumed,
    /// The stored results of a transform are about to be compared with calls.
    VerifyStarted {
        /// The transform's name.
        transform: &'a str,
        /// How many results, at most.
        results: u64,
    },
    /// A stored result was compared with a call.
    ResultCompared {
        /// The transform's name.
        transform: &'a str,
        /// Whether the call gave it again.
        equal: bool,
    },
    /// A row of a target is not as it was written. It is put right next.
    RowDrifted {
        /// The target's name.
        target: &'a str,
        /// The target row's key: the true one, which may hold any character.
        key: &'a str,
        /// How it differs.
        drift: Drift,
    },
    /// A target was empty, lost or not as the store knows it, and is filled anew.
    TargetRebuilt {
        /// The target's name.
        target: &'a str,
    },
}

/// Whoever listens to a run. Called from several threads at once; it should return quickly.
pub trait Observer: Sync {
    /// Takes one event.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
