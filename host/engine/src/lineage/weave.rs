//! Weaving: the part of a lineage's graph that lies within one root row, up from one of its rows or down from all of it.

use std::collections::{BTreeMap, HashMap};

use flowstone_core::{Argument, ColumnKind, ColumnRef};

use super::graph::{CallResult, LineageColumn, LineageEdge, LineageGraph, LineageNode};
use super::trace::{Origin, Trace};

/// What stands for a node of one root row while the graph is made, in the order in which a tree shows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Source,
    /// Collection and row.
    Row(usize, usize),
    /// Transform and row of its collection.
    Call(usize, usize),
}

/// A node by what it stands for, in all stages.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Met {
    Source,
    Row(Origin),
    /// The transform, and the row that it was called for.
    Call(usize, Vec<u32>),
}

/// A root row: the position of its stage, and its key.
pub(super) type RootId = (usize, Vec<u8>);

/// A graph while it is made, across stages. Nodes are made as they are met.
#[derive(Default)]
pub(super) struct Weaving {
    pub(super) graph: LineageGraph,
    met: HashMap<(RootId, Met), usize>,
}

impl Weaving {
    pub(super) fn add(&mut self, node: LineageNode) -> usize {
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    pub(super) fn link(&mut self, from: usize, to: usize, takes: Vec<LineageColumn>) {
        self.graph.edges.push(LineageEdge { from, to, takes });
    }

    /// The node of a root row, and whether it is a new one.
    pub(super) fn root(&mut self, id: RootId, node: impl FnOnce() -> LineageNode) -> (usize, bool) {
        self.node((id, Met::Source), node)
    }

    fn node(&mut self, id: (RootId, Met), node: impl FnOnce() -> LineageNode) -> (usize, bool) {
        if let Some(&known) = self.met.get(&id) {
            return (known, false);
        }
        let made = self.add(node());
        self.met.insert(id, made);
        (made, true)
    }
}

/// Columns with the names that they go under where they are taken.
pub(super) type Taken<'c> = Vec<(String, &'c ColumnRef)>;

/// A lookup of a call whose rows are still to be gone to.
pub(super) struct OpenLookup {
    /// The call.
    pub(super) node: usize,
    pub(super) parameter: String,
    /// The lookup, by its position in the stage.
    pub(super) lookup: usize,
    pub(super) hash: [u8; 16],
}

/// The way up within one root row.
pub(super) struct Upward<'w, 't, 'a> {
    pub(super) weaving: &'w mut Weaving,
    pub(super) trace: &'t Trace<'a>,
    pub(super) root: &'t RootId,
    /// The root row as a node.
    pub(super) source: &'t LineageNode,
    open: Vec<(Place, usize)>,
    /// The node of the root row, where it is new.
    pub(super) reached: Option<usize>,
    pub(super) lookups: Vec<OpenLookup>,
}

impl<'w, 't, 'a> Upward<'w, 't, 'a> {
    pub(super) fn new(
        weaving: &'w mut Weaving,
        trace: &'t Trace<'a>,
        root: &'t RootId,
        source: &'t LineageNode,
    ) -> Self {
        Self {
            weaving,
            trace,
            root,
            source,
            open: Vec::new(),
            reached: None,
            lookups: Vec::new(),
        }
    }

    /// Links a node to what it takes of a row, and goes on to all that this came from. `member` is put between where it
    /// takes several things.
    pub(super) fn climb(
        &mut self,
        mut from: usize,
        columns: &Taken<'_>,
        (collection, row): (usize, usize),
        member: Option<LineageNode>,
    ) {
        let columns = columns.iter().map(|(name, column)| (&**name, *column));
        let givers = self.givers(columns, collection, row);
        if let Some(member) = member
            && givers.len() != 1
        {
            let node = self.weaving.add(member);
            self.weaving.link(from, node, Vec::new());
            from = node;
        }
        self.take(from, givers);
        // What is met last is shown first, and opened at once: all that it came from stands below it.
        while let Some((place, node)) = self.open.pop() {
            self.go_on(place, node);
        }
        let is_reached = |this: &Self| {
            let source = (this.root.clone(), Met::Source);
            this.weaving.met.contains_key(&source)
        };
        if !is_reached(self) {
            // Whatever became of the calls between: this is the row that it came from.
            let to = self.node(Place::Source);
            self.weaving.link(from, to, Vec::new());
        }
    }

