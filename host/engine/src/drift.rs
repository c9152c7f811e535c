//! Drift: do the targets still hold what was written to them?
//!
//! Lineage knows, for every target row, its key and the fingerprint of its columns. What the target gives back for the
//! key is fingerprinted the same way. Rows that differ or are missing are marked as uncertain in the lineage of their
//! root rows, as after a run that was cut off, and the root rows are looked at again: what is remembered is written once
//! more, nothing is called. Rows that no lineage knows are removed.

use std::collections::BTreeSet;

use flowstone_connect::{Held, TargetKeys};
use flowstone_core::{Fingerprint, fingerprint};
use flowstone_store::{Lineage, RowState, StoreError, TargetId, TargetRow};

use crate::batch::Halt;
use crate::commit::{DueRows, OpenTarget};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Drift, Event, Observer};
use crate::reconcile::digest;
use crate::report::DriftedRow;
use crate::stage::{Outlet, StageRun};

/// So many target rows are compared at once.
const ROWS_AT_ONCE: usize = 1000;
/// So many rows that are not as they were written are listed in the report.
const LISTED_MAX: usize = 100;
/// The fingerprint of a target row of which nobody knows what the target holds for it.
const UNCERTAIN: [u8; 16] = [0; 16];

/// What is gone through to compare the targets of a stage with lineage.
struct Check<'a, 'b> {
    stage: &'a StageRun<'b>,
    open: &'a mut Vec<OpenTarget>,
    listed: &'a mut Vec<DriftedRow>,
    /// For each target of the stage, the fingerprints of its columns' types.
    types: Vec<Vec<Fingerprint>>,
    roots: Vec<(Vec<u8>, Lineage)>,
    rows: usize,
    marked: bool,
}

impl Engine {
    /// Compares the targets of the stages with what was written to them. True when rows have to be looked at again.
    pub(crate) fn verify_targets(
        &self,
        stages: &[StageRun<'_>],
        open: &mut Vec<OpenTarget>,
        listed: &mut Vec<DriftedRow>,
    ) -> Result<bool, Halt> {
        let mut marked = false;
        for stage in stages
            .iter()
            .filter(|stage| !stage.stage.targets.is_empty())
        {
            let snapshot = self.store.snapshot()?;
            let mut check = Check::new(stage, open, listed);
            for row in snapshot.lineages(stage.collection)? {
                check.add(row?)?;
                if stage.stop.is_set() {
                    return Err(Halt::Interrupted);
                }
            }
            check.compare()?;
            marked |= check.marked;
            for target in outside(stage) {
                let mut failed = None;
                let known = |key: &[u8]| match snapshot.owner(target.id, key) {
                    Ok(owner) => owner.is_some(),
                    Err(error) => {
                        failed.get_or_insert(error);
                        true
                    }
                };
                remove_unknown(
                    &mut open[target.slot],
                    target.keys,
                    listed,
                    stage.observer,
                    known,
                )?;
                if let Some(error) = failed {
                    return Err(error.into());
                }
            }
        }
        Ok(marked)
    }
}

fn remove_unknown(
    open: &mut OpenTarget,
    keys: &dyn TargetKeys,
    listed: &mut Vec<DriftedRow>,
    observer: &dyn Observer,
    mut known: impl FnMut(&[u8]) -> bool,
) -> Result<(), Error> {
    let OpenTarget {
        name,
        target: opened,
        counts,
        ..
    } = open;
    let drifted = counts.drifted.get_or_insert(0);
    let removed = opened.remove_unknown(&mut known, &mut |key| {
        *drifted += 1;
        let key = keys.display_key(key);
        note(listed, observer, name, key, Drift::Added);
    });
    removed.map_err(|error| Error::Target {
        target: name.clone(),
        error,
    })
}

/// A target out of the store.
struct Outside<'s> {
    id: TargetId,
    columns: Fingerprint,
    slot: usize,
    keys: &'s dyn TargetKeys,
}

/// The targets of a stage that are out of the store, in their order.
fn outside<'s>(stage: &'s StageRun<'_>) -> impl Iterator<Item = Outside<'s>> {
    stage.targets.iter().filter_map(|target| match &target.to {
        Outlet::Target { slot, keys } => Some(Outside {
            id: target.id,
            columns: target.columns,
            slot: *slot,
            keys: &**keys,
        }),
        Outlet::Relation(_) => None,
    })
}

/// Tells of a row that is not as it was written.
fn note(
    listed: &mut Vec<DriftedRow>,
    observer: &dyn Observer,
    target: &str,
    key: String,
    drift: Drift,
) {
    observer.event(&Event::RowDrifted {
        target,
        key: &key,
        drift,
    });
    if listed.len() < LISTED_MAX {
        let target = target.to_owned();
        listed.push(DriftedRow { target, key, drift });
    }
}

