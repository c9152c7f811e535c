//! The way up from a target row: within its stage to the root row, and from rows that were gathered, or looked something up,
//! on to the rows of other stages that they were made of.

use std::collections::VecDeque;

use flowstone_connect::{KeyPart, split_key};
use flowstone_core::{
    ColumnRef, FoldKind, Gather, GatherColumn, RelationRef, Stage, StateArgument, TargetPlan, UNION,
};
use flowstone_store::{Member, StoreError, TargetId, split_member_key};

use super::graph::LineageNode;
use super::weave::{OpenLookup, RootId, Taken, Upward, Weaving};
use super::{Past, Root, with_those_above};
use crate::error::Error;
use crate::overrides::depth;
use crate::relation::{display_key, origin_of};

/// So many rows of a group, or that a lookup found, are shown.
pub(super) const ROWS_SHOWN_MAX: usize = 100;

/// So many root rows are gone through in all.
pub(super) const ROOTS_MAX: usize = 1000;

/// What is still to be gone to.
enum Open {
    /// The rows that a gathered row is made of.
    Members { root: RootId, node: usize },
    /// The rows that a call looked up.
    Lookup { stage: usize, lookup: OpenLookup },
}

/// A row that was published: its root row, where it stands below that, and what was published.
struct PublishedRow {
    relation: RelationRef,
    root: Vec<u8>,
    origin: Vec<u32>,
    member: Member,
}

/// Rows that were published, and how many there are besides.
struct PublishedRows {
    rows: Vec<PublishedRow>,
    more: u64,
}

/// The way up.
pub(super) struct Ascent<'a> {
    past: &'a Past<'a>,
    pub(super) weaving: Weaving,
    open: VecDeque<Open>,
    roots: usize,
    /// Whether what was found gives all that is known to have been.
    pub(super) certain: bool,
}

impl<'a> Ascent<'a> {
    pub(super) fn new(past: &'a Past<'a>) -> Self {
        Self {
            past,
            weaving: Weaving::default(),
            open: VecDeque::new(),
            roots: 0,
            certain: true,
        }
    }

