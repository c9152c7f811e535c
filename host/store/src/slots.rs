//! The tables of a write transaction: each opened when it is first needed, and not again.

use std::borrow::Borrow;

use redb::{Key, Table, Value, WriteTransaction};

use crate::codec::{self, Record};
use crate::error::StoreError;
use crate::log::{LogSlot, Tails};
use crate::place::Place;
use crate::read::{Found, read};
use crate::record::RECORD_BYTES_MAX;
use crate::tables::{
    BUILD, Bytes, CHANGE, COMPILED, COMPONENT_MARK, DUE, FUNCTIONS, HEAD, Half, Hash, INTENT,
    INTERFACE, LINEAGE, MEMBER, MEMO, META, OBJECT, OBJECT_MARK, OWNER, READER, RECIPE,
    RECIPE_MARK, RUN, STEP, TYPE_MARK, TableSpec, USAGE, USED,
};

pub(crate) const WRITE: &str = "writing to the database";

/// What every table of a transaction needs to be opened.
#[derive(Clone, Copy)]
pub(crate) struct Session<'txn> {
    pub(crate) place: &'txn Place,
    pub(crate) transaction: &'txn WriteTransaction,
}

/// All tables, as in [`crate::tables`].
pub(crate) struct Tables<'txn> {
    pub(crate) memo: LogSlot<'txn>,
    pub(crate) object: LogSlot<'txn>,
    pub(crate) head: Slot<'txn, Bytes>,
    pub(crate) lineage: Slot<'txn, Bytes>,
    pub(crate) owner: Slot<'txn, Bytes>,
    pub(crate) intent: Slot<'txn, u64>,
    pub(crate) interface: Slot<'txn, Hash>,
    pub(crate) compiled: Slot<'txn, Bytes>,
    pub(crate) run: Slot<'txn, u64>,
    pub(crate) meta: Slot<'txn, &'static str>,
    pub(crate) recipe: Slot<'txn, u32>,
    pub(crate) usage: Slot<'txn, Half>,
    pub(crate) functions: Slot<'txn, Hash>,
    pub(crate) build: Slot<'txn, Hash>,
    pub(crate) member: Slot<'txn, Bytes>,
    pub(crate) reader: Slot<'txn, Bytes>,
    pub(crate) due: Slot<'txn, Bytes>,
    pub(crate) step: Slot<'txn, Bytes>,
    pub(crate) change: Slot<'txn, Bytes>,
    pub(crate) used: Slot<'txn, Half>,
    pub(crate) object_mark: Slot<'txn, Half>,
    pub(crate) recipe_mark: Slot<'txn, u32>,
    pub(crate) component_mark: Slot<'txn, Half>,
    pub(crate) type_mark: Slot<'txn, Half>,
}

/// A table that may be open.
pub(crate) struct Slot<'txn, K: Key + 'static, V: Value + 'static = Bytes> {
    spec: &'static TableSpec<K, V>,
    table: Option<Table<'txn, K, V>>,
}

impl Tables<'_> {
    pub(crate) fn closed(tails: &Tails) -> Self {
        Self {
            memo: LogSlot::of(&MEMO, &tails.memo),
            object: LogSlot::of(&OBJECT, &tails.object),
            head: Slot::of(&HEAD),
            lineage: Slot::of(&LINEAGE),
            owner: Slot::of(&OWNER),
            intent: Slot::of(&INTENT),
            interface: Slot::of(&INTERFACE),
            compiled: Slot::of(&COMPILED),
            run: Slot::of(&RUN),
            meta: Slot::of(&META),
            recipe: Slot::of(&RECIPE),
            usage: Slot::of(&USAGE),
            functions: Slot::of(&FUNCTIONS),
            build: Slot::of(&BUILD),
            member: Slot::of(&MEMBER),
            reader: Slot::of(&READER),
            due: Slot::of(&DUE),
            step: Slot::of(&STEP),
            change: Slot::of(&CHANGE),
            used: Slot::of(&USED),
            object_mark: Slot::of(&OBJECT_MARK),
            recipe_mark: Slot::of(&RECIPE_MARK),
            component_mark: Slot::of(&COMPONENT_MARK),
            type_mark: Slot::of(&TYPE_MARK),
        }
    }

    /// Each on its own, so that two cannot panic at once.
    pub(crate) fn close(self, place: &Place) -> Result<(), StoreError> {
        let Self {
            memo,
            object,
            head,
            lineage,
            owner,
            intent,
            interface,
            compiled,
            run,
            meta,
            recipe,
            usage,
            functions,
            build,
            member,
            reader,
            due,
            step,
            change,
            used,
            object_mark,
            recipe_mark,
            component_mark,
            type_mark,
        } = self;
        memo.close(place)
            .and(object.close(place))
            .and(head.close(place))
            .and(lineage.close(place))
            .and(owner.close(place))
            .and(intent.close(place))
            .and(interface.close(place))
            .and(compiled.close(place))
            .and(run.close(place))
            .and(meta.close(place))
            .and(recipe.close(place))
            .and(usage.close(place))
            .and(functions.close(place))
            .and(build.close(place))
            .and(member.close(place))
            .and(reader.close(place))
            .and(due.close(place))
            .and(step.close(place))
            .and(change.close(place))
            .and(used.close(place))
            .and(object_mark.close(place))
            .and(recipe_mark.close(place))
            .and(component_mark.close(place))
            .and(type_mark.close(place))
    }
}

