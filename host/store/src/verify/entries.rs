//! Entries: their records, and the values in them.

use std::collections::BTreeMap;

use super::{DAMAGED, Done, RECORDS_MAX, Stopped, Verifier, VerifyPhase, flow, type_of};
use crate::error::StoreError;
use crate::log::Lead;
use crate::record::{MemoRecord, Outcome, RecipeId, Stored};
use crate::slots::{Session, Tables};
use crate::tables::{HalfBytes, half};
use flowstone_core::{Fingerprint, RecipeRecord, ResultShape};

/// What a chunk of entries came to.
#[derive(Default)]
struct Chunk {
    entries: u64,
    damaged: u64,
    lost: u64,
    unchecked: u64,
    total: u64,
    /// How many records they led to, of how many.
    records: (u64, u64),
    cursor: Option<HalfBytes>,
}

/// How an entry is.
enum State {
    Sound,
    Damaged,
    /// It needs this object, whose type the recipe tells.
    Needs(Fingerprint, RecipeId),
    Unchecked,
}

/// The types of the results of recipes: of as many as are kept in memory.
#[derive(Default)]
pub(super) struct Types(BTreeMap<RecipeId, Option<Fingerprint>>);

impl Types {
    /// The fingerprint of the type of a recipe's results, where the recipe is there.
    pub(super) fn of<'txn>(
        &mut self,
        recipe: RecipeId,
        tables: &mut Tables<'txn>,
        session: Session<'txn>,
    ) -> Result<Option<Fingerprint>, StoreError> {
        if let Some(known) = self.0.get(&recipe) {
            return Ok(*known);
        }
        if self.0.len() >= RECORDS_MAX {
            self.0.clear();
        }
        let record: Option<RecipeRecord> = tables.recipe.get(session, recipe.0)?.or_miss();
        let result = record.and_then(|record| record.recipe.function.result);
        let shape = ResultShape::of(result.as_ref());
        let ty = shape.map(|shape| shape.value.fingerprint());
        self.0.insert(recipe, ty);
        Ok(ty)
    }
}

impl Verifier<'_> {
    /// Reads all entries, checks the values in them, and marks the objects that the others need.
    pub(super) fn entries(&mut self) -> Done {
        let repair = self.repair;
        self.chunks(VerifyPhase::Entries, |tables, session, cursor| {
            check_entries(tables, session, cursor, repair)
        })
    }

    /// Finds the entries whose objects turned out to be damaged.
    pub(super) fn lost(&mut self) -> Done {
        let repair = self.repair;
        if self.report.objects_damaged == 0 {
            return Ok(Ok(()));
        }
        self.chunks(VerifyPhase::Lost, |tables, session, cursor| {
            find_lost(tables, session, cursor, repair)
        })
    }

    fn chunks(
        &mut self,
        phase: VerifyPhase,
        mut check: impl for<'txn> FnMut(
            &mut Tables<'txn>,
            Session<'txn>,
            Option<HalfBytes>,
        ) -> Result<Chunk, StoreError>,
    ) -> Done {
        let (mut done, mut cursor) = (0, None);
        loop {
            let chunk = (self.store).write(|writer| {
                writer.collect(|tables, session, _| check(tables, session, cursor))
            })?;
            done += chunk.entries;
            if phase == VerifyPhase::Entries {
                self.entry_records.see(chunk.records);
                self.report.entries += chunk.entries;
            }
            self.report.entries_damaged += chunk.damaged;
            self.report.entries_lost += chunk.lost;
            self.report.entries_unchecked += chunk.unchecked;
            if !self.goes_on(phase, done, chunk.total) {
                return Ok(Err(Stopped));
            }
            cursor = chunk.cursor;
            if cursor.is_none() {
                return Ok(Ok(()));
            }
        }
    }
}

