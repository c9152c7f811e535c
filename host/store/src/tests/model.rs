//! The store against maps in memory: any operations, committed or given up, with the store reopened now and then.

use std::collections::BTreeMap;

use flowstone_core::{MemoKey, RecipeRecord, RunId};
use proptest::prelude::*;

use super::{head, lineage, memo, memo_key, open, recipe, target_row, text_value};
use crate::{
    CollectionId, Intent, IntentRow, Lineage, MemoRecord, Owner, RecipeId, RowHead, Snapshot,
    Store, StoreError, TargetId, Writer,
};

#[derive(Clone, Debug)]
enum Operation {
    Memo(u64, u64),
    Object(u8, bool),
    Row(u32, Vec<u8>, u64),
    Head(u32, Vec<u8>, u64),
    RemoveRow(u32, Vec<u8>),
    Claim(u32, Vec<u8>, u64),
    Release(u32, Vec<u8>),
    Intent(u64, u64),
    ClearIntent(u64),
    Run(u64),
    Meta(String, u8),
    RemoveMeta(String),
    RemoveMemo(u64),
    Usage(u64, u64, u64),
    Recipe(u32, u64),
    NextRecipe,
}

#[derive(Clone, Debug)]
struct Transaction {
    operations: Vec<Operation>,
    commit: bool,
    reopen: bool,
    /// Whether entries of results and objects wait.
    defers: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    memos: BTreeMap<MemoKey, MemoRecord>,
    objects: BTreeMap<(u8, bool), Vec<u8>>,
    heads: BTreeMap<(u32, Vec<u8>), RowHead>,
    lineages: BTreeMap<(u32, Vec<u8>), Lineage>,
    owners: BTreeMap<(u32, Vec<u8>), Owner>,
    intents: BTreeMap<u64, Intent>,
    runs: BTreeMap<u64, String>,
    meta: BTreeMap<String, Vec<u8>>,
    usage: BTreeMap<MemoKey, (u64, u64)>,
    recipes: BTreeMap<RecipeId, RecipeRecord>,
    last_recipe: u32,
}

fn owner(number: u64) -> Owner {
    Owner {
        collection: CollectionId(number as u32),
        row: number.to_string().into_bytes(),
    }
}

fn intent(number: u64) -> Intent {
    let row = IntentRow {
        collection: CollectionId(0),
        key: vec![1],
        targets: vec![target_row(number)],
    };
    Intent {
        rows: vec![row; number as usize % 3],
    }
}

fn object(
    letter: u8,
    long: bool,
) -> (
    Vec<u8>,
    flowstone_core::Fingerprint,
    flowstone_core::Fingerprint,
) {
    text_value(char::from(b'a' + letter), if long { 66_000 } else { 2000 })
}

impl Operation {
    fn on_store(&self, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        match self {
            Self::Memo(key, value) => writer.put_memo(&memo_key(*key), &memo(*value)),
            Self::Object(letter, long) => {
                let (encoding, value, _) = object(*letter, *long);
                writer.put_object(&value, &encoding)
            }
            Self::Row(collection, key, value) => writer.put_row(
                CollectionId(*collection),
                key,
                &head(*value),
                &lineage(*value),
            ),
            Self::Head(collection, key, value) => {
                writer.put_head(CollectionId(*collection), key, &head(*value))
            }
            Self::RemoveRow(collection, key) => writer.remove_row(CollectionId(*collection), key),
            Self::Claim(target, key, value) => writer.claim(TargetId(*target), key, &owner(*value)),
            Self::Release(target, key) => writer.release(TargetId(*target), key),
            Self::Intent(batch, value) => writer.put_intent(*batch, &intent(*value)),
            Self::ClearIntent(batch) => writer.clear_intent(*batch),
            Self::Run(run) => writer.put_run(RunId(*run), &run.to_string()),
            Self::Meta(name, value) => writer.put_meta(name, &[*value]),
            Self::RemoveMeta(name) => writer.remove_meta(name),
            Self::RemoveMemo(key) => writer.remove_memo(&memo_key(*key)),
            Self::Usage(key, run, rows) => writer.add_usage(&memo_key(*key), RunId(*run), *rows),
            Self::Recipe(id, value) => writer.put_recipe(RecipeId(*id), &recipe(*value)),
            Self::NextRecipe => writer.next_recipe().map(drop),
        }
    }

