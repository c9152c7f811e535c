//! Values as JSON, for tables, `--json` and sources of JSON lines.
//!
//! Records are objects, variants `{"case": payload}` or the case's name, options null or the value, results
//! `{"ok": ...}` or `{"err": ...}` (`"ok"` is read too), bytes base-16 text, flags lists of names. `option<option<T>>` loses a level.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use crate::types::{Case, Type};
use crate::value::Value;

/// A JSON value that is not a value of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{expected}`, found {found}")]
pub struct JsonError {
    expected: String,
    found: String,
}

/// The JSON form of `value`, which is of type `ty`. Numbers that JSON cannot hold (NaN, infinities) become null.
///
/// # Panics
///
/// When `value` is not a value of `ty`.
pub fn to_json(value: &Value, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Bool(v), _) => Json::Bool(*v),
        (Value::S8(v), _) => Json::from(*v),
        (Value::U8(v), _) => Json::from(*v),
        (Value::S16(v), _) => Json::from(*v),
        (Value::U16(v), _) => Json::from(*v),
        (Value::S32(v), _) => Json::from(*v),
        (Value::U32(v), _) => Json::from(*v),
        (Value::S64(v), _) => Json::from(*v),
        (Value::U64(v), _) => Json::from(*v),
        (Value::F32(v), _) => float(f64::from(*v)),
        (Value::F64(v), _) => float(*v),
        (Value::Char(v), _) => Json::String(v.to_string()),
        (Value::Str(v), _) => Json::String(v.to_string()),
        (Value::Bytes(v), _) => Json::String(hex(v)),
        (Value::Packed(v), Type::List(element)) => Json::Array(numbers(v, element)),
        (Value::List(items), Type::List(element)) => {
            items.iter().map(|item| to_json(item, element)).collect()
        }
        (Value::Record(items), Type::Record(fields)) => Json::Object(
            items
                .iter()
                .zip(fields.iter())
                .map(|(item, field)| (field.name.to_string(), to_json(item, &field.ty)))
                .collect(),
        ),
        (Value::Tuple(items), Type::Tuple(types)) => items
            .iter()
            .zip(types.iter())
            .map(|(item, ty)| to_json(item, ty))
            .collect(),
        (Value::Variant(case, payload), Type::Variant(cases)) => {
            case_to_json(&cases[*case as usize], payload.as_deref())
        }
        (Value::Enum(case), Type::Enum(names)) => Json::String(names[*case as usize].to_string()),
        (Value::Flags(bits), Type::Flags(names)) => names
            .iter()
            .enumerate()
            .filter(|(bit, _)| bits >> bit & 1 == 1)
            .map(|(_, name)| Json::String(name.to_string()))
            .collect(),
        (Value::Option(inner), Type::Option(ty)) => inner
            .as_deref()
            .map_or(Json::Null, |inner| to_json(inner, ty)),
        (Value::Result(Ok(inner)), Type::Result { ok, .. }) => {
            tagged("ok", inner.as_deref(), ok.as_deref())
        }
        (Value::Result(Err(inner)), Type::Result { err, .. }) => {
            tagged("err", inner.as_deref(), err.as_deref())
        }
        (value, ty) => panic!("{value:?} is not a value of type `{ty}`"),
    }
}

fn case_to_json(case: &Case, payload: Option<&Value>) -> Json {
    match payload {
        None => Json::String(case.name.to_string()),
        Some(_) => tagged(&case.name, payload, case.ty.as_ref()),
    }
}

fn tagged(name: &str, payload: Option<&Value>, ty: Option<&Type>) -> Json {
    let payload = match (payload, ty) {
        (Some(payload), Some(ty)) => to_json(payload, ty),
        _ => Json::Null,
    };
    Json::Object(Map::from_iter([(name.to_owned(), payload)]))
}

