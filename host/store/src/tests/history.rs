//! A scripted history of transactions, and everything that a store holds in a form that can be compared.

use std::collections::BTreeMap;

use flowstone_core::{FunctionDigest, RecipeRecord, RunId};

use super::relation::{RawRecord, dump_relations};
use super::{
    component, fingerprint, hash, head, lineage, memo, memo_key, recipe, target_row, text_value,
};
use crate::{
    ChangedElement, CollectionId, Intent, IntentRow, Lineage, LookupRecord, Member, MemoRecord,
    Owner, RecipeId, RowHead, Step, Store, StoreError, TargetId, Usage, Writer, member_key,
};

pub(super) const STEPS: u64 = 6;

const PAGES: CollectionId = CollectionId(0);
const INDEX: TargetId = TargetId(1);
const PEOPLE: TargetId = TargetId(2);
const MEMOS_PER_STEP: u64 = 20;

fn name(row: u64) -> Vec<u8> {
    format!("page-{row}").into_bytes()
}

/// One transaction of the history: it adds, replaces and removes records of every kind. The entries of results wait behind
/// the first step and the fourth.
pub(super) fn step(writer: &mut Writer<'_>, step: u64) -> Result<(), StoreError> {
    let defers = step.is_multiple_of(3);
    if defers {
        writer.defer_entries();
    }
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
        if !defers {
            writer.remove_memo(&memo_key(before * MEMOS_PER_STEP))?;
        }
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
    relate(writer, step)?;
    writer.put_meta("step", &step.to_le_bytes())
}

/// What a step of the history does to a relation, its readers, the rows that are due and a fold.
fn relate(writer: &mut Writer<'_>, step: u64) -> Result<(), StoreError> {
    let lookup = |step: u64| LookupRecord {
        relation: PEOPLE,
        key: *hash(step).first_chunk().unwrap(),
    };
    let (group, level) = (step.to_be_bytes(), step as u8);
    for number in 0..4 {
        let column = (fingerprint(step + number), name(step * number));
        let member = Member {
            columns: vec![column],
        };
        // The first is the same one in all steps, with other values.
        let of: &[u8] = if number == 0 { b"\0" } else { &group };
        writer.put_member(PEOPLE, &member_key(of, &name(number)), Some(&member))?;
        writer.put_reader(&lookup(step), PAGES, &name(step + number), true)?;
        writer.put_change((PEOPLE, of, level), &name(number), number == 1)?;
        let value = Step {
            fingerprint: fingerprint(number),
            bytes: name(step),
        };
        writer.put_step((PEOPLE, &group, number as u8), b"", Some(&value))?;
    }
    writer.put_due(PAGES, &name(100 + step))?;
    let Some(before) = step.checked_sub(1) else {
        return Ok(());
    };
    let group = before.to_be_bytes();
    writer.put_member(PEOPLE, &member_key(&group, &name(1)), None)?;
    writer.remove_due(PAGES, &name(100 + before))?;
    writer.make_readers_due(&lookup(before))?;
    writer.put_reader(&lookup(before), PAGES, &name(before), false)?;
    writer.clear_steps(PEOPLE, &group, 2)?;
    writer.clear_changes((PEOPLE, &group, before as u8), b"page-2", b"")
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
    relations: Vec<RawRecord>,
    /// The same, as callers see them.
    members: Vec<(Vec<u8>, Option<Member>)>,
    due: Vec<Vec<u8>>,
    changes: Vec<ChangedElement>,
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
        let mut members = Vec::new();
        for row in snapshot.published(PEOPLE)? {
            let (key, _) = row?;
            let member = snapshot.member(PEOPLE, &key)?;
            members.push((key, member));
        }
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
            relations: dump_relations(store)?,
            members,
            due: snapshot.due(PAGES)?.collect::<Result<_, _>>()?,
            changes: snapshot.changes(PEOPLE)?.collect::<Result<_, _>>()?,
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
            && part(&self.relations, &whole.relations)
            && part(&self.members, &whole.members)
            && part(&self.due, &whole.due)
            && part(&self.changes, &whole.changes)
            && part(&self.runs, &whole.runs)
            && (self.step.is_none() || self.step == whole.step)
    }
}
