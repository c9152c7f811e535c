//! The sources `csv` and `jsonl`: a file of records, each a row.
//!
//! Options of both: `path`, the file; `key`, the column or columns whose values tell records apart. Without `key` the
//! number of the record (the first is 1) does, which suits files that only grow. CSV has also `delimiter` (default `,`)
//! and `header` (default true; without one the columns are `column-1`, `column-2` ...).
//!
//! A scan reads the file once and takes a hash of each record as its hint, so that records that did not change are
//! never parsed. With key columns the records are sorted on disk, in bounded memory. When two records have the same key,
//! the first one has it; each later one is a row of its own that fails with the numbers of both, so that nothing is lost
//! silently. A record that cannot be parsed is a row that fails with its line; it is found under its number, since it has
//! no key.
//!
//! What would make rows vanish that are there is an error of the whole scan: a quote that is never closed, or a file
//! that is written to while it is read. A program that replaces the file with a new one disturbs nothing.

#[cfg(feature = "csv")]
mod csv;
mod file;
mod format;
mod input;
#[cfg(feature = "jsonl")]
mod jsonl;
mod scan;

use flowstone_core::{Column, OptionError, Options};

use std::path::Path;

use crate::error::ConnectError;
use crate::source::Source;

pub(crate) use file::RecordAt;

#[cfg(feature = "csv")]
pub(crate) use csv::accepts as csv_accepts;

/// Checks the options of a `csv` source.
#[cfg(feature = "csv")]
pub(crate) fn check_csv(options: &Options) -> Result<(), OptionError> {
    file::FileOptions::read_csv(options).map(drop)
}

/// Checks the options of a `jsonl` source.
#[cfg(feature = "jsonl")]
pub(crate) fn check_jsonl(options: &Options) -> Result<(), OptionError> {
    file::FileOptions::read_jsonl(options).map(drop)
}

/// Opens a `csv` source.
#[cfg(feature = "csv")]
pub(crate) fn open_csv(
    options: &Options,
    columns: Vec<Column>,
    base: &Path,
) -> Result<Box<dyn Source>, ConnectError> {
    if let Some(column) = columns.iter().find(|column| !csv_accepts(&column.ty)) {
        let message = format!(
            "a CSV file gives no values of type `{}` (column `{}`)",
            column.ty, column.name
        );
        return Err(ConnectError::Column {
            column: column.name.clone(),
            message,
            candidates: Vec::new(),
        });
    }
    file::open(file::FileOptions::read_csv(options)?, columns, base)
}

/// Opens a `jsonl` source.
#[cfg(feature = "jsonl")]
pub(crate) fn open_jsonl(
    options: &Options,
    columns: Vec<Column>,
    base: &Path,
) -> Result<Box<dyn Source>, ConnectError> {
    file::open(file::FileOptions::read_jsonl(options)?, columns, base)
}
