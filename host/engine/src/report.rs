//! What a run did, what a plan expects, and where rows come from: the answers that people and `--json` get.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use flowstone_core::RunId;
use flowstone_store::RecipeId;

use crate::event::Drift;
use crate::lineage::LineageGraph;
use crate::pins::PinState;
use crate::run::CacheOptions;

/// What a run did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// The run's number in its store.
    pub run: RunId,
    /// The flow's name.
    pub flow: String,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// What it was asked to look up and remember, besides what the flow says.
    #[serde(skip_serializing_if = "CacheOptions::is_default")]
    pub cache: CacheOptions,
    /// How long it took.
    pub seconds: f64,
    /// Per source.
    pub sources: BTreeMap<String, SourceCounts>,
    /// Per transform.
    pub transforms: BTreeMap<String, TransformCounts>,
    /// Per target.
    pub targets: BTreeMap<String, TargetCounts>,
    /// How many rows are failed now, including those that failed in an earlier run and are unchanged since.
    pub failures: u64,
    /// The first of them.
    pub failed: Vec<FailedRow>,
    /// The first rows of targets that were not as they were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drifted: Vec<DriftedRow>,
    /// Whether the run was interrupted; what it had settled stays, the next run does the rest.
    pub interrupted: bool,
}

/// What a round of a flow that is watched did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RoundReport {
    /// The run that it is part of.
    pub run: RunId,
    /// Whether all rows of all sources were looked at.
    pub whole: bool,
    /// How long it took.
    pub seconds: f64,
    /// Per source that was looked at.
    pub sources: BTreeMap<String, SourceCounts>,
    /// Per transform.
    pub transforms: BTreeMap<String, TransformCounts>,
    /// Per target.
    pub targets: BTreeMap<String, TargetCounts>,
    /// How many rows are failed now.
    pub failures: u64,
    /// The first rows that failed in this round.
    pub failed: Vec<FailedRow>,
}

impl RoundReport {
    /// Whether there is anything to tell: a row, a call, a failure or something in a target.
    pub fn did_something(&self) -> bool {
        let rows = |counts: &SourceCounts| counts.added + counts.changed + counts.removed > 0;
        let calls = |counts: &TransformCounts| counts.called > 0;
        let written = |counts: &TargetCounts| counts.inserted + counts.updated + counts.deleted > 0;
        self.sources.values().any(rows)
            || self.transforms.values().any(calls)
            || self.targets.values().any(written)
            || !self.failed.is_empty()
    }
}

/// The rows of a source, compared with the last run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceCounts {
    /// All of them.
    pub rows: u64,
    /// New ones.
    pub added: u64,
    /// Ones with other content.
    pub changed: u64,
    /// Ones that are gone.
    pub removed: u64,
    /// Ones with the same content.
    pub unchanged: u64,
    /// Known ones that are not among `rows` and yet stay: whether they are gone is not known, since the source has rows
    /// whose keys cannot be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl SourceCounts {
    /// Whether no row came, went or changed.
    pub(crate) fn is_as_before(&self) -> bool {
        self.added + self.changed + self.removed == 0
    }
}

/// The calls of a transform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransformCounts {
    /// Rows that were called for.
    pub called: u64,
    /// Rows whose result was remembered.
    pub reused: u64,
    /// Rows that failed in this transform.
    pub failed: u64,
    /// Calls that ran: as many as rows that were called for, but for batches, and for rows that were tried again.
    pub calls: u64,
    /// The time of all calls together.
    pub seconds: f64,
    /// How long a call took.
    pub latency: Latency,
    /// For how many rows a call was.
    pub rows_per_call: RowsPerCall,
    /// Rows of all calls, by the time of all calls together.
    pub rows_per_second: f64,
    /// How long it took until a call began, from when it was known that it has to be made.
    pub queue: Queue,
    /// What stood for its code in the keys.
    pub code: String,
    /// The number of its recipe in the store.
    pub recipe: RecipeId,
}

