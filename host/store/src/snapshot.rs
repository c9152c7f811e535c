//! Reading: one read transaction, with every table opened once. Here are the rows and what a run keeps of itself; what is
//! remembered of calls and code is in `cache`.

mod cache;
mod relation;

use std::sync::Arc;

use flowstone_core::RunId;
use redb::{Key, ReadOnlyTable, ReadTransaction, ReadableTable};

use crate::encoding::Raw;
use crate::error::StoreError;
use crate::log::{Deferred, ReadOnlyLog};
use crate::place::Place;
use crate::read::{Found, READ, read, read_owner};
use crate::record::{CollectionId, Intent, Lineage, Owner, RowHead, TargetId};
use crate::scan::{
    LineageIter, OwnerIter, RowIter, RunIter, Scan, beginning_with, behind, prefix_range,
};
use crate::tables::{
    BUILD, Bytes, CHANGE, COMPILED, DUE, FUNCTIONS, HEAD, Half, Hash, INTENT, INTERFACE, LINEAGE,
    MEMBER, MEMO, META, OBJECT, OWNER, READER, RECIPE, RUN, STEP, TableSpec, USAGE, row_key,
};

/// What the store held at one moment. It can outlive the [`Store`](crate::Store), but reads nothing more then.
///
/// While it is there, the space of what is removed meanwhile cannot be used again: do not keep it for long.
pub struct Snapshot {
    place: Arc<Place>,
    memo: Arc<ReadOnlyLog>,
    object: ReadOnlyLog,
    head: ReadOnlyTable<Bytes, Bytes>,
    lineage: ReadOnlyTable<Bytes, Bytes>,
    owner: ReadOnlyTable<Bytes, Bytes>,
    intent: ReadOnlyTable<u64, Bytes>,
    interface: ReadOnlyTable<Hash, Bytes>,
    compiled: ReadOnlyTable<Bytes, Bytes>,
    run: ReadOnlyTable<u64, Bytes>,
    meta: ReadOnlyTable<&'static str, Bytes>,
    recipe: ReadOnlyTable<u32, Bytes>,
    usage: ReadOnlyTable<Half, Bytes>,
    functions: ReadOnlyTable<Hash, Bytes>,
    build: ReadOnlyTable<Hash, Bytes>,
    member: ReadOnlyTable<Bytes, Bytes>,
    reader: ReadOnlyTable<Bytes, Bytes>,
    due: ReadOnlyTable<Bytes, Bytes>,
    step: ReadOnlyTable<Bytes, Bytes>,
    change: ReadOnlyTable<Bytes, Bytes>,
}