impl<'a, 'b> Check<'a, 'b> {
    fn new(
        stage: &'a StageRun<'b>,
        open: &'a mut Vec<OpenTarget>,
        listed: &'a mut Vec<DriftedRow>,
    ) -> Self {
        let targets = stage.stage.targets.iter();
        let types = targets.map(|target| {
            let columns = target.spec.columns.iter();
            columns.map(|column| column.ty.fingerprint()).collect()
        });
        Self {
            types: types.collect(),
            stage,
            open,
            listed,
            roots: Vec::new(),
            rows: 0,
            marked: false,
        }
    }

    fn add(&mut self, (key, lineage): (Vec<u8>, Lineage)) -> Result<(), Halt> {
        self.rows += lineage.targets.len().max(1);
        self.roots.push((key, lineage));
        if self.rows >= ROWS_AT_ONCE {
            self.compare()?;
        }
        Ok(())
    }

    /// Compares the rows that were added, and marks those that are not as they were written.
    fn compare(&mut self) -> Result<(), Halt> {
        let roots = std::mem::take(&mut self.roots);
        self.rows = 0;
        let mut drifted: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (index, target) in outside(self.stage).enumerate() {
            let id = target.id;
            let rows = roots.iter().enumerate().flat_map(|(root, (_, lineage))| {
                let rows = lineage.targets.iter().enumerate();
                let rows = rows.filter(|(_, row)| row.target == id && row.fingerprint != UNCERTAIN);
                rows.map(move |(at, row)| ((root, at), row))
            });
            let rows: Vec<((usize, usize), &TargetRow)> = rows.collect();
            for rows in rows.chunks(ROWS_AT_ONCE) {
                drifted.extend(self.compare_with((index, &target), rows)?);
            }
        }
        if drifted.is_empty() {
            return Ok(());
        }
        self.marked = true;
        Ok(mark(self.stage, roots, &drifted)?)
    }

    /// Of some rows of a target, the places of those that it does not hold as they were written.
    fn compare_with(
        &mut self,
        (index, target): (usize, &Outside<'_>),
        rows: &[((usize, usize), &TargetRow)],
    ) -> Result<Vec<(usize, usize)>, Error> {
        let columns = &self.stage.stage.targets[index].spec.columns;
        let types = &self.types[index];
        let keys: Vec<Vec<u8>> = rows.iter().map(|(_, row)| row.key.clone()).collect();
        let mut states = vec![Some(Drift::Missing); rows.len()];
        let open = &mut self.open[target.slot];
        let looked = open.target.held(&keys, &mut |at, held| {
            let as_written = match held {
                Held::AsWritten => true,
                Held::Row(values) => {
                    let prints = values.iter().zip(columns).zip(types);
                    let prints =
                        prints.map(|((value, column), ty)| fingerprint(value, &column.ty, ty));
                    digest(&target.columns, prints) == rows[at].1.fingerprint
                }
                Held::Other => false,
            };
            states[at] = (!as_written).then_some(Drift::Changed);
        });
        looked.map_err(|error| Error::Target {
            target: open.name.clone(),
            error,
        })?;
        let counted = open.counts.drifted.get_or_insert(0);
        let mut places = Vec::new();
        for ((place, row), state) in rows.iter().zip(states) {
            if let Some(drift) = state {
                *counted += 1;
                let key = target.keys.display_key(&row.key);
                note(self.listed, self.stage.observer, &open.name, key, drift);
                places.push(*place);
            }
        }
        Ok(places)
    }
}

/// Marks target rows as uncertain, and their root rows as ones to look at again.
fn mark(
    stage: &StageRun<'_>,
    roots: Vec<(Vec<u8>, Lineage)>,
    drifted: &BTreeSet<(usize, usize)>,
) -> Result<(), StoreError> {
    stage.store.write(|writer| {
        for (root, (key, mut lineage)) in roots.into_iter().enumerate() {
            let rows = drifted.range((root, 0)..=(root, usize::MAX));
            let mut any = false;
            for (_, at) in rows {
                lineage.targets[*at].fingerprint = UNCERTAIN;
                any = true;
            }
            if any && let Some(mut head) = writer.row(stage.collection, &key)? {
                head.state = RowState::Failed { retry: true };
                writer.put_row(stage.collection, &key, &head, &lineage)?;
                if stage.due_rows() == DueRows::All {
                    writer.put_due(stage.collection, &key)?;
                }
            }
        }
        Ok(())
    })
}
