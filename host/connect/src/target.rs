//! The face of all targets: upserts and deletes by key, applied in numbered batches.

use std::path::Path;

use flowstone_core::{OptionError, OptionValue, Options, TargetSpec, Value};
use serde::{Deserialize, Serialize};

use crate::error::{ConnectError, KeyParseError, RowError};

/// Whom a target belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIdentity {
    /// The name of the flow, for people.
    pub flow: String,
    /// The name of the target in it, for people.
    pub target: String,
    /// What really tells: 32 random hex digits, made by the caller for this incarnation of the target.
    pub token: String,
}

/// What was found where the target is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing; it was made now and is empty.
    Created,
    /// The target, as it was left.
    Known {
        /// The number of the last batch that it holds; 0 when it holds none.
        batch: u64,
    },
    /// A target made by flowstone under another token. Until the caller calls [`Target::clear`], nothing is applied.
    Foreign {
        /// The flow that it says it belongs to.
        flow: String,
        /// The name of the target in that flow.
        target: String,
        /// The token it was made with.
        token: String,
    },
    /// The target, but keyed by other columns (or columns of other types) than now asked for, so the rows it holds
    /// cannot be found by key. Until the caller calls [`Target::clear`], nothing is applied.
    Rekeyed {
        /// The number of the last batch that it holds.
        batch: u64,
    },
}

/// A change of one row of a target.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetOp {
    /// The row is to be there, with these values.
    Upsert {
        /// What [`TargetKeys::key`] gives for the row.
        key: Vec<u8>,
        /// The values of the target's columns, in order.
        row: Vec<Value>,
    },
    /// The row is not to be there. It is no error that it is not.
    Delete {
        /// The row's key.
        key: Vec<u8>,
    },
}

impl TargetOp {
    /// The key of the row that changes.
    pub fn key(&self) -> &[u8] {
        match self {
            TargetOp::Upsert { key, .. } | TargetOp::Delete { key } => key,
        }
    }
}

/// What a target holds where a row of it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// What was applied last, as the target's own books say.
    AsWritten,
    /// A row of these values.
    Row(Vec<Value>),
    /// Something that was never applied: it is no row of the target, or its own books say that it is another.
    Other,
}

/// The keys of a target's rows: what can be said of them without opening it.
pub trait TargetKeys: Send + Sync {
    /// The key of a row, as bytes: what lineage keeps, and what [`TargetOp`]s carry. It does not depend on columns that
    /// are no part of the key.
    ///
    /// # Errors
    ///
    /// When the target cannot hold the row, because of any of its columns: a row that has a key can be applied.
    fn key(&self, row: &[Value]) -> Result<Vec<u8>, RowError>;

    /// A key as text: `path=a.md, heading=Install`, or the path of the file. Whoever shows it to people makes it printable.
    fn display_key(&self, key: &[u8]) -> String;

    /// The key that text from the command line stands for. Tables: the values of the key columns separated by commas
    /// (one column: the whole text), or as a JSON array. Files: the path.
    ///
    /// # Errors
    ///
    /// When the text has too few or too many parts, or a part is no value of its column.
    fn parse_key(&self, text: &str) -> Result<Vec<u8>, KeyParseError>;
}

/// A place where rows are materialized.
pub trait Target: Send {
    /// The keys of its rows.
    fn keys(&self) -> &dyn TargetKeys;

    /// Which rows of these keys, none of which is in the target yet, cannot be written because of what is there or of others
    /// of them: their positions, and why not. The rest can be applied together.
    ///
    /// # Errors
    ///
    /// When the target cannot be read.
    fn obstacles(&mut self, keys: &[&[u8]]) -> Result<Vec<(usize, String)>, ConnectError> {
        let _ = keys;
        Ok(Vec::new())
    }

    /// Applies the operations and records the number of the batch, durably, before it returns.
    ///
    /// Applying the same batch again gives the same result, also after a crash halfway through. Of several operations
    /// on one key the last one counts.
    ///
    /// # Errors
    ///
    /// When the target cannot be written. Nothing is applied then (tables), or a part (files); apply the batch again.
    fn apply(&mut self, batch: u64, ops: &[TargetOp]) -> Result<(), ConnectError>;

    /// Looks at what the target holds under these keys, and tells `visit` the position and what is there, in any order.
    /// Keys under which nothing is there are passed over. No row is changed.
    ///
    /// A value that the target cannot give back as it was, such as NaN within a JSON column, makes the row differ from
    /// what was applied, never the other way round.
    ///
    /// # Errors
    ///
    /// When the target cannot be read.
    fn held(
        &mut self,
        keys: &[Vec<u8>],
        visit: &mut dyn FnMut(usize, Held),
    ) -> Result<(), ConnectError>;

