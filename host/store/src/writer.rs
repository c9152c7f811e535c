//! Writing: one write transaction, with every table opened at most once, when it is first needed. Here are the rows and
//! what a run keeps of itself; what is remembered of calls and code is in `cache`.

mod cache;
mod relation;

pub(crate) use self::relation::after;

use std::borrow::Cow;
use std::collections::BTreeSet;

use flowstone_core::RunId;
use redb::WriteTransaction;

use crate::encoding::{OwnerRecord, Raw};
use crate::error::StoreError;
use crate::gc::STATE_ENTRY as COLLECTION_ENTRY;
use crate::log::{TailChanges, Tails};
use crate::objects::{self, Shard};
use crate::place::Place;
use crate::read::read_owner;
use crate::record::{
    CollectionId, HINT_BYTES_MAX, Intent, KEY_BYTES_MAX, Lineage, Owner, RowHead, TargetId,
};
use crate::slots::{Session, Tables, limit};
use crate::store::{FILE_BYTES_ENTRY, FORMAT_ENTRY, RESERVED_PREFIX, file_bytes_in};
use crate::tables::{HEAD, LINEAGE, META, owner_key, row_key};

/// The write transaction that [`Store::write`](crate::Store::write) runs.
///
/// Puts are fastest when they come sorted by key, but for results and objects: those lie in the order of the puts, and are
/// found fastest when what is asked for together was put together. Once a method has returned an error the transaction
/// cannot be committed any more, so that no row is ever half written.
pub struct Writer<'txn> {
    session: Session<'txn>,
    tables: Tables<'txn>,
    buffer: Vec<u8>,
    /// The folders of the object files written, whose entries must be on disk before the commit.
    shards: BTreeSet<Shard>,
    /// How much more the files of objects take.
    file_bytes: i64,
    /// Whether what a collection has marked may no longer be all that is needed.
    disturbs: bool,
    failed: bool,
}

impl<'txn> Writer<'txn> {
    pub(crate) fn new(
        place: &'txn Place,
        transaction: &'txn WriteTransaction,
        tails: &Tails,
    ) -> Self {
        let tables = Tables::closed(tails);
        let session = Session { place, transaction };
        Self {
            session,
            tables,
            buffer: Vec::new(),
            shards: BTreeSet::new(),
            file_bytes: 0,
            disturbs: false,
            failed: false,
        }
    }

