//! Going through memo entries: what each is kept for, how long ago it was used, and what it takes.

use std::ops::Bound;

use flowstone_core::RunId;
use redb::ReadableTable;

use super::marks::{Follow, HalfBytes, half};
use super::state::EntryBytes;
use super::{GcLimits, GcPolicy};
use crate::error::StoreError;
use crate::place::Place;
use crate::read::{Found, READ};
use crate::record::{MemoRecord, Outcome, RecipeId, Stored, Usage};
use crate::tables::{Bytes, Half, Hash, MEMO, USAGE};

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
    pub(super) key: [u8; 32],
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
pub(super) struct View<'t, M, U, K> {
    pub(super) place: &'t Place,
    pub(super) memo: &'t M,
    pub(super) usage: &'t U,
    pub(super) used: &'t K,
}

impl<M, U, K> View<'_, M, U, K>
where
    M: ReadableTable<Hash, Bytes>,
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
        let place = self.place;
        let read = |error| place.redb(READ, error);
        let after: Option<&[u8; 32]> = cursor.and_then(|key| key.try_into().ok());
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let first = after.map_or([0; 16], half);
        let mut used = Follow::from(place, self.used, first, |_, _| ())?;
        let mut usage = Follow::from(place, self.usage, first, usage_of)?;
        let (mut entries, mut lost_usage, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut last = after.map(half);
        let range = (self.memo).range::<&[u8; 32]>((lower, Bound::Unbounded));
        for entry in range.map_err(read)? {
            let (key, stored) = entry.map_err(read)?;
            let (key, stored) = (*key.value(), stored.value());
            let at = half(&key);
            let is_used = used.at(&at, |_, ()| {})?.is_some();
            let usage = usage.at(&at, |skipped, _| {
                // Not that of the entry before.
                if last != Some(skipped) && lost_usage.len() < LOST_USAGE_MAX {
                    lost_usage.push(skipped);
                }
            })?;
            last = Some(at);
            bytes += stored.len();
            entries.push(entry_of(policy, key, stored, is_used, usage));
            if entries.len() >= limits.records || bytes >= limits.bytes {
                let cursor = Some(key.to_vec());
                return Ok(EntryChunk {
                    entries,
                    lost_usage,
                    cursor,
                });
            }
        }
        let past = [0xff; 16];
        usage.at(&past, |skipped, _| {
            if last != Some(skipped) && lost_usage.len() < LOST_USAGE_MAX {
                lost_usage.push(skipped);
            }
        })?;
        Ok(EntryChunk {
            entries,
            lost_usage,
            cursor: None,
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
    key: [u8; 32],
    stored: &[u8],
    is_used: bool,
    usage: Option<&UsageFound>,
) -> Entry {
    let record: Option<MemoRecord> = Found::of(&MEMO, &&key, stored).or_miss();
    let bytes = EntryBytes {
        memo: (key.len() + stored.len()) as u64,
        usage: usage.map_or(0, |(_, bytes)| *bytes),
    };
    let Some(record) = record else {
        return Entry {
            key,
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
        class,
        recipe: record.recipe,
        object,
        bytes,
    }
}
