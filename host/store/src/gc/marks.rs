//! The marks of a collection: tables of their own that are there only while it runs.
//!
//! Their keys are halves of hashes. Two that are taken for one keep something too much, which is why half is enough.

use redb::{Key, Range, ReadableTable};

use crate::error::StoreError;
use crate::place::Place;
use crate::read::READ;
use crate::slots::{Session, Slot, Tables, WRITE};
use crate::tables::{Bytes, COMPONENT_MARK, Half, OBJECT_MARK, RECIPE_MARK, TableSpec, USED};

pub(super) use crate::tables::{HalfBytes, half};

/// Makes the tables. Each is open only within the transaction's own, which are closed in order whatever happens.
pub(super) fn make<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
) -> Result<(), StoreError> {
    tables.used.open(session)?;
    tables.object_mark.open(session)?;
    tables.recipe_mark.open(session)?;
    tables.component_mark.open(session)?;
    Ok(())
}

/// Removes the tables, where they are there. None of them may be open.
pub(super) fn clear(session: Session<'_>) -> Result<(), StoreError> {
    fn delete<K: Key>(session: Session<'_>, spec: &TableSpec<K>) -> Result<(), StoreError> {
        let deleted = session.transaction.delete_table(spec.definition);
        deleted.map_err(|error| session.place.redb(WRITE, error))?;
        Ok(())
    }
    delete(session, &USED)?;
    delete(session, &OBJECT_MARK)?;
    delete(session, &RECIPE_MARK)?;
    delete(session, &COMPONENT_MARK)
}

/// Sets marks. It is fastest in the order of the keys.
pub(super) fn set<'txn>(
    slot: &mut Slot<'txn, Half>,
    session: Session<'txn>,
    keys: &[HalfBytes],
) -> Result<(), StoreError> {
    keys.iter().try_for_each(|key| slot.mark(session, key, &[]))
}

/// A table of halves, followed in step with another one in the same order.
pub(super) struct Follow<'t, T> {
    place: &'t Place,
    range: Range<'t, Half, Bytes>,
    read: fn(&HalfBytes, &[u8]) -> T,
    head: Option<(HalfBytes, T)>,
    begun: bool,
}

impl<'t, T> Follow<'t, T> {
    /// Follows `table` from `first` on.
    pub(super) fn from(
        place: &'t Place,
        table: &'t impl ReadableTable<Half, Bytes>,
        first: HalfBytes,
        read: fn(&HalfBytes, &[u8]) -> T,
    ) -> Result<Self, StoreError> {
        let range = table
            .range::<&HalfBytes>(&first..)
            .map_err(|error| place.redb(READ, error))?;
        Ok(Self {
            place,
            range,
            read,
            head: None,
            begun: false,
        })
    }

    /// What is there under `key`, which must not be before that of an earlier call; what lies before it goes to
    /// `skipped`.
    pub(super) fn at(
        &mut self,
        key: &HalfBytes,
        mut skipped: impl FnMut(HalfBytes, T),
    ) -> Result<Option<&T>, StoreError> {
        if !self.begun {
            self.begun = true;
            self.head = self.next()?;
        }
        while let Some((at, value)) = self.head.take_if(|(at, _)| *at < *key) {
            skipped(at, value);
            self.head = self.next()?;
        }
        let head = self.head.as_ref();
        Ok(head.filter(|(at, _)| at == key).map(|(_, value)| value))
    }

    fn next(&mut self) -> Result<Option<(HalfBytes, T)>, StoreError> {
        let Some(entry) = self.range.next() else {
            return Ok(None);
        };
        let (key, value) = entry.map_err(|error| self.place.redb(READ, error))?;
        let key = *key.value();
        Ok(Some((key, (self.read)(&key, value.value()))))
    }
}
