//! Collecting: what stays and what goes, whatever happens meanwhile.

mod crash;
mod damage;
mod model;
mod policy;
mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use flowstone_core::{ComponentDigest, FunctionDigest, Interface, MemoKey, RunId};

use super::crash::{empty_image, open as crash_open};
use super::disk::{Disk, Survives};
use super::{component, fingerprint, hash, head, memo_key, recipe, text_value};
use crate::gc::GcLimits;
use crate::{
    CallRecord, CollectionId, GcPolicy, GcReport, Lineage, MemoRecord, Outcome, RecipeId, Store,
    StoreError, Stored, Usage, Why, Writer,
};

/// How many different keys, objects, recipes and components the tests use.
pub(super) const KEYS: u64 = 24;
pub(super) const OBJECTS: u8 = 6;
pub(super) const RECIPES: u64 = 5;

/// Object number `number`: every other one has a file of its own.
fn object(
    number: u8,
) -> (
    Vec<u8>,
    flowstone_core::Fingerprint,
    flowstone_core::Fingerprint,
) {
    let len = if number.is_multiple_of(2) {
        2000
    } else {
        66_000
    };
    text_value(char::from(b'a' + number), len)
}

/// An entry made by `run` under `recipe`, whose value is an object, where one is given.
fn entry(number: u64, run: u64, recipe: u32, of: Option<u8>) -> MemoRecord {
    let (fingerprint, stored) = match of {
        Some(of) => (object(of).1, Stored::Object),
        None => (fingerprint(number), Stored::Inline(vec![7; 40])),
    };
    MemoRecord {
        outcome: Outcome::Value {
            fingerprint,
            parts: Vec::new(),
            stored,
        },
        cost_ns: 1,
        run: RunId(run),
        recipe: RecipeId(recipe),
        arguments: vec![fingerprint_of_argument(number)],
        why: Why::New,
    }
}

fn fingerprint_of_argument(number: u64) -> flowstone_core::Fingerprint {
    fingerprint(1000 + number)
}

/// What was made of a row that uses these calls.
fn using(calls: &[u64], replaced: &[u64]) -> Lineage {
    let records = |numbers: &[u64]| {
        let record = |number: &u64| CallRecord {
            transform: 0,
            key: memo_key(*number),
        };
        numbers.iter().map(record).collect()
    };
    Lineage {
        calls: records(calls),
        replaced: records(replaced),
        ..Lineage::default()
    }
}

fn put_row(
    writer: &mut Writer<'_>,
    collection: u32,
    row: u8,
    lineage: &Lineage,
) -> Result<(), StoreError> {
    writer.put_row(CollectionId(collection), &[row], &head(row.into()), lineage)
}

/// Collects, in chunks of so many records, and stops after so many of them.
fn collect(
    store: &Store,
    policy: &GcPolicy,
    records: usize,
    stop_after: Option<usize>,
) -> GcReport {
    let limits = GcLimits {
        marks: records,
        records,
        bytes: 1 << 20,
    };
    let stop = AtomicBool::new(stop_after == Some(0));
    let mut chunks = 0;
    let report = store.gc_within(policy, limits, &stop, &mut |progress| {
        assert!(progress.done <= progress.total);
        chunks += 1;
        let is_last = stop_after.is_some_and(|after| chunks >= after);
        stop.store(is_last, std::sync::atomic::Ordering::Relaxed);
    });
    report.unwrap()
}

/// A store whose database lies in memory, which makes a test of many transactions ten times as fast.
fn fast(dir: &tempfile::TempDir) -> (Store, Disk) {
    let disk = Disk::with(&empty_image(dir), None);
    // For those who ask how large it is.
    std::fs::write(dir.path().join("store.redb"), "").unwrap();
    (crash_open(dir, disk.clone()).unwrap(), disk)
}

/// The same, closed and opened again.
fn reopened(dir: &tempfile::TempDir, (store, disk): (Store, Disk)) -> (Store, Disk) {
    drop(store);
    let disk = Disk::with(&disk.surviving(Survives::All), None);
    (crash_open(dir, disk.clone()).unwrap(), disk)
}

/// Everything in a store that a collection may touch.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    memos: BTreeMap<MemoKey, MemoRecord>,
    usage: BTreeMap<MemoKey, Usage>,
    objects: BTreeSet<u8>,
    recipes: BTreeSet<RecipeId>,
    builds: BTreeSet<ComponentDigest>,
    compiled: BTreeSet<ComponentDigest>,
    interfaces: BTreeSet<ComponentDigest>,
    functions: BTreeSet<ComponentDigest>,
    runs: BTreeSet<RunId>,
    lineages: Vec<(u32, Vec<u8>, Lineage)>,
    meta: Vec<(String, Vec<u8>)>,
}

