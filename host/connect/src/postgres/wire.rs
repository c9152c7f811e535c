//! How cells travel: a batch goes as one array per column, so that a statement is the same for any number of rows.

use flowstone_core::Type;
use tokio_postgres::types::{ToSql, Type as SqlType};

use crate::postgres::cell::{Cell, declared_type};

/// How the cells of a column are sent: as arrays of this, one per column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Bool,
    Integer,
    Real,
    Text,
    Bytes,
}

impl Wire {
    pub(crate) fn of(ty: &Type) -> Self {
        match declared_type(ty) {
            "boolean" => Wire::Bool,
            "bigint" => Wire::Integer,
            "double precision" => Wire::Real,
            "bytea" => Wire::Bytes,
            _ => Wire::Text,
        }
    }

    pub(crate) fn array_type(self) -> SqlType {
        match self {
            Wire::Bool => SqlType::BOOL_ARRAY,
            Wire::Integer => SqlType::INT8_ARRAY,
            Wire::Real => SqlType::FLOAT8_ARRAY,
            Wire::Text => SqlType::TEXT_ARRAY,
            Wire::Bytes => SqlType::BYTEA_ARRAY,
        }
    }

    pub(crate) fn array_name(self) -> &'static str {
        match self {
            Wire::Bool => "boolean[]",
            Wire::Integer => "bigint[]",
            Wire::Real => "double precision[]",
            Wire::Text => "text[]",
            Wire::Bytes => "bytea[]",
        }
    }

    /// The cells of a column as one parameter. A cell of another kind, which [`cell`] makes of no value, goes as NULL.
    pub(crate) fn parameter<'a>(
        self,
        cells: impl Iterator<Item = &'a Cell<'a>>,
    ) -> Box<dyn ToSql + Sync + 'a> {
        macro_rules! column {
            ($kind:ident, $value:ident => $sent:expr) => {
                Box::new(
                    cells
                        .map(|cell| match cell {
                            Cell::$kind($value) => Some($sent),
                            _ => None,
                        })
                        .collect::<Vec<_>>(),
                )
            };
        }
        match self {
            Wire::Bool => column!(Bool, value => *value),
            Wire::Integer => column!(Integer, value => *value),
            Wire::Real => column!(Real, value => *value),
            Wire::Text => column!(Text, value => &**value),
            Wire::Bytes => column!(Bytes, value => &**value),
        }
    }
}
