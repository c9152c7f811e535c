//! Going through the rows of relations and the steps of folds.

use std::marker::PhantomData;

use super::{RawRange, Scan};
use crate::codec::Record;
use crate::encoding::{ChangeRecord, Nothing};
use crate::error::StoreError;
use crate::place::Place;
use crate::read::{Found, check};
use crate::record::{CollectionId, Member, Step};
use crate::tables::{Bytes, CHANGE, DUE, MEMBER, READER, STEP, TableSpec, split_group};

/// The elements of one group, in either direction.
pub struct ElementIter<R> {
    scan: Scan<Bytes>,
    backward: bool,
    spec: &'static TableSpec<Bytes>,
    /// What stands between the group and the element's key.
    skip: usize,
    record: PhantomData<R>,
}

/// The rows of a group of a relation: see [`Snapshot::members`](crate::Snapshot::members).
pub type MemberIter = ElementIter<Member>;

/// The elements of a level of a fold: see [`Snapshot::steps`](crate::Snapshot::steps).
pub type StepIter = ElementIter<Step>;

impl MemberIter {
    pub(crate) fn forward(scan: Scan<Bytes>) -> Self {
        Self::of(scan, false)
    }

    pub(crate) fn backward(scan: Scan<Bytes>) -> Self {
        Self::of(scan, true)
    }

    fn of(scan: Scan<Bytes>, backward: bool) -> Self {
        Self {
            scan,
            backward,
            spec: &MEMBER,
            skip: 0,
            record: PhantomData,
        }
    }
}

impl StepIter {
    pub(crate) fn forward(scan: Scan<Bytes>) -> Self {
        Self::of(scan, false)
    }

    pub(crate) fn backward(scan: Scan<Bytes>) -> Self {
        Self::of(scan, true)
    }

    fn of(scan: Scan<Bytes>, backward: bool) -> Self {
        Self {
            scan,
            backward,
            spec: &STEP,
            skip: 1,
            record: PhantomData,
        }
    }
}

fn step(
    backward: bool,
) -> impl FnOnce(&mut RawRange<Bytes>) -> Option<<RawRange<Bytes> as Iterator>::Item> {
    move |range| {
        if backward {
            range.next_back()
        } else {
            range.next()
        }
    }
}

impl<R: Record> Iterator for ElementIter<R> {
    type Item = Result<(Vec<u8>, R), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (spec, skip) = (self.spec, self.skip);
        self.scan.next(step(self.backward), |place, key, stored| {
            let record = Found::of(spec, &key, stored).or_damaged(place, spec.name)?;
            let (_, element) = group_of(place, key)?;
            let element = element.get(skip..).unwrap_or_default().to_vec();
            record
                .map(|record| (element, record))
                .ok_or_else(|| place.damaged("a row of a relation has no values"))
        })
    }
}

fn group_of<'k>(place: &Place, key: &'k [u8]) -> Result<(Vec<u8>, &'k [u8]), StoreError> {
    split_group(key).ok_or_else(|| place.damaged("a row of a relation has no group"))
}

/// All rows of a relation: see [`Snapshot::published`](crate::Snapshot::published).
pub struct PublishedIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for PublishedIter {
    type Item = Result<(Vec<u8>, u64), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            check(place, &MEMBER, &key, stored)?;
            let row = key.get(size_of::<u32>()..).map(<[u8]>::to_vec);
            let row = row.ok_or_else(|| place.damaged("a row of a relation has no key"))?;
            Ok((row, stored.len() as u64))
        })
    }
}

/// The groups of a relation: see [`Snapshot::groups`](crate::Snapshot::groups).
pub struct GroupIter {
    scan: Scan<Bytes>,
    /// The first row of the next group: its group, and how many bytes it takes.
    next: Option<(Vec<u8>, u64)>,
}

impl GroupIter {
    pub(crate) fn of(scan: Scan<Bytes>) -> Self {
        Self { scan, next: None }
    }

    fn row(&mut self) -> Option<Result<(Vec<u8>, u64), StoreError>> {
        self.scan.next(Iterator::next, |place, key, stored| {
            check(place, &MEMBER, &key, stored)?;
            let (group, _) = group_of(place, key)?;
            Ok((group, stored.len() as u64))
        })
    }
}

impl Iterator for GroupIter {
    type Item = Result<(Vec<u8>, u64, u64), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.next.take() {
            Some(first) => Ok(first),
            None => self.row()?,
        };
        let (group, mut bytes) = match first {
            Ok(first) => first,
            Err(error) => return Some(Err(error)),
        };
        let mut rows = 1;
        loop {
            match self.row() {
                Some(Ok((next, more))) if next == group => {
                    rows += 1;
                    bytes += more;
                }
                Some(Ok(other)) => {
                    self.next = Some(other);
                    break;
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        Some(Ok((group, rows, bytes)))
    }
}

/// The rows of a collection that are due: see [`Snapshot::due`](crate::Snapshot::due).
pub struct DueIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for DueIter {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            super::of_row::<Nothing>(place, &DUE, key, stored).map(|(key, _)| key)
        })
    }
}

/// Who looked something up: see [`Snapshot::readers`](crate::Snapshot::readers).
pub struct ReaderIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for ReaderIter {
    type Item = Result<(CollectionId, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            check(place, &READER, &key, stored)?;
            // Behind the relation and the hash.
            let row = key.get(size_of::<u32>() + size_of::<[u8; 16]>()..);
            let row = row.and_then(<[u8]>::split_first_chunk);
            let (collection, row) = row
                .ok_or_else(|| place.damaged("the key of a reader has no collection".to_owned()))?;
            Ok((CollectionId(u32::from_be_bytes(*collection)), row.to_vec()))
        })
    }
}

/// An element of a fold that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChangedElement {
    /// The group.
    pub group: Vec<u8>,
    /// The level: 0 for the members.
    pub level: u8,
    /// The element's key.
    pub element: Vec<u8>,
    /// Whether it came or went, instead of having another value.
    pub structure: bool,
}

/// The changes of a relation: see [`Snapshot::changes`](crate::Snapshot::changes).
pub struct ChangeIter {
    pub(crate) scan: Scan<Bytes>,
}

impl Iterator for ChangeIter {
    type Item = Result<ChangedElement, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next(Iterator::next, |place, key, stored| {
            let record: Option<ChangeRecord> =
                Found::of(&CHANGE, &key, stored).or_damaged(place, CHANGE.name)?;
            let (group, rest) = group_of(place, key)?;
            let element = rest.split_first().zip(record);
            let ((level, element), record) =
                element.ok_or_else(|| place.damaged("a change says not what changed"))?;
            Ok(ChangedElement {
                group,
                level: *level,
                element: element.to_vec(),
                structure: record.structure,
            })
        })
    }
}
