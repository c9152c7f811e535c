//! Where a collection is: kept in the store, so that one that was cut off can go on.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use redb::ReadableTableMetadata;

use super::plan::{Cut, Plan, Sizes};
use super::{GcPhase, GcPolicy, GcProgress, GcReport};
use crate::encoding::Raw;
use crate::error::StoreError;
use crate::read::READ;
use crate::slots::{Session, Tables};
use crate::store::FILE_BYTES_ENTRY;

/// The name of the meta entry that holds the state.
pub(crate) const STATE_ENTRY: &str = "store/collection";

/// What was found and done so far. Bytes are those of keys and values; see [`Sizes`] for what they take.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) resumed: bool,
    pub(super) entries: u64,
    pub(super) in_use: u64,
    pub(super) pinned: u64,
    pub(super) recent: u64,
    pub(super) expired: u64,
    pub(super) damaged: u64,
    pub(super) evicted: u64,
    /// Of the entries that are expired or damaged.
    pub(super) expired_bytes: EntryBytes,
    pub(super) removed_bytes: EntryBytes,
    pub(super) usage_removed: u64,
    /// The records that entries led to.
    pub(super) entry_records: u64,
    pub(super) objects: u64,
    /// The records that objects led to.
    pub(super) object_records: u64,
    pub(super) objects_removed: u64,
    pub(super) object_bytes_removed: u64,
    /// Of all files of objects, and of those that go.
    pub(super) object_files: u64,
    pub(super) object_files_removed: u64,
    pub(super) recipes_removed: u64,
    pub(super) builds_removed: u64,
    pub(super) compiled_removed: u64,
    pub(super) descriptions_removed: u64,
    pub(super) runs_removed: u64,
    /// Of recipes, descriptions, runs and so on that go.
    pub(super) other_bytes_removed: u64,
    /// Of all files of components, and of those that go.
    pub(super) code_files: u64,
    pub(super) code_files_removed: u64,
    pub(super) orphans: u64,
}

/// The bytes of entries in their tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryBytes {
    pub(super) memo: u64,
    pub(super) usage: u64,
}

impl EntryBytes {
    pub(super) fn add(&mut self, other: Self) {
        self.memo += other.memo;
        self.usage += other.usage;
    }
}

/// Where a collection is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    policy: String,
    pub(super) phase: GcPhase,
    /// The last key of the phase that is done.
    pub(super) cursor: Option<Vec<u8>>,
    /// How many records of the phase are done, and how many there were.
    done: u64,
    total: u64,
    /// How many records each table of a long phase had at the beginning.
    rows: u64,
    entries: u64,
    entry_records: u64,
    objects: u64,
    object_records: u64,
    pub(super) sizes: Sizes,
    pub(super) cut: Cut,
    pub(super) tally: Tally,
}

