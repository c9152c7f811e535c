//! A scripted history of transactions, and everything that a store holds in a form that can be compared.

use std::collections::BTreeMap;

use flowstone_core::{FunctionDigest, RecipeRecord, RunId};

use super::{
    component, fingerprint, hash, head, lineage, memo, memo_key, recipe, target_row, text_value,
};
use crate::{
    CollectionId, Intent, IntentRow, Lineage, MemoRecord, Owner, RecipeId, RowHead, Store,
    StoreError, TargetId, Usage, Writer,
};

pub(super) const STEPS: u64 = 6;

const PAGES: CollectionId = CollectionId(0);
const INDEX: TargetId = TargetId(1);
const MEMOS_PER_STEP: u64 = 20;

fn name(row: u64) -> Vec<u8> {
    format!("page-{row}").into_bytes()
}

/// One transaction of the history: it adds, replaces and removes records of every kind.
pub(super) fn step(writer: &mut Writer<'_>, step: u64) -> Result<(), StoreError> {
    let numbers = step * MEMOS_PER_STEP..(step + 1) * MEMOS_PER_STEP;
    for number in numbers.clone() {
        writer.put_memo(&memo_key(number), &memo(number))?;
        writer.add_usage(&memo_key(number / 2), RunId(step), 1)?;
    }
    for number in numbers {
        // Half of the rows are those of the step before.
        let row = number - number % MEMOS_PER_STEP / 2;
        writer.put_row(PAGES, &name(row), &head(number), &lineage(number))?;
        writer.claim(
            INDEX,
            &target_row(row).key,
            &Owner {
                collection: PAGES,
                row: name(row),
            },
        )?;
    }
    if let Some(before) = step.checked_sub(1) {
        writer.remove_row(PAGES, &name(before * MEMOS_PER_STEP))?;
        writer.release(INDEX, &target_row(before * MEMOS_PER_STEP).key)?;
        writer.clear_intent(before)?;
        writer.remove_memo(&memo_key(before * MEMOS_PER_STEP))?;
    }
    let id = writer.next_recipe()?;
    writer.put_recipe(id, &recipe(step))?;
    let digest = FunctionDigest::from_bytes(hash(step));
    writer.put_functions(&component(step), 1, &[("f".to_owned(), digest)].into())?;
    let row = IntentRow {
        collection: PAGES,
        key: name(step),
        targets: vec![target_row(step)],
    };
    writer.put_intent(step, &Intent { rows: vec![row] })?;
    let (encoding, value, _) = text_value(char::from(b'a' + step as u8), 3000);
    writer.put_object(&value, &encoding)?;
    writer.put_run(RunId(step + 1), "{}")?;
    writer.put_meta("step", &step.to_le_bytes())
}

/// What a store holds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Contents {
    memos: Vec<Option<MemoRecord>>,
    usage: Vec<Option<Usage>>,
    recipes: Vec<(RecipeId, RecipeRecord)>,
    functions: Vec<Option<BTreeMap<String, FunctionDigest>>>,
    rows: Vec<(Vec<u8>, RowHead, Option<Lineage>)>,
    owners: Vec<(Vec<u8>, Owner)>,
    intents: Vec<(u64, Intent)>,
    objects: Vec<Option<Vec<u8>>>,
    runs: Vec<u64>,
    step: Option<Vec<u8>>,
}

impl Contents {
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        let snapshot = store.snapshot()?;
        let keys: Vec<_> = (0..STEPS * MEMOS_PER_STEP).map(memo_key).collect();
        let mut rows = Vec::new();
        for row in snapshot.rows(PAGES)? {
            let (key, head) = row?;
            let lineage = snapshot.lineage(PAGES, &key)?;
            rows.push((key, head, lineage));
        }
        let object = |step: u64| {
            let (_, value, ty) = text_value(char::from(b'a' + step as u8), 3000);
            snapshot.object(&value, &ty)
        };
        snapshot.object(&fingerprint(0), &fingerprint(1))?;
        Ok(Self {
            memos: snapshot.memos(&keys)?,
            usage: keys
                .iter()
                .map(|key| snapshot.usage(key))
                .collect::<Result<_, _>>()?,
            recipes: snapshot.recipes()?,
            functions: (0..STEPS)
                .map(|step| snapshot.functions(&component(step), 1))
                .collect::<Result<_, _>>()?,
            rows,
            owners: snapshot.owned(INDEX)?.collect::<Result<_, _>>()?,
            intents: snapshot.intents()?,
            objects: (0..STEPS).map(object).collect::<Result<_, _>>()?,
            runs: snapshot
                .runs()?
                .map(|run| run.map(|(run, _)| run.0))
                .collect::<Result<_, _>>()?,
            step: snapshot.meta("step")?,
        })
    }

    /// Whether everything here is also in `whole`: things may be missing, but none is other than it was.
    pub(super) fn is_part_of(&self, whole: &Self) -> bool {
        fn part<T: PartialEq>(some: &[T], all: &[T]) -> bool {
            some.iter().all(|item| all.contains(item))
        }
        fn hits<T: PartialEq>(found: &[Option<T>], all: &[Option<T>]) -> bool {
            found
                .iter()
                .zip(all)
                .all(|(found, whole)| found.is_none() || found == whole)
        }
        let row = |row: &(Vec<u8>, RowHead, Option<Lineage>)| {
            whole.rows.iter().any(|other| {
                (&row.0, &row.1) == (&other.0, &other.1) && (row.2.is_none() || row.2 == other.2)
            })
        };
        hits(&self.memos, &whole.memos)
            && hits(&self.usage, &whole.usage)
            && hits(&self.functions, &whole.functions)
            && part(&self.recipes, &whole.recipes)
            && hits(&self.objects, &whole.objects)
            && self.rows.iter().all(row)
            && part(&self.owners, &whole.owners)
            && part(&self.intents, &whole.intents)
            && part(&self.runs, &whole.runs)
            && (self.step.is_none() || self.step == whole.step)
    }
}
