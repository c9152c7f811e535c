//! What archives carry over, what damaged and hostile ones do, and listing page by page.

mod ages;
mod archives;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, FunctionDigest, Grant, LiteralArgument, Maker,
    MemoKey, Param, Recipe, RecipeRecord, RunId, Type, Value, encode,
};
use flowstone_store::{INLINE_BYTES_MAX, MemoRecord, Outcome, RecipeId, StoreError, Stored, Why};
use proptest::prelude::*;
use tempfile::TempDir;

use super::entries::Entries;
use super::list::list;
use super::*;
use crate::engine::{Engine, EngineConfig};
use crate::error::Error;
use crate::recipe::Recipes;

static NEVER: AtomicBool = AtomicBool::new(false);

fn engine() -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let engine = Engine::open(folder.path(), EngineConfig::default()).expect("a new store opens");
    (folder, engine)
}

fn print(number: u32) -> Fingerprint {
    Fingerprint::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// A recipe of a function `name(text: string, most: u32) -> result`.
fn recipe(name: &str, result: Type) -> RecipeRecord {
    let maker = Maker {
        component: ComponentDigest::from_bytes([7; 32]),
        function: name.to_owned(),
        reachable: None,
    };
    let param = |name: &str, ty| Param {
        name: name.to_owned(),
        ty,
    };
    RecipeRecord {
        recipe: Recipe {
            code: maker.code(),
            function: Function {
                name: name.to_owned(),
                params: vec![param("text", Type::String), param("most", Type::U32)],
                result: Some(result),
                docs: None,
            },
            literals: Vec::new(),
            grants: Vec::new(),
            ignored: Vec::new(),
            batched: false,
        },
        maker,
    }
}

/// Recipes of all sorts; one is granted what its keys hold, the last one a clock.
fn recipes() -> Vec<RecipeRecord> {
    let page = Type::record([("title", Type::String), ("words", Type::list(Type::U32))]);
    let plain = recipe("plain", Type::String);
    let mut pinned = recipe("find", Type::option(Type::list(page.clone())));
    pinned.recipe.code = CodeId::Pin {
        name: "find-1".to_owned(),
    };
    pinned.recipe.literals.push(LiteralArgument {
        position: 1,
        fingerprint: print(99),
        text: "99".to_owned(),
    });
    let granted = [Grant::read("data/words", print(98)), Grant::row("page")];
    pinned.recipe.grants.extend(granted);
    let failing = Type::Result {
        ok: Some(page.into()),
        err: Some(Type::String.into()),
    };
    let mut failing = recipe("parse", failing);
    failing.recipe.ignored.push(0);
    failing.maker.reachable = Some(FunctionDigest::from_bytes([9; 32]));
    failing.recipe.code = failing.maker.code();
    let mut impure = recipe("now", Type::U64);
    impure.recipe.grants.push(Grant::plain("clock"));
    vec![plain, pinned, failing, impure]
}

/// What a call came to: how large its value is; none; or a failure.
#[derive(Clone, Copy, Debug)]
enum Came {
    Value(usize),
    Nothing,
    Failed,
}

/// The value of about so many bytes for the recipe at this position, and its type.
fn value(recipe: usize, bytes: usize) -> (Value, Type) {
    let page_type = Type::record([("title", Type::String), ("words", Type::list(Type::U32))]);
    let page = |bytes: usize| {
        let words = (0..bytes as u32 / 4).map(Value::U32).collect();
        let words = Value::list_of(&Type::U32, words);
        Value::Record([Value::str("Über"), words].into())
    };
    match recipe {
        0 => (Value::str("x".repeat(bytes)), Type::String),
        1 => (Value::List([page(bytes)].into()), Type::list(page_type)),
        2 => (page(bytes), page_type),
        _ => (Value::U64(bytes as u64), Type::U64),
    }
}

/// Remembers calls of the recipes by position; the outcome that a recipe cannot have becomes a value.
fn remember(engine: &Engine, calls: &[(usize, u32, Came)]) {
    let recipes = recipes();
    let write = |writer: &mut Writer<'_>| {
        for (at, record) in recipes.iter().enumerate() {
            writer.put_recipe(RecipeId(10 + at as u32), record)?;
        }
        for (recipe, argument, came) in calls {
            let record = &recipes[*recipe];
            let count = record.recipe.prints() as u32;
            let arguments: Vec<_> = (0..count).map(|at| print(argument + at)).collect();
            let outcome = match came {
                Came::Nothing if *recipe == 1 => Outcome::Nothing,
                Came::Failed if *recipe == 2 => Outcome::Failed {
                    reason: format!("no page {argument}"),
                },
                Came::Value(bytes) => stored(writer, *recipe, *bytes)?,
                _ => stored(writer, *recipe, 12)?,
            };
            let key = record.recipe.key().key(arguments.iter().copied());
            let memo = MemoRecord {
                outcome,
                cost_ns: u64::from(*argument) * 1000,
                run: RunId(3),
                recipe: RecipeId(10 + *recipe as u32),
                arguments,
                why: Why::New,
            };
            writer.put_memo(&key, &memo)?;
        }
        writer.put_run(RunId(3), r#"{"run":3,"started":1}"#)
    };
    engine.store.write(write).expect("the store takes them");
}

fn stored(writer: &mut Writer<'_>, recipe: usize, bytes: usize) -> Result<Outcome, StoreError> {
    let (value, ty) = value(recipe, bytes);
    let mut encoding = Vec::new();
    encode(&value, &ty, &mut encoding);
    let hash = blake3::keyed_hash(ty.fingerprint().as_bytes(), &encoding);
    let fingerprint = Fingerprint::from_bytes(*hash.as_bytes());
    let stored = if encoding.len() > INLINE_BYTES_MAX {
        writer.put_object(&fingerprint, &encoding)?;
        Stored::Object
    } else {
        Stored::Inline(encoding)
    };
    Ok(Outcome::Value {
        fingerprint,
        parts: Vec::new(),
        stored,
    })
}

fn export(engine: &Engine) -> (Vec<u8>, ExportReport) {
    let mut archive = Vec::new();
    let options = ExportOptions::default();
    let report = engine
        .cache_export(&CacheFilter::default(), options, &mut archive, &NEVER)
        .expect("what is remembered can be exported");
    assert_eq!(report.bytes, archive.len() as u64);
    (archive, report)
}

fn import(engine: &Engine, archive: &[u8], dry_run: bool) -> Result<ImportReport, Error> {
    engine.cache_import(&mut Cursor::new(archive), dry_run, &NEVER)
}

/// What a store remembers of pure recipes, as it should be after a journey: the key, the recipe, the record without what
/// belongs to the store, and the object.
type Seen = BTreeMap<MemoKey, (RecipeRecord, MemoRecord, Option<Vec<u8>>)>;

fn seen(engine: &Engine) -> Seen {
    let snapshot = engine.store.snapshot().expect("it can be read");
    let recipes = Recipes::read(&snapshot).expect("it can be read");
    let mut seen = Seen::new();
    for entry in snapshot.memo_entries().expect("it can be read") {
        let (key, mut record) = entry.expect("it can be read");
        let recipe = recipes
            .get(record.recipe)
            .expect("every entry has its recipe");
        assert_eq!(
            key,
            recipe.recipe.key().key(record.arguments.iter().copied())
        );
        if recipe.recipe.grants.iter().any(Grant::is_impure) {
            continue;
        }
        let checked = archive::Recipe::of(recipe.clone()).expect("the recipe is sound");
        let object = match &record.outcome {
            Outcome::Value {
                fingerprint,
                stored: Stored::Object,
                ..
            } => {
                let ty = checked.ty().fingerprint();
                snapshot.object(fingerprint, &ty).expect("it can be read")
            }
            _ => None,
        };
        let encoding = match (&record.outcome, &object) {
            (
                Outcome::Value {
                    stored: Stored::Inline(bytes),
                    ..
                },
                _,
            )
            | (_, Some(bytes)) => bytes,
            _ => &Vec::new(),
        };
        checked
            .check(record.arguments.len(), &record.outcome, encoding)
            .expect("the result is one of the recipe");
        (record.run, record.recipe, record.why) = (RunId(0), RecipeId(0), Why::New);
        seen.insert(key, (recipe.clone(), record, object));
    }
    seen
}

fn came() -> impl Strategy<Value = Came> {
    prop_oneof![
        4 => (0usize..60).prop_map(Came::Value),
        2 => (990usize..1100).prop_map(Came::Value),
        1 => Just(Came::Value(70_000)),
        2 => Just(Came::Nothing),
        2 => Just(Came::Failed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_exported_arrives(
        calls in prop::collection::vec((0usize..4, 0u32..30, came()), 0..40),
        there in prop::collection::vec((0usize..4, 0u32..30, came()), 0..10),
    ) {
        let ((_from, from), (_to, to)) = (engine(), engine());
        remember(&from, &calls);
        remember(&to, &there);
        let (sent, had) = (seen(&from), seen(&to));
        let (archive, exported) = export(&from);
        prop_assert_eq!(exported.results, sent.len() as u64);
        prop_assert_eq!(exported.lost, 0);
        let expected = ImportReport {
            results: sent.len() as u64,
            imported: sent.keys().filter(|key| !had.contains_key(key)).count() as u64,
            present: sent.keys().filter(|key| had.contains_key(key)).count() as u64,
            impure: 0,
            builds: 0,
        };
        prop_assert_eq!(import(&to, &archive, true).expect("it is sound"), expected);
        prop_assert_eq!(&seen(&to), &had);
        prop_assert_eq!(import(&to, &archive, false).expect("it is sound"), expected);
        // What was there stays; the rest is as it was sent.
        let mut all = sent.clone();
        all.extend(had);
        prop_assert_eq!(seen(&to), all);
        let again = import(&to, &archive, false).expect("it is sound");
        prop_assert_eq!((again.imported, again.present), (0, sent.len() as u64));
    }
}

#[test]
fn small_pages_list_what_a_large_one_does() {
    let (_folder, engine) = engine();
    let calls: Vec<_> = (0..30)
        .map(|at| (at % 2, at as u32 * 3, Came::Value(at / 4)))
        .collect();
    remember(&engine, &calls);
    let snapshot = engine.store.snapshot().expect("it can be read");
    let recipes = Recipes::read(&snapshot).expect("it can be read");
    let filter = CacheFilter::default();
    let entries = Entries::new(&snapshot, &recipes, &filter, &NEVER).expect("nothing is asked for");
    let listed = |sort, limit, page_max| {
        let mut keys = Vec::new();
        let listing = list(&entries, sort, limit, page_max, &mut |entry| {
            keys.push((entry.bytes, entry.key));
            ControlFlow::Continue(())
        });
        let listing = listing.expect("it can be listed");
        assert_eq!(listing.shown, keys.len() as u64);
        assert_eq!(listing.totals.entries, 30);
        keys
    };
    for sort in [CacheSort::Size, CacheSort::Cost, CacheSort::Age] {
        let all = listed(sort, None, 1000);
        assert_eq!(all.len(), 30);
        for page_max in [1, 7, 30] {
            assert_eq!(listed(sort, None, page_max), all);
            assert_eq!(listed(sort, Some(8), page_max), all[..8]);
        }
        assert_eq!(listed(sort, Some(0), 7), []);
    }
    let by_size = listed(CacheSort::Size, None, 1000);
    assert!(by_size.is_sorted_by(|a, b| (a.0, &b.1) > (b.0, &a.1)));
}