impl State {
    pub(super) fn new<'txn>(
        policy: &GcPolicy,
        tables: &mut Tables<'txn>,
        session: Session<'txn>,
    ) -> Result<Self, StoreError> {
        let read = |error| session.place.redb(READ, error);
        let rows = tables.lineage.open(session)?.len().map_err(read)?;
        let (entries, entry_records) = tables.memo.lens(session)?;
        let (objects, object_records) = tables.object.lens(session)?;
        Ok(Self {
            policy: id(policy),
            phase: GcPhase::Mark,
            cursor: None,
            done: 0,
            total: rows,
            rows,
            entries,
            entry_records,
            objects,
            object_records,
            sizes: Sizes::default(),
            cut: Cut::default(),
            tally: Tally::default(),
        })
    }

    /// The state of a collection under this policy, where one is under way.
    pub(super) fn read<'txn>(
        tables: &mut Tables<'txn>,
        session: Session<'txn>,
        policy: &GcPolicy,
    ) -> Result<Option<Self>, StoreError> {
        // Damage is a miss: the collection begins anew.
        let entry: Option<Raw<'_>> = tables.meta.get(session, STATE_ENTRY)?.or_miss();
        let state: Option<Self> = entry.and_then(|Raw(bytes)| serde_json::from_slice(&bytes).ok());
        Ok(state.filter(|state| state.policy == id(policy)))
    }

    pub(super) fn put<'txn>(
        &self,
        tables: &mut Tables<'txn>,
        session: Session<'txn>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_vec(self).expect("JSON can hold numbers, texts and lists");
        tables
            .meta
            .put(session, buffer, STATE_ENTRY, &Raw(Cow::Owned(json)))
    }

    pub(super) fn remove<'txn>(
        tables: &mut Tables<'txn>,
        session: Session<'txn>,
    ) -> Result<(), StoreError> {
        tables.meta.remove(session, STATE_ENTRY)
    }

    /// Sets right how much the files of objects take, which writers only count on.
    pub(super) fn put_file_bytes<'txn>(
        &self,
        tables: &mut Tables<'txn>,
        session: Session<'txn>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let bytes = (self.tally.object_files).saturating_sub(self.tally.object_files_removed);
        let record = Raw(Cow::Owned(bytes.to_le_bytes().to_vec()));
        tables.meta.put(session, buffer, FILE_BYTES_ENTRY, &record)
    }

    /// After a chunk of so many records that ended with `cursor`; without one, the phase is done.
    pub(super) fn advance(&mut self, records: u64, cursor: Option<Vec<u8>>, next: GcPhase) {
        self.done += records;
        self.cursor = cursor;
        if self.cursor.is_none() {
            self.enter(next);
        }
    }

    fn enter(&mut self, phase: GcPhase) {
        self.phase = phase;
        self.done = 0;
        self.total = match phase {
            GcPhase::Mark => self.rows,
            GcPhase::Rank | GcPhase::Sweep => self.entries,
            GcPhase::Objects => self.objects,
            GcPhase::EntryRecords => self.entry_records,
            GcPhase::ObjectRecords => self.object_records,
            GcPhase::Files => super::files::PARTS,
            _ => 1,
        };
    }

    /// How many records of entries no entry led to.
    pub(super) fn entry_strays(&self) -> u64 {
        self.entry_records.saturating_sub(self.tally.entry_records)
    }

    /// How many records of objects no object led to.
    pub(super) fn object_strays(&self) -> u64 {
        (self.object_records).saturating_sub(self.tally.object_records)
    }

    pub(super) fn adopt(&mut self, plan: Plan) {
        self.sizes = plan.sizes;
        self.cut = plan.cut;
        self.enter(GcPhase::Sweep);
    }

    pub(super) fn progress(&self) -> GcProgress {
        GcProgress {
            phase: self.phase,
            done: self.done,
            total: self.total.max(self.done),
        }
    }

    /// What the collection found and did so far.
    pub(super) fn report(&self, policy: &GcPolicy) -> GcReport {
        let tally = &self.tally;
        // Saturating: the figures may come out of a store that somebody else wrote.
        let sum = |numbers: &[u64]| numbers.iter().fold(0, |sum: u64, n| sum.saturating_add(*n));
        let removed = sum(&[tally.expired, tally.damaged, tally.evicted]);
        let bytes_before = sum(&[self.sizes.tables, tally.object_files, tally.code_files]);
        let bytes_removed = sum(&[
            self.sizes.entries(tally.removed_bytes),
            self.sizes.objects(tally.object_bytes_removed),
            tally.object_files_removed,
            tally.code_files_removed,
            tally.other_bytes_removed,
        ]);
        let bytes_after = bytes_before.saturating_sub(bytes_removed);
        GcReport {
            finished: false,
            resumed: tally.resumed,
            entries: tally.entries,
            kept: tally.entries.saturating_sub(removed),
            removed,
            in_use: tally.in_use,
            pinned: tally.pinned,
            recent: tally.recent.saturating_sub(tally.evicted),
            expired: tally.expired,
            evicted_for_size: tally.evicted,
            damaged: tally.damaged,
            objects: tally.objects,
            objects_removed: tally.objects_removed,
            recipes_removed: tally.recipes_removed,
            builds_removed: tally.builds_removed,
            compiled_removed: tally.compiled_removed,
            descriptions_removed: tally.descriptions_removed,
            runs_removed: tally.runs_removed,
            usage_removed: tally.usage_removed,
            orphans_removed: tally.orphans,
            bytes_before,
            bytes_removed,
            bytes_after,
            over_max: policy.bytes_max.is_some_and(|max| bytes_after > max),
        }
    }
}

/// What stands for a policy: a collection goes on only under the one that it began with.
fn id(policy: &GcPolicy) -> String {
    let json = serde_json::to_vec(policy).expect("JSON can hold numbers and lists");
    blake3::hash(&json).to_hex().to_string()
}
