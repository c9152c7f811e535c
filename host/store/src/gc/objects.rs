//! Removing objects that no entry needs.

use std::cmp::Ordering;

use super::marks::{Follow, HalfBytes};
use super::state::State;
use super::{Chunk, GcPhase};
use crate::encoding::ObjectRecord;
use crate::error::StoreError;
use crate::log::{HASH_BYTES, Lead};
use crate::objects::file_name;

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

/// How many bytes an object has in its tables, and how many its file.
pub(super) fn object_bytes(lead: Lead<'_>) -> (u64, u64) {
    let file = match lead {
        Lead::Record(_, record) => record,
        Lead::Damage(stored) => stored.get(HASH_BYTES..).unwrap_or_default(),
        Lead::Astray => &[],
    };
    (lead.bytes(), ObjectRecord::file_bytes(file))
}

impl Chunk<'_, '_> {
    pub(super) fn objects(&mut self, state: &mut State) -> Result<(), StoreError> {
        let (place, session, limits) = (self.session.place, self.session, self.job.limits);
        let after: Option<HalfBytes> =
            (state.cursor.as_deref()).and_then(|key| key.try_into().ok());
        let marked = &*self.tables.object_mark.open(session)?;
        let mut marked = Follow::from(place, marked, after.unwrap_or_default(), |_, mark| {
            ObjectMark::of(mark)
        })?;
        let (mut records, mut bytes, mut dead) = (0, 0, Vec::new());
        let log = self.tables.object.view(session)?;
        let cursor = log.walk(after, |half, number, stored| {
            let mark = marked.at(&half, |_, _| {})?;
            let lead = Lead::of(log.spec, &half, number, stored);
            let (record, file) = object_bytes(lead);
            state.tally.object_records += u64::from(lead != Lead::Astray);
            state.tally.object_files += file;
            if !mark.is_some_and(|mark| mark.is_live(state.cut.run)) {
                state.tally.objects_removed += 1;
                state.tally.object_bytes_removed += record;
                state.tally.object_files_removed += file;
                // That of a damaged one is found to have no record, in the end.
                dead.push((half, lead.hash().filter(|_| file > 0)));
            }
            records += 1;
            bytes += stored.map_or(0, <[u8]>::len);
            Ok(limits.flow(records, bytes))
        })?;
        state.tally.objects += records as u64;
        if !self.job.policy.dry_run {
            for (half, file) in dead {
                self.tables.object.index.remove(session, &half)?;
                let value = file.map(flowstone_core::Fingerprint::from_bytes);
                self.garbage.extend(value.map(|value| file_name(&value)));
            }
        }
        let cursor = cursor.map(|half| half.to_vec());
        state.advance(records as u64, cursor, GcPhase::EntryRecords);
        Ok(())
    }
}