/// How long calls took, in seconds: half of them no longer than `p50`, and so on; within 3 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// 95 of 100 calls took no longer.
    pub p95: f64,
    /// 99 of 100 calls took no longer.
    pub p99: f64,
}

/// How many rows calls were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowsPerCall {
    /// The mean.
    pub mean: f64,
    /// The most.
    pub max: u64,
}

/// How long calls were waited for, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// The mean.
    pub mean: f64,
    /// The longest.
    pub max: f64,
}

/// The rows of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetCounts {
    /// New ones.
    pub inserted: u64,
    /// Ones with other values.
    pub updated: u64,
    /// Ones that are gone.
    pub deleted: u64,
    /// Ones that were left alone.
    pub unchanged: u64,
    /// Ones that were not as they were written, or that nobody wrote; none where the target was not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drifted: Option<u64>,
}

/// A row that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRow {
    /// The source's name.
    pub source: String,
    /// The row's key: the true one, which may hold any character. Lossy where it is not UTF-8.
    pub key: String,
    /// What failed and why.
    pub reason: String,
}

/// A row of a target that was not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedRow {
    /// The target's name.
    pub target: String,
    /// The target row's key: the true one, which may hold any character.
    pub key: String,
    /// How it differed.
    pub drift: Drift,
}

/// What a run would do.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// The flow's name.
    pub flow: String,
    /// Per source: the rows compared with the last run.
    pub sources: BTreeMap<String, SourceCounts>,
    /// Per transform, in the order in which they run.
    pub transforms: Vec<TransformPlan>,
    /// The first rows that differ, per source and with how they differ.
    pub rows: Vec<PlannedRow>,
    /// What else is to be known, such as a target that will be filled anew.
    pub notes: Vec<String>,
}

/// What a run would do with a transform.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransformPlan {
    /// The transform's name.
    pub name: String,
    /// Calls that would run for sure.
    pub calls: u64,
    /// Rows whose result is remembered.
    pub reused: u64,
    /// Rows that hang on results which are not known yet: they may be called or reused. The rows that an unknown list
    /// will make count as one.
    pub undecided: u64,
    /// Why the calls would run, with how many of them each.
    pub reasons: Vec<Reason>,
    /// The pin that stands for its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinState>,
}

/// Why calls would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The reason in words.
    pub why: String,
    /// How many calls.
    pub calls: u64,
}

/// A row that a run would look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedRow {
    /// The source's name.
    pub source: String,
    /// The row's key: the true one, which may hold any character. Lossy where it is not UTF-8.
    pub key: String,
    /// `new`, `changed`, `removed`, `failed before`, `flow changed`, `what it looks up may be other`, or `result put by hand`.
    pub why: String,
}

/// Where a target row came from, or what a source row became.
#[derive(Clone, Debug, Serialize)]
pub struct LineageReport {
    /// The source's name.
    pub source: String,
    /// The root row's key: the true one, which may hold any character.
    pub key: String,
    /// The fingerprint of the columns that the flow reads; none for a row that could not be read.
    pub content: Option<String>,
    /// The failure it is in, if any.
    pub failure: Option<String>,
    /// The calls made for it: transform and memo key.
    pub calls: Vec<LineageCall>,
    /// The target rows made of it.
    pub targets: Vec<LineageTarget>,
    /// How all that hangs together: from the row that was asked for to what it came from, or to what came of it.
    pub graph: LineageGraph,
    /// Whether the graph is what was done: upward, it gives just what the target row holds; downward, every call has its
    /// place in it. It is not where the flow changed since, results were given, or the row failed and kept what it had.
    pub certain: bool,
    /// Downward, the calls that have no place in the graph.
    pub unplaced: Vec<LineageCall>,
}

/// A call in a row's lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageCall {
    /// The transform's name when it was called.
    pub transform: String,
    /// The memo key.
    pub key: String,
}

/// A target row in a row's lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageTarget {
    /// The target's name.
    pub target: String,
    /// The target row's key: the true one, which may hold any character.
    pub key: String,
    /// Which child row it was: the positions in the lists from the root row down, empty for the root row itself.
    pub origin: Vec<u32>,
}
