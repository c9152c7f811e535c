//! Reconciling: the target rows that a root row gives now, against those that it gave before.
//!
//! A target row is known by the fingerprints of its key columns and of all its columns; values are loaded only for
//! rows that are inserted or updated. What was made before and is not made now is deleted, by lineage.

mod calls;
mod keys;

use flowstone_connect::Entry;
use flowstone_core::{Fingerprint, OnError, Value};
use flowstone_store::{Lineage, LookupRecord, Member, RowHead, RowState, TargetRow};
use rustc_hash::FxHashMap;

pub(crate) use self::keys::digest;
use self::keys::{KEY_COLUMNS, key_of, place};
use crate::batch::{Batch, Failure, Halt, Print};
use crate::event::Change;
use crate::relation::{Published, member};
use crate::stage::Outlet;

/// What is to be done about one root row.
pub(crate) struct RowUpdate {
    pub(crate) key: Vec<u8>,
    pub(crate) change: Option<Change>,
    /// Whether the row need not be looked at again for the sake of other rows.
    pub(crate) settles_due: bool,
    pub(crate) kind: UpdateKind,
}

pub(crate) enum UpdateKind {
    /// Only the version hint is new. What failed before is failed still.
    Touch {
        head: RowHead,
        failure: Option<String>,
    },
    /// The row is gone: so is all that came of it, and nobody looks anything up for it.
    Remove {
        targets: Vec<TargetRow>,
        lookups: Vec<LookupRecord>,
    },
    /// The row's record is to be written, and these operations to be applied.
    Write {
        head: RowHead,
        /// What the source listed, for a second try.
        entry: Option<Entry>,
        /// The lineage so far: target rows that stay as they are.
        lineage: Lineage,
        upserts: Vec<Upsert>,
        deletes: Vec<TargetRow>,
        /// What the former version looked up.
        looked_up: Vec<LookupRecord>,
    },
}

/// A target row to be inserted or updated.
pub(crate) struct Upsert {
    pub(crate) row: TargetRow,
    pub(crate) content: Content,
    /// Whether there is no such row yet.
    pub(crate) insert: bool,
}

/// What a target row holds.
pub(crate) enum Content {
    /// The values of a target's columns. The target is named by its place among the run's open targets.
    Target { slot: usize, values: Vec<Value> },
    /// What a relation keeps.
    Relation(Member),
}

/// What becomes of a target row that is wanted.
enum Made {
    /// It is there as it should be.
    Same(TargetRow),
    /// It is to be written.
    New(Upsert),
}

/// A target row that a root row gives now.
struct Wanted {
    target: usize,
    row: usize,
    id: [u8; 16],
    fingerprint: [u8; 16],
}

