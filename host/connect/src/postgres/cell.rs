//! Values as PostgreSQL keeps them.

use std::borrow::Cow;
use std::fmt::Write;

use flowstone_core::{Column, Type, Value, decode, to_json};
use serde_json::Value as Json;

use crate::key::KeyPart;
use crate::postgres::wire::Wire;

/// The most that the cells of a row may take as they are sent. `jsonb` itself ends at 256 MiB, a message at 1 GiB.
const ROW_BYTES_MAX: usize = 255 << 20;
/// The most that the key columns of a row may take: an entry of a PostgreSQL index ends at 2,704 bytes, a little of it
/// its own.
const KEY_BYTES_MAX: usize = 2600;

/// A value as it is sent. Arrays and JSON go as text, which the server casts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

/// The type that a column of values of `ty` is declared with, as `format_type` writes it.
pub(crate) fn declared_type(ty: &Type) -> &'static str {
    match ty {
        Type::Option(inner) => declared_type(inner),
        Type::Bool => "boolean",
        Type::F32 | Type::F64 => "double precision",
        Type::String | Type::Char | Type::Enum(_) => "text",
        Type::List(element) => match &**element {
            Type::U8 => "bytea",
            Type::S8 | Type::S16 => "smallint[]",
            Type::U16 | Type::S32 => "integer[]",
            Type::U32 | Type::S64 | Type::U64 => "bigint[]",
            Type::F32 => "real[]",
            Type::F64 => "double precision[]",
            _ => "jsonb",
        },
        ty if ty.number_width().is_some() => "bigint",
        _ => "jsonb",
    }
}

/// Whether values of the type can tell rows apart: each has one form, which equals itself and no other.
pub(crate) fn can_be_key(ty: &Type) -> bool {
    matches!(declared_type(ty), "bigint" | "boolean" | "text" | "bytea")
        && !matches!(ty, Type::Option(_))
}

