//! One micro-batch of root rows on its way through a stage: load, key, look up, call, make rows.
//!
//! Transform by transform, in topological order: the keys of all rows are made from fingerprints alone, looked up
//! sorted in one read transaction, and only the misses are called. Values are loaded when a call or a target needs
//! them, so rows whose results are all remembered read nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use flowstone_connect::{Entry, RowError};
use flowstone_core::{Argument, ColumnKind, ColumnRef, Fingerprint, MemoKey, Value, fingerprint};
use flowstone_store::{Lineage, MemoRecord, RowHead, Snapshot};
use rayon::prelude::*;

use crate::answer::{self, Answer, Remembered};
use crate::calls::{Called, Claim};
use crate::error::Error;
use crate::event::Event;
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
    /// What is to be remembered.
    pub(crate) memos: Vec<(MemoKey, MemoRecord)>,
    /// Values that are too long for their record.
    pub(crate) objects: Vec<(Fingerprint, Vec<u8>)>,
    /// The claims to give back when the batch is committed.
    pub(crate) claimed: Vec<MemoKey>,
    /// The calls that would be made: transform, row and key. Only when nothing may be called.
    pub(crate) missing: Vec<(usize, usize, MemoKey)>,
}

/// One call that has to be made.
struct Job {
    key: MemoKey,
    arguments: Vec<Value>,
    root: usize,
}

/// What a call gave.
struct Made {
    key: MemoKey,
    called: Called,
    record: Option<MemoRecord>,
    object: Option<(Fingerprint, Vec<u8>)>,
}

