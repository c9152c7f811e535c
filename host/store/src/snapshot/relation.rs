//! Reading relations: their rows, the rows that are due because of them, and the steps of folds.

use std::ops::Bound;

use redb::ReadOnlyTable;

use super::Snapshot;
use crate::encoding::Nothing;
use crate::error::StoreError;
use crate::read::{READ, read};
use crate::record::{CollectionId, LookupRecord, Member, Step, TargetId};
use crate::scan::{
    ChangeIter, DueIter, GroupIter, MemberIter, PublishedIter, RawRange, ReaderIter, Scan,
    StepIter, behind, prefix_range,
};
use crate::tables::{Bytes, DUE, MEMBER, STEP, group_key, level_key, readers_key, row_key};
use crate::writer::after;

impl Snapshot {
    /// The rows of a group of a relation, ascending by the bytes of their keys, from `from` on. They are read as the
    /// iterator goes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`]; the iterator yields the same, and ends after an error.
    pub fn members(
        &self,
        relation: TargetId,
        group: &[u8],
        from: &[u8],
    ) -> Result<MemberIter, StoreError> {
        let prefix = group_key(relation, group);
        let start = [&prefix, from].concat();
        let range = self.between(&self.member, &start, &after(&prefix))?;
        Ok(MemberIter::forward(Scan::of(&self.place, range)))
    }

    /// As [`Snapshot::members`], but those before `before`, descending.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn members_before(
        &self,
        relation: TargetId,
        group: &[u8],
        before: &[u8],
    ) -> Result<MemberIter, StoreError> {
        let prefix = group_key(relation, group);
        let end = [&prefix, before].concat();
        let range = self.between(&self.member, &prefix, &end)?;
        Ok(MemberIter::backward(Scan::of(&self.place, range)))
    }

    /// The keys of all rows of a relation, as [`member_key`](crate::member_key) makes them, ascending, each with how many
    /// bytes the row takes. They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn published(&self, relation: TargetId) -> Result<PublishedIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.member, relation.0))?;
        Ok(PublishedIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// As [`Snapshot::published`], but only those behind the row with this key.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn published_after(
        &self,
        relation: TargetId,
        after: &[u8],
    ) -> Result<PublishedIter, StoreError> {
        let start = relation.0.to_be_bytes();
        let range = behind(&self.place, &self.member, &start, after)?;
        Ok(PublishedIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// As [`Snapshot::groups`], but only those behind this one.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn groups_after(&self, relation: TargetId, group: &[u8]) -> Result<GroupIter, StoreError> {
        let start = after(&group_key(relation, group));
        let end = after(&relation.0.to_be_bytes());
        let range = self.between(&self.member, &start, &end)?;
        Ok(GroupIter::of(Scan::of(&self.place, range)))
    }

    /// As [`Snapshot::due`], but only those behind this one.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn due_after(&self, collection: CollectionId, after: &[u8]) -> Result<DueIter, StoreError> {
        let start = collection.0.to_be_bytes();
        let range = behind(&self.place, &self.due, &start, after)?;
        Ok(DueIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// A row of a relation, by its [`member_key`](crate::member_key).
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn member(&self, relation: TargetId, key: &[u8]) -> Result<Option<Member>, StoreError> {
        let key = [&relation.0.to_be_bytes()[..], key].concat();
        self.place.guarded(|| {
            read(&self.place, &MEMBER, &self.member, &*key)?.or_damaged(&self.place, MEMBER.name)
        })
    }

    /// The groups of a relation, ascending by their bytes, each with how many rows it has and how many bytes they take.
    /// They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn groups(&self, relation: TargetId) -> Result<GroupIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.member, relation.0))?;
        Ok(GroupIter::of(Scan::of(&self.place, range)))
    }

    /// One of the groups of a relation, as [`Snapshot::groups`] gives it; none when it has no rows.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn group(
        &self,
        relation: TargetId,
        group: &[u8],
    ) -> Result<Option<(u64, u64)>, StoreError> {
        let prefix = group_key(relation, group);
        let range = self.between(&self.member, &prefix, &after(&prefix))?;
        let found = GroupIter::of(Scan::of(&self.place, range)).next();
        Ok(found.transpose()?.map(|(_, rows, bytes)| (rows, bytes)))
    }

    /// The rows of a collection that have to be looked at, whatever their source says, ascending by their keys.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn due(&self, collection: CollectionId) -> Result<DueIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.due, collection.0))?;
        Ok(DueIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// Whether a row has to be looked at, whatever its source says.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn is_due(&self, collection: CollectionId, key: &[u8]) -> Result<bool, StoreError> {
        let key = row_key(collection, key);
        self.place.guarded(|| {
            let found: Option<Nothing> =
                read(&self.place, &DUE, &self.due, &*key)?.or_damaged(&self.place, DUE.name)?;
            Ok(found.is_some())
        })
    }

    /// The rows that looked this up, by their collections and keys, ascending. They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn readers(&self, lookup: &LookupRecord) -> Result<ReaderIter, StoreError> {
        let prefix = readers_key(lookup);
        let range = self.between(&self.reader, &prefix, &after(&prefix))?;
        Ok(ReaderIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// The elements of a level of a group's fold, ascending by their keys, from `from` on.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn steps(
        &self,
        (relation, group, level): (TargetId, &[u8], u8),
        from: &[u8],
    ) -> Result<StepIter, StoreError> {
        let prefix = level_key(relation, group, level);
        let start = [&prefix, from].concat();
        let range = self.between(&self.step, &start, &after(&prefix))?;
        Ok(StepIter::forward(Scan::of(&self.place, range)))
    }

    /// As [`Snapshot::steps`], but those before `before`, descending.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn steps_before(
        &self,
        (relation, group, level): (TargetId, &[u8], u8),
        before: &[u8],
    ) -> Result<StepIter, StoreError> {
        let prefix = level_key(relation, group, level);
        let end = [&prefix, before].concat();
        let range = self.between(&self.step, &prefix, &end)?;
        Ok(StepIter::backward(Scan::of(&self.place, range)))
    }

    /// One element of a level of a group's fold.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn step(
        &self,
        (relation, group, level): (TargetId, &[u8], u8),
        element: &[u8],
    ) -> Result<Option<Step>, StoreError> {
        let key = [&level_key(relation, group, level)[..], element].concat();
        self.place.guarded(|| {
            read(&self.place, &STEP, &self.step, &*key)?.or_damaged(&self.place, STEP.name)
        })
    }

    /// The changes of a relation that its fold has not taken up, ascending by group, level and key.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::members`].
    pub fn changes(&self, relation: TargetId) -> Result<ChangeIter, StoreError> {
        let range = self
            .place
            .guarded(|| prefix_range(&self.place, &self.change, relation.0))?;
        Ok(ChangeIter {
            scan: Scan::of(&self.place, range),
        })
    }

    /// The entries from `start` on before `end`; an empty end is none.
    fn between(
        &self,
        table: &ReadOnlyTable<Bytes, Bytes>,
        start: &[u8],
        end: &[u8],
    ) -> Result<RawRange<Bytes>, StoreError> {
        let end = if end.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(end)
        };
        self.place.guarded(|| {
            table
                .range_owned::<&[u8]>((Bound::Included(start), end))
                .map_err(|error| self.place.redb(READ, error))
        })
    }
}