impl Batch<'_> {
    /// What is to be done about every root row of the batch.
    pub(crate) fn reconcile(&mut self) -> Result<Vec<RowUpdate>, Halt> {
        let by_root: Vec<FxHashMap<usize, Vec<usize>>> = self
            .run
            .stage
            .outputs()
            .map(|target| self.rows_by_root(target.collection))
            .collect();
        (0..self.roots.len())
            .map(|root| self.reconcile_root(root, &by_root))
            .collect()
    }

    fn reconcile_root(
        &mut self,
        root: usize,
        by_root: &[FxHashMap<usize, Vec<usize>>],
    ) -> Result<RowUpdate, Halt> {
        let is_settled = self.run.is_settled(&self.roots[root]);
        let this = &mut self.roots[root];
        let is_gone = this.item.entry.is_none() || this.vanished;
        let settles_due = this.item.due || is_gone || !is_settled;
        let key = std::mem::take(&mut this.item.key);
        let was_there = this.item.head.is_some();
        if this.item.entry.is_none() || this.vanished {
            let change = was_there.then_some(Change::Removed);
            let lineage = std::mem::take(&mut this.lineage);
            self.note_left(&lineage.calls);
            let Lineage {
                targets, lookups, ..
            } = lineage;
            return Ok(RowUpdate {
                key,
                change,
                settles_due,
                kind: UpdateKind::Remove { targets, lookups },
            });
        }
        let change = match &this.item.head {
            None => Some(Change::Added),
            Some(head) if head.content != this.content => Some(Change::Changed),
            Some(_) => None,
        };
        if is_settled {
            let this = &self.roots[root];
            let (Some(entry), Some(head)) = (&this.item.entry, &this.item.head) else {
                unreachable!("a settled row is listed and known");
            };
            let head = RowHead {
                hint: entry.hint.to_bytes(),
                ..head.clone()
            };
            return Ok(RowUpdate {
                key,
                change,
                settles_due,
                kind: UpdateKind::Touch {
                    head,
                    failure: this.lineage.failure.clone(),
                },
            });
        }
        let mut wanted = Vec::new();
        self.wanted(root, by_root, &mut wanted)?;
        let mut old = std::mem::take(&mut self.roots[root].lineage);
        let unchanged = self.run.always.then(|| old.clone());
        let mut lineage = Lineage {
            shape: Some(self.run.shape),
            ..Lineage::default()
        };
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        let mut before: FxHashMap<_, &TargetRow> = (old.targets.iter())
            .map(|row| ((row.target, row.id), row))
            .collect();
        for wanted in wanted {
            let id = (self.run.targets[wanted.target].id, wanted.id);
            match self.reconcile_row((root, &key), &wanted, before.get(&id).copied())? {
                Some(Made::Same(row)) => lineage.targets.push(row),
                Some(Made::New(upsert)) => upserts.push(upsert),
                // What cannot be made is left out, and with it what was made before.
                None => continue,
            }
            before.remove(&id);
        }
        let keeps = !self.roots[root].failures.is_empty()
            && self.run.stage.source.on_error == OnError::Keep
            && old.good
            && was_there;
        if keeps {
            // All stays as the last good version left it, but for targets that are no longer there.
            upserts.clear();
            let current = |row: &TargetRow| {
                self.run
                    .targets
                    .iter()
                    .any(|target| target.id == row.target)
            };
            (lineage.targets, deletes) = old.targets.into_iter().partition(current);
            lineage.good = true;
        } else {
            deletes.extend(before.into_values().cloned());
            deletes.sort_by(|a, b| (a.target, &a.key).cmp(&(b.target, &b.key)));
        }
        let flow = self.run.flow(&key);
        let former = self.roots[root].item.head.as_ref().map(|head| head.flow);
        if keeps && former == Some(flow) {
            // The calls that made what stays.
            lineage.calls = old.calls;
            lineage.replaced = old.replaced;
            self.roots[root].calls.clear();
        } else {
            lineage.calls = self.calls_of(root);
            lineage.replaced = self.replaced(&lineage.calls, &old.calls, former)?;
        }
        let looked_up = std::mem::take(&mut old.lookups);
        let this = &mut self.roots[root];
        lineage.lookups = std::mem::take(&mut this.lookups);
        lineage.lookups.sort_unstable();
        lineage.lookups.dedup();
        lineage.good |= this.failures.is_empty();
        lineage.columns = this.columns.take().unwrap_or_default();
        lineage.failure = this.failures.first().map(|failure| failure.reason.clone());
        let state = match &this.failures[..] {
            [] => RowState::Done,
            failures => RowState::Failed {
                retry: failures.iter().any(|failure| failure.retry),
            },
        };
        let entry = this.item.entry.take();
        let hint = entry
            .as_ref()
            .map(|entry| entry.hint.to_bytes())
            .unwrap_or_default();
        let head = RowHead {
            hint,
            content: this.content,
            flow,
            state,
        };
        lineage.run = self.run.run;
        let same_head = (self.roots[root].item.head.as_ref()).is_some_and(|old| {
            RowHead {
                hint: old.hint.clone(),
                ..head.clone()
            } == *old
        });
        let nothing_to_do = upserts.is_empty() && deletes.is_empty() && same_head;
        if nothing_to_do && unchanged.is_some_and(|old| calls::is_same(&lineage, &old)) {
            let failure = lineage.failure;
            let kind = UpdateKind::Touch { head, failure };
            return Ok(RowUpdate {
                key,
                change,
                settles_due,
                kind,
            });
        }
        Ok(RowUpdate {
            key,
            change,
            settles_due,
            kind: UpdateKind::Write {
                head,
                entry,
                lineage,
                upserts,
                deletes,
                looked_up,
            },
        })
    }

    /// The target rows that a root row gives now. Those that hang on something that failed are left out.
    fn wanted(
        &mut self,
        root: usize,
        by_root: &[FxHashMap<usize, Vec<usize>>],
        wanted: &mut Vec<Wanted>,
    ) -> Result<(), Halt> {
        let run = self.run;
        for (index, target) in run.stage.outputs().enumerate() {
            let mut seen: FxHashMap<[u8; 16], usize> = FxHashMap::default();
            for &row in by_root[index].get(&root).map_or(&[][..], |rows| rows) {
                let Some(prints) = self.prints(index, row)? else {
                    continue;
                };
                let key = target.spec.key.iter().map(|&position| prints[position]);
                let id = match &run.targets[index].to {
                    Outlet::Target { .. } => digest(&KEY_COLUMNS, key),
                    // Any number of rows may have the same key columns: they are told apart by where they stand.
                    Outlet::Relation(_) => digest(
                        &KEY_COLUMNS,
                        key.chain([place(&self.origin(target.collection, row))]),
                    ),
                };
                let fingerprint = digest(&run.targets[index].columns, prints.iter().copied());
                if seen.insert(id, row).is_some() {
                    let reason = self.same_key(index, row)?;
                    self.roots[root].failures.push(Failure {
                        reason,
                        retry: false,
                    });
                    continue;
                }
                wanted.push(Wanted {
                    target: index,
                    row,
                    id,
                    fingerprint,
                });
            }
        }
        Ok(())
    }

    /// The fingerprints of a target row's columns; none when the row is not there or not to be had.
    fn prints(&self, target: usize, row: usize) -> Result<Option<Vec<Fingerprint>>, Halt> {
        let target = self.run.stage.output(target);
        let mut prints = Vec::with_capacity(target.columns.len());
        for column in &target.columns {
            match self.print(column, target.collection, row)? {
                Print::Known(print) => prints.push(print),
                Print::Absent | Print::Failed | Print::Unknown => return Ok(None),
            }
        }
        Ok(Some(prints))
    }

    /// What becomes of a target row that is wanted; none when it cannot be made, and then the root row has failed.
    fn reconcile_row(
        &mut self,
        (root, root_key): (usize, &[u8]),
        wanted: &Wanted,
        known: Option<&TargetRow>,
    ) -> Result<Option<Made>, Halt> {
        let run = self.run;
        let target = run.stage.output(wanted.target);
        let origin = self.origin(target.collection, wanted.row);
        if let Some(known) = known
            && known.fingerprint == wanted.fingerprint
        {
            return Ok(Some(Made::Same(TargetRow {
                origin,
                ..known.clone()
            })));
        }
        let mut values = Vec::with_capacity(target.columns.len());
        for column in &target.columns {
            match self.value(column, target.collection, wanted.row)? {
                Ok(value) => values.push(value),
                Err(failure) => {
                    self.roots[root].failures.push(failure);
                    return Ok(None);
                }
            }
        }
        let outlet = &run.targets[wanted.target].to;
        let made = match outlet {
            Outlet::Target { slot, keys } => key_of(&**keys, &values).map(|key| {
                (
                    key,
                    Content::Target {
                        slot: *slot,
                        values,
                    },
                )
            }),
            Outlet::Relation(keys) => {
                let prints = self.prints(wanted.target, wanted.row)?.unwrap_or_default();
                let types = target.columns.iter().map(|column| column.ty.clone());
                let row = Published {
                    root: root_key,
                    origin: &origin,
                    prints: &prints,
                    values: &values.into_iter().zip(types).collect::<Vec<_>>(),
                    keys: target.spec.key.len(),
                };
                keys.key(&row)
                    .map(|key| (key, Content::Relation(member(&row))))
            }
        };
        let (key, content) = match made {
            Ok(made) => made,
            Err(failure) => {
                let reason = format!("target `{}`: {}", target.name, failure.reason);
                self.roots[root]
                    .failures
                    .push(Failure { reason, ..failure });
                return Ok(None);
            }
        };
        Ok(Some(Made::New(Upsert {
            row: TargetRow {
                target: run.targets[wanted.target].id,
                id: wanted.id,
                key,
                fingerprint: wanted.fingerprint,
                origin,
            },
            content,
            insert: known.is_none(),
        })))
    }
}
