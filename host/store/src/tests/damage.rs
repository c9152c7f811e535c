//! Stores whose bytes are not what was written, by accident or by design: clear errors, misses, never a wrong value.

use std::fs;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable};
use tempfile::TempDir;

use super::history::{Contents, STEPS, step};
use super::log::put_logged_with;
use super::{fingerprint, hash, head, memo_key, open, write};
use crate::codec;
use crate::create::initialise;
use crate::tables::{
    BUILD, FUNCTIONS, HEAD, INTENT, INTERFACE, LINEAGE, MEMO, META, OBJECT, OWNER, RECIPE, RUN,
    TableSpec, USAGE, usage_key,
};
use crate::{CollectionId, FORMAT, RecipeId, Store, StoreError, StoreOptions};

/// A store with the whole history in it, closed, and what it holds.
fn whole() -> (TempDir, Contents) {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    (0..STEPS).for_each(|number| write(&store, |writer| step(writer, number)).unwrap());
    let contents = Contents::of(&store).unwrap();
    drop(store);
    (dir, contents)
}

/// Opens the store, reads all of it and writes to it.
fn use_all(dir: &Path, check: bool) -> Result<Contents, StoreError> {
    let store = Store::open(
        dir,
        StoreOptions {
            check,
            ..StoreOptions::default()
        },
    )?;
    let contents = Contents::of(&store)?;
    store.write(|writer| step(writer, STEPS - 1))?;
    Ok(contents)
}

pub(super) fn assert_clear(error: &StoreError, what: &str) {
    assert!(
        matches!(
            error,
            StoreError::Damaged { .. } | StoreError::Unusable { .. }
        ),
        "{what}: {error:?}"
    );
    if let StoreError::Damaged { path, .. } = error {
        let text = error.to_string();
        assert!(
            text.contains(&path.display().to_string())
                && text.contains("Delete the folder and run again")
        );
    }
}

#[test]
fn flipped_bits_are_an_error_or_a_miss_but_never_another_value() {
    let (dir, contents) = whole();
    let path = dir.path().join("store.redb");
    let image = fs::read(&path).unwrap();
    // Most of the file is unused: flip where there is something, and everywhere in the header.
    let used: Vec<usize> = (0..image.len())
        .filter(|at| *at < 320 || image[*at] != 0)
        .collect();
    let mut errors = 0;
    for round in 0..240_u64 {
        let random = u64::from_le_bytes(*hash(round).first_chunk().unwrap());
        let at = if round < 100 {
            used[random as usize % 320]
        } else {
            used[random as usize % used.len()]
        };
        let mut bytes = image.clone();
        bytes[at] ^= 1 << (random >> 61);
        // A new file: a transaction that redb panicked in is never let go of, and it holds the one before.
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        match use_all(dir.path(), round % 4 == 0) {
            Ok(found) => assert!(found.is_part_of(&contents), "byte {at}"),
            Err(error) => {
                errors += 1;
                // A version byte of redb's own header may also change.
                assert_clear(&error, &format!("byte {at}"));
            }
        }
    }
    assert!(errors > 60, "only {errors} of 240 flips were noticed");
}

#[test]
fn a_database_cut_off_or_overwritten_is_an_error() {
    let (dir, _) = whole();
    let path = dir.path().join("store.redb");
    let image = fs::read(&path).unwrap();
    let garbage: Vec<u8> = (0..2000).flat_map(hash).collect();
    let cut = [
        0,
        1,
        9,
        63,
        64,
        319,
        320,
        4095,
        4096,
        8192,
        image.len() / 2,
        image.len() - 4096,
        image.len() - 1,
    ];
    let mut cases: Vec<Vec<u8>> = cut.iter().map(|len| image[..*len].to_vec()).collect();
    cases.push(garbage.clone());
    cases.push(b"not a database".to_vec());
    // A right header, and nothing right after it.
    cases.push([&image[..320], &garbage].concat());
    cases.push([&image[..4096], &vec![0xff; image.len() - 4096][..]].concat());
    cases.push([&image[..4096], &vec![0; image.len() - 4096][..]].concat());
    for (case, bytes) in cases.into_iter().enumerate() {
        for check in [false, true] {
            fs::write(&path, &bytes).unwrap();
            let result = use_all(dir.path(), check);
            assert_clear(
                &result.expect_err(&format!("case {case}")),
                &format!("case {case}"),
            );
        }
    }
    fs::write(&path, image).unwrap();
    use_all(dir.path(), true).unwrap();
}

#[test]
fn another_redb_database_is_not_taken_for_a_store() {
    let dir = TempDir::new().unwrap();
    redb::Database::create(dir.path().join("store.redb")).unwrap();
    assert_clear(&use_all(dir.path(), false).unwrap_err(), "empty database");
}

