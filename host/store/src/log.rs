//! Results and objects lie in the order in which they were written: what is written together lies together, on full
//! pages that are written once. An index of small entries tells the number of the record that a hash has.
//!
//! Entries of records that are written one batch after the other go into it many at once: until then they are in the
//! [`Tail`].
//!
//! The index carries no checksums. It need not: a record holds the whole hash that it is kept under, so an entry that
//! leads to nothing, or to the record of another hash, is a miss. Of two hashes that begin alike the later one is kept.
//! A record that no entry leads to is a stray: a collection removes it.

mod batch;
mod slot;
pub(crate) mod tail;

use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, OnceLock};

use flowstone_core::MemoKey;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use crate::codec::{CHECKSUM_BYTES, Record, decode, unseal};
use crate::error::StoreError;
use crate::place::Place;
use crate::read::READ;
use crate::record::MemoRecord;
use crate::tables::{Bytes, Half, HalfBytes, LogSpec, half};

pub(crate) use self::slot::LogSlot;
use self::tail::{DEFERRED_BYTES_MAX, DEFERRED_MAX, Waiting};
pub(crate) use self::tail::{Deferred, Tail, TailChange, TailChanges, Tails};

/// The length of a hash, which every record begins with.
pub(crate) const HASH_BYTES: usize = 32;

/// How many bytes the key and the value of an entry of the index have, and the key of its record.
const KEYS_BYTES: usize = size_of::<HalfBytes>() + 2 * size_of::<u64>();

/// What an entry of the index leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead<'a> {
    /// Nothing, or what belongs to another hash.
    Astray,
    /// Bytes that are not what was written.
    Damage(&'a [u8]),
    /// The record with this hash, without that and the checksum.
    Record(&'a [u8; 32], &'a [u8]),
}

impl<'a> Lead<'a> {
    /// What the entry for `half`, which is `number`, leads to: to what is stored there.
    pub(crate) fn of(
        spec: &LogSpec,
        half: &HalfBytes,
        number: u64,
        stored: Option<&'a [u8]>,
    ) -> Self {
        let Some(stored) = stored else {
            return Self::Astray;
        };
        let body = unseal(spec.records.tag, &number.to_le_bytes(), stored);
        match body.and_then(<[u8]>::split_first_chunk) {
            Some((hash, record)) if hash.starts_with(half) => Self::Record(hash, record),
            Some(_) => Self::Astray,
            None => Self::Damage(stored),
        }
    }

    /// How many bytes the entry and its record have.
    pub(crate) fn bytes(self) -> u64 {
        let stored = match self {
            Self::Astray => 0,
            Self::Damage(stored) => stored.len(),
            Self::Record(hash, record) => hash.len() + record.len() + CHECKSUM_BYTES,
        };
        (KEYS_BYTES + stored) as u64
    }

    /// The hash of the record, where there is one.
    pub(crate) fn hash(self) -> Option<[u8; 32]> {
        match self {
            Self::Record(hash, _) => Some(*hash),
            Self::Astray | Self::Damage(_) => None,
        }
    }

    /// The record, where it is one of this kind.
    pub(crate) fn record<R: Record>(self) -> Option<R> {
        match self {
            Self::Record(_, record) => decode(record),
            Self::Astray | Self::Damage(_) => None,
        }
    }
}

/// The record of `hash` in what is stored under `number`.
fn read<R: Record>(spec: &LogSpec, hash: &[u8; 32], number: u64, stored: &[u8]) -> Option<R> {
    if !stored.starts_with(hash) {
        return None;
    }
    let body = unseal(spec.records.tag, &number.to_le_bytes(), stored)?;
    decode(body.get(hash.len()..)?)
}

/// Both tables of a read transaction.
pub(crate) struct ReadOnlyLog {
    spec: &'static LogSpec,
    deferred: Arc<Deferred>,
    /// The number behind that of the last record, from which on entries that wait are later ones; once it was needed.
    end: OnceLock<u64>,
    pub(crate) index: ReadOnlyTable<Half, u64>,
    records: ReadOnlyTable<u64, Bytes>,
}