impl<'txn, K: Key + 'static, V: Value + 'static> Slot<'txn, K, V> {
    pub(crate) fn of(spec: &'static TableSpec<K, V>) -> Self {
        Self { spec, table: None }
    }

    pub(crate) fn open(
        &mut self,
        session: Session<'txn>,
    ) -> Result<&mut Table<'txn, K, V>, StoreError> {
        match &mut self.table {
            Some(table) => Ok(table),
            closed => {
                let opened = session.transaction.open_table(self.spec.definition);
                Ok(closed.insert(opened.map_err(|error| session.place.redb(WRITE, error))?))
            }
        }
    }

    pub(crate) fn close(self, place: &Place) -> Result<(), StoreError> {
        place.guarded(|| {
            drop(self.table);
            Ok(())
        })
    }

    pub(crate) fn remove<'k>(
        &mut self,
        session: Session<'txn>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<(), StoreError> {
        self.open(session)?
            .remove(key)
            .map_err(|error| session.place.redb(WRITE, error))?;
        Ok(())
    }
}

impl<'txn, K: Key + 'static> Slot<'txn, K> {
    pub(crate) fn get<'k, R: Record>(
        &mut self,
        session: Session<'txn>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Found<R>, StoreError> {
        let spec = self.spec;
        read(session.place, spec, self.open(session)?, key)
    }

    pub(crate) fn put<'k>(
        &mut self,
        session: Session<'txn>,
        buffer: &mut Vec<u8>,
        key: impl Borrow<K::SelfType<'k>>,
        record: &impl Record,
    ) -> Result<(), StoreError> {
        self.put_with(session, buffer, key, |out| record.write(out))
    }

    /// As [`Slot::put`], of what `write` appends.
    pub(crate) fn put_with<'k>(
        &mut self,
        session: Session<'txn>,
        buffer: &mut Vec<u8>,
        key: impl Borrow<K::SelfType<'k>>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StoreError> {
        buffer.clear();
        write(buffer);
        limit("a record", buffer.len(), RECORD_BYTES_MAX)?;
        codec::seal(self.spec.tag, K::as_bytes(key.borrow()).as_ref(), buffer);
        let table = self.open(session)?;
        table
            .insert(key, &**buffer)
            .map_err(|error| session.place.redb(WRITE, error))?;
        Ok(())
    }

    /// Sets a mark: a value as it is, without a checksum. A lost one keeps too little, which is at worst a miss.
    pub(crate) fn mark<'k>(
        &mut self,
        session: Session<'txn>,
        key: impl Borrow<K::SelfType<'k>>,
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.open(session)?
            .insert(key, value)
            .map_err(|error| session.place.redb(WRITE, error))?;
        Ok(())
    }
}

/// Refuses what is longer than it may be.
pub(crate) fn limit(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), StoreError> {
    if bytes <= bytes_max {
        Ok(())
    } else {
        Err(StoreError::TooLong {
            what,
            bytes,
            bytes_max,
        })
    }
}
