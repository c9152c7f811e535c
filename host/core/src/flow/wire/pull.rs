//! Pulling: whoever reads a column has its source give it, and the stages before publish it.

use super::find::{Spot, SpotKind};
use super::{Published, Wiring};
use crate::flow::connectors::Column;
use crate::flow::gather::GatherColumn;
use crate::flow::plan::{ColumnKind, ColumnRef};

impl Wiring<'_> {
    /// Has a column read that was found.
    pub(super) fn pull(&mut self, spot: &Spot) -> ColumnRef {
        let kind = match &spot.kind {
            SpotKind::Fixed(kind) => *kind,
            SpotKind::Source(name) => self.read_source(spot, name),
            SpotKind::Gathered(what, name) => self.read_gathered(spot, *what, name),
            SpotKind::Asked(name, spots) => self.read_asked(spot, name, spots),
        };
        ColumnRef {
            collection: spot.collection,
            kind,
            ty: spot.ty.clone(),
        }
    }

    fn read_source(&mut self, spot: &Spot, name: &str) -> ColumnKind {
        let columns = &mut self.collections[spot.collection].columns;
        let same = |column: &Column| column.name == name && column.ty == spot.ty;
        ColumnKind::Source(columns.iter().position(same).unwrap_or_else(|| {
            columns.push(Column {
                name: name.to_owned(),
                ty: spot.ty.clone(),
            });
            columns.len() - 1
        }))
    }

    fn read_gathered(&mut self, spot: &Spot, what: GatherColumn, name: &str) -> ColumnKind {
        let rows = &mut self.collections[spot.collection];
        let known = rows.gathered.iter().position(|known| *known == what);
        ColumnKind::Source(known.unwrap_or_else(|| {
            rows.gathered.push(what);
            rows.columns.push(Column {
                name: name.to_owned(),
                ty: spot.ty.clone(),
            });
            rows.columns.len() - 1
        }))
    }

    fn read_asked(&mut self, spot: &Spot, name: &str, spots: &[Spot]) -> ColumnKind {
        // Looked for before it is followed: unions of unions have many ways to the same column.
        let rows = &self.collections[spot.collection];
        let mut known = rows.columns.iter().zip(&rows.gathered);
        let known = known.position(|(column, what)| {
            matches!(what, GatherColumn::Own(_)) && column.name == name && column.ty == spot.ty
        });
        if let Some(known) = known {
            return ColumnKind::Source(known);
        }
        let columns: Vec<ColumnRef> = spots.iter().map(|spot| self.pull(spot)).collect();
        let relations = self.relations_of(spot.collection);
        let position = self.publish(&relations, name, columns);
        self.read_gathered(spot, GatherColumn::Own(position), name)
    }

    /// The relations that a gathered root's rows come from.
    pub(super) fn relations_of(&self, root: usize) -> Vec<usize> {
        let feeds = self.gathering(root).map(|gathering| &gathering.feeds);
        let feeds = feeds.into_iter().flatten();
        feeds.filter_map(|feed| feed.relation).collect()
    }

    /// Publishes one column in each of these relations, at the same position in all.
    pub(super) fn publish(
        &mut self,
        relations: &[usize],
        name: &str,
        columns: Vec<ColumnRef>,
    ) -> usize {
        let Some(&first) = relations.first() else {
            return 0;
        };
        let count = self.relations[first].columns.len();
        let same = |at: &usize| {
            let mut pairs = relations.iter().zip(&columns);
            pairs.all(|(&relation, column)| self.relations[relation].columns[*at].1 == *column)
        };
        if let Some(known) = (0..count).find(same) {
            return known;
        }
        for (&relation, column) in relations.iter().zip(columns) {
            let columns = &mut self.relations[relation].columns;
            columns.push((name.to_owned(), column));
        }
        count
    }

    /// Adds what `collection` publishes for `reader`, or for lookups.
    pub(super) fn add_relation(
        &mut self,
        name: String,
        collection: usize,
        reader: Option<usize>,
    ) -> usize {
        self.relations.push(Published {
            name,
            collection,
            keys: 0,
            columns: Vec::new(),
            reader,
        });
        self.relations.len() - 1
    }
}
