//! Finding: which column a name means, seen from a row of a collection. Nothing is changed here: what is found is a
//! [`Spot`], and only [`pull`](super::pull) makes sources give it and stages publish it.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Found, Gathering, Node, Origin, Role, Step, Wiring};
use crate::flow::connectors::SourceColumns;
use crate::flow::declaration::SourceDecl;
use crate::flow::gather::GatherColumn;
use crate::flow::plan::{ColumnKind, ColumnRef};
use crate::types::Type;

/// A column that was found.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) collection: usize,
    pub(super) kind: SpotKind,
    pub(super) ty: Type,
}

#[derive(Clone, Debug)]
pub(super) enum SpotKind {
    /// Of the row, or a result.
    Fixed(ColumnKind),
    /// The source's column of this name.
    Source(String),
    /// Of a gathered row, under this name: what its relation holds in any case.
    Gathered(GatherColumn, String),
    /// Of a gathered row, under this name: what its collections publish when asked, one spot of each of them.
    Asked(String, Rc<[Spot]>),
}

impl Spot {
    /// Whether it is the same column, be it read as another type.
    pub(super) fn is_same(&self, other: &Spot) -> bool {
        let same = match (&self.kind, &other.kind) {
            (SpotKind::Fixed(a), SpotKind::Fixed(b)) => a == b,
            (SpotKind::Source(a), SpotKind::Source(b))
            | (SpotKind::Asked(a, _), SpotKind::Asked(b, _)) => a == b,
            (SpotKind::Gathered(a, _), SpotKind::Gathered(b, _)) => a == b,
            _ => false,
        };
        same && self.collection == other.collection
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'t> {
    /// The type that it must have.
    pub(super) wanted: Option<&'t Type>,
    /// The transform that asks, which does not mean its own result.
    pub(super) asking: Option<usize>,
    /// Whether a source whose columns are not known is taken to have it.
    pub(super) open: bool,
}

impl<'t> Ask<'t> {
    pub(super) fn of(wanted: Option<&'t Type>) -> Self {
        Self {
            wanted,
            asking: None,
            open: true,
        }
    }
}

/// What was found on unions in the course of one search. Unions of unions would be searched again and again.
pub(super) type Memo = HashMap<(usize, String, Option<Type>, bool), Found<Spot>>;

impl<C> Found<C> {
    pub(super) fn map<D>(self, then: impl FnOnce(C) -> D) -> Found<D> {
        match self {
            Found::Column(column) => Found::Column(then(column)),
            Found::OtherType(name, ty) => Found::OtherType(name, ty),
            Found::Uneven(how) => Found::Uneven(how),
            Found::Nothing => Found::Nothing,
        }
    }

    pub(super) fn column(self) -> Option<C> {
        match self {
            Found::Column(column) => Some(column),
            _ => None,
        }
    }
}

impl Wiring<'_> {
    /// Resolves a path and has the column read.
    pub(super) fn resolve(
        &mut self,
        collection: usize,
        path: &str,
        wanted: Option<&Type>,
        asking: Option<usize>,
    ) -> Found<ColumnRef> {
        let ask = Ask {
            asking,
            ..Ask::of(wanted)
        };
        let found = self.find(collection, path, ask);
        found.map(|spot| self.pull(&spot))
    }

    /// Finds `column`, `column.field`, `collection.column` or `collection.column.field`, seen from `collection`.
    pub(super) fn find(&self, collection: usize, path: &str, ask: Ask<'_>) -> Found<Spot> {
        self.memo.borrow_mut().clear();
        self.find_from(collection, path, ask)
    }

    /// Finds a path while a search is under way.
    pub(super) fn find_from(&self, collection: usize, path: &str, ask: Ask<'_>) -> Found<Spot> {
        if let Some((first, rest)) = path.split_once('.') {
            let mut lineage = self.lineage(collection);
            if let Some(named) = lineage.find(|&up| self.collections[up].name == first) {
                return match (self.find_on(named, rest, ask), self.groups_of(named)) {
                    (Found::Nothing, Some(groups)) => self.find_on(groups, rest, ask),
                    (found, _) => found,
                };
            }
        }
        let mut other = Found::Nothing;
        for up in self.lineage(collection) {
            match self.find_on(up, path, ask) {
                Found::Nothing => {}
                found @ Found::Column(_) => return found,
                found => {
                    if matches!(other, Found::Nothing) {
                        other = found;
                    }
                }
            }
        }
        other
    }

    /// Whether two paths mean the same column of a row.
    pub(super) fn is_same(&self, collection: usize, one: &str, other: &str) -> bool {
        let spot = |path: &str| self.find(collection, path, Ask::of(None)).column();
        match (spot(one), spot(other)) {
            (Some(one), Some(other)) => one.is_same(&other),
            _ => one == other,
        }
    }

    /// The groups that the rows of a reduce come of, which go by the name of the rows.
    fn groups_of(&self, collection: usize) -> Option<usize> {
        let parent = self.collections[collection].parent?;
        let is_reduce = matches!(self.gathering(parent), Some(gathering) if gathering.makes_rows());
        let same = is_reduce && self.stage_name(parent) == self.collections[collection].name;
        same.then_some(parent)
    }

    /// Whether a collection surely has a column of that name, other than by the transform that asks.
    pub(super) fn has(&self, collection: usize, name: &str, asking: Option<usize>) -> bool {
        self.memo.borrow_mut().clear();
        let ask = Ask {
            asking,
            open: false,
            ..Ask::of(None)
        };
        matches!(self.find_on(collection, name, ask), Found::Column(_))
    }