/// The value as PostgreSQL keeps it, or why it cannot.
///
/// Scalars keep their type, enums are the name of their case, `none` is NULL, lists of numbers are arrays, everything
/// else is JSON. PostgreSQL knows no text with a zero byte in it.
pub(crate) fn cell<'a>(value: &'a Value, ty: &Type) -> Result<Cell<'a>, String> {
    if !value.is_of(ty) {
        return Err(format!("the value is no `{ty}`"));
    }
    Ok(match (value, ty) {
        (Value::Option(None), _) => Cell::Null,
        (Value::Option(Some(inner)), Type::Option(ty)) => return cell(inner, ty),
        (Value::Bool(v), _) => Cell::Bool(*v),
        (Value::S8(v), _) => Cell::Integer(i64::from(*v)),
        (Value::U8(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S16(v), _) => Cell::Integer(i64::from(*v)),
        (Value::U16(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S32(v), _) => Cell::Integer(i64::from(*v)),
        (Value::U32(v), _) => Cell::Integer(i64::from(*v)),
        (Value::S64(v), _) => Cell::Integer(*v),
        (Value::U64(v), _) => Cell::Integer(signed(*v)?),
        (Value::F32(v), _) => Cell::Real(f64::from(*v)),
        (Value::F64(v), _) => Cell::Real(*v),
        (Value::Char(v), _) => Cell::Text(without_zero(v.to_string().into())?),
        (Value::Str(v), _) => Cell::Text(without_zero(v.as_ref().into())?),
        (Value::Bytes(v), _) => Cell::Bytes(v.as_ref().into()),
        (Value::Packed(v), Type::List(element)) => Cell::Text(array(v, element)?.into()),
        (Value::Enum(case), Type::Enum(names)) => {
            Cell::Text(names[*case as usize].to_string().into())
        }
        (value, ty) => Cell::Text(json(value, ty)?.into()),
    })
}

fn signed(number: u64) -> Result<i64, String> {
    i64::try_from(number).map_err(|_| {
        format!(
            "{number} is beyond the integers of PostgreSQL, which end at {}",
            i64::MAX
        )
    })
}

const ZERO: &str = "it holds a zero byte, which PostgreSQL cannot keep in text";

fn without_zero(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    if text.contains('\0') {
        Err(ZERO.to_owned())
    } else {
        Ok(text)
    }
}

/// An array as text: `{1,2.5}`.
fn array(packed: &[u8], element: &Type) -> Result<String, String> {
    let width = element.number_width().unwrap_or(1);
    let mut text = String::with_capacity(packed.len() * 3);
    for bytes in packed.chunks_exact(width) {
        text.push(if text.is_empty() { '{' } else { ',' });
        let number = decode(bytes, element).map_err(|error| error.to_string())?;
        let written = match number {
            Value::F32(v) => write!(text, "{v:e}"),
            Value::F64(v) => write!(text, "{v:e}"),
            Value::U64(v) => write!(text, "{}", signed(v)?),
            other => match cell(&other, element)? {
                Cell::Integer(v) => write!(text, "{v}"),
                _ => return Err("the element is no number".to_owned()),
            },
        };
        written.map_err(|error| error.to_string())?;
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    Ok(text)
}

fn json(value: &Value, ty: &Type) -> Result<String, String> {
    fn holds_zero(json: &Json) -> bool {
        match json {
            Json::String(text) => text.contains('\0'),
            Json::Array(items) => items.iter().any(holds_zero),
            // The names of fields come from the type.
            Json::Object(fields) => fields.values().any(holds_zero),
            _ => false,
        }
    }
    let json = to_json(value, ty);
    if holds_zero(&json) {
        return Err(ZERO.to_owned());
    }
    Ok(json.to_string())
}

/// The cells of a row, once all are known to fit.
pub(crate) fn cells<'a>(columns: &[Column], row: &'a [Value]) -> Result<Vec<Cell<'a>>, String> {
    if row.len() != columns.len() {
        return Err(format!(
            "the row has {} values for {} columns",
            row.len(),
            columns.len()
        ));
    }
    let cells = row.iter().zip(columns).map(|(value, column)| {
        cell(value, &column.ty).map_err(|reason| format!("column `{}`: {reason}", column.name))
    });
    let cells: Vec<Cell<'_>> = cells.collect::<Result<_, _>>()?;
    let bytes: usize = cells.iter().map(Cell::size).sum();
    if bytes > ROW_BYTES_MAX {
        return Err(format!(
            "the row takes {bytes} bytes, and {ROW_BYTES_MAX} is the most"
        ));
    }
    Ok(cells)
}

/// The parts of a row's key, once all its cells are known to fit.
pub(crate) fn key_parts<'a>(
    columns: &[Column],
    key: &[usize],
    row: &'a [Value],
) -> Result<Vec<KeyPart<'a>>, String> {
    let mut cells = cells(columns, row)?;
    let bytes: usize = key.iter().map(|&position| cells[position].size() + 8).sum();
    if bytes > KEY_BYTES_MAX {
        return Err(format!(
            "its key columns take {bytes} bytes, and {KEY_BYTES_MAX} is the most that an index of PostgreSQL takes"
        ));
    }
    let parts = key.iter().map(|&position| {
        let cell = std::mem::replace(&mut cells[position], Cell::Null);
        let name = &columns[position].name;
        cell.into_part()
            .ok_or_else(|| format!("key column `{name}` has no value"))
    });
    parts.collect()
}

impl<'a> Cell<'a> {
    /// How many bytes it takes to send it, roughly.
    pub(crate) fn size(&self) -> usize {
        match self {
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
            _ => 8,
        }
    }

