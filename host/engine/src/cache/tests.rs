//! What archives carry over, what damaged and hostile ones do, and listing page by page.

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
        },
        maker,
    }
}

/// Recipes of all sorts; the last one is granted a clock.
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
    let failing = Type::Result {
        ok: Some(page.into()),
        err: Some(Type::String.into()),
    };
    let mut failing = recipe("parse", failing);
    failing.recipe.ignored.push(0);
    failing.maker.reachable = Some(FunctionDigest::from_bytes([9; 32]));
    failing.recipe.code = failing.maker.code();
    let mut impure = recipe("now", Type::U64);
    impure.recipe.grants.push(Grant {
        name: "clock".to_owned(),
        fingerprint: Fingerprint::from_bytes([0; 32]),
    });
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
    let write = |writer: &mut flowstone_store::Writer<'_>| {
        for (at, record) in recipes.iter().enumerate() {
            writer.put_recipe(RecipeId(10 + at as u32), record)?;
        }
        for (recipe, argument, came) in calls {
            let record = &recipes[*recipe];
            let count = record.recipe.arguments().count() as u32;
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

fn stored(
    writer: &mut flowstone_store::Writer<'_>,
    recipe: usize,
    bytes: usize,
) -> Result<Outcome, StoreError> {
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
        if !recipe.recipe.grants.is_empty() {
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

fn small() -> Vec<u8> {
    let (_folder, engine) = engine();
    remember(
        &engine,
        &[
            (0, 1, Came::Value(5)),
            (1, 2, Came::Nothing),
            (1, 3, Came::Value(8)),
            (2, 4, Came::Failed),
        ],
    );
    export(&engine).0
}

#[test]
fn imported_results_say_what_they_are() {
    let ((_from, from), (_to, to)) = (engine(), engine());
    remember(&from, &[(0, 1, Came::Value(5)), (3, 2, Came::Value(8))]);
    let (archive, exported) = export(&from);
    assert_eq!(
        (exported.results, exported.recipes, exported.impure),
        (1, 1, 1)
    );
    import(&to, &archive, false).expect("it is sound");
    let snapshot = to.store.snapshot().expect("it can be read");
    let mut entries = snapshot.memo_entries().expect("it can be read");
    let (_, record) = entries
        .next()
        .expect("there is one")
        .expect("it can be read");
    assert_eq!((record.why, record.run), (Why::Imported, RunId(0)));
    assert_eq!((record.recipe, record.cost_ns), (RecipeId(1), 1000));
    assert!(entries.next().is_none());
}

#[test]
fn an_archive_that_is_cut_off_is_refused_whole() {
    let archive = small();
    let (_folder, engine) = engine();
    for len in 0..archive.len() {
        let error = import(&engine, &archive[..len], false).expect_err("it is cut off");
        assert!(matches!(error, Error::Archive(_)), "{len}: {error}");
    }
    let mut longer = archive;
    longer.push(0);
    import(&engine, &longer, false).expect_err("a byte is too much");
    assert!(seen(&engine).is_empty());
}

#[test]
fn an_archive_with_any_byte_changed_is_refused_whole() {
    let archive = small();
    let (_folder, engine) = engine();
    for at in 0..archive.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = archive.clone();
            changed[at] ^= flip;
            let error = import(&engine, &changed, false).expect_err("it is damaged");
            assert!(matches!(error, Error::Archive(_)), "{at}: {error}");
        }
    }
    assert!(seen(&engine).is_empty());
}

/// With the hash that it would have, had it been written so.
fn rehashed(mut archive: Vec<u8>) -> Vec<u8> {
    let body = archive.len() - 32;
    let hash = *blake3::hash(&archive[..body]).as_bytes();
    archive[body..].copy_from_slice(&hash);
    archive
}

#[test]
fn an_archive_made_by_an_enemy_brings_only_results_that_a_call_could_have() {
    let archive = small();
    let (_folder, engine) = engine();
    let mut taken = 0;
    for at in 0..archive.len() - 32 {
        for flip in [1, 2, 0x20, 0x80, 0xff] {
            let mut changed = archive.clone();
            changed[at] ^= flip;
            taken += u32::from(import(&engine, &rehashed(changed), false).is_ok());
        }
    }
    // Other arguments and other values are as good as those that were sent; `seen` checks all of them.
    assert!(taken > 100, "{taken}");
    assert!(seen(&engine).len() > 100);
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let mut archive = small();
    // The length of the first block.
    archive[29..37].copy_from_slice(&u64::MAX.to_le_bytes());
    let (_folder, engine) = engine();
    let error = import(&engine, &rehashed(archive.clone()), false).expect_err("it lies");
    assert!(
        matches!(error, Error::Archive(ArchiveError::TooLarge { .. })),
        "{error}"
    );
    archive[29..37].copy_from_slice(&(50u64 << 20).to_le_bytes());
    let error = import(&engine, &rehashed(archive), false).expect_err("it lies");
    assert!(
        matches!(error, Error::Archive(ArchiveError::Damaged { .. })),
        "{error}"
    );
}

#[test]
fn a_recipe_whose_types_only_read_like_others_is_refused() {
    let (_folder, engine) = engine();
    let honest = recipe("f", Type::record([("a", Type::U32), ("b", Type::U32)]));
    let forged = recipe("f", Type::record([("a: u32, b", Type::U32)]));
    assert_eq!(
        honest.recipe.key(),
        forged.recipe.key(),
        "their texts are the same"
    );
    for (record, sound) in [(honest, true), (forged, false)] {
        let mut bytes = Vec::new();
        let mut writer = archive::Writer::new(&mut bytes).expect("memory takes it");
        writer.recipe(&record).expect("memory takes it");
        writer.finish().expect("memory takes it");
        assert_eq!(import(&engine, &bytes, false).is_ok(), sound);
    }
}

#[test]
fn results_of_impure_recipes_are_not_taken_from_archives_either() {
    let (_folder, engine) = engine();
    let impure = recipes().pop().expect("the last one is granted a clock");
    let mut bytes = Vec::new();
    let mut writer = archive::Writer::new(&mut bytes).expect("memory takes it");
    let number = writer.recipe(&impure).expect("memory takes it");
    let carried = archive::Carried::Value(&[0; 8]);
    writer
        .result(number, 5, &[print(1), print(2)], carried)
        .expect("memory takes it");
    writer.finish().expect("memory takes it");
    let report = import(&engine, &bytes, false).expect("it is sound");
    assert_eq!((report.imported, report.impure), (0, 1));
}

#[test]
fn what_the_store_has_lost_is_left_out_and_counted() {
    let (folder, engine) = engine();
    remember(
        &engine,
        &[(0, 1, Came::Value(70_000)), (0, 2, Came::Value(5))],
    );
    std::fs::remove_dir_all(folder.path().join("objects")).expect("the object is a file");
    let (archive, exported) = export(&engine);
    assert_eq!((exported.results, exported.lost), (1, 1));
    let (_folder, other) = self::engine();
    assert_eq!(
        import(&other, &archive, false)
            .expect("it is sound")
            .imported,
        1
    );
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
