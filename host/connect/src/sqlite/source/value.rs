//! Values of SQLite as the types that were asked for: the way back from what the target `sqlite` writes.

use std::sync::Arc;

use flowstone_core::{Type, Value, from_json};
use rusqlite::types::ValueRef;
use serde_json::Number;

/// So many characters of a value are shown.
const SHOWN_CHARS: usize = 40;

/// The value of a column, or what was found in its place.
///
/// Numbers and booleans are integers, floats may be integers too; text is a string, a character, or JSON for all that is
/// not simple; a blob is a list of numbers. NULL is none. A number is also a string: its JSON text, as in a JSON Lines file.
pub(super) fn value(found: ValueRef<'_>, ty: &Type) -> Result<Value, String> {
    if let Type::Option(inner) = ty {
        return Ok(Value::Option(match found {
            ValueRef::Null => None,
            found => Some(Arc::new(value(found, inner)?)),
        }));
    }
    let typed = match found {
        ValueRef::Null => None,
        ValueRef::Integer(number) => integer(number, ty),
        ValueRef::Real(number) => match ty {
            Type::String => Number::from_f64(number).map(|number| Value::str(number.to_string())),
            Type::F32 => Some(Value::F32(number as f32)),
            Type::F64 => Some(Value::F64(number)),
            _ => None,
        },
        ValueRef::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| of_text(text, ty)),
        ValueRef::Blob(bytes) => blob(bytes, ty),
    };
    typed.ok_or_else(|| shown(found))
}

fn integer(number: i64, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Bool => match number {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return None,
        },
        Type::S8 => Value::S8(number.try_into().ok()?),
        Type::U8 => Value::U8(number.try_into().ok()?),
        Type::S16 => Value::S16(number.try_into().ok()?),
        Type::U16 => Value::U16(number.try_into().ok()?),
        Type::S32 => Value::S32(number.try_into().ok()?),
        Type::U32 => Value::U32(number.try_into().ok()?),
        Type::S64 => Value::S64(number),
        Type::U64 => Value::U64(number.try_into().ok()?),
        Type::F32 => Value::F32(number as f32),
        Type::F64 => Value::F64(number as f64),
        Type::String => Value::str(number.to_string()),
        _ => return None,
    })
}

fn of_text(text: &str, ty: &Type) -> Option<Value> {
    match ty {
        Type::String => Some(Value::str(text)),
        Type::Char => {
            let mut chars = text.chars();
            let char = chars.next()?;
            chars.next().is_none().then_some(Value::Char(char))
        }
        Type::Enum(cases) => {
            let case = cases.iter().position(|case| **case == *text)?;
            u32::try_from(case).ok().map(Value::Enum)
        }
        ty if ty.number_width().is_some() || *ty == Type::Bool => None,
        ty => from_json(&serde_json::from_str(text).ok()?, ty).ok(),
    }
}

fn blob(bytes: &[u8], ty: &Type) -> Option<Value> {
    let Type::List(element) = ty else {
        return None;
    };
    match element.number_width()? {
        _ if **element == Type::U8 => Some(Value::bytes(bytes)),
        width if bytes.len().is_multiple_of(width) => Some(Value::Packed(bytes.into())),
        _ => None,
    }
}

fn shown(found: ValueRef<'_>) -> String {
    match found {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => format!("`{number}`"),
        ValueRef::Real(number) => format!("`{number}`"),
        ValueRef::Text(text) => {
            let text = crate::key::printable(&text[..text.len().min(4 * SHOWN_CHARS)]);
            let cut: String = text.chars().take(SHOWN_CHARS).collect();
            let more = if cut.len() < text.len() { "…" } else { "" };
            format!("`{cut}{more}`")
        }
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}