    /// Removes the rows under keys that are not `known`, and what can be no row of the target, and tells `removed` the
    /// keys (for what has none, no bytes). Files that flowstone did not make are left alone.
    ///
    /// # Errors
    ///
    /// When the target cannot be written. What was removed so far may be gone.
    fn remove_unknown(
        &mut self,
        known: &mut dyn FnMut(&[u8]) -> bool,
        removed: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ConnectError>;

    /// Empties the target and takes it over under the identity it was opened with; its batch is 0 then.
    ///
    /// # Errors
    ///
    /// When the target cannot be written.
    fn clear(&mut self) -> Result<(), ConnectError>;

    /// Removes the target, with all that flowstone made there.
    ///
    /// # Errors
    ///
    /// When the target cannot be written, or belongs to another identity.
    fn retire(self: Box<Self>) -> Result<(), ConnectError>;
}

/// The kinds of targets in this build.
pub fn target_kinds() -> &'static [&'static str] {
    &[
        #[cfg(feature = "sqlite")]
        "sqlite",
        #[cfg(feature = "files")]
        "files",
        #[cfg(feature = "postgres")]
        "postgres",
    ]
}

/// The columns that make up the key where the options imply it: those in the path of a file. None where the flow
/// names them.
pub fn implied_key(kind: &str, options: &Options) -> Option<Vec<String>> {
    match (kind, options.get("path")) {
        #[cfg(feature = "files")]
        ("files", Some(OptionValue::Str(path))) => Some(crate::files::placeholders(path)),
        ("files", _) => Some(Vec::new()),
        _ => None,
    }
}

/// Checks options and columns of a target without opening anything.
///
/// # Errors
///
/// When an option is missing, unknown or wrong, a column cannot be held, or there is no such kind.
pub fn check_target(spec: &TargetSpec) -> Result<(), OptionError> {
    if let Some(position) = spec
        .key
        .iter()
        .find(|&&position| position >= spec.columns.len())
    {
        return Err(OptionError::new(
            "key",
            format!("key column {position} is beyond the columns"),
        ));
    }
    match spec.kind.as_str() {
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::sqlite::check_target(spec),
        #[cfg(feature = "files")]
        "files" => crate::files::check_target(spec),
        #[cfg(feature = "postgres")]
        "postgres" => crate::postgres::check_target(spec),
        kind => Err(unknown_kind(kind)),
    }
}

/// The keys of a target with this specification.
///
/// # Errors
///
/// When the specification is wrong.
pub fn target_keys(spec: &TargetSpec) -> Result<Box<dyn TargetKeys>, OptionError> {
    check_target(spec)?;
    match spec.kind.as_str() {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(crate::sqlite::target_keys(spec)),
        #[cfg(feature = "files")]
        "files" => crate::files::target_keys(spec),
        #[cfg(feature = "postgres")]
        "postgres" => Ok(crate::postgres::target_keys(spec)),
        kind => Err(unknown_kind(kind)),
    }
}

/// Checks that a target, as its options are written, lies in the folder of the flow file. Opening it checks once more,
/// along the links that are there. A server lies in no folder: that the flow names it is leave enough.
///
/// # Errors
///
/// [`ConnectError::OutsideFlow`] when it does not.
pub fn check_target_inside(spec: &TargetSpec) -> Result<(), ConnectError> {
    target_path(spec).map_or(Ok(()), |path| {
        crate::location::check_inside(Path::new(path))
    })
}

/// The file or folder that a target is, as the flow file names it; none of one on a server.
pub fn target_path(spec: &TargetSpec) -> Option<&str> {
    let option = match spec.kind.as_str() {
        "postgres" => return None,
        "files" => "root",
        _ => "path",
    };
    match spec.options.get(option) {
        Some(OptionValue::Str(path)) => Some(path),
        _ => None,
    }
}

/// Where a target lies, as text: equal for two specifications that mean the same table or folder.
pub fn target_place(spec: &TargetSpec) -> String {
    let text = |option: &str| match spec.options.get(option) {
        Some(OptionValue::Str(text)) => text.as_str(),
        _ => "",
    };
    let path = match spec.kind.as_str() {
        #[cfg(feature = "postgres")]
        "postgres" => return crate::postgres::place(spec),
        "files" => text("root"),
        _ => text("path"),
    };
    let path: std::path::PathBuf = Path::new(path)
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect();
    let table = text("table").to_ascii_lowercase();
    format!("{} {} {table}", spec.kind, path.display())
}

/// Opens a target, or makes it, and says what was found.
///
/// Relative paths start at `base`, the folder of the flow file. Unless `allow_outside`, files must lie in it.
///
/// # Errors
///
/// When the specification is wrong, or something that flowstone did not make is in the way: that is never touched.
pub fn open_target(
    spec: &TargetSpec,
    base: &Path,
    identity: &TargetIdentity,
    allow_outside: bool,
) -> Result<(Box<dyn Target>, TargetState), ConnectError> {
    check_target(spec)?;
    match spec.kind.as_str() {
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::sqlite::open_target(spec, base, identity, allow_outside),
        #[cfg(feature = "files")]
        "files" => crate::files::open_target(spec, base, identity, allow_outside),
        #[cfg(feature = "postgres")]
        "postgres" => crate::postgres::open_target(spec, base, identity),
        kind => Err(ConnectError::UnknownKind {
            role: "target",
            kind: kind.to_owned(),
            candidates: target_kinds().iter().map(|&kind| kind.to_owned()).collect(),
        }),
    }
}

fn unknown_kind(kind: &str) -> OptionError {
    OptionError {
        candidates: target_kinds().iter().map(|&kind| kind.to_owned()).collect(),
        ..OptionError::new("kind", format!("there is no target of kind `{kind}`"))
    }
}
