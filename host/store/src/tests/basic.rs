//! What is written is read back, by snapshots and inside the transaction.

use std::sync::Arc;

use flowstone_core::{
    ComponentDigest, Function, Interface, Param, RunId, Type, UnsupportedFunction,
};

use super::{fingerprint, hash, head, lineage, memo, memo_key, open, target_row, write};
use crate::{
    CollectionId, INLINE_BYTES_MAX, Intent, IntentRow, KEY_BYTES_MAX, MemoRecord, Outcome, Owner,
    RecipeId, RowIter, Snapshot, Store, StoreError, StoreOptions, Stored, TargetId, Why, Writer,
};

const PAGES: CollectionId = CollectionId(3);
const INDEX: TargetId = TargetId(1);

fn interface() -> Interface {
    let text = Param {
        name: "text".into(),
        ty: Type::List(Arc::new(Type::Option(Arc::new(Type::String)))),
    };
    Interface {
        functions: vec![Function {
            name: "acme:text/stats#word-count".into(),
            params: vec![text],
            result: Some(Type::Enum(["a".into(), "b".into()].into())),
            docs: None,
        }],
        unsupported: vec![UnsupportedFunction {
            name: "open".into(),
            reason: "it returns a resource".into(),
        }],
        imports: vec!["wasi:cli/stdout@0.2.0".into()],
    }
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Store>();
    shared::<Snapshot>();
    shared::<StoreError>();
    sent::<RowIter>();
}

#[test]
fn rows_below_are_those_whose_keys_begin_so() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    let keys: [&[u8]; 8] = [
        b"",
        b"a",
        b"a/",
        b"a/b",
        b"a/c/d",
        b"a0",
        b"\xff",
        b"\xff\xff\x01",
    ];
    for collection in [2, 3, u32::MAX] {
        write(&store, |writer| {
            keys.iter().try_for_each(|key| {
                writer.put_row(CollectionId(collection), key, &head(1), &lineage(1))
            })
        })
        .unwrap();
    }
    let snapshot = store.snapshot().unwrap();
    for collection in [3, u32::MAX] {
        for prefix in keys
            .into_iter()
            .chain([b"a/c".as_slice(), b"b", b"\xff\xff"])
        {
            let rows = snapshot
                .rows_below(CollectionId(collection), prefix)
                .unwrap();
            let found: Vec<Vec<u8>> = rows.map(|row| row.unwrap().0).collect();
            let expected: Vec<&[u8]> = keys
                .into_iter()
                .filter(|key| key.starts_with(prefix))
                .collect();
            assert_eq!(found, expected, "{prefix:?}");
        }
    }
}

