//! The source: a file of records in one of the formats.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowstone_core::{Column, OptionError, Options, Value};

use crate::error::{ConnectError, RowError};
use crate::options::OptionReader;
use crate::records::format::{Format, Layout};
use crate::records::input::OpenFile;
use crate::records::scan::{ByNumber, begin_sorted, hash};
use crate::sorter::Span;
use crate::source::{Entries, Entry, Locator, Source};
use crate::watch::{FilePoll, Tell, Watch};

/// The options of both formats, read and checked.
pub(crate) struct FileOptions {
    path: PathBuf,
    /// The key columns; empty for record numbers.
    key: Vec<String>,
    format: Format,
}

impl FileOptions {
    #[cfg(feature = "csv")]
    pub(crate) fn read_csv(options: &Options) -> Result<Self, OptionError> {
        let options = OptionReader::new(options, &["path", "key", "delimiter", "header"])?;
        let delimiter = match options.text("delimiter")?.unwrap_or(",").as_bytes() {
            &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => byte,
            _ => {
                return Err(OptionError::new(
                    "delimiter",
                    "option `delimiter` must be one ASCII character, and no quote",
                ));
            }
        };
        let format = Format::Csv {
            delimiter,
            header: options.bool("header", true)?,
        };
        Self::read(&options, format)
    }

    #[cfg(feature = "jsonl")]
    pub(crate) fn read_jsonl(options: &Options) -> Result<Self, OptionError> {
        let options = OptionReader::new(options, &["path", "key"])?;
        Self::read(&options, Format::Jsonl)
    }

    fn read(options: &OptionReader<'_>, format: Format) -> Result<Self, OptionError> {
        let key = options.list("key")?.unwrap_or_default();
        Ok(FileOptions {
            path: options.required_text("path")?.into(),
            key: key.into_iter().map(str::to_owned).collect(),
            format,
        })
    }
}

/// Opens the source; the file must be there, and have the columns.
pub(crate) fn open(
    options: FileOptions,
    columns: Vec<Column>,
    base: &Path,
) -> Result<Box<dyn Source>, ConnectError> {
    let source = RecordFile {
        path: base.join(options.path),
        key: options.key,
        format: options.format,
        columns,
    };
    // For the columns that the file's header lacks.
    source.format.begin(
        Arc::new(OpenFile::open(&source.path)?),
        &source.columns,
        &source.key,
    )?;
    Ok(Box::new(source))
}

struct RecordFile {
    path: PathBuf,
    key: Vec<String>,
    format: Format,
    columns: Vec<Column>,
}

/// Where a record is, and what is known about it: enough to load it, as long as its scan's file lives.
#[derive(Clone, Debug)]
pub(crate) struct RecordAt {
    pub(crate) scanned: Arc<Scanned>,
    pub(crate) span: Span,
    /// The hash of the record when it was listed.
    pub(crate) hash: Vec<u8>,
    /// Why the record is no good, where listing it has shown that already.
    pub(crate) problem: Option<String>,
}

/// The file of a scan and how to read it.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) layout: Layout,
}

impl Source for RecordFile {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        let file = Arc::new(OpenFile::open(&self.path)?);
        let (layout, reader) = self
            .format
            .begin(Arc::clone(&file), &self.columns, &self.key)?;
        let by_number = ByNumber::new(Arc::new(Scanned { file, layout }), reader);
        if self.key.is_empty() {
            return Ok(Entries::new(by_number));
        }
        let by_key = begin_sorted(by_number)?;
        let unkeyed = by_key.unkeyed;
        Ok(Entries::new(by_key).with_unkeyed(unkeyed))
    }

    fn watch(&self, _: Tell) -> Result<Watch, ConnectError> {
        Ok(Watch::List(Box::new(FilePoll::new(self.path.clone()))))
    }

    fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError> {
        let Locator::Record(record) = &entry.locator else {
            return Err(RowError::passing(
                "the record was not listed by this source",
            ));
        };
        let RecordAt {
            scanned,
            span,
            hash: listed,
            problem,
        } = record.as_ref();
        let on_line = |reason: String| RowError::content(format!("line {}: {reason}", span.line));
        if let Some(problem) = problem {
            return Err(on_line(problem.clone()));
        }
        let mut bytes = scanned
            .file
            .read(span.offset, span.len as usize)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => RowError::Vanished,
                _ => RowError::passing(format!("cannot read it: {error}")),
            })?;
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        // The hash is of what was listed: if the bytes are others by now, the file was written to in place.
        if hash(&scanned.layout, &bytes) != listed.as_slice() {
            return Err(RowError::passing(format!(
                "line {}: the file was written to while it was read",
                span.line
            )));
        }
        scanned.layout.values(&bytes).map_err(on_line)
    }
}
