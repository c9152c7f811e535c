//! The marks of a collection: tables of their own that are there only while it runs.
//!
//! Their keys are halves of hashes. Two that are taken for one keep something too much, which is why half is enough.

use redb::{Range, ReadableTable, TableDefinition, Value};

use crate::error::StoreError;
use crate::place::Place;
use crate::read::READ;
use crate::slots::{Session, WRITE};
use crate::tables::Half;

pub(crate) type HalfBytes = [u8; 16];

/// The calls that rows use.
pub(super) const USED: TableDefinition<'static, Half, ()> = TableDefinition::new("mark");

/// The objects of entries that are kept for now: the highest rank of such an entry, and how many have it.
pub(super) const OBJECTS: TableDefinition<'static, Half, (u64, u64)> =
    TableDefinition::new("mark-object");

/// The recipes of entries that stay.
pub(super) const RECIPES: TableDefinition<'static, u32, ()> = TableDefinition::new("mark-recipe");

/// The components of recipes that stay.
pub(super) const COMPONENTS: TableDefinition<'static, Half, ()> =
    TableDefinition::new("mark-component");

/// The part of a hash that is marked.
pub(crate) fn half(hash: &[u8; 32]) -> HalfBytes {
    let (half, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    *half
}

/// Makes the tables.
pub(super) fn make(session: Session<'_>) -> Result<(), StoreError> {
    let write = |error| session.place.redb(WRITE, error);
    let transaction = session.transaction;
    drop(transaction.open_table(USED).map_err(write)?);
    drop(transaction.open_table(OBJECTS).map_err(write)?);
    drop(transaction.open_table(RECIPES).map_err(write)?);
    drop(transaction.open_table(COMPONENTS).map_err(write)?);
    Ok(())
}

/// Removes the tables, where they are there.
pub(super) fn clear(session: Session<'_>) -> Result<(), StoreError> {
    let write = |error| session.place.redb(WRITE, error);
    let transaction = session.transaction;
    transaction.delete_table(USED).map_err(write)?;
    transaction.delete_table(OBJECTS).map_err(write)?;
    transaction.delete_table(RECIPES).map_err(write)?;
    transaction.delete_table(COMPONENTS).map_err(write)?;
    Ok(())
}

/// Sets marks. It is fastest in the order of the keys.
pub(super) fn set(
    session: Session<'_>,
    marks: TableDefinition<'_, Half, ()>,
    keys: &[HalfBytes],
) -> Result<(), StoreError> {
    let write = |error| session.place.redb(WRITE, error);
    let mut table = (session.transaction.open_table(marks))
        .map_err(|error| session.place.redb(WRITE, error))?;
    for key in keys {
        table.insert(key, ()).map_err(write)?;
    }
    Ok(())
}

/// A table of halves, followed in step with another one in the same order.
pub(super) struct Follow<'t, V: Value + 'static, T> {
    place: &'t Place,
    range: Range<'t, Half, V>,
    read: for<'v> fn(&HalfBytes, V::SelfType<'v>) -> T,
    head: Option<(HalfBytes, T)>,
    begun: bool,
}

impl<'t, V: Value + 'static, T> Follow<'t, V, T> {
    /// Follows `table` from `first` on.
    pub(super) fn from(
        place: &'t Place,
        table: &'t impl ReadableTable<Half, V>,
        first: HalfBytes,
        read: for<'v> fn(&HalfBytes, V::SelfType<'v>) -> T,
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
