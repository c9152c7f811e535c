//! Wiring: every parameter and every target column finds its column, and the types are checked.
//!
//! A parameter is looked up in `with`, `lookup` and `from`, then by its name among the columns of the row, then among
//! those of the row's parents. Columns of gathered rows are found where they are published, and published when read.

mod arguments;
mod batch;
mod candidates;
mod circles;
mod find;
mod functions;
mod keys;
mod lookup;
mod order;
mod pins;
mod place;
mod pull;
mod reduce;
mod roots;
mod stages;
mod state;
mod targets;
mod union;

use std::cell::RefCell;
use std::collections::BTreeMap;

use self::find::Memo;
use super::connectors::{Column, Connectors, OptionError};
use super::declaration::{FlowFile, SourceDecl, TransformDecl};
use super::gather::{Fold, GatherColumn};
use super::plan::{ColumnRef, Plan, ResultShape, Stage};
use super::steps::{ReduceDecl, UnionDecl};
use super::tree::Located;
use crate::diagnostic::{Diagnostic, FlowErrors, suggest};
use crate::interface::{Function, Interface};
use crate::types::Type;

impl FlowFile {
    /// Wires the flow: finds the functions in the plugins' interfaces, resolves every column, checks every type.
    ///
    /// # Errors
    ///
    /// Everything that does not fit, each with its place in the flow file, what was expected, and the candidates.
    pub fn wire(
        &self,
        interfaces: &BTreeMap<String, Interface>,
        connectors: &dyn Connectors,
    ) -> Result<Plan, FlowErrors> {
        let mut errors = Vec::new();
        let mut wiring = Wiring::new(self, interfaces, connectors, &mut errors);
        let stages = wiring.wired(&mut errors);
        errors.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
        if errors.is_empty() {
            Ok(Plan {
                name: self.name.value.clone(),
                stages,
                store: self.store,
            })
        } else {
            Err(FlowErrors(errors))
        }
    }
}

/// A collection while wiring; positions count over the whole flow.
struct Rows<'a> {
    name: String,
    parent: Option<usize>,
    /// The type of its rows; none for a root.
    row: Option<Type>,
    /// Where its rows come from, for a root.
    origin: Option<Origin<'a>>,
    /// The columns that somebody reads, for a root.
    columns: Vec<Column>,
    /// What each of these holds, where they are gathered.
    gathered: Vec<GatherColumn>,
}

/// Where the rows of a root collection come from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Source(&'a SourceDecl),
    /// From other collections: the position in [`Wiring::gathers`].
    Gather(usize),
}

/// A root collection whose rows come from other collections, while wiring.
struct Gathering<'a> {
    step: Step<'a>,
    root: usize,
    /// The collections that its rows come from, in the order of their names, each with its relation.
    feeds: Vec<Feed>,
    /// The key columns of its relation: the columns that a group's rows have in common.
    keys: Vec<Column>,
    /// The transform that makes a reduce's result, or whose results are combined.
    node: Option<usize>,
    /// What is made of the members before there are rows.
    fold: Option<Fold>,
    /// Whether something that it hangs on has been reported already.
    at_fault: bool,
}

struct Feed {
    collection: usize,
    /// The position in [`Wiring::relations`], once its stage's turn has come.
    relation: Option<usize>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Reduce(&'a ReduceDecl),
    Union(&'a UnionDecl),
    State(&'a TransformDecl),
}

/// What a collection publishes, while wiring.
struct Published {
    name: String,
    collection: usize,
    /// How many of the columns are its key.
    keys: usize,
    columns: Vec<(String, ColumnRef)>,
    /// The root collection that is gathered from it; none for lookups.
    reader: Option<usize>,
}

/// A transform while wiring.
struct Node<'a> {
    decl: &'a TransformDecl,
    function: Option<&'a Function>,
    plugin: &'a str,
    collection: Option<usize>,
    makes: Option<usize>,
    result: Option<ResultShape>,
    role: Role,
}

/// What a transform is for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// It makes a column or rows.
    Plain,
    /// It makes a group's result: the position of the reduce among the gatherings.
    Group(usize),
    /// It makes what a reduce combines.
    Member,
}

struct Wiring<'a> {
    file: &'a FlowFile,
    interfaces: &'a BTreeMap<String, Interface>,
    connectors: &'a dyn Connectors,
    collections: Vec<Rows<'a>>,
    nodes: Vec<Node<'a>>,
    gathers: Vec<Gathering<'a>>,
    relations: Vec<Published>,
    lookups: Vec<super::gather::Lookup>,
    memo: RefCell<Memo>,
}

