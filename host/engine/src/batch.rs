//! One micro-batch of root rows on its way through a stage: load, key, look up, call, make rows.
//!
//! Transform by transform, in topological order: the keys of all rows are made from fingerprints alone, looked up
//! sorted in one read transaction, and only the misses are called. Values are loaded when a call or a target needs
//! them, so rows whose results are all remembered read nothing.

mod again;
mod call;
mod column;
mod find;
mod kept;
mod lookup;
mod many;
mod reuse;
mod transform;
mod undecided;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flowstone_connect::{Entry, RowError};
use flowstone_core::{Fingerprint, MemoKey, Value, fingerprint};
use flowstone_store::{Lineage, LookupRecord, MemoRecord, RowHead, RowState, Snapshot};
use rustc_hash::FxHashMap;

pub(crate) use self::column::of_parts;
use self::lookup::Looked;
pub(crate) use self::lookup::matches;
use crate::answer::Answer;
use crate::error::Error;
use crate::stage::StageRun;

/// A root row that has to be looked at.
pub(crate) struct Item {
    pub(crate) key: Vec<u8>,
    /// What the source lists; none when it lists the row no more.
    pub(crate) entry: Option<Entry>,
    /// What the store holds; none for a new row.
    pub(crate) head: Option<RowHead>,
    /// Whether the version hint proves that the content is the same as before.
    pub(crate) same_version: bool,
    /// Whether it is looked at for the sake of other rows than its source's.
    pub(crate) due: bool,
}

/// A root row while its batch is worked on.
pub(crate) struct Root {
    pub(crate) item: Item,
    pub(crate) lineage: Lineage,
    /// The fingerprints of its columns; none when it could not be loaded.
    pub(crate) columns: Option<Vec<Fingerprint>>,
    values: Option<Vec<Value>>,
    pub(crate) content: Fingerprint,
    pub(crate) failures: Vec<Failure>,
    /// Listed, but gone when it was to be loaded.
    pub(crate) vanished: bool,
    pub(crate) calls: Vec<(u16, MemoKey)>,
    pub(crate) lookups: Vec<LookupRecord>,
}

/// Why a row failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// Whether it may go well the next time, although nothing changes.
    pub(crate) retry: bool,
}

/// A row of a collection: for the root collection one per root row, for others one per element of a result.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) root: usize,
    /// The row in the parent collection.
    pub(crate) parent: usize,
    /// Which element of the parent's result it is.
    pub(crate) ordinal: u32,
}

/// The result of a transform for one row.
#[derive(Clone)]
pub(crate) enum Cell {
    Ready(Arc<Answer>),
    /// The row has no such column: a result it hangs on was none.
    Absent,
    /// It, or something it hangs on, failed.
    Failed,
    /// Only when nothing may be called: the result is not known.
    Unknown,
}

/// The fingerprint of a column of a row.
#[derive(Clone, Copy)]
pub(crate) enum Print {
    Known(Fingerprint),
    Absent,
    Failed,
    Unknown,
}

/// Why the work on a batch ended before it was done.
pub(crate) enum Halt {
    Interrupted,
    Error(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Halt::Error(error.into())
    }
}

/// What a child row takes while its root row is worked on, roughly: keys, results and a target row.
const CHILD_BYTES: u64 = 512;

/// A batch, worked through.
pub(crate) struct Batch<'a> {
    pub(crate) run: &'a StageRun<'a>,
    pub(crate) snapshot: Snapshot,
    /// How many batches had been committed before the snapshot was taken, at least.
    commits: u64,
    pub(crate) roots: Vec<Root>,
    /// The rows of every collection.
    pub(crate) rows: Vec<Vec<Row>>,
    /// The results of every transform, one per row of its collection.
    pub(crate) cells: Vec<Vec<Cell>>,
    /// What every lookup found, one per row of its collection; none before it is asked for.
    looked: Vec<Option<Vec<Looked>>>,
    /// What is to be remembered.
    pub(crate) memos: Vec<(MemoKey, MemoRecord)>,
    /// Values that are too long for their record.
    pub(crate) objects: Vec<(Fingerprint, Vec<u8>)>,
    /// The results that rows came to use without a call, and how many rows; none for those that a row uses no more.
    pub(crate) reused: Vec<(MemoKey, u64)>,
    /// The claims to give back when the batch is committed.
    pub(crate) claimed: Vec<MemoKey>,
    /// The calls that would be made: transform, row and key. Only when nothing may be called.
    pub(crate) missing: Vec<(usize, usize, MemoKey)>,
}

