//! The store of flowstone: memo, lineage and runs in redb, large values as objects on disk.
//!
//! ```text
//! .flowstone/
//!   lock          held while a process has the store open; names that process
//!   store.redb    all records: memo, rows with their lineage, owners of target rows, intents, runs, meta
//!   objects/ab/   values too long for the database, by fingerprint
//!   aot/          compiled code, readable by the owner alone
//!   builds/       binaries of components, so that results can be checked with the code that made them
//!   tmp/          files being written, emptied on every open
//! ```
//!
//! Reading goes through a [`Snapshot`], writing through the closure handed to [`Store::write`]: one transaction, all or
//! nothing, durable when it returns. Whatever the bytes on disk say, nothing here panics, allocates without bound or
//! leaves the folder: a damaged memo, interface, run or object is a miss, and damage to what a run relies on (rows,
//! lineage, owners, intents, meta) is [`StoreError::Damaged`].

#![forbid(unsafe_code)]

mod builds;
mod codec;
mod compiled;
mod create;
mod encoding;
mod error;
mod files;
mod gc;
mod lock;
mod log;
mod objects;
mod place;
mod read;
mod record;
mod scan;
mod size;
mod slots;
mod snapshot;
mod store;
mod tables;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Holder, StoreError};
pub use gc::{GcPhase, GcPolicy, GcProgress, GcReport};
pub use record::{
    CallRecord, CollectionId, HINT_BYTES_MAX, INLINE_BYTES_MAX, Intent, IntentRow, KEY_BYTES_MAX,
    Lineage, LookupRecord, Member, MemberChange, MemoRecord, Outcome, Owner, RECORD_BYTES_MAX,
    RecipeId, RowHead, RowState, Step, Stored, TargetId, TargetRow, Usage, Why,
};
pub use scan::{
    ChangeIter, ChangedElement, DueIter, GroupIter, LineageIter, MemberIter, MemoIter, OwnerIter,
    PublishedIter, ReaderIter, RowIter, RunIter, StepIter,
};
pub use size::{Compaction, StoreSize};
pub use snapshot::Snapshot;
pub use store::{FORMAT, Store, StoreOptions};
pub use tables::{member_key, split_member_key};
pub use verify::{VerifyPhase, VerifyProgress, VerifyReport};
pub use writer::Writer;
