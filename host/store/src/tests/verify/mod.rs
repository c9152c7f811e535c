//! Verification: what is damaged is found, and with repair dropped; what is sound stays.

mod damages;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use flowstone_core::{Fingerprint, RecipeRecord, RunId, Type};
use redb::ReadableDatabase;
use tempfile::TempDir;

use super::damage::put_raw;
use super::log::{get_logged, put_logged};
use super::{component, fingerprint, hash, head, lineage, memo_key, recipe, text_value, write};
use crate::tables::{
    BUILD, CHANGE, DUE, FUNCTIONS, HEAD, INTERFACE, LINEAGE, MEMBER, MEMO, OBJECT, READER, RECIPE,
    RUN, STEP, USAGE, half, readers_key, usage_key,
};
use crate::{
    CollectionId, LookupRecord, Member, MemoRecord, Outcome, RecipeId, Step, Store, StoreOptions,
    Stored, TargetId, VerifyPhase, VerifyReport, Why, member_key,
};

/// How long the values are: in the entry, in the database, in a file.
const LENS: [usize; 3] = [100, 3000, 70_000];
const ENTRIES: u64 = 9;

fn open(dir: &TempDir) -> Store {
    let options = StoreOptions {
        code_key: Some([1; 32]),
        ..StoreOptions::default()
    };
    Store::open(dir.path(), options).unwrap()
}

fn value(number: u64) -> (Vec<u8>, Fingerprint, Fingerprint) {
    let letter = char::from(b'a' + (number / 3) as u8);
    text_value(letter, LENS[(number % 3) as usize])
}

fn entry(number: u64) -> MemoRecord {
    let (encoding, fingerprint, _) = value(number);
    let stored = match number % 3 {
        0 => Stored::Inline(encoding),
        _ => Stored::Object,
    };
    let outcome = Outcome::Value {
        fingerprint,
        parts: Vec::new(),
        stored,
    };
    MemoRecord {
        outcome,
        cost_ns: 1,
        run: RunId(1),
        recipe: RecipeId(1 + number as u32 % 2),
        arguments: Vec::new(),
        why: Why::New,
    }
}

/// A recipe whose results are texts.
fn text_recipe(number: u64) -> RecipeRecord {
    let mut record = recipe(number);
    let (ok, err) = (Some(Type::option(Type::String).into()), None);
    record.recipe.function.result = Some(Type::Result { ok, err });
    record
}

/// A store with everything in it, all of it sound.
fn filled(dir: &TempDir) -> Store {
    let store = open(dir);
    for number in 0..2 {
        store.put_build(&component(number), &hash(number)).unwrap();
        store
            .put_compiled(&component(number), "x86", &hash(number))
            .unwrap();
    }
    write(&store, |writer| {
        for number in 0..ENTRIES {
            let (encoding, value, _) = value(number);
            if number % 3 > 0 {
                writer.put_object(&value, &encoding)?;
            }
            writer.put_memo(&memo_key(number), &entry(number))?;
            writer.add_usage(&memo_key(number), RunId(1), 1)?;
        }
        let mut failed = entry(0);
        failed.outcome = Outcome::Failed {
            reason: "no".into(),
        };
        writer.put_memo(&memo_key(100), &failed)?;
        for number in 1..3 {
            writer.put_recipe(RecipeId(number), &text_recipe(number.into()))?;
            writer.put_run(RunId(number.into()), "{}")?;
        }
        writer.put_interface(&component(1), &flowstone_core::Interface::default())?;
        writer.put_functions(&component(1), 1, &std::collections::BTreeMap::new())?;
        let (relation, column) = (TargetId(0), (fingerprint(1), b"x".to_vec()));
        let member = Member {
            columns: vec![column],
        };
        writer.put_member(relation, &member_key(b"g", b"m"), Some(&member))?;
        writer.put_reader(&lookup(), CollectionId(0), b"a", true)?;
        writer.put_due(CollectionId(0), b"a")?;
        let step = Step {
            fingerprint: fingerprint(1),
            bytes: Vec::new(),
        };
        writer.put_step((relation, b"g", 1), b"m", Some(&step))?;
        writer.put_change((relation, b"g", 1), b"m", true)?;
        writer.put_row(CollectionId(0), b"a", &head(1), &lineage(1))
    })
    .unwrap();
    store
}

fn lookup() -> LookupRecord {
    LookupRecord {
        relation: TargetId(0),
        key: [7; 16],
    }
}

fn verify(store: &Store, repair: bool) -> VerifyReport {
    let stop = AtomicBool::new(false);
    let report = store.verify(repair, &stop, &mut |progress| {
        assert!(progress.done <= progress.total);
    });
    report.unwrap()
}

fn object_file(dir: &TempDir, number: u64) -> PathBuf {
    dir.path().join(crate::objects::file_name(&value(number).1))
}

