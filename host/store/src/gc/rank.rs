//! Finding what each entry is kept for, and marking the objects of those that are.

use redb::ReadableTable;

use super::entries::{Class, Entry, EntryChunk, View};
use super::objects::ObjectMark;
use super::state::{State, Tally};
use super::{Chunk, GcPhase, marks};
use crate::error::StoreError;
use crate::read::READ;

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
        let view = View {
            memo: self.tables.memo.view(session)?,
            usage: &*self.tables.usage.open(session)?,
            used: &*self.tables.used.open(session)?,
        };
        view.entries(self.job.policy, &self.job.limits, state.cursor.as_deref())
    }

    /// Adds to the marks of objects, which come sorted.
    fn mark_objects(&mut self, objects: &[(marks::HalfBytes, u64)]) -> Result<(), StoreError> {
        let session = self.session;
        for same in objects.chunk_by(|a, b| a.0 == b.0) {
            let half = &same[0].0;
            let marks = &mut self.tables.object_mark;
            let before = marks.open(session)?.get(half);
            let before = before.map_err(|error| session.place.redb(READ, error))?;
            let before = before.map(|mark| ObjectMark::of(mark.value()));
            let mut mark = before.unwrap_or_default();
            for (_, rank) in same {
                mark.add(*rank);
            }
            marks.mark(session, half, &mark.bytes())?;
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
