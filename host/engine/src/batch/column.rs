//! The columns of a row: their fingerprints, which are always at hand, and their values, which are loaded when needed.

use flowstone_connect::RowError;
use flowstone_core::{Argument, ColumnKind, ColumnRef, Fingerprint, Value, fingerprint};
use flowstone_store::Why;

use super::call::Job;
use super::{Batch, Cell, Failure, Halt, Print};
use crate::answer::{self, Answer, Remembered};
use crate::error::Error;

impl Batch<'_> {
    pub(crate) fn arguments(
        &mut self,
        index: usize,
        row: usize,
    ) -> Result<Result<Vec<Value>, Failure>, Halt> {
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

    /// The row of `collection` that the row `row` of the collection `from` descends from.
    pub(super) fn ancestor(&self, collection: usize, mut from: usize, mut row: usize) -> usize {
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
            ColumnKind::Lookup(index) => return Ok(self.looked_print(index, row)),
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
            ColumnKind::Lookup(index) => return Ok(self.looked_value(index, row)),
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
            ColumnKind::Source(_) | ColumnKind::Result(_) | ColumnKind::Lookup(_) => {
                Some(whole.clone())
            }
            ColumnKind::Row => element(),
            ColumnKind::Field(position) => element().and_then(|value| field(&value, position)),
            ColumnKind::ResultField(_, position) => field(whole, position),
        };
        Ok(value.ok_or_else(lost))
    }

    pub(super) fn source_values(&mut self, root: usize) -> Result<Result<&[Value], Failure>, Halt> {
        let run = self.run;
        let this = &mut self.roots[root];
        if this.values.is_none() {
            let Some(entry) = &this.item.entry else {
                return Err(Error::Internal("a row that is gone was asked for its values").into());
            };
            let values = match run.load(entry) {
                Ok(values) => values,
                Err(_) if run.stop.is_set() => return Err(Halt::Interrupted),
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
    pub(super) fn restore(
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
        let Ok(prints) = self.argument_prints(index, row)? else {
            return Err(Error::Internal("a result without a key was lost").into());
        };
        let key = run.transforms[index].recipe.key(prints.iter().copied());
        let root = self.rows[run.stage.transforms[index].collection][row].root;
        let job = Job {
            key,
            arguments,
            prints,
            told: self.in_hand(index, row),
            root,
            why: Why::Removed,
        };
        let made = self.make_calls(index, &[job])?.pop();
        let made = made.ok_or(Error::Internal("a call came to nothing"))?;
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
}

/// The identity of a record whose fields are known by their fingerprints only.
pub(crate) fn of_parts(parts: &[Fingerprint], type_fingerprint: &Fingerprint) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 record of parts");
    hasher.update(type_fingerprint.as_bytes());
    for part in parts {
        hasher.update(part.as_bytes());
    }
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}