    /// What columns are taken of.
    fn givers<'c>(
        &self,
        columns: impl Iterator<Item = (&'c str, &'c ColumnRef)>,
        collection: usize,
        row: usize,
    ) -> BTreeMap<Place, Vec<LineageColumn>> {
        let mut givers: BTreeMap<Place, Vec<LineageColumn>> = BTreeMap::new();
        for (name, column) in columns {
            let row = self.trace.ancestor(column.collection, collection, row);
            let giver = match column.kind {
                ColumnKind::Source(_) => Place::Source,
                ColumnKind::Result(index) | ColumnKind::ResultField(index, _) => {
                    Place::Call(index, row)
                }
                ColumnKind::Row | ColumnKind::Field(_) => Place::Row(column.collection, row),
                ColumnKind::Lookup(_) => continue,
            };
            let column = self.trace.stage.column_path(column);
            givers.entry(giver).or_default().push(LineageColumn {
                name: name.to_owned(),
                column,
            });
        }
        givers
    }

    fn take(&mut self, node: usize, givers: BTreeMap<Place, Vec<LineageColumn>>) {
        for (giver, takes) in givers {
            let to = self.node(giver);
            self.weaving.link(node, to, takes);
        }
    }

    fn node(&mut self, place: Place) -> usize {
        let trace = self.trace;
        let met = match place {
            Place::Source => Met::Source,
            Place::Row(collection, row) => {
                Met::Row((collection, trace.rows[collection][row].origin.clone()))
            }
            Place::Call(transform, row) => {
                let collection = trace.stage.transforms[transform].collection;
                Met::Call(transform, trace.rows[collection][row].origin.clone())
            }
        };
        let (source, id) = (self.source, (self.root.clone(), met));
        let (node, is_new) = self.weaving.node(id, || match place {
            Place::Source => source.clone(),
            Place::Row(collection, row) => row_node(trace, collection, row),
            Place::Call(transform, row) => call_node(trace, transform, row),
        });
        if is_new {
            self.open.push((place, node));
        }
        node
    }

    fn go_on(&mut self, place: Place, node: usize) {
        let stage = self.trace.stage;
        match place {
            Place::Source => self.reached = Some(node),
            Place::Row(collection, row) => {
                if let Some(maker) = self.trace.maker(collection) {
                    let parent = self.trace.rows[collection][row].parent;
                    let to = self.node(Place::Call(maker, parent));
                    self.weaving.link(node, to, Vec::new());
                }
            }
            // Where it is not known which call it was, it is not known what that took either.
            Place::Call(index, row) if self.trace.calls[index][row].is_none() => {}
            Place::Call(index, row) => {
                let transform = &stage.transforms[index];
                let params = transform.arguments.iter().zip(&transform.function.params);
                let columns = params.filter_map(|(argument, param)| match argument {
                    Argument::Column(column) => Some((&*param.name, column)),
                    Argument::Literal(_) => None,
                });
                let columns: Vec<_> = columns.collect();
                for (parameter, column) in &columns {
                    self.open_lookup(node, parameter, column, (transform.collection, row));
                }
                let givers = self.givers(columns.into_iter(), transform.collection, row);
                self.take(node, givers);
            }
        }
    }

    fn open_lookup(
        &mut self,
        node: usize,
        parameter: &str,
        column: &ColumnRef,
        (collection, row): (usize, usize),
    ) {
        let ColumnKind::Lookup(lookup) = column.kind else {
            return;
        };
        let row = self.trace.ancestor(column.collection, collection, row);
        if let Some(hash) = self.trace.lookup_hash(lookup, row) {
            self.lookups.push(OpenLookup {
                node,
                parameter: parameter.to_owned(),
                lookup,
                hash,
            });
        }
    }
}

/// The calls below a root row, and the rows that they made: adds them to a graph, and tells the node of every row.
pub(super) fn below(
    weaving: &mut Weaving,
    trace: &Trace<'_>,
    root: usize,
) -> HashMap<Origin, usize> {
    let mut add = |from: usize, node: LineageNode| {
        let to = weaving.add(node);
        weaving.link(from, to, Vec::new());
        to
    };
    // The node of every row, by collection. Makers come before the collections that they make.
    let mut nodes: Vec<Vec<usize>> = (trace.rows.iter())
        .map(|rows| vec![root; rows.len()])
        .collect();
    for (index, transform) in trace.stage.transforms.iter().enumerate() {
        for (row, call) in trace.calls[index].iter().enumerate() {
            let made = transform.makes.zip(trace.made[index].get(row).cloned());
            let has_rows = made.as_ref().is_some_and(|(_, rows)| !rows.is_empty());
            // Where there was no such call there are no rows of it, unless a target says otherwise.
            if call.is_none() && !has_rows {
                continue;
            }
            let node = add(
                nodes[transform.collection][row],
                call_node(trace, index, row),
            );
            if let Some((made, rows)) = made {
                for child in rows {
                    nodes[made][child] = add(node, row_node(trace, made, child));
                }
            }
        }
    }
    let rows = trace.rows.iter().zip(nodes).enumerate();
    rows.flat_map(|(collection, (rows, nodes))| {
        let placed = rows.iter().zip(nodes);
        placed.map(move |(row, node)| ((collection, row.origin.clone()), node))
    })
    .collect()
}

fn row_node(trace: &Trace<'_>, collection: usize, row: usize) -> LineageNode {
    LineageNode::Row {
        collection: trace.stage.collections[collection].name.clone(),
        index: trace.rows[collection][row].origin.clone(),
    }
}

fn call_node(trace: &Trace<'_>, index: usize, row: usize) -> LineageNode {
    let call = trace.calls[index].get(row).and_then(Option::as_ref);
    LineageNode::Call {
        transform: trace.stage.transforms[index].name.clone(),
        key: call.map(|call| call.key.to_string()),
        result: call.map_or(CallResult::Lost, |call| call.result.clone()),
        literals: call.map_or_else(BTreeMap::new, |call| call.literals.clone()),
    }
}
