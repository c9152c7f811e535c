//! The flow file as a tree in which every part knows its place, with `${variables}` filled in.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, FlowErrors, suggest};

/// A value with its place in the flow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The bytes of the flow file that it stands in.
    pub span: Range<usize>,
}

impl<T> Located<T> {
    pub(crate) fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }
}

pub(crate) type Node = Located<Kind>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Str(String),
    Int(i128),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Located<String>,
    pub(crate) value: Node,
}

impl Kind {
    /// What it is, for messages: `a string`.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Kind::Str(_) => "a string",
            Kind::Int(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::Bool(_) => "a boolean",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }
}

/// Parses `text` and fills in its variables: the `[var]` table's, overridden by `overrides`.
pub(crate) fn parse(
    text: &str,
    overrides: &BTreeMap<String, String>,
) -> Result<Vec<Entry>, FlowErrors> {
    let table = DeTable::parse(text).map_err(|error| not_toml(&error))?;
    let mut errors = Vec::new();
    let mut entries = convert_table(table.get_ref(), &mut errors);
    let variables = take_variables(&mut entries, overrides, &mut errors);
    for entry in &mut entries {
        fill_in(&mut entry.value, &variables, &mut errors);
    }
    if errors.is_empty() {
        Ok(entries)
    } else {
        Err(FlowErrors(errors))
    }
}

/// The setting `name` of a TOML file, as it stands there; nothing where there is none.
pub(crate) fn table(text: &str, name: &str) -> Result<Vec<Entry>, FlowErrors> {
    let table = DeTable::parse(text).map_err(|error| not_toml(&error))?;
    let mut errors = Vec::new();
    let mut entries = Vec::new();
    if let Some((key, value)) = table.get_ref().get_key_value(name) {
        let key = Located::new(name.to_owned(), key.span());
        let value = convert(value, &mut errors);
        entries.extend(value.map(|value| Entry { key, value }));
    }
    if errors.is_empty() {
        Ok(entries)
    } else {
        Err(FlowErrors(errors))
    }
}

fn not_toml(error: &toml::de::Error) -> FlowErrors {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    FlowErrors(vec![
        Diagnostic::at(&span, message).help("flow files are TOML, see https://toml.io"),
    ])
}

fn convert_table(table: &DeTable<'_>, errors: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .filter_map(|(key, value)| {
            let key = Located::new(key.get_ref().to_string(), key.span());
            Some(Entry {
                key,
                value: convert(value, errors)?,
            })
        })
        .collect();
    // The parser sorts by name; people expect the order of the file.
    entries.sort_by_key(|entry| entry.key.span.start);
    entries
}

fn convert(value: &Spanned<DeValue<'_>>, errors: &mut Vec<Diagnostic>) -> Option<Node> {
    let span = value.span();
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Str(text.to_string()),
        DeValue::Integer(number) => {
            if let Ok(number) = i128::from_str_radix(number.as_str(), number.radix()) {
                Kind::Int(number)
            } else {
                errors.push(Diagnostic::at(&span, "this integer is too large"));
                return None;
            }
        }
        DeValue::Float(number) => {
            if let Ok(number) = number.as_str().parse() {
                Kind::Float(number)
            } else {
                errors.push(Diagnostic::at(&span, "this is not a number"));
                return None;
            }
        }
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(_) => {
            errors.push(
                Diagnostic::at(&span, "a date has no use here")
                    .help("write it as a string, in quotes"),
            );
            return None;
        }
        DeValue::Array(items) => Kind::List(
            items
                .iter()
                .filter_map(|item| convert(item, errors))
                .collect(),
        ),
        DeValue::Table(table) => Kind::Table(convert_table(table, errors)),
    };
    Some(Located::new(kind, span))
}

fn take_variables(
    entries: &mut Vec<Entry>,
    overrides: &BTreeMap<String, String>,
    errors: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    if let Some(position) = entries.iter().position(|entry| entry.key.value == "var") {
        let entry = entries.remove(position);
        let Kind::Table(declared) = entry.value.value else {
            errors.push(Diagnostic::at(
                &entry.value.span,
                "`var` is a table: `[var]`, then `name = \"default\"`",
            ));
            return variables;
        };
        for variable in declared {
            let text = match variable.value.value {
                Kind::Str(text) => text,
                Kind::Int(number) => number.to_string(),
                Kind::Float(number) => number.to_string(),
                Kind::Bool(value) => value.to_string(),
                other => {
                    let message = format!(
                        "the variable `{}` is {}, not a string",
                        variable.key.value,
                        other.noun()
                    );
                    errors.push(Diagnostic::at(&variable.value.span, message));
                    continue;
                }
            };
            variables.insert(variable.key.value, text);
        }
    }
    for (name, value) in overrides {
        match variables.get_mut(name) {
            Some(variable) => variable.clone_from(value),
            None => errors.push(Diagnostic {
                message: format!("the flow has no variable `{name}`"),
                span: None,
                label: None,
                help: Some(suggest(name, variables.keys().map(String::as_str))),
            }),
        }
    }
    variables
}

fn fill_in(node: &mut Node, variables: &BTreeMap<String, String>, errors: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Kind::Str(text) if text.contains("${") => match substitute(text, variables) {
            Ok(filled) => *text = filled,
            Err(fault) => errors.push(Diagnostic {
                span: Some(node.span.clone()),
                ..fault
            }),
        },
        Kind::List(items) => items
            .iter_mut()
            .for_each(|item| fill_in(item, variables, errors)),
        Kind::Table(entries) => {
            for entry in entries {
                fill_in(&mut entry.value, variables, errors);
            }
        }
        _ => {}
    }
}

/// `${name}` is the variable's value, `$${` a plain `${`.
fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, Diagnostic> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            filled.push_str(&rest[..start]);
            filled.push('{');
            rest = &rest[start + 2..];
            continue;
        }
        filled.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            return Err(Diagnostic::at(&(0..0), "`${` has no closing `}`")
                .help("write `$${` for a plain `${`"));
        };
        let name = &inside[..end];
        let Some(value) = variables.get(name) else {
            let help = suggest(name, variables.keys().map(String::as_str));
            return Err(
                Diagnostic::at(&(0..0), format!("there is no variable `{name}`"))
                    .help(format!("{help}; variables are declared under `[var]`")),
            );
        };
        filled.push_str(value);
        rest = &inside[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let variables = BTreeMap::from([("root".to_owned(), "docs".to_owned())]);
        substitute(text, &variables).map_err(|fault| fault.message)
    }

    #[test]
    fn variables_are_filled_in_and_can_be_escaped() {
        assert_eq!(filled("${root}/a/${root}"), Ok("docs/a/docs".to_owned()));
        assert_eq!(
            filled("cost: $5 $${root}"),
            Ok("cost: $5 ${root}".to_owned())
        );
        assert_eq!(
            filled("${rot}"),
            Err("there is no variable `rot`".to_owned())
        );
        assert_eq!(filled("${root"), Err("`${` has no closing `}`".to_owned()));
    }
}