    pub(crate) fn into_part(self) -> Option<KeyPart<'a>> {
        match self {
            Cell::Bool(value) => Some(KeyPart::Int(i64::from(value))),
            Cell::Integer(number) => Some(KeyPart::Int(number)),
            Cell::Text(text) => Some(KeyPart::Text(text)),
            Cell::Bytes(bytes) => Some(KeyPart::Bytes(bytes)),
            Cell::Null | Cell::Real(_) => None,
        }
    }

    /// The cell that a part of a key stands for in a column of this type; none when it is no such part.
    pub(crate) fn of_part(part: KeyPart<'a>, ty: &Type) -> Option<Self> {
        match (part, Wire::of(ty)) {
            (KeyPart::Int(number @ (0 | 1)), Wire::Bool) => Some(Cell::Bool(number == 1)),
            (KeyPart::Int(number), Wire::Integer) => Some(Cell::Integer(number)),
            (KeyPart::Text(text), Wire::Text) if !text.contains('\0') => Some(Cell::Text(text)),
            (KeyPart::Bytes(bytes), Wire::Bytes) => Some(Cell::Bytes(bytes)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn kept(value: &Value, ty: &Type) -> (String, &'static str) {
        (format!("{:?}", cell(value, ty).unwrap()), declared_type(ty))
    }

    #[test]
    fn every_shape_has_its_form() {
        let some = |value| Value::Option(Some(Arc::new(value)));
        let color = Type::Enum(["red".into(), "blue".into()].into());
        let point = Type::record([("x", Type::U8), ("name", Type::String)]);
        let floats: Vec<u8> = [1.5f32, f32::INFINITY]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let cases: [(Value, Type, &str, &str); 13] = [
            (Value::Bool(true), Type::Bool, "Bool(true)", "boolean"),
            (Value::S8(-3), Type::S8, "Integer(-3)", "bigint"),
            (Value::F32(0.5), Type::F32, "Real(0.5)", "double precision"),
            (
                Value::F64(f64::NAN),
                Type::F64,
                "Real(NaN)",
                "double precision",
            ),
            (Value::Char('ß'), Type::Char, "Text(\"ß\")", "text"),
            (
                Value::bytes(vec![1, 0]),
                Type::bytes(),
                "Bytes([1, 0])",
                "bytea",
            ),
            (
                Value::Packed([1, 0].into()),
                Type::list(Type::U16),
                "Text(\"{1}\")",
                "integer[]",
            ),
            (
                Value::Packed([].into()),
                Type::list(Type::S8),
                "Text(\"{}\")",
                "smallint[]",
            ),
            (
                Value::Packed(floats.into()),
                Type::list(Type::F32),
                "Text(\"{1.5e0,inf}\")",
                "real[]",
            ),
            (
                Value::Option(None),
                Type::option(Type::U8),
                "Null",
                "bigint",
            ),
            (
                some(Value::U8(4)),
                Type::option(Type::U8),
                "Integer(4)",
                "bigint",
            ),
            (Value::Enum(1), color, "Text(\"blue\")", "text"),
            (
                Value::Record([Value::U8(1), Value::str("p")].into()),
                point,
                r#"Text("{\"x\":1,\"name\":\"p\"}")"#,
                "jsonb",
            ),
        ];
        for (value, ty, cell, declared) in &cases {
            assert_eq!(kept(value, ty), ((*cell).to_owned(), *declared), "{ty}");
        }
    }

    #[test]
    fn what_postgres_cannot_hold_is_refused() {
        let strings = Type::list(Type::String);
        let cases = [
            (Value::U64(u64::MAX), Type::U64, "18446744073709551615"),
            (
                Value::Packed([0xff; 8].into()),
                Type::list(Type::U64),
                "18446744073709551615",
            ),
            (Value::str("a\0b"), Type::String, "zero byte"),
            (Value::Char('\0'), Type::Char, "zero byte"),
            (
                Value::List([Value::str("\0")].into()),
                strings.clone(),
                "zero byte",
            ),
            (
                Value::List([Value::U8(1)].into()),
                strings,
                "no `list<string>`",
            ),
        ];
        for (value, ty, says) in &cases {
            let reason = cell(value, ty).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
        // Text that only looks like an escaped zero byte is text.
        let looks = Value::List([Value::str("\\u0000")].into());
        assert!(cell(&looks, &Type::list(Type::String)).is_ok());
    }

    #[test]
    fn keys_that_no_index_takes_are_refused() {
        let column = |ty| Column {
            name: "k".to_owned(),
            ty,
        };
        let long = [Value::str("x".repeat(2600))];
        assert!(
            key_parts(&[column(Type::String)], &[0], &long)
                .unwrap_err()
                .contains("2600")
        );
        let fits = [Value::str("x".repeat(2500))];
        assert_eq!(
            key_parts(&[column(Type::String)], &[0], &fits)
                .unwrap()
                .len(),
            1
        );
    }
}