/// Puts `value` under `key`, past everything that the crate does about it.
pub(super) fn put_raw<K: redb::Key + 'static>(
    dir: &TempDir,
    table: &TableSpec<K>,
    key: K::SelfType<'_>,
    value: &[u8],
) {
    let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(table.definition)
        .unwrap()
        .insert(key, value)
        .unwrap();
    transaction.commit().unwrap();
}

#[test]
fn another_format_is_named_and_left_alone() {
    for found in [FORMAT - 1, FORMAT + 1] {
        let dir = TempDir::new().unwrap();
        drop(open(&dir));
        let mut value = found.to_le_bytes().to_vec();
        codec::seal(META.tag, b"format", &mut value);
        put_raw(&dir, &META, "format", &value);
        let Err(error) = Store::open(dir.path(), StoreOptions::default()) else {
            panic!("opened")
        };
        assert!(matches!(error, StoreError::Format { found: is, .. } if is == found));
        let text = error.to_string();
        assert!(
            text.contains(&format!("format {found}")) && text.contains("delete the folder"),
            "{text}"
        );
    }
}

#[test]
fn a_store_of_an_older_format_which_lacks_tables_is_named_by_its_format() {
    (1..FORMAT).for_each(assert_named_and_left_alone);
}

/// The table as it was when its keys were whole hashes.
const OLD_MEMO: TableSpec<crate::tables::Hash> = TableSpec::new("memo", 1);

fn assert_named_and_left_alone(format: u32) {
    let dir = TempDir::new().unwrap();
    drop(redb::Database::create(dir.path().join("store.redb")).unwrap());
    let mut value = format.to_le_bytes().to_vec();
    codec::seal(META.tag, b"format", &mut value);
    put_raw(&dir, &META, "format", &value);
    put_raw(&dir, &OLD_MEMO, &hash(1), &[1; 90]);
    // Named by the second look as by the first: nothing of it was changed.
    for _ in 0..2 {
        let Err(error) = Store::open(dir.path(), StoreOptions::default()) else {
            panic!("opened")
        };
        assert!(matches!(error, StoreError::Format { found, .. } if found == format));
        assert!(error.to_string().contains("use the version that wrote it"));
    }
    let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
    let memo = database
        .begin_read()
        .unwrap()
        .open_table(OLD_MEMO.definition)
        .unwrap();
    let (_, value) = memo.first().unwrap().unwrap();
    assert_eq!(value.value(), [1; 90]);
}

#[test]
fn a_record_that_does_not_check_out_is_a_miss_or_damage_by_what_it_is() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let key = hash(1);
    let row = [&0_u32.to_be_bytes()[..], b"a"].concat();
    let owner = [&0_u32.to_be_bytes()[..], b"\0a"].concat();
    // The checksum fits, but there is no such record.
    let sealed = |tag: u8, key: &[u8]| {
        let mut value = vec![0xff; 5];
        codec::seal(tag, key, &mut value);
        value
    };
    for fits in [false, true] {
        let value = |tag, key: &[u8]| if fits { sealed(tag, key) } else { vec![1; 90] };
        for log in [&MEMO, &OBJECT] {
            put_logged_with(&dir, log, &key, |number| {
                let mut value = [&key[..], &[0xff; 5]].concat();
                codec::seal(log.records.tag, &number.to_le_bytes(), &mut value);
                if fits { value } else { vec![1; 90] }
            });
        }
        put_raw(&dir, &INTERFACE, &key, &value(INTERFACE.tag, &key));
        put_raw(&dir, &RUN, 3, &value(RUN.tag, &3_u64.to_le_bytes()));
        put_raw(&dir, &HEAD, &row, &value(HEAD.tag, &row));
        put_raw(&dir, &LINEAGE, &row, &value(LINEAGE.tag, &row));
        put_raw(&dir, &OWNER, &owner, &value(OWNER.tag, &owner));
        put_raw(&dir, &INTENT, 3, &value(INTENT.tag, &3_u64.to_le_bytes()));
        put_raw(&dir, &RECIPE, 3, &value(RECIPE.tag, &3_u32.to_le_bytes()));
        let half = usage_key(&memo_key(1));
        put_raw(&dir, &USAGE, &half, &value(USAGE.tag, &half));
        put_raw(&dir, &FUNCTIONS, &key, &value(FUNCTIONS.tag, &key));
        put_raw(&dir, &BUILD, &key, &value(BUILD.tag, &key));
        put_raw(&dir, &META, "m", &[1; 20]);
        let store = open(&dir);
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.memo(&memo_key(1)).unwrap(), None);
        assert_eq!(snapshot.memos(&[memo_key(1)]).unwrap(), [None]);
        assert_eq!(
            snapshot.object(&fingerprint(1), &fingerprint(2)).unwrap(),
            None
        );
        assert_eq!(
            snapshot
                .interface(&flowstone_core::ComponentDigest::from_bytes(key))
                .unwrap(),
            None
        );
        assert_eq!(snapshot.memo_entries().unwrap().count(), 0);
        assert_eq!(snapshot.memo_prefix("", 10).unwrap(), []);
        assert_eq!(snapshot.usage(&memo_key(1)).unwrap(), None);
        assert_eq!(snapshot.recipe(RecipeId(3)).unwrap(), None);
        assert_eq!(snapshot.recipes().unwrap(), []);
        let component = flowstone_core::ComponentDigest::from_bytes(key);
        assert_eq!(snapshot.functions(&component, 1).unwrap(), None);
        assert_eq!(store.build(&component).unwrap(), None);
        assert_eq!(snapshot.run(flowstone_core::RunId(3)).unwrap(), None);
        assert_eq!(snapshot.runs().unwrap().count(), 0);
        assert_eq!(snapshot.last_run().unwrap(), Some(flowstone_core::RunId(3)));
        let (collection, target) = (CollectionId(0), crate::TargetId(0));
        assert_clear(&snapshot.row(collection, b"a").unwrap_err(), "row");
        assert_clear(&snapshot.lineage(collection, b"a").unwrap_err(), "lineage");
        assert_clear(&snapshot.owner(target, b"a").unwrap_err(), "owner");
        assert_clear(&snapshot.intents().unwrap_err(), "intent");
        assert_clear(&snapshot.meta("m").unwrap_err(), "meta");
        assert_clear(&snapshot.meta_prefix("").unwrap_err(), "meta");
        let mut rows = snapshot.rows(collection).unwrap();
        assert_clear(&rows.next().unwrap().unwrap_err(), "rows");
        assert!(rows.next().is_none(), "an iterator ends after an error");
        let mut lineages = snapshot.lineages(collection).unwrap();
        assert_clear(&lineages.next().unwrap().unwrap_err(), "lineages");
        assert!(lineages.next().is_none(), "an iterator ends after an error");
        // What is damaged is written over.
        write(&store, |writer| {
            writer.add_usage(&memo_key(1), flowstone_core::RunId(4), 2)?;
            writer.put_memo(&memo_key(1), &super::memo(1))
        })
        .unwrap();
        let usage = store.snapshot().unwrap().usage(&memo_key(1)).unwrap();
        assert_eq!(usage.map(|usage| usage.reused), Some(2));
        assert_clear(
            &snapshot.owned(target).unwrap().next().unwrap().unwrap_err(),
            "owned",
        );
    }
}

