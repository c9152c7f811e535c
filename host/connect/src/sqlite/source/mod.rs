//! The source `sqlite`: the rows of a table, or of a query, of a database that somebody else writes.
//!
//! Options: `path`, the database; `table` or `query`; `key`, the column or columns that tell rows apart; `updated-at`, a
//! column with the time of a row's last change.
//!
//! A listing reads everything once, in one transaction, and is sorted by key on disk, in bounded memory: the database is
//! locked no longer than that takes. The hint of a row is the hash of the columns that were asked for. With
//! `updated-at`, it is that time for rows that lie well behind the newest one, and of these the columns are not read: no
//! later change of such a row can leave the same time. A row that shares the newest time, or nearly, may be written again
//! with it, so its content counts.
//!
//! When several rows have the same key, the first has it; each other one, and one whose key is NULL or a float, is a row
//! of its own that fails and says why.

mod listing;
mod query;
mod reader;
mod recent;
mod value;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowstone_core::{Column, OptionError, Options, Value};
use rusqlite::params_from_iter;

use self::listing::Listing;
use self::query::Query;
use self::reader::{Limits, Reader};
use self::recent::{Latest, Version};
use crate::error::{ConnectError, RowError};
use crate::hint::Hint;
use crate::key::{NO_KEY, split_key};
use crate::options::OptionReader;
use crate::source::{Entries, Entry, Locator, Source};
use crate::sqlite::cell::Cell;
use crate::watch::{Tell, Watch};

/// The options, read and checked.
pub(crate) struct TableOptions {
    path: PathBuf,
    /// What comes after `FROM`: a table or a query in parentheses.
    from: String,
    key: Vec<String>,
    updated_at: Option<String>,
}

impl TableOptions {
    pub(crate) fn read(options: &Options) -> Result<Self, OptionError> {
        let options = OptionReader::new(options, &["path", "table", "query", "key", "updated-at"])?;
        let from = match (options.text("table")?, options.text("query")?) {
            (Some(table), None) if !table.is_empty() => crate::tables::quoted(table),
            // The line end is for a query that ends in a comment.
            (None, Some(query)) if !query.trim().is_empty() => {
                format!("({}\n)", query.trim_end().trim_end_matches(';'))
            }
            (Some(_), Some(_)) => {
                let message =
                    "`table` and `query` are both given: one of them says what the rows are";
                return Err(OptionError::new("query", message));
            }
            _ => {
                let message = "option `table`, or `query`, is missing: it says what the rows are";
                return Err(OptionError::new("table", message));
            }
        };
        let key = options.list("key")?.unwrap_or_default();
        if key.is_empty() {
            let message =
                "option `key` is missing: the column, or the columns, that tell rows apart";
            return Err(OptionError::new("key", message));
        }
        Ok(TableOptions {
            path: options.required_text("path")?.into(),
            from,
            key: key.into_iter().map(str::to_owned).collect(),
            updated_at: options.text("updated-at")?.map(str::to_owned),
        })
    }
}

/// Opens the source; the database must be there, and have the columns.
pub(crate) fn open_source(
    options: &Options,
    columns: Vec<Column>,
    base: &Path,
) -> Result<Box<dyn Source>, ConnectError> {
    let given = TableOptions::read(options)?;
    let path = base.join(&given.path);
    let limits = Limits::default();
    let reader = Reader::open(&path, limits.clone())?;
    let query = Query::new(&given, columns);
    query.check(&reader, options.contains_key("query"))?;
    Ok(Box::new(Table {
        path,
        limits,
        query: Arc::new(query),
        reader: Mutex::new(reader),
    }))
}

struct Table {
    path: PathBuf,
    limits: Limits,
    query: Arc<Query>,
    /// For single rows. A listing opens the database anew: another file may be in its place.
    reader: Mutex<Reader>,
}

impl Table {
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cells of a key; none for that of a row that has none or shares it.
    fn cells(&self, key: &[u8]) -> Option<Vec<Cell<'static>>> {
        let (parts, []) = split_key(key)? else {
            return None;
        };
        let cells: Vec<_> = parts.into_iter().map(Cell::of_part).collect();
        (cells.len() == self.query.keys()).then_some(cells)
    }
}

impl Source for Table {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        let reader = Reader::open(&self.path, self.limits.clone())?;
        let listing = Listing::read(&reader, &self.query)?;
        *self.reader() = reader;
        let unkeyed = listing.unkeyed;
        Ok(Entries::new(listing).with_unkeyed(unkeyed))
    }

    fn find(&self, key: &[u8]) -> Result<Option<Entry>, ConnectError> {
        let Some(cells) = self.cells(key) else {
            return self.find_by_listing(key);
        };
        let reader = self.reader();
        reader.check_in_place()?;
        let failed = |error| reader.failure("look for a row", error);
        let mut statement = reader.prepare(&self.query.one())?;
        let mut rows = statement.query(params_from_iter(cells)).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else {
            return Ok(None);
        };
        let (hash, size) = self.query.content(row, 0).map_err(failed)?;
        let hint = Hint {
            bytes: hash.to_vec(),
            settled: true,
        };
        Ok(Some(Entry::new(key.to_vec(), hint, size)))
    }

    fn interrupt(&self) {
        self.limits.stopped.store(true, Ordering::Relaxed);
    }

    fn watch(&self, _: Tell) -> Result<Watch, ConnectError> {
        let version = Version::now(&self.path, self.limits.clone())?;
        Ok(if self.query.has_times() {
            Watch::Recent(Box::new(Latest::new(version, Arc::clone(&self.query))?))
        } else {
            Watch::List(Box::new(version))
        })
    }

    fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError> {
        if let Locator::Broken(reason) = &entry.locator {
            return Err(RowError::content(reason.as_ref()));
        }
        let cells = self
            .cells(&entry.key)
            .ok_or_else(|| RowError::passing("the row was not listed by this source"))?;
        let reader = self.reader();
        let failed = |error: rusqlite::Error| {
            RowError::passing(reader.failure("read the row", error).to_string())
        };
        let mut statement = reader
            .prepare(&self.query.one())
            .map_err(|error| RowError::passing(error.to_string()))?;
        let mut rows = statement.query(params_from_iter(cells)).map_err(failed)?;
        let row = rows.next().map_err(failed)?.ok_or(RowError::Vanished)?;
        self.query.values(row).map_err(RowError::content)
    }
}

impl Table {
    fn find_by_listing(&self, key: &[u8]) -> Result<Option<Entry>, ConnectError> {
        // Only rows that fail have such keys.
        if !key.starts_with(&[NO_KEY]) && split_key(key).is_none() {
            return Ok(None);
        }
        for entry in self.entries()? {
            let entry = entry?;
            if entry.key == key {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
