//! Tracing: which call was made for which row, found again from fingerprints alone.
//!
//! The store knows the fingerprints of a root row's columns, the calls that it used, and what they led to. Row by row, the
//! keys of the calls are made anew, with the recipes under which they were made; only a key that the lineage holds counts
//! as a call. Nothing is read of the source, so what is told is what the last run saw.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use flowstone_core::{
    Argument, ColumnKind, ColumnRef, Fingerprint, KeyRecipe, MemoKey, Recipe, Stage,
};
use flowstone_store::{CallRecord, Lineage, MemoRecord, Snapshot, StoreError};

use super::graph::CallResult;
use crate::answer::{Answer, Typed};
use crate::batch::{matches, of_parts};
use crate::in_hand::print_of;
use crate::relation::{display_key, lookup_hash};
use crate::stage::StageLookup;
use crate::survey::RowName;

/// So many calls of a transform are looked at to find the recipes under which they were made.
const RECIPE_SAMPLES: usize = 8;

/// A row of a collection below the root row.
pub(super) struct TracedRow {
    /// The row of the parent collection.
    pub(super) parent: usize,
    /// Its positions in the lists from the root row down.
    pub(super) origin: Vec<u32>,
}

/// A call that the lineage holds.
pub(super) struct TracedCall {
    pub(super) key: MemoKey,
    pub(super) result: CallResult,
    /// The literal arguments, as WAVE text by parameter.
    pub(super) literals: BTreeMap<String, String>,
    /// The fingerprint of the result, where it is a value that is still known.
    fingerprint: Option<Fingerprint>,
    /// And those of its parts: of a record's fields, or of the fields of every row that it makes.
    parts: Option<Vec<Fingerprint>>,
}

/// The hash that a lookup goes by, and the fingerprint of what it finds; none where that is no value.
type Looked = ([u8; 16], Option<Fingerprint>);

/// A row by its collection and its positions in the lists from the root row down.
pub(super) type Origin = (usize, Vec<u32>);

/// A stage, and what is known of it.
pub(super) struct TracedStage<'a> {
    pub(super) stage: &'a Stage,
    /// The identity of the columns that the flow reads.
    pub(super) shape: Fingerprint,
    /// The recipes of the transforms.
    pub(super) recipes: Vec<Recipe>,
    /// What is looked in.
    pub(super) lookups: Vec<StageLookup>,
    /// The most bytes that a lookup may find.
    pub(super) bytes_max: u64,
}

/// A root row, its rows and their calls.
pub(super) struct Trace<'a> {
    pub(super) stage: &'a Stage,
    of: &'a TracedStage<'a>,
    /// The root row's key: the true one, which may hold any character.
    root: String,
    /// What lookups find now, by lookup and row of its collection: the hash that they go by, and the fingerprint of what
    /// there is.
    looked: Vec<Vec<Option<Looked>>>,
    snapshot: &'a Snapshot,
    typed: Vec<Typed>,
    /// The fingerprints of the root row's columns; none when the flow reads other ones than the last run did.
    columns: Option<&'a [Fingerprint]>,
    recorded: HashSet<MemoKey>,
    /// The recipes of every transform: the present one, and those under which calls were made.
    recipes: Vec<Vec<(KeyRecipe, Recipe)>>,
    /// The rows of every collection, in order.
    pub(super) rows: Vec<Vec<TracedRow>>,
    /// The calls of every transform, one per row of its collection where there was one.
    pub(super) calls: Vec<Vec<Option<TracedCall>>>,
    /// The rows that came of each of them, where the transform makes rows.
    pub(super) made: Vec<Vec<Range<usize>>>,
}

