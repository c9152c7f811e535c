//! A full listing: everything that the database has, read in one transaction and sorted by key.

use std::path::PathBuf;

use rusqlite::{Row, Rows};

use super::query::{Clock, Query, hash_of};
use super::reader::Reader;
use crate::error::ConnectError;
use crate::hint::Hint;
use crate::key::{NO_KEY, display_joined, printable};
use crate::sorter::{Item, Sorted, Sorter, Span};
use crate::source::{Entry, Locator};

/// The rows in the order of their keys.
pub(super) struct Listing {
    path: PathBuf,
    sorted: Sorted,
    /// How many rows have no key.
    pub(super) unkeyed: u64,
    done: bool,
}

impl Listing {
    pub(super) fn read(reader: &Reader, query: &Query) -> Result<Self, ConnectError> {
        let failed = |error| reader.failure("read the rows", error);
        // One state of the database, whatever is written meanwhile.
        let transaction = reader.connection.unchecked_transaction().map_err(failed)?;
        let clock = query.clock(reader)?;
        let mut sorter = Sorter::new(&reader.path)?;
        let (mut count, mut unkeyed) = (0, 0);
        let parts = [false, true];
        for settled in parts {
            let sql = match (&clock, settled) {
                (Some(clock), true) => query.settled(clock),
                (None, true) => continue,
                (clock, false) => query.unsettled(clock.as_ref()),
            };
            let mut statement = reader.prepare(&sql)?;
            let cutoff = clock.as_ref().map(Clock::cutoff);
            let rows = statement
                .query(rusqlite::params_from_iter(cutoff))
                .map_err(failed)?;
            let mut reading = Reading {
                reader,
                query,
                settled,
                rows,
            };
            sorter.fill(&reader.path, || {
                let item = reading.next(&mut count)?;
                unkeyed += u64::from(item.as_ref().is_some_and(|item| item.problem.is_some()));
                Ok(item)
            })?;
        }
        drop(transaction);
        Ok(Self {
            path: reader.path.clone(),
            sorted: sorter.sort(&reader.path)?,
            unkeyed,
            done: false,
        })
    }

    fn step(&mut self) -> Result<Option<Entry>, ConnectError> {
        let Some((item, first)) = self.sorted.next(&self.path)? else {
            return Ok(None);
        };
        let shared = first.map(|first| {
            format!(
                "another row has the same key: `{}`",
                printable(display_joined(&first.key).as_bytes())
            )
        });
        let (mut bytes, problem) = (item.hash, item.problem.or(shared));
        let mut locator = Locator::Key;
        if let Some(problem) = problem {
            // What is wrong may lie in another row, so it is part of the version.
            let both = [&bytes, problem.as_bytes()].concat();
            let len = bytes.len();
            bytes.copy_from_slice(&blake3::hash(&both).as_bytes()[..len]);
            locator = Locator::Broken(problem.into());
        }
        let hint = Hint {
            bytes,
            settled: true,
        };
        Ok(Some(Entry {
            locator,
            ..Entry::new(item.key, hint, item.span.len)
        }))
    }
}

impl Iterator for Listing {
    type Item = Result<Entry, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// The rows of one statement on their way to the sorter.
struct Reading<'a> {
    reader: &'a Reader,
    query: &'a Query,
    /// Whether they are the rows whose time counts, and not their content.
    settled: bool,
    rows: Rows<'a>,
}

impl Reading<'_> {
    fn next(&mut self, count: &mut u64) -> Result<Option<Item>, ConnectError> {
        let failed = |error| self.reader.failure("read the rows", error);
        let Some(row) = self.rows.next().map_err(failed)? else {
            return Ok(None);
        };
        self.reader.alive();
        if self.reader.is_stopped() {
            return Err(ConnectError::incomplete(
                &self.reader.path,
                "it was stopped",
            ));
        }
        *count += 1;
        if *count > self.reader.limits.rows_max {
            return Err(ConnectError::Database {
                action: "read the rows",
                path: self.reader.path.clone(),
                message: format!(
                    "there are more than {} of them: the query may never end",
                    self.reader.limits.rows_max
                ),
            });
        }
        let item = item(self.query, self.settled, row, *count);
        item.map(Some).map_err(failed)
    }
}

fn item(query: &Query, settled: bool, row: &Row<'_>, number: u64) -> rusqlite::Result<Item> {
    let after = query.keys();
    let (hash, len) = if settled {
        let bytes = row.get::<_, i64>(after + 1)?;
        (hash_of(row.get_ref(after)?), bytes.unsigned_abs())
    } else {
        query.content(row, after)?
    };
    let (key, problem) = match query.key(row)? {
        Ok(key) => (key, None),
        Err(problem) => {
            let mut key = vec![NO_KEY];
            key.extend_from_slice(&number.to_be_bytes());
            (key, Some(problem))
        }
    };
    Ok(Item {
        key,
        number,
        span: Span {
            offset: 0,
            len,
            line: 0,
        },
        hash: hash.to_vec(),
        problem,
    })
}
