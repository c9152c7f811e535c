//! What rows of different stages have to do with each other: relations that stages publish, stages whose rows are gathered
//! from them, and lookups in them.
//!
//! ```text
//! stage `product` --publishes--> relation --gathered--> stage `stats` (one row per group)
//!                                relation --looked up-- stage `order` (an argument of a transform)
//! ```

use std::sync::Arc;

use super::cache::CacheSettings;
use super::plan::{ColumnRef, TargetPlan};
use crate::interface::Function;
use crate::types::Type;

/// The kind of a stage whose rows are groups of another collection's rows.
pub const REDUCE: &str = "reduce";
/// The kind of a stage whose rows are those of several collections.
pub const UNION: &str = "union";
/// The kind of a stage whose rows are those of a collection, with what a transform with state made of them.
pub const STATE: &str = "state";
/// The kind of the targets that are relations.
pub const RELATION: &str = "relation";

/// Rows that a stage publishes for others: what a target is, kept in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// The rows that are published, as a target's. Its key columns come first among its columns: they are the group that a
    /// row belongs to, or what a lookup asks for.
    pub rows: TargetPlan,
    /// Who reads it.
    pub reader: Reader,
}

/// Who reads a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The stage at this position of [`Plan::stages`](super::Plan::stages), which gathers its rows from it.
    Stage(usize),
    /// Lookups.
    Lookup,
}

/// A relation, by its place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationRef {
    /// The stage that publishes it, by its position in [`Plan::stages`](super::Plan::stages).
    pub stage: usize,
    /// Its position in [`Stage::relations`](super::Stage::relations).
    pub relation: usize,
}

/// How the rows of a stage are gathered from what other stages publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// The relations: one of a reduce or of state, one per collection of a union, in the order of their origins.
    pub from: Vec<Origin>,
    /// What each of [`SourcePlan::columns`](super::SourcePlan::columns) holds, in order.
    pub columns: Vec<GatherColumn>,
    /// What is made of the members before there are rows.
    pub fold: Option<Fold>,
}

/// Where gathered rows come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The collection's name.
    pub name: String,
    /// What it publishes.
    pub relation: RelationRef,
}

/// A column of a gathered row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatherColumn {
    /// The group's column at this position among the relation's columns.
    Group(usize),
    /// The list of the members' values of the relation's column at this position, in the order of the members' keys.
    Members(usize),
    /// Of a row that is one member: its value of the relation's column at this position.
    Own(usize),
    /// Of a union's row: the name of the collection that it comes from.
    Origin,
    /// What the fold came to, or a field of that. Of state, what it made for this row.
    Folded(Option<usize>),
}

/// What is made of a group's members, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Its name, for reports.
    pub name: String,
    /// The plugin's name in the flow.
    pub plugin: String,
    /// The function.
    pub function: Function,
    /// How the function is applied.
    pub kind: FoldKind,
    /// How its results are remembered.
    pub cache: CacheSettings,
}

/// How a fold applies its function.
#[derive(Clone, Debug, PartialEq)]
pub enum FoldKind {
    /// An associative `func(a: T, b: T) -> T` over the relation's column at this position.
    Combine {
        /// The column.
        column: usize,
        /// T.
        ty: Type,
    },
    /// `func(state: option<S>, ...: list<T>...) -> tuple<S, list<U>>`, over batches of members.
    State {
        /// Where the function's arguments come from, in order.
        arguments: Vec<StateArgument>,
        /// S.
        state: Type,
        /// U.
        output: Type,
        /// The most members that one call gets.
        rows_max: u32,
    },
}

/// An argument of a function with state.
#[derive(Clone, Debug, PartialEq)]
pub enum StateArgument {
    /// The state that the members before have left; none before the first.
    State,
    /// From the flow file.
    Literal(crate::value::Value),
    /// The list of the batch's values of the relation's column at this position.
    Members(usize),
}

/// A column of a row that is found in another collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Its name: that of the parameter.
    pub name: String,
    /// The name of the collection that is looked in.
    pub within: String,
    /// The collection whose rows look something up.
    pub collection: usize,
    /// What is asked for: columns of that collection or of its parents, as many as the relation has key columns.
    pub keys: Vec<ColumnRef>,
    /// Where it is looked up.
    pub relation: RelationRef,
    /// Whether all rows that match are handed over, as a list, instead of one or none.
    pub many: bool,
    /// The type of a row that is found: a record of the relation's columns behind the key, or the only one of them.
    pub row: Type,
    /// Whether a row is a record of the columns, also where there is only one.
    pub record: bool,
}

impl Gather {
    /// Whether its rows are those that a function with state has made something of, one by one.
    pub fn is_state(&self) -> bool {
        let state = |fold: &Fold| matches!(fold.kind, FoldKind::State { .. });
        self.fold.as_ref().is_some_and(state)
    }
}

impl Fold {
    /// The type of what it comes to: of a group, or with state of a row.
    pub fn result(&self) -> &Type {
        match &self.kind {
            FoldKind::Combine { ty, .. } => ty,
            FoldKind::State { output, .. } => output,
        }
    }

    /// Of a function that returns a `result`, the type of what err carries, if anything.
    pub fn fallible(&self) -> Option<Option<&Type>> {
        let whole = self.function.result.as_ref()?;
        // What is combined may itself be a `result`.
        let is_combined = matches!(&self.kind, FoldKind::Combine { ty, .. } if ty == whole);
        match whole {
            Type::Result { err, .. } if !is_combined => Some(err.as_deref()),
            _ => None,
        }
    }
}

/// What a function returns when all goes well.
pub(super) fn ok_of(result: Option<&Type>) -> Option<&Type> {
    match result? {
        Type::Result { ok, .. } => ok.as_deref(),
        other => Some(other),
    }
}

impl Lookup {
    /// The type of the column: `option<T>`, or `list<T>`.
    pub fn ty(&self) -> Type {
        if self.many {
            Type::List(Arc::new(self.row.clone()))
        } else {
            Type::Option(Arc::new(self.row.clone()))
        }
    }
}
