//! Lineage: where a target row came from, and what a source row became.

mod ascent;
mod descent;
mod graph;
mod trace;
mod weave;

use std::collections::{BTreeMap, BTreeSet};

use flowstone_connect::target_keys;
use flowstone_core::{MemoKey, RELATION, RelationRef, Stage, TargetPlan};
use flowstone_store::{CallRecord, CollectionId, Lineage, RowHead, Snapshot, TargetId, TargetRow};

use self::ascent::Ascent;
use self::descent::Descent;
pub use self::graph::{CallResult, LineageColumn, LineageEdge, LineageGraph, LineageNode};
use self::trace::{Origin, Trace, TracedStage};
use crate::books::{Books, TargetEntry, stage_names};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::named::{find_row, rows_like};
use crate::overrides::depth;
use crate::recipe::recipe;
use crate::reconcile::digest;
use crate::relation::{display_key, is_gathered, noun};
use crate::report::{LineageCall, LineageReport, LineageTarget};
use crate::run::{lookups, shape};
use crate::stage::columns_identity;

impl Engine {
    /// Where the row `key` of the target `name` came from.
    ///
    /// # Errors
    ///
    /// When the flow has no such target, the key is none of its, or no run has written such a row.
    pub fn lineage_of_target(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
    ) -> Result<LineageReport, Error> {
        let snapshot = self.store.snapshot()?;
        let books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        let targets = || flow.plan.stages.iter().flat_map(|stage| &stage.targets);
        let target = targets()
            .find(|target| target.name == name)
            .ok_or_else(|| {
                let help = flowstone_core::suggest(name, targets().map(|target| &*target.name));
                Error::NotFound(format!("the flow has no target `{name}`: {help}"))
            })?;
        let never = || Error::NotFound(format!("no run has written to target `{name}` yet"));
        let id = books.target(&target.spec).ok_or_else(never)?;
        let keys = target_keys(&target.spec).map_err(|error| Error::Target {
            target: name.to_owned(),
            error: error.into(),
        })?;
        let bytes = keys
            .parse_key(key)
            .map_err(|error| Error::NotFound(error.to_string()))?;
        let owner = snapshot.owner(id, &bytes)?.ok_or_else(|| {
            Error::NotFound(format!(
                "target `{name}` has no row with the key {}",
                keys.display_key(&bytes)
            ))
        })?;
        let root = Root::read(&books, &snapshot, owner.collection, owner.row)?;
        let shown = keys.display_key(&bytes);
        let mut report = root.report(&books);
        report
            .targets
            .retain(|row| row.target == name && row.key == shown);
        let mut rows = root.lineage.targets.iter();
        let row = rows.find(|row| row.target == id && row.key == bytes);
        let past = Past::new(self, flow, &books, &snapshot);
        (report.graph, report.certain) = root.upward(&past, (target, shown), row)?;
        Ok(report)
    }

    /// What became of the row `key` of the source `name`.
    ///
    /// # Errors
    ///
    /// When the flow has no such source, or no run has seen such a row.
    pub fn lineage_of_source(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
    ) -> Result<LineageReport, Error> {
        let snapshot = self.store.snapshot()?;
        let books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        let stages = &flow.plan.stages;
        let stage = stages
            .iter()
            .find(|stage| stage.source.name == name)
            .ok_or_else(|| {
                let help =
                    flowstone_core::suggest(name, stages.iter().map(|stage| &*stage.source.name));
                Error::NotFound(format!("the flow has no source `{name}`: {help}"))
            })?;
        let kind = &stage.source.kind;
        let never = |help: &str| {
            let noun = noun(kind);
            Error::NotFound(format!(
                "{noun} `{name}` has no row `{key}` in the last run{help}"
            ))
        };
        let collection = books.source(name).ok_or_else(|| never(""))?;
        let Some(bytes) = find_row(&snapshot, collection, kind, key)? else {
            return Err(never(&rows_like(&snapshot, collection, kind, key)?));
        };
        let root = Root::read(&books, &snapshot, collection, bytes)?;
        let mut report = root.report(&books);
        let past = Past::new(self, flow, &books, &snapshot);
        let mut descent = Descent::new(&past);
        let position = past.stage(name);
        let position = position.ok_or(Error::Internal("a stage is not in its flow"))?;
        descent.go_down_from(position, root)?;
        (report.graph, report.unplaced) = (descent.weaving.graph, descent.unplaced);
        report.certain = report.unplaced.is_empty();
        Ok(report)
    }
}

