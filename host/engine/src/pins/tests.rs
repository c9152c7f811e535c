//! What is cut off halfway: results that are on their way to other keys are all there when it is done again, whatever was
//! collected in between.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, Maker, Param, Recipe, RecipeRecord, RunId,
    StoreSettings, Type,
};
use flowstone_store::{MemoRecord, Outcome, RecipeId, Why};
use tempfile::TempDir;

use super::rekey::{Pace, Way, rekey};
use super::{PinEntry, read, write};
use crate::engine::{Engine, EngineConfig};
use crate::error::Error;
use crate::gc::GcOptions;
use crate::recipe::Recipes;

const ENTRIES: u32 = 100;

static NEVER: AtomicBool = AtomicBool::new(false);

/// The results of a function `f(text: string) -> u32`, under the name of a pin or under its own code.
fn recipe(pin: Option<&str>) -> RecipeRecord {
    let maker = Maker {
        component: ComponentDigest::from_bytes([7; 32]),
        function: "f".to_owned(),
        reachable: None,
    };
    let text = Param {
        name: "text".to_owned(),
        ty: Type::String,
    };
    RecipeRecord {
        recipe: Recipe {
            code: pin.map_or_else(
                || maker.code(),
                |name| CodeId::Pin {
                    name: name.to_owned(),
                },
            ),
            function: Function {
                name: "f".to_owned(),
                params: vec![text],
                result: Some(Type::U32),
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

fn argument(number: u32) -> Fingerprint {
    Fingerprint::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// A store of three runs with results under `record` that the first of them made; where that names a pin, it stands.
fn engine(record: &RecipeRecord) -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let engine = Engine::open(folder.path(), EngineConfig::default()).expect("a new store opens");
    let id = RecipeId(1);
    engine
        .store
        .write(|writer| {
            writer.put_recipe(id, record)?;
            for number in 0..ENTRIES {
                let memo = MemoRecord {
                    outcome: Outcome::Failed {
                        reason: number.to_string(),
                    },
                    cost_ns: 1,
                    run: RunId(1),
                    recipe: id,
                    arguments: vec![argument(number)],
                    why: Why::New,
                };
                writer.put_memo(&record.recipe.key().key([argument(number)]), &memo)?;
            }
            if let CodeId::Pin { name } = &record.recipe.code {
                write(writer, name, &PinEntry::new("lines", "weight", record))?;
            }
            (1..=3).try_for_each(|run| writer.put_run(RunId(run), r#"{"started":1}"#))
        })
        .expect("the store takes them");
    (folder, engine)
}

/// How many of the results are under a recipe, each what it was.
fn found(engine: &Engine, record: &RecipeRecord) -> u32 {
    let snapshot = engine.store.snapshot().expect("it can be read");
    let found = (0..ENTRIES).filter(|number| {
        let key = record.recipe.key().key([argument(*number)]);
        let memo = snapshot.memo(&key).expect("it can be read");
        memo.is_some_and(|memo| {
            let reason = number.to_string();
            memo.outcome == Outcome::Failed { reason }
        })
    });
    found.count() as u32
}

/// Does something ten results at a time, and ends it after so many questions whether to end.
fn cut_off<T>(questions: u32, work: impl FnOnce(&Pace<'_>) -> Result<T, Error>) {
    let left = Cell::new(questions);
    let stopped = || {
        left.set(left.get().saturating_sub(1));
        left.get() == 0
    };
    let pace = Pace {
        entries_max: 10,
        stopped: &stopped,
    };
    assert!(matches!(work(&pace), Err(Error::Interrupted)));
}

/// Keeps what is pinned and what the last run used, which no row does here.
fn collect(engine: &mut Engine) -> u64 {
    let options = GcOptions {
        settings: StoreSettings {
            bytes_max: None,
            keep: Some(Duration::ZERO),
            keep_runs: Some(1),
        },
        ..GcOptions::default()
    };
    let collection = engine.gc(None, &options, &NEVER, &mut |_| {});
    collection.expect("it can be collected").report.removed
}

// Ten questions are asked while all are counted, and one for every ten that have moved.
const HALFWAY: u32 = 15;

#[test]
fn a_drop_that_is_cut_off_loses_nothing() {
    let (pinned, plain) = (recipe(Some("p")), recipe(None));
    let (_folder, mut engine) = engine(&pinned);
    cut_off(HALFWAY, |pace| engine.drop_at_pace("p", pace));
    let moved = found(&engine, &plain);
    assert!((1..ENTRIES).contains(&moved), "{moved}");
    assert_eq!(found(&engine, &pinned), ENTRIES - moved);
    assert_eq!(collect(&mut engine), 0);
    let report = engine.drop_pin("p", &NEVER).expect("the pin still stands");
    assert_eq!(report.returned, u64::from(ENTRIES - moved));
    assert_eq!(
        (found(&engine, &plain), found(&engine, &pinned)),
        (ENTRIES, 0)
    );
    // Nobody has run since: what was dropped counts as used just now.
    assert_eq!(collect(&mut engine), 0);
    assert_eq!(found(&engine, &plain), ENTRIES);
}

#[test]
fn a_move_that_is_cut_off_loses_nothing() {
    let (old, new) = (recipe(Some("p")), recipe(Some("q")));
    let (_folder, mut engine) = engine(&old);
    cut_off(HALFWAY, |pace| engine.move_at_pace("p", "q", pace));
    let moved = found(&engine, &new);
    assert!((1..ENTRIES).contains(&moved), "{moved}");
    assert_eq!(found(&engine, &old), ENTRIES - moved);
    assert_eq!(collect(&mut engine), 0);
    let report = engine.move_pin("p", "q", &NEVER).expect("it goes on");
    assert_eq!(report.entries, u64::from(ENTRIES - moved));
    assert_eq!((found(&engine, &new), found(&engine, &old)), (ENTRIES, 0));
    let snapshot = engine.store.snapshot().expect("it can be read");
    assert_eq!(read(&snapshot, "p").expect("it can be read"), None);
    let entry = read(&snapshot, "q").expect("it can be read");
    assert_eq!(entry.expect("it stands").moved_from, None);
}

#[test]
fn adopting_that_is_cut_off_is_finished_by_doing_it_again() {
    let (plain, pinned) = (recipe(None), recipe(Some("p")));
    let (_folder, mut engine) = engine(&plain);
    let adopt = |engine: &Engine, pace: &Pace<'_>| {
        let snapshot = engine.store.snapshot()?;
        let mut recipes = Recipes::read(&snapshot)?;
        let way = Way::new(&engine.store, &mut recipes, &plain.recipe, pinned.clone())?;
        let ways = HashMap::from([(RecipeId(1), way)]);
        rekey(&engine.store, &ways, false, pace)
    };
    let entry = PinEntry::new("lines", "weight", &pinned);
    let note = engine.store.write(|writer| write(writer, "p", &entry));
    note.expect("the store takes it");
    cut_off(HALFWAY - 10, |pace| adopt(&engine, pace));
    let adopted = found(&engine, &pinned);
    assert!((1..ENTRIES).contains(&adopted), "{adopted}");
    assert_eq!(found(&engine, &plain), ENTRIES, "they are copies");
    let moved = adopt(&engine, &Pace::new(&|| false)).expect("it goes on");
    assert_eq!(
        (moved[&RecipeId(1)].put, moved[&RecipeId(1)].there),
        (u64::from(ENTRIES - adopted), u64::from(adopted))
    );
    // What the pin has stays; what nobody used for two runs goes.
    assert_eq!(collect(&mut engine), u64::from(ENTRIES));
    assert_eq!(
        (found(&engine, &pinned), found(&engine, &plain)),
        (ENTRIES, 0)
    );
}
