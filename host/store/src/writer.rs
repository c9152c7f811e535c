//! Writing: one write transaction, with every table opened at most once, when it is first needed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use flowstone_core::{ComponentDigest, Fingerprint, Interface, MemoKey, RunId};
use redb::WriteTransaction;

use crate::encoding::{CompiledRecord, ObjectRecord, OwnerRecord, Raw};
use crate::error::StoreError;
use crate::objects::{self, Shard};
use crate::place::Place;
use crate::read::{Found, read_owner};
use crate::record::{
    CollectionId, HINT_BYTES_MAX, INLINE_BYTES_MAX, Intent, KEY_BYTES_MAX, Lineage, MemoRecord,
    Outcome, Owner, RowHead, Stored, TargetId,
};
use crate::slots::{Session, Tables, limit};
use crate::store::FORMAT_ENTRY;
use crate::tables::{HEAD, LINEAGE, META, owner_key, row_key};

/// The write transaction that [`Store::write`](crate::Store::write) runs.
///
/// Puts are fastest when they come sorted by key. Once a method has returned an error the transaction cannot be
/// committed any more, so that no row is ever half written.
pub struct Writer<'txn> {
    session: Session<'txn>,
    tables: Tables<'txn>,
    buffer: Vec<u8>,
    /// The folders of the object files written, whose entries must be on disk before the commit.
    shards: BTreeSet<Shard>,
    failed: bool,
}

impl<'txn> Writer<'txn> {
    pub(crate) fn new(place: &'txn Place, transaction: &'txn WriteTransaction) -> Self {
        let tables = Tables::closed();
        let session = Session { place, transaction };
        Self {
            session,
            tables,
            buffer: Vec::new(),
            shards: BTreeSet::new(),
            failed: false,
        }
    }

    /// Remembers what a call led to.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLong`] when an inline value is longer than [`INLINE_BYTES_MAX`]; [`StoreError::Full`],
    /// [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_memo(&mut self, key: &MemoKey, record: &MemoRecord) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            if let Outcome::Value {
                stored: Stored::Inline(bytes),
                ..
            } = &record.outcome
            {
                limit("an inline value", bytes.len(), INLINE_BYTES_MAX)?;
            }
            tables.memo.put(session, buffer, key.as_bytes(), record)
        })
    }

    /// Keeps the canonical encoding of the value with this fingerprint. One that is kept already is not written again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_object(&mut self, value: &Fingerprint, encoding: &[u8]) -> Result<(), StoreError> {
        let shard = self.run(|tables, session, buffer| {
            let kept = match tables.object.get(session, value.as_bytes())? {
                Found::Record(ObjectRecord::Inline(bytes)) => *bytes == *encoding,
                Found::Record(ObjectRecord::File(len)) => {
                    len == encoding.len() as u64
                        && objects::file_holds(session.place, value, encoding)
                }
                Found::Nothing | Found::Damage => false,
            };
            if kept {
                return Ok(None);
            }
            let (record, shard) = if encoding.len() <= objects::DATABASE_BYTES_MAX {
                (ObjectRecord::Inline(encoding.into()), None)
            } else {
                let shard = objects::write_file(session.place, value, encoding)?;
                (ObjectRecord::File(encoding.len() as u64), Some(shard))
            };
            tables
                .object
                .put(session, buffer, value.as_bytes(), &record)?;
            Ok(shard)
        })?;
        self.shards.extend(shard);
        Ok(())
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
        self.run(|tables, session, buffer| tables.lineage.put(session, buffer, &*key, lineage))
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
        self.run(|tables, session, _| {
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

    /// Remembers what a component offers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_interface(
        &mut self,
        digest: &ComponentDigest,
        interface: &Interface,
    ) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            tables
                .interface
                .put(session, buffer, digest.as_bytes(), interface)
        })
    }

    /// Records a run as JSON text, in place of what was recorded of it before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_run(&mut self, run: RunId, json: &str) -> Result<(), StoreError> {
        let record = Raw(json.as_bytes().into());
        self.run(|tables, session, buffer| tables.run.put(session, buffer, run.0, &record))
    }

    /// Sets a meta entry.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reserved`] for the store's own entry, [`StoreError::TooLong`] when the name is longer than
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
    /// [`StoreError::Reserved`] for the store's own entry; [`StoreError::Full`], [`StoreError::Io`],
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

    pub(crate) fn put_compiled(
        &mut self,
        key: &[u8],
        record: &CompiledRecord,
    ) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| tables.compiled.put(session, buffer, key, record))
    }

    /// Closes the tables, so that the transaction can end, and where it is to be committed does what must come first.
    pub(crate) fn finish(self, commit: bool) -> Result<(), StoreError> {
        let place = self.session.place;
        if place.is_damaged() {
            // Closing a table after a panic of redb could panic again, even twice at once.
            std::mem::forget(self.tables);
            return Err(place.refusal());
        }
        self.tables.close(place)?;
        if commit && self.failed {
            return Err(place.refusal());
        }
        let shards = if commit { self.shards } else { BTreeSet::new() };
        shards
            .into_iter()
            .try_for_each(|shard| objects::sync(place, shard))
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
    if name == FORMAT_ENTRY {
        Err(StoreError::Reserved {
            name: name.to_owned(),
        })
    } else {
        Ok(())
    }
}
