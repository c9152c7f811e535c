//! Measuring the store, and finding which entries go because it is too large.
//!
//! The entries least recently used go first. Where to cut is read off a histogram of bytes by the last run that used
//! them, with so many buckets that it stays small; where the cut falls into a bucket of several runs, that bucket alone
//! is measured again. Among the entries of one run those with the lowest keys go: no order of theirs means anything.

use std::collections::BTreeMap;
use std::ops::{Add, ControlFlow, RangeInclusive};
use std::sync::Arc;

use redb::{Key, ReadTransaction, ReadableDatabase, ReadableTableMetadata, Value};
use serde::{Deserialize, Serialize};

use super::Job;
use super::code::{build_file, compiled_file};
use super::components::all_files;
use super::entries::{Class, KEPT, View};
use super::marks::Follow;
use super::objects::{ObjectMark, object_bytes};
use super::state::{EntryBytes, State};
use crate::error::StoreError;
use crate::log::{Lead, ReadOnlyLog};
use crate::place::Place;
use crate::read::READ;
use crate::store::Store;
use crate::tables::{
    BUILD, CHANGE, COMPILED, DUE, FUNCTIONS, HEAD, INTENT, INTERFACE, LINEAGE, LogSpec, MEMBER,
    MEMO, META, OBJECT, OBJECT_MARK, OWNER, READER, RECIPE, RUN, STEP, TableSpec, USAGE, USED,
};

/// How many buckets a histogram has at most.
const BUCKETS_MAX: usize = 4096;

/// Where a store is too large, this part of the size given is freed beyond it, so that the next run does not make it
/// too large again.
const SLACK: u64 = 10;

/// How much the database takes, and how much a byte of an entry takes of that: in millionths, since pages are never
/// full.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sizes {
    pub(crate) tables: u64,
    memo: u64,
    usage: u64,
    object: u64,
}

impl Sizes {
    pub(super) fn entries(&self, bytes: EntryBytes) -> u64 {
        scaled(bytes.memo, self.memo).saturating_add(scaled(bytes.usage, self.usage))
    }

    pub(super) fn objects(&self, bytes: u64) -> u64 {
        scaled(bytes, self.object)
    }
}

const WHOLE: u64 = 1_000_000;

fn scaled(bytes: u64, millionths: u64) -> u64 {
    let scaled = u128::from(bytes) * u128::from(millionths) / u128::from(WHOLE);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Which of the young entries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// Those that were last used before this run.
    pub(super) run: u64,
    /// Of those that this run used last, as many as take so many bytes.
    pub(super) bytes: u64,
}

/// What was measured and decided.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) sizes: Sizes,
    pub(super) cut: Cut,
}

/// What a pass over entries and objects found.
#[derive(Default)]
struct Measured {
    histogram: Histogram,
    /// What objects that no kept entry needs take, and all files of objects.
    garbage: u64,
    files: u64,
}

impl Store {
    /// Measures and decides. Nothing when it was stopped.
    pub(super) fn plan(&self, job: &Job<'_>, state: &State) -> Result<Option<Plan>, StoreError> {
        let place = &*self.place;
        place.guarded(|| {
            let transaction = self
                .database()
                .begin_read()
                .map_err(|error| place.redb(READ, error))?;
            let sizes = measure_tables(place, &transaction)?;
            let pass = Pass {
                place,
                transaction: &transaction,
                job,
                sizes,
            };
            let cut = match job.policy.bytes_max {
                Some(bytes_max) => pass.cut(state, bytes_max)?,
                None => Some(Cut::default()),
            };
            Ok(cut.map(|cut| Plan { sizes, cut }))
        })
    }
}

/// What is there for measuring.
struct Pass<'t> {
    place: &'t Place,
    transaction: &'t ReadTransaction,
    job: &'t Job<'t>,
    sizes: Sizes,
}