#[test]
fn every_kind_of_record_is_read_back_by_a_later_process() {
    let dir = tempfile::TempDir::new().unwrap();
    let intent = Intent {
        rows: vec![IntentRow {
            collection: PAGES,
            key: b"a".into(),
            targets: vec![target_row(1)],
        }],
    };
    let owner = Owner {
        collection: PAGES,
        row: b"a.md".into(),
    };
    let failed = MemoRecord {
        outcome: Outcome::Failed {
            reason: "no heading".into(),
        },
        cost_ns: u64::MAX,
        run: RunId(u64::MAX),
        recipe: RecipeId(u32::MAX),
        arguments: Vec::new(),
        why: Why::Imported,
    };
    let digest = ComponentDigest::from_bytes(hash(9));
    write(&open(&dir), |writer| {
        writer.put_memo(&memo_key(1), &memo(1))?;
        writer.put_memo(&memo_key(2), &failed)?;
        writer.put_row(PAGES, b"a.md", &head(1), &lineage(1))?;
        writer.claim(INDEX, b"a.md#x", &owner)?;
        writer.put_intent(7, &intent)?;
        writer.put_interface(&digest, &interface())?;
        writer.put_run(RunId(1), r#"{"run": 1}"#)?;
        writer.put_run(RunId(2), r#"{"run": 2}"#)?;
        writer.put_meta("pin/words", b"1")?;
        writer.put_meta("pin/sections", b"2")?;
        writer.put_meta("pip", b"3")
    })
    .unwrap();

    let outliving = open(&dir).snapshot().unwrap();
    assert!(matches!(
        outliving.object(&fingerprint(1), &fingerprint(2)),
        Ok(None) | Err(StoreError::Unusable { .. })
    ));
    let store = open(&dir);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.memo(&memo_key(1)).unwrap(), Some(memo(1)));
    assert_eq!(
        snapshot
            .memos(&[memo_key(1), memo_key(3), memo_key(2)])
            .unwrap(),
        [Some(memo(1)), None, Some(failed)]
    );
    assert_eq!(snapshot.row(PAGES, b"a.md").unwrap(), Some(head(1)));
    assert_eq!(snapshot.row(CollectionId(4), b"a.md").unwrap(), None);
    assert_eq!(snapshot.lineage(PAGES, b"a.md").unwrap(), Some(lineage(1)));
    assert_eq!(
        snapshot.owner(INDEX, b"a.md#x").unwrap(),
        Some(owner.clone())
    );
    assert_eq!(snapshot.owner(INDEX, b"a.md#y").unwrap(), None);
    let listed: Vec<_> = snapshot.owned(INDEX).unwrap().map(Result::unwrap).collect();
    assert_eq!(listed, [(b"a.md#x".to_vec(), owner)]);
    assert_eq!(snapshot.intents().unwrap(), [(7, intent)]);
    assert_eq!(snapshot.interface(&digest).unwrap(), Some(interface()));
    assert_eq!(snapshot.last_run().unwrap(), Some(RunId(2)));
    assert_eq!(
        snapshot.run(RunId(1)).unwrap().as_deref(),
        Some(r#"{"run": 1}"#)
    );
    let runs: Vec<_> = snapshot.runs().unwrap().map(|run| run.unwrap().0).collect();
    assert_eq!(runs, [RunId(2), RunId(1)]);
    assert_eq!(snapshot.meta("pip").unwrap().as_deref(), Some(&b"3"[..]));
    let pins = snapshot.meta_prefix("pin/").unwrap();
    assert_eq!(
        pins,
        [
            ("pin/sections".to_owned(), b"2".to_vec()),
            ("pin/words".to_owned(), b"1".to_vec())
        ]
    );
}

#[test]
fn rows_come_in_the_order_of_their_key_bytes_and_of_one_collection_only() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    let keys: [&[u8]; 6] = [b"b", b"a/b", b"", b"a", &[0xff; 300], b"a.b"];
    let last = CollectionId(u32::MAX);
    write(&store, |writer| {
        for key in keys {
            writer.put_head(PAGES, key, &head(1))?;
            writer.put_head(last, key, &head(2))?;
        }
        writer.put_head(CollectionId(4), b"other", &head(3))
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    for collection in [PAGES, last] {
        let found: Vec<_> = snapshot
            .rows(collection)
            .unwrap()
            .map(|row| row.unwrap().0)
            .collect();
        let mut expected: Vec<_> = keys.iter().map(|key| key.to_vec()).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_snapshot_and_its_iterators_do_not_see_later_writes() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        writer.put_row(PAGES, b"a", &head(1), &lineage(1))
    })
    .unwrap();
    let rows = store.snapshot().unwrap().rows(PAGES).unwrap();
    write(&store, |writer| writer.remove_row(PAGES, b"a")).unwrap();
    assert_eq!(
        rows.map(Result::unwrap).collect::<Vec<_>>(),
        [(b"a".to_vec(), head(1))]
    );
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.rows(PAGES).unwrap().count(), 0);
    assert_eq!(snapshot.lineage(PAGES, b"a").unwrap(), None);
}

#[test]
fn long_target_keys_are_told_apart_and_listed_whole() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    let keys = [
        vec![b'k'; 256],
        vec![b'k'; 257],
        vec![b'k'; KEY_BYTES_MAX],
        Vec::new(),
    ];
    let owner = |row: usize| Owner {
        collection: PAGES,
        row: row.to_string().into_bytes(),
    };
    write(&store, |writer| {
        keys.iter()
            .enumerate()
            .try_for_each(|(row, key)| writer.claim(INDEX, key, &owner(row)))
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    for (row, key) in keys.iter().enumerate() {
        assert_eq!(snapshot.owner(INDEX, key).unwrap(), Some(owner(row)));
    }
    let mut listed: Vec<_> = snapshot.owned(INDEX).unwrap().map(Result::unwrap).collect();
    let mut expected: Vec<_> = keys
        .iter()
        .cloned()
        .enumerate()
        .map(|(row, key)| (key, owner(row)))
        .collect();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(listed, expected);
    write(&store, |writer| {
        keys.iter().try_for_each(|key| writer.release(INDEX, key))
    })
    .unwrap();
    assert_eq!(store.snapshot().unwrap().owned(INDEX).unwrap().count(), 0);
}

#[test]
fn a_transaction_reads_what_it_wrote_and_leaves_nothing_when_it_fails() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    let write_all = |writer: &mut Writer<'_>| {
        let owner = Owner {
            collection: PAGES,
            row: b"a".into(),
        };
        writer.put_row(PAGES, b"a", &head(1), &lineage(1))?;
        writer.claim(INDEX, b"x", &owner)?;
        writer.put_meta("m", b"1")?;
        assert_eq!(writer.row(PAGES, b"a")?, Some(head(1)));
        assert_eq!(writer.lineage(PAGES, b"a")?, Some(lineage(1)));
        assert_eq!(writer.owner(INDEX, b"x")?, Some(owner));
        assert_eq!(writer.meta("m")?.as_deref(), Some(&b"1"[..]));
        Ok::<_, StoreError>(())
    };
    let result: Result<(), String> = store
        .write(|writer| {
            write_all(writer).map_err(|error| TestError(error.to_string()))?;
            Err(TestError("given up".into()))
        })
        .map_err(|TestError(text)| text);
    assert_eq!(result.unwrap_err(), "given up");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        write(&store, |writer| {
            write_all(writer)?;
            panic!("the caller's own");
            #[expect(unreachable_code, reason = "it gives the closure its type")]
            Ok(())
        })
    }));
    assert_eq!(
        panicked.unwrap_err().downcast_ref::<&str>(),
        Some(&"the caller's own")
    );
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.row(PAGES, b"a").unwrap(), None);
    assert_eq!(snapshot.meta("m").unwrap(), None);
    write(&store, write_all).unwrap();
    assert_eq!(
        store.snapshot().unwrap().row(PAGES, b"a").unwrap(),
        Some(head(1))
    );
}

