//! What the targets that are tables share: the keys of their rows, and names in SQL.

use flowstone_core::{Column, OptionError, TargetSpec, Type, Value, from_json, to_json};
use serde_json::Value as Json;

use crate::error::{KeyParseError, RowError};
use crate::key::{KeyPart, push_part, show_part, split_key};
use crate::target::TargetKeys;

/// Checks a row and gives the parts of its key, in key order; or says why the table cannot hold it.
pub(crate) type PartsOf =
    for<'a> fn(&[Column], &[usize], &'a [Value]) -> Result<Vec<KeyPart<'a>>, String>;

/// The keys of a table's rows: the values of the key columns.
pub(crate) struct TableKeys {
    pub(crate) columns: Vec<Column>,
    pub(crate) key: Vec<usize>,
    parts_of: PartsOf,
}

impl TableKeys {
    pub(crate) fn of(spec: &TargetSpec, parts_of: PartsOf) -> Self {
        Self {
            columns: spec.columns.clone(),
            key: spec.key.clone(),
            parts_of,
        }
    }

    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|&position| &self.columns[position])
    }

    fn key_names(&self) -> String {
        self.key_columns()
            .map(|column| format!("`{}`", column.name))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl TargetKeys for TableKeys {
    fn key(&self, row: &[Value]) -> Result<Vec<u8>, RowError> {
        let parts = (self.parts_of)(&self.columns, &self.key, row).map_err(RowError::content)?;
        let mut key = Vec::new();
        for part in &parts {
            push_part(&mut key, part);
        }
        Ok(key)
    }

    fn display_key(&self, key: &[u8]) -> String {
        let parts = split_key(key).map(|(parts, _)| parts).unwrap_or_default();
        let pairs = self
            .key_columns()
            .zip(&parts)
            .map(|(column, part)| format!("{}={}", column.name, show_part(part)));
        pairs.collect::<Vec<_>>().join(", ")
    }

    fn parse_key(&self, text: &str) -> Result<Vec<u8>, KeyParseError> {
        let count = self.key.len();
        let array = if text.starts_with('[') {
            serde_json::from_str::<Vec<Json>>(text).ok()
        } else {
            None
        };
        let texts: Vec<&str> = if count == 1 {
            vec![text]
        } else {
            text.split(',').map(str::trim).collect()
        };
        let found = array.as_ref().map_or(texts.len(), Vec::len);
        if found != count {
            let message = format!(
                "the key has {count} parts ({}), not {found}",
                self.key_names()
            );
            return Err(KeyParseError { message });
        }
        let mut key = Vec::new();
        for (index, Column { name, ty }) in self.key_columns().enumerate() {
            let part = match &array {
                Some(items) => part_from_json(&items[index], ty),
                None => part_from_text(texts[index], ty),
            };
            let part = part.ok_or_else(|| KeyParseError {
                message: format!("key column `{name}` needs a value of type `{ty}`"),
            })?;
            push_part(&mut key, &part);
        }
        Ok(key)
    }
}

/// Checks that there are key columns, each once, and of types that `holds` lets be in a key.
pub(crate) fn check_key(spec: &TargetSpec, holds: fn(&Type) -> bool) -> Result<(), OptionError> {
    let bad_key = |message: String| Err(OptionError::new("key", message));
    if spec.key.is_empty() {
        return bad_key(
            "a table needs key columns: the columns that tell its rows apart".to_owned(),
        );
    }
    for (index, &position) in spec.key.iter().enumerate() {
        let Column { name, ty } = &spec.columns[position];
        if spec.key[..index].contains(&position) {
            return bad_key(format!("`{name}` is in the key twice"));
        }
        if !holds(ty) {
            return bad_key(format!(
                "`{name}` is of type `{ty}`, which cannot be part of a key"
            ));
        }
    }
    Ok(())
}

/// A name as SQL takes it, whatever characters are in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How the parts of a key look that a column of this type gives.
enum Shape {
    Integer,
    Bytes,
    Text,
}

fn shape(ty: &Type) -> Shape {
    match ty {
        Type::Bool => Shape::Integer,
        Type::List(element) if element.number_width().is_some() => Shape::Bytes,
        ty if ty.number_width().is_some() => Shape::Integer,
        _ => Shape::Text,
    }
}

/// A part of a key as it was typed by hand: integers and bools in their usual form, bytes in base 16, text as it is.
fn part_from_text<'a>(text: &'a str, ty: &Type) -> Option<KeyPart<'a>> {
    match shape(ty) {
        Shape::Integer => match (ty, text) {
            (Type::Bool, "true") => Some(KeyPart::Int(1)),
            (Type::Bool, "false") => Some(KeyPart::Int(0)),
            _ => text.parse().ok().map(KeyPart::Int),
        },
        Shape::Bytes => unhex(text).map(|bytes| KeyPart::Bytes(bytes.into())),
        Shape::Text => Some(KeyPart::Text(text.into())),
    }
}

