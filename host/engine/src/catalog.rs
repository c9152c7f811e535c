//! The sources and targets of this build, as the flow model wants to know them.

use flowstone_connect as connect;
use flowstone_core::{Connectors, OptionError, Options, SourceColumns, TargetSpec, Type};

/// The connectors that are compiled in.
pub(crate) struct Catalog;

impl Connectors for Catalog {
    fn source_kinds(&self) -> &[&'static str] {
        connect::source_kinds()
    }

    fn source_columns(&self, kind: &str) -> Option<SourceColumns> {
        connect::source_columns(kind)
    }

    fn accepts(&self, kind: &str, column: &str, ty: &Type) -> bool {
        connect::source_column_accepts(kind, column, ty)
    }

    fn check_source(&self, kind: &str, options: &Options) -> Result<(), OptionError> {
        connect::check_source(kind, options)
    }

    fn source_key(&self, kind: &str, options: &Options) -> Option<Vec<String>> {
        connect::source_key(kind, options)
    }

    fn target_kinds(&self) -> &[&'static str] {
        connect::target_kinds()
    }

    fn implied_key(&self, kind: &str, options: &Options) -> Option<Vec<String>> {
        connect::implied_key(kind, options)
    }

    fn place(&self, spec: &TargetSpec) -> String {
        connect::target_place(spec)
    }

    fn check_target(&self, spec: &TargetSpec) -> Result<(), OptionError> {
        connect::check_target(spec)
    }
}