impl<'a> Trace<'a> {
    /// A root row with this lineage. `names` are the names that the lineage means by its positions.
    pub(super) fn new(
        of: &'a TracedStage<'a>,
        root: &[u8],
        (lineage, names): (&'a Lineage, &[String]),
        snapshot: &'a Snapshot,
    ) -> Result<Self, StoreError> {
        let stage = of.stage;
        let typed = |index: usize| {
            let transform = &stage.transforms[index];
            Typed::new(transform.result.clone(), transform.makes.is_some())
        };
        let same =
            lineage.shape == Some(of.shape) && lineage.columns.len() == stage.source.columns.len();
        let mut trace = Self {
            stage,
            of,
            root: display_key(&stage.source.kind, root),
            looked: stage.lookups.iter().map(|_| Vec::new()).collect(),
            snapshot,
            typed: (0..stage.transforms.len()).map(typed).collect(),
            columns: same.then_some(&*lineage.columns),
            recorded: lineage.calls.iter().map(|call| call.key).collect(),
            recipes: (of.recipes.iter())
                .map(|recipe| vec![(recipe.key(), recipe.clone())])
                .collect(),
            rows: stage.collections.iter().map(|_| Vec::new()).collect(),
            calls: stage.transforms.iter().map(|_| Vec::new()).collect(),
            made: stage.transforms.iter().map(|_| Vec::new()).collect(),
        };
        trace.add_recipes(&lineage.calls, names)?;
        Ok(trace)
    }

    /// Adds the recipes under which the calls were made: the code may have changed since.
    fn add_recipes(&mut self, calls: &[CallRecord], names: &[String]) -> Result<(), StoreError> {
        let mut samples: BTreeMap<u16, Vec<MemoKey>> = BTreeMap::new();
        for call in calls {
            let keys = samples.entry(call.transform).or_default();
            if keys.len() < RECIPE_SAMPLES {
                keys.push(call.key);
            }
        }
        for (position, keys) in samples {
            let name = names.get(usize::from(position));
            let at = self
                .stage
                .transforms
                .iter()
                .position(|transform| Some(&transform.name) == name);
            let Some(at) = at else {
                continue;
            };
            let ids: BTreeSet<_> = self
                .snapshot
                .memos(&keys)?
                .into_iter()
                .flatten()
                .map(|memo| memo.recipe)
                .collect();
            for id in ids {
                let former = self.snapshot.recipe(id)?;
                let former = former.map(|record| (record.recipe.key(), record.recipe));
                let known = &mut self.recipes[at];
                known.extend(former.filter(|(key, _)| known.iter().all(|(other, _)| other != key)));
            }
        }
        Ok(())
    }

    /// Follows the calls from the root row down: to all rows, or only to those in `known`.
    pub(super) fn follow(&mut self, known: &BTreeSet<Origin>, all: bool) -> Result<(), StoreError> {
        let children = children(known);
        self.rows[0].push(TracedRow {
            parent: 0,
            origin: Vec::new(),
        });
        for index in 0..self.stage.transforms.len() {
            let transform = &self.stage.transforms[index];
            for argument in transform.columns() {
                if let ColumnKind::Lookup(lookup) = argument.kind {
                    self.look_up(lookup)?;
                }
            }
            for row in 0..self.rows[transform.collection].len() {
                let call = self.call(index, row)?;
                if let Some(made) = transform.makes {
                    let rows = self.rows_below(index, row, call.as_ref(), (&children, all));
                    let first = self.rows[made].len();
                    self.rows[made].extend(rows);
                    self.made[index].push(first..self.rows[made].len());
                }
                self.calls[index].push(call);
            }
        }
        Ok(())
    }

    /// Finds out what a lookup finds for every row of its collection.
    fn look_up(&mut self, index: usize) -> Result<(), StoreError> {
        let plan = &self.stage.lookups[index];
        for row in self.looked[index].len()..self.rows[plan.collection].len() {
            let keys = plan.keys.iter();
            let prints = keys.map(|key| self.print(key, plan.collection, row));
            let prints: Option<Vec<Fingerprint>> = prints.collect();
            let looked = match prints {
                Some(prints) => {
                    let hash = lookup_hash(prints.into_iter());
                    let lookup = (plan, &self.of.lookups[index]);
                    let found = matches(self.snapshot, lookup, &hash, self.of.bytes_max)?;
                    Some((hash, found.ok().map(|found| found.print)))
                }
                None => None,
            };
            self.looked[index].push(looked);
        }
        Ok(())
    }

    /// The hash that a lookup of a row goes by; none where it is not known.
    pub(super) fn lookup_hash(&self, index: usize, row: usize) -> Option<[u8; 16]> {
        let looked = self.looked[index].get(row)?.as_ref();
        looked.map(|(hash, _)| *hash)
    }

    /// The rows that a call made: those that are known from elsewhere, and all of its list where that is asked for.
    fn rows_below(
        &self,
        index: usize,
        parent: usize,
        call: Option<&TracedCall>,
        (children, all): (&Children, bool),
    ) -> Vec<TracedRow> {
        let transform = &self.stage.transforms[index];
        let above = &self.rows[transform.collection][parent].origin;
        let known = transform
            .makes
            .and_then(|made| children.get(&(made, above.clone())));
        let mut ordinals = known.cloned().unwrap_or_default();
        if all {
            ordinals.extend(0..self.rows_made(index, call));
        }
        let row = |ordinal| TracedRow {
            parent,
            origin: above.iter().copied().chain([ordinal]).collect(),
        };
        ordinals.into_iter().map(row).collect()
    }

    /// The keys of all calls that were found.
    pub(super) fn keys(&self) -> impl Iterator<Item = MemoKey> {
        self.calls.iter().flatten().flatten().map(|call| call.key)
    }

    fn rows_made(&self, index: usize, call: Option<&TracedCall>) -> u32 {
        let parts = call
            .and_then(|call| call.parts.as_ref())
            .map_or(0, Vec::len);
        let rows = parts.checked_div(self.typed[index].parts_per_row());
        rows.and_then(|rows| u32::try_from(rows).ok()).unwrap_or(0)
    }

    /// The call of a transform for a row; none where the lineage holds no such call.
    fn call(&self, index: usize, row: usize) -> Result<Option<TracedCall>, StoreError> {
        let Some(arguments) = self.arguments(index, row) else {
            return Ok(None);
        };
        for (recipe, record) in &self.recipes[index] {
            let told = record.tells_row().then(|| self.row_print(index, row));
            let key = recipe.key(arguments.iter().copied().chain(told));
            if self.recorded.contains(&key) {
                let memo = self.snapshot.memo(&key)?;
                return self.traced(index, key, memo, literals(record)).map(Some);
            }
        }
        Ok(None)
    }

    /// The fingerprints of the arguments that count; none when one of them is not known.
    fn arguments(&self, index: usize, row: usize) -> Option<Vec<Fingerprint>> {
        let transform = &self.stage.transforms[index];
        let columns = transform
            .arguments
            .iter()
            .filter_map(|argument| match argument {
                Argument::Column(column) if self.stage.counts(column) => Some(column),
                Argument::Column(_) | Argument::Literal(_) => None,
            });
        columns
            .map(|column| self.print(column, transform.collection, row))
            .collect()
    }

    /// What stands for a row in the keys of a transform that is told it.
    fn row_print(&self, index: usize, row: usize) -> Fingerprint {
        let collection = self.stage.transforms[index].collection;
        let (key, index) = (self.root.clone(), self.rows[collection][row].origin.clone());
        print_of(&RowName { key, index }.to_string())
    }

    fn traced(
        &self,
        index: usize,
        key: MemoKey,
        memo: Option<MemoRecord>,
        literals: BTreeMap<String, String>,
    ) -> Result<TracedCall, StoreError> {
        let mut call = TracedCall {
            key,
            result: CallResult::Lost,
            literals,
            fingerprint: None,
            parts: None,
        };
        let Some(memo) = memo else {
            return Ok(call);
        };
        let typed = &self.typed[index];
        call.result = CallResult::of(&memo.outcome, typed);
        if let Answer::Value(remembered) = Answer::of_outcome(memo.outcome, typed) {
            call.fingerprint = Some(remembered.fingerprint);
            if typed.parts_per_row() > 0 {
                call.parts = remembered.parts(typed, self.snapshot)?.map(<[_]>::to_vec);
            }
        }
        if typed.rows {
            call.result = match &call.parts {
                Some(_) => CallResult::Rows(u64::from(self.rows_made(index, Some(&call)))),
                None if call.fingerprint.is_some() => CallResult::Lost,
                None => call.result,
            };
        }
        Ok(call)
    }

    /// The row of `collection` that the row `row` of the collection `from` descends from.
    pub(super) fn ancestor(&self, collection: usize, mut from: usize, mut row: usize) -> usize {
        while from != collection {
            row = self.rows[from][row].parent;
            // Columns are those of the row or of its ancestors: the root is the last of them.
            from = self.stage.collections[from].parent.unwrap_or(collection);
        }
        row
    }

    /// The transform whose results are the rows of a child collection.
    pub(super) fn maker(&self, collection: usize) -> Option<usize> {
        self.stage
            .transforms
            .iter()
            .position(|transform| transform.makes == Some(collection))
    }

    /// The fingerprint of a column, seen from a row of the collection `from`; none when it is not known.
    pub(super) fn print(&self, column: &ColumnRef, from: usize, row: usize) -> Option<Fingerprint> {
        let row = self.ancestor(column.collection, from, row);
        let this = self.rows[column.collection].get(row)?;
        let call = |index: usize, row: usize| self.calls[index].get(row)?.as_ref();
        match column.kind {
            ColumnKind::Source(position) => self.columns?.get(position).copied(),
            ColumnKind::Lookup(index) => self.looked[index].get(row)?.as_ref()?.1,
            ColumnKind::Result(index) => call(index, row)?.fingerprint,
            ColumnKind::ResultField(index, field) => {
                call(index, row)?.parts.as_ref()?.get(field).copied()
            }
            ColumnKind::Row | ColumnKind::Field(_) => {
                let maker = self.maker(column.collection)?;
                let parts = call(maker, this.parent)?.parts.as_ref()?;
                let per_row = self.typed[maker].parts_per_row();
                let at = *this.origin.last()? as usize * per_row;
                let parts = parts.get(at..at.checked_add(per_row)?)?;
                match column.kind {
                    ColumnKind::Field(field) => parts.get(field).copied(),
                    // A row that is a record is known by its fields; any other is its only part.
                    _ => match (parts, &column.ty) {
                        ([only], ty) if ty.fields().is_none() => Some(*only),
                        (parts, ty) => Some(of_parts(parts, &ty.fingerprint())),
                    },
                }
            }
        }
    }
}

/// The positions of the rows of a collection below each row that is given by its own positions.
type Children = HashMap<Origin, BTreeSet<u32>>;

/// The rows in `known`, by the row above them.
fn children(known: &BTreeSet<Origin>) -> Children {
    let mut children = Children::new();
    for (collection, origin) in known {
        if let Some((ordinal, parent)) = origin.split_last() {
            children
                .entry((*collection, parent.to_vec()))
                .or_default()
                .insert(*ordinal);
        }
    }
    children
}

/// The literal arguments of a recipe.
fn literals(recipe: &Recipe) -> BTreeMap<String, String> {
    let named = recipe.literals.iter().filter_map(|literal| {
        let param = recipe.function.params.get(literal.position as usize)?;
        Some((param.name.clone(), literal.text.clone()))
    });
    named.collect()
}