struct TestError(String);

impl From<StoreError> for TestError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[test]
fn an_error_that_the_caller_swallows_still_undoes_the_transaction() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    for reserved in ["format", "store/next-recipe", "store/"] {
        let result = write(&store, |writer| {
            writer.put_head(PAGES, b"a", &head(1))?;
            assert!(matches!(
                writer.put_meta(reserved, b"2"),
                Err(StoreError::Reserved { .. })
            ));
            Ok(())
        });
        assert!(matches!(result, Err(StoreError::Unusable { .. })));
        assert_eq!(store.snapshot().unwrap().row(PAGES, b"a").unwrap(), None);
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    let long = vec![0; KEY_BYTES_MAX + 1];
    let refused = |change: &dyn Fn(&mut Writer<'_>) -> Result<(), StoreError>| {
        assert!(matches!(
            write(&store, |writer| change(writer)),
            Err(StoreError::TooLong { .. })
        ));
    };
    refused(&|writer| writer.put_head(PAGES, &long, &head(1)));
    refused(&|writer| {
        writer.claim(
            INDEX,
            &long,
            &Owner {
                collection: PAGES,
                row: Vec::new(),
            },
        )
    });
    refused(&|writer| writer.put_meta(&"m".repeat(KEY_BYTES_MAX + 1), b""));
    refused(&|writer| {
        let mut head = head(1);
        head.hint = vec![0; 65];
        writer.put_head(PAGES, b"a", &head)
    });
    refused(&|writer| {
        let stored = Stored::Inline(vec![0; INLINE_BYTES_MAX + 1]);
        let outcome = Outcome::Value {
            fingerprint: fingerprint(1),
            parts: Vec::new(),
            stored,
        };
        writer.put_memo(
            &memo_key(1),
            &MemoRecord {
                outcome,
                cost_ns: 0,
                run: RunId(1),
                recipe: RecipeId(1),
                arguments: Vec::new(),
                why: Why::New,
            },
        )
    });
    write(&store, |writer| {
        writer.put_head(PAGES, &long[1..], &head(1))
    })
    .unwrap();
    assert_eq!(
        store.snapshot().unwrap().row(PAGES, &long[1..]).unwrap(),
        Some(head(1))
    );
}

