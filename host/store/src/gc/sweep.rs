//! Removing entries that nothing needs, and marking the recipes of the others. Their records lie elsewhere, in another
//! order: they go with all that have no entry, in `strays`.

use std::collections::BTreeSet;

use redb::ReadableTable;

use super::entries::{Class, Entry};
use super::objects::{ObjectMark, object_bytes};
use super::state::State;
use super::{Chunk, GcPhase, marks};
use crate::error::StoreError;
use crate::log::Lead;
use crate::read::READ;

impl Chunk<'_, '_> {
    pub(super) fn sweep(&mut self, state: &mut State) -> Result<(), StoreError> {
        let dry_run = self.job.policy.dry_run;
        let found = self.entries(state)?;
        if self.job.policy.bytes_max.is_none() {
            self.rank_entries(state, &found.entries)?;
        }
        let records = (found.entries.iter()).filter(|entry| entry.has_record);
        state.tally.entry_records += records.count() as u64;
        let mut recipes = BTreeSet::new();
        for entry in &found.entries {
            if self.goes(entry, state)? {
                state.tally.removed_bytes.add(entry.bytes);
                if !dry_run {
                    let (tables, session) = (&mut *self.tables, self.session);
                    tables.memo.index.remove(session, &entry.key)?;
                    if entry.bytes.usage > 0 {
                        tables.usage.remove(session, &entry.key)?;
                    }
                }
            } else {
                recipes.insert(entry.recipe.0);
            }
        }
        state.tally.usage_removed += found.lost_usage.len() as u64;
        if !dry_run {
            for lost in &found.lost_usage {
                self.tables.usage.remove(self.session, lost)?;
            }
        }
        self.mark_recipes(&recipes)?;
        state.advance(found.entries.len() as u64, found.cursor, GcPhase::Objects);
        Ok(())
    }

    fn mark_recipes(&mut self, recipes: &BTreeSet<u32>) -> Result<(), StoreError> {
        let marks = &mut self.tables.recipe_mark;
        (recipes.iter()).try_for_each(|recipe| marks.mark(self.session, recipe, &[]))
    }

    /// Whether an entry goes.
    fn goes(&mut self, entry: &Entry, state: &mut State) -> Result<bool, StoreError> {
        let Class::Recent(_) = entry.class else {
            return Ok(entry.rank().is_none());
        };
        let rank = entry.rank().unwrap_or_default();
        let goes = rank < state.cut.run || rank == state.cut.run && state.cut.bytes > 0;
        if goes {
            state.tally.evicted += 1;
        }
        if goes && rank == state.cut.run {
            let mut freed = state.sizes.entries(entry.bytes);
            if let Some(object) = &entry.object {
                freed += self.release(object, rank, state)?;
            }
            state.cut.bytes = state.cut.bytes.saturating_sub(freed);
        }
        Ok(goes)
    }

    /// Takes back one mark of an object; what it takes, where that was the last.
    fn release(&mut self, object: &[u8; 32], rank: u64, state: &State) -> Result<u64, StoreError> {
        let session = self.session;
        let read = |error| session.place.redb(READ, error);
        let marks = &mut self.tables.object_mark;
        let half = marks::half(object);
        let mark = marks.open(session)?.get(&half).map_err(read)?;
        let mark = mark.map(|mark| ObjectMark::of(mark.value()));
        let Some(mut mark) = mark.filter(|mark| mark.rank == rank) else {
            return Ok(0);
        };
        mark.count = mark.count.saturating_sub(1);
        marks.mark(session, &half, &mark.bytes())?;
        if mark.count > 0 {
            return Ok(0);
        }
        let objects = self.tables.object.view(session)?;
        let freed = objects.look(&half, |number, stored| {
            let (record, file) = object_bytes(Lead::of(objects.spec, &half, number, stored));
            state.sizes.objects(record) + file
        })?;
        Ok(freed.unwrap_or_default())
    }
}
