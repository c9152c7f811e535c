//! A store that an earlier version wrote is read by this one. `tests/format-5/` was written by the first version
//! that has this format, with the ignored test below; a later format gets a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, FunctionDigest, Interface, Maker, MemoKey,
    Param, Recipe, RecipeRecord, RunId, Type,
};
use flowstone_store::{
    CallRecord, ChangedElement, CollectionId, Intent, IntentRow, Lineage, LookupRecord, Member,
    MemoRecord, Outcome, Owner, RecipeId, RowHead, RowState, Snapshot, Step, Store, StoreError,
    StoreOptions, Stored, TargetId, TargetRow, Usage, Why, Writer, member_key,
};
use tempfile::TempDir;

const PAGES: CollectionId = CollectionId(1);
const INDEX: TargetId = TargetId(2);
const PEOPLE: TargetId = TargetId(3);

/// A group with a byte that is written as two, on a level of a fold.
const GROUP: (TargetId, &[u8], u8) = (PEOPLE, b"a\0b", 2);

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format-5")
}

fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::from_bytes([byte; 32])
}

fn memo() -> MemoRecord {
    let stored = Stored::Inline(b"words".to_vec());
    let outcome = Outcome::Value {
        fingerprint: fingerprint(1),
        parts: vec![fingerprint(2)],
        stored,
    };
    MemoRecord {
        outcome,
        cost_ns: 1500,
        run: RunId(1),
        recipe: RecipeId(1),
        arguments: vec![fingerprint(10), fingerprint(11)],
        why: Why::New,
    }
}

fn failed_memo() -> MemoRecord {
    MemoRecord {
        outcome: Outcome::Failed {
            reason: "no heading".into(),
        },
        cost_ns: 20,
        run: RunId(1),
        recipe: RecipeId(2),
        arguments: Vec::new(),
        why: Why::Expired,
    }
}

fn head() -> RowHead {
    let state = RowState::Failed { retry: true };
    RowHead {
        hint: b"size and time".to_vec(),
        content: fingerprint(3),
        flow: fingerprint(4),
        state,
    }
}

fn lineage() -> Lineage {
    let target = TargetRow {
        target: INDEX,
        id: [5; 16],
        key: b"page.md#intro".to_vec(),
        fingerprint: [6; 16],
        origin: vec![3, 300],
    };
    Lineage {
        columns: vec![fingerprint(7)],
        calls: vec![CallRecord {
            transform: 1,
            key: MemoKey::from_bytes([8; 32]),
        }],
        run: RunId(1),
        replaced: vec![CallRecord {
            transform: 2,
            key: MemoKey::from_bytes([9; 32]),
        }],
        shape: Some(fingerprint(9)),
        good: false,
        targets: vec![target],
        failure: Some("no heading".into()),
        lookups: vec![lookup()],
    }
}

fn lookup() -> LookupRecord {
    LookupRecord {
        relation: PEOPLE,
        key: [4; 16],
    }
}

fn member() -> Member {
    Member {
        columns: vec![
            (fingerprint(13), b"Ada".to_vec()),
            (fingerprint(14), Vec::new()),
        ],
    }
}

fn step() -> Step {
    Step {
        fingerprint: fingerprint(15),
        bytes: b"sum".to_vec(),
    }
}

fn intent() -> Intent {
    Intent {
        rows: vec![IntentRow {
            collection: PAGES,
            key: b"page.md".to_vec(),
            targets: lineage().targets,
        }],
    }
}

fn owner() -> Owner {
    Owner {
        collection: PAGES,
        row: b"page.md".to_vec(),
    }
}

fn interface() -> Interface {
    Interface {
        imports: vec!["wasi:cli/stdout@0.2.0".into()],
        ..Interface::default()
    }
}

fn recipe() -> RecipeRecord {
    let component = ComponentDigest::from_bytes([10; 32]);
    let code = CodeId::Component {
        digest: component,
        function: "word-count".into(),
    };
    let function = Function {
        name: "word-count".into(),
        params: vec![Param {
            name: "text".into(),
            ty: Type::String,
        }],
        result: Some(Type::U32),
        docs: None,
    };
    let maker = Maker {
        component,
        function: function.name.clone(),
        reachable: Some(FunctionDigest::from_bytes([12; 32])),
    };
    let recipe = Recipe {
        code,
        function,
        literals: Vec::new(),
        grants: Vec::new(),
        ignored: Vec::new(),
        batched: false,
    };
    RecipeRecord { recipe, maker }
}

fn functions() -> BTreeMap<String, FunctionDigest> {
    [(
        "word-count".to_owned(),
        FunctionDigest::from_bytes([12; 32]),
    )]
    .into()
}

fn text(len: usize) -> (Vec<u8>, Fingerprint) {
    let mut encoding = (len as u32).to_le_bytes().to_vec();
    encoding.resize(4 + len, b'x');
    let hash = blake3::keyed_hash(Type::String.fingerprint().as_bytes(), &encoding);
    (encoding, Fingerprint::from_bytes(*hash.as_bytes()))
}