impl World {
    fn of(store: &Store) -> Result<Self, StoreError> {
        let snapshot = store.snapshot()?;
        let mut world = Self {
            memos: snapshot.memo_entries()?.collect::<Result<_, _>>()?,
            ..Self::default()
        };
        for number in 0..KEYS {
            let usage = snapshot.usage(&memo_key(number))?;
            world
                .usage
                .extend(usage.map(|usage| (memo_key(number), usage)));
        }
        for number in 0..OBJECTS {
            let (encoding, value, ty) = object(number);
            if let Some(found) = snapshot.object(&value, &ty)? {
                assert_eq!(found, encoding);
                world.objects.insert(number);
            }
        }
        world.recipes = snapshot.recipes()?.into_iter().map(|(id, _)| id).collect();
        for number in 0..RECIPES {
            let digest = component(number);
            if store.build(&digest)?.is_some() {
                world.builds.insert(digest);
            }
            if store.compiled(&digest, "x86")?.is_some() {
                world.compiled.insert(digest);
            }
            if snapshot.interface(&digest)?.is_some() {
                world.interfaces.insert(digest);
            }
            if snapshot.functions(&digest, 1)?.is_some() {
                world.functions.insert(digest);
            }
        }
        for run in snapshot.runs()? {
            world.runs.insert(run?.0);
        }
        for collection in 0..3 {
            for lineage in snapshot.lineages(CollectionId(collection))? {
                let (key, lineage) = lineage?;
                world.lineages.push((collection, key, lineage));
            }
        }
        world.meta = snapshot.meta_prefix("")?;
        (world.meta).retain(|(name, _)| !name.starts_with("store/"));
        Ok(world)
    }

    /// What a collection under this policy leaves, where size does not matter.
    fn collected(mut self, policy: &GcPolicy) -> Self {
        let calls = self
            .lineages
            .iter()
            .flat_map(|(_, _, lineage)| &lineage.calls);
        let in_use: BTreeSet<MemoKey> = calls.map(|call| call.key).collect();
        let usage = self.usage.clone();
        self.memos.retain(|key, record| {
            let used = usage.get(key).map_or(RunId(0), |usage| usage.run);
            in_use.contains(key)
                || policy.pinned.contains(&record.recipe)
                || used.max(record.run) >= policy.used_since
        });
        self.without_what_nobody_needs(policy)
    }

    /// What is left when what its entries do not need is gone.
    fn without_what_nobody_needs(mut self, policy: &GcPolicy) -> Self {
        self.usage.retain(|key, _| self.memos.contains_key(key));
        let needed: BTreeSet<_> = (self.memos.values())
            .filter_map(|record| match &record.outcome {
                Outcome::Value {
                    fingerprint,
                    stored: Stored::Object,
                    ..
                } => Some(*fingerprint),
                _ => None,
            })
            .collect();
        self.objects
            .retain(|number| needed.contains(&object(*number).1));
        let recipes: BTreeSet<RecipeId> = self.memos.values().map(|record| record.recipe).collect();
        self.recipes.retain(|id| {
            recipes.contains(id) || policy.pinned.contains(id) || policy.live_recipes.contains(id)
        });
        let makers: BTreeSet<ComponentDigest> = self
            .recipes
            .iter()
            .map(|id| component(id.0.into()))
            .collect();
        let is_live = |digest: &ComponentDigest| {
            makers.contains(digest) || policy.live_components.contains(digest)
        };
        self.builds.retain(is_live);
        self.compiled.retain(is_live);
        self.interfaces.retain(is_live);
        self.functions.retain(is_live);
        let newest = self.runs.last().copied().unwrap_or_default();
        self.runs
            .retain(|run| *run >= policy.runs_since || *run == newest);
        self
    }
}

/// Keeps everything there is of a component.
fn put_component(store: &Store, number: u64) -> Result<(), StoreError> {
    let digest = component(number);
    store.put_build(&digest, &hash(number))?;
    store.put_compiled(&digest, "x86", &hash(number))?;
    store.write(|writer| {
        writer.put_interface(&digest, &Interface::default())?;
        let function = FunctionDigest::from_bytes(hash(number));
        writer.put_functions(&digest, 1, &[("f".to_owned(), function)].into())
    })
}

/// The names of the files below the store's folder that hold data.
fn files(dir: &tempfile::TempDir) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for folder in ["builds", "aot", "tmp"] {
        let entries = std::fs::read_dir(dir.path().join(folder));
        files.extend(entries.into_iter().flatten().map(|entry| {
            let name = entry.unwrap().file_name();
            format!("{folder}/{}", name.to_string_lossy())
        }));
    }
    for shard in std::fs::read_dir(dir.path().join("objects")).unwrap() {
        let shard = shard.unwrap();
        for entry in std::fs::read_dir(shard.path()).unwrap() {
            let (shard, name) = (shard.file_name(), entry.unwrap().file_name());
            let (shard, name) = (shard.to_string_lossy(), name.to_string_lossy());
            files.insert(format!("objects/{shard}/{name}"));
        }
    }
    files
}
