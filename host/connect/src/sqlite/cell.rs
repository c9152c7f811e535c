//! Values as SQLite keeps them, and back from text where they are keys.

use std::borrow::Cow;
use std::sync::Arc;

use flowstone_core::{Type, Value, to_json};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::key::KeyPart;
use crate::tables::{value_of_float, value_of_integer, value_of_text};

/// A value as SQLite keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Blob(Cow<'a, [u8]>),
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(*number),
            Cell::Real(number) => ValueRef::Real(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The type that a column of values of `ty` is declared with. Its affinity changes no value that [`cell`] makes.
pub(crate) fn declared_type(ty: &Type) -> &'static str {
    match ty {
        Type::Option(inner) => declared_type(inner),
        Type::F32 | Type::F64 => "REAL",
        Type::Bool => "INTEGER",
        Type::List(element) if element.number_width().is_some() => "BLOB",
        ty if ty.number_width().is_some() => "INTEGER",
        _ => "TEXT",
    }
}

/// The value as SQLite keeps it, or why it cannot.
///
/// Scalars keep their type, with `bool` as 0 and 1 and enums as the name of their case. Bytes and lists of numbers are
/// blobs (little-endian), `none` is NULL, everything else JSON text. SQLite knows no NaN: it becomes NULL.
pub(crate) fn cell<'a>(value: &'a Value, ty: &Type) -> Result<Cell<'a>, String> {
    Ok(match (value, ty) {
        (Value::Option(None), _) => Cell::Null,
        (Value::Option(Some(inner)), Type::Option(ty)) => return cell(inner, ty),
        (Value::Bool(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S8(v), _) => Cell::Integer(i64::from(*v)),
        (Value::U8(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S16(v), _) => Cell::Integer(i64::from(*v)),
        (Value::U16(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S32(v), _) => Cell::Integer(i64::from(*v)),
        (Value::U32(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S64(v), _) => Cell::Integer(*v),
        (Value::U64(v), _) => match i64::try_from(*v) {
            Ok(v) => Cell::Integer(v),
            Err(_) => {
                return Err(format!(
                    "{v} is beyond the integers of SQLite, which end at {}",
                    i64::MAX
                ));
            }
        },
        (Value::F32(v), _) => real(f64::from(*v)),
        (Value::F64(v), _) => real(*v),
        (Value::Char(v), _) => Cell::Text(v.to_string().into()),
        (Value::Str(v), _) => Cell::Text(v.as_ref().into()),
        (Value::Bytes(v) | Value::Packed(v), _) => Cell::Blob(v.as_ref().into()),
        (Value::Enum(case), Type::Enum(names)) if (*case as usize) < names.len() => {
            Cell::Text(names[*case as usize].to_string().into())
        }
        (value, ty) if value.is_of(ty) => Cell::Text(to_json(value, ty).to_string().into()),
        (_, ty) => return Err(format!("the value is no `{ty}`")),
    })
}

fn real<'a>(number: f64) -> Cell<'a> {
    if number.is_nan() {
        Cell::Null
    } else {
        Cell::Real(number)
    }
}

/// The value of a type that is kept as this cell, the inverse of [`cell`]; none when there is no such value.
pub(crate) fn value(cell: ValueRef<'_>, ty: &Type) -> Option<Value> {
    if let Type::Option(inner) = ty {
        let inner = match cell {
            ValueRef::Null => None,
            cell => Some(Arc::new(value(cell, inner)?)),
        };
        return Some(Value::Option(inner));
    }
    match (cell, declared_type(ty)) {
        (ValueRef::Integer(number), "INTEGER") => value_of_integer(number, ty),
        (ValueRef::Real(number), "REAL") => value_of_float(number, ty),
        (ValueRef::Null, "REAL") => value_of_float(f64::NAN, ty),
        (ValueRef::Blob(bytes), "BLOB") => {
            let value = match ty {
                Type::List(element) if **element == Type::U8 => Value::bytes(bytes),
                _ => Value::Packed(bytes.into()),
            };
            value.is_of(ty).then_some(value)
        }
        (ValueRef::Text(text), "TEXT") => value_of_text(std::str::from_utf8(text).ok()?, ty),
        _ => None,
    }
}

impl<'a> Cell<'a> {
    /// The cell as a part of a key. NULL and floats are no key parts: `check_target` lets no such column be one.
    pub(crate) fn into_part(self) -> Option<KeyPart<'a>> {
        match self {
            Cell::Integer(number) => Some(KeyPart::Int(number)),
            Cell::Text(text) => Some(KeyPart::Text(text)),
            Cell::Blob(bytes) => Some(KeyPart::Bytes(bytes)),
            Cell::Null | Cell::Real(_) => None,
        }
    }

    /// The cell that a part of a key stands for.
    pub(crate) fn of_part(part: KeyPart<'a>) -> Self {
        match part {
            KeyPart::Int(number) => Cell::Integer(number),
            KeyPart::Text(text) | KeyPart::Json(text) => Cell::Text(text),
            KeyPart::Bytes(bytes) => Cell::Blob(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(value: &Value, ty: &Type) -> (String, &'static str) {
        (format!("{:?}", cell(value, ty).unwrap()), declared_type(ty))
    }

    #[test]
    fn every_shape_has_its_form() {
        let some = |value| Value::Option(Some(Arc::new(value)));
        let color = Type::Enum(["red".into(), "blue".into()].into());
        let point = Type::record([("x", Type::U8), ("name", Type::String)]);
        let cases: [(Value, Type, &str, &str); 14] = [
            (Value::Bool(true), Type::Bool, "Integer(1)", "INTEGER"),
            (Value::S8(-3), Type::S8, "Integer(-3)", "INTEGER"),
            (
                Value::U64(1 << 62),
                Type::U64,
                "Integer(4611686018427387904)",
                "INTEGER",
            ),
            (Value::F32(0.5), Type::F32, "Real(0.5)", "REAL"),
            (Value::F64(f64::NAN), Type::F64, "Null", "REAL"),
            (Value::F64(f64::INFINITY), Type::F64, "Real(inf)", "REAL"),
            (Value::Char('ß'), Type::Char, "Text(\"ß\")", "TEXT"),
            (Value::str("a\0b"), Type::String, "Text(\"a\\0b\")", "TEXT"),
            (
                Value::bytes(vec![1, 2]),
                Type::bytes(),
                "Blob([1, 2])",
                "BLOB",
            ),
            (
                Value::Packed([1, 0].into()),
                Type::list(Type::U16),
                "Blob([1, 0])",
                "BLOB",
            ),
            (
                Value::Option(None),
                Type::option(Type::U8),
                "Null",
                "INTEGER",
            ),
            (
                some(Value::U8(4)),
                Type::option(Type::U8),
                "Integer(4)",
                "INTEGER",
            ),
            (Value::Enum(1), color, "Text(\"blue\")", "TEXT"),
            (
                Value::Record([Value::U8(1), Value::str("p")].into()),
                point,
                r#"Text("{\"x\":1,\"name\":\"p\"}")"#,
                "TEXT",
            ),
        ];
        for (value, ty, cell, declared) in &cases {
            assert_eq!(kept(value, ty), ((*cell).to_owned(), *declared), "{ty}");
        }
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let some = |value| Value::Option(Some(Arc::new(value)));
        let point = Type::record([("x", Type::F64), ("name", Type::String)]);
        let cases = [
            (Value::Bool(true), Type::Bool),
            (Value::U64(1 << 62), Type::U64),
            (Value::F32(0.1), Type::F32),
            (Value::F64(-0.0), Type::F64),
            (Value::Char('ß'), Type::Char),
            (Value::str("a\0b"), Type::String),
            (Value::bytes(vec![1, 2]), Type::bytes()),
            (Value::Packed([1, 0].into()), Type::list(Type::U16)),
            (Value::Option(None), Type::option(Type::String)),
            (some(Value::str("")), Type::option(Type::String)),
            (
                Value::Enum(1),
                Type::Enum(["red".into(), "blue".into()].into()),
            ),
            (
                Value::Record([Value::F64(0.1), Value::str("p")].into()),
                point,
            ),
        ];
        for (original, ty) in &cases {
            let kept = cell(original, ty).unwrap();
            let ToSqlOutput::Borrowed(read) = kept.to_sql().unwrap() else {
                unreachable!("cells are lent")
            };
            assert_eq!(value(read, ty).as_ref(), Some(original), "{ty}");
        }
        let nan = value(ValueRef::Null, &Type::F64);
        assert!(matches!(nan, Some(Value::F64(number)) if number.is_nan()));
        assert_eq!(value(ValueRef::Text(b"7"), &Type::U8), None);
        assert_eq!(value(ValueRef::Text(b"\xff"), &Type::String), None);
        assert_eq!(value(ValueRef::Blob(&[1]), &Type::list(Type::U16)), None);
        assert_eq!(value(ValueRef::Null, &Type::String), None);
    }

    #[test]
    fn integers_that_sqlite_cannot_hold_are_refused() {
        let reason = cell(&Value::U64(u64::MAX), &Type::U64).unwrap_err();
        assert!(reason.contains("18446744073709551615"), "{reason}");
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        assert!(cell(&Value::List([].into()), &Type::String).is_err());
    }
}