/// What the store knows of a root row.
struct Root {
    collection: CollectionId,
    source: String,
    /// The kind of the source.
    kind: String,
    key: Vec<u8>,
    head: RowHead,
    lineage: Lineage,
    /// The names of the transforms that the lineage knows by their positions.
    names: Vec<String>,
}

impl Root {
    fn read(
        books: &Books,
        snapshot: &Snapshot,
        collection: CollectionId,
        key: Vec<u8>,
    ) -> Result<Self, Error> {
        let (source, kind) = books.sources.get(&collection).cloned().unwrap_or_default();
        let shown = display_key(&kind, &key);
        let found = Self::of(books, snapshot, (collection, key))?;
        found.ok_or_else(|| {
            let noun = noun(&kind);
            Error::NotFound(format!("the row `{shown}` of {noun} `{source}` is gone"))
        })
    }

    /// A row, where some run has worked on it.
    fn find(
        past: &Past<'_>,
        collection: CollectionId,
        key: Vec<u8>,
    ) -> Result<Option<Self>, Error> {
        Self::of(past.books, past.snapshot, (collection, key))
    }

    fn of(
        books: &Books,
        snapshot: &Snapshot,
        (collection, key): (CollectionId, Vec<u8>),
    ) -> Result<Option<Self>, Error> {
        let Some(head) = snapshot.row(collection, &key)? else {
            return Ok(None);
        };
        let (source, kind) = books.sources.get(&collection).cloned().unwrap_or_default();
        Ok(Some(Self {
            collection,
            lineage: snapshot.lineage(collection, &key)?.unwrap_or_default(),
            names: stage_names(snapshot, &head.flow)?,
            source,
            kind,
            key,
            head,
        }))
    }

    /// All that came of it, as lists.
    fn report(&self, books: &Books) -> LineageReport {
        let mut targets: Vec<LineageTarget> = (self.targets(books).into_iter())
            .map(|(target, key, row)| LineageTarget {
                target: target.to_owned(),
                key,
                origin: row.origin.clone(),
            })
            .collect();
        targets.sort_by(|a, b| (&a.target, &a.origin).cmp(&(&b.target, &b.origin)));
        LineageReport {
            key: display_key(&self.kind, &self.key),
            source: self.source.clone(),
            content: self.content(),
            failure: self.lineage.failure.clone(),
            calls: self.calls(|_| true),
            targets,
            graph: LineageGraph::default(),
            certain: false,
            unplaced: Vec::new(),
        }
    }

    /// The fingerprint of its content; none for a row that could not be read.
    fn content(&self) -> Option<String> {
        (!self.lineage.columns.is_empty()).then(|| self.head.content.to_string())
    }

    fn calls(&self, wanted: impl Fn(&MemoKey) -> bool) -> Vec<LineageCall> {
        let name = |position: u16| self.names.get(usize::from(position)).cloned();
        let calls = self.lineage.calls.iter().filter(|call| wanted(&call.key));
        let call = |call: &CallRecord| LineageCall {
            transform: name(call.transform).unwrap_or_else(|| "?".to_owned()),
            key: call.key.to_string(),
        };
        calls.map(call).collect()
    }

