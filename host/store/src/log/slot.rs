//! Writing: a record gets the next number, or keeps the one that it has. Its entry goes into the index at once, or waits
//! with those of other transactions.

use std::mem;
use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata, Table};

use super::tail::{DEFERRED_BYTES_MAX, DEFERRED_MAX, Waiting};
use super::{Deferred, Lead, LogView, Strays, Tail, TailChange};
use crate::codec::Record;
use crate::encoding::Raw;
use crate::error::StoreError;
use crate::place::Place;
use crate::read::READ;
use crate::slots::{Session, Slot, WRITE};
use crate::tables::{Bytes, Half, HalfBytes, LogSpec, half};

/// Both tables of a write transaction.
pub(crate) struct LogSlot<'txn> {
    spec: &'static LogSpec,
    pub(crate) index: Slot<'txn, Half, u64>,
    pub(crate) records: Slot<'txn, u64>,
    /// The number of the next record, once it was needed; and whether it is another than that in the meta entry.
    next: Option<u64>,
    has_given: bool,
    /// The entries that wait since before this transaction, until it enters them; and how many they were.
    deferred: Arc<Deferred>,
    waited: usize,
    /// Its own ones, where they are to wait as well.
    later: Option<Waiting>,
}

type WriteView<'t, 'txn> = LogView<'t, Table<'txn, Half, u64>, Table<'txn, u64, Bytes>>;

impl<'txn> LogSlot<'txn> {
    pub(crate) fn of(spec: &'static LogSpec, tail: &Tail) -> Self {
        let deferred = tail.deferred();
        Self {
            spec,
            index: Slot::of(&spec.index),
            records: Slot::of(&spec.records),
            next: None,
            has_given: false,
            waited: deferred.len(),
            deferred,
            later: None,
        }
    }

    pub(crate) fn close(self, place: &Place) -> Result<(), StoreError> {
        self.index.close(place).and(self.records.close(place))
    }

    /// Lets the entries of this transaction wait.
    pub(crate) fn defer(&mut self) {
        self.later.get_or_insert_default();
    }

    /// Both tables, once the index has all entries.
    pub(crate) fn view(
        &mut self,
        session: Session<'txn>,
    ) -> Result<WriteView<'_, 'txn>, StoreError> {
        self.enter_all(session)?;
        self.tables(session)
    }

    fn tables(&mut self, session: Session<'txn>) -> Result<WriteView<'_, 'txn>, StoreError> {
        Ok(LogView {
            place: session.place,
            spec: self.spec,
            deferred: &self.deferred,
            end: None,
            index: self.index.open(session)?,
            records: self.records.open(session)?,
        })
    }

    /// How many entries the index has, and how many records there are.
    pub(crate) fn lens(&mut self, session: Session<'txn>) -> Result<(u64, u64), StoreError> {
        let read = |error| session.place.redb(READ, error);
        let view = self.view(session)?;
        let entries = view.index.len().map_err(read)?;
        Ok((entries, view.records.len().map_err(read)?))
    }

    pub(crate) fn get<R: Record>(
        &mut self,
        session: Session<'txn>,
        hash: &[u8; 32],
    ) -> Result<Option<R>, StoreError> {
        let later = self.later.as_ref().map(|later| &later.entries);
        let number = later.and_then(|later| later.get(&half(hash)).copied());
        let tables = self.tables(session)?;
        match number {
            Some(number) => tables.get_at(hash, number),
            None => tables.get(hash),
        }
    }

