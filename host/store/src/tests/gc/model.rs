//! Collections against a naive model: any store, any policy, chunks of any size, stopped anywhere.

use flowstone_core::RunId;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::tests::write;

/// A store to be collected.
#[derive(Clone, Debug)]
struct Filled {
    /// By number: the run that made it, its recipe, its object.
    entries: BTreeMap<u64, (u64, u32, Option<u8>)>,
    /// By number: the run that used it.
    usage: BTreeMap<u64, u64>,
    /// By collection and row: the calls it uses, and those it replaced.
    rows: BTreeMap<(u32, u8), (Vec<u64>, Vec<u64>)>,
    objects: BTreeSet<u8>,
    recipes: BTreeSet<u32>,
    components: BTreeSet<u64>,
    runs: BTreeSet<u64>,
}

fn filled() -> impl Strategy<Value = Filled> {
    let key = 0..KEYS;
    let run = 1..10_u64;
    let of = prop::option::of(0..OBJECTS);
    let recipe = 0..RECIPES as u32;
    let calls = || prop::collection::vec(0..KEYS, 0..4);
    (
        prop::collection::btree_map(key.clone(), (run.clone(), recipe.clone(), of), 0..20),
        prop::collection::btree_map(key, run.clone(), 0..10),
        prop::collection::btree_map((0..3_u32, 0..9_u8), (calls(), calls()), 0..4),
        prop::collection::btree_set(0..OBJECTS, 0..OBJECTS as usize),
        prop::collection::btree_set(recipe, 0..RECIPES as usize),
        prop::collection::btree_set(0..RECIPES, 0..RECIPES as usize),
        prop::collection::btree_set(run, 0..6),
    )
        .prop_map(
            |(entries, usage, rows, objects, recipes, components, runs)| Filled {
                entries,
                usage,
                rows,
                objects,
                recipes,
                components,
                runs,
            },
        )
}

fn policy() -> impl Strategy<Value = GcPolicy> {
    let recipes = || {
        let ids = prop::collection::btree_set(0..RECIPES as u32, 0..3);
        ids.prop_map(|ids| ids.into_iter().map(RecipeId).collect::<BTreeSet<_>>())
    };
    let components = prop::collection::btree_set(0..RECIPES, 0..3)
        .prop_map(|numbers| numbers.into_iter().map(component).collect::<BTreeSet<_>>());
    (0..12_u64, 0..12_u64, recipes(), recipes(), components).prop_map(
        |(used_since, runs_since, pinned, live_recipes, live_components)| GcPolicy {
            used_since: RunId(used_since),
            runs_since: RunId(runs_since),
            bytes_max: None,
            pinned,
            live_recipes,
            live_components,
            dry_run: false,
        },
    )
}

impl Filled {
    fn open(&self, dir: &TempDir) -> (Store, Disk) {
        let (store, disk) = fast(dir);
        for number in &self.components {
            put_component(&store, *number).unwrap();
        }
        write(&store, |writer| self.put(writer)).unwrap();
        (store, disk)
    }

    fn put(&self, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        for (number, (run, recipe, of)) in &self.entries {
            let record = entry(*number, *run, *recipe, *of);
            writer.put_memo(&memo_key(*number), &record)?;
        }
        for (number, run) in &self.usage {
            writer.add_usage(&memo_key(*number), RunId(*run), 2)?;
        }
        for ((collection, row), (calls, replaced)) in &self.rows {
            put_row(writer, *collection, *row, &using(calls, replaced))?;
        }
        for number in &self.objects {
            let (encoding, value, _) = object(*number);
            writer.put_object(&value, &encoding)?;
        }
        for id in &self.recipes {
            writer.put_recipe(RecipeId(*id), &recipe(u64::from(*id)))?;
        }
        for run in &self.runs {
            writer.put_run(RunId(*run), "{}")?;
        }
        writer.put_meta("pin/words", b"1")
    }
}

fn of_size(dir: &TempDir, store: &Store, expected: &World) {
    let size = store.size().unwrap();
    let lens = |folder: &str| -> u64 {
        let names = files(dir)
            .into_iter()
            .filter(|name| name.starts_with(folder));
        names
            .map(|name| std::fs::metadata(dir.path().join(name)).unwrap().len())
            .sum()
    };
    assert_eq!(size.objects, lens("objects/"));
    assert_eq!(size.builds, lens("builds/"));
    assert_eq!(size.compiled, lens("aot/"));
    let long = expected.objects.iter().filter(|number| *number % 2 == 1);
    assert_eq!(
        files(dir).len(),
        long.count() + expected.builds.len() + expected.compiled.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_stays_is_what_a_naive_collection_leaves(
        filled in filled(), policy in policy(), records in 1..9_usize, stops in prop::collection::vec(0..30_usize, 0..3)
    ) {
        let dir = TempDir::new().unwrap();
        let mut opened = filled.open(&dir);
        let store = &opened.0;
        let before = World::of(store).unwrap();
        let expected = before.clone().collected(&policy);

        let dry_policy = GcPolicy { dry_run: true, ..policy.clone() };
        let dry = collect(store, &dry_policy, records, None);
        prop_assert_eq!(&World::of(store).unwrap(), &before);
        prop_assert!(dry.finished);

        for stop_after in &stops {
            collect(&opened.0, &policy, records, Some(*stop_after));
            if stop_after % 2 == 0 {
                opened = reopened(&dir, opened);
            }
        }
        let store = &opened.0;
        let mut report = collect(store, &policy, records, None);
        prop_assert_eq!(&World::of(store).unwrap(), &expected);
        of_size(&dir, store, &expected);

        prop_assert_eq!(report.entries, before.memos.len() as u64);
        prop_assert_eq!(report.kept, expected.memos.len() as u64);
        prop_assert_eq!(report.removed, report.expired);
        prop_assert_eq!(report.in_use + report.pinned + report.recent, report.kept);
        prop_assert_eq!(report.objects_removed, (before.objects.len() - expected.objects.len()) as u64);
        prop_assert_eq!(report.recipes_removed, (before.recipes.len() - expected.recipes.len()) as u64);
        prop_assert_eq!(report.builds_removed, (before.builds.len() - expected.builds.len()) as u64);
        prop_assert_eq!(report.runs_removed, (before.runs.len() - expected.runs.len()) as u64);
        prop_assert_eq!(report.bytes_before - report.bytes_removed, report.bytes_after);
        prop_assert!(report.finished);

        // A collection that was stopped comes to the same as one that was not, and a trial run to the same as both.
        // The size is measured again where it was stopped before that, with the marks of what came before in the same
        // tables.
        report.resumed = false;
        prop_assert_eq!(report, dry);

        let again = collect(store, &policy, records, None);
        prop_assert_eq!(again.removed + again.objects_removed + again.orphans_removed + again.usage_removed, 0);
    }
}
