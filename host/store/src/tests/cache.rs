//! What is remembered of calls and code besides the results: usage, recipes, digests of functions; and listing it.

use std::collections::BTreeMap;

use flowstone_core::{FunctionDigest, MemoKey, RunId};
use tempfile::TempDir;

use super::{component, hash, head, lineage, memo, memo_key, open, recipe, write};
use crate::{CollectionId, RecipeId, Usage, Writer};

#[test]
fn usage_adds_up_and_goes_with_its_entry() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let usage = |number| store.snapshot().unwrap().usage(&memo_key(number)).unwrap();
    write(&store, |writer| {
        for number in [1, 2] {
            writer.put_memo(&memo_key(number), &memo(number))?;
            writer.add_usage(&memo_key(number), RunId(7), 3)?;
        }
        writer.add_usage(&memo_key(1), RunId(9), 4)
    })
    .unwrap();
    // An older run, as a store that was put together from two might say.
    write(&store, |writer| {
        writer.add_usage(&memo_key(1), RunId(8), u64::MAX)
    })
    .unwrap();
    let (run, reused) = (RunId(9), u64::MAX);
    assert_eq!(usage(1), Some(Usage { run, reused }));
    write(&store, |writer| {
        writer.remove_memo(&memo_key(1))?;
        assert_eq!(writer.memo(&memo_key(1))?, None);
        assert_eq!(writer.memo(&memo_key(2))?, Some(memo(2)));
        writer.remove_memo(&memo_key(3))
    })
    .unwrap();
    assert_eq!(usage(1), None);
    let (run, reused) = (RunId(7), 3);
    assert_eq!(usage(2), Some(Usage { run, reused }));
    assert_eq!(usage(3), None);
}

#[test]
fn a_recipe_never_gets_a_number_that_another_one_had() {
    let dir = TempDir::new().unwrap();
    let next = |writer: &mut Writer<'_>| writer.next_recipe();
    let store = open(&dir);
    let (first, second) = write(&store, |writer| Ok((next(writer)?, next(writer)?))).unwrap();
    assert_eq!((first, second), (RecipeId(1), RecipeId(2)));
    drop(store);
    let store = open(&dir);
    let given_up: Result<(), crate::StoreError> = store.write(|writer| {
        assert_eq!(next(writer)?, RecipeId(3));
        Err(crate::StoreError::Reserved {
            name: String::new(),
        })
    });
    assert!(given_up.is_err());
    write(&store, |writer| {
        writer.put_recipe(RecipeId(10), &recipe(10))?;
        writer.put_recipe(RecipeId(4), &recipe(4))?;
        assert_eq!(next(writer)?, RecipeId(11));
        writer.put_recipe(RecipeId(10), &recipe(11))
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.recipe(RecipeId(10)).unwrap(), Some(recipe(11)));
    assert_eq!(snapshot.recipe(RecipeId(11)).unwrap(), None);
    let (four, ten) = ((RecipeId(4), recipe(4)), (RecipeId(10), recipe(11)));
    assert_eq!(snapshot.recipes().unwrap(), [four, ten]);
}

#[test]
fn numbers_for_recipes_can_run_out() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let last = RecipeId(u32::MAX);
    assert!(write(&store, |writer| writer.put_recipe(last, &recipe(1))).is_err());
    write(&store, |writer| {
        writer.put_recipe(RecipeId(u32::MAX - 1), &recipe(1))
    })
    .unwrap();
    let error = write(&store, |writer| writer.next_recipe().map(drop)).unwrap_err();
    assert!(error.to_string().contains("used up"), "{error}");
}

#[test]
fn digests_of_functions_are_those_of_one_version() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let digests = |number: u64| -> BTreeMap<_, _> {
        let digest = FunctionDigest::from_bytes(hash(number));
        [
            ("f".to_owned(), digest),
            ("acme:text/stats#g".to_owned(), digest),
        ]
        .into()
    };
    let put = |version, number| {
        write(&store, |writer| {
            writer.put_functions(&component(1), version, &digests(number))
        })
        .unwrap();
    };
    let get = |version| {
        store
            .snapshot()
            .unwrap()
            .functions(&component(1), version)
            .unwrap()
    };
    put(1, 5);
    assert_eq!(get(1), Some(digests(5)));
    assert_eq!(get(2), None);
    put(2, 6);
    assert_eq!(get(1), None);
    assert_eq!(get(2), Some(digests(6)));
    assert_eq!(
        store
            .snapshot()
            .unwrap()
            .functions(&component(2), 2)
            .unwrap(),
        None
    );
}

#[test]
fn all_entries_are_listed_by_key_and_found_by_their_first_digits() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let key = |first: [u8; 2], last: u8| {
        let mut bytes = [last; 32];
        bytes[..2].copy_from_slice(&first);
        MemoKey::from_bytes(bytes)
    };
    let keys = [
        key([0, 0], 0),
        key([0x12, 0x34], 0),
        key([0x12, 0x34], 1),
        key([0x12, 0x3f], 0),
        key([0x12, 0x40], 0),
        key([0xff, 0xff], 0xff),
    ];
    write(&store, |writer| {
        (0..)
            .zip(&keys)
            .try_for_each(|(number, key)| writer.put_memo(key, &memo(number)))
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    let all: Vec<_> = snapshot
        .memo_entries()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        all,
        (0..)
            .zip(&keys)
            .map(|(number, key)| (*key, memo(number)))
            .collect::<Vec<_>>()
    );
    let found = |digits: &str, limit| {
        let found = snapshot.memo_prefix(digits, limit).unwrap();
        found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(found("123", 10), keys[1..4]);
    assert_eq!(found("1234", 10), keys[1..3]);
    assert_eq!(found("1234", 1), keys[1..2]);
    assert_eq!(found("123F", 10), keys[3..4]);
    assert_eq!(found("", 10), keys);
    assert_eq!(found("", 0), []);
    assert_eq!(found("13", 10), []);
    assert_eq!(found(&keys[5].to_string(), 10), keys[5..]);
    for no_digits in ["x", "12g", "-1", "é", &"1".repeat(65)] {
        assert_eq!(found(no_digits, 10), []);
    }
}

#[test]
fn lineages_are_those_of_one_collection_in_the_order_of_their_keys() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        for (collection, key, number) in [(1, b"b", 1), (1, b"a", 2), (2, b"a", 3)] {
            let collection = CollectionId(collection);
            writer.put_row(collection, key, &head(number), &lineage(number))?;
        }
        Ok(())
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    let all = |collection| -> Vec<_> {
        let lineages = snapshot.lineages(CollectionId(collection)).unwrap();
        lineages.map(Result::unwrap).collect()
    };
    let (a, b) = (b"a".to_vec(), b"b".to_vec());
    assert_eq!(all(1), [(a.clone(), lineage(2)), (b, lineage(1))]);
    assert_eq!(all(2), [(a, lineage(3))]);
    assert_eq!(all(3), []);
}