#[test]
#[ignore = "writes the fixture of the current format where there is none"]
fn write_the_fixture() {
    let dir = fixture();
    // Never over one that is there: what a released version wrote stays as it is.
    if dir.exists() {
        return;
    }
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open(&dir, StoreOptions::default()).unwrap();
    let written: Result<(), StoreError> = store.write(|writer| {
        writer.put_memo(&MemoKey::from_bytes([8; 32]), &memo())?;
        writer.put_memo(&MemoKey::from_bytes([9; 32]), &failed_memo())?;
        for len in [2000, 70_000] {
            let (encoding, value) = text(len);
            writer.put_object(&value, &encoding)?;
        }
        writer.put_row(PAGES, b"page.md", &head(), &lineage())?;
        writer.claim(INDEX, b"page.md#intro", &owner())?;
        writer.claim(INDEX, &[b'k'; 300], &owner())?;
        writer.put_intent(12, &intent())?;
        writer.put_interface(&ComponentDigest::from_bytes([10; 32]), &interface())?;
        writer.put_recipe(RecipeId(1), &recipe())?;
        writer.add_usage(&MemoKey::from_bytes([8; 32]), RunId(1), 300)?;
        writer.put_functions(&ComponentDigest::from_bytes([10; 32]), 7, &functions())?;
        write_relation(writer)?;
        writer.put_run(RunId(1), r#"{"run":1}"#)?;
        writer.put_meta("collection/page", b"1")
    });
    written.unwrap();
    store
        .put_build(&ComponentDigest::from_bytes([10; 32]), b"a component")
        .unwrap();
    drop(store);
    // Made anew by every open.
    std::fs::remove_file(dir.join("lock")).unwrap();
    std::fs::remove_dir(dir.join("tmp")).unwrap();
}

fn write_relation(writer: &mut Writer<'_>) -> Result<(), StoreError> {
    writer.put_member(PEOPLE, &member_key(GROUP.1, b"ada"), Some(&member()))?;
    writer.put_reader(&lookup(), PAGES, b"page.md", true)?;
    writer.put_due(PAGES, b"other.md")?;
    writer.put_step(GROUP, b"ada", Some(&step()))?;
    writer.put_change(GROUP, b"ada", true)?;
    writer.put_change(GROUP, b"bob", false)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_store_of_format_5_is_read() {
    let dir = TempDir::new().unwrap();
    copy(&fixture(), dir.path());
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    let snapshot = store.snapshot().unwrap();
    let memos = snapshot
        .memos(&[[8; 32], [9; 32], [10; 32]].map(MemoKey::from_bytes))
        .unwrap();
    assert_eq!(memos, [Some(memo()), Some(failed_memo()), None]);
    for len in [2000, 70_000] {
        let (encoding, value) = text(len);
        assert_eq!(
            snapshot
                .object(&value, &Type::String.fingerprint())
                .unwrap(),
            Some(encoding)
        );
    }
    let rows: Vec<_> = snapshot.rows(PAGES).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, [(b"page.md".to_vec(), head())]);
    assert_eq!(
        snapshot.lineage(PAGES, b"page.md").unwrap(),
        Some(lineage())
    );
    let owned: Vec<_> = snapshot.owned(INDEX).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        owned,
        [
            (b"page.md#intro".to_vec(), owner()),
            (vec![b'k'; 300], owner())
        ]
    );
    assert_eq!(snapshot.owner(INDEX, &[b'k'; 300]).unwrap(), Some(owner()));
    assert_eq!(snapshot.intents().unwrap(), [(12, intent())]);
    assert_eq!(
        snapshot
            .interface(&ComponentDigest::from_bytes([10; 32]))
            .unwrap(),
        Some(interface())
    );
    let component = ComponentDigest::from_bytes([10; 32]);
    assert_eq!(snapshot.recipe(RecipeId(1)).unwrap(), Some(recipe()));
    assert_eq!(
        snapshot.functions(&component, 7).unwrap(),
        Some(functions())
    );
    assert_eq!(
        snapshot.usage(&MemoKey::from_bytes([8; 32])).unwrap(),
        Some(Usage {
            run: RunId(1),
            reused: 300
        })
    );
    assert_eq!(
        store.build(&component).unwrap().as_deref(),
        Some(&b"a component"[..])
    );
    check_relation(&snapshot);
    let due: Result<_, StoreError> = store.write(|writer| writer.make_readers_due(&lookup()));
    due.unwrap();
    let due = store.snapshot().unwrap().due(PAGES).unwrap();
    let due: Vec<_> = due.map(Result::unwrap).collect();
    assert_eq!(due, [&b"other.md"[..], b"page.md"]);
    let next: Result<_, StoreError> =
        store.write(|writer| Ok([writer.next_recipe()?, writer.next_recipe()?]));
    assert_eq!(next.unwrap(), [RecipeId(2), RecipeId(3)]);
    assert_eq!(
        snapshot.run(RunId(1)).unwrap().as_deref(),
        Some(r#"{"run":1}"#)
    );
    assert_eq!(
        snapshot.meta("collection/page").unwrap().as_deref(),
        Some(&b"1"[..])
    );
}

fn check_relation(snapshot: &Snapshot) {
    let groups = snapshot.groups(PEOPLE).unwrap();
    let groups: Vec<_> = groups.map(|group| group.unwrap().0).collect();
    assert_eq!(groups, [GROUP.1]);
    let members = snapshot.members(PEOPLE, GROUP.1, b"").unwrap();
    let members: Vec<_> = members.map(Result::unwrap).collect();
    assert_eq!(members, [(b"ada".to_vec(), member())]);
    assert!(snapshot.is_due(PAGES, b"other.md").unwrap());
    let steps = snapshot.steps(GROUP, b"").unwrap();
    let steps: Vec<_> = steps.map(Result::unwrap).collect();
    assert_eq!(steps, [(b"ada".to_vec(), step())]);
    let changed = |element: &[u8], structure| ChangedElement {
        group: GROUP.1.to_vec(),
        level: GROUP.2,
        element: element.to_vec(),
        structure,
    };
    let changes = snapshot.changes(PEOPLE).unwrap();
    let changes: Vec<_> = changes.map(Result::unwrap).collect();
    assert_eq!(changes, [changed(b"ada", true), changed(b"bob", false)]);
}