    /// Its target rows, with the names of the targets and the keys as text.
    fn targets<'a>(&'a self, books: &'a Books) -> Vec<(&'a str, String, &'a TargetRow)> {
        let mut keys = BTreeMap::new();
        let rows = self.lineage.targets.iter().filter_map(|row| {
            let entry = books.targets.get(&row.target)?;
            if entry.spec.kind == RELATION {
                return None;
            }
            let keys = keys
                .entry(row.target)
                .or_insert_with(|| target_keys(&entry.spec));
            let key = keys
                .as_ref()
                .map_or_else(|_| "?".to_owned(), |keys| keys.display_key(&row.key));
            Some((&*entry.name, key, row))
        });
        rows.collect()
    }

    /// The row itself, as a node.
    fn node(&self) -> LineageNode {
        let (name, content) = (self.source.clone(), self.content());
        let key = display_key(&self.kind, &self.key);
        if !is_gathered(&self.kind) {
            return LineageNode::Source { name, key, content };
        }
        LineageNode::Gathered {
            by: self.kind.clone(),
            name,
            key,
            content,
        }
    }

    fn trace<'a>(&'a self, past: &'a Past<'a>, stage: usize) -> Result<Trace<'a>, Error> {
        let lineage = (&self.lineage, &*self.names);
        Ok(Trace::new(
            &past.stages[stage],
            &self.key,
            lineage,
            past.snapshot,
        )?)
    }

    /// The graph from one of its target rows upward, and whether it gives what the target row holds.
    fn upward(
        &self,
        past: &Past<'_>,
        (target, key): (&TargetPlan, String),
        row: Option<&TargetRow>,
    ) -> Result<(LineageGraph, bool), Error> {
        let stage = past.stage(&self.source);
        let stage = stage.filter(|at| past.stages[*at].stage.targets.contains(target));
        let placed = row.zip(stage).and_then(|(row, stage)| {
            let origin = origin(past.stages[stage].stage, target, row)?;
            Some((row, stage, origin))
        });
        let Some((row, stage, origin)) = placed else {
            // The flow has changed so that it does not say any more how such a row is made.
            return Ok((LineageGraph::direct(target, key, self.node()), false));
        };
        let mut ascent = Ascent::new(past);
        let entry = past.books.targets.get(&row.target);
        let gives = |trace: &Trace<'_>, at: usize| gives(trace, target, at, row, entry);
        ascent.go_up((target, key), (stage, self), &origin.1, gives)?;
        Ok((ascent.weaving.graph, ascent.certain))
    }
}

/// What lineage is told from: a flow, and what the store knows of it.
struct Past<'a> {
    books: &'a Books,
    snapshot: &'a Snapshot,
    /// The flow's stages, in order.
    stages: Vec<TracedStage<'a>>,
}

impl<'a> Past<'a> {
    fn new(engine: &Engine, flow: &'a Flow, books: &'a Books, snapshot: &'a Snapshot) -> Self {
        let stages = flow.plan.stages.iter().map(|stage| {
            let recipe = |transform| recipe(flow, stage, transform).recipe;
            TracedStage {
                stage,
                shape: shape(flow, &stage.source, books),
                recipes: stage.transforms.iter().map(recipe).collect(),
                lookups: lookups(flow, stage, books).0,
                bytes_max: engine.config.memory_bytes_max / 2,
            }
        });
        Self {
            books,
            snapshot,
            stages: stages.collect(),
        }
    }

    /// The stage whose rows are those of the source or gathered collection of this name, by its position.
    fn stage(&self, source: &str) -> Option<usize> {
        (self.stages.iter()).position(|stage| stage.stage.source.name == source)
    }

    /// The number of a relation, if the store knows it.
    fn relation(&self, relation: RelationRef) -> Option<TargetId> {
        let rows = &self.stages[relation.stage].stage.relations[relation.relation].rows;
        self.books.target(&rows.spec)
    }
}

/// Whether the columns of a traced row are just what the target row holds.
fn gives(
    trace: &Trace<'_>,
    target: &TargetPlan,
    at: usize,
    row: &TargetRow,
    entry: Option<&TargetEntry>,
) -> bool {
    let print = |column| trace.print(column, target.collection, at);
    let prints: Option<Vec<_>> = target.columns.iter().map(print).collect();
    let Some((prints, entry)) = prints.zip(entry) else {
        return false;
    };
    let columns = columns_identity(&target.spec.columns, &entry.layout.to_string());
    entry.spec.columns == target.spec.columns
        && digest(&columns, prints.into_iter()) == row.fingerprint
}

/// Where a target row stands in the collection that its target has in the flow; none where that is another than when the
/// row was written.
fn origin(stage: &Stage, target: &TargetPlan, row: &TargetRow) -> Option<Origin> {
    let same = depth(stage, target.collection) == row.origin.len();
    same.then(|| (target.collection, row.origin.clone()))
}

/// A row and those that it descends from.
fn with_those_above(stage: &Stage, origin: &Origin) -> BTreeSet<Origin> {
    let (mut collection, mut positions) = origin.clone();
    let mut rows = BTreeSet::from([origin.clone()]);
    while let Some(parent) = stage.collections[collection].parent {
        positions.pop();
        collection = parent;
        rows.insert((collection, positions.clone()));
    }
    rows
}
