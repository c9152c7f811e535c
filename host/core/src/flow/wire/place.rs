//! Places: the collection of every transform, and the collections that transforms make.

use super::{Role, Rows, Wiring};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::tree::Located;
use crate::types::Type;

impl<'a> Wiring<'a> {
    /// Finds the collection of every transform and makes those of `rows = true`, parents before children.
    pub(super) fn place(&mut self, errors: &mut Vec<Diagnostic>) {
        // What a reduce combines is placed with the rows that it is over, and makes none.
        let mut waiting: Vec<usize> = (0..self.nodes.len())
            .filter(|&index| self.nodes[index].role != Role::Member)
            .collect();
        loop {
            let before = waiting.len();
            waiting.retain(|&index| !self.try_place(index, errors));
            if waiting.len() == before {
                break;
            }
        }
        for index in waiting {
            let each = &self.nodes[index].decl.each;
            let made = self.nodes.iter().any(|node| makes_rows_called(node, each));
            if made && !self.is_without_function(&each.value) {
                let message = format!("`{}` comes of itself", each.value);
                errors.push(
                    Diagnostic::at(&each.span, message)
                        .help("a chain of `each` must begin at a source"),
                );
            } else {
                errors.extend(self.no_collection(each));
            }
        }
    }

    /// The collection of that name.
    pub(super) fn collection(&self, name: &str) -> Option<usize> {
        // The groups of a reduce that makes rows have a name with spaces in it, which is none that a flow may use.
        let mut names = self.collections.iter().map(|rows| &*rows.name);
        names.position(|known| known == name && !name.contains(' '))
    }

    /// What to say where there is no such collection; nothing where what should make it has been reported.
    pub(super) fn no_collection(&self, name: &Located<String>) -> Option<Diagnostic> {
        if self.nodes.iter().any(|node| makes_rows_called(node, name)) {
            return None;
        }
        let help = suggest(&name.value, self.collection_names());
        let column = self
            .nodes
            .iter()
            .any(|node| node.role == Role::Plain && node.decl.name.value == name.value);
        Some(if column {
            let message = format!("`{}` is a column, not a collection", name.value);
            Diagnostic::at(&name.span, message).help(format!(
                "`rows = true` on transform `{}` makes its list a collection; {help}",
                name.value
            ))
        } else {
            let message = format!("there is no collection `{}`", name.value);
            Diagnostic::at(&name.span, message).help(help)
        })
    }

    /// The collections of the flow, also those whose transform is at fault.
    fn collection_names(&self) -> impl Iterator<Item = &'a str> {
        let file = self.file;
        let made = file
            .transforms
            .iter()
            .filter(|decl| decl.rows || decl.state.is_some());
        let sources = file.sources.iter().map(|decl| &*decl.name.value);
        sources
            .chain(made.map(|decl| &*decl.name.value))
            .chain(file.reduces.iter().map(|decl| &*decl.call.name.value))
            .chain(file.unions.iter().map(|decl| &*decl.name.value))
    }

    /// Whether the collection is missing only because of a fault that has been reported already.
    fn is_without_function(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| {
            node.decl.name.value == name && (node.result.is_none() || node.collection.is_some())
        })
    }

    fn try_place(&mut self, index: usize, errors: &mut Vec<Diagnostic>) -> bool {
        let decl = self.nodes[index].decl;
        let parent = match self.nodes[index].role {
            Role::Plain => self.collection(&decl.each.value),
            // The root of its groups.
            Role::Group(at) => Some(self.gathers[at].root),
            Role::Member => None,
        };
        let Some(parent) = parent else {
            return false;
        };
        self.nodes[index].collection = Some(parent);
        if !decl.rows {
            return true;
        }
        let Some(result) = &self.nodes[index].result else {
            return true;
        };
        let Type::List(element) = result.value.clone() else {
            let (each, needed) = match decl.batch {
                None => ("", "`list<T>` or `result<list<T>, E>`"),
                Some(_) => (
                    " for each row",
                    "`list<list<T>>` or `list<result<list<T>, E>>`",
                ),
            };
            let message = format!(
                "`{}` returns `{}`{each}, which is no list of rows",
                decl.call.value, result.value
            );
            let help = format!(
                "`rows = true` needs a function that returns {needed}; without it the result is a column"
            );
            let fault = Diagnostic::at(&decl.call.span, message).help(help);
            errors.push(match self.nodes[index].function {
                Some(function) => fault.label(function.to_string()),
                None => fault,
            });
            return true;
        };
        self.nodes[index].makes = Some(self.collections.len());
        self.collections.push(Rows {
            name: decl.name.value.clone(),
            parent: Some(parent),
            row: Some((*element).clone()),
            origin: None,
            columns: Vec::new(),
            gathered: Vec::new(),
        });
        true
    }
}

fn makes_rows_called(node: &super::Node<'_>, name: &Located<String>) -> bool {
    node.decl.rows && node.decl.name.value == name.value
}