/// The entries after `cursor`, each with what `look` makes of it.
fn read_chunk<'txn, T>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    cursor: Option<HalfBytes>,
    mut look: impl FnMut(HalfBytes, Option<MemoRecord>) -> Option<T>,
) -> Result<(Chunk, Vec<T>), StoreError> {
    let (mut chunk, mut found, mut bytes) = (Chunk::default(), Vec::new(), 0);
    (chunk.total, chunk.records.1) = tables.memo.lens(session)?;
    let log = tables.memo.view(session)?;
    chunk.cursor = log.walk(cursor, |half, number, stored| {
        let lead = Lead::of(log.spec, &half, number, stored);
        found.extend(look(half, lead.record()));
        chunk.entries += 1;
        chunk.records.0 += u64::from(lead != Lead::Astray);
        bytes += stored.map_or(0, <[u8]>::len);
        Ok(flow(chunk.entries as usize, bytes))
    })?;
    Ok((chunk, found))
}

fn check_entries<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    cursor: Option<HalfBytes>,
    repair: bool,
) -> Result<Chunk, StoreError> {
    let (mut chunk, found) =
        read_chunk(tables, session, cursor, |key, record| Some((key, record)))?;
    let (mut dead, mut needed) = (Vec::new(), Vec::new());
    let mut types = Types::default();
    for (key, record) in found {
        match check(record, &mut types, tables, session)? {
            State::Sound => {}
            State::Unchecked => chunk.unchecked += 1,
            State::Needs(object, recipe) => {
                let half = half(object.as_bytes());
                if is_there(&object, tables, session)? {
                    needed.push((half, u64::from(recipe.0)));
                } else {
                    chunk.lost += 1;
                    dead.push(key);
                }
            }
            State::Damaged => {
                chunk.damaged += 1;
                dead.push(key);
            }
        }
    }
    needed.sort_unstable();
    for (object, recipe) in needed {
        (tables.type_mark).mark(session, &object, &recipe.to_le_bytes())?;
    }
    if repair {
        remove(tables, session, &dead)?;
    }
    Ok(chunk)
}

/// Whether there is an object by that fingerprint, or by what might be it.
fn is_there<'txn>(
    object: &Fingerprint,
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
) -> Result<bool, StoreError> {
    let half = half(object.as_bytes());
    let log = tables.object.view(session)?;
    let is_there = log.look(&half, |number, stored| {
        let lead = Lead::of(log.spec, &half, number, stored);
        lead.hash().is_none_or(|hash| hash == *object.as_bytes())
    })?;
    Ok(is_there.unwrap_or_default())
}

fn check<'txn>(
    record: Option<MemoRecord>,
    types: &mut Types,
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
) -> Result<State, StoreError> {
    let Some(record) = record else {
        return Ok(State::Damaged);
    };
    let Outcome::Value {
        fingerprint,
        stored,
        ..
    } = record.outcome
    else {
        return Ok(State::Sound);
    };
    let Some(ty) = types.of(record.recipe, tables, session)? else {
        return Ok(State::Unchecked);
    };
    Ok(match stored {
        Stored::Inline(bytes)
            if blake3::keyed_hash(ty.as_bytes(), &bytes) == *fingerprint.as_bytes() =>
        {
            State::Sound
        }
        Stored::Inline(_) => State::Damaged,
        Stored::Object => State::Needs(fingerprint, record.recipe),
    })
}

fn find_lost<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    cursor: Option<HalfBytes>,
    repair: bool,
) -> Result<Chunk, StoreError> {
    let (mut chunk, found) = read_chunk(tables, session, cursor, |key, record| {
        match record?.outcome {
            Outcome::Value {
                fingerprint,
                stored: Stored::Object,
                ..
            } => Some((key, fingerprint)),
            _ => None,
        }
    })?;
    let mut dead = Vec::new();
    for (key, object) in found {
        if type_of(&half(object.as_bytes()), tables, session)? == Some(DAMAGED) {
            dead.push(key);
        }
    }
    chunk.lost = dead.len() as u64;
    if repair {
        remove(tables, session, &dead)?;
    }
    Ok(chunk)
}

fn remove<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    keys: &[HalfBytes],
) -> Result<(), StoreError> {
    keys.iter().try_for_each(|key| {
        tables.memo.drop_entry(session, key)?;
        tables.usage.remove(session, key)
    })
}
