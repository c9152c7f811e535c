//! What changed lately in a database: whether anything did at all, and with times, in which rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::query::{Clock, Hash, Query, each_row};
use super::reader::{Limits, Reader};
use crate::error::ConnectError;
use crate::watch::{Change, Poll};

/// So many rows are told one by one; when more of them changed lately, the source is listed.
const ROWS_MAX: usize = 10_000;

/// Rows by their keys, with the hashes of their content.
type Seen = HashMap<Vec<u8>, Hash>;

/// The version of a database: SQLite knows whether another connection wrote to it.
pub(super) struct Version {
    path: PathBuf,
    limits: Limits,
    /// None once the file was gone: whatever comes after that is another version.
    open: Option<(Reader, i64)>,
}

impl Version {
    pub(super) fn now(path: &Path, limits: Limits) -> Result<Self, ConnectError> {
        let mut version = Self {
            path: path.to_owned(),
            limits,
            open: None,
        };
        version.reopen()?;
        Ok(version)
    }

    fn reopen(&mut self) -> Result<(), ConnectError> {
        self.open = None;
        let reader = Reader::open(&self.path, self.limits.clone())?;
        let version = data_version(&reader)?;
        self.open = Some((reader, version));
        Ok(())
    }

    /// What became of the database since the last time.
    fn step(&mut self) -> Result<Step, ConnectError> {
        // Taken out, so that an error leaves none behind.
        if let Some((reader, version)) = self.open.take()
            && !reader.is_replaced()?
        {
            let now = data_version(&reader)?;
            self.open = Some((reader, now));
            return Ok(if now == version {
                Step::Same
            } else {
                Step::Written
            });
        }
        self.reopen()?;
        Ok(Step::Replaced)
    }
}

/// What became of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Same,
    Written,
    /// It is another file.
    Replaced,
}

impl Poll for Version {
    fn poll(&mut self) -> Result<Vec<Change>, ConnectError> {
        Ok(match self.step()? {
            Step::Same => Vec::new(),
            Step::Written | Step::Replaced => vec![Change::Any],
        })
    }
}

fn data_version(reader: &Reader) -> Result<i64, ConnectError> {
    reader.alive();
    let version = reader
        .connection
        .query_row("PRAGMA data_version", [], |row| row.get(0));
    version.map_err(|error| reader.failure("look for changes", error))
}

/// The rows that changed lately, by their times.
pub(super) struct Latest {
    version: Version,
    query: Arc<Query>,
    /// Up to where times were looked at; rows a little older are looked at again.
    since: Option<f64>,
    /// The rows that were there then, and the hashes of their content.
    told: Seen,
}

impl Latest {
    /// Begins now: what changed before is not told.
    pub(super) fn new(version: Version, query: Arc<Query>) -> Result<Self, ConnectError> {
        let mut latest = Self {
            version,
            query,
            since: None,
            told: Seen::new(),
        };
        latest.look()?;
        Ok(latest)
    }

    fn look(&mut self) -> Result<Vec<Change>, ConnectError> {
        let Some((reader, _)) = &self.version.open else {
            return Ok(vec![Change::Any]);
        };
        let failed = |error| reader.failure("look for changes", error);
        let transaction = reader.connection.unchecked_transaction().map_err(failed)?;
        let Some(clock) = self.query.clock(reader)? else {
            // No times to go by.
            self.since = None;
            return Ok(vec![Change::Any]);
        };
        // Not from the newest time of now on: between that of the last time and now there may be any number of others.
        let cutoff = clock.cutoff().min(self.since.unwrap_or(f64::INFINITY));
        let found = self.rows_since(reader, &clock, cutoff)?;
        drop(transaction);
        let began = self.since.replace(clock.cutoff());
        let Some(found) = found else {
            self.told.clear();
            return Ok(vec![Change::Any]);
        };
        let changed = found
            .iter()
            .filter(|(key, hash)| self.told.get(*key) != Some(*hash));
        let mut changes: Vec<Change> = changed.map(|(key, _)| Change::Row(key.clone())).collect();
        if began.is_none() {
            changes = vec![Change::Any];
        }
        self.told = found;
        Ok(changes)
    }

    /// The rows from a time on, by their keys; none when they are too many.
    fn rows_since(
        &self,
        reader: &Reader,
        clock: &Clock,
        cutoff: f64,
    ) -> Result<Option<Seen>, ConnectError> {
        let mut found = Seen::new();
        let mut statement = reader.prepare(&self.query.recent(clock))?;
        let limit = ROWS_MAX as i64 + 1;
        let mut count = 0;
        each_row(reader, &mut statement, (cutoff, limit), |row| {
            count += 1;
            let (hash, _) = self.query.content(row, self.query.keys())?;
            // A row without a key fails in the next full listing.
            if let Ok(key) = self.query.key(row)? {
                found.insert(key, hash);
            }
            Ok(())
        })?;
        Ok((count <= ROWS_MAX).then_some(found))
    }
}

impl Poll for Latest {
    fn poll(&mut self) -> Result<Vec<Change>, ConnectError> {
        match self.version.step()? {
            Step::Same => Ok(Vec::new()),
            Step::Written => self.look(),
            Step::Replaced => {
                self.told.clear();
                self.since = None;
                self.look()
            }
        }
    }
}
