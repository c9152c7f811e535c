//! What the flow model has to know about sources and targets, as the crate that implements them tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::Type;

/// An option of a source or target as the flow file gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// `"text"`
    Str(String),
    /// `12`
    Int(i64),
    /// `true`
    Bool(bool),
    /// `["a", "b"]`
    List(Vec<String>),
}

impl OptionValue {
    /// What it is, for messages: `a string`.
    pub fn noun(&self) -> &'static str {
        match self {
            OptionValue::Str(_) => "a string",
            OptionValue::Int(_) => "an integer",
            OptionValue::Bool(_) => "true or false",
            OptionValue::List(_) => "a list of strings",
        }
    }
}

/// The options of a source or target, by name.
pub type Options = BTreeMap<String, OptionValue>;

/// A column: what a flow asks of a source or gives to a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub ty: Type,
}

/// The columns that a kind of source offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceColumns {
    /// Just these, each in one of several types, the default first.
    Fixed(Vec<(String, Vec<Type>)>),
    /// Any name, since the data decides; [`Connectors::accepts`] says in which types, `string` is the default.
    Open,
}

/// A target as the flow describes it: enough to open it, and kept in the store so that a target that left the flow
/// can still be cleaned up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSpec {
    /// The kind, such as `sqlite`.
    pub kind: String,
    /// Its options.
    pub options: Options,
    /// Its columns, in the order of the flow file.
    pub columns: Vec<Column>,
    /// The positions of the key columns.
    pub key: Vec<usize>,
}

/// What is wrong with the options of a source or target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// Which option, if it is one.
    pub option: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// The names that would have been right, where the name was wrong.
    pub candidates: Vec<String>,
}

impl OptionError {
    /// What is wrong with the option `option`.
    pub fn new(option: &str, message: impl Into<String>) -> Self {
        Self {
            option: Some(option.to_owned()),
            message: message.into(),
            candidates: Vec::new(),
        }
    }
}

/// The kinds of sources and targets there are.
pub trait Connectors {
    /// The kinds of sources.
    fn source_kinds(&self) -> &[&'static str];

    /// The columns of a kind of source; none for an unknown kind.
    fn source_columns(&self, kind: &str) -> Option<SourceColumns>;

    /// Whether a source of this kind can give this column in this type.
    fn accepts(&self, kind: &str, column: &str, ty: &Type) -> bool;

    /// Checks the options of a source.
    ///
    /// # Errors
    ///
    /// When an option is missing, unknown, or has no sensible value.
    fn check_source(&self, kind: &str, options: &Options) -> Result<(), OptionError>;

    /// The columns that tell a source's rows apart, where its options or its kind say so.
    fn source_key(&self, kind: &str, options: &Options) -> Option<Vec<String>>;

    /// The kinds of targets.
    fn target_kinds(&self) -> &[&'static str];

    /// The columns that make up the key where the options imply it, such as those in the path of a file; none where
    /// the flow must name them.
    fn implied_key(&self, kind: &str, options: &Options) -> Option<Vec<String>>;

    /// Where a target lies: equal for two specifications that mean the same table or folder.
    fn place(&self, spec: &TargetSpec) -> String;

    /// Checks the options, columns and key of a target.
    ///
    /// # Errors
    ///
    /// When an option is missing, unknown, or has no sensible value, or columns are missing.
    fn check_target(&self, spec: &TargetSpec) -> Result<(), OptionError>;
}