/// A part of a key out of a JSON array.
fn part_from_json<'a>(json: &'a Json, ty: &Type) -> Option<KeyPart<'a>> {
    match (json, shape(ty)) {
        (Json::String(text), _) => part_from_text(text, ty),
        (Json::Bool(value), Shape::Integer) => Some(KeyPart::Int(i64::from(*value))),
        (Json::Number(number), Shape::Integer) => number.as_i64().map(KeyPart::Int),
        (json, Shape::Text) if !matches!(ty, Type::String | Type::Char | Type::Enum(_)) => {
            Some(KeyPart::Text(json.to_string().into()))
        }
        _ => None,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8))
        .collect()
}

/// The value of a type that is kept as text, or as JSON; none when the text is no such value.
pub(crate) fn value_of_text(text: &str, ty: &Type) -> Option<Value> {
    match ty {
        Type::String => Some(Value::str(text)),
        Type::Char => {
            let mut chars = text.chars();
            let first = chars.next()?;
            chars.next().is_none().then_some(Value::Char(first))
        }
        Type::Enum(names) => {
            let case = names.iter().position(|name| **name == *text)?;
            Some(Value::Enum(case as u32))
        }
        ty => {
            let json: Json = serde_json::from_str(text).ok()?;
            let value = from_json(&json, ty).ok()?;
            // What is read is also what is there: a field more is another text.
            same_json(&json, &to_json(&value, ty)).then_some(value)
        }
    }
}

/// The value of an integer type or `bool` that is kept as this integer; none when it does not fit.
pub(crate) fn value_of_integer(number: i64, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Bool if number == 0 || number == 1 => Value::Bool(number == 1),
        Type::S8 => Value::S8(number.try_into().ok()?),
        Type::U8 => Value::U8(number.try_into().ok()?),
        Type::S16 => Value::S16(number.try_into().ok()?),
        Type::U16 => Value::U16(number.try_into().ok()?),
        Type::S32 => Value::S32(number.try_into().ok()?),
        Type::U32 => Value::U32(number.try_into().ok()?),
        Type::S64 => Value::S64(number),
        Type::U64 => Value::U64(number.try_into().ok()?),
        _ => return None,
    })
}

/// The value of a float type that is kept as this float; none when it has more digits than the type.
pub(crate) fn value_of_float(number: f64, ty: &Type) -> Option<Value> {
    let narrow = number as f32;
    let fits = number.is_nan() || f64::from(narrow).to_bits() == number.to_bits();
    match ty {
        Type::F32 if fits => Some(Value::F32(narrow)),
        Type::F64 => Some(Value::F64(number)),
        _ => None,
    }
}

/// Whether two JSON values are the same but for how their numbers are written.
fn same_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            let same = |(name, value)| b.get(name).is_some_and(|other| same_json(value, other));
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }

    #[test]
    fn json_that_says_more_or_less_is_another_value() {
        let ty = Type::record([("x", Type::F64), ("name", Type::option(Type::String))]);
        let value = |text: &str| value_of_text(text, &ty);
        let plain = value(r#"{"x":1.0,"name":null}"#);
        assert!(plain.is_some());
        assert_eq!(
            value(r#"{"name": null, "x": 1}"#),
            plain,
            "as `jsonb` writes it"
        );
        assert_eq!(value(r#"{"x":1.0,"name":null,"more":2}"#), None);
        assert_eq!(value(r#"{"x":1.0}"#), None);
        assert_eq!(value("{"), None);
        assert_ne!(value(r#"{"x":1.5,"name":null}"#), plain);
    }

    #[test]
    fn numbers_that_do_not_fit_are_no_values() {
        assert_eq!(value_of_integer(2, &Type::Bool), None);
        assert_eq!(value_of_integer(-1, &Type::U64), None);
        assert_eq!(value_of_integer(300, &Type::U8), None);
        assert_eq!(value_of_float(0.1, &Type::F32), None);
        assert_eq!(value_of_float(0.5, &Type::F32), Some(Value::F32(0.5)));
        assert_eq!(value_of_float(0.1, &Type::F64), Some(Value::F64(0.1)));
    }
}