#[test]
fn a_value_moved_to_another_key_or_table_does_not_check_out() {
    let dir = TempDir::new().unwrap();
    write(&open(&dir), |writer| {
        writer.put_head(CollectionId(0), b"a", &head(1))
    })
    .unwrap();
    let stored = {
        let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
        let table = database
            .begin_read()
            .unwrap()
            .open_table(HEAD.definition)
            .unwrap();
        let (_, value) = table.first().unwrap().unwrap();
        value.value().to_vec()
    };
    put_raw(&dir, &HEAD, &[0, 0, 0, 0, b'b'], &stored);
    let snapshot = open(&dir).snapshot().unwrap();
    assert_eq!(snapshot.row(CollectionId(0), b"a").unwrap(), Some(head(1)));
    assert_clear(&snapshot.row(CollectionId(0), b"b").unwrap_err(), "row");
}

#[test]
fn a_database_half_created_is_created_again() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("tmp")).unwrap();
    fs::write(dir.path().join("tmp/unfinished-0"), [0; 100]).unwrap();
    write(&open(&dir), |writer| writer.put_meta("m", b"1")).unwrap();
}

#[test]
fn damage_found_by_a_panic_of_redb_stops_all_writing() {
    let (dir, _) = whole();
    let store = open(&dir);
    let error = store
        .place
        .guarded(|| -> Result<(), StoreError> { panic!("as redb would") })
        .unwrap_err();
    assert!(error.to_string().contains("as redb would"), "{error}");
    assert_clear(&error, "panic");
    assert!(matches!(
        write(&store, |_| Ok(())),
        Err(StoreError::Damaged { .. })
    ));
    Contents::of(&store).unwrap();
}

#[test]
fn a_panic_of_redb_inside_a_transaction_undoes_it_and_does_not_abort() {
    let (dir, contents) = whole();
    let store = open(&dir);
    let result = write(&store, |writer| {
        step(writer, 0)?;
        store
            .place
            .guarded(|| -> Result<(), StoreError> { panic!("as redb would") })
    });
    assert_clear(&result.unwrap_err(), "panic");
    drop(store);
    let copy = TempDir::new().unwrap();
    fs::copy(
        dir.path().join("store.redb"),
        copy.path().join("store.redb"),
    )
    .unwrap();
    assert_eq!(Contents::of(&open(&copy)).unwrap(), contents);
}

#[test]
fn a_store_made_in_memory_and_one_on_disk_are_the_same() {
    let dir = TempDir::new().unwrap();
    let database = redb::Database::create(dir.path().join("store.redb")).unwrap();
    initialise(&crate::place::Place::at(dir.path()).unwrap(), &database).unwrap();
    drop(database);
    use_all(dir.path(), true).unwrap();
}
