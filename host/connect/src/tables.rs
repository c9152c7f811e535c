//! What the targets that are tables share: the keys of their rows, and names in SQL.

use flowstone_core::{Column, OptionError, TargetSpec, Type, Value};
use serde_json::Value as Json;

use crate::error::{KeyParseError, RowError};
use crate::key::{Part, push_part, show_part, split_key};
use crate::target::TargetKeys;

/// Checks a row and gives the parts of its key, in key order; or says why the table cannot hold it.
pub(crate) type PartsOf =
    for<'a> fn(&[Column], &[usize], &'a [Value]) -> Result<Vec<Part<'a>>, String>;

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
fn part_from_text<'a>(text: &'a str, ty: &Type) -> Option<Part<'a>> {
    match shape(ty) {
        Shape::Integer => match (ty, text) {
            (Type::Bool, "true") => Some(Part::Int(1)),
            (Type::Bool, "false") => Some(Part::Int(0)),
            _ => text.parse().ok().map(Part::Int),
        },
        Shape::Bytes => unhex(text).map(|bytes| Part::Bytes(bytes.into())),
        Shape::Text => Some(Part::Text(text.into())),
    }
}

/// A part of a key out of a JSON array.
fn part_from_json<'a>(json: &'a Json, ty: &Type) -> Option<Part<'a>> {
    match (json, shape(ty)) {
        (Json::String(text), _) => part_from_text(text, ty),
        (Json::Bool(value), Shape::Integer) => Some(Part::Int(i64::from(*value))),
        (Json::Number(number), Shape::Integer) => number.as_i64().map(Part::Int),
        (json, Shape::Text) if !matches!(ty, Type::String | Type::Char | Type::Enum(_)) => {
            Some(Part::Text(json.to_string().into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }
}
