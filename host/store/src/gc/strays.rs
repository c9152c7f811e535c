//! Removing records that no entry of the index leads to: those of entries and objects that this collection removed, and
//! what one before that was cut off left, or damage. They go in the order in which they lie, so that every page is
//! written once.

use super::state::State;
use super::{Chunk, GcPhase};
use crate::error::StoreError;
use crate::log::LogSlot;

/// How many times as many bytes are gone through at once as where records are looked into.
const BYTES_FACTOR: usize = 4;

impl Chunk<'_, '_> {
    pub(super) fn entry_records(&mut self, state: &mut State) -> Result<(), StoreError> {
        let tally = &state.tally;
        let removed = tally.expired + tally.damaged + tally.evicted;
        let is_needed = removed + state.entry_strays() > 0;
        let next = GcPhase::ObjectRecords;
        if self.job.policy.dry_run || !is_needed {
            state.advance(0, None, next);
            return Ok(());
        }
        self.remove_strays(state, next, |chunk| &mut chunk.tables.memo)
    }

    pub(super) fn object_records(&mut self, state: &mut State) -> Result<(), StoreError> {
        let is_needed = state.tally.objects_removed + state.object_strays() > 0;
        let next = GcPhase::Recipes;
        if self.job.policy.dry_run || !is_needed {
            state.advance(0, None, next);
            return Ok(());
        }
        self.remove_strays(state, next, |chunk| &mut chunk.tables.object)
    }
}

impl<'txn> Chunk<'_, 'txn> {
    fn remove_strays(
        &mut self,
        state: &mut State,
        next: GcPhase,
        log: impl Fn(&mut Self) -> &mut LogSlot<'txn>,
    ) -> Result<(), StoreError> {
        let (session, limits) = (self.session, self.job.limits);
        let after = (state.cursor.as_deref()).and_then(|key| key.try_into().ok());
        let after = after.map(u64::from_le_bytes);
        let log = log(self);
        // The more there are, the fewer times the index is gone through. Only numbers are kept in memory.
        let limits = (limits.marks, BYTES_FACTOR * limits.bytes);
        let strays = log.remove_strays(session, after, limits)?;
        let cursor = strays.cursor.map(|number| number.to_le_bytes().to_vec());
        state.advance(strays.records as u64, cursor, next);
        Ok(())
    }
}
