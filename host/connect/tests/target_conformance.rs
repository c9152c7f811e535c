//! What holds for every target, whatever its kind.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{files_spec, identity, table_spec, text};
use flowstone_connect::{
    ConnectError, RowError, Target, TargetOp, TargetState, check_target, open_target, target_kinds,
};
use flowstone_core::{TargetSpec, Value};
use proptest::prelude::*;
use rusqlite::Connection;

type Rows = BTreeMap<(String, String), String>;

/// A kind of target, and how to see what it holds without its help.
struct Kind {
    spec: fn() -> TargetSpec,
    read: fn(&Path) -> Rows,
}

const KINDS: [Kind; 2] = [
    Kind {
        spec: table_spec,
        read: read_table,
    },
    Kind {
        spec: files_spec,
        read: read_files,
    },
];

fn read_table(base: &Path) -> Rows {
    let path = base.join("out/x.db");
    if !path.exists() {
        return Rows::new();
    }
    let connection = Connection::open(path).unwrap();
    let Ok(mut statement) = connection.prepare("SELECT path, heading, content FROM section") else {
        return Rows::new();
    };
    let rows = statement
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn read_files(base: &Path) -> Rows {
    let mut rows = Rows::new();
    let Ok(folders) = fs::read_dir(base.join("out/pages")) else {
        return rows;
    };
    for folder in folders
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
    {
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(!files.is_empty(), "an empty folder is left behind");
        for file in files {
            let name = file.file_name().into_string().unwrap();
            let key = (
                folder.file_name().into_string().unwrap(),
                name.strip_suffix(".txt").unwrap().to_owned(),
            );
            rows.insert(key, fs::read_to_string(file.path()).unwrap());
        }
    }
    rows
}

fn open(spec: &TargetSpec, base: &Path, token: char) -> (Box<dyn Target>, TargetState) {
    open_target(spec, base, &identity(token), false).unwrap()
}

fn row(path: &str, heading: &str, content: &str) -> Vec<Value> {
    vec![Value::str(path), Value::str(heading), Value::str(content)]
}

fn upsert(target: &dyn Target, path: &str, heading: &str, content: &str) -> TargetOp {
    let row = row(path, heading, content);
    TargetOp::Upsert {
        key: target.keys().key(&row).unwrap(),
        row,
    }
}

fn delete(target: &dyn Target, path: &str, heading: &str) -> TargetOp {
    TargetOp::Delete {
        key: target.keys().key(&row(path, heading, "")).unwrap(),
    }
}

fn rows(rows: &[(&str, &str, &str)]) -> Rows {
    rows.iter()
        .map(|(path, heading, content)| (((*path).into(), (*heading).into()), (*content).into()))
        .collect()
}

#[test]
fn a_batch_is_applied_and_remembered() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, state) = open(&spec(), base.path(), 'a');
        assert_eq!(state, TargetState::Created);
        let ops = [
            upsert(&*target, "p", "one", "1"),
            upsert(&*target, "p", "two", "2"),
            upsert(&*target, "q", "one", "3"),
        ];
        target.apply(1, &ops).unwrap();
        assert_eq!(
            read(base.path()),
            rows(&[("p", "one", "1"), ("p", "two", "2"), ("q", "one", "3")])
        );
        let ops = [
            upsert(&*target, "p", "one", "changed"),
            delete(&*target, "q", "one"),
            delete(&*target, "q", "never"),
        ];
        target.apply(2, &ops).unwrap();
        let expected = rows(&[("p", "one", "changed"), ("p", "two", "2")]);
        assert_eq!(read(base.path()), expected);
        drop(target);
        let (target, state) = open(&spec(), base.path(), 'a');
        assert_eq!(state, TargetState::Known { batch: 2 });
        drop(target);
        assert_eq!(read(base.path()), expected);
    }
}

#[test]
fn a_batch_applied_again_changes_nothing() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, _) = open(&spec(), base.path(), 'a');
        target
            .apply(1, &[upsert(&*target, "p", "gone", "1")])
            .unwrap();
        let ops = [
            upsert(&*target, "p", "new", "2"),
            delete(&*target, "p", "gone"),
        ];
        target.apply(2, &ops).unwrap();
        target.apply(2, &ops).unwrap();
        drop(target);
        let (mut target, state) = open(&spec(), base.path(), 'a');
        assert_eq!(state, TargetState::Known { batch: 2 });
        target.apply(2, &ops).unwrap();
        assert_eq!(read(base.path()), rows(&[("p", "new", "2")]));
    }
}

