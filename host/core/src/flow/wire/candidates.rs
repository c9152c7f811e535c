//! What to say where a column is missing: the fault itself, and the columns that there are.

use std::collections::BTreeMap;

use super::union::ORIGIN;
use super::{Found, Gathering, Node, Origin, Step, Wiring};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::connectors::SourceColumns;
use crate::flow::gather::Fold;
use crate::flow::tree::Located;
use crate::types::Type;

/// The names on collections that have been asked for, so that unions of unions are asked but once.
type Names = BTreeMap<usize, Vec<String>>;

impl<'a> Wiring<'a> {
    /// What is wrong with a path that was given; nothing if that has been reported elsewhere.
    pub(super) fn column_fault<C>(
        &self,
        collection: usize,
        path: &Located<String>,
        found: &Found<C>,
    ) -> Option<Diagnostic> {
        let message = match found {
            Found::Column(_) => return None,
            // What hangs on a transform that is at fault has been reported there.
            _ if self.is_at_fault(collection, &path.value) => return None,
            Found::Uneven(how) => {
                return Some(Diagnostic::at(&path.span, how.clone()).help(UNEVEN_HELP));
            }
            Found::OtherType(name, ty) => {
                return Some(Diagnostic::at(&path.span, format!("`{name}` is `{ty}`")));
            }
            Found::Nothing => {
                let (on, column) = self.split(collection, &path.value);
                format!("no column `{column}` on `{on}`")
            }
        };
        let names = self.candidates(collection, None);
        let (_, column) = self.split(collection, &path.value);
        let help = suggest(column, names.iter().map(String::as_str));
        Some(Diagnostic::at(&path.span, message).help(help))
    }

    /// Whether a path leads to the result of a transform whose function could not be found, or the rows hang on one.
    pub(super) fn is_at_fault(&self, collection: usize, path: &str) -> bool {
        let named = |node: &Node<'_>| path.split('.').any(|part| part == node.decl.name.value);
        let mut nodes = self.nodes.iter();
        self.is_tainted(collection) || nodes.any(|node| node.result.is_none() && named(node))
    }

    /// The collection that a path names, or else the row's own, and the rest of the path.
    pub(super) fn split<'p>(&self, collection: usize, path: &'p str) -> (&str, &'p str) {
        let named = path.split_once('.').and_then(|(first, rest)| {
            let mut lineage = self.lineage(collection);
            let up = lineage.find(|&up| self.collections[up].name == first)?;
            Some((&*self.collections[up].name, rest))
        });
        named.unwrap_or((&self.collections[collection].name, path))
    }

    /// The columns that can be named from a row of `collection`, of one type or of all.
    pub(super) fn candidates(&self, collection: usize, wanted: Option<&Type>) -> Vec<String> {
        self.names(collection, wanted, &mut Names::new())
    }

    fn names(&self, collection: usize, wanted: Option<&Type>, known: &mut Names) -> Vec<String> {
        if let Some(names) = known.get(&collection) {
            return names.clone();
        }
        let fits = |ty: &Type| wanted.is_none_or(|wanted| wanted == ty);
        let mut names = Vec::new();
        for up in self.lineage(collection) {
            let rows = &self.collections[up];
            match rows.origin {
                Some(Origin::Source(decl)) => {
                    names.extend(self.source_names(&decl.kind.value, fits));
                }
                Some(Origin::Gather(at)) => {
                    names.extend(self.gathered_names(&self.gathers[at], wanted, known));
                }
                None => names.extend(
                    rows.row
                        .iter()
                        .flat_map(|row| value_names(&rows.name, row, fits)),
                ),
            }
            let nodes = self.nodes.iter().filter(|node| node.makes_column(up));
            names.extend(
                nodes
                    .filter(|node| matches!(&node.result, Some(result) if fits(&result.value)))
                    .map(|node| node.decl.name.value.clone()),
            );
        }
        known.insert(collection, names.clone());
        names
    }

    fn source_names(&self, kind: &str, fits: impl Fn(&Type) -> bool) -> Vec<String> {
        let Some(SourceColumns::Fixed(columns)) = self.connectors.source_columns(kind) else {
            return Vec::new();
        };
        let columns = columns.into_iter();
        let columns = columns.filter(|(_, types)| types.iter().any(&fits));
        columns.map(|(name, _)| name).collect()
    }

    fn gathered_names(
        &self,
        gathering: &Gathering<'a>,
        wanted: Option<&Type>,
        known: &mut Names,
    ) -> Vec<String> {
        let fits = |ty: &Type| wanted.is_none_or(|wanted| wanted == ty);
        let name = &self.collections[gathering.root].name;
        let mut names = Vec::new();
        if let Some(folded) = gathering.fold.as_ref().map(Fold::result) {
            names.extend(Some(name.clone()).filter(|_| fits(folded)));
            names.extend(value_names(name, folded, fits));
        }
        let feeds = gathering.feeds.iter().map(|feed| feed.collection);
        match gathering.step {
            Step::Reduce(_) => {
                let keys = gathering.keys.iter().filter(|key| fits(&key.ty));
                names.extend(keys.map(|key| key.name.clone()));
                if let Some(result) = self.result_of(gathering) {
                    names.extend(value_names(name, result, fits));
                }
            }
            Step::State(_) => {
                names.extend(feeds.flat_map(|feed| self.names(feed, wanted, known)));
            }
            Step::Union(_) => {
                // Of a source whose columns are not known there is nothing to list, but it may have what others have.
                let feeds = feeds.filter(|&feed| !self.is_open(feed));
                let feeds: Vec<Vec<String>> =
                    feeds.map(|feed| self.names(feed, wanted, known)).collect();
                if let Some((first, rest)) = feeds.split_first() {
                    let common = first
                        .iter()
                        .filter(|name| rest.iter().all(|names| names.contains(name)));
                    names.extend(common.cloned());
                }
                names.extend(fits(&Type::String).then(|| ORIGIN.to_owned()));
            }
        }
        names
    }

    /// The type of the column that a reduce makes of its groups.
    pub(super) fn result_of(&self, gathering: &Gathering<'_>) -> Option<&Type> {
        let node = &self.nodes[gathering.node?];
        let is_column = node.makes_column(gathering.root);
        let result = node.result.as_ref().filter(|_| is_column)?;
        Some(&result.value)
    }

    fn is_open(&self, collection: usize) -> bool {
        matches!(self.collections[collection].origin, Some(Origin::Source(decl))
            if self.connectors.source_columns(&decl.kind.value) == Some(SourceColumns::Open))
    }
}

/// What to do where the collections of a union differ.
pub(super) const UNEVEN_HELP: &str = "a column of a union is one that all its collections have, with the same type: \
     add a transform of that name and type to those that lack it";

/// The names of a row: those of its fields, or its own.
fn value_names(name: &str, ty: &Type, fits: impl Fn(&Type) -> bool) -> Vec<String> {
    match ty.fields() {
        Some(fields) => fields
            .iter()
            .filter(|field| fits(&field.ty))
            .map(|field| field.name.to_string())
            .collect(),
        None => Some(name.to_owned())
            .into_iter()
            .filter(|_| fits(ty))
            .collect(),
    }
}