/// What became of looking a name up.
#[derive(Clone, Debug)]
enum Found<C> {
    Column(C),
    /// There is a column of that name, but of this type.
    OtherType(String, Type),
    /// The collections of a union do not agree about it: how they differ.
    Uneven(String),
    Nothing,
}

impl<'a> Wiring<'a> {
    fn new(
        file: &'a FlowFile,
        interfaces: &'a BTreeMap<String, Interface>,
        connectors: &'a dyn Connectors,
        errors: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut wiring = Self {
            file,
            interfaces,
            connectors,
            collections: Vec::new(),
            nodes: Vec::new(),
            gathers: Vec::new(),
            relations: Vec::new(),
            lookups: Vec::new(),
            memo: RefCell::default(),
        };
        wiring.check_names(errors);
        wiring.add_roots(errors);
        wiring.add_transforms(errors);
        wiring.place(errors);
        wiring.find_feeds(errors);
        wiring
    }

    /// Wires stage by stage, each after those whose columns it may read, so that all types are known where they are needed.
    fn wired(&mut self, errors: &mut Vec<Diagnostic>) -> Vec<Stage> {
        let roots = match self.order_of_stages() {
            Ok(roots) => roots,
            Err(fault) => {
                errors.push(fault);
                return Vec::new();
            }
        };
        let mut arguments = vec![Vec::new(); self.nodes.len()];
        for &root in &roots {
            self.open(root, errors);
            for (index, arguments) in arguments.iter_mut().enumerate() {
                let collection = self.nodes[index].collection;
                if collection.is_some_and(|collection| self.root(collection) == root) {
                    *arguments = self.arguments(index, errors);
                }
            }
        }
        let targets = self.targets(errors);
        self.check_pins(errors);
        if !errors.is_empty() {
            return Vec::new();
        }
        match self.order_of_transforms(&arguments) {
            Ok(order) => self.stages(&roots, &order, &arguments, &targets),
            Err(circle) => {
                errors.push(circle);
                Vec::new()
            }
        }
    }

    /// Finds the key columns of a gathered root, and what publishes for it.
    fn open(&mut self, root: usize, errors: &mut Vec<Diagnostic>) {
        let Some(Origin::Gather(at)) = self.collections[root].origin else {
            return;
        };
        let feeds = &self.gathers[at].feeds;
        let tainted = feeds.iter().any(|feed| self.is_tainted(feed.collection));
        self.gathers[at].at_fault |= tainted;
        match self.gathers[at].step {
            Step::Reduce(decl) => self.open_reduce(at, decl, errors),
            Step::Union(_) => self.open_union(at),
            Step::State(decl) => self.open_state(at, decl, errors),
        }
    }

    /// The root that a collection's rows come of.
    fn root(&self, collection: usize) -> usize {
        self.lineage(collection).last().unwrap_or(collection)
    }

    /// The collection and its parents, nearest first.
    fn lineage(&self, collection: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(collection), |&up| self.collections[up].parent)
    }

    /// Whether a collection comes of something that is at fault and has been reported.
    fn is_tainted(&self, collection: usize) -> bool {
        match self.collections[self.root(collection)].origin {
            Some(Origin::Gather(at)) => self.gathers[at].at_fault,
            _ => false,
        }
    }

    /// The gathering that a collection is the root of.
    fn gathering(&self, collection: usize) -> Option<&Gathering<'a>> {
        match self.collections[collection].origin {
            Some(Origin::Gather(at)) => Some(&self.gathers[at]),
            _ => None,
        }
    }
}

impl<'a> Step<'a> {
    /// What it is, for messages: "reduce".
    fn noun(self) -> &'static str {
        match self {
            Step::Reduce(_) => "reduce",
            Step::Union(_) => "union",
            Step::State(_) => "transform",
        }
    }

    fn name(self) -> &'a Located<String> {
        match self {
            Step::Reduce(decl) => &decl.call.name,
            Step::Union(decl) => &decl.name,
            Step::State(decl) => &decl.name,
        }
    }

    /// The collections that it names.
    fn feeds(self) -> Vec<&'a Located<String>> {
        match self {
            Step::Reduce(decl) => vec![&decl.call.each],
            Step::Union(decl) => decl.of.iter().collect(),
            Step::State(decl) => vec![&decl.each],
        }
    }
}

fn option_fault(
    owner: &Located<String>,
    spans: &BTreeMap<String, Located<()>>,
    error: OptionError,
) -> Diagnostic {
    let span = error
        .option
        .as_ref()
        .and_then(|option| spans.get(option))
        .map_or(&owner.span, |located| &located.span);
    let fault = Diagnostic::at(span, error.message);
    match (&error.option, error.candidates.is_empty()) {
        (Some(option), false) => {
            fault.help(suggest(option, error.candidates.iter().map(String::as_str)))
        }
        _ => fault,
    }
}