    /// Records a row and what was made of it, in place of what was recorded before.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLong`] when the key is longer than [`KEY_BYTES_MAX`] or the hint longer than
    /// [`HINT_BYTES_MAX`]; [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_row(
        &mut self,
        collection: CollectionId,
        key: &[u8],
        head: &RowHead,
        lineage: &Lineage,
    ) -> Result<(), StoreError> {
        self.put_head(collection, key, head)?;
        let key = row_key(collection, key);
        self.change(|tables, session, buffer| tables.lineage.put(session, buffer, &*key, lineage))
    }

    /// Records a row's head alone: its hint changed, or how it stands, but not what was made of it.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn put_head(
        &mut self,
        collection: CollectionId,
        key: &[u8],
        head: &RowHead,
    ) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            limit("the key of a row", key.len(), KEY_BYTES_MAX)?;
            limit("the version hint of a row", head.hint.len(), HINT_BYTES_MAX)?;
            tables
                .head
                .put(session, buffer, &*row_key(collection, key), head)
        })
    }

    /// Forgets a row, if it is there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn remove_row(&mut self, collection: CollectionId, key: &[u8]) -> Result<(), StoreError> {
        let key = row_key(collection, key);
        self.change(|tables, session, _| {
            tables.head.remove(session, &*key)?;
            tables.lineage.remove(session, &*key)
        })
    }

    /// Makes a root row the owner of a target row, in place of the one that was.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLong`] when a key is longer than [`KEY_BYTES_MAX`]; [`StoreError::Full`], [`StoreError::Io`],
    /// [`StoreError::Damaged`].
    pub fn claim(&mut self, target: TargetId, key: &[u8], owner: &Owner) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            limit("the key of a target row", key.len(), KEY_BYTES_MAX)?;
            limit("the key of a row", owner.row.len(), KEY_BYTES_MAX)?;
            let (table_key, long_key) = owner_key(target, key);
            let record = OwnerRecord {
                owner: Cow::Borrowed(owner),
                long_key: long_key.into(),
            };
            tables.owner.put(session, buffer, &*table_key, &record)
        })
    }

    /// Leaves a target row without an owner.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn release(&mut self, target: TargetId, key: &[u8]) -> Result<(), StoreError> {
        self.run(|tables, session, _| tables.owner.remove(session, &*owner_key(target, key).0))
    }

    /// Records what a batch is about to do to the targets.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLong`] beyond [`RECORD_BYTES_MAX`](crate::RECORD_BYTES_MAX); [`StoreError::Full`], [`StoreError::Io`],
    /// [`StoreError::Damaged`].
    pub fn put_intent(&mut self, batch: u64, intent: &Intent) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| tables.intent.put(session, buffer, batch, intent))
    }

    /// Records that a batch is settled.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn clear_intent(&mut self, batch: u64) -> Result<(), StoreError> {
        self.run(|tables, session, _| tables.intent.remove(session, batch))
    }

    /// Records a run as JSON text, in place of what was recorded of it before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_run(&mut self, run: RunId, json: &str) -> Result<(), StoreError> {
        let record = Raw(json.as_bytes().into());
        self.change(|tables, session, buffer| tables.run.put(session, buffer, run.0, &record))
    }

    /// Sets a meta entry.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reserved`] for the store's own entries, [`StoreError::TooLong`] when the name is longer than
    /// [`KEY_BYTES_MAX`]; [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            not_reserved(name)?;
            limit("the name of a meta entry", name.len(), KEY_BYTES_MAX)?;
            tables.meta.put(session, buffer, name, &Raw(value.into()))
        })
    }

    /// Removes a meta entry, if it is there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reserved`] for the store's own entries; [`StoreError::Full`], [`StoreError::Io`],
    /// [`StoreError::Damaged`].
    pub fn remove_meta(&mut self, name: &str) -> Result<(), StoreError> {
        self.run(|tables, session, _| {
            not_reserved(name)?;
            tables.meta.remove(session, name)
        })
    }

    /// As [`Snapshot::row`](crate::Snapshot::row), with what this transaction has written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn row(
        &mut self,
        collection: CollectionId,
        key: &[u8],
    ) -> Result<Option<RowHead>, StoreError> {
        let key = row_key(collection, key);
        self.run(|tables, session, _| {
            tables
                .head
                .get(session, &*key)?
                .or_damaged(session.place, HEAD.name)
        })
    }

    /// As [`Snapshot::lineage`](crate::Snapshot::lineage), with what this transaction has written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn lineage(
        &mut self,
        collection: CollectionId,
        key: &[u8],
    ) -> Result<Option<Lineage>, StoreError> {
        let key = row_key(collection, key);
        self.run(|tables, session, _| {
            tables
                .lineage
                .get(session, &*key)?
                .or_damaged(session.place, LINEAGE.name)
        })
    }

    /// As [`Snapshot::owner`](crate::Snapshot::owner), with what this transaction has written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn owner(&mut self, target: TargetId, key: &[u8]) -> Result<Option<Owner>, StoreError> {
        self.run(|tables, session, _| {
            read_owner(session.place, tables.owner.open(session)?, target, key)
        })
    }

    /// As [`Snapshot::meta`](crate::Snapshot::meta), with what this transaction has written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn meta(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.run(|tables, session, _| {
            let entry = tables
                .meta
                .get::<Raw<'_>>(session, name)?
                .or_damaged(session.place, META.name)?;
            Ok(entry.map(|Raw(bytes)| bytes.into_owned()))
        })
    }

    /// Closes the tables, so that the transaction can end, and where it is to be committed does what must come first.
    pub(crate) fn finish(mut self, commit: bool) -> Result<TailChanges, StoreError> {
        let place = self.session.place;
        let ended = if commit && !self.failed {
            self.end()
        } else {
            Ok(TailChanges::default())
        };
        if place.is_damaged() {
            // Closing a table after a panic of redb could panic again, even twice at once.
            std::mem::forget(self.tables);
            return Err(place.refusal());
        }
        self.tables.close(place)?;
        let tails = ended?;
        if commit && self.failed {
            return Err(place.refusal());
        }
        let shards = if commit { self.shards } else { BTreeSet::new() };
        shards
            .into_iter()
            .try_for_each(|shard| objects::sync(place, shard))?;
        Ok(tails)
    }

    /// Writes what the transaction has to leave for others: collections, the size of the store, and the numbers given.
    fn end(&mut self) -> Result<TailChanges, StoreError> {
        let (ends_collection, file_bytes) = (
            self.disturbs && self.session.place.is_collecting(),
            self.file_bytes,
        );
        self.run(|tables, session, buffer| {
            let Tables {
                memo, object, meta, ..
            } = tables;
            let tails = TailChanges {
                memo: memo.end(session, meta, buffer)?,
                object: object.end(session, meta, buffer)?,
            };
            if ends_collection {
                tables.meta.remove(session, COLLECTION_ENTRY)?;
            }
            if file_bytes != 0 {
                let before = tables.meta.get(session, FILE_BYTES_ENTRY)?.or_miss();
                let after = file_bytes_in(before).saturating_add_signed(file_bytes);
                let record = Raw(Cow::Owned(after.to_le_bytes().to_vec()));
                tables
                    .meta
                    .put(session, buffer, FILE_BYTES_ENTRY, &record)?;
            }
            Ok(tails)
        })
    }

    /// An operation of the collector.
    pub(crate) fn collect<R>(
        &mut self,
        operation: impl FnOnce(&mut Tables<'txn>, Session<'txn>, &mut Vec<u8>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        self.run(operation)
    }

    /// An operation after which there may be something to keep that a collection under way has not marked.
    fn change<R>(
        &mut self,
        operation: impl FnOnce(&mut Tables<'txn>, Session<'txn>, &mut Vec<u8>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        self.disturbs = true;
        self.run(operation)
    }

    /// One operation.
    fn run<R>(
        &mut self,
        operation: impl FnOnce(&mut Tables<'txn>, Session<'txn>, &mut Vec<u8>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let Self {
            session,
            tables,
            buffer,
            failed,
            ..
        } = self;
        if *failed {
            return Err(session.place.refusal());
        }
        let result = session
            .place
            .guarded(|| operation(tables, *session, buffer));
        *failed = result.is_err();
        result
    }
}

fn not_reserved(name: &str) -> Result<(), StoreError> {
    if name == FORMAT_ENTRY || name.starts_with(RESERVED_PREFIX) {
        Err(StoreError::Reserved {
            name: name.to_owned(),
        })
    } else {
        Ok(())
    }
}
