//! Committing: the one thread that writes to the store and the targets.
//!
//! A batch is (1) one transaction that remembers its results and writes, for every row, the union of its old and new
//! target rows as an intent; (2) the targets, which apply it idempotently; (3) one transaction that settles the intent,
//! which rides with the next batch's first. Killed after (1), the next run takes the union for what the row had made,
//! not trusting any of it to be there, and comes to the same end.

mod begun;
mod claims;
mod count;
mod obstacles;
mod relations;
mod reused;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flowstone_connect::{Entry, Target, TargetOp};
use flowstone_core::{Fingerprint, MemoKey, RunId};
use flowstone_store::{CollectionId, Intent, MemoRecord, Store, StoreError, TargetId, Writer};

pub(crate) use self::begun::Begun;
use self::claims::{claim, intended, release};
use self::obstacles::refuse;
pub(crate) use self::relations::{Feed, Feeds};
use self::relations::{RelationOp, publish, settle_due, settle_lookups};
use crate::books::Books;
use crate::budget::Permit;
use crate::calls::Calls;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::reconcile::{Content, RowUpdate, UpdateKind, Upsert};
use crate::report::{FailedRow, SourceCounts, TargetCounts};

/// A target of the flow, or one that left it, open.
pub(crate) struct OpenTarget {
    pub(crate) id: TargetId,
    pub(crate) name: String,
    pub(crate) target: Box<dyn Target>,
    pub(crate) counts: TargetCounts,
}

/// A batch that has been worked through and is to be committed.
pub(crate) struct Evaluated {
    /// The stage it belongs to, by its place in the plan.
    pub(crate) stage: usize,
    pub(crate) updates: Vec<RowUpdate>,
    pub(crate) memos: Vec<(MemoKey, MemoRecord)>,
    pub(crate) objects: Vec<(Fingerprint, Vec<u8>)>,
    /// The results that were reused, and for how many rows.
    pub(crate) reused: Vec<(MemoKey, u64)>,
    pub(crate) claimed: Vec<MemoKey>,
    pub(crate) permit: Permit,
}

impl Evaluated {
    /// Adds another batch of the same stage, none of whose rows it has.
    pub(crate) fn append(&mut self, other: Evaluated) {
        debug_assert_eq!(self.stage, other.stage);
        self.updates.extend(other.updates);
        self.memos.extend(other.memos);
        self.objects.extend(other.objects);
        self.reused.extend(other.reused);
        self.claimed.extend(other.claimed);
        self.permit.append(other.permit);
    }
}

/// What the committer knows of a stage.
pub(crate) struct StageState {
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) collection: CollectionId,
    pub(crate) counts: SourceCounts,
    /// Rows that are failed, of those looked at in this run.
    pub(crate) failures: u64,
    /// Rows that want a target row which another row has: tried again when all others are done.
    pub(crate) conflicts: Vec<Entry>,
    /// Whether this is the second try.
    pub(crate) second: bool,
    /// Whether the rows looked at now are those that are due: they have been counted before.
    pub(crate) due: bool,
    /// How many of these were counted as failed, and the first of them, as people see them.
    pub(crate) failed_before: u64,
    pub(crate) failed_again: Vec<String>,
    /// What may be noted of its rows as due.
    pub(crate) due_rows: DueRows,
}

/// Which rows of a stage are looked at for the sake of others than their source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueRows {
    /// None.
    None,
    /// Those that look up what changed.
    Readers,
    /// All: they come from other stages.
    All,
}

/// So many failed rows are listed in the report.
pub(crate) const FAILED_LISTED_MAX: usize = 100;

pub(crate) struct Committer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) books: &'a mut Books,
    pub(crate) targets: &'a mut Vec<OpenTarget>,
    pub(crate) stages: &'a mut Vec<StageState>,
    pub(crate) calls: &'a Calls,
    pub(crate) commits: &'a AtomicU64,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) failed: &'a mut Vec<FailedRow>,
    feeds: &'a Feeds,
    run: RunId,
    /// The run's beginning, until it is written.
    begun: &'a mut Option<Begun>,
    /// What was reused, and for how many rows, but for what is noted in the store. It is all over the table, so it is
    /// written rarely; lost with a run that is cut off, it only makes results look less used than they are.
    reused: BTreeMap<MemoKey, u64>,
    pending: Option<Settlement>,
}