fn float(value: f64) -> Json {
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

fn numbers(bytes: &[u8], element: &Type) -> Vec<Json> {
    let width = element
        .number_width()
        .expect("packed values are lists of numbers");
    bytes
        .chunks_exact(width)
        .map(|chunk| {
            // The element's own decoding: a number is its little-endian bytes.
            crate::encoding::decode(chunk, element)
                .map_or(Json::Null, |value| to_json(&value, element))
        })
        .collect()
}

/// The value of type `ty` that `json` stands for, the inverse of [`to_json`].
///
/// A missing field of an `option` type is none; fields that the record does not have are ignored.
///
/// # Errors
///
/// When the JSON is of another shape, or a number does not fit.
pub fn from_json(json: &Json, ty: &Type) -> Result<Value, JsonError> {
    read(json, ty).ok_or_else(|| {
        let mut found = json.to_string();
        if let Some((cut, _)) = found.char_indices().nth(60) {
            found.truncate(cut);
            found.push('…');
        }
        JsonError {
            expected: ty.to_string(),
            found,
        }
    })
}

fn read(json: &Json, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Bool => Value::Bool(json.as_bool()?),
        Type::S8 => Value::S8(json.as_i64()?.try_into().ok()?),
        Type::U8 => Value::U8(json.as_u64()?.try_into().ok()?),
        Type::S16 => Value::S16(json.as_i64()?.try_into().ok()?),
        Type::U16 => Value::U16(json.as_u64()?.try_into().ok()?),
        Type::S32 => Value::S32(json.as_i64()?.try_into().ok()?),
        Type::U32 => Value::U32(json.as_u64()?.try_into().ok()?),
        Type::S64 => Value::S64(json.as_i64()?),
        Type::U64 => Value::U64(json.as_u64()?),
        Type::F32 => Value::F32(json.as_f64()? as f32),
        Type::F64 => Value::F64(json.as_f64()?),
        Type::Char => {
            let mut chars = json.as_str()?.chars();
            let first = chars.next()?;
            chars.next().is_none().then_some(Value::Char(first))?
        }
        Type::String => Value::Str(json.as_str()?.into()),
        Type::List(element) if **element == Type::U8 && json.is_string() => {
            Value::Bytes(unhex(json.as_str()?)?.into())
        }
        Type::List(element) => {
            let items = json.as_array()?.iter().map(|item| read(item, element));
            Value::list_of(element, items.collect::<Option<Vec<_>>>()?)
        }
        Type::Option(inner) => {
            if json.is_null() {
                Value::Option(None)
            } else {
                Value::Option(Some(Arc::new(read(json, inner)?)))
            }
        }
        Type::Result { ok, err } => match case(json)? {
            ("ok", payload) => Value::Result(Ok(read_payload(payload, ok.as_deref())?)),
            ("err", payload) => Value::Result(Err(read_payload(payload, err.as_deref())?)),
            _ => return None,
        },
        Type::Tuple(types) => {
            let items = json.as_array().filter(|items| items.len() == types.len())?;
            Value::Tuple(
                items
                    .iter()
                    .zip(types.iter())
                    .map(|(item, ty)| read(item, ty))
                    .collect::<Option<_>>()?,
            )
        }
        Type::Record(fields) => {
            let object = json.as_object()?;
            let field = |name: &str| object.get(name).unwrap_or(&Json::Null);
            Value::Record(
                fields
                    .iter()
                    .map(|f| read(field(&f.name), &f.ty))
                    .collect::<Option<_>>()?,
            )
        }
        Type::Variant(cases) => {
            let (name, payload) = case(json)?;
            let index = cases.iter().position(|case| *case.name == *name)?;
            Value::Variant(
                index as u32,
                read_payload(payload, cases[index].ty.as_ref())?,
            )
        }
        Type::Enum(names) => Value::Enum(position(names, json.as_str()?)?),
        Type::Flags(names) => {
            let mut bits = 0;
            for name in json.as_array()? {
                bits |= 1 << position(names, name.as_str()?)?;
            }
            Value::Flags(bits)
        }
    })
}

fn read_payload(json: &Json, ty: Option<&Type>) -> Option<Option<Arc<Value>>> {
    match ty {
        Some(ty) => Some(Some(Arc::new(read(json, ty)?))),
        None => json.is_null().then_some(None),
    }
}

/// A case and what it carries: `{"case": payload}`, or the case's name alone.
fn case(json: &Json) -> Option<(&str, &Json)> {
    if let Json::String(name) = json {
        return Some((name, &Json::Null));
    }
    let object = json.as_object().filter(|object| object.len() == 1)?;
    object
        .iter()
        .next()
        .map(|(name, payload)| (name.as_str(), payload))
}

fn position(names: &[Arc<str>], name: &str) -> Option<u32> {
    names
        .iter()
        .position(|candidate| **candidate == *name)
        .map(|index| index as u32)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    digits.len().is_multiple_of(2).then_some(())?;
    digits
        .chunks_exact(2)
        .map(|pair| {
            Some((char::from(pair[0]).to_digit(16)? * 16 + char::from(pair[1]).to_digit(16)?) as u8)
        })
        .collect()
}