impl Snapshot {
    pub(crate) fn open(
        place: &Arc<Place>,
        transaction: &ReadTransaction,
        [memo, object]: [Arc<Deferred>; 2],
    ) -> Result<Self, StoreError> {
        fn table<K: Key + 'static>(
            place: &Place,
            transaction: &ReadTransaction,
            spec: &TableSpec<K>,
        ) -> Result<ReadOnlyTable<K, Bytes>, StoreError> {
            transaction
                .open_table(spec.definition)
                .map_err(|error| place.redb(READ, error))
        }
        Ok(Self {
            place: Arc::clone(place),
            memo: Arc::new(ReadOnlyLog::open(place, transaction, &MEMO, memo)?),
            object: ReadOnlyLog::open(place, transaction, &OBJECT, object)?,
            head: table(place, transaction, &HEAD)?,
            lineage: table(place, transaction, &LINEAGE)?,
            owner: table(place, transaction, &OWNER)?,
            intent: table(place, transaction, &INTENT)?,
            interface: table(place, transaction, &INTERFACE)?,
            compiled: table(place, transaction, &COMPILED)?,
            run: table(place, transaction, &RUN)?,
            meta: table(place, transaction, &META)?,
            recipe: table(place, transaction, &RECIPE)?,
            usage: table(place, transaction, &USAGE)?,
            functions: table(place, transaction, &FUNCTIONS)?,
            build: table(place, transaction, &BUILD)?,
            member: table(place, transaction, &MEMBER)?,
            reader: table(place, transaction, &READER)?,
            due: table(place, transaction, &DUE)?,
            step: table(place, transaction, &STEP)?,
            change: table(place, transaction, &CHANGE)?,
        })
    }

    /// All rows of a collection, ascending by the bytes of their keys. They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`]; the iterator yields the same, and ends after an error.
    pub fn rows(&self, collection: CollectionId) -> Result<RowIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.head, collection.0))?;
        Ok(RowIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// As [`Snapshot::rows`], but only those behind `after`.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::rows`].
    pub fn rows_after(
        &self,
        collection: CollectionId,
        after: &[u8],
    ) -> Result<RowIter, StoreError> {
        let range = behind(&self.place, &self.head, &collection.0.to_be_bytes(), after)?;
        Ok(RowIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// The rows of a collection whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::rows`].
    pub fn rows_below(
        &self,
        collection: CollectionId,
        prefix: &[u8],
    ) -> Result<RowIter, StoreError> {
        let start = row_key(collection, prefix);
        let range = self
            .place
            .guarded(|| beginning_with(&self.place, &self.head, &start))?;
        Ok(RowIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// A row's head.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn row(&self, collection: CollectionId, key: &[u8]) -> Result<Option<RowHead>, StoreError> {
        let key = row_key(collection, key);
        self.place.guarded(|| {
            read(&self.place, &HEAD, &self.head, &*key)?.or_damaged(&self.place, HEAD.name)
        })
    }

    /// What was made of a row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn lineage(
        &self,
        collection: CollectionId,
        key: &[u8],
    ) -> Result<Option<Lineage>, StoreError> {
        let key = row_key(collection, key);
        self.place.guarded(|| {
            read(&self.place, &LINEAGE, &self.lineage, &*key)?.or_damaged(&self.place, LINEAGE.name)
        })
    }

    /// What was made of all rows of a collection, ascending by the bytes of their keys. It is read as the iterator goes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`]; the iterator yields the same, and ends after an error.
    pub fn lineages(&self, collection: CollectionId) -> Result<LineageIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.lineage, collection.0))?;
        Ok(LineageIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// The root row that a target row belongs to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn owner(&self, target: TargetId, key: &[u8]) -> Result<Option<Owner>, StoreError> {
        self.place
            .guarded(|| read_owner(&self.place, &self.owner, target, key))
    }

    /// All rows of a target with their owners, in no order that means anything. They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`]; the iterator yields the same, and ends after an error.
    pub fn owned(&self, target: TargetId) -> Result<OwnerIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.owner, target.0))?;
        Ok(OwnerIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// The intents that are not settled, by batch, ascending.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn intents(&self) -> Result<Vec<(u64, Intent)>, StoreError> {
        self.place.guarded(|| {
            let mut intents = Vec::new();
            for entry in self
                .intent
                .range_owned::<u64>(..)
                .map_err(|error| self.place.redb(READ, error))?
            {
                let (batch, stored) = entry.map_err(|error| self.place.redb(READ, error))?;
                let batch = batch.value();
                let intent = Found::of(&INTENT, &batch, stored.value())
                    .or_damaged(&self.place, INTENT.name)?;
                intents.extend(intent.map(|intent| (batch, intent)));
            }
            Ok(intents)
        })
    }

    /// The number of the newest run.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn last_run(&self) -> Result<Option<RunId>, StoreError> {
        self.place.guarded(|| {
            let last = self
                .run
                .last()
                .map_err(|error| self.place.redb(READ, error))?;
            Ok(last.map(|(run, _)| RunId(run.value())))
        })
    }

    /// The record of a run, as JSON text. A damaged one is missing.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn run(&self, run: RunId) -> Result<Option<String>, StoreError> {
        self.place.guarded(|| {
            let record: Option<Raw<'_>> = read(&self.place, &RUN, &self.run, run.0)?.or_miss();
            Ok(record.and_then(|Raw(bytes)| String::from_utf8(bytes.into_owned()).ok()))
        })
    }

    /// The records of all runs, newest first; damaged ones are left out. They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`]; the iterator yields the same, and ends after an error.
    pub fn runs(&self) -> Result<RunIter, StoreError> {
        let range = self.place.guarded(|| {
            self.run
                .range_owned::<u64>(..)
                .map_err(|error| self.place.redb(READ, error))
        })?;
        Ok(RunIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// A meta entry.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.place.guarded(|| {
            let entry: Option<Raw<'_>> =
                read(&self.place, &META, &self.meta, name)?.or_damaged(&self.place, META.name)?;
            Ok(entry.map(|Raw(bytes)| bytes.into_owned()))
        })
    }

    /// The meta entries whose names begin with `prefix`, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.place.guarded(|| {
            let mut entries = Vec::new();
            for entry in self
                .meta
                .range_owned(prefix..)
                .map_err(|error| self.place.redb(READ, error))?
            {
                let (name, stored) = entry.map_err(|error| self.place.redb(READ, error))?;
                let name = name.value();
                if !name.starts_with(prefix) {
                    break;
                }
                let entry = Found::<Raw<'_>>::of(&META, &name, stored.value())
                    .or_damaged(&self.place, META.name)?;
                entries.extend(entry.map(|Raw(bytes)| (name.to_owned(), bytes.into_owned())));
            }
            Ok(entries)
        })
    }
}
