//! Looking up rows of other collections: what is found is a column of the row that asks.
//!
//! What is asked for goes by a hash of fingerprints, so no value is loaded to look something up. What is found is small as a
//! rule, and is kept in the relation itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use flowstone_core::{Fingerprint, Lookup, Type, Value, decode, fingerprint};
use flowstone_store::{LookupRecord, Member, Snapshot, StoreError};

use super::{Batch, Failure, Halt, Print};
use crate::relation::lookup_hash;
use crate::stage::StageLookup;

/// What a lookup found for a row.
#[derive(Clone)]
pub(super) enum Looked {
    Found(Arc<Found>),
    /// The row has nothing to ask with: a result that the key hangs on was none.
    Absent,
    Failed,
    /// Only when nothing may be called: what to ask for is not known.
    Unknown,
}

/// What matches a key: one row or none, or a list of rows.
pub(crate) struct Found {
    pub(crate) print: Fingerprint,
    value: Value,
}

impl Batch<'_> {
    /// Looks up for all rows of the lookup's collection, where that has not been done.
    pub(super) fn look_up_rows(&mut self, index: usize) -> Result<(), Halt> {
        if self.looked[index].is_some() {
            return Ok(());
        }
        let run = self.run;
        let lookup = &run.stage.lookups[index];
        let relation = run.lookups[index].relation;
        let mut known: HashMap<[u8; 16], Result<Arc<Found>, Failure>> = HashMap::new();
        let count = self.rows[lookup.collection].len();
        let mut looked = Vec::with_capacity(count);
        for row in 0..count {
            let key = match self.lookup_key(index, row)? {
                Ok(key) => key,
                Err(nothing) => {
                    looked.push(nothing);
                    continue;
                }
            };
            let root = self.rows[lookup.collection][row].root;
            self.roots[root]
                .lookups
                .push(LookupRecord { relation, key });
            let found = match known.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let lookup = (lookup, &run.lookups[index]);
                    let found = matches(&self.snapshot, lookup, &key, run.row_bytes_max)?;
                    new.insert(found.map(Arc::new))
                }
            };
            looked.push(match found {
                Ok(found) => Looked::Found(Arc::clone(found)),
                Err(failure) => {
                    self.roots[root].failures.push(failure.clone());
                    Looked::Failed
                }
            });
        }
        self.looked[index] = Some(looked);
        Ok(())
    }

    /// What a row asks for, or why it asks for nothing.
    fn lookup_key(&self, index: usize, row: usize) -> Result<Result<[u8; 16], Looked>, Halt> {
        let lookup = &self.run.stage.lookups[index];
        let mut prints = Vec::with_capacity(lookup.keys.len());
        for column in &lookup.keys {
            match self.print(column, lookup.collection, row)? {
                Print::Known(print) => prints.push(print),
                Print::Absent => return Ok(Err(Looked::Absent)),
                Print::Failed => return Ok(Err(Looked::Failed)),
                Print::Unknown => return Ok(Err(Looked::Unknown)),
            }
        }
        Ok(Ok(lookup_hash(prints.into_iter())))
    }

    pub(super) fn looked_print(&self, index: usize, row: usize) -> Print {
        match self.looked_at(index, row) {
            Some(Looked::Found(found)) => Print::Known(found.print),
            Some(Looked::Absent) => Print::Absent,
            Some(Looked::Failed) => Print::Failed,
            Some(Looked::Unknown) | None => Print::Unknown,
        }
    }

    pub(super) fn looked_value(&self, index: usize, row: usize) -> Result<Value, Failure> {
        match self.looked_at(index, row) {
            Some(Looked::Found(found)) => Ok(found.value.clone()),
            _ => Err(Failure {
                reason: "what it looks up is not known".to_owned(),
                retry: true,
            }),
        }
    }

    fn looked_at(&self, index: usize, row: usize) -> Option<&Looked> {
        self.looked[index].as_ref()?.get(row)
    }
}

/// The rows that match, as one value; or why that is not to be had.
pub(crate) fn matches(
    snapshot: &Snapshot,
    (plan, lookup): (&Lookup, &StageLookup),
    key: &[u8; 16],
    bytes_max: u64,
) -> Result<Result<Found, Failure>, StoreError> {
    let failed = |reason: String, retry: bool| {
        let reason = format!("{}: {reason}", plan.name);
        Ok(Err(Failure { reason, retry }))
    };
    let (within, mut rows, mut bytes) = (&plan.within, Vec::new(), 0);
    for member in snapshot.members(lookup.relation, key, &[])? {
        let (_, member) = member?;
        let sizes = member.columns.iter();
        bytes += sizes
            .map(|(_, encoding)| encoding.len() as u64)
            .sum::<u64>();
        if bytes > bytes_max {
            let more = "more than the memory given leaves for one row: raise `--memory`";
            return failed(
                format!("the rows of `{within}` that match hold {more}"),
                true,
            );
        }
        let Some(row) = found_row(&member, lookup, plan.record) else {
            return failed(format!("a row of `{within}` cannot be read"), true);
        };
        rows.push(row);
    }
    let value = match (plan.many, rows.len()) {
        (true, _) => Value::list_of(&plan.row, rows),
        (false, 0 | 1) => Value::Option(rows.pop().map(Arc::new)),
        (false, count) => {
            let more = "match where one is asked for; `many = true` hands over all of them";
            return failed(format!("{count} rows of `{within}` {more}"), false);
        }
    };
    let (ty, type_print) = &lookup.ty;
    let print = fingerprint(&value, ty, type_print);
    Ok(Ok(Found { print, value }))
}

/// A row that was found, as the function gets it.
fn found_row(member: &Member, lookup: &StageLookup, record: bool) -> Option<Value> {
    let columns = member.columns.get(lookup.keys..)?.iter().zip(&lookup.types);
    let value = |((_, encoding), ty): (&(Fingerprint, Vec<u8>), &Type)| decode(encoding, ty).ok();
    let mut values: Vec<Value> = columns.map(value).collect::<Option<_>>()?;
    if record {
        Some(Value::Record(values.into()))
    } else {
        values.pop()
    }
}
