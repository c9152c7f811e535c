//! The lineage of a row as a graph: upward from a target row to its source row, downward from a source row to its targets.

use std::collections::{BTreeMap, HashMap};

use flowstone_core::{Argument, ColumnKind, ColumnRef, TargetPlan};
use serde::Serialize;

use super::trace::{Origin, Trace};

/// The lineage of a row. The first node is the row that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineageGraph {
    /// Rows and calls.
    pub nodes: Vec<LineageNode>,
    /// From each node to those that it came from, or, downward, to those that came of it. No node is its own ancestor.
    pub edges: Vec<LineageEdge>,
}

/// A row or a call in a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LineageNode {
    /// The row of a source.
    Source {
        /// The source's name.
        name: String,
        /// The row's key, for people.
        key: String,
        /// The fingerprint of the columns that the flow reads; none for a row that could not be read.
        content: Option<String>,
    },
    /// A row that a call made.
    Row {
        /// Its collection.
        collection: String,
        /// Its positions in the lists from the root row down.
        index: Vec<u32>,
    },
    /// A call.
    Call {
        /// The transform's name.
        transform: String,
        /// The memo key; none where it is not known which call it was.
        key: Option<String>,
        /// What came of it.
        result: CallResult,
        /// The literal arguments, as WAVE text by parameter.
        literals: BTreeMap<String, String>,
    },
    /// The row of a target.
    Target {
        /// The target's name.
        name: String,
        /// The row's key, for people.
        key: String,
    },
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallResult {
    /// A value, as WAVE text.
    Value(String),
    /// A value that is too long to be shown: its fingerprint.
    Long(String),
    /// So many rows.
    Rows(u64),
    /// None: there is no row here.
    Nothing,
    /// It failed by its own account.
    Failed(String),
    /// It is not remembered.
    Lost,
}

/// From a node to one that it came from, or that came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageEdge {
    /// The nearer one to the row that was asked for, by position.
    pub from: usize,
    /// The other one, by position.
    pub to: usize,
    /// Upward, what the one takes from the other.
    pub takes: Vec<LineageColumn>,
}

/// An argument of a call or a column of a target row, and the column that it is filled from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageColumn {
    /// The parameter or the target's column.
    pub name: String,
    /// The column as a flow file may name it.
    pub column: String,
}

impl LineageGraph {
    /// The graph of a target row of which only the source row is known.
    pub(super) fn direct(target: &TargetPlan, key: String, source: LineageNode) -> Self {
        let name = target.name.clone();
        let takes = Vec::new();
        Self {
            nodes: vec![LineageNode::Target { name, key }, source],
            edges: vec![LineageEdge {
                from: 0,
                to: 1,
                takes,
            }],
        }
    }
}

/// What stands for a node while the graph is made, in the order in which a tree shows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Source,
    /// Collection and row.
    Row(usize, usize),
    /// Transform and row of its collection.
    Call(usize, usize),
}

/// The graph from a target row upward. Nodes are made as they are met.
pub(super) struct Upward<'t, 'a> {
    trace: &'t Trace<'a>,
    source: LineageNode,
    graph: LineageGraph,
    met: HashMap<Place, usize>,
    open: Vec<(Place, usize)>,
}

impl<'t, 'a> Upward<'t, 'a> {
    /// The graph of the target row `key`, made of the row `row` of its collection.
    pub(super) fn graph(
        trace: &'t Trace<'a>,
        source: LineageNode,
        (target, key): (&TargetPlan, String),
        row: usize,
    ) -> LineageGraph {
        let mut up = Self {
            trace,
            source,
            graph: LineageGraph::default(),
            met: HashMap::new(),
            open: Vec::new(),
        };
        up.graph.nodes.push(LineageNode::Target {
            name: target.name.clone(),
            key,
        });
        let columns = target.spec.columns.iter().map(|column| &*column.name);
        up.take(0, columns.zip(&target.columns), target.collection, row);
        // What is met last is shown first, and opened at once: all that it came from stands below it.
        while let Some((place, node)) = up.open.pop() {
            up.go_on(place, node);
        }
        if !up.met.contains_key(&Place::Source) {
            // Whatever became of the calls between: this is the row that it came from.
            let to = up.node(Place::Source);
            up.graph.edges.push(LineageEdge {
                from: 0,
                to,
                takes: Vec::new(),
            });
        }
        up.graph
    }

    /// Links a node to what it takes columns from.
    fn take<'c>(
        &mut self,
        node: usize,
        columns: impl Iterator<Item = (&'c str, &'c ColumnRef)>,
        collection: usize,
        row: usize,
    ) {
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
        for (giver, takes) in givers {
            let to = self.node(giver);
            self.graph.edges.push(LineageEdge {
                from: node,
                to,
                takes,
            });
        }
    }

    fn node(&mut self, place: Place) -> usize {
        if let Some(&node) = self.met.get(&place) {
            return node;
        }
        let made = match place {
            Place::Source => self.source.clone(),
            Place::Row(collection, row) => row_node(self.trace, collection, row),
            Place::Call(transform, row) => call_node(self.trace, transform, row),
        };
        let node = self.graph.nodes.len();
        self.graph.nodes.push(made);
        self.met.insert(place, node);
        self.open.push((place, node));
        node
    }

    fn go_on(&mut self, place: Place, node: usize) {
        let stage = self.trace.stage;
        match place {
            Place::Source => {}
            Place::Row(collection, row) => {
                if let Some(maker) = self.trace.maker(collection) {
                    let parent = self.trace.rows[collection][row].parent;
                    let to = self.node(Place::Call(maker, parent));
                    self.graph.edges.push(LineageEdge {
                        from: node,
                        to,
                        takes: Vec::new(),
                    });
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
                self.take(node, columns, transform.collection, row);
            }
        }
    }
}

/// The graph from a source row downward: its calls, the rows that they made, and the target rows of each row.
pub(super) fn downward(
    trace: &Trace<'_>,
    source: LineageNode,
    targets: Vec<(Option<Origin>, LineageNode)>,
) -> LineageGraph {
    let mut graph = LineageGraph {
        nodes: vec![source],
        edges: Vec::new(),
    };
    let mut add = |from: usize, node: LineageNode| {
        graph.nodes.push(node);
        let to = graph.nodes.len() - 1;
        graph.edges.push(LineageEdge {
            from,
            to,
            takes: Vec::new(),
        });
        to
    };
    // The node of every row, by collection. Makers come before the collections that they make.
    let mut nodes: Vec<Vec<usize>> = trace.rows.iter().map(|rows| vec![0; rows.len()]).collect();
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
    let rows: HashMap<(usize, &[u32]), usize> = (trace.rows.iter().enumerate())
        .flat_map(|(collection, rows)| {
            let placed = rows.iter().zip(&nodes[collection]);
            placed.map(move |(row, node)| ((collection, &*row.origin), *node))
        })
        .collect();
    for (origin, target) in targets {
        // Where the flow has another collection there now, it hangs on the source row.
        let parent =
            origin.and_then(|(collection, origin)| rows.get(&(collection, &*origin)).copied());
        add(parent.unwrap_or(0), target);
    }
    graph
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
