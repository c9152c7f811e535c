//! Removing objects that no entry needs.

use std::cmp::Ordering;
use std::ops::Bound;

use redb::ReadableTable;

use super::marks::{self, Follow};
use super::state::State;
use super::{Chunk, GcPhase};
use crate::encoding::ObjectRecord;
use crate::error::StoreError;
use crate::objects::file_name;
use crate::read::READ;

/// The mark of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectMark {
    /// The highest rank of an entry that needs it.
    pub(super) rank: u64,
    /// How many have that and are not removed.
    pub(super) count: u64,
}

impl ObjectMark {
    pub(super) fn of(stored: &[u8]) -> Self {
        let (rank, rest) = stored.split_first_chunk().unwrap_or((&[0; 8], &[]));
        Self {
            rank: u64::from_le_bytes(*rank),
            count: rest.first_chunk().copied().map_or(0, u64::from_le_bytes),
        }
    }

    pub(super) fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.rank.to_le_bytes());
        bytes[8..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// One more entry of this rank needs it.
    pub(super) fn add(&mut self, rank: u64) {
        *self = match rank.cmp(&self.rank) {
            Ordering::Less => *self,
            Ordering::Equal => Self {
                rank,
                count: self.count + 1,
            },
            Ordering::Greater => Self { rank, count: 1 },
        };
    }

    /// Whether it is needed still when all entries below the rank of the cut are gone, and some of that rank.
    fn is_live(self, cut: u64) -> bool {
        self.rank > cut || self.rank == cut && self.count > 0
    }
}

/// How many bytes the record of an object has, and how many its file.
pub(super) fn object_bytes(key: &[u8; 32], stored: &[u8]) -> (u64, u64) {
    let record = (key.len() + stored.len()) as u64;
    (record, ObjectRecord::file_bytes(stored))
}

impl Chunk<'_, '_> {
    pub(super) fn objects(&mut self, state: &mut State) -> Result<(), StoreError> {
        let (place, session, limits) = (self.session.place, self.session, self.job.limits);
        let after: Option<&[u8; 32]> =
            (state.cursor.as_deref()).and_then(|key| key.try_into().ok());
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let marked = &*self.tables.object_mark.open(session)?;
        let first = after.map_or([0; 16], marks::half);
        let mut marked = Follow::from(place, marked, first, |_, mark| ObjectMark::of(mark))?;
        let (mut records, mut bytes, mut cursor) = (0, 0, None);
        let mut dead = Vec::new();
        let table = self.tables.object.open(session)?;
        let range = table.range::<&[u8; 32]>((lower, Bound::Unbounded));
        for entry in range.map_err(|error| place.redb(READ, error))? {
            let (key, stored) = entry.map_err(|error| place.redb(READ, error))?;
            let (key, stored) = (*key.value(), stored.value());
            let mark = marked.at(&marks::half(&key), |_, _| {})?;
            let (record, file) = object_bytes(&key, stored);
            state.tally.object_files += file;
            let is_live = mark.is_some_and(|mark| mark.is_live(state.cut.run));
            if !is_live {
                state.tally.objects_removed += 1;
                state.tally.object_bytes_removed += record;
                state.tally.object_files_removed += file;
                dead.push((key, file > 0));
            }
            records += 1;
            bytes += stored.len();
            if records >= limits.records || bytes >= limits.bytes {
                cursor = Some(key.to_vec());
                break;
            }
        }
        state.tally.objects += records as u64;
        if !self.job.policy.dry_run {
            for (key, has_file) in dead {
                self.tables.object.remove(session, &key)?;
                if has_file {
                    let value = flowstone_core::Fingerprint::from_bytes(key);
                    self.garbage.push(file_name(&value));
                }
            }
        }
        state.advance(records as u64, cursor, GcPhase::Recipes);
        Ok(())
    }
}
