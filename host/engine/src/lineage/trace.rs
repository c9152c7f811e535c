//! Tracing: which call was made for which row, found again from fingerprints alone.
//!
//! The store knows the fingerprints of a root row's columns, the calls that it used, and what they led to. Row by row, the
//! keys of the calls are made anew, with the recipes under which they were made; only a key that the lineage holds counts
//! as a call. Nothing is read of the source, so what is told is what the last run saw.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use flowstone_core::{
    Argument, ColumnKind, ColumnRef, Fingerprint, KeyRecipe, MemoKey, Stage, decode, to_wave,
};
use flowstone_store::{CallRecord, Lineage, MemoRecord, Outcome, Snapshot, StoreError, Stored};

use crate::answer::{Answer, Typed};
use crate::lineage::graph::CallResult;

/// So many calls of a transform are looked at to find the recipes under which they were made.
const RECIPE_SAMPLES: usize = 8;

/// A row of a collection below the root row.
pub(super) struct TracedRow {
    parent: usize,
    /// Its positions in the lists from the root row down.
    pub(super) origin: Vec<u32>,
}

/// A call that the lineage holds.
pub(super) struct TracedCall {
    pub(super) key: MemoKey,
    pub(super) result: CallResult,
    /// The fingerprint of the result, where it is a value that is still known.
    fingerprint: Option<Fingerprint>,
    /// And those of its parts: of a record's fields, or of the fields of every row that it makes.
    parts: Option<Vec<Fingerprint>>,
}

/// The rows of which something is asked, with those above them, by collection.
pub(super) type Origins = BTreeSet<(usize, Vec<u32>)>;

/// A root row, its rows and their calls.
pub(super) struct Trace<'a> {
    pub(super) stage: &'a Stage,
    snapshot: &'a Snapshot,
    typed: Vec<Typed>,
    /// The fingerprints of the root row's columns; none when the flow reads other ones than the last run did.
    columns: Option<&'a [Fingerprint]>,
    recorded: HashSet<MemoKey>,
    recipes: Vec<Vec<KeyRecipe>>,
    /// The rows of every collection, in order.
    pub(super) rows: Vec<Vec<TracedRow>>,
    /// The calls of every transform, one per row of its collection where there was one.
    pub(super) calls: Vec<Vec<Option<TracedCall>>>,
}

impl<'a> Trace<'a> {
    /// Traces a root row. `recipes` are those of the stage's transforms now; `former` tells where they were when the
    /// lineage was written; `known` are rows that are there whatever is remembered of the lists that made them.
    pub(super) fn new(
        stage: &'a Stage,
        snapshot: &'a Snapshot,
        lineage: &'a Lineage,
        shape: Fingerprint,
        recipes: Vec<KeyRecipe>,
        names: &[String],
    ) -> Result<Self, StoreError> {
        let typed = |index: usize| {
            let transform = &stage.transforms[index];
            Typed::new(transform.result.clone(), transform.makes.is_some())
        };
        let same = lineage.shape == Some(shape) && lineage.columns.len() == stage.source.columns.len();
        let mut trace = Self {
            stage,
            snapshot,
            typed: (0..stage.transforms.len()).map(typed).collect(),
            columns: same.then_some(&*lineage.columns),
            recorded: lineage.calls.iter().map(|call| call.key).collect(),
            recipes: recipes.into_iter().map(|recipe| vec![recipe]).collect(),
            rows: stage.collections.iter().map(|_| Vec::new()).collect(),
            calls: stage.transforms.iter().map(|_| Vec::new()).collect(),
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
            let at = self.stage.transforms.iter().position(|transform| Some(&transform.name) == name);
            let Some(at) = at else {
                continue;
            };
            let ids: BTreeSet<_> =
                self.snapshot.memos(&keys)?.into_iter().flatten().map(|memo| memo.recipe).collect();
            for id in ids {
                let former = self.snapshot.recipe(id)?.map(|record| record.recipe.key());
                let unknown = former.filter(|recipe| !self.recipes[at].contains(recipe));
                self.recipes[at].extend(unknown);
            }
        }
        Ok(())
    }

    /// Follows the calls from the root row down: to all rows, or only to those in `known`.
    pub(super) fn follow(&mut self, known: &Origins, all: bool) -> Result<(), StoreError> {
        let children = children(known);
        self.rows[0].push(TracedRow { parent: 0, origin: Vec::new() });
        for index in 0..self.stage.transforms.len() {
            let transform = &self.stage.transforms[index];
            for row in 0..self.rows[transform.collection].len() {
                let call = self.call(index, row)?;
                if let Some(made) = transform.makes {
                    let parent = &self.rows[transform.collection][row].origin;
                    let mut ordinals = children.get(&(made, parent.clone())).cloned().unwrap_or_default();
                    if all {
                        ordinals.extend(0..self.rows_made(index, call.as_ref()));
                    }
                    let origin = parent.clone();
                    self.rows[made].extend(ordinals.into_iter().map(|ordinal| TracedRow {
                        parent: row,
                        origin: origin.iter().copied().chain([ordinal]).collect(),
                    }));
                }
                self.calls[index].push(call);
            }
        }
        Ok(())
    }