/// Whether the value of an entry can be had; if so it is the right one.
fn can_be_had(store: &Store, number: u64) -> bool {
    let snapshot = store.snapshot().unwrap();
    let (encoding, fingerprint, ty) = value(number);
    let Some(record) = snapshot.memo(&memo_key(number)).unwrap() else {
        return false;
    };
    assert_eq!(record, entry(number));
    match record.outcome {
        Outcome::Value {
            stored: Stored::Object,
            ..
        } => {
            let found = snapshot.object(&fingerprint, &ty).unwrap();
            assert!(found.is_none() || found.as_ref() == Some(&encoding));
            found.is_some()
        }
        _ => true,
    }
}

#[test]
fn a_sound_store_is_told_to_be_sound_and_stays_as_it_is() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir);
    for repair in [false, true] {
        let report = verify(&store, repair);
        assert!(report.is_sound() && report.finished, "{report:?}");
        let expected = VerifyReport {
            finished: true,
            entries: ENTRIES + 1,
            objects: 6,
            builds: 2,
            compiled: 2,
            // 2 recipes, 9 counts of use, 2 descriptions, 2 runs.
            records: 15,
            // A head, its lineage, and the meta entries: the format, the next recipe, entry and blob, the bytes of files.
            // And one of each kind that relations have.
            rows: 12,
            ..VerifyReport::default()
        };
        assert_eq!(report, expected);
        assert!((0..ENTRIES).all(|number| can_be_had(&store, number)));
    }
}

#[test]
fn an_entry_goes_with_its_object_but_one_with_the_same_value_in_it_stays() {
    let dir = TempDir::new().unwrap();
    drop(filled(&dir));
    fs::remove_file(object_file(&dir, 2)).unwrap();
    let store = open(&dir);
    let report = verify(&store, true);
    assert_eq!((report.objects_damaged, report.entries_lost), (1, 1));
    let there = |number: u64| {
        store
            .snapshot()
            .unwrap()
            .memo(&memo_key(number))
            .unwrap()
            .is_some()
    };
    assert!(!there(2) && there(0) && there(1));
    assert_eq!(store.snapshot().unwrap().usage(&memo_key(2)).unwrap(), None);
}

#[test]
fn what_nobody_knows_the_type_of_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(filled(&dir));
    put_raw(&dir, &RECIPE, 1, &[1; 48]);
    let store = open(&dir);
    let report = verify(&store, true);
    // Recipe 1 is that of the even ones: of them 0 and 6 hold their values, 2, 4 and 8 need objects.
    assert_eq!((report.entries_unchecked, report.objects_unused), (5, 3));
    assert_eq!(report.damaged(), 1);
    assert!((0..ENTRIES).all(|number| can_be_had(&store, number)));
}

#[test]
fn damage_to_rows_is_told_and_stays() {
    let dir = TempDir::new().unwrap();
    drop(filled(&dir));
    let row = [&0_u32.to_be_bytes()[..], b"a"].concat();
    put_raw(&dir, &HEAD, &row, &[1; 90]);
    put_raw(&dir, &LINEAGE, &row, &[1; 90]);
    put_raw(&dir, &RUN, 2, &[1; 90]);
    let member = [&[0; 4], &member_key(b"g", b"m")[..]].concat();
    let element = [&[0; 4], &member_key(b"g", b"\x01m")[..]].concat();
    put_raw(&dir, &MEMBER, &member, &[1; 90]);
    put_raw(&dir, &STEP, &element, &[1; 90]);
    put_raw(&dir, &CHANGE, &element, &[1; 9]);
    put_raw(&dir, &DUE, &row, &[1; 8]);
    let reader = [readers_key(&lookup()), row].concat();
    put_raw(&dir, &READER, &reader, &[1; 8]);
    let store = open(&dir);
    for _ in 0..2 {
        let report = verify(&store, true);
        assert_eq!((report.rows, report.rows_damaged), (12, 7));
        // The record of the newest run can be dropped no more than those: the next number would be given twice.
        assert_eq!(report.records_damaged, 1);
        assert!(!report.is_sound());
    }
    assert!(
        store
            .snapshot()
            .unwrap()
            .row(CollectionId(0), b"a")
            .is_err()
    );
    assert_eq!(
        store.snapshot().unwrap().last_run().unwrap(),
        Some(RunId(2))
    );
}

#[test]
fn a_verification_can_be_stopped_and_leaves_no_marks() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir);
    for phase in [
        VerifyPhase::Entries,
        VerifyPhase::Objects,
        VerifyPhase::Code,
        VerifyPhase::Files,
    ] {
        let stop = AtomicBool::new(false);
        let report = store.verify(false, &stop, &mut |progress| {
            stop.store(
                progress.phase == phase,
                std::sync::atomic::Ordering::Relaxed,
            );
        });
        assert!(!report.unwrap().finished);
    }
    assert!(verify(&store, false).finished);
    drop(store);
    let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let tables = transaction.list_tables().unwrap();
    let names: Vec<String> = tables
        .map(|table| redb::TableHandle::name(&table).to_owned())
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with("mark")),
        "{names:?}"
    );
}
