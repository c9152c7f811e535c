//! The fields of a table of the flow file, read one by one, each with its place.

use std::collections::{BTreeMap, BTreeSet};

use super::connectors::{OptionValue, Options};
use super::tree::{Entry, Kind, Located, Node};
use crate::diagnostic::{Diagnostic, suggest};

/// The fields of one table, read one by one; what nobody asked for is reported at the end.
pub(super) struct Fields<'a, 'e> {
    owner: String,
    span: std::ops::Range<usize>,
    entries: &'a [Entry],
    asked: BTreeSet<&'static str>,
    errors: &'e mut Vec<Diagnostic>,
}

impl<'a, 'e> Fields<'a, 'e> {
    pub(super) fn new(
        owner: &str,
        span: std::ops::Range<usize>,
        entries: &'a [Entry],
        errors: &'e mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            owner: owner.to_owned(),
            span,
            entries,
            asked: BTreeSet::new(),
            errors,
        }
    }

    pub(super) fn of(
        owner: String,
        node: &'a Node,
        errors: &'e mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let Kind::Table(entries) = &node.value else {
            errors.push(Diagnostic::at(
                &node.span,
                format!("{owner} must be a table, not {}", node.value.noun()),
            ));
            return None;
        };
        Some(Self {
            owner,
            span: node.span.clone(),
            entries,
            asked: BTreeSet::new(),
            errors,
        })
    }

    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.insert(key);
        self.entries
            .iter()
            .find(|entry| entry.key.value == key)
            .map(|entry| &entry.value)
    }

    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn wrong(&mut self, node: &Node, key: &str, expected: &str) {
        let message = format!(
            "`{key}` of {} must be {expected}, not {}",
            self.owner,
            node.value.noun()
        );
        self.errors.push(Diagnostic::at(&node.span, message));
    }

    pub(super) fn str(&mut self, key: &'static str) -> Option<Located<String>> {
        let node = self.get(key)?;
        if let Kind::Str(text) = &node.value {
            return Some(Located::new(text.clone(), node.span.clone()));
        }
        self.wrong(node, key, "a string");
        None
    }

    pub(super) fn required_str(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Option<Located<String>> {
        if !self.has(key) {
            let message = format!("{} has no `{key}`", self.owner);
            self.errors.push(
                Diagnostic::at(&self.span, message).help(format!("for example: `{example}`")),
            );
            return None;
        }
        self.str(key)
    }

    pub(super) fn bool(&mut self, key: &'static str) -> Option<bool> {
        let node = self.get(key)?;
        if let Kind::Bool(value) = node.value {
            return Some(value);
        }
        self.wrong(node, key, "true or false");
        None
    }

    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.str(key)?;
        let parsed = parse(&text.value);
        if parsed.is_none() {
            let message = format!(
                "`{key}` of {} must be {expected}, not `{}`",
                self.owner, text.value
            );
            self.errors.push(Diagnostic::at(&text.span, message));
        }
        parsed
    }

    pub(super) fn table(
        &mut self,
        key: &'static str,
    ) -> Option<(&'a [Entry], std::ops::Range<usize>)> {
        let node = self.get(key)?;
        if let Kind::Table(entries) = &node.value {
            return Some((entries, node.span.clone()));
        }
        self.wrong(node, key, "a table");
        None
    }

    pub(super) fn strings_table(
        &mut self,
        key: &'static str,
    ) -> Vec<(Located<String>, Located<String>)> {
        let Some((entries, _)) = self.table(key) else {
            return Vec::new();
        };
        let mut strings = Vec::with_capacity(entries.len());
        for entry in entries {
            match &entry.value.value {
                Kind::Str(text) => {
                    strings.push((
                        entry.key.clone(),
                        Located::new(text.clone(), entry.value.span.clone()),
                    ));
                }
                _ => self.wrong(
                    &entry.value,
                    &format!("{key}.{}", entry.key.value),
                    "a string",
                ),
            }
        }
        strings
    }

    pub(super) fn string_list(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        let node = self.get(key)?;
        let Kind::List(items) = &node.value else {
            self.wrong(node, key, "a list of strings");
            return None;
        };
        let mut strings = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Kind::Str(text) => strings.push(Located::new(text.clone(), item.span.clone())),
                _ => self.wrong(item, key, "a list of strings"),
            }
        }
        Some(strings)
    }

    /// A list of strings; one string stands for a list of one.
    pub(super) fn one_or_more(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        match &self.get(key)?.value {
            Kind::Str(_) => self.str(key).map(|only| vec![only]),
            _ => self.string_list(key),
        }
    }

    /// The sub-tables `[key.NAME]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(Located<String>, &'a Node)> {
        let Some((entries, _)) = self.table(key) else {
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(entries.len());
        for entry in entries {
            if is_name(&entry.key.value) {
                tables.push((entry.key.clone(), &entry.value));
            } else {
                let message = format!("`{}` is no name for a {key}", entry.key.value);
                self.errors.push(
                    Diagnostic::at(&entry.key.span, message)
                        .help("names are letters, digits, `-` and `_`, and begin with a letter"),
                );
            }
        }
        tables
    }

    /// Everything that was not asked for, as options for whoever knows them.
    pub(super) fn rest(self) -> (Options, BTreeMap<String, Located<()>>) {
        let (mut options, mut spans) = (Options::new(), BTreeMap::new());
        for Entry { key, value } in self.entries {
            if self.asked.contains(&*key.value) {
                continue;
            }
            let option = match &value.value {
                Kind::Str(text) => Some(OptionValue::Str(text.clone())),
                Kind::Int(number) => i64::try_from(*number).ok().map(OptionValue::Int),
                Kind::Bool(value) => Some(OptionValue::Bool(*value)),
                Kind::List(items) => items
                    .iter()
                    .map(|item| match &item.value {
                        Kind::Str(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect::<Option<_>>()
                    .map(OptionValue::List),
                Kind::Float(_) | Kind::Table(_) => None,
            };
            match option {
                Some(option) => {
                    spans.insert(key.value.clone(), Located::new((), key.span.start..value.span.end));
                    options.insert(key.value.clone(), option);
                }
                None => self.errors.push(Diagnostic::at(
                    &value.span,
                    format!(
                        "`{}` of {} is {}; options are strings, integers, booleans or lists of strings",
                        key.value,
                        self.owner,
                        value.value.noun()
                    ),
                )),
            }
        }
        (options, spans)
    }

    /// The fields of a table inside of this one.
    pub(super) fn nested<'f>(
        &'f mut self,
        owner: &str,
        span: std::ops::Range<usize>,
        entries: &'a [Entry],
    ) -> Fields<'a, 'f> {
        Fields::new(owner, span, entries, self.errors)
    }

    /// What the table is, for messages: "reduce `stats`".
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// The place of the table.
    pub(super) fn place(&self) -> std::ops::Range<usize> {
        self.span.clone()
    }

    pub(super) fn fault(&mut self, fault: Diagnostic) {
        self.errors.push(fault);
    }

    /// A whole number.
    pub(super) fn count(&mut self, key: &'static str) -> Option<u32> {
        let node = self.get(key)?;
        if let Kind::Int(number) = node.value
            && let Ok(number) = u32::try_from(number)
        {
            return Some(number);
        }
        let message = format!("`{key}` of {} must be a whole number", self.owner);
        self.errors.push(Diagnostic::at(&node.span, message));
        None
    }

    pub(super) fn finish(self) {
        for entry in self.entries {
            if !self.asked.contains(&*entry.key.value) {
                let message = format!("{} has no setting `{}`", self.owner, entry.key.value);
                let help = suggest(&entry.key.value, self.asked.iter().copied());
                self.errors
                    .push(Diagnostic::at(&entry.key.span, message).help(help));
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