impl<'a> Batch<'a> {
    /// Works through `items`. Claims that are not in `claimed` when this fails have been given back.
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
            memos: Vec::new(),
            objects: Vec::new(),
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
        let lineage = match &item.head {
            // A row of the same version and flow is only looked at because it failed.
            Some(_) => self
                .snapshot
                .lineage(run.collection, &item.key)?
                .unwrap_or_default(),
            None => Lineage::default(),
        };
        let mut root = Root {
            content: item
                .head
                .as_ref()
                .map_or(Fingerprint::from_bytes([0; 32]), |head| head.content),
            item,
            lineage,
            columns: None,
            values: None,
            failures: Vec::new(),
            vanished: false,
            calls: Vec::new(),
        };
        let Some(entry) = &root.item.entry else {
            return Ok(root);
        };
        if root.item.same_version
            && root.lineage.shape == Some(run.shape)
            && !root.lineage.columns.is_empty()
        {
            root.columns = Some(root.lineage.columns.clone());
            return Ok(root);
        }
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
            Err(RowError::Vanished) => root.vanished = true,
            Err(RowError::Failed { reason, retry }) => {
                root.content = Fingerprint::from_bytes([0; 32]);
                root.failures.push(Failure { reason, retry });
            }
        }
        Ok(root)
    }

    fn run_transform(&mut self, index: usize) -> Result<(), Halt> {
        let run = self.run;
        let transform = &run.stage.transforms[index];
        let count = self.rows[transform.collection].len();
        let mut cells = Vec::with_capacity(count);
        let mut wanted: Vec<(MemoKey, usize)> = Vec::with_capacity(count);
        for row in 0..count {
            cells.push(match self.key(index, row)? {
                Ok(key) => {
                    wanted.push((key, row));
                    Cell::Absent
                }
                Err(cell) => cell,
            });
        }
        wanted.sort_unstable();
        let mut keys: Vec<MemoKey> = wanted.iter().map(|(key, _)| *key).collect();
        keys.dedup();
        let found = self.find(index, &keys, &wanted)?;
        let mut position = 0;
        for (key, row) in wanted {
            if keys[position] != key {
                position += 1;
            }
            let root = self.rows[transform.collection][row].root;
            self.roots[root].calls.push((index as u16, key));
            cells[row] = match &found[position] {
                None => {
                    self.missing.push((index, row, key));
                    Cell::Unknown
                }
                Some(Ok(answer)) => match &**answer {
                    Answer::Value(_) => Cell::Ready(Arc::clone(answer)),
                    Answer::Nothing => Cell::Absent,
                    Answer::Failed(reason) => self.fail(index, root, reason, false),
                },
                Some(Err(reason)) => self.fail(index, root, reason, true),
            };
        }
        self.cells[index] = cells;
        if let Some(collection) = transform.makes {
            self.make_rows(index, collection)?;
        }
        Ok(())
    }

    fn fail(&mut self, transform: usize, root: usize, reason: &str, retry: bool) -> Cell {
        let name = &self.run.stage.transforms[transform].name;
        self.run.counters.transforms[transform]
            .failed
            .fetch_add(1, Ordering::Relaxed);
        self.roots[root].failures.push(Failure {
            reason: format!("{name}: {reason}"),
            retry,
        });
        Cell::Failed
    }

    /// The key of the call for a row, or what the row gets without a call.
    fn key(&self, index: usize, row: usize) -> Result<Result<MemoKey, Cell>, Halt> {
        let transform = &self.run.stage.transforms[index];
        let mut arguments = Vec::with_capacity(transform.arguments.len());
        let mut unknown = false;
        for column in transform.columns() {
            match self.print(column, transform.collection, row)? {
                Print::Known(fingerprint) => arguments.push(fingerprint),
                Print::Absent => return Ok(Err(Cell::Absent)),
                Print::Failed => return Ok(Err(Cell::Failed)),
                Print::Unknown => unknown = true,
            }
        }
        if unknown {
            return Ok(Err(Cell::Unknown));
        }
        Ok(Ok(self.run.transforms[index].recipe.key(arguments)))
    }

    /// The answers for sorted `keys`; `wanted` says which rows want them. None only when nothing may be called.
    fn find(
        &mut self,
        index: usize,
        keys: &[MemoKey],
        wanted: &[(MemoKey, usize)],
    ) -> Result<Vec<Option<Called>>, Halt> {
        let run = self.run;
        let mut found = self.recall(index, keys)?;
        let mut missing: Vec<usize> = (0..keys.len()).filter(|&at| found[at].is_none()).collect();
        if run.dry {
            run.counters.transforms[index]
                .reused
                .fetch_add((wanted.len() - missing.len()) as u64, Ordering::Relaxed);
            return Ok(found);
        }
        let mut called = 0;
        while !missing.is_empty() {
            let claims = run
                .calls
                .claim(&missing.iter().map(|&at| keys[at]).collect::<Vec<_>>());
            let mut mine: Vec<usize> = Vec::new();
            let mut running: Vec<usize> = Vec::new();
            for (&at, claim) in missing.iter().zip(claims) {
                match claim {
                    Claim::Mine => {
                        self.claimed.push(keys[at]);
                        mine.push(at);
                    }
                    Claim::Running => running.push(at),
                    Claim::Done(called) => found[at] = Some(called),
                }
            }
            mine = self.recheck(index, keys, mine, &mut found)?;
            called += mine.len();
            self.call(index, keys, &mine, wanted, &mut found)?;
            missing.clear();
            for at in running {
                match run.calls.wait(&keys[at]) {
                    Some(called) => found[at] = Some(called),
                    // Whoever was at it gave up, or the store knows it by now.
                    None => missing.push(at),
                }
            }
        }
        let reused = (wanted.len() - called) as u64;
        if reused > 0 {
            run.counters.transforms[index]
                .reused
                .fetch_add(reused, Ordering::Relaxed);
            run.observer.event(&Event::MemoHits {
                transform: &run.stage.transforms[index].name,
                rows: reused,
            });
        }
        Ok(found)
    }

    /// What the store remembers of sorted `keys`. A result whose rows cannot be told any more, since the store has lost
    /// the value, is as good as not remembered.
    fn recall(&self, index: usize, keys: &[MemoKey]) -> Result<Vec<Option<Called>>, Halt> {
        let typed = &self.run.transforms[index].typed;
        let mut found = Vec::with_capacity(keys.len());
        for record in self.snapshot.memos(keys)? {
            let answer = record.map(|record| Answer::of_record(record, typed));
            let whole = match &answer {
                Some(Answer::Value(remembered)) if typed.parts_per_row() > 0 => {
                    remembered.parts(typed, &self.snapshot)?.is_some()
                }
                _ => true,
            };
            found.push(answer.filter(|_| whole).map(|answer| Ok(Arc::new(answer))));
        }
        Ok(found)
    }

    /// Another batch may have been committed between this batch's snapshot and its claims: looks once more.
    fn recheck(
        &mut self,
        index: usize,
        keys: &[MemoKey],
        mine: Vec<usize>,
        found: &mut [Option<Called>],
    ) -> Result<Vec<usize>, Halt> {
        if mine.is_empty() || self.run.commits.load(Ordering::Acquire) == self.commits {
            return Ok(mine);
        }
        self.commits = self.run.commits.load(Ordering::Acquire);
        self.snapshot = self.run.store.snapshot()?;
        let again = self.recall(index, &mine.iter().map(|&at| keys[at]).collect::<Vec<_>>())?;
        let mut left = Vec::new();
        for (at, answer) in mine.into_iter().zip(again) {
            match answer {
                Some(answer) => {
                    self.run.calls.finish(keys[at], answer.clone());
                    found[at] = Some(answer);
                }
                None => left.push(at),
            }
        }
        Ok(left)
    }

    /// Makes the calls for `keys` at `mine`, in parallel.
    fn call(
        &mut self,
        index: usize,
        keys: &[MemoKey],
        mine: &[usize],
        wanted: &[(MemoKey, usize)],
        found: &mut [Option<Called>],
    ) -> Result<(), Halt> {
        if mine.is_empty() {
            return Ok(());
        }
        let collection = self.run.stage.transforms[index].collection;
        let mut jobs = Vec::with_capacity(mine.len());
        for &at in mine {
            let first = wanted.partition_point(|(key, _)| *key < keys[at]);
            let rows = wanted[first..]
                .iter()
                .take_while(|(key, _)| *key == keys[at]);
            // Any row with this key will do: one of them may have become unreadable.
            let mut failure = None;
            for &(_, row) in rows {
                match self.arguments(index, row)? {
                    Ok(arguments) => {
                        failure = None;
                        jobs.push(Job {
                            key: keys[at],
                            arguments,
                            root: self.rows[collection][row].root,
                        });
                        break;
                    }
                    Err(other) => failure = Some(other),
                }
            }
            if let Some(failure) = failure {
                // Another batch may have a row with this key that can be read.
                self.run.calls.forget(&[keys[at]]);
                found[at] = Some(Err(failure.reason.into()));
            }
        }
        let run = self.run;
        let roots = &self.roots;
        let make = |job: Job| {
            let label = if run.observed {
                run.label(&roots[job.root].item.key)
            } else {
                String::new()
            };
            make_call(run, index, &job, &label)
        };
        let made: Vec<Result<Made, Halt>> = if jobs.len() == 1 {
            jobs.into_iter().map(make).collect()
        } else {
            run.pool
                .install(|| jobs.into_par_iter().map(make).collect())
        };
        for made in made {
            let made = made?;
            let at = keys
                .binary_search(&made.key)
                .map_err(|_| Error::Internal("a call answers another key"))?;
            found[at] = Some(made.called);
            self.memos
                .extend(made.record.map(|record| (made.key, record)));
            self.objects.extend(made.object);
        }
        Ok(())
    }

    fn arguments(&mut self, index: usize, row: usize) -> Result<Result<Vec<Value>, Failure>, Halt> {
        let run = self.run;
        let transform = &run.stage.transforms[index];
        let mut values = Vec::with_capacity(transform.arguments.len());
        for argument in &transform.arguments {
            match argument {
                Argument::Literal(value) => values.push(value.clone()),
                Argument::Column(column) => match self.value(column, transform.collection, row)? {
                    Ok(value) => values.push(value),
                    Err(failure) => return Ok(Err(failure)),
                },
            }
        }
        Ok(Ok(values))
    }

    fn make_rows(&mut self, index: usize, collection: usize) -> Result<(), Halt> {
        let typed = &self.run.transforms[index].typed;
        let mut rows = Vec::new();
        for (parent, cell) in self.cells[index].iter().enumerate() {
            let Cell::Ready(answer) = cell else { continue };
            let Answer::Value(remembered) = &**answer else {
                continue;
            };
            let Some(parts) = remembered.parts(typed, &self.snapshot)? else {
                continue;
            };
            let root = self.rows[self.run.stage.transforms[index].collection][parent].root;
            for ordinal in 0..parts.len() / typed.parts_per_row() {
                rows.push(Row {
                    root,
                    parent,
                    ordinal: ordinal as u32,
                });
            }
        }
        self.rows[collection] = rows;
        Ok(())
    }

    /// The row of `collection` that the row `row` of the collection `from` descends from.
    fn ancestor(&self, collection: usize, mut from: usize, mut row: usize) -> usize {
        while from != collection {
            row = self.rows[from][row].parent;
            from = self.run.stage.collections[from]
                .parent
                .expect("columns are those of the row or its ancestors");
        }
        row
    }

    /// The fingerprint of a column, seen from a row of the collection `from`.
    pub(crate) fn print(&self, column: &ColumnRef, from: usize, row: usize) -> Result<Print, Halt> {
        let row = self.ancestor(column.collection, from, row);
        let this = self.rows[column.collection][row];
        let (index, cell) = match column.kind {
            ColumnKind::Source(position) => {
                let columns = self.roots[this.root].columns.as_ref();
                return Ok(columns.map_or(Print::Failed, |columns| Print::Known(columns[position])));
            }
            ColumnKind::Row | ColumnKind::Field(_) => {
                let maker = self.run.maker(column.collection);
                (maker, &self.cells[maker][this.parent])
            }
            ColumnKind::Result(index) | ColumnKind::ResultField(index, _) => {
                (index, &self.cells[index][row])
            }
        };
        let answer = match cell {
            Cell::Ready(answer) => answer,
            Cell::Absent => return Ok(Print::Absent),
            Cell::Failed => return Ok(Print::Failed),
            Cell::Unknown => return Ok(Print::Unknown),
        };
        let Answer::Value(remembered) = &**answer else {
            return Ok(Print::Absent);
        };
        let typed = &self.run.transforms[index].typed;
        let per_row = typed.parts_per_row();
        let at = this.ordinal as usize * per_row;
        if let ColumnKind::Result(_) = column.kind {
            return Ok(Print::Known(remembered.fingerprint));
        }
        let Some(parts) = remembered.parts(typed, &self.snapshot)? else {
            return Ok(Print::Unknown);
        };
        let print = match column.kind {
            ColumnKind::Field(field) => parts.get(at + field).copied(),
            ColumnKind::ResultField(_, field) => parts.get(field).copied(),
            // A row that is a record is known by its fields; any other is its only part.
            _ => parts
                .get(at..at + per_row)
                .map(|parts| match (parts, &column.ty) {
                    ([only], ty) if ty.fields().is_none() => *only,
                    (parts, ty) => of_parts(parts, &ty.fingerprint()),
                }),
        };
        Ok(print.map_or(Print::Unknown, Print::Known))
    }

    /// The value of a column, seen from a row of the collection `from`.
    pub(crate) fn value(
        &mut self,
        column: &ColumnRef,
        from: usize,
        row: usize,
    ) -> Result<Result<Value, Failure>, Halt> {
        let row = self.ancestor(column.collection, from, row);
        let this = self.rows[column.collection][row];
        let (index, cell_row) = match column.kind {
            ColumnKind::Source(position) => {
                return Ok(self
                    .source_values(this.root)?
                    .map(|values| values[position].clone()));
            }
            ColumnKind::Row | ColumnKind::Field(_) => {
                (self.run.maker(column.collection), this.parent)
            }
            ColumnKind::Result(index) | ColumnKind::ResultField(index, _) => (index, row),
        };
        let lost = || Failure {
            reason: "a remembered result is gone from the store".to_owned(),
            retry: true,
        };
        let Cell::Ready(answer) = self.cells[index][cell_row].clone() else {
            return Ok(Err(lost()));
        };
        let Answer::Value(remembered) = &*answer else {
            return Ok(Err(lost()));
        };
        let typed = &self.run.transforms[index].typed;
        if remembered.value(typed, &self.snapshot)?.is_none()
            && let Err(failure) = self.restore(index, cell_row, remembered)?
        {
            return Ok(Err(failure));
        }
        let Some(whole) = remembered.value(typed, &self.snapshot)? else {
            return Ok(Err(lost()));
        };
        let field = |value: &Value, field: usize| match value {
            Value::Record(fields) => fields.get(field).cloned(),
            _ => None,
        };
        let element = || answer::row(whole, &typed.shape.value, this.ordinal as usize);
        let value = match column.kind {
            ColumnKind::Source(_) | ColumnKind::Result(_) => Some(whole.clone()),
            ColumnKind::Row => element(),
            ColumnKind::Field(position) => element().and_then(|value| field(&value, position)),
            ColumnKind::ResultField(_, position) => field(whole, position),
        };
        Ok(value.ok_or_else(lost))
    }

    fn source_values(&mut self, root: usize) -> Result<Result<&[Value], Failure>, Halt> {
        let run = self.run;
        let this = &mut self.roots[root];
        if this.values.is_none() {
            let Some(entry) = &this.item.entry else {
                return Err(Error::Internal("a row that is gone was asked for its values").into());
            };
            let values = match run.load(entry) {
                Ok(values) => values,
                Err(RowError::Vanished) => {
                    let reason = "it is gone since it was listed".to_owned();
                    return Ok(Err(Failure {
                        reason,
                        retry: true,
                    }));
                }
                Err(RowError::Failed { reason, retry }) => {
                    return Ok(Err(Failure { reason, retry }));
                }
            };
            let known = this.columns.as_deref().unwrap_or_default();
            let same = values
                .iter()
                .zip(&run.column_types)
                .zip(known)
                .all(|((value, (ty, print)), known)| fingerprint(value, ty, print) == *known);
            if !same {
                let reason =
                    "it changed while it was read; the next run takes the new version".to_owned();
                return Ok(Err(Failure {
                    reason,
                    retry: true,
                }));
            }
            this.values = Some(values);
        }
        Ok(Ok(this.values.as_deref().unwrap_or_default()))
    }

    /// Makes a call again whose remembered result the store has lost, and stores it once more.
    fn restore(
        &mut self,
        index: usize,
        row: usize,
        lost: &Remembered,
    ) -> Result<Result<(), Failure>, Halt> {
        let run = self.run;
        if run.dry {
            let reason = "a remembered result is gone from the store".to_owned();
            return Ok(Err(Failure {
                reason,
                retry: true,
            }));
        }
        let arguments = match self.arguments(index, row)? {
            Ok(arguments) => arguments,
            Err(failure) => return Ok(Err(failure)),
        };
        let Ok(key) = self.key(index, row)? else {
            return Err(Error::Internal("a result without a key was lost").into());
        };
        let root = self.rows[run.stage.transforms[index].collection][row].root;
        let label = run.label(&self.roots[root].item.key);
        let job = Job {
            key,
            arguments,
            root,
        };
        let made = make_call(run, index, &job, &label)?;
        self.claimed.push(key);
        self.memos.extend(made.record.map(|record| (key, record)));
        self.objects.extend(made.object);
        let name = &run.stage.transforms[index].name;
        let failed = |reason: String| Failure {
            reason: format!("{name}: {reason}"),
            retry: true,
        };
        Ok(match &made.called {
            Ok(answer) => match &**answer {
                Answer::Value(new) if new.fingerprint == lost.fingerprint => {
                    let value = new.value(&run.transforms[index].typed, &self.snapshot)?;
                    value
                        .cloned()
                        .map(|value| lost.restore(value))
                        .ok_or_else(|| {
                            failed("its stored result was lost, and lost again".to_owned())
                        })
                }
                _ => Err(failed(
                    "its stored result was lost, and calling it again gave another one".to_owned(),
                )),
            },
            Err(reason) => Err(failed(reason.to_string())),
        })
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
    pub(crate) fn rows_by_root(&self, collection: usize) -> HashMap<usize, Vec<usize>> {
        let mut by_root: HashMap<usize, Vec<usize>> = HashMap::new();
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

fn make_call(run: &StageRun<'_>, index: usize, job: &Job, label: &str) -> Result<Made, Halt> {
    if run.stop.is_set() {
        return Err(Halt::Interrupted);
    }
    let transform = &run.stage.transforms[index];
    let prepared = &run.transforms[index];
    let callable = run.callable(index)?;
    run.observer.event(&Event::WillCall {
        transform: &transform.name,
        key: label,
    });
    let start = Instant::now();
    let outcome = callable.call(&job.arguments, prepared.limits, *job.key.as_bytes());
    let time = start.elapsed();
    let counts = &run.counters.transforms[index];
    counts.called.fetch_add(1, Ordering::Relaxed);
    counts
        .nanoseconds
        .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    let log = match &outcome {
        Ok(output) => &output.log,
        Err(error) => &error.log,
    };
    run.observer.event(&Event::Called {
        transform: &transform.name,
        time,
        log,
    });
    let mut made = Made {
        key: job.key,
        called: Err("".into()),
        record: None,
        object: None,
    };
    match outcome {
        Ok(output) => {
            let value = output
                .value
                .ok_or(Error::Internal("a function without a result was called"))?;
            let (answer, encoding) = Answer::of_call(value, &prepared.typed);
            made.record = Some(answer.record(time.as_nanos() as u64, run.run));
            if let (Answer::Value(remembered), Some(encoding)) = (&answer, encoding) {
                made.object = Some((remembered.fingerprint, encoding));
            }
            made.called = Ok(Arc::new(answer));
        }
        Err(error) => made.called = Err(answer::said(error.reason).into()),
    }
    run.calls.finish(job.key, made.called.clone());
    Ok(made)
}

/// The identity of a record whose fields are known by their fingerprints only.
fn of_parts(parts: &[Fingerprint], type_fingerprint: &Fingerprint) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 record of parts");
    hasher.update(type_fingerprint.as_bytes());
    for part in parts {
        hasher.update(part.as_bytes());
    }
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}
