//! Collecting, verifying and compacting stores whose bytes are not what was written: a clear error or less than there
//! was, never a panic, and never another value.

use std::fs;

use flowstone_core::Type;
use tempfile::TempDir;

use super::crash::copy;
use super::*;
use crate::StoreOptions;
use crate::tests::damage::assert_clear;
use crate::tests::{open, write};

/// A store of about a hundred pages, closed.
fn whole() -> (TempDir, World) {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        for number in 0..400 {
            let of = (number % 40 == 0).then_some((number / 40 % 6) as u8);
            let record = sound(number, of);
            writer.put_memo(&memo_key(number), &record)?;
            writer.add_usage(&memo_key(number), RunId(number % 7), 1)?;
        }
        for number in 0..OBJECTS {
            let (encoding, value, _) = object(number);
            writer.put_object(&value, &encoding)?;
        }
        for row in 0..60 {
            let calls: Vec<u64> = (0..5).map(|call| u64::from(row) * 5 + call).collect();
            put_row(writer, 0, row, &using(&calls, &[]))?;
        }
        for number in 0..RECIPES {
            let mut record = recipe(number);
            record.recipe.function.result = Some(Type::String);
            writer.put_recipe(RecipeId(number as u32), &record)?;
        }
        (1..8).try_for_each(|run| writer.put_run(RunId(run), "{}"))
    })
    .unwrap();
    let world = World::of(&store).unwrap();
    drop(store);
    (dir, world)
}

/// An entry whose value is of the type that its recipe says.
fn sound(number: u64, of: Option<u8>) -> MemoRecord {
    let mut record = entry(number, number % 9, (number % RECIPES) as u32, of);
    if of.is_none() {
        let letter = char::from(b'a' + (number % 26) as u8);
        let (encoding, fingerprint, _) = text_value(letter, 30 + number as usize / 26);
        record.outcome = Outcome::Value {
            fingerprint,
            parts: Vec::new(),
            stored: Stored::Inline(encoding),
        };
    }
    record
}

/// Does everything that goes through all of a store; what is left.
fn use_all(dir: &TempDir, bytes_max: Option<u64>) -> Result<World, StoreError> {
    let mut store = Store::open(dir.path(), StoreOptions::default())?;
    let policy = GcPolicy {
        used_since: RunId(6),
        bytes_max,
        ..GcPolicy::default()
    };
    let limits = GcLimits {
        marks: 50,
        records: 60,
        bytes: 1 << 20,
    };
    let stop = AtomicBool::new(false);
    store.gc_within(&policy, limits, &stop, &mut |_| {})?;
    store.verify(true, &stop, &mut |_| {})?;
    store.size()?;
    store.compact()?;
    World::of(&store)
}

#[test]
fn flipped_bits_are_an_error_or_a_loss_but_never_another_value() {
    let (original, before) = whole();
    let image = fs::read(original.path().join("store.redb")).unwrap();
    let used: Vec<usize> = (0..image.len())
        .filter(|at| *at < 320 || image[*at] != 0)
        .collect();
    let (mut errors, mut losses) = (0, 0);
    let whole = {
        let dir = copy(&original);
        fs::write(dir.path().join("store.redb"), &image).unwrap();
        let world = use_all(&dir, None).unwrap();
        assert!((300..400).contains(&world.memos.len()));
        world
    };
    for round in 0..160_u64 {
        let random = u64::from_le_bytes(*hash(round).first_chunk().unwrap());
        let at = used[random as usize % used.len()];
        let mut bytes = image.clone();
        bytes[at] ^= 1 << (random >> 61);
        // A folder of its own: what redb gives up on within a transaction stays open until the process ends.
        let dir = copy(&original);
        fs::write(dir.path().join("store.redb"), bytes).unwrap();
        let bytes_max = round.is_multiple_of(3).then_some(100_000);
        match use_all(&dir, bytes_max) {
            Ok(world) => {
                losses += u64::from(bytes_max.is_none() && world.memos != whole.memos);
                for (key, record) in &world.memos {
                    assert_eq!(before.memos.get(key), Some(record), "byte {at}");
                }
            }
            Err(error) => {
                errors += 1;
                assert_clear(&error, &format!("byte {at}"));
            }
        }
    }
    assert!(errors > 5 && losses > 5, "{errors} errors, {losses} losses");
}
