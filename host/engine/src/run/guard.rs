//! The guard: rows that too many of a source are gone with stay, while the rest of it goes on; and what is known of a source
//! that cannot be listed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use flowstone_store::{RowHead, RowState, Snapshot};

use super::round::Part;
use super::session::Session;
use super::summary::LookedAt;
use crate::batch::{Halt, Item};
use crate::chunks::Chunks;
use crate::error::Error;
use crate::scan::{Found, Pass, go_over, scan, scan_keys};
use crate::stage::StageRun;

/// So many rows are worked on beside those that stay, where all of them are too many to keep. Later listings do the rest.
const EDITS_MAX: usize = 50_000;

/// What looking at a stage gave.
pub(super) struct Looked {
    pub(super) found: Found,
    pub(super) at: LookedAt,
    /// What is wrong with the source; only where the session is lenient.
    pub(super) fault: Option<Error>,
}

impl Looked {
    fn fine(found: Found, at: LookedAt) -> Self {
        Self {
            found,
            at,
            fault: None,
        }
    }
}

impl Session<'_> {
    /// Looks at a part of a stage. Where the session is lenient and its source cannot be had, its rows stay as they are;
    /// where too many are gone, only these do.
    pub(super) fn look(
        &self,
        index: usize,
        part: Option<&Part>,
        snapshot: &Snapshot,
    ) -> Result<Looked, Halt> {
        let stage = &self.stages[index];
        if stage.stage.source.gather.is_some() {
            // Its rows are known when those that they come from are settled.
            return Ok(Looked::fine(Found::default(), LookedAt::Gathered));
        }
        let looked = match part {
            None => return Ok(Looked::fine(Found::default(), LookedAt::Nothing)),
            Some(Part::Whole) => self.look_whole(index, stage),
            Some(Part::Keys(keys)) => self.look_some(stage, keys, snapshot),
        };
        let error = match looked {
            Err(Halt::Error(error)) if self.lenient && error.is_of_source() => error,
            looked => return looked,
        };
        let (found, at) = match part {
            Some(Part::Whole) => (known(stage)?, LookedAt::Unlisted),
            _ => (Found::default(), LookedAt::Nothing),
        };
        Ok(Looked {
            found,
            at,
            fault: Some(error),
        })
    }

    fn look_whole(&self, index: usize, stage: &StageRun<'_>) -> Result<Looked, Halt> {
        let mut found = scan(stage, Pass::Whole)?;
        if let Some((key, place)) = stage.overrides.unlisted(&found.given) {
            let source = &stage.stage.source.name;
            return Err(Halt::Error(Error::Override {
                place: place.to_owned(),
                message: format!("source `{source}` has no row `{key}`"),
            }));
        }
        let rows = found.rows;
        let in_flow = index < self.ground.flow.plan.stages.len();
        if !in_flow || !found.is_mass_delete() || self.ground.shared.options.allow_deletes {
            return Ok(Looked::fine(found, LookedAt::Whole { rows, stay: None }));
        }
        // Those that stay are gone already: for every further one the guard holds, too.
        let most = found.known;
        let refusal = too_many(stage, found.removed, most);
        if self.lenient {
            spare(&mut found, stage)?;
        }
        let stay = Some(most);
        self.refused(found, LookedAt::Whole { rows, stay }, refusal)
    }

    /// The guard holds for what all rounds since the last listing took away together: rows may go a few at a time.
    fn look_some(
        &self,
        stage: &StageRun<'_>,
        keys: &BTreeSet<Vec<u8>>,
        snapshot: &Snapshot,
    ) -> Result<Looked, Halt> {
        let mut found = scan_keys(stage, snapshot, keys)?;
        let (most, now) = self.tally.rows_of(&stage.stage.source.name);
        let left = (now + found.rows).saturating_sub(found.known);
        let together = Found {
            known: most,
            removed: most.saturating_sub(left),
            ..Found::default()
        };
        let at = LookedAt::Some {
            failed_before: found.known_failed,
        };
        let guarded = found.removed > 0 && !self.ground.shared.options.allow_deletes;
        if !guarded || !together.is_mass_delete() {
            return Ok(Looked::fine(found, at));
        }
        spare(&mut found, stage)?;
        self.refused(found, at, too_many(stage, together.removed, most))
    }

    /// What is left to do where rows that are gone have to stay.
    fn refused(&self, found: Found, at: LookedAt, refusal: Error) -> Result<Looked, Halt> {
        if !self.lenient {
            return Err(refusal.into());
        }
        Ok(Looked {
            found,
            at,
            fault: Some(refusal),
        })
    }
}

/// Leaves the rows that are gone out of what there is to do: they stay as they are.
fn spare(found: &mut Found, stage: &StageRun<'_>) -> Result<(), Halt> {
    let items = match found.kept.take() {
        Some(items) => items,
        None => all_kinds(stage)?,
    };
    let (edits, gone): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.entry.is_some());
    for Item { key, head, .. } in gone {
        if let Some(head) = head {
            found.note_failed(key, &head);
        }
    }
    found.removed = 0;
    found.pending = edits.len() as u64;
    found.kept = Some(edits);
    Ok(())
}

/// The first of the rows to look at that are there, and of those that are gone and failed.
fn all_kinds(stage: &StageRun<'_>) -> Result<Vec<Item>, Halt> {
    let mut found = Found::default();
    let mut items = Vec::new();
    go_over(stage, &mut found, |item| {
        let is_failed = (item.head.as_ref()).is_some_and(|head| head.state != RowState::Done);
        if item.entry.is_some() || is_failed {
            items.push(item);
        }
        if items.len() < EDITS_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(items)
}

/// What the store knows of a source.
fn known(stage: &StageRun<'_>) -> Result<Found, Halt> {
    let rows = Chunks::new(
        stage.store,
        |(key, _): &(Vec<u8>, RowHead)| key,
        |snapshot, after| match after {
            None => snapshot.rows(stage.collection),
            Some(after) => snapshot.rows_after(stage.collection, after),
        },
    );
    let mut found = Found::default();
    for row in rows {
        if stage.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let (key, head) = row?;
        found.rows += 1;
        found.note_failed(key, &head);
    }
    Ok(found)
}

pub(super) fn too_many(stage: &StageRun<'_>, removed: u64, rows: u64) -> Error {
    Error::TooManyDeletes {
        source_name: stage.stage.source.name.clone(),
        removed,
        rows,
    }
}
