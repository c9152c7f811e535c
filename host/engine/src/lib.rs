//! flowstone: incremental data flows whose steps are WebAssembly components.
//!
//! An [`Engine`] has a store and a sandbox. A flow file is parsed into a [`FlowFile`], checked against its components
//! into a [`Flow`], and run: the run lists the sources, calls only what a change asks for, and brings the targets in
//! step. See `docs/architecture.md` for how.

#![forbid(unsafe_code)]

mod answer;
mod batch;
mod books;
mod budget;
mod cache;
mod calls;
mod catalog;
mod chunks;
mod commit;
mod compared;
mod compiled;
mod drift;
mod engine;
mod error;
mod event;
mod execute;
mod explain;
mod fold;
mod former;
mod gathered;
mod gc;
mod granted;
mod history;
mod identity;
mod in_hand;
mod lineage;
mod lists;
mod live;
mod meter;
mod named;
mod overrides;
mod pins;
mod plan;
mod reason;
mod recipe;
mod reconcile;
mod recover;
mod relation;
mod report;
mod run;
mod scan;
mod seats;
mod stage;
mod survey;
mod targets;
mod verify;

pub use answer::printable;
pub use cache::{
    ArchiveError, CacheEntry, CacheFilter, CacheGroup, CacheListing, CacheResult, CacheSort,
    CacheStat, CacheTotals, CachedOutcome, ExportOptions, ExportReport, GivenValue, ImportReport,
    PutReport, RemoveReport, RemovedGroup,
};
pub use compared::Compared;
pub use compiled::{CompiledFolder, KeptCode};
pub use engine::{Component, Engine, EngineConfig, Flow, FlowPlace, argument_text};
pub use error::Error;
pub use event::{Change, Drift, Event, Observer, WatchKind};
pub use explain::{ChangedValue, ExplainedCall, ExplainedGroup, Explanation};
pub use flowstone_connect::{ConnectError, real_place};
pub use flowstone_core as core;
pub use flowstone_core::{Diagnostic, FlowErrors, FlowFile, PluginOrigin};
pub use flowstone_sandbox::{
    COMPONENT_BYTES_MAX, CallError, FailureKind, Kept, Limits, LoadError, LogLine, Output,
    SandboxError, World, function_digests, scan as scan_component,
};
pub use flowstone_store::{
    Compaction, GcPhase, GcProgress, GcReport, Holder, StoreError, StoreSize,
    VerifyPhase as CacheVerifyPhase, VerifyProgress as CacheVerifyProgress,
    VerifyReport as CacheVerifyReport, Why,
};
pub use gc::{Collection, GcOptions};
pub use granted::{GrantWatch, granted_world};
pub use history::Runs;
pub use lineage::{CallResult, LineageColumn, LineageEdge, LineageGraph, LineageNode};
pub use live::{Live, Signals, Turn, TurnEnd, WatchOptions};
pub use overrides::Overrides;
pub use pins::{
    AdoptReport, DropReport, EarlierCode, MoveReport, PinAdoption, PinCode, PinError, PinProof,
    PinReport, PinSource, PinState, PinVerified,
};
pub use reason::{ArgumentOrigin, Cause};
pub use report::{
    DriftedRow, FailedRow, Latency, LineageCall, LineageReport, LineageTarget, PlanReport,
    PlannedRow, Queue, Reason, RoundReport, RowsPerCall, RunReport, SourceCounts, TargetCounts,
    TransformCounts, TransformPlan,
};
#[doc(hidden)]
pub use run::shift_clock;
pub use run::{CacheOptions, RunOptions};
pub use survey::RowName;
pub use verify::{
    Difference, FailedCall, MissingCode, VerifiedTransform, VerifyOptions, VerifyReport,
};