/// What a batch does to one target.
#[derive(Default)]
struct Operations {
    deletes: Vec<TargetOp>,
    upserts: Vec<TargetOp>,
    inserted: u64,
}

/// What is to be written once the targets hold a batch.
struct Settlement {
    batch: u64,
    collection: CollectionId,
    due_rows: DueRows,
    updates: Vec<RowUpdate>,
    /// What is done to relations.
    relations: Vec<RelationOp>,
    /// Targets that were written to.
    targets: Vec<TargetId>,
    has_intent: bool,
}

impl<'a> Committer<'a> {
    pub(crate) fn new(
        store: &'a Store,
        books: &'a mut Books,
        targets: &'a mut Vec<OpenTarget>,
        stages: &'a mut Vec<StageState>,
        shared: (&'a Calls, &'a AtomicU64, &'a dyn Observer, &'a Feeds),
        failed: &'a mut Vec<FailedRow>,
        (run, begun): (RunId, &'a mut Option<Begun>),
    ) -> Self {
        let (calls, commits, observer, feeds) = shared;
        Self {
            store,
            books,
            targets,
            stages,
            calls,
            commits,
            observer,
            failed,
            feeds,
            run,
            begun,
            reused: BTreeMap::new(),
            pending: None,
        }
    }

    /// Commits a batch: when this returns, its effects are in the targets and survive a crash.
    pub(crate) fn commit(&mut self, batch: Evaluated) -> Result<(), Error> {
        let Evaluated {
            stage,
            mut updates,
            memos,
            objects,
            reused,
            claimed,
            permit,
        } = batch;
        let (run, begun) = (self.run, self.begun.take());
        let began = Instant::now();
        self.keep_reused(reused)?;
        let number = self.books.batch + 1;
        let collection = self.stages[stage].collection;
        let pending = self.pending.take();
        let books = &*self.books;
        let feeds = self.feeds;
        let mut conflicts = refuse(self.targets, &mut updates)?;
        let mut intent = Intent::default();
        let mut released: HashMap<TargetId, u64> = HashMap::new();
        let outcome: Result<(), StoreError> = self.store.write(|writer| {
            writer.defer_entries();
            if let Some(pending) = &pending {
                pending.write(writer, books, feeds)?;
            }
            if let Some(begun) = &begun {
                begun.write(run, writer)?;
            }
            for (key, record) in &memos {
                writer.put_memo(key, record)?;
            }
            for (fingerprint, encoding) in &objects {
                writer.put_object(fingerprint, encoding)?;
            }
            for update in &mut updates {
                release(writer, (collection, feeds), update, &mut released)?;
            }
            for update in &mut updates {
                if claim(writer, (collection, feeds), update)? {
                    conflicts.push(update.key.clone());
                }
                intent.rows.extend(intended(collection, update));
            }
            if !intent.rows.is_empty() {
                writer.put_intent(number, &intent)?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            self.calls.forget(&claimed);
            return Err(error.into());
        }
        self.books.batch = number;
        self.commits.fetch_add(1, Ordering::Release);
        self.calls.settle(&claimed);
        let relations = publish(feeds, &mut updates);
        let targets = self.apply(number, &mut updates, &released)?;
        drop(permit);
        self.count(stage, &mut updates, &conflicts);
        self.observer.event(&Event::BatchCommitted {
            batch: number,
            rows: updates.len() as u64,
            time: began.elapsed(),
        });
        let has_intent = !intent.rows.is_empty();
        self.pending = Some(Settlement {
            batch: number,
            collection,
            due_rows: self.stages[stage].due_rows,
            updates,
            relations,
            targets,
            has_intent,
        });
        Ok(())
    }

    /// Ends the run's work: settles the last batch, and notes what was reused.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.settle()?;
        // Where there was nothing to settle, after a halt.
        self.store.enter_deferred()?;
        self.note_reused()
    }

    /// Settles the last batch, if one waits for that.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let (books, feeds) = (&*self.books, self.feeds);
        self.store.write(|writer| {
            writer.enter_deferred()?;
            pending.write(writer, books, feeds)
        })?;
        Ok(())
    }

    fn apply(
        &mut self,
        number: u64,
        updates: &mut [RowUpdate],
        released: &HashMap<TargetId, u64>,
    ) -> Result<Vec<TargetId>, Error> {
        let mut operations: BTreeMap<usize, Operations> = BTreeMap::new();
        for update in updates {
            let deletes = match &update.kind {
                UpdateKind::Touch { .. } => continue,
                UpdateKind::Remove { targets, .. } => targets,
                UpdateKind::Write { deletes, .. } => deletes,
            };
            for row in deletes {
                // What was written to a target that is lost needs no deleting.
                if let Some(slot) = self.targets.iter().position(|open| open.id == row.target) {
                    operations
                        .entry(slot)
                        .or_default()
                        .deletes
                        .push(TargetOp::Delete {
                            key: row.key.clone(),
                        });
                    self.targets[slot].counts.deleted += 1;
                }
            }
            let UpdateKind::Write {
                lineage, upserts, ..
            } = &mut update.kind
            else {
                continue;
            };
            for Upsert {
                row,
                content,
                insert,
            } in upserts.drain(..)
            {
                let Content::Target { slot, values } = content else {
                    unreachable!("what is published was taken out before");
                };
                let counts = &mut self.targets[slot].counts;
                let operations = operations.entry(slot).or_default();
                if insert {
                    counts.inserted += 1;
                    operations.inserted += 1;
                } else {
                    counts.updated += 1;
                }
                operations.upserts.push(TargetOp::Upsert {
                    key: row.key.clone(),
                    row: values,
                });
                lineage.targets.push(row);
            }
        }
        let mut touched = Vec::with_capacity(operations.len());
        for (
            slot,
            Operations {
                deletes,
                upserts,
                inserted,
            },
        ) in operations
        {
            let open = &mut self.targets[slot];
            let (deleted, upserted) = (deletes.len() as u64, upserts.len() as u64);
            // A key that one row gives up and another takes over is deleted first.
            let ops: Vec<TargetOp> = deletes.into_iter().chain(upserts).collect();
            open.target
                .apply(number, &ops)
                .map_err(|error| Error::Target {
                    target: open.name.clone(),
                    error,
                })?;
            self.observer.event(&Event::TargetApplied {
                target: &open.name,
                upserted,
                deleted,
            });
            if let Some(entry) = self.books.targets.get_mut(&open.id) {
                entry.batch = number;
                let gone = released.get(&open.id).copied().unwrap_or_default();
                entry.rows = (entry.rows + inserted).saturating_sub(gone);
            }
            touched.push(open.id);
        }
        Ok(touched)
    }
}

impl Settlement {
    fn write(
        &self,
        writer: &mut Writer<'_>,
        books: &Books,
        feeds: &Feeds,
    ) -> Result<(), StoreError> {
        let mut changed = BTreeSet::new();
        for operation in &self.relations {
            operation.write(writer, feeds, &mut changed)?;
        }
        for lookup in &changed {
            writer.make_readers_due(lookup)?;
        }
        for update in &self.updates {
            settle_lookups(writer, self.collection, update)?;
            settle_due(writer, (self.collection, self.due_rows), update)?;
            match &update.kind {
                UpdateKind::Touch { head, .. } => {
                    writer.put_head(self.collection, &update.key, head)?;
                }
                UpdateKind::Remove { .. } => writer.remove_row(self.collection, &update.key)?,
                UpdateKind::Write { head, lineage, .. } => {
                    writer.put_row(self.collection, &update.key, head, lineage)?;
                }
            }
        }
        if self.has_intent {
            writer.clear_intent(self.batch)?;
        }
        for id in &self.targets {
            books.put_target(writer, *id)?;
        }
        books.put_batch(writer)
    }
}
