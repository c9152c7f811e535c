//! One transform over the rows of a batch: what is given, what is called anyway, what is looked up; and the rows made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flowstone_core::{Argument, ColumnKind, Fingerprint, MemoKey};

use super::{Batch, CHILD_BYTES, Cell, Failure, Halt, Print, Row};
use crate::answer::Answer;
use crate::calls::Called;
use crate::in_hand::print_of;

impl Batch<'_> {
    pub(super) fn run_transform(&mut self, index: usize) -> Result<(), Halt> {
        let transform = &self.run.stage.transforms[index];
        for column in transform.columns() {
            if let ColumnKind::Lookup(lookup) = column.kind {
                self.look_up_rows(lookup)?;
            }
        }
        let count = self.rows[transform.collection].len();
        let mut cells = vec![Cell::Unknown; count];
        let mut given = vec![false; count];
        if !self.run.overrides.is_empty() {
            self.take_given(index, &mut cells, &mut given)?;
        }
        let mut wanted: Vec<(MemoKey, usize)> = Vec::with_capacity(count);
        for row in 0..count {
            if given[row] {
                continue;
            }
            match self.key(index, row)? {
                Ok(key) => wanted.push((key, row)),
                Err(cell) => cells[row] = cell,
            }
        }
        if self.run.transforms[index].remembers() {
            self.look_up(index, wanted, &mut cells)?;
        } else {
            self.call_each(index, wanted, &mut cells)?;
        }
        self.cells[index] = cells;
        if let Some(collection) = transform.makes {
            self.make_rows(index, collection)?;
        }
        Ok(())
    }

    /// Takes the results that are given for rows of the batch. A result for a row that is not there fails its root row.
    fn take_given(
        &mut self,
        index: usize,
        cells: &mut [Cell],
        given: &mut [bool],
    ) -> Result<(), Halt> {
        let run = self.run;
        let transform = &run.stage.transforms[index];
        let rows = self.rows_by_root(transform.collection);
        // Rows that are gone, broken or settled take no part.
        let working: Vec<usize> = self.rows[0].iter().map(|row| row.root).collect();
        for root in working {
            let key = &self.roots[root].item.key;
            let of_row = run.overrides.of_row(&run.stage.source.kind, key);
            let Some(results) = of_row.and_then(|given| given.get(&transform.name)) else {
                continue;
            };
            if run.stop.is_set() {
                return Err(Halt::Interrupted);
            }
            let rows = rows.get(&root).map_or(&[][..], Vec::as_slice);
            let by_origin = |row: &usize| (self.origin(transform.collection, *row), *row);
            let places: HashMap<Vec<u32>, usize> = rows.iter().map(by_origin).collect();
            for result in results {
                if let Some(&row) = places.get(&result.index) {
                    given[row] = true;
                    cells[row] = match &*result.answer {
                        Answer::Nothing => Cell::Absent,
                        _ => Cell::Ready(Arc::clone(&result.answer)),
                    };
                } else {
                    let reason = format!(
                        "{} gives a result for row {:?}, and there are {} rows",
                        result.place,
                        result.index,
                        rows.len()
                    );
                    self.fail(index, root, &reason, true);
                }
            }
        }
        Ok(())
    }

    /// Finds the results of rows by their keys, and calls for those that are not remembered.
    fn look_up(
        &mut self,
        index: usize,
        mut wanted: Vec<(MemoKey, usize)>,
        cells: &mut [Cell],
    ) -> Result<(), Halt> {
        wanted.sort_unstable();
        let mut keys: Vec<MemoKey> = wanted.iter().map(|(key, _)| *key).collect();
        keys.dedup();
        let found = self.find(index, &keys, &wanted)?;
        let mut position = 0;
        for (key, row) in wanted {
            if keys[position] != key {
                position += 1;
            }
            cells[row] = self.cell(index, row, key, found[position].as_ref());
        }
        Ok(())
    }

    /// Calls for every row: nothing is looked up, nothing is remembered.
    fn call_each(
        &mut self,
        index: usize,
        wanted: Vec<(MemoKey, usize)>,
        cells: &mut [Cell],
    ) -> Result<(), Halt> {
        let mut called = vec![None; wanted.len()];
        if !self.run.dry {
            self.call_rows(index, &wanted, &mut called)?;
        }
        for ((key, row), called) in wanted.into_iter().zip(called) {
            cells[row] = self.cell(index, row, key, called.as_ref());
        }
        Ok(())
    }

    /// What a row gets from what was found or called; nothing only when nothing may be called.
    fn cell(&mut self, index: usize, row: usize, key: MemoKey, called: Option<&Called>) -> Cell {
        let root = self.rows[self.run.stage.transforms[index].collection][row].root;
        self.roots[root].calls.push((index as u16, key));
        match called {
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
        }
    }

    /// The fingerprints of a row's arguments that count, in order, and then that of the row where the function is told it; or
    /// what the row gets without a call.
    pub(crate) fn argument_prints(
        &self,
        index: usize,
        row: usize,
    ) -> Result<Result<Vec<Fingerprint>, Cell>, Halt> {
        let stage = self.run.stage;
        let transform = &stage.transforms[index];
        let mut prints = Vec::with_capacity(transform.arguments.len());
        let mut unknown = false;
        for argument in &transform.arguments {
            let Argument::Column(column) = argument else {
                continue;
            };
            let counts = stage.counts(column);
            match self.print(column, transform.collection, row)? {
                Print::Known(fingerprint) if counts => prints.push(fingerprint),
                Print::Absent => return Ok(Err(Cell::Absent)),
                Print::Failed => return Ok(Err(Cell::Failed)),
                Print::Unknown if counts => unknown = true,
                Print::Known(_) | Print::Unknown => {}
            }
        }
        if unknown {
            return Ok(Err(Cell::Unknown));
        }
        prints.extend(self.in_hand(index, row).map(|row| print_of(&row.key)));
        Ok(Ok(prints))
    }

    /// The key of the call for a row, or what the row gets without a call.
    pub(super) fn key(&self, index: usize, row: usize) -> Result<Result<MemoKey, Cell>, Halt> {
        let prints = self.argument_prints(index, row)?;
        Ok(prints.map(|prints| self.run.transforms[index].recipe.key(prints)))
    }

    pub(super) fn fail(
        &mut self,
        transform: usize,
        root: usize,
        reason: &str,
        retry: bool,
    ) -> Cell {
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

    fn make_rows(&mut self, index: usize, collection: usize) -> Result<(), Halt> {
        let run = self.run;
        let typed = &run.transforms[index].typed;
        let mut rows = Vec::new();
        for parent in 0..self.cells[index].len() {
            let Cell::Ready(answer) = self.cells[index][parent].clone() else {
                continue;
            };
            let Answer::Value(remembered) = &*answer else {
                continue;
            };
            let Some(parts) = remembered.parts(typed, &self.snapshot)? else {
                continue;
            };
            let root = self.rows[run.stage.transforms[index].collection][parent].root;
            let count = parts.len() / typed.parts_per_row();
            if count as u64 * CHILD_BYTES > run.row_bytes_max {
                let reason = format!(
                    "it makes {count} rows, more than the memory given can hold: raise `--memory`"
                );
                self.cells[index][parent] = self.fail(index, root, &reason, true);
                continue;
            }
            rows.extend((0..count).map(|ordinal| Row {
                root,
                parent,
                ordinal: ordinal as u32,
            }));
        }
        self.rows[collection] = rows;
        Ok(())
    }
}
