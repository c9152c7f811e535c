//! Every kind of damage, one by one and at random.

use std::fs;

use flowstone_core::MemoKey;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

#[test]
fn every_damage_is_found_told_and_dropped_only_when_that_is_asked_for() {
    type Damage<'a> = (&'a str, &'a dyn Fn(&TempDir), fn(&VerifyReport) -> u64);
    let no_type = |dir: &TempDir| {
        let store = open(dir);
        write(&store, |writer| {
            let mut other = entry(0);
            other.outcome = Outcome::Value {
                fingerprint: fingerprint(77),
                parts: Vec::new(),
                stored: Stored::Inline(vec![1]),
            };
            writer.put_memo(&memo_key(0), &other)
        })
        .unwrap();
    };
    let usage = usage_key(&memo_key(0));
    let digest = component(1);
    let compiled = [&digest.as_bytes()[..], b"x86"].concat();
    let damages: [Damage<'_>; 17] = [
        (
            "entry",
            &|dir| put_logged(dir, &MEMO, memo_key(0).as_bytes(), &[1; 90]),
            |r| r.entries_damaged,
        ),
        ("a value that is another", &no_type, |r| r.entries_damaged),
        (
            "object",
            &|dir| put_logged(dir, &OBJECT, value(1).1.as_bytes(), &[1; 90]),
            |r| r.objects_damaged,
        ),
        (
            "object file, changed",
            &|dir| {
                let mut bytes = fs::read(object_file(dir, 2)).unwrap();
                bytes[30_000] ^= 1;
                fs::write(object_file(dir, 2), bytes).unwrap();
            },
            |r| r.objects_damaged,
        ),
        (
            "object file, cut",
            &|dir| fs::write(object_file(dir, 2), "x").unwrap(),
            |r| r.objects_damaged,
        ),
        (
            "object file, gone",
            &|dir| fs::remove_file(object_file(dir, 2)).unwrap(),
            |r| r.objects_damaged,
        ),
        (
            "object, gone",
            &|dir| {
                let database = redb::Database::open(dir.path().join("store.redb")).unwrap();
                let transaction = database.begin_write().unwrap();
                transaction
                    .open_table(OBJECT.index.definition)
                    .unwrap()
                    .remove(&half(value(1).1.as_bytes()))
                    .unwrap();
                transaction.commit().unwrap();
            },
            |r| r.entries_lost,
        ),
        (
            "build",
            &|dir| {
                fs::write(
                    dir.path().join(format!("builds/{}.wasm", component(1))),
                    "x",
                )
                .unwrap();
            },
            |r| r.builds_damaged,
        ),
        (
            "build's record",
            &|dir| put_raw(dir, &BUILD, component(1).as_bytes(), &[1; 48]),
            |r| r.builds_damaged,
        ),
        (
            "compiled",
            &|dir| {
                let file = dir.path().join(format!("aot/{}-x86.cwasm", component(1)));
                let mut bytes = fs::read(&file).unwrap();
                bytes[3] ^= 1;
                fs::write(file, bytes).unwrap();
            },
            |r| r.compiled_damaged,
        ),
        (
            "compiled's record",
            &|dir| put_raw(dir, &crate::tables::COMPILED, &compiled, &[1; 48]),
            |r| r.compiled_damaged,
        ),
        ("recipe", &|dir| put_raw(dir, &RECIPE, 1, &[1; 48]), |r| {
            r.records_damaged
        }),
        (
            "usage",
            &|dir| put_raw(dir, &USAGE, &usage, &[1; 12]),
            |r| r.records_damaged,
        ),
        (
            "interface",
            &|dir| put_raw(dir, &INTERFACE, component(1).as_bytes(), &[1; 48]),
            |r| r.records_damaged,
        ),
        (
            "functions",
            &|dir| put_raw(dir, &FUNCTIONS, component(1).as_bytes(), &[1; 48]),
            |r| r.records_damaged,
        ),
        ("an old run", &|dir| put_raw(dir, &RUN, 1, &[1; 48]), |r| {
            r.records_damaged
        }),
        (
            "a file without a record",
            &|dir| {
                fs::write(
                    dir.path().join(format!("builds/{}.wasm", component(9))),
                    "x",
                )
                .unwrap();
            },
            |r| r.orphans,
        ),
    ];
    for (what, damage, count) in damages {
        let dir = TempDir::new().unwrap();
        drop(filled(&dir));
        damage(&dir);
        let store = open(&dir);
        let found = verify(&store, false);
        assert_eq!(count(&found), 1, "{what}: {found:?}");
        assert_eq!(
            found.is_sound(),
            what == "a file without a record",
            "{what}"
        );
        assert_eq!(
            verify(&store, false),
            found,
            "{what}: looking changed something"
        );
        assert_eq!(verify(&store, true).damaged(), found.damaged(), "{what}");
        let after = verify(&store, true);
        assert!(after.is_sound() && after.orphans == 0, "{what}: {after:?}");
        assert!(
            (3..ENTRIES).all(|number| can_be_had(&store, number)),
            "{what}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn after_a_repair_all_that_is_left_is_sound(
        entries in prop::collection::vec((0..ENTRIES, 0..40_usize, 0..8_u8), 0..4),
        files in prop::collection::vec((0..3_u64, 0..70_000_usize, 0..8_u8), 0..3),
    ) {
        let dir = TempDir::new().unwrap();
        drop(filled(&dir));
        let mut touched: Vec<u64> = Vec::new();
        for (number, at, bit) in entries {
            let key: MemoKey = memo_key(number);
            let mut stored = get_logged(&dir, &MEMO, key.as_bytes());
            let at = at % stored.len();
            stored[at] ^= 1 << bit;
            put_logged(&dir, &MEMO, key.as_bytes(), &stored);
            touched.push(number);
        }
        for (which, at, bit) in files {
            let number = 2 + 3 * which;
            let mut bytes = fs::read(object_file(&dir, number)).unwrap();
            bytes[at] ^= 1 << bit;
            fs::write(object_file(&dir, number), bytes).unwrap();
            touched.push(number);
        }
        let store = open(&dir);
        verify(&store, true);
        let after = verify(&store, false);
        prop_assert!(after.is_sound(), "{after:?}");
        for number in 0..ENTRIES {
            prop_assert!(can_be_had(&store, number) || touched.contains(&number));
        }
    }
}
