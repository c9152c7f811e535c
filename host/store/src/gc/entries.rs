//! Going through memo entries: what each is kept for, how long ago it was used, and what it takes.

use flowstone_core::RunId;
use redb::ReadableTable;

use super::marks::{Follow, HalfBytes};
use super::state::EntryBytes;
use super::{GcLimits, GcPolicy};
use crate::error::StoreError;
use crate::log::{Lead, LogView};
use crate::read::Found;
use crate::record::{MemoRecord, Outcome, RecipeId, Stored, Usage};
use crate::tables::{Bytes, Half, USAGE};

/// How many counts of use without an entry a chunk removes at most.
const LOST_USAGE_MAX: usize = 64 * 1024;

/// The rank of entries that never go.
pub(super) const KEPT: u64 = u64::MAX;

/// What an entry is kept for: the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    InUse,
    Pinned,
    /// It is young: the last run that made or reused it.
    Recent(RunId),
    Expired,
    /// It cannot be read, and so never be used.
    Damaged,
}

/// What a collection needs to know of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its key in the index.
    pub(super) key: HalfBytes,
    /// Whether the index leads to a record of it.
    pub(super) has_record: bool,
    pub(super) class: Class,
    pub(super) recipe: RecipeId,
    /// The fingerprint of its value, where that is an object.
    pub(super) object: Option<[u8; 32]>,
    pub(super) bytes: EntryBytes,
}

impl Entry {
    /// How much it should stay: nothing that must go has one.
    pub(super) fn rank(&self) -> Option<u64> {
        match self.class {
            Class::InUse | Class::Pinned => Some(KEPT),
            Class::Recent(run) => Some(run.0.min(KEPT - 1)),
            Class::Expired | Class::Damaged => None,
        }
    }
}

/// Entries in the order of their keys.
pub(super) struct EntryChunk {
    pub(super) entries: Vec<Entry>,
    /// Counts of use without an entry, before or between these. So many that they are more than a chunk should hold are
    /// left to the next collection.
    pub(super) lost_usage: Vec<HalfBytes>,
    /// The last key, where there are more.
    pub(super) cursor: Option<Vec<u8>>,
}

/// The tables that say all about entries.
pub(super) struct View<'t, I, R, U, K> {
    pub(super) memo: LogView<'t, I, R>,
    pub(super) usage: &'t U,
    pub(super) used: &'t K,
}

impl<I, R, U, K> View<'_, I, R, U, K>
where
    I: ReadableTable<Half, u64>,
    R: ReadableTable<u64, Bytes>,
    U: ReadableTable<Half, Bytes>,
    K: ReadableTable<Half, Bytes>,
{
    /// The entries after `cursor`, as many as the limits allow.
    pub(super) fn entries(
        &self,
        policy: &GcPolicy,
        limits: &GcLimits,
        cursor: Option<&[u8]>,
    ) -> Result<EntryChunk, StoreError> {
        let place = self.memo.place;
        let after: Option<HalfBytes> = cursor.and_then(|key| key.try_into().ok());
        let first = after.unwrap_or_default();
        let mut used = Follow::from(place, self.used, first, |_, _| ())?;
        let mut usage = Follow::from(place, self.usage, first, usage_of)?;
        let (mut entries, mut lost_usage, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut last = after;
        let cursor = self.memo.walk(after, |key, number, stored| {
            let is_used = used.at(&key, |_, ()| {})?.is_some();
            let usage = usage.at(&key, |skipped, _| {
                // Not that of the entry before.
                if last != Some(skipped) && lost_usage.len() < LOST_USAGE_MAX {
                    lost_usage.push(skipped);
                }
            })?;
            last = Some(key);
            bytes += stored.map_or(0, <[u8]>::len);
            let lead = Lead::of(self.memo.spec, &key, number, stored);
            entries.push(entry_of(policy, (key, lead), is_used, usage));
            Ok(limits.flow(entries.len(), bytes))
        })?;
        if cursor.is_none() {
            let past = [0xff; 16];
            usage.at(&past, |skipped, _| {
                if last != Some(skipped) && lost_usage.len() < LOST_USAGE_MAX {
                    lost_usage.push(skipped);
                }
            })?;
        }
        Ok(EntryChunk {
            entries,
            lost_usage,
            cursor: cursor.map(|key| key.to_vec()),
        })
    }
}

/// A count of use, and its bytes.
type UsageFound = (Option<Usage>, u64);

fn usage_of(key: &HalfBytes, stored: &[u8]) -> UsageFound {
    let usage = Found::of(&USAGE, &key, stored).or_miss();
    (usage, (key.len() + stored.len()) as u64)
}

fn entry_of(
    policy: &GcPolicy,
    (key, lead): (HalfBytes, Lead<'_>),
    is_used: bool,
    usage: Option<&UsageFound>,
) -> Entry {
    let bytes = EntryBytes {
        memo: lead.bytes(),
        usage: usage.map_or(0, |(_, bytes)| *bytes),
    };
    let has_record = lead != Lead::Astray;
    let Some(record) = lead.record::<MemoRecord>() else {
        return Entry {
            key,
            has_record,
            class: Class::Damaged,
            recipe: RecipeId(0),
            object: None,
            bytes,
        };
    };
    let last = match usage {
        Some((Some(usage), _)) => record.run.max(usage.run),
        _ => record.run,
    };
    let class = if is_used {
        Class::InUse
    } else if policy.pinned.contains(&record.recipe) {
        Class::Pinned
    } else if last >= policy.used_since {
        Class::Recent(last)
    } else {
        Class::Expired
    };
    let object = match &record.outcome {
        Outcome::Value {
            fingerprint,
            stored: Stored::Object,
            ..
        } => Some(*fingerprint.as_bytes()),
        _ => None,
    };
    Entry {
        key,
        has_record: true,
        class,
        recipe: record.recipe,
        object,
        bytes,
    }
}
