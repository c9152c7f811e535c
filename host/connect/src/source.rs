//! The face of all sources: rows in key order with hints, values on demand.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use flowstone_core::{Column, OptionError, OptionValue, Options, SourceColumns, Type, Value};

use crate::error::{ConnectError, RowError};
use crate::hint::Hint;
use crate::watch::{Always, Tell, Watch};

/// A source: a collection of rows that something else keeps.
pub trait Source: Send + Sync {
    /// All rows, in ascending order of the bytes of their keys, each key once.
    ///
    /// The rows are streamed: memory does not grow with their number. An `Err` ends the scan, and means that the source
    /// could not be listed to its end; rows that were not listed before it may well be there.
    ///
    /// # Errors
    ///
    /// When the source cannot be opened.
    fn entries(&self) -> Result<Entries<'_>, ConnectError>;

    /// The row with this key as it is now; none when there is no such row. A source that cannot ask for one row lists all
    /// of them to find it.
    ///
    /// # Errors
    ///
    /// When the source cannot be asked: the row may be there or not.
    fn find(&self, key: &[u8]) -> Result<Option<Entry>, ConnectError> {
        for entry in self.entries()? {
            let entry = entry?;
            match entry.key.as_slice().cmp(key) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(entry)),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Ends what the source is doing for a caller in another thread, and whatever it is asked from here on, with an error: the
    /// run is stopped. A source that never takes long need not care.
    fn interrupt(&self) {}

    /// Begins to watch for changes. What is told outlives the source.
    ///
    /// # Errors
    ///
    /// When the source is not there to be watched.
    fn watch(&self, tell: Tell) -> Result<Watch, ConnectError> {
        drop(tell);
        Ok(Watch::List(Box::new(Always)))
    }

    /// The values of the columns that were asked for when the source was opened, in that order, of one row.
    ///
    /// # Errors
    ///
    /// When this row cannot be had. The source as a whole may be fine.
    fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError>;
}

/// The rows of a scan, as [`Source::entries`] gives them.
pub struct Entries<'a> {
    rows: Box<dyn Iterator<Item = Result<Entry, ConnectError>> + Send + 'a>,
    unkeyed: u64,
}

impl<'a> Entries<'a> {
    /// A scan that knows the key of each of its rows.
    pub fn new(rows: impl Iterator<Item = Result<Entry, ConnectError>> + Send + 'a) -> Self {
        Self {
            rows: Box::new(rows),
            unkeyed: 0,
        }
    }

    /// The same with so many rows whose keys are not known for sure.
    #[cfg(any(feature = "csv", feature = "jsonl", feature = "sqlite"))]
    pub(crate) fn with_unkeyed(self, unkeyed: u64) -> Self {
        Self { unkeyed, ..self }
    }

    /// How many of the rows could not be read far enough for their keys to be known for sure. Each may be any row that is not
    /// listed: as long as there is one, a row that is not listed is not known to be gone.
    pub fn unkeyed(&self) -> u64 {
        self.unkeyed
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}

/// One row of a scan: what is known without loading it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key of the row: unique in its source, the same at every scan.
    pub key: Vec<u8>,
    /// What is known about the version of the row.
    pub hint: Hint,
    /// How many bytes [`Source::load`] would bring in, roughly: for budgets.
    pub size: u64,
    pub(crate) locator: Locator,
}

impl Entry {
    /// An entry that its key alone locates.
    pub fn new(key: Vec<u8>, hint: Hint, size: u64) -> Self {
        Entry {
            key,
            hint,
            size,
            locator: Locator::Key,
        }
    }
}

/// Where the source finds the row again.
#[derive(Clone, Debug)]
pub(crate) enum Locator {
    /// The key says it.
    Key,
    /// A record in a file of records.
    #[cfg(any(feature = "csv", feature = "jsonl"))]
    Record(Box<crate::records::RecordAt>),
    /// Nowhere: the row is no good, and listing it has shown why.
    #[cfg(feature = "sqlite")]
    Broken(Box<str>),
}

/// The kinds of sources in this build.
pub fn source_kinds() -> &'static [&'static str] {
    &[
        #[cfg(feature = "files")]
        "files",
        #[cfg(feature = "csv")]
        "csv",
        #[cfg(feature = "jsonl")]
        "jsonl",
        #[cfg(feature = "sqlite")]
        "sqlite",
    ]
}

/// Whether listing a source of this kind may take for ever before its first row is there, and has to be interrupted.
pub fn source_may_hang(kind: &str) -> bool {
    kind == "sqlite"
}

/// The columns that a kind of source offers; `None` for an unknown kind.
pub fn source_columns(kind: &str) -> Option<SourceColumns> {
    match kind {
        #[cfg(feature = "files")]
        "files" => Some(SourceColumns::Fixed(crate::files::source_columns())),
        #[cfg(feature = "csv")]
        "csv" => Some(SourceColumns::Open),
        #[cfg(feature = "jsonl")]
        "jsonl" => Some(SourceColumns::Open),
        #[cfg(feature = "sqlite")]
        "sqlite" => Some(SourceColumns::Open),
        _ => None,
    }
}

