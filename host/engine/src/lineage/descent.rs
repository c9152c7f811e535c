//! The way down from a row: its calls, rows and target rows; and from what it published on to the rows that were gathered of
//! that, or looked it up.

use std::collections::{BTreeSet, HashSet, VecDeque};

use flowstone_core::{MemoKey, Reader, STATE, Stage};
use flowstone_store::{LookupRecord, TargetRow, split_member_key};

use super::ascent::{ROOTS_MAX, ROWS_SHOWN_MAX};
use super::graph::LineageNode;
use super::weave::{RootId, Weaving, below};
use super::{Past, Root, origin, with_those_above};
use crate::error::Error;
use crate::report::LineageCall;

/// The way down.
pub(super) struct Descent<'a> {
    past: &'a Past<'a>,
    pub(super) weaving: Weaving,
    open: VecDeque<(usize, Root, usize)>,
    linked: HashSet<(usize, usize)>,
    roots: usize,
    /// The calls that have no place.
    pub(super) unplaced: Vec<LineageCall>,
}

impl<'a> Descent<'a> {
    pub(super) fn new(past: &'a Past<'a>) -> Self {
        Self {
            past,
            weaving: Weaving::default(),
            open: VecDeque::new(),
            linked: HashSet::new(),
            roots: 0,
            unplaced: Vec::new(),
        }
    }

    /// Goes down from a root row, and on across all stages.
    pub(super) fn go_down_from(&mut self, stage: usize, root: Root) -> Result<(), Error> {
        let (node, _) = (self.weaving).root((stage, root.key.clone()), || root.node());
        self.open.push_back((stage, root, node));
        while let Some((stage, root, node)) = self.open.pop_front() {
            self.go_down(stage, &root, node)?;
        }
        Ok(())
    }

    fn go_down(&mut self, stage: usize, root: &Root, node: usize) -> Result<(), Error> {
        let plan = self.past.stages[stage].stage;
        let origins: Vec<_> = (root.lineage.targets.iter())
            .map(|row| {
                self.output(plan, row)
                    .and_then(|at| origin(plan, plan.output(at), row))
            })
            .collect();
        let mut known = BTreeSet::new();
        for origin in origins.iter().flatten() {
            known.extend(with_those_above(plan, origin));
        }
        let mut trace = root.trace(self.past, stage)?;
        trace.follow(&known, true)?;
        let placed: HashSet<MemoKey> = trace.keys().collect();
        self.unplaced
            .extend(root.calls(|key| !placed.contains(key)));
        let rows = below(&mut self.weaving, &trace, node);
        for (name, key, row) in root.targets(self.past.books) {
            let at = root.lineage.targets.iter().position(|other| other == row);
            let origin = at.and_then(|at| origins[at].as_ref());
            // Where the flow has another collection there now, it hangs on the source row.
            let parent = origin.and_then(|origin| rows.get(origin));
            let name = name.to_owned();
            let target = self.weaving.add(LineageNode::Target { name, key });
            let parent = parent.copied().unwrap_or(node);
            self.weaving.link(parent, target, Vec::new());
        }
        for (row, origin) in root.lineage.targets.iter().zip(&origins) {
            let relation = self.output(plan, row);
            let relation = relation.and_then(|at| at.checked_sub(plan.targets.len()));
            let parent = origin.as_ref().and_then(|origin| rows.get(origin));
            if let Some(relation) = relation {
                let reader = plan.relations[relation].reader;
                self.follow(parent.copied().unwrap_or(node), reader, row)?;
            }
        }
        Ok(())
    }

    /// The target or relation of the stage that a row belongs to, by its position among the outputs.
    fn output(&self, plan: &Stage, row: &TargetRow) -> Option<usize> {
        plan.outputs()
            .position(|output| self.past.books.target(&output.spec) == Some(row.target))
    }

    /// Goes on to whoever reads a row that was published.
    fn follow(&mut self, from: usize, reader: Reader, row: &TargetRow) -> Result<(), Error> {
        let past = self.past;
        let Some((group, _)) = split_member_key(&row.key) else {
            return Ok(());
        };
        match reader {
            Reader::Stage(stage) => {
                let is_state = past.stages[stage].stage.source.kind == STATE;
                let key = if is_state { row.key.clone() } else { group };
                self.go_to(from, (stage, key))
            }
            Reader::Lookup => {
                let Some(key) = group.first_chunk().copied() else {
                    return Ok(());
                };
                let relation = row.target;
                let mut more = 0;
                for (at, reader) in
                    (past.snapshot.readers(&LookupRecord { relation, key })?).enumerate()
                {
                    let (collection, key) = reader?;
                    if at >= ROWS_SHOWN_MAX {
                        more += 1;
                        continue;
                    }
                    let source = past.books.sources.get(&collection);
                    let stage = source.and_then(|(name, _)| past.stage(name));
                    if let Some(stage) = stage {
                        self.go_to(from, (stage, key))?;
                    }
                }
                if more > 0 {
                    let collection = "the rows that look it up".to_owned();
                    let node = self.weaving.add(LineageNode::More {
                        collection,
                        rows: more,
                    });
                    self.weaving.link(from, node, Vec::new());
                }
                Ok(())
            }
        }
    }

    fn go_to(&mut self, from: usize, id: RootId) -> Result<(), Error> {
        let past = self.past;
        let (stage, key) = (id.0, id.1.clone());
        let source = &past.stages[stage].stage.source;
        let Some(collection) = past.books.source(&source.name) else {
            return Ok(());
        };
        // One that no run has worked on yet has come to nothing.
        let Some(root) = Root::find(past, collection, key)? else {
            return Ok(());
        };
        let (node, is_new) = self.weaving.root(id, || root.node());
        if self.linked.insert((from, node)) {
            self.weaving.link(from, node, Vec::new());
        }
        if is_new && self.roots < ROOTS_MAX {
            self.roots += 1;
            self.open.push_back((stage, root, node));
        }
        Ok(())
    }
}
