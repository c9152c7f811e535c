//! Removing recipes that nothing names, then what is kept of components that no recipe names; and records of old runs.

use std::ops::Bound;

use flowstone_core::{CodeId, ComponentDigest, RecipeRecord};
use redb::ReadableTable;

use super::components::{Removed, sweep_components};
use super::marks::{self, HalfBytes};
use super::state::State;
use super::{Chunk, GcPhase};
use crate::codec::{decode, unseal};
use crate::encoding::{BuildRecord, CompiledRecord};
use crate::error::StoreError;
use crate::read::{Found, READ};
use crate::record::RecipeId;
use crate::tables::{BUILD, COMPILED, RECIPE};
use crate::{builds, compiled};

impl Chunk<'_, '_> {
    /// Recipes; those that stay mark their components.
    pub(super) fn recipes(&mut self, state: &mut State) -> Result<(), StoreError> {
        let (place, session, policy) = (self.session.place, self.session, self.job.policy);
        let marked = &*self.tables.recipe_mark.open(session)?;
        let after = (state.cursor.as_deref()).and_then(|key| key.try_into().ok());
        let lower = after.map_or(Bound::Unbounded, |key| {
            Bound::Excluded(u32::from_le_bytes(key))
        });
        let (mut dead, mut components) = (Vec::new(), Vec::new());
        let (mut records, mut bytes, mut cursor) = (0, 0, None);
        let table = self.tables.recipe.open(session)?;
        let range = table.range::<u32>((lower, Bound::Unbounded));
        for entry in range.map_err(|error| place.redb(READ, error))? {
            let (id, stored) = entry.map_err(|error| place.redb(READ, error))?;
            let (id, stored) = (id.value(), stored.value());
            let is_marked = marked.get(id).map_err(|error| place.redb(READ, error))?;
            let recipe = RecipeId(id);
            let is_live = is_marked.is_some()
                || policy.live_recipes.contains(&recipe)
                || policy.pinned.contains(&recipe);
            if is_live {
                components.extend(components_of(id, stored));
            } else {
                dead.push(id);
                state.tally.other_bytes_removed += (size_of::<u32>() + stored.len()) as u64;
            }
            records += 1;
            bytes += stored.len();
            if records >= self.job.limits.records || bytes >= self.job.limits.bytes {
                cursor = Some(id.to_le_bytes().to_vec());
                break;
            }
        }
        state.tally.recipes_removed += dead.len() as u64;
        if !policy.dry_run {
            (dead.iter()).try_for_each(|id| self.tables.recipe.remove(session, *id))?;
        }
        components.sort_unstable();
        marks::set(&mut self.tables.component_mark, session, &components)?;
        state.advance(records as u64, cursor, GcPhase::Builds);
        Ok(())
    }

    pub(super) fn builds(&mut self, state: &mut State) -> Result<(), StoreError> {
        let tables = &mut *self.tables;
        let slot = (&mut tables.build, &mut tables.component_mark);
        let removed = sweep_components(self.job, self.session, slot, state, build_file)?;
        state.tally.builds_removed += removed.keys.len() as u64;
        let digests = removed
            .keys
            .iter()
            .filter_map(|key| key[..].try_into().ok());
        let names = digests.map(|digest| builds::file_name(&ComponentDigest::from_bytes(digest)));
        self.settle(state, &removed, names.collect(), GcPhase::Compiled);
        Ok(())
    }

    pub(super) fn compiled(&mut self, state: &mut State) -> Result<(), StoreError> {
        let tables = &mut *self.tables;
        let slot = (&mut tables.compiled, &mut tables.component_mark);
        let removed = sweep_components(self.job, self.session, slot, state, compiled_file)?;
        state.tally.compiled_removed += removed.keys.len() as u64;
        let names = removed
            .keys
            .iter()
            .filter_map(|key| compiled::file_of_record(key));
        self.settle(state, &removed, names.collect(), GcPhase::Interfaces);
        Ok(())
    }

