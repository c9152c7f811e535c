//! Literal arguments: TOML values as values of a parameter's type.

use std::sync::Arc;

use super::tree::{Entry, Kind, Node};
use crate::diagnostic::{Diagnostic, suggest};
use crate::types::{Case, Type};
use crate::value::Value;

/// The value of type `ty` that `node` stands for.
pub(super) fn read(node: &Node, ty: &Type) -> Result<Value, Diagnostic> {
    let mismatch = || {
        Diagnostic::at(
            &node.span,
            format!("expected `{ty}`, found {}", node.value.noun()),
        )
    };
    Ok(match (&node.value, ty) {
        (Kind::Bool(value), Type::Bool) => Value::Bool(*value),
        (Kind::Int(number), Type::F32) => Value::F32(*number as f32),
        (Kind::Int(number), Type::F64) => Value::F64(*number as f64),
        (Kind::Int(number), _) if ty.number_width().is_some() => {
            integer(*number, ty).ok_or_else(|| {
                Diagnostic::at(&node.span, format!("{number} does not fit into `{ty}`"))
            })?
        }
        (Kind::Float(number), Type::F32) => Value::F32(*number as f32),
        (Kind::Float(number), Type::F64) => Value::F64(*number),
        (Kind::Str(text), Type::String) => Value::str(text.as_str()),
        (Kind::Str(text), Type::Char) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => Value::Char(only),
                _ => return Err(Diagnostic::at(&node.span, "expected a single character")),
            }
        }
        (Kind::Str(text), Type::List(element)) if **element == Type::U8 => {
            Value::bytes(text.as_bytes())
        }
        (Kind::Str(name), Type::Enum(names)) => Value::Enum(position(node, name, names)?),
        (Kind::List(items), Type::List(element)) => {
            let items = items
                .iter()
                .map(|item| read(item, element))
                .collect::<Result<_, _>>()?;
            Value::list_of(element, items)
        }
        (Kind::List(items), Type::Tuple(types)) if items.len() == types.len() => Value::Tuple(
            items
                .iter()
                .zip(types.iter())
                .map(|(item, ty)| read(item, ty))
                .collect::<Result<_, _>>()?,
        ),
        (Kind::List(items), Type::Flags(names)) => {
            let mut bits = 0;
            for item in items {
                let Kind::Str(name) = &item.value else {
                    return Err(mismatch());
                };
                bits |= 1 << position(item, name, names)?;
            }
            Value::Flags(bits)
        }
        (Kind::Table(entries), Type::Record(fields)) => {
            let known = || fields.iter().map(|field| &*field.name);
            if let Some(entry) = entries
                .iter()
                .find(|entry| known().all(|name| name != entry.key.value))
            {
                let message = format!("`{ty}` has no field `{}`", entry.key.value);
                return Err(Diagnostic::at(&entry.key.span, message)
                    .help(suggest(&entry.key.value, known())));
            }
            let field = |name: &str| entries.iter().find(|entry| entry.key.value == name);
            let values = fields.iter().map(|f| match field(&f.name) {
                Some(entry) => read(&entry.value, &f.ty),
                None if matches!(f.ty, Type::Option(_)) => Ok(Value::Option(None)),
                None => Err(Diagnostic::at(
                    &node.span,
                    format!("the field `{}` is missing", f.name),
                )),
            });
            Value::Record(values.collect::<Result<_, _>>()?)
        }
        (Kind::Str(name), Type::Variant(cases)) => variant(node, name, None, cases)?,
        (Kind::Table(entries), Type::Variant(cases)) => match &entries[..] {
            [Entry { key, value }] => variant(node, &key.value, Some(value), cases)?,
            _ => return Err(mismatch()),
        },
        // TOML has no null: an option is written as what it holds, and left out for none.
        (_, Type::Option(inner)) => Value::Option(Some(Arc::new(read(node, inner)?))),
        _ => return Err(mismatch()),
    })
}

fn integer(number: i128, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::S8 => Value::S8(number.try_into().ok()?),
        Type::U8 => Value::U8(number.try_into().ok()?),
        Type::S16 => Value::S16(number.try_into().ok()?),
        Type::U16 => Value::U16(number.try_into().ok()?),
        Type::S32 => Value::S32(number.try_into().ok()?),
        Type::U32 => Value::U32(number.try_into().ok()?),
        Type::S64 => Value::S64(number.try_into().ok()?),
        Type::U64 => Value::U64(number.try_into().ok()?),
        _ => return None,
    })
}

fn variant(
    node: &Node,
    name: &str,
    payload: Option<&Node>,
    cases: &[Case],
) -> Result<Value, Diagnostic> {
    let names: Vec<Arc<str>> = cases.iter().map(|case| case.name.clone()).collect();
    let index = position(node, name, &names)?;
    let payload = match (&cases[index as usize].ty, payload) {
        (None, None) => None,
        (Some(ty), Some(payload)) => Some(Arc::new(read(payload, ty)?)),
        (None, Some(payload)) => {
            return Err(Diagnostic::at(
                &payload.span,
                format!("the case `{name}` carries nothing"),
            ));
        }
        (Some(ty), None) => {
            return Err(
                Diagnostic::at(&node.span, format!("the case `{name}` carries a `{ty}`"))
                    .help(format!("write it as `{{ {name} = ... }}`")),
            );
        }
    };
    Ok(Value::Variant(index, payload))
}

fn position(node: &Node, name: &str, names: &[Arc<str>]) -> Result<u32, Diagnostic> {
    names
        .iter()
        .position(|candidate| **candidate == *name)
        .map(|index| index as u32)
        .ok_or_else(|| {
            let help = suggest(name, names.iter().map(|name| &**name));
            Diagnostic::at(&node.span, format!("there is no `{name}`")).help(help)
        })
}