    /// Goes up from a target row, and on across all stages. `at` is its row in the target's collection.
    pub(super) fn go_up(
        &mut self,
        (target, key): (&TargetPlan, String),
        (stage, root): (usize, &Root),
        origin: &[u32],
        gives: impl FnOnce(&super::Trace<'_>, usize) -> bool,
    ) -> Result<(), Error> {
        let name = target.name.clone();
        let node = self.weaving.add(LineageNode::Target { name, key });
        let names = target.spec.columns.iter().map(|column| column.name.clone());
        let columns: Taken<'_> = names.zip(&target.columns).collect();
        let place = (target.collection, origin);
        self.climb(node, (stage, root), place, &columns, (None, gives))?;
        while let Some(open) = self.open.pop_front() {
            match open {
                Open::Members { root, node } => self.members(&root, node)?,
                Open::Lookup { stage, lookup } => self.looked_up(stage, &lookup)?,
            }
        }
        Ok(())
    }

    /// Goes up within one root row.
    fn climb(
        &mut self,
        from: usize,
        (stage, root): (usize, &Root),
        (collection, origin): (usize, &[u32]),
        columns: &Taken<'_>,
        (member, gives): (
            Option<LineageNode>,
            impl FnOnce(&super::Trace<'_>, usize) -> bool,
        ),
    ) -> Result<(), Error> {
        self.roots += 1;
        let plan = self.past.stages[stage].stage;
        let mut trace = root.trace(self.past, stage)?;
        let known = with_those_above(plan, &(collection, origin.to_vec()));
        trace.follow(&known, false)?;
        let at = (trace.rows[collection].iter()).position(|row| row.origin == origin);
        let at = at.ok_or(Error::Internal("a row that is known was not traced"))?;
        let is_behind = plan.source.gather.is_some()
            && self.past.snapshot.is_due(root.collection, &root.key)?;
        self.certain &= gives(&trace, at) && !is_behind;
        let (id, source) = ((stage, root.key.clone()), root.node());
        let mut upward = Upward::new(&mut self.weaving, &trace, &id, &source);
        upward.climb(from, columns, (collection, at), member);
        let (reached, lookups) = (upward.reached, upward.lookups);
        let lookups = lookups
            .into_iter()
            .map(|lookup| Open::Lookup { stage, lookup });
        self.open.extend(lookups);
        if let Some(node) = reached.filter(|_| plan.source.gather.is_some()) {
            self.open.push_back(Open::Members { root: id, node });
        }
        Ok(())
    }

    /// Goes on from a gathered row to the rows that it is made of.
    fn members(&mut self, (stage, key): &RootId, node: usize) -> Result<(), Error> {
        let plan = self.past.stages[*stage].stage;
        let Some(gather) = &plan.source.gather else {
            return Ok(());
        };
        let found = self.published_for(gather, &plan.source.kind, key)?;
        let own = gather.is_state().then_some(0);
        for (position, row) in found.rows.iter().enumerate() {
            // Of the rows before it, a row with a state has what the function read.
            let is_own = own.is_none_or(|own| own == position);
            let taken = |relation: &'a TargetPlan| taken(plan, gather, relation, is_own);
            self.go_to(node, row, taken)?;
        }
        self.note_more(
            node,
            gather.from.first().map(|from| &*from.name),
            found.more,
        );
        Ok(())
    }

    /// Goes on from a call to the rows that it looked up.
    fn looked_up(&mut self, stage: usize, open: &OpenLookup) -> Result<(), Error> {
        let of = &self.past.stages[stage];
        let lookup = &of.stage.lookups[open.lookup];
        let relation = of.lookups[open.lookup].relation;
        let found = self.published_in(lookup.relation, relation, &open.hash)?;
        for row in &found.rows {
            let taken = |relation: &'a TargetPlan| -> Taken<'a> {
                let keys = relation.spec.key.len();
                let columns = relation
                    .columns
                    .iter()
                    .zip(&relation.spec.columns)
                    .skip(keys);
                let name = |field: &str| {
                    if lookup.record {
                        format!("{}.{field}", open.parameter)
                    } else {
                        open.parameter.clone()
                    }
                };
                columns
                    .map(|(column, spec)| (name(&spec.name), column))
                    .collect()
            };
            self.go_to(open.node, row, taken)?;
        }
        self.note_more(open.node, Some(&lookup.within), found.more);
        Ok(())
    }

    fn go_to(
        &mut self,
        from: usize,
        row: &PublishedRow,
        taken: impl FnOnce(&'a TargetPlan) -> Taken<'a>,
    ) -> Result<(), Error> {
        let past = self.past;
        let plan = past.stages[row.relation.stage].stage;
        let relation = &plan.relations[row.relation.relation].rows;
        let collection = past.books.source(&plan.source.name);
        let root = match collection {
            Some(collection) if depth(plan, relation.collection) == row.origin.len() => {
                Root::find(past, collection, row.root.clone())?
            }
            _ => None,
        };
        let Some(root) = root.filter(|_| self.roots < ROOTS_MAX) else {
            self.certain &= self.roots >= ROOTS_MAX;
            let collection = plan.collections[relation.collection].name.clone();
            let more = self.weaving.add(LineageNode::More {
                collection,
                rows: 1,
            });
            self.weaving.link(from, more, Vec::new());
            return Ok(());
        };
        let member = LineageNode::Member {
            collection: plan.collections[relation.collection].name.clone(),
            key: display_key(&plan.source.kind, &row.root),
            index: row.origin.clone(),
        };
        let gives = |trace: &super::Trace<'_>, at: usize| {
            let columns = relation.columns.iter().zip(&row.member.columns);
            let mut same = columns.map(|(column, (print, _))| {
                trace.print(column, relation.collection, at) == Some(*print)
            });
            relation.columns.len() == row.member.columns.len() && same.all(|same| same)
        };
        self.climb(
            from,
            (row.relation.stage, &root),
            (relation.collection, &row.origin),
            &taken(relation),
            (Some(member), gives),
        )
    }

    fn note_more(&mut self, from: usize, collection: Option<&str>, rows: u64) {
        if rows > 0 {
            let collection = collection.unwrap_or_default().to_owned();
            let more = self.weaving.add(LineageNode::More { collection, rows });
            self.weaving.link(from, more, Vec::new());
        }
    }

    /// The rows that were published for a gathered row: of a row with a state itself, then those before it.
    fn published_for(
        &mut self,
        gather: &Gather,
        kind: &str,
        key: &[u8],
    ) -> Result<PublishedRows, Error> {
        let snapshot = self.past.snapshot;
        let origin = (kind == UNION).then(|| origin_of(key)).flatten();
        let from = gather.from.iter().find(|from| {
            let name = origin.as_ref();
            name.is_none_or(|name| from.name == *name)
        });
        let nothing = PublishedRows {
            rows: Vec::new(),
            more: 0,
        };
        let Some(from) = from else {
            return Ok(nothing);
        };
        let Some(relation) = self.past.relation(from.relation) else {
            return Ok(nothing);
        };
        if !gather.is_state() {
            return self.published_in(from.relation, relation, key);
        }
        let Some((group, own)) = split_member_key(key) else {
            return Ok(nothing);
        };
        let this = snapshot.member(relation, key)?;
        let this = this.map(|member| Ok((own.to_vec(), member)));
        let before = snapshot.members_before(relation, &group, own)?;
        self.take_some(from.relation, this.into_iter().chain(before), None)
    }

    fn published_in(
        &mut self,
        place: RelationRef,
        relation: TargetId,
        group: &[u8],
    ) -> Result<PublishedRows, Error> {
        let members = self.past.snapshot.members(relation, group, &[])?;
        self.take_some(place, members, Some(group))
    }

    /// Takes the first rows, and counts the others. A row of a union is told by its group.
    fn take_some(
        &mut self,
        relation: RelationRef,
        members: impl Iterator<Item = Result<(Vec<u8>, Member), StoreError>>,
        group: Option<&[u8]>,
    ) -> Result<PublishedRows, Error> {
        let mut found = PublishedRows {
            rows: Vec::new(),
            more: 0,
        };
        for member in members {
            let (own, member) = member?;
            if found.rows.len() == ROWS_SHOWN_MAX {
                found.more += 1;
                continue;
            }
            let place = row_of(&own).or_else(|| row_of_union(group?));
            match place {
                Some((root, origin)) => found.rows.push(PublishedRow {
                    relation,
                    root,
                    origin,
                    member,
                }),
                None => self.certain = false,
            }
        }
        Ok(found)
    }
}

/// What a gathered row takes of a row of the relation, by the names of its own columns or of its function's parameters.
fn taken<'c>(
    plan: &Stage,
    gather: &Gather,
    relation: &'c TargetPlan,
    is_own: bool,
) -> Vec<(String, &'c ColumnRef)> {
    let mut taken = Vec::new();
    let mut take = |name: &str, at: usize| {
        if let Some(column) = relation.columns.get(at) {
            taken.push((name.to_owned(), column));
        }
    };
    if is_own {
        for (column, what) in plan.source.columns.iter().zip(&gather.columns) {
            if let GatherColumn::Group(at) | GatherColumn::Members(at) | GatherColumn::Own(at) =
                what
            {
                take(&column.name, *at);
            }
        }
    }
    match gather.fold.as_ref().map(|fold| (fold, &fold.kind)) {
        Some((fold, FoldKind::Combine { column, .. })) => take(&fold.name, *column),
        Some((fold, FoldKind::State { arguments, .. })) => {
            for (argument, param) in arguments.iter().zip(&fold.function.params) {
                if let StateArgument::Members(at) = argument {
                    take(&param.name, *at);
                }
            }
        }
        None => {}
    }
    taken
}

/// The root row, and the positions below it, that a row's own key in a relation tells.
fn row_of(own: &[u8]) -> Option<(Vec<u8>, Vec<u32>)> {
    place_of(&split_key(own)?.0)
}

/// The same of a row of a union, whose group it is.
fn row_of_union(group: &[u8]) -> Option<(Vec<u8>, Vec<u32>)> {
    place_of(split_key(group)?.0.get(1..)?)
}

fn place_of(parts: &[KeyPart<'_>]) -> Option<(Vec<u8>, Vec<u32>)> {
    let [KeyPart::Text(_), KeyPart::Bytes(root), positions @ ..] = parts else {
        return None;
    };
    let position = |part: &KeyPart<'_>| match part {
        KeyPart::Int(position) => u32::try_from(*position).ok(),
        _ => None,
    };
    let positions: Option<Vec<u32>> = positions.iter().map(position).collect();
    Some((root.to_vec(), positions?))
}