    pub(super) fn interfaces(&mut self, state: &mut State) -> Result<(), StoreError> {
        let tables = &mut *self.tables;
        let slot = (&mut tables.interface, &mut tables.component_mark);
        let removed = sweep_components(self.job, self.session, slot, state, |_, _| 0)?;
        state.tally.descriptions_removed += removed.keys.len() as u64;
        self.settle(state, &removed, Vec::new(), GcPhase::Functions);
        Ok(())
    }

    pub(super) fn functions(&mut self, state: &mut State) -> Result<(), StoreError> {
        let tables = &mut *self.tables;
        let slot = (&mut tables.functions, &mut tables.component_mark);
        let removed = sweep_components(self.job, self.session, slot, state, |_, _| 0)?;
        state.tally.descriptions_removed += removed.keys.len() as u64;
        self.settle(state, &removed, Vec::new(), GcPhase::Runs);
        Ok(())
    }

    /// The newest run stays in any case: the number of the next one follows from it.
    pub(super) fn runs(&mut self, state: &mut State) -> Result<(), StoreError> {
        let (place, session) = (self.session.place, self.session);
        let after = (state.cursor.as_deref()).and_then(|key| key.try_into().ok());
        let lower = after.map_or(Bound::Unbounded, |key| {
            Bound::Excluded(u64::from_le_bytes(key))
        });
        let table = self.tables.run.open(session)?;
        let newest = table.last().map_err(|error| place.redb(READ, error))?;
        let newest = newest.map_or(0, |(run, _)| run.value());
        let upper = Bound::Excluded(self.job.policy.runs_since.0.min(newest));
        let (mut dead, mut cursor) = (Vec::new(), None);
        if !is_empty(&lower, &upper) {
            let range = table.range::<u64>((lower, upper));
            for entry in range.map_err(|error| place.redb(READ, error))? {
                let (run, stored) = entry.map_err(|error| place.redb(READ, error))?;
                dead.push(run.value());
                state.tally.other_bytes_removed += (size_of::<u64>() + stored.value().len()) as u64;
                if dead.len() >= self.job.limits.records {
                    cursor = Some(run.value().to_le_bytes().to_vec());
                    break;
                }
            }
        }
        state.tally.runs_removed += dead.len() as u64;
        if !self.job.policy.dry_run {
            (dead.iter()).try_for_each(|run| self.tables.run.remove(session, *run))?;
        }
        state.advance(dead.len() as u64, cursor, GcPhase::Files);
        Ok(())
    }

    fn settle(&mut self, state: &mut State, removed: &Removed, names: Vec<String>, next: GcPhase) {
        state.tally.code_files += removed.files;
        state.tally.code_files_removed += removed.dead_files;
        state.tally.other_bytes_removed += removed.bytes;
        if !self.job.policy.dry_run {
            self.garbage.extend(names);
        }
        state.advance(removed.records, removed.cursor.clone(), next);
    }
}

/// The components that a recipe names. A damaged one names none: its entries do not say what made them.
fn components_of(id: u32, stored: &[u8]) -> Vec<HalfBytes> {
    let recipe: Option<RecipeRecord> = Found::of(&RECIPE, &id, stored).or_miss();
    let mut halves = Vec::new();
    if let Some(record) = recipe {
        halves.push(marks::half(record.maker.component.as_bytes()));
        if let CodeId::Component { digest, .. } = &record.recipe.code {
            halves.push(marks::half(digest.as_bytes()));
        }
    }
    halves
}

fn is_empty(lower: &Bound<u64>, upper: &Bound<u64>) -> bool {
    // redb panics on a range that ends before it begins.
    match (lower, upper) {
        (Bound::Excluded(lower), Bound::Excluded(upper)) => lower >= upper,
        _ => false,
    }
}

/// The bytes of the file that a record in `build` is of.
pub(crate) fn build_file(key: &[u8], stored: &[u8]) -> u64 {
    let record: Option<BuildRecord> = unseal(BUILD.tag, key, stored).and_then(decode);
    record.map_or(0, |record| record.len)
}

/// The bytes of the file that a record in `compiled` is of.
pub(crate) fn compiled_file(key: &[u8], stored: &[u8]) -> u64 {
    let record: Option<CompiledRecord> = unseal(COMPILED.tag, key, stored).and_then(decode);
    record.map_or(0, |record| record.len)
}
