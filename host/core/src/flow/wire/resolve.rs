//! Resolving: which column a name means, seen from a row of a collection.

use super::{Found, Wiring};
use crate::flow::connectors::{Column, SourceColumns};
use crate::flow::plan::{ColumnKind, ColumnRef};
use crate::types::Type;

use super::Node;

impl<'a> Wiring<'a> {
    /// Resolves `column`, `column.field`, `collection.column` or `collection.column.field`, seen from `collection`.
    pub(super) fn resolve(
        &mut self,
        collection: usize,
        path: &str,
        wanted: Option<&Type>,
        asking: Option<usize>,
    ) -> Found {
        if let Some((first, rest)) = path.split_once('.') {
            let named = self
                .lineage(collection)
                .find(|&up| self.collections[up].name == first);
            if let Some(named) = named {
                return self.resolve_on(named, rest, wanted, asking);
            }
        }
        let lineage: Vec<usize> = self.lineage(collection).collect();
        let mut other = Found::Nothing;
        for up in lineage {
            match self.resolve_on(up, path, wanted, asking) {
                Found::Nothing => {}
                found @ Found::Column(_) => return found,
                found @ Found::OtherType(..) => {
                    if matches!(other, Found::Nothing) {
                        other = found;
                    }
                }
            }
        }
        other
    }

    /// Whether a path leads to the result of a transform whose function could not be found.
    pub(super) fn is_at_fault(&self, path: &str) -> bool {
        let named = |node: &Node<'_>| path.split('.').any(|part| part == node.decl.name.value);
        self.nodes
            .iter()
            .any(|node| node.result.is_none() && named(node))
    }

    /// The collection that a path names, or else the row's own, and the rest of the path.
    pub(super) fn split<'p>(&self, collection: usize, path: &'p str) -> (&'a str, &'p str) {
        let named = path.split_once('.').and_then(|(first, rest)| {
            let up = self
                .lineage(collection)
                .find(|&up| self.collections[up].name == first)?;
            Some((self.collections[up].name, rest))
        });
        named.unwrap_or((self.collections[collection].name, path))
    }

    /// Resolves `column` or `column.field` on just this collection.
    pub(super) fn resolve_on(
        &mut self,
        collection: usize,
        path: &str,
        wanted: Option<&Type>,
        asking: Option<usize>,
    ) -> Found {
        let fits = |kind, ty: &Type| {
            if wanted.is_none_or(|wanted| wanted == ty) {
                Found::Column(ColumnRef {
                    collection,
                    kind,
                    ty: ty.clone(),
                })
            } else {
                Found::OtherType(path.to_owned(), ty.clone())
            }
        };
        let (name, field) = path
            .split_once('.')
            .map_or((path, None), |(name, field)| (name, Some(field)));
        for (index, node) in self.nodes.iter().enumerate() {
            let is_column =
                node.collection == Some(collection) && !node.decl.rows && Some(index) != asking;
            let Some(result) = node
                .result
                .as_ref()
                .filter(|_| is_column && node.decl.name.value == name)
            else {
                continue;
            };
            let Some(field) = field else {
                return fits(ColumnKind::Result(index), &result.value);
            };
            let fields = result.value.fields().map_or(&[][..], |fields| fields);
            return match fields
                .iter()
                .position(|candidate| *candidate.name == *field)
            {
                Some(position) => fits(
                    ColumnKind::ResultField(index, position),
                    &fields[position].ty,
                ),
                None => Found::Nothing,
            };
        }
        if field.is_some() {
            return Found::Nothing;
        }
        let rows = &self.collections[collection];
        if let Some(row) = &rows.row {
            let fields = row.fields().map_or(&[][..], |fields| fields);
            if let Some(position) = fields.iter().position(|candidate| *candidate.name == *name) {
                return fits(ColumnKind::Field(position), &fields[position].ty);
            }
            return if rows.name == name {
                fits(ColumnKind::Row, row)
            } else {
                Found::Nothing
            };
        }
        self.source_column(collection, name, wanted)
    }

    pub(super) fn source_column(
        &mut self,
        collection: usize,
        name: &str,
        wanted: Option<&Type>,
    ) -> Found {
        let rows = &mut self.collections[collection];
        let kind = &rows.source.kind.value;
        let default = match self.connectors.source_columns(kind) {
            Some(SourceColumns::Fixed(columns)) => {
                match columns.into_iter().find(|(column, _)| column == name) {
                    Some((_, types)) => types.into_iter().next(),
                    None => None,
                }
            }
            Some(SourceColumns::Open) => Some(Type::String),
            None => None,
        };
        let Some(default) = default else {
            return Found::Nothing;
        };
        // Whoever does not say which type takes the one that others ask for, when that is only one.
        let mut asked = rows.columns.iter().filter(|column| column.name == name);
        let ty = match (wanted, asked.next(), asked.next()) {
            (Some(wanted), ..) => wanted.clone(),
            (None, Some(only), None) => only.ty.clone(),
            (None, ..) => default.clone(),
        };
        if !self.connectors.accepts(kind, name, &ty) {
            return Found::OtherType(name.to_owned(), default);
        }
        let column = Column {
            name: name.to_owned(),
            ty: ty.clone(),
        };
        let position = rows
            .columns
            .iter()
            .position(|known| *known == column)
            .unwrap_or_else(|| {
                rows.columns.push(column);
                rows.columns.len() - 1
            });
        Found::Column(ColumnRef {
            collection,
            kind: ColumnKind::Source(position),
            ty,
        })
    }

    /// The collection and its parents, nearest first.
    pub(super) fn lineage(&self, collection: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(collection), |&up| self.collections[up].parent)
    }

    /// The columns that can be named from a row of `collection`, of one type or of all.
    pub(super) fn candidates(&self, collection: usize, wanted: Option<&Type>) -> Vec<String> {
        let fits = |ty: &Type| wanted.is_none_or(|wanted| wanted == ty);
        let mut names = Vec::new();
        for up in self.lineage(collection) {
            let rows = &self.collections[up];
            match (
                &rows.row,
                self.connectors.source_columns(&rows.source.kind.value),
            ) {
                (Some(Type::Record(fields)), _) => {
                    names.extend(
                        fields
                            .iter()
                            .filter(|field| fits(&field.ty))
                            .map(|field| field.name.to_string()),
                    );
                }
                (Some(ty), _) if fits(ty) => names.push(rows.name.to_owned()),
                (None, Some(SourceColumns::Fixed(columns))) => {
                    let columns = columns
                        .into_iter()
                        .filter(|(_, types)| types.iter().any(fits));
                    names.extend(columns.map(|(name, _)| name));
                }
                _ => {}
            }
            for node in self
                .nodes
                .iter()
                .filter(|node| node.collection == Some(up) && !node.decl.rows)
            {
                if node
                    .result
                    .as_ref()
                    .is_some_and(|result| fits(&result.value))
                {
                    names.push(node.decl.name.value.clone());
                }
            }
        }
        names
    }
}
