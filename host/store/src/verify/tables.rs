//! All other tables: records that check out or not.

use std::ops::Bound;

use flowstone_core::{Interface, RecipeRecord};
use redb::{Key, ReadableTable};

use super::{BYTES_MAX, Done, RECORDS_MAX, Stopped, Verifier, VerifyPhase};
use crate::codec::{Record, decode, unseal};
use crate::encoding::{ChangeRecord, FunctionsRecord, Nothing, OwnerRecord, Raw};
use crate::error::StoreError;
use crate::read::READ;
use crate::record::{Intent, Lineage, Member, RowHead, Step, Usage};
use crate::slots::{Session, Slot, Tables};
use crate::tables::{
    CHANGE, DUE, FUNCTIONS, HEAD, INTENT, INTERFACE, LINEAGE, MEMBER, META, OWNER, READER, RECIPE,
    RUN, STEP, USAGE,
};

/// One of the tables.
pub(super) type SlotOf<K> = for<'t, 'txn> fn(&'t mut Tables<'txn>) -> &'t mut Slot<'txn, K>;

/// Whether a record is sound, by the bytes of its key and its own.
type IsSound<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// What a chunk of a table came to.
#[derive(Default)]
struct Chunk {
    records: u64,
    damaged: u64,
    cursor: Option<Vec<u8>>,
}

impl Verifier<'_> {
    pub(super) fn tables(&mut self) -> Done {
        let mut records = [
            self.table(|tables| &mut tables.recipe, true, &mut |key, stored| {
                is::<RecipeRecord>(RECIPE.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.usage, true, &mut |key, stored| {
                is::<Usage>(USAGE.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.interface, true, &mut |key, stored| {
                is::<Interface>(INTERFACE.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.functions, true, &mut |key, stored| {
                is::<FunctionsRecord<'_>>(FUNCTIONS.tag, key, stored)
            })?,
            (0, 0),
        ];
        records[4] = self.runs()?;
        self.report.records = records.iter().map(|(records, _)| records).sum();
        self.report.records_damaged = records.iter().map(|(_, damaged)| damaged).sum();
        let rows = self.rows()?;
        self.report.rows = rows.iter().map(|(records, _)| records).sum();
        self.report.rows_damaged = rows.iter().map(|(_, damaged)| damaged).sum();
        let done = self.report.records + self.report.rows;
        Ok(if self.goes_on(VerifyPhase::Records, done, done) {
            Ok(())
        } else {
            Err(Stopped)
        })
    }

    /// The record of the newest run stays even where it is damaged: the number of the next one follows from it.
    fn runs(&mut self) -> Result<(u64, u64), StoreError> {
        let newest = self.store.snapshot()?.last_run()?.unwrap_or_default();
        let newest = newest.0.to_le_bytes();
        let mut damaged_newest = 0;
        let (records, damaged) =
            self.table(|tables| &mut tables.run, true, &mut |key, stored| {
                let is_sound = is::<Raw<'_>>(RUN.tag, key, stored);
                damaged_newest += u64::from(!is_sound && key == newest);
                is_sound || key == newest
            })?;
        Ok((records, damaged + damaged_newest))
    }

    /// What a run rests on: never dropped.
    fn rows(&mut self) -> Result<[(u64, u64); 10], StoreError> {
        Ok([
            self.table(|tables| &mut tables.head, false, &mut |key, stored| {
                is::<RowHead>(HEAD.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.lineage, false, &mut |key, stored| {
                is::<Lineage>(LINEAGE.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.owner, false, &mut |key, stored| {
                is::<OwnerRecord<'_>>(OWNER.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.intent, false, &mut |key, stored| {
                is::<Intent>(INTENT.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.meta, false, &mut |key, stored| {
                is::<Raw<'_>>(META.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.member, false, &mut |key, stored| {
                is::<Member>(MEMBER.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.reader, false, &mut |key, stored| {
                is::<Nothing>(READER.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.due, false, &mut |key, stored| {
                is::<Nothing>(DUE.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.step, false, &mut |key, stored| {
                is::<Step>(STEP.tag, key, stored)
            })?,
            self.table(|tables| &mut tables.change, false, &mut |key, stored| {
                is::<ChangeRecord>(CHANGE.tag, key, stored)
            })?,
        ])
    }

    /// How many records a table has, and how many are damaged: dropped, where they may be and repair is asked for.
    pub(super) fn table<K: Key + 'static>(
        &mut self,
        slot: SlotOf<K>,
        may_drop: bool,
        is_sound: IsSound<'_>,
    ) -> Result<(u64, u64), StoreError> {
        let drops = may_drop && self.repair;
        let (mut records, mut damaged, mut cursor) = (0, 0, None);
        loop {
            let chunk = self.store.write(|writer| {
                writer.collect(|tables, session, _| {
                    check_chunk(slot(tables), session, cursor.as_deref(), drops, is_sound)
                })
            })?;
            records += chunk.records;
            damaged += chunk.damaged;
            cursor = chunk.cursor;
            if cursor.is_none() {
                return Ok((records, damaged));
            }
        }
    }
}

fn check_chunk<'txn, K: Key + 'static>(
    slot: &mut Slot<'txn, K>,
    session: Session<'txn>,
    cursor: Option<&[u8]>,
    drops: bool,
    is_sound: IsSound<'_>,
) -> Result<Chunk, StoreError> {
    let read = |error| session.place.redb(READ, error);
    let (mut chunk, mut dead, mut bytes) = (Chunk::default(), Vec::new(), 0);
    let lower = cursor.map_or(Bound::Unbounded, |key| Bound::Excluded(K::from_bytes(key)));
    let table = slot.open(session)?;
    for entry in table
        .range::<K::SelfType<'_>>((lower, Bound::Unbounded))
        .map_err(read)?
    {
        let (key, stored) = entry.map_err(read)?;
        let (key, stored) = (K::as_bytes(&key.value()).as_ref().to_vec(), stored.value());
        chunk.records += 1;
        bytes += stored.len();
        let is_full = chunk.records >= RECORDS_MAX as u64 || bytes >= BYTES_MAX;
        chunk.cursor = is_full.then(|| key.clone());
        if !is_sound(&key, stored) {
            chunk.damaged += 1;
            dead.push(key);
        }
        if is_full {
            break;
        }
    }
    if drops {
        (dead.iter()).try_for_each(|key| slot.remove(session, K::from_bytes(key)))?;
    }
    Ok(chunk)
}

fn is<R: Record>(tag: u8, key: &[u8], stored: &[u8]) -> bool {
    unseal(tag, key, stored).and_then(decode::<R>).is_some()
}
