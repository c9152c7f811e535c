//! What is asked of the database: the statements, and keys, hashes and values out of their rows.

use flowstone_core::{Column, OptionError, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

use super::reader::Reader;
use super::{TableOptions, value};
use crate::error::ConnectError;
use crate::key::{KeyPart, push_part};
use crate::stamp::FileTime;
use crate::tables::quoted;

/// The length of hints: half of BLAKE3, which is enough against accidents.
const HASH_BYTES: usize = 16;

/// The hash of a row's content.
pub(super) type Hash = [u8; HASH_BYTES];

/// What a row takes besides the bytes of its values, roughly.
const ROW_BYTES: u64 = 64;

/// The statements of a source.
pub(super) struct Query {
    from: String,
    key: Vec<String>,
    updated_at: Option<String>,
    columns: Vec<Column>,
}

/// The newest time of a source, and how times are compared.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// The SQL of a row's time as a number.
    time: String,
    newest: f64,
    /// How much one second is.
    second: f64,
    /// What 1970 is.
    epoch: f64,
}

/// How far behind the newest time a row's time must lie for the row not to be written again with the same: clocks that
/// tick in seconds, and transactions that began earlier and are committed later.
const MARGIN_S: f64 = 10.0;

/// The Julian day on which 1970 began.
const JULIAN_1970: f64 = 2_440_587.5;

impl Clock {
    /// What lies before this is settled. A time that is still to come says nothing about what others will be.
    pub(super) fn cutoff(&self) -> f64 {
        let now_s = FileTime::now().seconds as f64;
        let now = now_s * self.second + self.epoch;
        self.newest.min(now) - MARGIN_S * self.second
    }
}

impl Query {
    pub(super) fn new(options: &TableOptions, columns: Vec<Column>) -> Self {
        Self {
            from: options.from.clone(),
            key: options.key.clone(),
            updated_at: options.updated_at.clone(),
            columns,
        }
    }

    /// How many columns the key has.
    pub(super) fn keys(&self) -> usize {
        self.key.len()
    }

    /// Whether rows say when they changed.
    pub(super) fn has_times(&self) -> bool {
        self.updated_at.is_some()
    }

