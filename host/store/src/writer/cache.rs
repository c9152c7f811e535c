//! Writing what is remembered of calls and of code: results, how often they were used, recipes, digests.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use flowstone_core::{
    ComponentDigest, Fingerprint, FunctionDigest, Interface, MemoKey, RecipeRecord, RunId,
};

use super::Writer;
use crate::compiled::file_of_record;
use crate::encoding::{BuildRecord, CompiledRecord, FunctionsRecord, ObjectRecord, Raw};
use crate::error::StoreError;
use crate::objects;
use crate::record::{INLINE_BYTES_MAX, MemoRecord, Outcome, RecipeId, Stored, Usage};
use crate::slots::{Session, Tables, WRITE, limit};
use crate::store::NEXT_RECIPE_ENTRY;
use crate::tables::{META, usage_key};

impl Writer<'_> {
    /// Lets the entries that lead to what this transaction puts wait for those of others, which costs much less where many
    /// transactions follow each other: see [`Writer::put_memo`] and [`Writer::put_object`]. What is put is found as ever,
    /// also after a crash.
    pub fn defer_entries(&mut self) {
        self.tables.memo.defer();
        self.tables.object.defer();
    }

    /// Enters what waits.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn enter_deferred(&mut self) -> Result<(), StoreError> {
        self.run(|tables, session, _| {
            tables.memo.enter_all(session)?;
            tables.object.enter_all(session)
        })
    }

    /// Remembers what a call led to, in place of what was remembered of it before, or of a call whose key begins alike.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLong`] when an inline value is longer than [`INLINE_BYTES_MAX`]; [`StoreError::Full`],
    /// [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_memo(&mut self, key: &MemoKey, record: &MemoRecord) -> Result<(), StoreError> {
        self.change(|tables, session, buffer| {
            if let Outcome::Value {
                stored: Stored::Inline(bytes),
                ..
            } = &record.outcome
            {
                limit("an inline value", bytes.len(), INLINE_BYTES_MAX)?;
            }
            let Tables { memo, meta, .. } = tables;
            memo.put(session, (meta, buffer), key.as_bytes(), record)
        })
    }

    /// Keeps the canonical encoding of the value with this fingerprint. One that is kept already is not written again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_object(&mut self, value: &Fingerprint, encoding: &[u8]) -> Result<(), StoreError> {
        let written = self.change(|tables, session, buffer| {
            let Tables { object, meta, .. } = tables;
            let kept = match object.get(session, value.as_bytes())? {
                Some(ObjectRecord::Inline(bytes)) => *bytes == *encoding,
                Some(ObjectRecord::File(len)) => {
                    len == encoding.len() as u64
                        && objects::file_holds(session.place, value, encoding)
                }
                None => false,
            };
            if kept {
                return Ok(None);
            }
            let len = encoding.len() as u64;
            let (record, written) = if encoding.len() <= objects::DATABASE_BYTES_MAX {
                (ObjectRecord::Inline(encoding.into()), None)
            } else {
                let shard = objects::write_file(session.place, value, encoding)?;
                (ObjectRecord::File(len), Some((shard, len)))
            };
            object.put(session, (meta, buffer), value.as_bytes(), &record)?;
            Ok(written)
        })?;
        if let Some((shard, len)) = written {
            self.shards.insert(shard);
            self.file_bytes = self.file_bytes.saturating_add_unsigned(len);
        }
        Ok(())
    }

    /// Forgets what a call led to and how often that was used, if it is there. Objects stay until they are collected.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn remove_memo(&mut self, key: &MemoKey) -> Result<(), StoreError> {
        self.run(|tables, session, _| {
            tables.memo.remove(session, key.as_bytes())?;
            tables.usage.remove(session, &usage_key(key))
        })
    }

    /// As [`Snapshot::memo`](crate::Snapshot::memo), with what this transaction has written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the database itself is, [`StoreError::Io`].
    pub fn memo(&mut self, key: &MemoKey) -> Result<Option<MemoRecord>, StoreError> {
        self.run(|tables, session, _| tables.memo.get(session, key.as_bytes()))
    }

    /// Counts that a run reused what a call led to, for so many rows. It is fastest in the order of the keys, and with
    /// many keys in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn add_usage(&mut self, key: &MemoKey, run: RunId, rows: u64) -> Result<(), StoreError> {
        self.change(|tables, session, buffer| {
            let key = &usage_key(key);
            let before: Option<Usage> = tables.usage.get(session, key)?.or_miss();
            let usage = match before {
                Some(before) => Usage {
                    run: before.run.max(run),
                    reused: before.reused.saturating_add(rows),
                },
                None => Usage { run, reused: rows },
            };
            tables.usage.put(session, buffer, key, &usage)
        })
    }

    /// A number for a recipe that no recipe ever had.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`]; [`StoreError::Damaged`], also when the numbers are used up.
    pub fn next_recipe(&mut self) -> Result<RecipeId, StoreError> {
        self.change(|tables, session, buffer| {
            let free = next_recipe(tables, session)?;
            raise_next_recipe(tables, session, buffer, RecipeId(free))?;
            Ok(RecipeId(free))
        })
    }

    /// Records a recipe and the code behind it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_recipe(&mut self, id: RecipeId, record: &RecipeRecord) -> Result<(), StoreError> {
        self.change(|tables, session, buffer| {
            if next_recipe(tables, session)? <= id.0 {
                raise_next_recipe(tables, session, buffer, id)?;
            }
            tables.recipe.put(session, buffer, id.0, record)
        })
    }

    /// Remembers the digests of a component's functions, as this version of the digest counts them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_functions(
        &mut self,
        digest: &ComponentDigest,
        version: u32,
        functions: &BTreeMap<String, FunctionDigest>,
    ) -> Result<(), StoreError> {
        self.change(|tables, session, buffer| {
            let record = FunctionsRecord {
                version,
                digests: Cow::Borrowed(functions),
            };
            tables
                .functions
                .put(session, buffer, digest.as_bytes(), &record)
        })
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
        self.change(|tables, session, buffer| {
            tables
                .interface
                .put(session, buffer, digest.as_bytes(), interface)
        })
    }

    pub(crate) fn put_compiled(
        &mut self,
        key: &[u8],
        record: &CompiledRecord,
    ) -> Result<(), StoreError> {
        self.change(|tables, session, buffer| tables.compiled.put(session, buffer, key, record))
    }

    /// Forgets all compiled code whose file is not one of these.
    pub(crate) fn retain_compiled(&mut self, files: &BTreeSet<String>) -> Result<(), StoreError> {
        self.run(|tables, session, _| {
            let table = tables.compiled.open(session)?;
            let is_kept =
                |key: &[u8]| file_of_record(key).is_some_and(|file| files.contains(&file));
            table
                .retain(|key, _| is_kept(key))
                .map_err(|error| session.place.redb(WRITE, error))
        })
    }

    pub(crate) fn put_build(
        &mut self,
        digest: &ComponentDigest,
        record: &BuildRecord,
    ) -> Result<(), StoreError> {
        self.change(|tables, session, buffer| {
            tables.build.put(session, buffer, digest.as_bytes(), record)
        })
    }
}

/// The number that the next recipe gets.
fn next_recipe<'txn>(tables: &mut Tables<'txn>, session: Session<'txn>) -> Result<u32, StoreError> {
    let place = session.place;
    let entry = tables
        .meta
        .get::<Raw<'_>>(session, NEXT_RECIPE_ENTRY)?
        .or_damaged(place, META.name)?;
    match entry {
        None => Ok(1),
        Some(Raw(bytes)) => <[u8; 4]>::try_from(&*bytes)
            .map(u32::from_le_bytes)
            .map_err(|_| place.damaged("the number of the next recipe is none")),
    }
}

/// Sees to it that no recipe gets the number `given` any more.
fn raise_next_recipe<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    buffer: &mut Vec<u8>,
    given: RecipeId,
) -> Result<(), StoreError> {
    let next = (given.0.checked_add(1))
        .ok_or_else(|| session.place.damaged("the numbers for recipes are used up"))?;
    let record = Raw(Cow::Owned(next.to_le_bytes().to_vec()));
    tables.meta.put(session, buffer, NEXT_RECIPE_ENTRY, &record)
}
