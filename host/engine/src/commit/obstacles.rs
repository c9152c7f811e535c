//! Obstacles: target rows that cannot be written because of what is in their place. Their root rows fail, all others go on.

use std::collections::{BTreeMap, HashMap};

use super::OpenTarget;
use super::claims::fail;
use crate::error::Error;
use crate::reconcile::{Content, RowUpdate, UpdateKind, Upsert};

/// The new target rows of a batch in one target: the places of their root rows in the batch and of their own, and the key.
type New<'a> = Vec<((usize, usize), &'a [u8])>;

/// Leaves out the new target rows that cannot be written, and gives the keys of the root rows, which fail. What is in the way
/// may go in this run, so these are tried again as those are that want what another row has.
pub(super) fn refuse(
    targets: &mut [OpenTarget],
    updates: &mut [RowUpdate],
) -> Result<Vec<Vec<u8>>, Error> {
    let mut refused: HashMap<(usize, usize), String> = HashMap::new();
    for (slot, new) in new_rows(updates) {
        let open = &mut targets[slot];
        let keys: Vec<&[u8]> = new.iter().map(|(_, key)| *key).collect();
        let obstacles = open.target.obstacles(&keys);
        let obstacles = obstacles.map_err(|error| Error::Target {
            target: open.name.clone(),
            error,
        })?;
        let of_target = |why: String| format!("target `{}`: {why}", open.name);
        refused.extend((obstacles.into_iter()).map(|(at, why)| (new[at].0, of_target(why))));
    }
    let mut failed = Vec::new();
    for (at, update) in updates.iter_mut().enumerate() {
        let UpdateKind::Write {
            head,
            lineage,
            upserts,
            ..
        } = &mut update.kind
        else {
            continue;
        };
        let (mut place, mut first) = (0, None);
        upserts.retain(|_| {
            let why = refused.remove(&(at, place));
            place += 1;
            let is_fit = why.is_none();
            first = first.take().or(why);
            is_fit
        });
        if let Some(why) = first {
            fail(head, lineage, || why);
            failed.push(update.key.clone());
        }
    }
    Ok(failed)
}

fn new_rows(updates: &[RowUpdate]) -> BTreeMap<usize, New<'_>> {
    let mut new: BTreeMap<usize, New<'_>> = BTreeMap::new();
    for (at, update) in updates.iter().enumerate() {
        let UpdateKind::Write { upserts, .. } = &update.kind else {
            continue;
        };
        for (place, upsert) in upserts.iter().enumerate() {
            if let Upsert {
                row,
                content: Content::Target { slot, .. },
                insert: true,
            } = upsert
            {
                new.entry(*slot).or_default().push(((at, place), &row.key));
            }
        }
    }
    new
}