#[test]
fn the_last_operation_on_a_key_counts() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, _) = open(&spec(), base.path(), 'a');
        let ops = [
            upsert(&*target, "p", "a", "1"),
            upsert(&*target, "p", "b", "1"),
            delete(&*target, "p", "b"),
            delete(&*target, "p", "c"),
            upsert(&*target, "p", "a", "2"),
            upsert(&*target, "p", "c", "3"),
        ];
        target.apply(1, &ops).unwrap();
        assert_eq!(read(base.path()), rows(&[("p", "a", "2"), ("p", "c", "3")]));
    }
}

#[test]
fn a_target_of_another_identity_is_left_alone_until_it_is_cleared() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, _) = open(&spec(), base.path(), 'a');
        target.apply(7, &[upsert(&*target, "p", "a", "1")]).unwrap();
        drop(target);
        let (mut target, state) = open(&spec(), base.path(), 'b');
        assert_eq!(
            state,
            TargetState::Foreign {
                flow: "handbook".to_owned(),
                target: "index".to_owned(),
                token: identity('a').token,
            }
        );
        let ops = [upsert(&*target, "p", "a", "2")];
        assert!(matches!(
            target.apply(1, &ops),
            Err(ConnectError::Misuse { .. })
        ));
        assert_eq!(read(base.path()), rows(&[("p", "a", "1")]));
        target.clear().unwrap();
        assert_eq!(read(base.path()), Rows::new());
        target.apply(1, &ops).unwrap();
        assert_eq!(read(base.path()), rows(&[("p", "a", "2")]));
        drop(target);
        assert_eq!(
            open(&spec(), base.path(), 'b').1,
            TargetState::Known { batch: 1 }
        );
        assert!(matches!(
            open(&spec(), base.path(), 'a').1,
            TargetState::Foreign { .. }
        ));
    }
}

#[test]
fn a_target_that_was_taken_over_meanwhile_is_not_written() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut first, _) = open(&spec(), base.path(), 'a');
        let (mut second, _) = open(&spec(), base.path(), 'b');
        second.clear().unwrap();
        let ops = [upsert(&*first, "p", "a", "1")];
        assert!(matches!(
            first.apply(1, &ops),
            Err(ConnectError::Misuse { .. })
        ));
        assert!(matches!(first.retire(), Err(ConnectError::Misuse { .. })));
        assert_eq!(read(base.path()), Rows::new());
        second.apply(1, &ops).unwrap();
    }
}

#[test]
fn a_renamed_flow_keeps_its_target() {
    for Kind { spec, .. } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, _) = open(&spec(), base.path(), 'a');
        target.apply(3, &[]).unwrap();
        drop(target);
        let mut renamed = identity('a');
        renamed.flow = "manual".to_owned();
        let (_, state) = open_target(&spec(), base.path(), &renamed, false).unwrap();
        assert_eq!(state, TargetState::Known { batch: 3 });
        let (_, state) = open(&spec(), base.path(), 'b');
        assert_eq!(
            state,
            TargetState::Foreign {
                flow: "manual".to_owned(),
                target: "index".to_owned(),
                token: identity('a').token,
            }
        );
    }
}

#[test]
fn clearing_starts_over() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, _) = open(&spec(), base.path(), 'a');
        target.apply(5, &[upsert(&*target, "p", "a", "1")]).unwrap();
        target.clear().unwrap();
        assert_eq!(read(base.path()), Rows::new());
        drop(target);
        assert_eq!(
            open(&spec(), base.path(), 'a').1,
            TargetState::Known { batch: 0 }
        );
    }
}

#[test]
fn a_retired_target_is_gone() {
    for Kind { spec, read } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (mut target, _) = open(&spec(), base.path(), 'a');
        target.apply(1, &[upsert(&*target, "p", "a", "1")]).unwrap();
        target.retire().unwrap();
        assert_eq!(read(base.path()), Rows::new());
        assert_eq!(open(&spec(), base.path(), 'b').1, TargetState::Created);
    }
}

