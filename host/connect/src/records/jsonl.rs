//! JSON lines: one JSON object per line.

use std::borrow::Cow;
use std::sync::Arc;

use flowstone_core::{Column, Type, Value, from_json};
use serde_json::{Map, Value as Json};

use crate::error::ConnectError;
use crate::key::{KeyPart, push_part};
use crate::records::format::bad_value;
use crate::records::input::{Body, Input};
use crate::sorter::Span;

/// Which fields of the objects become values.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<Column>,
    key: Vec<String>,
}

/// The next line that is not blank.
pub(crate) fn next(input: &mut Input, body: &mut Body) -> Result<Option<Span>, ConnectError> {
    loop {
        body.clear();
        let (offset, line) = (input.offset, input.line);
        let mut ended = false;
        while !ended {
            let bytes = input.peek()?;
            if bytes.is_empty() {
                break;
            }
            let used = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            ended = bytes[used - 1] == b'\n';
            body.extend(&bytes[..used]);
            input.consume(used);
        }
        if input.offset == offset {
            return Ok(None);
        }
        body.trim();
        if body.too_large || !body.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Some(Span {
                offset,
                len: input.offset - offset,
                line,
            }));
        }
    }
}

impl Layout {
    pub(crate) fn new(columns: &[Column], key: &[String]) -> Self {
        Layout {
            columns: columns.to_vec(),
            key: key.to_vec(),
        }
    }

    pub(crate) fn values(&self, record: &[u8]) -> Result<Vec<Value>, String> {
        let object = parse(record)?;
        self.columns
            .iter()
            .map(|column| value(&object, column))
            .collect()
    }

    /// The key: strings as text and integers as numbers, so `1` and `"1"` are different keys; anything else by its JSON text.
    pub(crate) fn key(&self, record: &[u8]) -> Result<Vec<u8>, String> {
        let object = parse(record)?;
        let mut key = Vec::new();
        for name in &self.key {
            let part = match object.get(name) {
                None | Some(Json::Null) => {
                    return Err(format!("the record has no `{name}`, which is its key"));
                }
                Some(Json::String(text)) => KeyPart::Text(Cow::Borrowed(text)),
                Some(json) => json
                    .as_i64()
                    .map_or_else(|| KeyPart::Json(json.to_string().into()), KeyPart::Int),
            };
            push_part(&mut key, &part);
        }
        Ok(key)
    }
}

fn parse(record: &[u8]) -> Result<Map<String, Json>, String> {
    let text = std::str::from_utf8(record).map_err(|error| {
        format!(
            "the record is not UTF-8 (byte {} of it)",
            error.valid_up_to() + 1
        )
    })?;
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("the record is no JSON object".to_owned()),
        Err(error) => Err(format!("the record is no JSON: {error}")),
    }
}

/// A column's value. `string` takes any JSON: what is no string gives its JSON text.
fn value(object: &Map<String, Json>, column: &Column) -> Result<Value, String> {
    let Column { name, ty } = column;
    let as_text = |json: &Json| match json {
        Json::String(text) => Value::str(text.as_str()),
        json => Value::str(json.to_string()),
    };
    match (object.get(name), ty) {
        (None | Some(Json::Null), Type::Option(_)) => Ok(Value::Option(None)),
        (None, _) => Err(format!("the record has no `{name}`")),
        (Some(json), Type::String) => Ok(as_text(json)),
        (Some(json), Type::Option(inner)) if **inner == Type::String => {
            Ok(Value::Option(Some(Arc::new(as_text(json)))))
        }
        (Some(json), ty) => from_json(json, ty).map_err(|_| bad_value(name, &json.to_string(), ty)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(record: &str, columns: &[(&str, Type)]) -> Result<Vec<Value>, String> {
        let columns: Vec<Column> = columns
            .iter()
            .map(|(name, ty)| Column {
                name: (*name).to_owned(),
                ty: ty.clone(),
            })
            .collect();
        Layout::new(&columns, &[]).values(record.as_bytes())
    }

    #[test]
    fn any_json_can_be_a_string() {
        let columns = [
            ("a", Type::String),
            ("b", Type::String),
            ("c", Type::option(Type::String)),
        ];
        let found = values(r#"{"a": "x", "b": {"n": [1, null]}, "c": null}"#, &columns).unwrap();
        assert_eq!(
            found,
            [
                Value::str("x"),
                Value::str(r#"{"n":[1,null]}"#),
                Value::Option(None)
            ]
        );
    }

    #[test]
    fn a_missing_field_is_none_or_a_failure() {
        assert_eq!(
            values("{}", &[("a", Type::option(Type::U8))]).unwrap(),
            [Value::Option(None)]
        );
        assert_eq!(
            values("{}", &[("a", Type::U8)]).unwrap_err(),
            "the record has no `a`"
        );
        assert_eq!(
            values(r#"{"a": 300}"#, &[("a", Type::U8)]).unwrap_err(),
            "column `a`: `300` is no `u8`"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for record in ["[1]", "{", "{} {}", "nope", "3"] {
            assert!(values(record, &[]).is_err(), "{record}");
        }
        assert!(Layout::new(&[], &[]).values(b"{\"a\": \"\xff\"}").is_err());
        // Nesting is bounded, so that no record can exhaust the stack.
        assert!(values(&format!("{{\"a\": {}", "[".repeat(100_000)), &[]).is_err());
    }

    #[test]
    fn keys_tell_numbers_from_text() {
        let layout = Layout::new(&[], &["id".to_owned()]);
        let key = |record: &str| layout.key(record.as_bytes());
        assert_ne!(key(r#"{"id": 1}"#), key(r#"{"id": "1"}"#));
        assert_ne!(key(r#"{"id": 1}"#), key(r#"{"id": true}"#));
        assert!(key(r#"{"id": -5}"#) < key(r#"{"id": 3}"#));
        assert!(key(r#"{"id": null}"#).is_err());
    }
}