    /// Checks that the query is one that reads, and that all columns are there.
    pub(super) fn check(&self, reader: &Reader, is_query: bool) -> Result<(), ConnectError> {
        let wrong = |message: String| {
            let option = if is_query { "query" } else { "table" };
            ConnectError::Option(OptionError::new(option, message))
        };
        if is_query {
            // By itself, so that no parenthesis in it can end the one around it.
            let own = self.from[1..self.from.len() - 1].trim();
            let statement = reader.connection.prepare(own);
            let statement = statement.map_err(|error| wrong(format!("the query: {error}")))?;
            if !statement.readonly() || statement.column_count() == 0 {
                return Err(wrong("the query must be a `select`".to_owned()));
            }
        }
        let all = format!("SELECT * FROM {} AS s", self.from);
        let statement = reader.connection.prepare(&all);
        let statement = statement.map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::Unknown) => wrong(error.to_string()),
            _ => reader.failure("prepare the query", error),
        })?;
        let names: Vec<&str> = statement.column_names().collect();
        let asked = self.columns.iter().map(|column| &column.name);
        for name in asked.chain(&self.key).chain(&self.updated_at) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(ConnectError::Column {
                    column: name.clone(),
                    message: format!("the rows have no column `{name}`"),
                    candidates: names.iter().map(|&name| name.to_owned()).collect(),
                });
            }
        }
        Ok(())
    }

    /// One row by its key: the columns asked for.
    pub(super) fn one(&self) -> String {
        let is = |(at, name): (usize, &String)| {
            format!("{} COLLATE BINARY IS ?{}", of_row(name), at + 1)
        };
        let key: Vec<String> = self.key.iter().enumerate().map(is).collect();
        // Of rows with the same key the first in the order of the file.
        format!(
            "SELECT {} FROM {} AS s WHERE {} LIMIT 1",
            self.columns_sql(),
            self.from,
            key.join(" AND ")
        )
    }

    /// All rows, or those whose time is not before `?1`: the key, then the columns asked for.
    pub(super) fn unsettled(&self, clock: Option<&Clock>) -> String {
        let before = clock.map(|clock| format!(" WHERE ({} < ?1) IS NOT TRUE", clock.time));
        format!(
            "SELECT {}, {} FROM {} AS s{}",
            self.key_sql(),
            self.columns_sql(),
            self.from,
            before.unwrap_or_default()
        )
    }

    /// The rows whose time is before `?1`: the key, the time, and how many bytes the columns asked for have.
    pub(super) fn settled(&self, clock: &Clock) -> String {
        let length =
            |column: &Column| format!(" + coalesce(octet_length({}), 0)", of_row(&column.name));
        let lengths: Vec<String> = self.columns.iter().map(length).collect();
        let bytes = format!("{ROW_BYTES}{}", lengths.concat());
        let time = self.updated_at.as_deref().map_or("NULL".to_owned(), of_row);
        format!(
            "SELECT {}, {time}, {bytes} FROM {} AS s WHERE {} < ?1",
            self.key_sql(),
            self.from,
            clock.time
        )
    }

    /// The rows whose time is `?1` or later, at most `?2`: as in [`Query::unsettled`].
    pub(super) fn recent(&self, clock: &Clock) -> String {
        format!(
            "SELECT {}, {} FROM {} AS s WHERE {} >= ?1 LIMIT ?2",
            self.key_sql(),
            self.columns_sql(),
            self.from,
            clock.time
        )
    }

    /// The newest time; none where there is no time that can be read.
    ///
    /// A number is seconds since 1970, or milliseconds, microseconds or nanoseconds when it is large enough for that;
    /// text is a date and time as SQLite reads them.
    pub(super) fn clock(&self, reader: &Reader) -> Result<Option<Clock>, ConnectError> {
        let Some(name) = &self.updated_at else {
            return Ok(None);
        };
        let number = of_row(name);
        let text = format!("julianday({number})");
        let newest = |time: &str| -> Result<Option<(f64, bool)>, ConnectError> {
            let mut statement =
                reader.prepare(&format!("SELECT max({time}) FROM {} AS s", self.from))?;
            let newest = statement.query_row([], |row| {
                Ok(match row.get_ref(0)? {
                    ValueRef::Integer(number) => Some((number as f64, false)),
                    ValueRef::Real(number) => Some((number, false)),
                    ValueRef::Text(_) => Some((0.0, true)),
                    ValueRef::Null | ValueRef::Blob(_) => None,
                })
            });
            newest.map_err(|error| reader.failure("find the newest row", error))
        };
        Ok(match newest(&number)? {
            None => None,
            Some((newest, false)) => Some(Clock {
                time: number,
                newest,
                second: second_of(newest),
                epoch: 0.0,
            }),
            Some((_, true)) => newest(&text)?.map(|(newest, _)| Clock {
                time: text,
                newest,
                second: 1.0 / 86_400.0,
                epoch: JULIAN_1970,
            }),
        })
    }

    fn key_sql(&self) -> String {
        joined(self.key.iter())
    }

    fn columns_sql(&self) -> String {
        if self.columns.is_empty() {
            return "NULL".to_owned();
        }
        joined(self.columns.iter().map(|column| &column.name))
    }

    /// The key of a row, or why it has none.
    pub(super) fn key(&self, row: &Row<'_>) -> rusqlite::Result<Result<Vec<u8>, String>> {
        let mut key = Vec::new();
        for (at, name) in self.key.iter().enumerate() {
            let part = match row.get_ref(at)? {
                ValueRef::Integer(number) => KeyPart::Int(number),
                ValueRef::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => KeyPart::Text(text.into()),
                    Err(_) => {
                        return Ok(Err(format!("`{name}`, its key, is text that is not UTF-8")));
                    }
                },
                ValueRef::Blob(bytes) => KeyPart::Bytes(bytes.into()),
                ValueRef::Null => return Ok(Err(format!("`{name}`, its key, is NULL"))),
                ValueRef::Real(_) => return Ok(Err(format!("`{name}`, its key, is a float"))),
            };
            push_part(&mut key, &part);
        }
        Ok(Ok(key))
    }

    /// The hash of the columns asked for, the first of them at `from`, and how many bytes they have.
    pub(super) fn content(&self, row: &Row<'_>, from: usize) -> rusqlite::Result<(Hash, u64)> {
        let mut hasher = blake3::Hasher::new();
        let mut size = ROW_BYTES;
        for at in 0..self.columns.len() {
            size += hash_value(&mut hasher, row.get_ref(from + at)?);
        }
        Ok((shortened(&hasher), size))
    }

    /// The values of the columns asked for, out of [`Query::one`].
    pub(super) fn values(&self, row: &Row<'_>) -> Result<Vec<Value>, String> {
        let value = |(at, column): (usize, &Column)| {
            let found = row.get_ref(at).map_err(|error| error.to_string())?;
            value::value(found, &column.ty)
                .map_err(|found| format!("column `{}`: {found} is no `{}`", column.name, column.ty))
        };
        self.columns.iter().enumerate().map(value).collect()
    }
}

/// A column of a row. With the row named, a column that is not there is an error, and not text.
fn of_row(name: &str) -> String {
    format!("s.{}", quoted(name))
}

fn joined<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| of_row(name)).collect();
    names.join(", ")
}

/// The hash of one value, such as a time.
pub(super) fn hash_of(value: ValueRef<'_>) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 time of a row");
    hash_value(&mut hasher, value);
    shortened(&hasher)
}

fn shortened(hasher: &blake3::Hasher) -> Hash {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..HASH_BYTES]);
    hash
}

/// Hashes a value with its type and length; gives its length.
fn hash_value(hasher: &mut blake3::Hasher, value: ValueRef<'_>) -> u64 {
    let number;
    let (tag, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(value) => {
            number = value.to_le_bytes();
            (1, &number)
        }
        ValueRef::Real(value) => {
            number = value.to_bits().to_le_bytes();
            (2, &number)
        }
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(bytes) => (4, bytes),
    };
    hasher.update(&[tag]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
    bytes.len() as u64
}

/// How much a second is in the unit of a time.
fn second_of(time: f64) -> f64 {
    match time.abs() {
        time if time >= 1e17 => 1e9,
        time if time >= 1e14 => 1e6,
        time if time >= 1e11 => 1e3,
        _ => 1.0,
    }
}

/// Goes through the rows of a statement.
pub(super) fn each_row(
    reader: &Reader,
    statement: &mut Statement<'_>,
    parameters: impl rusqlite::Params,
    mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), ConnectError> {
    let failed = |error| reader.failure("read the rows", error);
    let mut rows = statement.query(parameters).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        reader.alive();
        visit(row).map_err(failed)?;
    }
    Ok(())
}