    fn on_model(&self, model: &mut Model) {
        match self.clone() {
            Self::Memo(key, value) => drop(model.memos.insert(memo_key(key), memo(value))),
            Self::Object(letter, long) => {
                drop(model.objects.insert((letter, long), object(letter, long).0));
            }
            Self::Row(collection, key, value) => {
                model.heads.insert((collection, key.clone()), head(value));
                model.lineages.insert((collection, key), lineage(value));
            }
            Self::Head(collection, key, value) => {
                drop(model.heads.insert((collection, key), head(value)));
            }
            Self::RemoveRow(collection, key) => {
                let key = (collection, key);
                model.heads.remove(&key);
                model.lineages.remove(&key);
            }
            Self::Claim(target, key, value) => {
                drop(model.owners.insert((target, key), owner(value)));
            }
            Self::Release(target, key) => drop(model.owners.remove(&(target, key))),
            Self::Intent(batch, value) => drop(model.intents.insert(batch, intent(value))),
            Self::ClearIntent(batch) => drop(model.intents.remove(&batch)),
            Self::Run(run) => drop(model.runs.insert(run, run.to_string())),
            Self::Meta(name, value) => drop(model.meta.insert(name, vec![value])),
            Self::RemoveMeta(name) => drop(model.meta.remove(&name)),
            Self::RemoveMemo(key) => {
                model.memos.remove(&memo_key(key));
                model.usage.remove(&memo_key(key));
            }
            Self::Usage(key, run, rows) => {
                let usage = model.usage.entry(memo_key(key)).or_default();
                *usage = (usage.0.max(run), usage.1 + rows);
            }
            Self::Recipe(id, value) => {
                model.recipes.insert(RecipeId(id), recipe(value));
                model.last_recipe = model.last_recipe.max(id);
            }
            Self::NextRecipe => model.last_recipe += 1,
        }
    }
}

impl Model {
    /// What the store holds, asked for in every way there is.
    fn of(store: &Store) -> Self {
        let snapshot = store.snapshot().unwrap();
        let mut model = Self {
            memos: memos(&snapshot),
            ..Self::default()
        };
        for key in (0..KEYS).map(memo_key) {
            let usage = snapshot.usage(&key).unwrap();
            let usage = usage.map(|usage| (key, (usage.run.0, usage.reused)));
            model.usage.extend(usage);
        }
        assert_eq!(listed(&snapshot), model.memos);
        // The snapshot keeps finding what enters the indexes now.
        store.enter_deferred().unwrap();
        for snapshot in [&snapshot, &store.snapshot().unwrap()] {
            assert_eq!(memos(snapshot), model.memos);
            assert_eq!(listed(snapshot), model.memos);
        }
        for (letter, long) in (0..3).flat_map(|letter| [(letter, false), (letter, true)]) {
            let (_, value, ty) = object(letter, long);
            let found = snapshot.object(&value, &ty).unwrap();
            model
                .objects
                .extend(found.map(|found| ((letter, long), found)));
        }
        for collection in COLLECTIONS {
            let rows: Vec<_> = snapshot
                .rows(CollectionId(collection))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
            for (key, head) in rows {
                assert_eq!(
                    snapshot
                        .row(CollectionId(collection), &key)
                        .unwrap()
                        .as_ref(),
                    Some(&head)
                );
                let lineage = snapshot.lineage(CollectionId(collection), &key).unwrap();
                model
                    .lineages
                    .extend(lineage.map(|lineage| ((collection, key.clone()), lineage)));
                model.heads.insert((collection, key), head);
            }
            let lineages = snapshot.lineages(CollectionId(collection)).unwrap();
            for (key, lineage) in lineages.map(Result::unwrap) {
                assert_eq!(model.lineages[&(collection, key)], lineage);
            }
            for owned in snapshot.owned(TargetId(collection)).unwrap() {
                let (key, owner) = owned.unwrap();
                assert_eq!(
                    snapshot.owner(TargetId(collection), &key).unwrap().as_ref(),
                    Some(&owner)
                );
                model.owners.insert((collection, key), owner);
            }
        }
        model.recipes = snapshot.recipes().unwrap().into_iter().collect();
        for (id, recipe) in &model.recipes {
            assert_eq!(snapshot.recipe(*id).unwrap().as_ref(), Some(recipe));
        }
        // Given up, so that asking changes nothing.
        let next: Result<(), NextRecipe> =
            store.write(|writer| Err(NextRecipe(writer.next_recipe()?.0)));
        model.last_recipe = next.unwrap_err().0 - 1;
        model.intents = snapshot.intents().unwrap().into_iter().collect();
        let runs: Vec<_> = snapshot.runs().unwrap().map(Result::unwrap).collect();
        assert!(runs.is_sorted_by(|a, b| a.0 > b.0));
        assert_eq!(snapshot.last_run().unwrap(), runs.first().map(|run| run.0));
        model.runs = runs.into_iter().map(|(run, text)| (run.0, text)).collect();
        let mut meta = snapshot.meta_prefix("").unwrap();
        meta.retain(|(name, _)| name != "format" && !name.starts_with("store/"));
        model.meta = meta.into_iter().collect();
        model
    }
}

