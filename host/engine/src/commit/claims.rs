//! Claims: which root row a target row belongs to, and what may be in the targets while a batch is applied.

use std::collections::{HashMap, HashSet};

use flowstone_store::{
    CollectionId, IntentRow, Lineage, Owner, RowHead, RowState, StoreError, TargetId, TargetRow,
    Writer,
};

use super::Feeds;
use crate::reconcile::{RowUpdate, UpdateKind};

/// Gives up the target rows that a root row no longer gives. Those that another row has taken over by now, which is so
/// only after a run that was cut off, are left alone.
pub(super) fn release(
    writer: &mut Writer<'_>,
    (collection, feeds): (CollectionId, &Feeds),
    update: &mut RowUpdate,
    released: &mut HashMap<TargetId, u64>,
) -> Result<(), StoreError> {
    let deletes = match &mut update.kind {
        UpdateKind::Touch { .. } => return Ok(()),
        UpdateKind::Remove { targets, .. } => targets,
        UpdateKind::Write { deletes, .. } => deletes,
    };
    let mut left = Vec::with_capacity(deletes.len());
    for row in deletes.drain(..) {
        if feeds.contains_key(&row.target) {
            left.push(row);
            continue;
        }
        match writer.owner(row.target, &row.key)? {
            Some(owner) if owner.collection != collection || owner.row != update.key => continue,
            Some(_) => {
                writer.release(row.target, &row.key)?;
                *released.entry(row.target).or_default() += 1;
            }
            None => {}
        }
        left.push(row);
    }
    *deletes = left;
    Ok(())
}

/// Claims the target rows that a root row gives anew. Those that another row has are left out, and the row fails.
pub(super) fn claim(
    writer: &mut Writer<'_>,
    (collection, feeds): (CollectionId, &Feeds),
    update: &mut RowUpdate,
) -> Result<bool, StoreError> {
    let UpdateKind::Write {
        head,
        lineage,
        upserts,
        ..
    } = &mut update.kind
    else {
        return Ok(false);
    };
    let me = Owner {
        collection,
        row: update.key.clone(),
    };
    // What this row has already, which must not be taken a second time by another of its target rows. Looked at rarely: only
    // where it owns a row that is new to it.
    let mut mine: Option<HashSet<(TargetId, &[u8])>> = None;
    let mut taken = vec![false; upserts.len()];
    for (at, upsert) in upserts.iter().enumerate() {
        // A row of a relation has its root row in its key: nobody else can have it.
        if !upsert.insert || feeds.contains_key(&upsert.row.target) {
            continue;
        }
        let place = (upsert.row.target, &*upsert.row.key);
        taken[at] = match writer.owner(place.0, place.1)? {
            Some(owner) if owner == me => {
                let mine = mine.get_or_insert_with(|| {
                    let others = upserts.iter().zip(&taken).enumerate();
                    let others = others.filter(|(other, (upsert, taken))| {
                        !upsert.insert || *other < at && !**taken
                    });
                    let others = others.map(|(_, (upsert, _))| &upsert.row);
                    (lineage.targets.iter().chain(others))
                        .map(|row| (row.target, &*row.key))
                        .collect()
                });
                !mine.insert(place)
            }
            Some(_) => true,
            None => {
                if let Some(mine) = &mut mine {
                    mine.insert(place);
                }
                false
            }
        };
        if !taken[at] {
            writer.claim(place.0, place.1, &me)?;
        }
    }
    drop(mine);
    let conflict = taken.contains(&true);
    let mut taken = taken.into_iter();
    upserts.retain(|_| taken.next() != Some(true));
    if conflict {
        let reason = "another row gives a target row with the same key";
        fail(head, lineage, || reason.to_owned());
    }
    Ok(conflict)
}

/// Has a root row fail, to be tried again in every run: not all of what it gives is in the targets.
pub(super) fn fail(head: &mut RowHead, lineage: &mut Lineage, reason: impl FnOnce() -> String) {
    head.state = RowState::Failed { retry: true };
    lineage.good = false;
    lineage.failure.get_or_insert_with(reason);
}

/// The intent of a root row: all target rows that may be there while the batch is applied.
pub(super) fn intended(collection: CollectionId, update: &RowUpdate) -> Option<IntentRow> {
    let targets: Vec<TargetRow> = match &update.kind {
        UpdateKind::Touch { .. } => return None,
        UpdateKind::Remove { targets, .. } => targets.iter().map(uncertain).collect(),
        UpdateKind::Write {
            lineage,
            upserts,
            deletes,
            ..
        } => {
            if upserts.is_empty() && deletes.is_empty() {
                return None;
            }
            let touched = upserts
                .iter()
                .map(|upsert| &upsert.row)
                .chain(deletes)
                .map(uncertain);
            lineage.targets.iter().cloned().chain(touched).collect()
        }
    };
    (!targets.is_empty()).then(|| IntentRow {
        collection,
        key: update.key.clone(),
        targets,
    })
}

/// The same target row with a fingerprint that no row has: nobody knows what the target holds for it.
fn uncertain(row: &TargetRow) -> TargetRow {
    TargetRow {
        fingerprint: [0; 16],
        ..row.clone()
    }
}
