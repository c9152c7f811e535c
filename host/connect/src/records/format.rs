//! What the two formats have in common: finding records in the input, and making values and keys of one.

use std::sync::Arc;

use flowstone_core::{Column, Type, Value};

use crate::error::ConnectError;
#[cfg(feature = "csv")]
use crate::records::csv;
use crate::records::input::{Body, Input, OpenFile};
#[cfg(feature = "jsonl")]
use crate::records::jsonl;
use crate::sorter::Span;

/// A format with its settings, as the flow file has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    #[cfg(feature = "csv")]
    Csv { delimiter: u8, header: bool },
    #[cfg(feature = "jsonl")]
    Jsonl,
}

/// How the records of one file are read: the format, and what the beginning of the file says about its columns.
#[derive(Debug)]
pub(crate) enum Layout {
    #[cfg(feature = "csv")]
    Csv(Box<csv::Layout>),
    #[cfg(feature = "jsonl")]
    Jsonl(jsonl::Layout),
}

/// Finds the records of a file one after the other.
pub(crate) enum Reader {
    #[cfg(feature = "csv")]
    Csv(Box<csv::Reader>),
    #[cfg(feature = "jsonl")]
    Jsonl(Input),
}

impl Format {
    /// Begins to read a file: takes the header, if there is one, and finds the columns in it.
    pub(crate) fn begin(
        &self,
        file: Arc<OpenFile>,
        columns: &[Column],
        key: &[String],
    ) -> Result<(Layout, Reader), ConnectError> {
        let input = Input::new(file)?;
        match self {
            #[cfg(feature = "csv")]
            Format::Csv { delimiter, header } => {
                let (layout, reader) = csv::begin(input, *delimiter, *header, columns, key)?;
                Ok((Layout::Csv(Box::new(layout)), Reader::Csv(Box::new(reader))))
            }
            #[cfg(feature = "jsonl")]
            Format::Jsonl => Ok((
                Layout::Jsonl(jsonl::Layout::new(columns, key)),
                Reader::Jsonl(input),
            )),
        }
    }
}

/// A record that cannot be read in full.
pub(crate) struct BadRecord {
    /// What is wrong with it.
    pub(crate) problem: String,
    /// Its key by what can be read of it. It need not be the right one: where a delimiter is missing, or one too many,
    /// what follows is not in its place.
    pub(crate) key: Option<Vec<u8>>,
}

impl From<String> for BadRecord {
    fn from(problem: String) -> Self {
        Self { problem, key: None }
    }
}

impl Reader {
    /// The next record, with its bytes in `body`; `None` at the end of the file.
    pub(crate) fn next(&mut self, body: &mut Body) -> Result<Option<Span>, ConnectError> {
        match self {
            #[cfg(feature = "csv")]
            Reader::Csv(reader) => reader.next(body),
            #[cfg(feature = "jsonl")]
            Reader::Jsonl(input) => jsonl::next(input, body),
        }
    }
}

impl Layout {
    /// What the hint of every record depends on besides the record: the same bytes under another header are other values.
    pub(crate) fn salt(&self) -> [u8; 32] {
        match self {
            #[cfg(feature = "csv")]
            Layout::Csv(layout) => layout.salt,
            #[cfg(feature = "jsonl")]
            Layout::Jsonl(_) => [0; 32],
        }
    }

    /// The values of the columns asked for, or what is wrong with the record.
    pub(crate) fn values(&self, record: &[u8]) -> Result<Vec<Value>, String> {
        match self {
            #[cfg(feature = "csv")]
            Layout::Csv(layout) => layout.values(record),
            #[cfg(feature = "jsonl")]
            Layout::Jsonl(layout) => layout.values(record),
        }
    }

    /// The key of the record by its key columns, or what is wrong with the record.
    pub(crate) fn key(&self, record: &[u8]) -> Result<Vec<u8>, BadRecord> {
        match self {
            #[cfg(feature = "csv")]
            Layout::Csv(layout) => layout.key(record),
            #[cfg(feature = "jsonl")]
            Layout::Jsonl(layout) => Ok(layout.key(record)?),
        }
    }
}

/// The complaint about a value that is not of its column's type.
pub(crate) fn bad_value(column: &str, found: &str, ty: &Type) -> String {
    const SHOWN_CHARS: usize = 40;
    let mut shown = crate::key::printable(found.as_bytes());
    if let Some((cut, _)) = shown.char_indices().nth(SHOWN_CHARS) {
        shown.truncate(cut);
        shown.push('…');
    }
    format!("column `{column}`: `{shown}` is no `{ty}`")
}