    /// Keeps a record under `hash`, in place of the one that is kept under it or another hash that begins alike.
    pub(crate) fn put(
        &mut self,
        session: Session<'txn>,
        (meta, buffer): (&mut Slot<'txn, &'static str>, &mut Vec<u8>),
        hash: &[u8; 32],
        record: &impl Record,
    ) -> Result<(), StoreError> {
        let half = half(hash);
        let next = self.next(session, meta)?;
        if self.later.is_none() {
            self.enter_all(session)?;
        }
        // Most are new, which one insertion tells.
        let before = self.point(session, &half, next)?;
        let number = match before {
            Some(before) if self.is_of(session, &half, before)? => {
                self.point(session, &half, before)?;
                before
            }
            _ => {
                let after = next.checked_add(1);
                self.next = Some(after.ok_or_else(|| {
                    (session.place).damaged("the numbers for records are used up")
                })?);
                self.has_given = true;
                next
            }
        };
        (self.records).put_with(session, buffer, number, |out| {
            out.extend_from_slice(hash);
            record.write(out);
        })?;
        if let Some(later) = &mut self.later {
            later.bytes += buffer.len();
        }
        Ok(())
    }

    /// Makes `number` that of `half`, at once or later; back comes the one before, where that needs no looking up.
    fn point(
        &mut self,
        session: Session<'txn>,
        half: &HalfBytes,
        number: u64,
    ) -> Result<Option<u64>, StoreError> {
        match &mut self.later {
            Some(later) => {
                let before = later.entries.insert(*half, number);
                Ok(before.or_else(|| self.deferred.get(half)))
            }
            None => self.enter(session, half, number),
        }
    }

    /// Enters all entries that wait into the index. From here on, those of this transaction go there at once.
    pub(crate) fn enter_all(&mut self, session: Session<'txn>) -> Result<(), StoreError> {
        let mut entries = mem::take(&mut self.deferred).to_vec();
        let later = self.later.take().unwrap_or_default();
        entries.extend(later.entries);
        self.enter_each(session, entries)
    }

    /// Enters these, and removes the records that they led to before.
    fn enter_each(
        &mut self,
        session: Session<'txn>,
        mut entries: Vec<(HalfBytes, u64)>,
    ) -> Result<(), StoreError> {
        entries.sort_unstable();
        for (half, number) in entries {
            let before = self.enter(session, &half, number)?;
            let Some(before) = before.filter(|before| *before != number) else {
                continue;
            };
            if self.is_of(session, &half, before)? {
                self.records.remove(session, before)?;
            }
        }
        Ok(())
    }

    /// Enters `number` for `half` into the index; back comes the one before.
    fn enter(
        &mut self,
        session: Session<'txn>,
        half: &HalfBytes,
        number: u64,
    ) -> Result<Option<u64>, StoreError> {
        let before = self.index.open(session)?.insert(half, number);
        let before = before.map_err(|error| session.place.redb(WRITE, error))?;
        Ok(before.map(|before| before.value()))
    }

    /// Whether what is stored under `number` may be written over by what has this half.
    fn is_of(
        &mut self,
        session: Session<'txn>,
        half: &HalfBytes,
        number: u64,
    ) -> Result<bool, StoreError> {
        let stored = self.records.open(session)?.get(number);
        let stored = stored.map_err(|error| session.place.redb(READ, error))?;
        Ok(stored.is_some_and(|stored| stored.value().starts_with(half)))
    }

    /// Forgets the record of `hash`. That of another one which begins alike stays.
    pub(crate) fn remove(
        &mut self,
        session: Session<'txn>,
        hash: &[u8; 32],
    ) -> Result<(), StoreError> {
        let half = half(hash);
        let spec = self.spec;
        let is_another = self.view(session)?.look(&half, |number, stored| {
            matches!(Lead::of(spec, &half, number, stored), Lead::Record(found, _) if found != hash)
        })?;
        match is_another {
            Some(false) => self.drop_entry(session, &half),
            Some(true) | None => Ok(()),
        }
    }

    /// Removes the entry for `half` and what it leads to, unless that belongs to another hash.
    pub(crate) fn drop_entry(
        &mut self,
        session: Session<'txn>,
        half: &HalfBytes,
    ) -> Result<(), StoreError> {
        let spec = self.spec;
        let led = self.view(session)?.look(half, |number, stored| {
            (Lead::of(spec, half, number, stored) != Lead::Astray).then_some(number)
        })?;
        self.index.remove(session, half)?;
        match led.flatten() {
            Some(number) => self.records.remove(session, number),
            None => Ok(()),
        }
    }