impl ReadOnlyLog {
    pub(crate) fn open(
        place: &Place,
        transaction: &ReadTransaction,
        spec: &'static LogSpec,
        deferred: Arc<Deferred>,
    ) -> Result<Self, StoreError> {
        let read = |error| place.redb(READ, error);
        Ok(Self {
            spec,
            deferred,
            end: OnceLock::new(),
            index: transaction
                .open_table(spec.index.definition)
                .map_err(read)?,
            records: transaction
                .open_table(spec.records.definition)
                .map_err(read)?,
        })
    }

    /// The entries that wait, from `first` on, in the order of the index.
    pub(crate) fn waiting_from(
        &self,
        place: &Place,
        first: &HalfBytes,
    ) -> Result<Vec<(HalfBytes, u64)>, StoreError> {
        let view = self.view(place);
        let mut waiting = Vec::new();
        for (half, number) in self.deferred.to_vec() {
            if half >= *first && view.knows(number)? {
                waiting.push((half, number));
            }
        }
        waiting.sort_unstable();
        Ok(waiting)
    }

    /// What a process that was cut off left behind `first`: entries for as many records as wait at most.
    pub(crate) fn left_behind(&self, place: &Place, first: u64) -> Result<Waiting, StoreError> {
        let read = |error| place.redb(READ, error);
        let mut left = Waiting::default();
        for record in self.records.range::<u64>(first..).map_err(read)? {
            let (number, stored) = record.map_err(read)?;
            let stored = stored.value();
            left.bytes = left.bytes.saturating_add(stored.len());
            if left.entries.len() == DEFERRED_MAX || left.bytes > DEFERRED_BYTES_MAX {
                break;
            }
            let half = stored.first_chunk();
            (left.entries).extend(half.map(|half| (*half, number.value())));
        }
        Ok(left)
    }

    pub(crate) fn view<'t>(
        &'t self,
        place: &'t Place,
    ) -> LogView<'t, ReadOnlyTable<Half, u64>, ReadOnlyTable<u64, Bytes>> {
        LogView {
            place,
            spec: self.spec,
            deferred: &self.deferred,
            end: Some(&self.end),
            index: &self.index,
            records: &self.records,
        }
    }
}

/// Both tables, for reading.
pub(crate) struct LogView<'t, I, R> {
    pub(crate) place: &'t Place,
    pub(crate) spec: &'static LogSpec,
    /// Entries that the index may not have, up to a number.
    deferred: &'t Deferred,
    end: Option<&'t OnceLock<u64>>,
    pub(crate) index: &'t I,
    pub(crate) records: &'t R,
}

