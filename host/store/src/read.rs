//! Looking up one record, in a read or a write transaction.

use std::borrow::Borrow;

use redb::{Key, ReadableTable};

use crate::codec::{Record, decode, unseal};
use crate::encoding::OwnerRecord;
use crate::error::StoreError;
use crate::place::Place;
use crate::record::{Owner, TargetId};
use crate::tables::{Bytes, OWNER, TableSpec, owner_key};

pub(crate) const READ: &str = "reading the database";

/// What was found under a key.
pub(crate) enum Found<R> {
    Nothing,
    /// Bytes that are not a record written under this key.
    Damage,
    Record(R),
}

impl<R: Record> Found<R> {
    /// The record in the bytes stored under `key`.
    pub(crate) fn of<K: Key + 'static>(
        spec: &TableSpec<K>,
        key: &K::SelfType<'_>,
        stored: &[u8],
    ) -> Self {
        unseal(spec.tag, K::as_bytes(key).as_ref(), stored)
            .and_then(decode)
            .map_or(Self::Damage, Self::Record)
    }

    /// For records that can be made again: damage is a miss.
    pub(crate) fn or_miss(self) -> Option<R> {
        match self {
            Self::Record(record) => Some(record),
            Self::Nothing | Self::Damage => None,
        }
    }

    /// For records that a run relies on.
    pub(crate) fn or_damaged(self, place: &Place, table: &str) -> Result<Option<R>, StoreError> {
        match self {
            Self::Record(record) => Ok(Some(record)),
            Self::Nothing => Ok(None),
            Self::Damage => Err(does_not_check_out(place, table)),
        }
    }
}

/// Whether what is stored under `key` was written there, for those who need nothing of what it says.
pub(crate) fn check<K: Key + 'static>(
    place: &Place,
    spec: &TableSpec<K>,
    key: &K::SelfType<'_>,
    stored: &[u8],
) -> Result<(), StoreError> {
    unseal(spec.tag, K::as_bytes(key).as_ref(), stored)
        .map(drop)
        .ok_or_else(|| does_not_check_out(place, spec.name))
}

fn does_not_check_out(place: &Place, table: &str) -> StoreError {
    place.damaged(format!(
        "a record in the table `{table}` does not check out"
    ))
}

/// Looks up one record.
pub(crate) fn read<'k, K: Key + 'static, R: Record>(
    place: &Place,
    spec: &TableSpec<K>,
    table: &impl ReadableTable<K, Bytes>,
    key: impl Borrow<K::SelfType<'k>>,
) -> Result<Found<R>, StoreError> {
    let stored = table
        .get(key.borrow())
        .map_err(|error| place.redb(READ, error))?;
    Ok(stored.map_or(Found::Nothing, |stored| {
        let body = unseal(spec.tag, K::as_bytes(key.borrow()).as_ref(), stored.value());
        body.and_then(decode).map_or(Found::Damage, Found::Record)
    }))
}

/// Looks up an owner by the full key of the target row.
pub(crate) fn read_owner(
    place: &Place,
    table: &impl ReadableTable<Bytes, Bytes>,
    target: TargetId,
    key: &[u8],
) -> Result<Option<Owner>, StoreError> {
    let (table_key, long_key) = owner_key(target, key);
    let record: Option<OwnerRecord<'_>> =
        read(place, &OWNER, table, &*table_key)?.or_damaged(place, OWNER.name)?;
    match record {
        Some(record) if *record.long_key != *long_key => {
            Err(place.damaged("two target rows are kept as one"))
        }
        record => Ok(record.map(|record| record.owner.into_owned())),
    }
}