impl<'a> Batch<'a> {
    /// Works through `items`. When this fails, all claims have been given back.
    pub(crate) fn evaluate(run: &'a StageRun<'a>, items: Vec<Item>) -> Result<Self, Halt> {
        let commits = run.commits.load(Ordering::Acquire);
        let snapshot = run.store.snapshot()?;
        let mut batch = Self {
            run,
            snapshot,
            commits,
            roots: Vec::with_capacity(items.len()),
            rows: vec![Vec::new(); run.stage.collections.len()],
            cells: vec![Vec::new(); run.stage.transforms.len()],
            looked: run.stage.lookups.iter().map(|_| None).collect(),
            memos: Vec::new(),
            objects: Vec::new(),
            reused: Vec::new(),
            claimed: Vec::new(),
            missing: Vec::new(),
        };
        let outcome = batch.work(items);
        if outcome.is_err() {
            run.calls.forget(&batch.claimed);
        }
        outcome.map(|()| batch)
    }

    fn work(&mut self, items: Vec<Item>) -> Result<(), Halt> {
        for item in items {
            if self.run.stop.is_set() {
                return Err(Halt::Interrupted);
            }
            let root = self.read_root(item)?;
            // Rows that are gone, broken or the same as before take no part in what follows.
            if root.columns.is_some() && !self.run.is_settled(&root) {
                self.rows[0].push(Row {
                    root: self.roots.len(),
                    parent: 0,
                    ordinal: 0,
                });
            }
            self.roots.push(root);
        }
        for transform in 0..self.run.stage.transforms.len() {
            self.run_transform(transform)?;
        }
        Ok(())
    }

    /// Finds the fingerprints of a root row's columns: known from the last run, or by loading them.
    fn read_root(&self, item: Item) -> Result<Root, Halt> {
        let run = self.run;
        let mut root = Root {
            content: item
                .head
                .as_ref()
                .map_or(Fingerprint::from_bytes([0; 32]), |head| head.content),
            item,
            lineage: Lineage::default(),
            columns: None,
            values: None,
            failures: Vec::new(),
            vanished: false,
            calls: Vec::new(),
            lookups: Vec::new(),
        };
        let gone = root.item.entry.is_none();
        if gone || root.item.same_version {
            root.lineage = self.lineage(&root.item)?;
        }
        if root.item.same_version
            && root.lineage.shape == Some(run.shape)
            && !root.lineage.columns.is_empty()
        {
            root.columns = Some(root.lineage.columns.clone());
            return Ok(root);
        }
        let Some(entry) = &root.item.entry else {
            return Ok(root);
        };
        match run.load(entry) {
            Ok(values) => {
                let columns: Vec<Fingerprint> = values
                    .iter()
                    .zip(&run.column_types)
                    .map(|(value, (ty, type_fingerprint))| fingerprint(value, ty, type_fingerprint))
                    .collect();
                root.content = run.content(&columns);
                root.columns = Some(columns);
                root.values = Some(values);
            }
            // The source may have been interrupted: that says nothing about the row.
            Err(_) if run.stop.is_set() => return Err(Halt::Interrupted),
            Err(RowError::Vanished) => root.vanished = true,
            Err(RowError::Failed { reason, retry }) => {
                root.content = Fingerprint::from_bytes([0; 32]);
                root.failures.push(Failure { reason, retry });
            }
        }
        // A row that is as good as it was needs no more than a new version hint: most rows that were only touched.
        let was_done = (root.item.head.as_ref()).is_some_and(|head| head.state == RowState::Done);
        let is_touched = root.columns.is_some() && was_done && run.is_settled(&root);
        if !root.item.same_version && !is_touched {
            root.lineage = self.lineage(&root.item)?;
        }
        Ok(root)
    }

    /// What came of a row in the last run.
    fn lineage(&self, item: &Item) -> Result<Lineage, Halt> {
        let known = match &item.head {
            Some(_) => self.snapshot.lineage(self.run.collection, &item.key)?,
            None => None,
        };
        Ok(known.unwrap_or_default())
    }

    /// Where a row stands below its root row: its positions in the lists from the top down.
    pub(crate) fn origin(&self, mut collection: usize, mut row: usize) -> Vec<u32> {
        let mut origin = Vec::new();
        while let Some(parent) = self.run.stage.collections[collection].parent {
            let this = self.rows[collection][row];
            origin.push(this.ordinal);
            (collection, row) = (parent, this.parent);
        }
        origin.reverse();
        origin
    }

    /// The rows of a collection by root row.
    pub(crate) fn rows_by_root(&self, collection: usize) -> FxHashMap<usize, Vec<usize>> {
        let mut by_root: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
        for (row, this) in self.rows[collection].iter().enumerate() {
            by_root.entry(this.root).or_default().push(row);
        }
        by_root
    }

    /// How many bytes of results it holds, roughly.
    pub(crate) fn size(&self) -> u64 {
        let cells = self.cells.iter().flatten().map(|cell| match cell {
            Cell::Ready(answer) => match &**answer {
                Answer::Value(remembered) => remembered.size(),
                _ => 0,
            },
            _ => 0,
        });
        let objects: usize = self.objects.iter().map(|(_, bytes)| bytes.len()).sum();
        (cells.sum::<usize>() + objects) as u64
    }
}
