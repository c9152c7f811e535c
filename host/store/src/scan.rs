//! Going through many records in the order of their keys, one at a time.

mod relation;

use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;
use std::vec;

use flowstone_core::{MemoKey, RunId};
use redb::{Key, OwnedRange, ReadOnlyTable, Value};

use crate::codec::Record;
use crate::encoding::{OwnerRecord, Raw};
use crate::error::StoreError;
use crate::log::ReadOnlyLog;
use crate::place::Place;
use crate::read::{Found, READ};
use crate::record::{Lineage, MemoRecord, Owner, RowHead};
use crate::tables::{Bytes, HEAD, Half, HalfBytes, LINEAGE, OWNER, RUN, TableSpec, target_key};

pub use self::relation::{
    ChangeIter, ChangedElement, DueIter, GroupIter, MemberIter, PublishedIter, ReaderIter, StepIter,
};

pub(crate) type RawRange<K, V = Bytes> = OwnedRange<K, V>;

/// The entries whose keys begin with a number.
pub(crate) fn prefix_range(
    place: &Place,
    table: &ReadOnlyTable<Bytes, Bytes>,
    prefix: u32,
) -> Result<RawRange<Bytes>, StoreError> {
    beginning_with(place, table, &prefix.to_be_bytes())
}

/// The entries whose keys begin with these bytes.
pub(crate) fn beginning_with(
    place: &Place,
    table: &ReadOnlyTable<Bytes, Bytes>,
    start: &[u8],
) -> Result<RawRange<Bytes>, StoreError> {
    // What comes after all of them is their beginning with its last byte raised, as far as that goes.
    let raised = start.iter().rposition(|byte| *byte != 0xff);
    let end = raised.map(|at| {
        let mut end = start[..=at].to_vec();
        end[at] += 1;
        end
    });
    let end = end
        .as_ref()
        .map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
    table
        .range_owned::<&[u8]>((Bound::Included(start), end))
        .map_err(|error| place.redb(READ, error))
}

/// The entries whose keys begin with `start`, behind the one with `after` behind that.
pub(crate) fn behind(
    place: &Place,
    table: &ReadOnlyTable<Bytes, Bytes>,
    start: &[u8],
    after: &[u8],
) -> Result<RawRange<Bytes>, StoreError> {
    let first = [start, after].concat();
    let end = crate::writer::after(start);
    let end = if end.is_empty() {
        Bound::Unbounded
    } else {
        Bound::Excluded(&*end)
    };
    place.guarded(|| {
        table
            .range_owned::<&[u8]>((Bound::Excluded(&*first), end))
            .map_err(|error| place.redb(READ, error))
    })
}

/// A range being read. After an error it is at its end.
pub(crate) struct Scan<K: Key + 'static, V: Value + 'static = Bytes> {
    place: Arc<Place>,
    range: Option<RawRange<K, V>>,
}

impl<K: Key + 'static, V: Value + 'static> Scan<K, V> {
    pub(crate) fn of(place: &Arc<Place>, range: RawRange<K, V>) -> Self {
        Self {
            place: Arc::clone(place),
            range: Some(range),
        }
    }

    /// One step with `step`, then `item` on the key and the stored bytes.
    fn next<T>(
        &mut self,
        step: impl FnOnce(&mut RawRange<K, V>) -> Option<<RawRange<K, V> as Iterator>::Item>,
        item: impl FnOnce(&Place, K::SelfType<'_>, V::SelfType<'_>) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let range = self.range.as_mut()?;
        let place = &*self.place;
        let next = place.guarded(|| {
            let Some(entry) = step(range) else {
                return Ok(None);
            };
            let (key, stored) = entry.map_err(|error| place.redb(READ, error))?;
            item(place, key.value(), stored.value()).map(Some)
        });
        if !matches!(next, Ok(Some(_))) {
            self.range = None;
        }
        next.transpose()
    }
}

/// The rows of a collection: see [`Snapshot::rows`](crate::Snapshot::rows).
pub struct RowIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for RowIter {
    type Item = Result<(Vec<u8>, RowHead), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            of_row(place, &HEAD, key, stored)
        })
    }
}

/// What was made of the rows of a collection: see [`Snapshot::lineages`](crate::Snapshot::lineages).
pub struct LineageIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for LineageIter {
    type Item = Result<(Vec<u8>, Lineage), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            of_row(place, &LINEAGE, key, stored)
        })
    }
}