    /// Finds the whole row: its value, or what a step makes of a group or of a row. Rows of sources are none.
    pub(super) fn find_whole(&self, collection: usize, ask: Ask<'_>) -> Found<Spot> {
        let rows = &self.collections[collection];
        let found = match (&rows.row, self.gathering(collection)) {
            (Some(row), _) => Some((SpotKind::Fixed(ColumnKind::Row), row.clone())),
            (None, Some(union)) if matches!(union.step, Step::Union(_)) => {
                return self.find_in_union(union, &rows.name, ask);
            }
            (None, Some(gathering)) => self.made(gathering, None),
            (None, None) => None,
        };
        found.map_or(Found::Nothing, |found| {
            fits(collection, &rows.name, found, ask.wanted)
        })
    }

    /// Finds `column` or `column.field` on just this collection.
    fn find_on(&self, collection: usize, path: &str, ask: Ask<'_>) -> Found<Spot> {
        let (name, field) = parts(path);
        let is_column = |(index, node): &(usize, &Node<'_>)| {
            node.makes_column(collection)
                && Some(*index) != ask.asking
                && node.decl.name.value == name
        };
        let mut nodes = self.nodes.iter().enumerate();
        if let Some((index, node)) = nodes.find(is_column)
            && let Some(result) = &node.result
        {
            let whole = ColumnKind::Result(index);
            return part(&result.value, field, |field| match field {
                None => SpotKind::Fixed(whole),
                Some(field) => SpotKind::Fixed(ColumnKind::ResultField(index, field)),
            })
            .map_or(Found::Nothing, |found| {
                fits(collection, path, found, ask.wanted)
            });
        }
        match self.collections[collection].origin {
            None | Some(Origin::Source(_)) if field.is_some() => Found::Nothing,
            None => self.find_in_row(collection, name, ask),
            Some(Origin::Source(decl)) => self.find_in_source(collection, decl, name, ask),
            Some(Origin::Gather(at)) => {
                let gathering = &self.gathers[at];
                match gathering.step {
                    Step::Reduce(_) => self.find_in_reduce(gathering, path, ask),
                    Step::Union(_) => self.find_in_union(gathering, path, ask),
                    Step::State(_) => self.find_in_state(gathering, path, ask),
                }
            }
        }
    }

    fn find_in_row(&self, collection: usize, name: &str, ask: Ask<'_>) -> Found<Spot> {
        let rows = &self.collections[collection];
        let Some(row) = &rows.row else {
            return Found::Nothing;
        };
        let kind = |field: Option<usize>| {
            SpotKind::Fixed(field.map_or(ColumnKind::Row, ColumnKind::Field))
        };
        let found = part(row, Some(name), kind)
            .or_else(|| part(row, None, kind).filter(|_| rows.name == name));
        found.map_or(Found::Nothing, |found| {
            fits(collection, name, found, ask.wanted)
        })
    }

    fn find_in_source(
        &self,
        collection: usize,
        decl: &SourceDecl,
        name: &str,
        ask: Ask<'_>,
    ) -> Found<Spot> {
        let kind = &decl.kind.value;
        let default = match self.connectors.source_columns(kind) {
            Some(SourceColumns::Fixed(columns)) => columns
                .into_iter()
                .find(|(column, _)| column == name)
                .and_then(|(_, types)| types.into_iter().next()),
            Some(SourceColumns::Open) if ask.open => Some(Type::String),
            _ => None,
        };
        let Some(default) = default else {
            return Found::Nothing;
        };
        // Whoever does not say which type takes the one that others ask for, when that is only one.
        let ty = match ask.wanted {
            Some(wanted) => wanted.clone(),
            None => self
                .only_type_of(collection, name)
                .unwrap_or(default.clone()),
        };
        if !self.connectors.accepts(kind, name, &ty) {
            return Found::OtherType(name.to_owned(), default);
        }
        Found::Column(Spot {
            collection,
            kind: SpotKind::Source(name.to_owned()),
            ty,
        })
    }

    /// The type in which a root's column is read, if it is read in one.
    pub(super) fn only_type_of(&self, root: usize, name: &str) -> Option<Type> {
        let columns = &self.collections[root].columns;
        let mut asked = columns.iter().filter(|column| column.name == name);
        let only = asked.next()?;
        asked.next().is_none().then(|| only.ty.clone())
    }
}

impl Node<'_> {
    /// Whether its result is a column of the rows of this collection.
    pub(super) fn makes_column(&self, collection: usize) -> bool {
        self.collection == Some(collection) && !self.decl.rows && self.role != Role::Member
    }
}

impl Gathering<'_> {
    /// Whether the groups' results are rows, so that the groups themselves have no name.
    pub(super) fn makes_rows(&self) -> bool {
        matches!(self.step, Step::Reduce(decl) if decl.call.rows)
    }
}

/// `column.field`, in two.
pub(super) fn parts(path: &str) -> (&str, Option<&str>) {
    path.split_once('.')
        .map_or((path, None), |(name, field)| (name, Some(field)))
}

/// A value or a field of it: where that is, and its type.
pub(super) fn part(
    ty: &Type,
    field: Option<&str>,
    kind: impl Fn(Option<usize>) -> SpotKind,
) -> Option<(SpotKind, Type)> {
    let Some(field) = field else {
        return Some((kind(None), ty.clone()));
    };
    let fields = ty.fields()?;
    let at = fields.iter().position(|known| *known.name == *field)?;
    Some((kind(Some(at)), fields[at].ty.clone()))
}

/// The column, if it has the type that is wanted.
pub(super) fn fits(
    collection: usize,
    name: &str,
    (kind, ty): (SpotKind, Type),
    wanted: Option<&Type>,
) -> Found<Spot> {
    if wanted.is_none_or(|wanted| *wanted == ty) {
        Found::Column(Spot {
            collection,
            kind,
            ty,
        })
    } else {
        Found::OtherType(name.to_owned(), ty)
    }
}
