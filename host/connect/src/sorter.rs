//! Sorts the records of a scan by key, in bounded memory: an unnamed temporary SQLite database is the sorter.
//!
//! SQLite keeps the database in memory until its cache is full, then in a file that has no name any more, so nothing is
//! left behind however the process ends. `CREATE TABLE ... ORDER BY` is its external merge sort.

use std::collections::VecDeque;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::database::failure;
use crate::error::ConnectError;

/// The memory that a sort may take, in KiB.
const CACHE_KIB: u32 = 16 << 10;
/// How many records are handed out at once.
const PAGE: i64 = 512;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// The line it begins in; the first is 1.
    pub(crate) line: u64,
}

/// What is sorted: a record without its content.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) key: Vec<u8>,
    /// The number of the record; the first is 1.
    pub(crate) number: u64,
    pub(crate) span: Span,
    pub(crate) hash: Vec<u8>,
    /// Why the record is no good, if that is known.
    pub(crate) problem: Option<String>,
}

/// Takes records in any order.
pub(crate) struct Sorter {
    connection: Connection,
}

/// Gives them back in order of key, those that are no good after the others, then of number.
pub(crate) struct Sorted {
    connection: Connection,
    /// The number of records taken out of it so far.
    taken: i64,
    page: VecDeque<Item>,
    /// The first record that has the key at hand.
    first: Option<Item>,
}

impl Sorter {
    pub(crate) fn new(source: &Path) -> Result<Self, ConnectError> {
        let failed = |error| failure(source, "begin to sort the records", error);
        let connection = Connection::open("").map_err(failed)?;
        let sql = format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; \
             PRAGMA cache_size = -{CACHE_KIB}; BEGIN; \
             CREATE TABLE item (key BLOB, number INTEGER, offset INTEGER, len INTEGER, line INTEGER, hash BLOB, problem TEXT)"
        );
        connection.execute_batch(&sql).map_err(failed)?;
        Ok(Sorter { connection })
    }

    /// Takes all of the records.
    pub(crate) fn fill(
        &mut self,
        source: &Path,
        mut next: impl FnMut() -> Result<Option<Item>, ConnectError>,
    ) -> Result<(), ConnectError> {
        let failed = |error| failure(source, "sort the records", error);
        let mut insert = self
            .connection
            .prepare("INSERT INTO item VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .map_err(failed)?;
        while let Some(Item {
            key,
            number,
            span,
            hash,
            problem,
        }) = next()?
        {
            let row = params![
                key,
                number as i64,
                span.offset as i64,
                span.len as i64,
                span.line as i64,
                hash,
                problem
            ];
            insert.execute(row).map_err(failed)?;
        }
        Ok(())
    }

    /// Of records with the same key, the first that is some good comes first.
    pub(crate) fn sort(self, source: &Path) -> Result<Sorted, ConnectError> {
        let sql = "CREATE TABLE sorted AS SELECT * FROM item ORDER BY key, problem IS NOT NULL, number; DROP TABLE item; COMMIT;";
        self.connection
            .execute_batch(sql)
            .map_err(|error| failure(source, "sort the records", error))?;
        Ok(Sorted {
            connection: self.connection,
            taken: 0,
            page: VecDeque::new(),
            first: None,
        })
    }
}

impl Sorted {
    /// The next record in order. Where an earlier one has the same key, that one comes along, and the key is made one of its
    /// own: it lies behind the key itself and before all greater ones, since no key is the beginning of another.
    pub(crate) fn next(
        &mut self,
        source: &Path,
    ) -> Result<Option<(Item, Option<&Item>)>, ConnectError> {
        if self.page.is_empty() {
            self.page = self.page(source)?.into();
        }
        let Some(mut item) = self.page.pop_front() else {
            return Ok(None);
        };
        if (self.first.as_ref()).is_some_and(|first| first.key == item.key) {
            item.key.extend_from_slice(&item.number.to_be_bytes());
            return Ok(Some((item, self.first.as_ref())));
        }
        self.first = Some(item.clone());
        Ok(Some((item, None)))
    }

    /// The next records in order; none at the end.
    fn page(&mut self, source: &Path) -> Result<Vec<Item>, ConnectError> {
        let failed = |error| failure(source, "read the sorted records", error);
        let sql = "SELECT key, number, offset, len, line, hash, problem FROM sorted WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let items = statement.query_map([self.taken, PAGE], |row| {
            let number = |column| row.get::<_, i64>(column).map(|value| value as u64);
            Ok(Item {
                key: row.get(0)?,
                number: number(1)?,
                span: Span {
                    offset: number(2)?,
                    len: number(3)?,
                    line: number(4)?,
                },
                hash: row.get(5)?,
                problem: row.get(6)?,
            })
        });
        let items: Vec<Item> = items.and_then(Iterator::collect).map_err(failed)?;
        self.taken += items.len() as i64;
        Ok(items)
    }
}