/// A row's key, and its record in one of the tables of rows.
fn of_row<R: Record>(
    place: &Place,
    spec: &TableSpec<Bytes>,
    key: &[u8],
    stored: &[u8],
) -> Result<(Vec<u8>, R), StoreError> {
    let record = Found::of(spec, &key, stored).or_damaged(place, spec.name)?;
    let key = key.get(size_of::<u32>()..);
    key.map(<[u8]>::to_vec)
        .zip(record)
        .ok_or_else(|| place.damaged("a row has no collection"))
}

/// The rows of a target: see [`Snapshot::owned`](crate::Snapshot::owned).
pub struct OwnerIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for OwnerIter {
    type Item = Result<(Vec<u8>, Owner), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            let record: Option<OwnerRecord<'_>> =
                Found::of(&OWNER, &key, stored).or_damaged(place, OWNER.name)?;
            let item = record.and_then(|record| {
                let key = target_key(key, record.long_key.into_owned())?;
                Some((key, record.owner.into_owned()))
            });
            item.ok_or_else(|| place.damaged("a target row has no key"))
        })
    }
}

/// The runs: see [`Snapshot::runs`](crate::Snapshot::runs).
pub struct RunIter {
    pub(crate) scan: Scan<u64>,
}

impl Iterator for RunIter {
    type Item = Result<(RunId, String), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self
                .scan
                .next(DoubleEndedIterator::next_back, |_, run, stored| {
                    let text = Found::<Raw<'_>>::of(&RUN, &run, stored)
                        .or_miss()
                        .map(|Raw(bytes)| String::from_utf8(bytes.into_owned()));
                    Ok(text.and_then(Result::ok).map(|text| (RunId(run), text)))
                });
            match next? {
                Ok(Some(item)) => return Some(Ok(item)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What all calls led to: see [`Snapshot::memo_entries`](crate::Snapshot::memo_entries).
pub struct MemoIter {
    log: Arc<ReadOnlyLog>,
    scan: Scan<Half, u64>,
    /// The next entry of the index, once it was come to.
    ahead: Option<(HalfBytes, u64)>,
    /// The entries that wait, which go before those of the index.
    waiting: Peekable<vec::IntoIter<(HalfBytes, u64)>>,
}

impl MemoIter {
    /// Those that `scan` comes to in the index, and those that wait, in the same order.
    pub(crate) fn of(
        log: &Arc<ReadOnlyLog>,
        scan: Scan<Half, u64>,
        waiting: Vec<(HalfBytes, u64)>,
    ) -> Self {
        Self {
            log: Arc::clone(log),
            scan,
            ahead: None,
            waiting: waiting.into_iter().peekable(),
        }
    }

    /// The entry that comes next by its half.
    fn entry(&mut self) -> Option<Result<(HalfBytes, u64), StoreError>> {
        if self.ahead.is_none() {
            let next = self
                .scan
                .next(Iterator::next, |_, half, number| Ok((*half, number)));
            match next.transpose() {
                Ok(next) => self.ahead = next,
                Err(error) => return Some(Err(error)),
            }
        }
        let ahead = self.ahead;
        let is_next = |waiting: &(HalfBytes, u64)| ahead.is_none_or(|ahead| waiting.0 <= ahead.0);
        let Some(waiting) = self.waiting.next_if(is_next) else {
            return self.ahead.take().map(Ok);
        };
        // The same half in the index is that of what it takes the place of.
        self.ahead = ahead.filter(|ahead| ahead.0 != waiting.0);
        Some(Ok(waiting))
    }
}

impl Iterator for MemoIter {
    type Item = Result<(MemoKey, MemoRecord), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match self.entry()? {
                Ok((half, number)) => {
                    let place = &self.scan.place;
                    place.guarded(|| self.log.view(place).entry(&half, number))
                }
                Err(error) => Err(error),
            };
            match found {
                Ok(Some(item)) => return Some(Ok(item)),
                Ok(None) => {}
                Err(error) => {
                    self.scan.range = None;
                    self.ahead = None;
                    self.waiting = Vec::new().into_iter().peekable();
                    return Some(Err(error));
                }
            }
        }
    }
}