#[test]
fn a_second_open_is_refused_and_names_the_process() {
    let dir = tempfile::TempDir::new().unwrap();
    let options = StoreOptions {
        holder: Some(format!("flowstone run \u{1b}[31m\n{}", "x".repeat(1000))),
        ..StoreOptions::default()
    };
    let before = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let store = Store::open(dir.path(), options).unwrap();
    let Err(error) = Store::open(dir.path(), StoreOptions::default()) else {
        panic!("opened twice")
    };
    let text = error.to_string();
    let StoreError::Locked {
        holder: Some(holder),
        ..
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!(holder.pid, std::process::id());
    assert!(
        holder.since.is_some_and(|since| since >= before),
        "{holder:?}"
    );
    assert!(holder.command.unwrap().starts_with("flowstone run"));
    assert!(
        text.contains(&format!("process {} (`flowstone run", std::process::id()))
            && text.contains("wait until it ends"),
        "{text}"
    );
    assert!(
        !text.contains('\u{1b}') && !text.contains('\n') && text.len() < 500,
        "{text}"
    );
    // Whatever is in the file: the store is in use.
    std::fs::write(dir.path().join("lock"), b"\xff\nnever\n").unwrap();
    let error = Store::open(dir.path(), StoreOptions::default())
        .err()
        .unwrap();
    assert!(
        matches!(error, StoreError::Locked { holder: None, .. }),
        "{error:?}"
    );
    drop(store);
    open(&dir);
}

#[test]
fn a_folder_that_is_used_for_something_else_is_refused_and_left_alone() {
    for (name, is_folder) in [
        ("notes.txt", false),
        ("src", true),
        ("tmp/draft", false),
        ("tmp/2024", false),
        ("lock", false),
    ] {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if is_folder {
            std::fs::create_dir(&path).unwrap();
        } else {
            std::fs::write(&path, "mine").unwrap();
        }
        let error = Store::open(dir.path(), StoreOptions::default()).err();
        assert!(
            matches!(&error, Some(StoreError::Foreign { name: found, .. }) if found == name),
            "{error:?}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(path.exists());
    }
}

#[test]
fn what_is_not_the_stores_stays_also_in_a_store() {
    let dir = tempfile::TempDir::new().unwrap();
    drop(open(&dir));
    for name in ["notes.txt", "tmp/draft", "tmp/17", "tmp/unfinished-17"] {
        std::fs::write(dir.path().join(name), "mine").unwrap();
    }
    drop(open(&dir));
    let there = ["notes.txt", "tmp/draft", "tmp/17", "tmp/unfinished-17"]
        .map(|name| dir.path().join(name).exists());
    assert_eq!(there, [true, true, true, false]);
}
