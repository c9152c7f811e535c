//! Finding what each entry is kept for, and marking the objects of those that are.

use redb::ReadableTable;

use super::entries::{Class, Entry, EntryChunk, View};
use super::state::{State, Tally};
use super::{Chunk, GcPhase, marks};
use crate::error::StoreError;
use crate::slots::WRITE;

impl Chunk<'_, '_> {
    pub(super) fn rank(&mut self, state: &mut State) -> Result<(), StoreError> {
        let found = self.entries(state)?;
        self.rank_entries(state, &found.entries)?;
        state.advance(found.entries.len() as u64, found.cursor, GcPhase::Plan);
        Ok(())
    }

    /// Counts entries by what they are kept for, and marks the objects of those that are.
    pub(super) fn rank_entries(
        &mut self,
        state: &mut State,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let mut objects = Vec::new();
        for entry in entries {
            count(&mut state.tally, entry);
            let ranked = entry.object.zip(entry.rank());
            objects.extend(ranked.map(|(object, rank)| (marks::half(&object), rank)));
        }
        objects.sort_unstable();
        self.mark_objects(&objects)
    }

    /// The entries after the cursor.
    pub(super) fn entries(&mut self, state: &State) -> Result<EntryChunk, StoreError> {
        let session = self.session;
        let used = (session.transaction.open_table(marks::USED))
            .map_err(|error| session.place.redb(WRITE, error))?;
        let view = View {
            place: session.place,
            memo: &*self.tables.memo.open(session)?,
            usage: &*self.tables.usage.open(session)?,
            used: &used,
        };
        view.entries(self.job.policy, &self.job.limits, state.cursor.as_deref())
    }

    /// Adds to the marks of objects, which come sorted.
    fn mark_objects(&mut self, objects: &[(marks::HalfBytes, u64)]) -> Result<(), StoreError> {
        if objects.is_empty() {
            return Ok(());
        }
        let session = self.session;
        let mut table = (session.transaction.open_table(marks::OBJECTS))
            .map_err(|error| session.place.redb(WRITE, error))?;
        let write = |error| session.place.redb(WRITE, error);
        for same in objects.chunk_by(|a, b| a.0 == b.0) {
            let before = table.get(&same[0].0).map_err(write)?;
            let mut mark = before.map_or((0, 0), |mark| mark.value());
            for (_, rank) in same {
                mark = match rank.cmp(&mark.0) {
                    std::cmp::Ordering::Less => mark,
                    std::cmp::Ordering::Equal => (mark.0, mark.1 + 1),
                    std::cmp::Ordering::Greater => (*rank, 1),
                };
            }
            table.insert(&same[0].0, mark).map_err(write)?;
        }
        Ok(())
    }
}

fn count(tally: &mut Tally, entry: &Entry) {
    tally.entries += 1;
    let counter = match entry.class {
        Class::InUse => &mut tally.in_use,
        Class::Pinned => &mut tally.pinned,
        Class::Recent(_) => &mut tally.recent,
        Class::Expired => &mut tally.expired,
        Class::Damaged => &mut tally.damaged,
    };
    *counter += 1;
    if entry.rank().is_none() {
        tally.expired_bytes.add(entry.bytes);
    }
}