#[test]
fn targets_stay_in_the_folder_of_the_flow() {
    for Kind { spec, .. } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let flow = base.path().join("flow");
        fs::create_dir(&flow).unwrap();
        let mut spec = spec();
        let option = if spec.kind == "files" { "root" } else { "path" };
        for path in [
            "../x/y",
            "a/../../x/y",
            base.path().join("x/y").to_str().unwrap(),
        ] {
            spec.options.insert(option.to_owned(), text(path));
            let refused = open_target(&spec, &flow, &identity('a'), false).err();
            assert!(
                matches!(refused, Some(ConnectError::OutsideFlow { .. })),
                "{path}: {refused:?}"
            );
        }
        assert!(!base.path().join("x").exists());
        spec.options.insert(option.to_owned(), text("../x/y"));
        assert!(open_target(&spec, &flow, &identity('a'), true).is_ok());
        assert!(base.path().join("x/y").exists());
    }
}

#[test]
fn rows_that_do_not_fit_have_no_key() {
    for Kind { spec, .. } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (target, _) = open(&spec(), base.path(), 'a');
        for row in [
            vec![],
            vec![Value::str("p")],
            vec![Value::str("p"), Value::str("a"), Value::List([].into())],
        ] {
            let key = target.keys().key(&row);
            assert!(
                matches!(key, Err(RowError::Failed { retry: false, .. })),
                "{row:?}: {key:?}"
            );
        }
    }
}

#[test]
fn keys_go_to_people_and_back() {
    for Kind { spec, .. } in KINDS {
        let base = tempfile::tempdir().unwrap();
        let (target, _) = open(&spec(), base.path(), 'a');
        let key = target.keys().key(&row("p\x1b", "a b", "")).unwrap();
        assert!(!target.keys().display_key(&key).contains('\x1b'));
        let typed = if spec().kind == "files" {
            "p/a b.txt"
        } else {
            "p, a b"
        };
        assert_eq!(
            target.keys().parse_key(typed).unwrap(),
            target.keys().key(&row("p", "a b", "")).unwrap()
        );
        assert!(target.keys().parse_key("../x/").is_err());
        // What is no key at all must not panic.
        target.keys().display_key(b"\xff\x00\x02");
    }
}

#[test]
fn unknown_kinds_and_options_are_named() {
    assert_eq!(target_kinds(), ["sqlite", "files"]);
    let mut spec = table_spec();
    spec.kind = "postgres".to_owned();
    assert_eq!(
        check_target(&spec).unwrap_err().candidates,
        ["sqlite", "files"]
    );
    for Kind { spec, .. } in KINDS {
        let mut spec = spec();
        check_target(&spec).unwrap();
        spec.options.insert("colour".to_owned(), text("red"));
        assert_eq!(
            check_target(&spec).unwrap_err().option.as_deref(),
            Some("colour")
        );
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(u8, u8, Option<u8>)>),
    Again,
    Reopen,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let op = (0..3u8, 0..3u8, prop::option::of(0..4u8));
    prop_oneof![
        5 => prop::collection::vec(op, 0..6).prop_map(Step::Apply),
        1 => Just(Step::Again),
        1 => Just(Step::Reopen),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_target_is_a_map(steps in prop::collection::vec(step(), 1..12)) {
        for Kind { spec, read } in KINDS {
            let base = tempfile::tempdir().unwrap();
            let (mut target, _) = open(&spec(), base.path(), 'a');
            let (mut model, mut batch, mut last) = (Rows::new(), 0, Vec::new());
            for step in &steps {
                match step {
                    Step::Apply(ops) => {
                        batch += 1;
                        last.clear();
                        for (path, heading, content) in ops {
                            let (path, heading) = (format!("p{path}"), format!("h{heading}"));
                            if let Some(content) = content {
                                last.push(upsert(&*target, &path, &heading, &content.to_string()));
                                model.insert((path, heading), content.to_string());
                            } else {
                                last.push(delete(&*target, &path, &heading));
                                model.remove(&(path, heading));
                            }
                        }
                        target.apply(batch, &last).unwrap();
                    }
                    Step::Again => target.apply(batch, &last).unwrap(),
                    Step::Reopen => {
                        drop(target);
                        let (opened, state) = open(&spec(), base.path(), 'a');
                        prop_assert_eq!(state, TargetState::Known { batch });
                        target = opened;
                    }
                    Step::Clear => {
                        target.clear().unwrap();
                        (batch, last) = (0, Vec::new());
                        model.clear();
                    }
                }
                prop_assert_eq!(&read(base.path()), &model);
            }
        }
    }
}