    /// Removes the strays behind `after`, of as many records and bytes as that, and says what they were.
    pub(crate) fn remove_strays(
        &mut self,
        session: Session<'txn>,
        after: Option<u64>,
        limits: (usize, usize),
    ) -> Result<Strays, StoreError> {
        let strays = self.view(session)?.strays(after, limits)?;
        self.remove_records(session, &strays.numbers)?;
        Ok(strays)
    }

    /// Removes the records with these numbers, which come sorted, page by page.
    fn remove_records(
        &mut self,
        session: Session<'txn>,
        sorted_numbers: &[u64],
    ) -> Result<(), StoreError> {
        let (Some(&first), Some(&last)) = (sorted_numbers.first(), sorted_numbers.last()) else {
            return Ok(());
        };
        let removed = (self.records.open(session)?)
            .retain_in::<u64, _>(first..=last, |number, _| {
                sorted_numbers.binary_search(&number).is_err()
            });
        removed.map_err(|error| session.place.redb(WRITE, error))
    }

    /// The number of the next record: one that none ever had, so that no entry of the index that was left behind leads
    /// to it. Should the meta entry be damaged, it is at least none that is taken.
    fn next(
        &mut self,
        session: Session<'txn>,
        meta: &mut Slot<'txn, &'static str>,
    ) -> Result<u64, StoreError> {
        if let Some(next) = self.next {
            return Ok(next);
        }
        let kept = number_in(meta, session, self.spec.next_entry)?;
        let last = self.records.open(session)?.last();
        let last = last.map_err(|error| session.place.redb(READ, error))?;
        let free = last.map_or(0, |(last, _)| last.value().saturating_add(1));
        let next = kept.unwrap_or(0).max(free);
        Ok(*self.next.insert(next))
    }

    /// Writes down, before the transaction commits, which number comes next and from which one on entries wait. Back comes
    /// what becomes of those once it has.
    pub(crate) fn end(
        &mut self,
        session: Session<'txn>,
        meta: &mut Slot<'txn, &'static str>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<TailChange>, StoreError> {
        if let Some(next) = self.next.filter(|_| self.has_given) {
            put_number(meta, (session, buffer), self.spec.next_entry, next)?;
        }
        if let Some(later) = &self.later {
            let entries = self.deferred.len() + later.entries.len();
            let bytes = self.deferred.bytes() + later.bytes;
            if entries > DEFERRED_MAX || bytes > DEFERRED_BYTES_MAX {
                self.enter_all(session)?;
            }
        }
        let has_entered = self.waited > 0 && self.deferred.len() == 0;
        if has_entered {
            // Also what is put behind that.
            self.enter_all(session)?;
            meta.remove(session, self.spec.deferred_entry)?;
            return Ok(Some(TailChange::Entered));
        }
        let later = (self.later.take()).filter(|later| !later.entries.is_empty());
        let first = later.iter().flat_map(|later| later.entries.values()).min();
        if let (0, Some(first)) = (self.waited, first) {
            put_number(meta, (session, buffer), self.spec.deferred_entry, *first)?;
        }
        Ok(later.map(TailChange::Deferred))
    }
}

/// The number that a meta entry holds, where it does.
fn number_in<'txn>(
    meta: &mut Slot<'txn, &'static str>,
    session: Session<'txn>,
    name: &'static str,
) -> Result<Option<u64>, StoreError> {
    let entry: Option<Raw<'_>> = meta.get(session, name)?.or_miss();
    let bytes = entry.and_then(|Raw(bytes)| <[u8; 8]>::try_from(&*bytes).ok());
    Ok(bytes.map(u64::from_le_bytes))
}

fn put_number<'txn>(
    meta: &mut Slot<'txn, &'static str>,
    (session, buffer): (Session<'txn>, &mut Vec<u8>),
    name: &'static str,
    number: u64,
) -> Result<(), StoreError> {
    let record = Raw(number.to_le_bytes().to_vec().into());
    meta.put(session, buffer, name, &record)
}