/// The results that are there, asked for by their keys.
fn memos(snapshot: &Snapshot) -> BTreeMap<MemoKey, MemoRecord> {
    let keys: Vec<_> = (0..KEYS).map(memo_key).collect();
    let found = snapshot.memos(&keys).unwrap();
    for (key, found) in keys.iter().zip(&found) {
        assert_eq!(snapshot.memo(key).unwrap().as_ref(), found.as_ref());
    }
    (keys.into_iter().zip(found))
        .filter_map(|(key, found)| Some((key, found?)))
        .collect()
}

/// The results that are there, gone through.
fn listed(snapshot: &Snapshot) -> BTreeMap<MemoKey, MemoRecord> {
    let entries = snapshot.memo_entries().unwrap().map(Result::unwrap);
    let entries: Vec<_> = entries.collect();
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
    entries.into_iter().collect()
}

const KEYS: u64 = 12;
const COLLECTIONS: [u32; 3] = [0, 1, u32::MAX];

fn operation() -> impl Strategy<Value = Operation> {
    let number = 0..KEYS;
    let collection = prop::sample::select(&COLLECTIONS[..]);
    let key = prop_oneof![
        4 => prop::collection::vec(prop::sample::select(&[0_u8, 1, 255][..]), 0..3),
        1 => (254_usize..259).prop_map(|len| vec![7; len]),
    ];
    let name = prop::sample::select(&["a", "a/b", "b", ""][..]).prop_map(str::to_owned);
    prop_oneof![
        (number.clone(), number.clone()).prop_map(|(key, value)| Operation::Memo(key, value)),
        (0_u8..3, any::<bool>()).prop_map(|(letter, long)| Operation::Object(letter, long)),
        (collection.clone(), key.clone(), number.clone())
            .prop_map(|(c, k, v)| Operation::Row(c, k, v)),
        (collection.clone(), key.clone(), number.clone())
            .prop_map(|(c, k, v)| Operation::Head(c, k, v)),
        (collection.clone(), key.clone()).prop_map(|(c, k)| Operation::RemoveRow(c, k)),
        (collection.clone(), key.clone(), number.clone())
            .prop_map(|(t, k, v)| Operation::Claim(t, k, v)),
        (collection, key).prop_map(|(t, k)| Operation::Release(t, k)),
        (number.clone(), number.clone()).prop_map(|(batch, value)| Operation::Intent(batch, value)),
        number.clone().prop_map(Operation::ClearIntent),
        number.clone().prop_map(Operation::Run),
        (name.clone(), any::<u8>()).prop_map(|(name, value)| Operation::Meta(name, value)),
        name.prop_map(Operation::RemoveMeta),
        number.clone().prop_map(Operation::RemoveMemo),
        (number.clone(), 0..4_u64, number.clone())
            .prop_map(|(key, run, rows)| Operation::Usage(key, run, rows)),
        (0..4_u32, number).prop_map(|(id, value)| Operation::Recipe(id, value)),
        Just(Operation::NextRecipe),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let operations = prop::collection::vec(operation(), 0..12);
    (
        operations,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.7),
    )
        .prop_map(|(operations, commit, reopen, defers)| Transaction {
            operations,
            commit,
            reopen,
            defers,
        })
}

struct GivenUp;

struct NextRecipe(u32);

impl From<StoreError> for NextRecipe {
    fn from(error: StoreError) -> Self {
        panic!("{error}")
    }
}

impl From<StoreError> for GivenUp {
    fn from(error: StoreError) -> Self {
        panic!("{error}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_a_set_of_maps(transactions in prop::collection::vec(transaction(), 0..12)) {
        let dir = tempfile::TempDir::new().unwrap();
        let mut store = open(&dir);
        let mut model = Model::default();
        let mut before: Option<(Snapshot, BTreeMap<_, _>)> = None;
        for Transaction { operations, commit, reopen, defers } in transactions {
            let done: Result<(), GivenUp> = store.write(|writer| {
                if defers {
                    writer.defer_entries();
                }
                for operation in &operations {
                    operation.on_store(writer)?;
                    if let Operation::Memo(key, value) = operation {
                        assert_eq!(writer.memo(&memo_key(*key))?, Some(memo(*value)));
                    }
                }
                if commit { Ok(()) } else { Err(GivenUp) }
            });
            assert_eq!(done.is_ok(), commit);
            if commit {
                for operation in &operations {
                    operation.on_model(&mut model);
                }
            }
            let now = store.snapshot().unwrap();
            prop_assert_eq!(&memos(&now), &model.memos);
            prop_assert_eq!(&listed(&now), &model.memos);
            // What was there before is found by whoever looks at that.
            if let Some((snapshot, memos_before)) = before.replace((now, model.memos.clone())) {
                prop_assert_eq!(&memos(&snapshot), &memos_before);
                prop_assert_eq!(listed(&snapshot), memos_before);
            }
            if reopen {
                before = None;
                drop(store);
                store = open(&dir);
                prop_assert_eq!(&Model::of(&store), &model);
            }
        }
        prop_assert_eq!(Model::of(&store), model);
    }
}
