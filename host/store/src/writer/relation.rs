//! Writing relations: their rows, who looks them up, which rows are due because of them, and the steps of folds.

use std::ops::Bound;

use redb::ReadableTable;

use super::Writer;
use crate::encoding::{ChangeRecord, Nothing};
use crate::error::StoreError;
use crate::read::{Found, READ, check};
use crate::record::{
    CollectionId, KEY_BYTES_MAX, LookupRecord, Member, MemberChange, Step, TargetId,
};
use crate::slots::{Session, Slot, Tables, WRITE, limit};
use crate::tables::{Bytes, MEMBER, READER, STEP, group_key, level_key, readers_key, row_key};

impl Writer<'_> {
    /// Writes the row of a relation with this [`member_key`](crate::member_key), or removes it, and says what that changed.
    /// Writing again what is there changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLong`] when the key is longer than [`KEY_BYTES_MAX`];
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_member(
        &mut self,
        relation: TargetId,
        key: &[u8],
        row: Option<&Member>,
    ) -> Result<MemberChange, StoreError> {
        self.run(|tables, session, buffer| {
            limit("the key of a row of a relation", key.len(), KEY_BYTES_MAX)?;
            let key = [&relation.0.to_be_bytes()[..], key].concat();
            let known: Option<Member> = tables
                .member
                .get(session, &*key)?
                .or_damaged(session.place, MEMBER.name)?;
            match row {
                Some(row) if known.as_ref() == Some(row) => return Ok(MemberChange::Same),
                Some(row) => tables.member.put(session, buffer, &*key, row)?,
                None if known.is_none() => return Ok(MemberChange::Same),
                None => tables.member.remove(session, &*key)?,
            }
            Ok(if known.is_some() && row.is_some() {
                MemberChange::Changed
            } else {
                MemberChange::Structure
            })
        })
    }

    /// Notes that a row has to be looked at, whatever its source says of it.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn put_due(&mut self, collection: CollectionId, key: &[u8]) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            limit("the key of a row", key.len(), KEY_BYTES_MAX)?;
            let key = row_key(collection, key);
            tables.due.put(session, buffer, &*key, &Nothing)
        })
    }

    /// Notes that a row has been looked at.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn remove_due(&mut self, collection: CollectionId, key: &[u8]) -> Result<(), StoreError> {
        self.run(|tables, session, _| tables.due.remove(session, &*row_key(collection, key)))
    }

    /// Notes that a row looked something up, or does so no more.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn put_reader(
        &mut self,
        lookup: &LookupRecord,
        collection: CollectionId,
        key: &[u8],
        reads: bool,
    ) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            let table_key = [&readers_key(lookup)[..], &row_key(collection, key)].concat();
            if reads {
                limit("the key of a row", key.len(), KEY_BYTES_MAX)?;
                tables.reader.put(session, buffer, &*table_key, &Nothing)
            } else {
                tables.reader.remove(session, &*table_key)
            }
        })
    }

    /// Notes that all rows that looked this up have to be looked at.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn make_readers_due(&mut self, lookup: &LookupRecord) -> Result<(), StoreError> {
        let prefix = readers_key(lookup);
        self.run(|tables, session, buffer| {
            let Tables { reader, due, .. } = tables;
            let read = |error| session.place.redb(READ, error);
            let range = reader
                .open(session)?
                .range::<&[u8]>(&*prefix..)
                .map_err(read)?;
            for entry in range {
                let (key, stored) = entry.map_err(read)?;
                let Some(row) = key.value().strip_prefix(&prefix[..]) else {
                    break;
                };
                // A key that is another than was written would make the wrong row due.
                check(session.place, &READER, &key.value(), stored.value())?;
                due.put(session, buffer, row, &Nothing)?;
            }
            Ok(())
        })
    }

    /// Writes the value of an element of a fold, or removes it, and says what that changed.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_member`].
    pub fn put_step(
        &mut self,
        (relation, group, level): (TargetId, &[u8], u8),
        element: &[u8],
        step: Option<&Step>,
    ) -> Result<MemberChange, StoreError> {
        self.run(|tables, session, buffer| {
            let key = limited_key((relation, group, level), element)?;
            let known: Option<Step> = tables
                .step
                .get(session, &*key)?
                .or_damaged(session.place, STEP.name)?;
            match step {
                Some(step) if known.as_ref() == Some(step) => return Ok(MemberChange::Same),
                Some(step) => tables.step.put(session, buffer, &*key, step)?,
                None if known.is_none() => return Ok(MemberChange::Same),
                None => tables.step.remove(session, &*key)?,
            }
            Ok(if known.is_some() && step.is_some() {
                MemberChange::Changed
            } else {
                MemberChange::Structure
            })
        })
    }

    /// Notes that an element of a fold is another, or came or went. One that came or went stays noted as such, and one
    /// whose note does not check out counts as such, which only adds work.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_member`].
    pub fn put_change(
        &mut self,
        (relation, group, level): (TargetId, &[u8], u8),
        element: &[u8],
        structure: bool,
    ) -> Result<(), StoreError> {
        self.run(|tables, session, buffer| {
            let key = limited_key((relation, group, level), element)?;
            let known = match tables.change.get::<ChangeRecord>(session, &*key)? {
                Found::Record(known) => known.structure,
                Found::Damage => true,
                Found::Nothing => false,
            };
            let record = ChangeRecord {
                structure: structure || known,
            };
            tables.change.put(session, buffer, &*key, &record)
        })
    }

    /// Notes that a change has been taken up.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_member`].
    pub fn remove_change(
        &mut self,
        (relation, group, level): (TargetId, &[u8], u8),
        element: &[u8],
    ) -> Result<(), StoreError> {
        let key = [&level_key(relation, group, level)[..], element].concat();
        self.run(|tables, session, _| tables.change.remove(session, &*key))
    }

    /// Notes that the changes of a level from `from` on, and before `to`, have been taken up; an empty `to` is the end.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_member`].
    pub fn clear_changes(
        &mut self,
        (relation, group, level): (TargetId, &[u8], u8),
        from: &[u8],
        to: &[u8],
    ) -> Result<(), StoreError> {
        let prefix = level_key(relation, group, level);
        let start = [&prefix, from].concat();
        let end = if to.is_empty() {
            after(&prefix)
        } else {
            [&prefix, to].concat()
        };
        self.run(|tables, session, _| clear(&mut tables.change, session, &start, &end))
    }

    /// Removes the steps of a group, on all levels from this one on.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn clear_steps(
        &mut self,
        relation: TargetId,
        group: &[u8],
        from_level: u8,
    ) -> Result<(), StoreError> {
        let start = level_key(relation, group, from_level);
        let end = after(&group_key(relation, group));
        self.run(|tables, session, _| clear(&mut tables.step, session, &start, &end))
    }

    /// Removes the steps and the changes of a relation.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn clear_all_steps(&mut self, relation: TargetId) -> Result<(), StoreError> {
        let start = relation.0.to_be_bytes();
        let end = after(&start);
        self.run(|tables, session, _| {
            clear(&mut tables.step, session, &start, &end)?;
            clear(&mut tables.change, session, &start, &end)
        })
    }

    /// Removes all that there is of a relation.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn clear_relation(&mut self, relation: TargetId) -> Result<(), StoreError> {
        let start = relation.0.to_be_bytes();
        let end = after(&start);
        self.run(|tables, session, _| {
            clear(&mut tables.member, session, &start, &end)?;
            clear(&mut tables.reader, session, &start, &end)?;
            clear(&mut tables.step, session, &start, &end)?;
            clear(&mut tables.change, session, &start, &end)
        })
    }

    /// Forgets that rows of a collection are due.
    ///
    /// # Errors
    ///
    /// As [`Writer::put_row`].
    pub fn clear_due(&mut self, collection: CollectionId) -> Result<(), StoreError> {
        let start = collection.0.to_be_bytes();
        let end = after(&start);
        self.run(|tables, session, _| clear(&mut tables.due, session, &start, &end))
    }
}

/// The key of an element of a fold, in `step` and `change`. Its group and its own key may be as long as those of a row of a
/// relation: what stands before and between them does not count.
fn limited_key(
    (relation, group, level): (TargetId, &[u8], u8),
    element: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let key = [&level_key(relation, group, level)[..], element].concat();
    let bytes = key.len() - size_of::<u32>() - size_of::<u8>();
    limit("the key of an element of a fold", bytes, KEY_BYTES_MAX)?;
    Ok(key)
}

/// The first key behind all that begin with `prefix`; empty where there is none.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

fn clear<'txn>(
    slot: &mut Slot<'txn, Bytes>,
    session: Session<'txn>,
    start: &[u8],
    end: &[u8],
) -> Result<(), StoreError> {
    let end = if end.is_empty() {
        Bound::Unbounded
    } else {
        Bound::Excluded(end)
    };
    let range = (Bound::Included(start), end);
    slot.open(session)?
        .retain_in::<&[u8], _>(range, |_, _| false)
        .map_err(|error| session.place.redb(WRITE, error))
}