impl<I, R> LogView<'_, I, R>
where
    I: ReadableTable<Half, u64>,
    R: ReadableTable<u64, Bytes>,
{
    /// The record of a hash. A damaged one is a miss.
    pub(crate) fn get<T: Record>(&self, hash: &[u8; 32]) -> Result<Option<T>, StoreError> {
        match self.number(&half(hash))? {
            Some(number) => self.get_at(hash, number),
            None => Ok(None),
        }
    }

    /// The record of a hash, if `number` is its number.
    fn get_at<T: Record>(&self, hash: &[u8; 32], number: u64) -> Result<Option<T>, StoreError> {
        let stored = self.records.get(number);
        let stored = stored.map_err(|error| self.place.redb(READ, error))?;
        Ok(stored.and_then(|stored| read(self.spec, hash, number, stored.value())))
    }

    /// What `see` makes of where the entry for `half` leads, where there is one: of its number, and of what is there.
    pub(crate) fn look<T>(
        &self,
        half: &HalfBytes,
        see: impl FnOnce(u64, Option<&[u8]>) -> T,
    ) -> Result<Option<T>, StoreError> {
        let Some(number) = self.number(half)? else {
            return Ok(None);
        };
        let stored = self.records.get(number);
        let stored = stored.map_err(|error| self.place.redb(READ, error))?;
        Ok(Some(see(
            number,
            stored.as_ref().map(redb::AccessGuard::value),
        )))
    }

    /// The memo entry that an entry of the index leads to.
    pub(crate) fn entry(
        &self,
        half: &HalfBytes,
        number: u64,
    ) -> Result<Option<(MemoKey, MemoRecord)>, StoreError> {
        let stored = self.records.get(number);
        let stored = stored.map_err(|error| self.place.redb(READ, error))?;
        let stored = stored.as_ref().map(redb::AccessGuard::value);
        Ok(match Lead::of(self.spec, half, number, stored) {
            Lead::Record(hash, record) => {
                decode(record).map(|record| (MemoKey::from_bytes(*hash), record))
            }
            Lead::Astray | Lead::Damage(_) => None,
        })
    }

    fn number(&self, half: &HalfBytes) -> Result<Option<u64>, StoreError> {
        if let Some(number) = self.deferred.get(half)
            && self.knows(number)?
        {
            return Ok(Some(number));
        }
        let number = self.index.get(half);
        let number = number.map_err(|error| self.place.redb(READ, error))?;
        Ok(number.map(|number| number.value()))
    }

    /// Whether an entry that waits is none of those that came later.
    fn knows(&self, number: u64) -> Result<bool, StoreError> {
        let Some(end) = self.end else {
            return Ok(true);
        };
        if let Some(end) = end.get() {
            return Ok(number < *end);
        }
        let last = self.records.last();
        let last = last.map_err(|error| self.place.redb(READ, error))?;
        let found = last.map_or(0, |(last, _)| last.value().saturating_add(1));
        Ok(number < *end.get_or_init(|| found))
    }

    /// Goes through the index behind `after`, until `see` breaks off: it is given each entry and what is stored under its
    /// number. Back comes the entry to go on behind; nothing at the end.
    pub(crate) fn walk(
        &self,
        after: Option<HalfBytes>,
        mut see: impl FnMut(HalfBytes, u64, Option<&[u8]>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<Option<HalfBytes>, StoreError> {
        let read = |error| self.place.redb(READ, error);
        let lower = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.index.range::<&HalfBytes>((lower, Bound::Unbounded));
        for entry in range.map_err(read)? {
            let (half, number) = entry.map_err(read)?;
            let (half, number) = (*half.value(), number.value());
            let stored = self.records.get(number).map_err(read)?;
            let stored = stored.as_ref().map(redb::AccessGuard::value);
            if see(half, number, stored)?.is_break() {
                return Ok(Some(half));
            }
        }
        Ok(None)
    }

    /// The numbers of strays behind `after`, in as many records and bytes as that; and where to go on.
    pub(crate) fn strays(
        &self,
        after: Option<u64>,
        (records_max, bytes_max): (usize, usize),
    ) -> Result<Strays, StoreError> {
        let read = |error| self.place.redb(READ, error);
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut strays, mut bytes) = (Strays::default(), 0);
        let mut halves: Vec<(HalfBytes, u64)> = Vec::new();
        let range = self.records.range::<u64>((lower, Bound::Unbounded));
        for entry in range.map_err(read)? {
            let (number, stored) = entry.map_err(read)?;
            let (number, stored) = (number.value(), stored.value());
            match stored.first_chunk() {
                Some(half) => halves.push((*half, number)),
                None => strays.numbers.push(number),
            }
            strays.records += 1;
            bytes += stored.len();
            if strays.records >= records_max || bytes >= bytes_max {
                strays.cursor = Some(number);
                break;
            }
        }
        // Pages of the index are come to once so, not once for each of their entries.
        halves.sort_unstable();
        for (half, number) in halves {
            if self.number(&half)? != Some(number) {
                strays.numbers.push(number);
            }
        }
        strays.numbers.sort_unstable();
        Ok(strays)
    }
}

/// What a part of the records came to.
#[derive(Default)]
pub(crate) struct Strays {
    pub(crate) records: usize,
    pub(crate) numbers: Vec<u64>,
    pub(crate) cursor: Option<u64>,
}