/// Whether a kind of source can give the column `column` as values of type `ty`.
pub fn source_column_accepts(kind: &str, column: &str, ty: &Type) -> bool {
    match (kind, source_columns(kind)) {
        (_, None) => false,
        (_, Some(SourceColumns::Fixed(columns))) => columns
            .iter()
            .any(|(name, types)| name == column && types.contains(ty)),
        #[cfg(feature = "csv")]
        ("csv", Some(SourceColumns::Open)) => crate::records::csv_accepts(ty),
        (_, Some(SourceColumns::Open)) => true,
    }
}

/// The columns that tell a source's rows apart, where the kind or its options say so.
pub fn source_key(kind: &str, options: &Options) -> Option<Vec<String>> {
    match (kind, options.get("key")) {
        ("files", _) => Some(vec!["path".to_owned()]),
        (_, Some(OptionValue::Str(column))) => Some(vec![column.clone()]),
        (_, Some(OptionValue::List(columns))) => Some(columns.clone()),
        _ => None,
    }
}

/// Those of a source's options that decide what its rows say, as text, and not just which rows there are or where. A
/// version hint says nothing about a row that was read under other ones.
pub fn reading_options(kind: &str, options: &Options) -> String {
    let names: &[&str] = match kind {
        "csv" => &["delimiter", "header"],
        // With times as hints, another database or query gives other rows with the same times.
        "sqlite" => &["path", "table", "query", "updated-at"],
        _ => &[],
    };
    let given = names
        .iter()
        .filter_map(|name| Some(format!("{name}={:?};", options.get(*name)?)));
    // What a failed row said under an older rule does not stand under this one.
    let rule = (kind == "sqlite").then(|| "numbers=text;".to_owned());
    given.chain(rule).collect::<Vec<_>>().concat()
}

/// Checks the options of a source without opening anything.
///
/// # Errors
///
/// When an option is missing, unknown or wrong, or there is no such kind.
pub fn check_source(kind: &str, options: &Options) -> Result<(), OptionError> {
    match kind {
        #[cfg(feature = "files")]
        "files" => crate::files::SourceOptions::read(options).map(drop),
        #[cfg(feature = "csv")]
        "csv" => crate::records::check_csv(options),
        #[cfg(feature = "jsonl")]
        "jsonl" => crate::records::check_jsonl(options),
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::sqlite::TableOptions::read(options).map(drop),
        _ => Err(OptionError {
            candidates: source_kinds().iter().map(|&kind| kind.to_owned()).collect(),
            ..OptionError::new("kind", format!("there is no source of kind `{kind}`"))
        }),
    }
}

/// Where a source is opened.
#[derive(Clone, Copy, Debug)]
pub struct SourcePlace<'a> {
    /// The folder of the flow file.
    pub base: &'a Path,
    /// The files and folders that runs of the flow write to, as [`crate::real_place`] gives them. They are no rows: each
    /// run would make more of them.
    pub written: &'a [PathBuf],
}

impl<'a> From<&'a Path> for SourcePlace<'a> {
    fn from(base: &'a Path) -> Self {
        Self { base, written: &[] }
    }
}

/// Opens a source for the columns given. Relative paths in the options start at the folder of the flow file; a source may
/// lie anywhere.
///
/// # Errors
///
/// When the options are wrong, a column is not on offer, or the source is not there.
pub fn open_source<'a>(
    kind: &str,
    options: &Options,
    columns: Vec<Column>,
    place: impl Into<SourcePlace<'a>>,
) -> Result<Box<dyn Source>, ConnectError> {
    let place = place.into();
    let base = place.base;
    match kind {
        #[cfg(feature = "files")]
        "files" => crate::files::open_source(options, &columns, &place),
        #[cfg(feature = "csv")]
        "csv" => crate::records::open_csv(options, columns, base),
        #[cfg(feature = "jsonl")]
        "jsonl" => crate::records::open_jsonl(options, columns, base),
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::sqlite::open_source(options, columns, base),
        _ => Err(ConnectError::UnknownKind {
            role: "source",
            kind: kind.to_owned(),
            candidates: source_kinds().iter().map(|&kind| kind.to_owned()).collect(),
        }),
    }
}

/// A key of a source as text: lossy where it is not UTF-8, and else true, so whoever shows it to people makes it
/// printable. Works also for a source that is gone.
pub fn display_key(kind: &str, key: &[u8]) -> String {
    match kind {
        "csv" | "jsonl" | "sqlite" => crate::key::display_joined(key),
        _ => String::from_utf8_lossy(key).into_owned(),
    }
}
