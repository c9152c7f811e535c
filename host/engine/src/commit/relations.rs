//! Relations: what a batch publishes is written when it is settled, and with it who has to be looked at because of that.
//!
//! A row of a relation, the rows that are due and the readers change in one transaction, so that no change is ever seen by
//! some and missed by others.

use std::collections::{BTreeMap, BTreeSet};

use flowstone_store::{
    CollectionId, LookupRecord, Member, MemberChange, RowState, StoreError, TargetId, Writer,
    split_member_key,
};

use super::DueRows;
use crate::reconcile::{Content, RowUpdate, UpdateKind};

/// What becomes of a change of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// The group is a row of this collection.
    Groups(CollectionId),
    /// The group is folded before there is a row of it.
    Combined,
    /// The member is a row of this collection, once the group has been folded.
    Stated(CollectionId),
    /// Whoever looked it up is due.
    Lookups,
}

/// The relations of a flow.
pub(crate) type Feeds = BTreeMap<TargetId, Feed>;

/// A row of a relation that is written, or removed.
pub(super) struct RelationOp {
    relation: TargetId,
    key: Vec<u8>,
    row: Option<Member>,
}

/// Takes what is published out of a batch: what is left is for targets outside of the store.
pub(super) fn publish(feeds: &Feeds, updates: &mut [RowUpdate]) -> Vec<RelationOp> {
    let mut operations = Vec::new();
    for update in updates {
        let deletes = match &mut update.kind {
            UpdateKind::Touch { .. } => continue,
            UpdateKind::Remove { targets, .. } => targets,
            UpdateKind::Write { deletes, .. } => deletes,
        };
        let (gone, left) = std::mem::take(deletes)
            .into_iter()
            .partition(|row| feeds.contains_key(&row.target));
        *deletes = left;
        let removal = |row: flowstone_store::TargetRow| RelationOp {
            relation: row.target,
            key: row.key,
            row: None,
        };
        operations.extend(Vec::into_iter(gone).map(removal));
        let UpdateKind::Write {
            lineage, upserts, ..
        } = &mut update.kind
        else {
            continue;
        };
        for upsert in std::mem::take(upserts) {
            match upsert.content {
                Content::Target { .. } => upserts.push(upsert),
                Content::Relation(member) => {
                    operations.push(RelationOp {
                        relation: upsert.row.target,
                        key: upsert.row.key.clone(),
                        row: Some(member),
                    });
                    lineage.targets.push(upsert.row);
                }
            }
        }
    }
    operations
}

impl RelationOp {
    /// Writes it, and adds what was looked up in `changed`.
    pub(super) fn write(
        &self,
        writer: &mut Writer<'_>,
        feeds: &Feeds,
        changed: &mut BTreeSet<LookupRecord>,
    ) -> Result<(), StoreError> {
        let (relation, key) = (self.relation, &self.key);
        let change = writer.put_member(relation, key, self.row.as_ref())?;
        let Some((group, member)) = split_member_key(key) else {
            return Ok(());
        };
        if change == MemberChange::Same {
            return Ok(());
        }
        let structure = change == MemberChange::Structure;
        match feeds.get(&relation) {
            Some(Feed::Groups(collection)) => writer.put_due(*collection, &group),
            Some(Feed::Combined) => writer.put_change((relation, &group, 0), member, structure),
            Some(Feed::Stated(collection)) => {
                writer.put_due(*collection, key)?;
                writer.put_change((relation, &group, 0), member, structure)
            }
            Some(Feed::Lookups) => {
                let key = group.first_chunk().copied().unwrap_or_default();
                changed.insert(LookupRecord { relation, key });
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Notes who looks what up now, and no more.
pub(super) fn settle_lookups(
    writer: &mut Writer<'_>,
    collection: CollectionId,
    update: &RowUpdate,
) -> Result<(), StoreError> {
    let none = Vec::new();
    let (before, now) = match &update.kind {
        UpdateKind::Touch { .. } => return Ok(()),
        UpdateKind::Remove { lookups, .. } => (lookups, &none),
        UpdateKind::Write {
            lineage, looked_up, ..
        } => (looked_up, &lineage.lookups),
    };
    if before == now {
        return Ok(());
    }
    let before: BTreeSet<LookupRecord> = before.iter().copied().collect();
    let now: BTreeSet<LookupRecord> = now.iter().copied().collect();
    for gone in before.difference(&now) {
        writer.put_reader(gone, collection, &update.key, false)?;
    }
    for new in now.difference(&before) {
        writer.put_reader(new, collection, &update.key, true)?;
    }
    Ok(())
}

/// Notes that a row has been looked at. A gathered one that failed stays due: nothing else would bring it up again.
pub(super) fn settle_due(
    writer: &mut Writer<'_>,
    (collection, rows): (CollectionId, DueRows),
    update: &RowUpdate,
) -> Result<(), StoreError> {
    if rows == DueRows::None || !update.settles_due {
        return Ok(());
    }
    let head = match &update.kind {
        UpdateKind::Touch { head, .. } | UpdateKind::Write { head, .. } => Some(head),
        UpdateKind::Remove { .. } => None,
    };
    match head.map(|head| head.state) {
        Some(RowState::Failed { .. }) if rows == DueRows::All => {
            writer.put_due(collection, &update.key)
        }
        _ => writer.remove_due(collection, &update.key),
    }
}
