//! The lineage of a row as a graph: upward from a target row to its source rows, downward from a source row to its targets.

use std::collections::BTreeMap;

use flowstone_core::{TargetPlan, decode, to_wave};
use flowstone_store::{Outcome, Stored};
use serde::Serialize;

use crate::answer::Typed;

/// The lineage of a row. The first node is the row that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineageGraph {
    /// Rows and calls.
    pub nodes: Vec<LineageNode>,
    /// From each node to those that it came from, or, downward, to those that came of it. No node is its own ancestor.
    pub edges: Vec<LineageEdge>,
}

/// A row or a call in a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LineageNode {
    /// The row of a source.
    Source {
        /// The source's name.
        name: String,
        /// The row's key: the true one, which may hold any character. Lossy where it is not UTF-8.
        key: String,
        /// The fingerprint of the columns that the flow reads; none for a row that could not be read.
        content: Option<String>,
    },
    /// A row that comes from rows of other steps: a group, a row of a union, a row with a state.
    Gathered {
        /// What makes such rows: `reduce`, `union` or `state`.
        by: String,
        /// Its name.
        name: String,
        /// The row's key: the true one, which may hold any character. Lossy where it is not UTF-8.
        key: String,
        /// The fingerprint of the columns that the flow reads; none for a row that could not be read.
        content: Option<String>,
    },
    /// A row of another collection that a gathered row or a lookup takes several things of.
    Member {
        /// Its collection.
        collection: String,
        /// The key of its root row: the true one, which may hold any character.
        key: String,
        /// Its positions in the lists from the root row down.
        index: Vec<u32>,
    },
    /// Rows that are not shown.
    More {
        /// Their collection.
        collection: String,
        /// How many they are.
        rows: u64,
    },
    /// A row that a call made.
    Row {
        /// Its collection.
        collection: String,
        /// Its positions in the lists from the root row down.
        index: Vec<u32>,
    },
    /// A call.
    Call {
        /// The transform's name.
        transform: String,
        /// The memo key; none where it is not known which call it was.
        key: Option<String>,
        /// What came of it.
        result: CallResult,
        /// The literal arguments, as WAVE text by parameter.
        literals: BTreeMap<String, String>,
    },
    /// The row of a target.
    Target {
        /// The target's name.
        name: String,
        /// The row's key: the true one, which may hold any character. Lossy where it is not UTF-8.
        key: String,
    },
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallResult {
    /// A value, as WAVE text.
    Value(String),
    /// A value that is too long to be shown: its fingerprint.
    Long(String),
    /// So many rows.
    Rows(u64),
    /// None: there is no row here.
    Nothing,
    /// It failed by its own account.
    Failed(String),
    /// It is not remembered.
    Lost,
}

/// From a node to one that it came from, or that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageEdge {
    /// The nearer one to the row that was asked for, by position.
    pub from: usize,
    /// The other one, by position.
    pub to: usize,
    /// Upward, what the one takes from the other.
    pub takes: Vec<LineageColumn>,
}

/// An argument of a call or a column of a target row, and the column that it is filled from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageColumn {
    /// The parameter or the target's column.
    pub name: String,
    /// The column as a flow file may name it.
    pub column: String,
}

impl LineageGraph {
    /// The graph of a target row of which only the source row is known.
    pub(super) fn direct(target: &TargetPlan, key: String, source: LineageNode) -> Self {
        let name = target.name.clone();
        let takes = Vec::new();
        Self {
            nodes: vec![LineageNode::Target { name, key }, source],
            edges: vec![LineageEdge {
                from: 0,
                to: 1,
                takes,
            }],
        }
    }
}

impl CallResult {
    /// What came of a call, for people.
    pub(super) fn of(outcome: &Outcome, typed: &Typed) -> Self {
        match outcome {
            Outcome::Nothing => CallResult::Nothing,
            Outcome::Failed { reason } => CallResult::Failed(reason.clone()),
            Outcome::Value {
                fingerprint,
                stored,
                ..
            } => match stored {
                Stored::Object => CallResult::Long(fingerprint.to_string()),
                Stored::Inline(bytes) => match decode(bytes, &typed.shape.value) {
                    Ok(value) => CallResult::Value(to_wave(&value, &typed.shape.value)),
                    Err(_) => CallResult::Lost,
                },
            },
        }
    }
}