impl Pass<'_> {
    fn cut(&self, state: &State, bytes_max: u64) -> Result<Option<Cut>, StoreError> {
        let mut runs = 0..=KEPT - 1;
        let Some(mut measured) = self.measure(&runs)? else {
            return Ok(None);
        };
        let size = self.sizes.tables + measured.files + self.code_files()?;
        let goes = measured.garbage + self.sizes.entries(state.tally.expired_bytes);
        if size.saturating_sub(goes) <= bytes_max {
            return Ok(Some(Cut::default()));
        }
        let mut excess = size - goes - (bytes_max - bytes_max / SLACK);
        loop {
            let Some((bucket, rest)) = measured.histogram.bucket_at(excess) else {
                // Not even all of them are enough.
                let (run, bytes) = (KEPT, 0);
                return Ok(Some(Cut { run, bytes }));
            };
            if bucket.start() == bucket.end() {
                let (run, bytes) = (*bucket.start(), rest);
                return Ok(Some(Cut { run, bytes }));
            }
            (runs, excess) = (bucket, rest);
            match self.measure(&runs)? {
                Some(again) => measured = again,
                None => return Ok(None),
            }
        }
    }

    /// Measures what was last used by one of these runs.
    fn measure(&self, runs: &RangeInclusive<u64>) -> Result<Option<Measured>, StoreError> {
        let mut measured = Measured::default();
        let done = self.measure_entries(runs, &mut measured)?
            && self.measure_objects(runs, &mut measured)?;
        Ok(done.then_some(measured))
    }

    fn measure_entries(
        &self,
        runs: &RangeInclusive<u64>,
        measured: &mut Measured,
    ) -> Result<bool, StoreError> {
        let open = |error| self.place.redb(READ, error);
        // The collection began by entering all that waited, and ends where more is written.
        let memo = ReadOnlyLog::open(self.place, self.transaction, &MEMO, Arc::default())?;
        let view = View {
            memo: memo.view(self.place),
            usage: &self
                .transaction
                .open_table(USAGE.definition)
                .map_err(open)?,
            used: &self.transaction.open_table(USED.definition).map_err(open)?,
        };
        let mut cursor = None;
        loop {
            if self.job.is_stopped() {
                return Ok(false);
            }
            let found = view.entries(self.job.policy, &self.job.limits, cursor.as_deref())?;
            for entry in &found.entries {
                if let (Class::Recent(_), Some(rank)) = (entry.class, entry.rank())
                    && runs.contains(&rank)
                {
                    let bytes = self.sizes.entries(entry.bytes);
                    measured.histogram.add(rank, bytes);
                }
            }
            cursor = found.cursor;
            if cursor.is_none() {
                return Ok(true);
            }
        }
    }

    fn measure_objects(
        &self,
        runs: &RangeInclusive<u64>,
        measured: &mut Measured,
    ) -> Result<bool, StoreError> {
        let (place, transaction) = (self.place, self.transaction);
        let open = |error| place.redb(READ, error);
        let objects = ReadOnlyLog::open(place, transaction, &OBJECT, Arc::default())?;
        let marked = transaction
            .open_table(OBJECT_MARK.definition)
            .map_err(open)?;
        let mut marked = Follow::from(place, &marked, [0; 16], |_, mark| ObjectMark::of(mark))?;
        let mut index = 0;
        let stopped_at = objects.view(place).walk(None, |half, number, stored| {
            index += 1;
            if index % self.job.limits.records == 0 && self.job.is_stopped() {
                return Ok(ControlFlow::Break(()));
            }
            let (record, file) = object_bytes(Lead::of(&OBJECT, &half, number, stored));
            let bytes = self.sizes.objects(record) + file;
            measured.files += file;
            match marked.at(&half, |_, _| {})? {
                None => measured.garbage += bytes,
                Some(ObjectMark { rank, .. }) if runs.contains(rank) => {
                    measured.histogram.add(*rank, bytes);
                }
                Some(_) => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(stopped_at.is_none())
    }

    /// How much the files of components take.
    fn code_files(&self) -> Result<u64, StoreError> {
        let (place, transaction) = (self.place, self.transaction);
        let builds = all_files(place, transaction, &BUILD, build_file)?;
        Ok(builds + all_files(place, transaction, &COMPILED, compiled_file)?)
    }
}

/// Bytes by the last run that used them, in order. Where there are too many runs, neighbours share a bucket.
#[derive(Default)]
struct Histogram {
    /// By the first run of a bucket: the last one, and the bytes.
    buckets: BTreeMap<u64, (u64, u64)>,
}

impl Histogram {
    fn add(&mut self, run: u64, bytes: u64) {
        let bucket = self.buckets.range_mut(..=run).next_back();
        match bucket.filter(|(_, (last, _))| *last >= run) {
            Some((_, (_, sum))) => *sum += bytes,
            None => drop(self.buckets.insert(run, (run, bytes))),
        }
        if self.buckets.len() > BUCKETS_MAX {
            self.merge_neighbours();
        }
    }

    fn merge_neighbours(&mut self) {
        let mut before = std::mem::take(&mut self.buckets).into_iter();
        while let Some((first, (last, bytes))) = before.next() {
            let merged = match before.next() {
                Some((_, (last, more))) => (last, bytes + more),
                None => (last, bytes),
            };
            self.buckets.insert(first, merged);
        }
    }

    /// The bucket in which the sum reaches `bytes`, and how many of its own that takes. None when all are less.
    fn bucket_at(&self, bytes: u64) -> Option<(RangeInclusive<u64>, u64)> {
        let mut rest = bytes;
        for (&first, &(last, sum)) in &self.buckets {
            if sum >= rest {
                return Some((first..=last, rest));
            }
            rest -= sum;
        }
        None
    }
}

/// What all tables take in the database, without what is free.
pub(crate) fn measure_tables(
    place: &Place,
    transaction: &ReadTransaction,
) -> Result<Sizes, StoreError> {
    fn stats<K: Key + 'static, V: Value + 'static>(
        place: &Place,
        transaction: &ReadTransaction,
        spec: &TableSpec<K, V>,
    ) -> Result<Taken, StoreError> {
        let table = transaction
            .open_table(spec.definition)
            .map_err(|error| place.redb(READ, error))?;
        let stats =
            ReadableTableMetadata::stats(&table).map_err(|error| place.redb(READ, error))?;
        Ok(Taken {
            pages: stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes(),
            stored: stats.stored_bytes(),
            records: ReadableTableMetadata::len(&table).map_err(|error| place.redb(READ, error))?,
        })
    }
    let log = |spec: &LogSpec| {
        let index = stats(place, transaction, &spec.index)?;
        let records = stats(place, transaction, &spec.records)?;
        // Records that nothing leads to go in any case, and would count as what entries take.
        let strays = records.records.saturating_sub(index.records);
        Ok(index + records.without(strays))
    };
    let usage = stats(place, transaction, &USAGE)?;
    let (memo, object) = (log(&MEMO)?, log(&OBJECT)?);
    let mut tables = memo + object + usage;
    for spec in [
        &HEAD, &LINEAGE, &OWNER, &COMPILED, &MEMBER, &READER, &DUE, &STEP, &CHANGE,
    ] {
        tables = tables + stats(place, transaction, spec)?;
    }
    for spec in [&INTERFACE, &FUNCTIONS, &BUILD] {
        tables = tables + stats(place, transaction, spec)?;
    }
    for spec in [&INTENT, &RUN] {
        tables = tables + stats(place, transaction, spec)?;
    }
    tables = tables + stats(place, transaction, &RECIPE)? + stats(place, transaction, &META)?;
    Ok(Sizes {
        tables: tables.pages,
        memo: memo.share(),
        usage: usage.share(),
        object: object.share(),
    })
}

/// What tables take.
#[derive(Clone, Copy)]
struct Taken {
    /// In the database.
    pages: u64,
    /// The bytes of keys and values alone.
    stored: u64,
    records: u64,
}

impl Taken {
    /// As much as there is without so many records, by their share.
    fn without(self, records: u64) -> Self {
        let left = self.records.saturating_sub(records);
        let part = |bytes: u64| {
            let part = u128::from(bytes) * u128::from(left);
            let part = part
                .checked_div(u128::from(self.records))
                .unwrap_or_default();
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        Self {
            pages: part(self.pages),
            stored: part(self.stored),
            records: left,
        }
    }

    /// How much a byte takes, in millionths.
    fn share(self) -> u64 {
        let share = self.pages.saturating_mul(WHOLE).checked_div(self.stored);
        share.unwrap_or(WHOLE)
    }
}

impl Add for Taken {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pages: self.pages + other.pages,
            stored: self.stored + other.stored,
            records: self.records + other.records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_finds_the_run_at_which_enough_is_freed() {
        let mut histogram = Histogram::default();
        for (run, bytes) in [(5, 10), (3, 7), (5, 1), (9, 2)] {
            histogram.add(run, bytes);
        }
        let at = |bytes| histogram.bucket_at(bytes);
        assert_eq!(at(1), Some((3..=3, 1)));
        assert_eq!(at(7), Some((3..=3, 7)));
        assert_eq!(at(8), Some((5..=5, 1)));
        assert_eq!(at(18), Some((5..=5, 11)));
        assert_eq!(at(20), Some((9..=9, 2)));
        assert_eq!(at(21), None);
    }

    #[test]
    fn a_histogram_of_very_many_runs_stays_small_and_true() {
        let mut histogram = Histogram::default();
        let runs = 50_000;
        for index in 0..runs {
            // Every run once, in no order.
            histogram.add(index * 7919 % runs, 1);
        }
        assert!(histogram.buckets.len() <= BUCKETS_MAX);
        let sum: u64 = histogram.buckets.values().map(|(_, bytes)| bytes).sum();
        assert_eq!(sum, runs);
        let (bucket, rest) = histogram.bucket_at(30_000).unwrap();
        assert!(bucket.contains(&29_999), "{bucket:?}");
        assert_eq!(bucket.start() + rest, 30_000);
    }
}
