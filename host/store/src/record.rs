//! The records of the store as callers see them, and their limits. Their byte forms are in `encoding`.

use flowstone_core::{Fingerprint, MemoKey, RunId};
use serde::{Deserialize, Serialize};

/// The longest value kept inside its memo record; a longer one goes to [`Writer::put_object`](crate::Writer::put_object).
pub const INLINE_BYTES_MAX: usize = 1024;

/// The longest version hint of a row.
pub const HINT_BYTES_MAX: usize = 64;

/// The longest key of a row or a target row, and the longest name of a meta entry.
pub const KEY_BYTES_MAX: usize = 64 * 1024;

/// The longest record of any kind, as stored. redb itself ends at 3 GiB.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The number that stands for a collection in a store. The engine keeps which is which in the meta entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(pub u32);

/// The number that stands for a target in a store. The engine keeps which is which in the meta entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// The number that stands for a recipe and the code behind it in a store. Never given twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RecipeId(pub u32);

/// What a memo key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoRecord {
    /// What came of the call.
    pub outcome: Outcome,
    /// How long the call took, in nanoseconds.
    pub cost_ns: u64,
    /// The run that made it.
    pub run: RunId,
    /// What was called.
    pub recipe: RecipeId,
    /// The fingerprints of the arguments that are hashed into the key, in order.
    pub arguments: Vec<Fingerprint>,
    /// Why it was made.
    pub why: Why,
}

/// Why a memo entry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// There had never been one.
    New,
    /// The mode of the transform, or of the run, asked for it.
    Recompute,
    /// The former result was no longer in the store.
    Removed,
    /// The former result was too old.
    Expired,
    /// It was put there by hand.
    Put,
    /// It came from another store.
    Imported,
    /// There had never been one, and the row was new.
    NewRow,
}

/// How often a memo entry was reused. One that never was has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The last run that reused it.
    pub run: RunId,
    /// For how many rows it was that did not use it before, in all runs.
    pub reused: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call returned a value.
    Value {
        /// The fingerprint of the value.
        fingerprint: Fingerprint,
        /// The fingerprints of the record's fields, or of the fields of every element of a list of rows, in order.
        parts: Vec<Fingerprint>,
        /// Where its encoding is.
        stored: Stored,
    },
    /// The call returned none: there is no row here.
    Nothing,
    /// The call failed by its own account, and would again: the `err` of its result.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// Where the canonical encoding of a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Here: at most [`INLINE_BYTES_MAX`] bytes.
    Inline(Vec<u8>),
    /// Among the objects, under the value's fingerprint.
    Object,
}

/// What a scan needs to know of a root row to tell whether it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowHead {
    /// What the source said about the row's version (size, times, ...), opaque here: at most [`HINT_BYTES_MAX`] bytes.
    pub hint: Vec<u8>,
    /// The fingerprint of the row's content.
    pub content: Fingerprint,
    /// The fingerprint of the part of the flow that was run on it.
    pub flow: Fingerprint,
    /// How that went.
    pub state: RowState,
}

/// How the last run on a row went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// Every transform that had to be called gave a result.
    Done,
    /// One failed; [`Lineage::failure`] says how.
    Failed {
        /// Whether the next run should try again, although nothing changed.
        retry: bool,
    },
}

/// What was made of a root row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The identity of the set of columns that `columns` are of.
    pub shape: Option<Fingerprint>,
    /// The fingerprints of the row's columns.
    pub columns: Vec<Fingerprint>,
    /// The run that wrote this.
    pub run: RunId,
    /// The calls whose results it used.
    pub calls: Vec<CallRecord>,
    /// The calls of the row's former version that this one does not make.
    pub replaced: Vec<CallRecord>,
    /// The target rows that came of it.
    pub targets: Vec<TargetRow>,
    /// What failed, where something did, for people.
    pub failure: Option<String>,
    /// Whether `targets` are those of a version of the row in which nothing failed.
    pub good: bool,
    /// What it looked up in relations.
    pub lookups: Vec<LookupRecord>,
}

/// A call whose result a root row used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Which transform of the stage it was, by position.
    pub transform: u16,
    /// The memo key.
    pub key: MemoKey,
}

/// A group of a relation that a root row looked up, whether or not there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupRecord {
    /// The relation.
    pub relation: TargetId,
    /// The hash that the relation's groups go by.
    pub key: [u8; 16],
}

/// A row of a relation: what a target row is, kept in the store for other rows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The values of its columns, each with its fingerprint and canonical encoding.
    pub columns: Vec<(Fingerprint, Vec<u8>)>,
}

/// What came of writing a row of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// It is as it was.
    Same,
    /// It has other values.
    Changed,
    /// It came, or is gone.
    Structure,
}

/// A partial result over some of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The fingerprint of the value, or of what the value follows from.
    pub fingerprint: Fingerprint,
    /// What the caller keeps of it.
    pub bytes: Vec<u8>,
}

/// A row of a target that a root row led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// The target.
    pub target: TargetId,
    /// The hash of the key columns' fingerprints.
    pub id: [u8; 16],
    /// The key in the target.
    pub key: Vec<u8>,
    /// The hash of what was written.
    pub fingerprint: [u8; 16],
    /// Which row below the root row it is: the index of a child at each level.
    pub origin: Vec<u32>,
}

/// The root row that a target row belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The root row's collection.
    pub collection: CollectionId,
    /// The root row's key.
    pub row: Vec<u8>,
}

/// What a batch is about to do to the targets: written before the first effect, cleared after the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// The root rows of the batch.
    pub rows: Vec<IntentRow>,
}

/// A root row of an [`Intent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// The root row's collection.
    pub collection: CollectionId,
    /// The root row's key.
    pub key: Vec<u8>,
    /// The union of the target rows that are there and those that will be.
    pub targets: Vec<TargetRow>,
}