    fn rows_made(&self, index: usize, call: Option<&TracedCall>) -> u32 {
        let parts = call.and_then(|call| call.parts.as_ref()).map_or(0, Vec::len);
        let rows = parts.checked_div(self.typed[index].parts_per_row());
        rows.and_then(|rows| u32::try_from(rows).ok()).unwrap_or(0)
    }

    /// The call of a transform for a row; none where the lineage holds no such call.
    fn call(&self, index: usize, row: usize) -> Result<Option<TracedCall>, StoreError> {
        let Some(arguments) = self.arguments(index, row) else {
            return Ok(None);
        };
        let keys = self.recipes[index].iter().map(|recipe| recipe.key(arguments.iter().copied()));
        let mut keys = keys.filter(|key| self.recorded.contains(key));
        let Some(key) = keys.next() else {
            return Ok(None);
        };
        let memo = self.snapshot.memo(&key)?;
        Ok(Some(self.traced(index, key, memo)?))
    }

    /// The fingerprints of the arguments that count; none when one of them is not known.
    fn arguments(&self, index: usize, row: usize) -> Option<Vec<Fingerprint>> {
        let transform = &self.stage.transforms[index];
        let columns = transform.arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) if self.stage.counts(column) => Some(column),
            Argument::Column(_) | Argument::Literal(_) => None,
        });
        columns.map(|column| self.print(column, transform.collection, row)).collect()
    }

    fn traced(&self, index: usize, key: MemoKey, memo: Option<MemoRecord>) -> Result<TracedCall, StoreError> {
        let mut call = TracedCall { key, result: CallResult::Lost, fingerprint: None, parts: None };
        let Some(memo) = memo else {
            return Ok(call);
        };
        let typed = &self.typed[index];
        call.result = result(&memo.outcome, typed);
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
        self.stage.transforms.iter().position(|transform| transform.makes == Some(collection))
    }

    /// The fingerprint of a column, seen from a row of the collection `from`; none when it is not known.
    pub(super) fn print(&self, column: &ColumnRef, from: usize, row: usize) -> Option<Fingerprint> {
        let row = self.ancestor(column.collection, from, row);
        let this = self.rows[column.collection].get(row)?;
        let call = |index: usize, row: usize| self.calls[index].get(row)?.as_ref();
        match column.kind {
            ColumnKind::Source(position) => self.columns?.get(position).copied(),
            ColumnKind::Result(index) => call(index, row)?.fingerprint,
            ColumnKind::ResultField(index, field) => call(index, row)?.parts.as_ref()?.get(field).copied(),
            ColumnKind::Row | ColumnKind::Field(_) => {
                let maker = self.maker(column.collection)?;
                let parts = call(maker, this.parent)?.parts.as_ref()?;
                let per_row = self.typed[maker].parts_per_row();
                let at = *this.origin.last()? as usize * per_row;
                let parts = parts.get(at..at.checked_add(per_row)?)?;
                match column.kind {
                    ColumnKind::Field(field) => parts.get(field).copied(),
                    _ => Some(crate::batch::row_print(parts, &column.ty)),
                }
            }
        }
    }
}

/// The rows of each parent row: those in `known`.
fn children(known: &Origins) -> HashMap<(usize, Vec<u32>), BTreeSet<u32>> {
    let mut children: HashMap<_, BTreeSet<u32>> = HashMap::new();
    for (collection, origin) in known {
        if let Some((ordinal, parent)) = origin.split_last() {
            children.entry((*collection, parent.to_vec())).or_default().insert(*ordinal);
        }
    }
    children
}

/// What came of a call, for people.
fn result(outcome: &Outcome, typed: &Typed) -> CallResult {
    match outcome {
        Outcome::Nothing => CallResult::Nothing,
        Outcome::Failed { reason } => CallResult::Failed(reason.clone()),
        Outcome::Value { fingerprint, stored, .. } => match stored {
            Stored::Object => CallResult::Long(fingerprint.to_string()),
            Stored::Inline(bytes) => match decode(bytes, &typed.shape.value) {
                Ok(value) => CallResult::Value(to_wave(&value, &typed.shape.value)),
                Err(_) => CallResult::Lost,
            },
        },
    }
}
