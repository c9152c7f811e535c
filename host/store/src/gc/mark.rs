//! Marking the calls that rows use.

use std::ops::Bound;

use redb::ReadableTable;

use super::state::State;
use super::{Chunk, GcPhase, marks};
use crate::error::StoreError;
use crate::read::{Found, READ};
use crate::record::Lineage;
use crate::tables::LINEAGE;

impl Chunk<'_, '_> {
    pub(super) fn mark(&mut self, state: &mut State) -> Result<(), StoreError> {
        let place = self.session.place;
        let limits = self.job.limits;
        let (mut halves, mut rows, mut cursor) = (Vec::new(), 0, None);
        let lower = match &state.cursor {
            Some(last) => Bound::Excluded(&**last),
            None => Bound::Unbounded,
        };
        let table = self.tables.lineage.open(self.session)?;
        for entry in table
            .range::<&[u8]>((lower, Bound::Unbounded))
            .map_err(|error| place.redb(READ, error))?
        {
            let (key, stored) = entry.map_err(|error| place.redb(READ, error))?;
            // Not a miss: what is not marked is removed.
            let lineage: Option<Lineage> = Found::of(&LINEAGE, &key.value(), stored.value())
                .or_damaged(place, LINEAGE.name)?;
            let calls = lineage.into_iter().flat_map(|lineage| lineage.calls);
            halves.extend(calls.map(|call| marks::half(call.key.as_bytes())));
            rows += 1;
            if halves.len() >= limits.marks || rows >= limits.records {
                cursor = Some(key.value().to_vec());
                break;
            }
        }
        halves.sort_unstable();
        halves.dedup();
        marks::set(&mut self.tables.used, self.session, &halves)?;
        // Which entries go because of the size follows from the ranks of all.
        let next = match self.job.policy.bytes_max {
            Some(_) => GcPhase::Rank,
            None => GcPhase::Plan,
        };
        state.advance(rows as u64, cursor, next);
        Ok(())
    }
}
