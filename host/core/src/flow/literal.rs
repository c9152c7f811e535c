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
        .help(written(ty))
    };
    Ok(match (&node.value, ty) {
        (Kind::Bool(value), Type::Bool) => Value::Bool(*value),
        (Kind::Int(number), Type::F32) => Value::F32(*number as f32),
        (Kind::Int(number), Type::F64) => Value::F64(*number as f64),
        (Kind::Int(number), _) if ty.number_width().is_some() => {
            integer(*number, ty).ok_or_else(|| {
                Diagnostic::at(&node.span, format!("{number} does not fit into `{ty}`"))
                    .help(written(ty))
            })?
        }
        (Kind::Float(number), Type::F32) => Value::F32(*number as f32),
        (Kind::Float(number), Type::F64) => Value::F64(*number),
        (Kind::Str(text), Type::String) => Value::str(text.as_str()),
        (Kind::Str(text), Type::Char) => {
            let mut chars = text.chars();
            let (Some(only), None) = (chars.next(), chars.next()) else {
                let fault = Diagnostic::at(&node.span, "expected a single character");
                return Err(fault.help(written(ty)));
            };
            Value::Char(only)
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
                )
                .help(written(ty))),
            });
            Value::Record(values.collect::<Result<_, _>>()?)
        }
        (Kind::Str(name), Type::Variant(cases)) => variant(node, name, None, cases)?,
        (Kind::Table(entries), Type::Variant(cases)) => match &entries[..] {
            [Entry { key, value }] => variant(node, &key.value, Some(value), cases)?,
            _ => return Err(mismatch()),
        },
        (Kind::Str(_) | Kind::Table(_), Type::Result { ok, err }) => {
            match read(
                node,
                &Type::Variant(sides(ok.as_deref(), err.as_deref()).into()),
            )? {
                Value::Variant(0, payload) => Value::Result(Ok(payload)),
                Value::Variant(_, payload) => Value::Result(Err(payload)),
                _ => return Err(mismatch()),
            }
        }
        // TOML has no null: an option is written as what it holds, and left out for none.
        (_, Type::Option(inner)) => Value::Option(Some(Arc::new(read(node, inner)?))),
        _ => return Err(mismatch()),
    })
}

/// How a value of a type is written in a flow file.
fn written(ty: &Type) -> String {
    format!("`{ty}` is written as {}", form(ty))
}

fn form(ty: &Type) -> String {
    let between = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match ty {
        Type::Bool => "`true` or `false`".to_owned(),
        Type::S8 => between(i8::MIN.into(), i8::MAX.into()),
        Type::U8 => between(0, u8::MAX.into()),
        Type::S16 => between(i16::MIN.into(), i16::MAX.into()),
        Type::U16 => between(0, u16::MAX.into()),
        Type::S32 => between(i32::MIN.into(), i32::MAX.into()),
        Type::U32 => between(0, u32::MAX.into()),
        Type::S64 => between(i64::MIN.into(), i64::MAX.into()),
        Type::U64 => between(0, u64::MAX.into()),
        Type::F32 | Type::F64 => "a number, such as `0.5`".to_owned(),
        Type::Char => "one character in quotes".to_owned(),
        Type::String => "a text in quotes".to_owned(),
        Type::List(element) if **element == Type::U8 => {
            "a text in quotes, or a list of numbers".to_owned()
        }
        Type::List(element) => format!("a list: `[...]`, each element as {}", form(element)),
        Type::Tuple(types) => format!("a list of {} values: `[...]`", types.len()),
        Type::Record(fields) => {
            let fields = fields.iter().map(|field| format!("{} = ...", field.name));
            format!("a table: `{{ {} }}`", fields.collect::<Vec<_>>().join(", "))
        }
        Type::Variant(cases) => one_of(cases.iter().map(case)),
        Type::Result { ok, err } => one_of(sides(ok.as_deref(), err.as_deref()).iter().map(case)),
        Type::Enum(names) => one_of(names.iter().map(|name| format!("`\"{name}\"`"))),
        Type::Flags(names) => {
            let some = one_of(names.iter().map(|name| format!("`\"{name}\"`")));
            format!("a list of some of {some}")
        }
        Type::Option(inner) => format!("{}, and left out for none", form(inner)),
    }
}

fn case(case: &Case) -> String {
    match &case.ty {
        Some(_) => format!("`{{ {} = ... }}`", case.name),
        None => format!("`\"{}\"`", case.name),
    }
}

/// The sides of a result, as the cases of a variant that is written like it.
fn sides(ok: Option<&Type>, err: Option<&Type>) -> [Case; 2] {
    [("ok", ok), ("err", err)].map(|(name, ty)| Case {
        name: name.into(),
        ty: ty.cloned(),
    })
}

/// The first of these, as many as a person reads.
fn one_of(forms: impl Iterator<Item = String>) -> String {
    const SHOWN_MAX: usize = 12;
    let mut forms = forms.collect::<Vec<_>>();
    let more = if forms.len() > SHOWN_MAX { ", ..." } else { "" };
    forms.truncate(SHOWN_MAX);
    forms.join(", ") + more
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
            )
            .help(format!("write it as `\"{name}\"`")));
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
