//! What holds for every target, whatever its kind.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::postgres::{PostgresDatabase, postgres_database};
use common::{files_spec, identity, postgres_spec, table_spec, text};
use flowstone_connect::{
    ConnectError, Held, RowError, Target, TargetOp, TargetState, check_target, check_target_inside,
    open_target, target_kinds,
};
use flowstone_core::{TargetSpec, Value};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use tempfile::TempDir;

type Rows = BTreeMap<(String, String), String>;

/// A kind of target in a place of its own, and how to see what it holds without its help.
struct Place {
    base: TempDir,
    spec: TargetSpec,
    database: Option<PostgresDatabase>,
}

impl Place {
    fn new(spec: TargetSpec, database: Option<PostgresDatabase>) -> Self {
        let base = tempfile::tempdir().unwrap();
        Place {
            base,
            spec,
            database,
        }
    }

    fn path(&self) -> &Path {
        self.base.path()
    }

    fn read(&self) -> Rows {
        match &self.database {
            Some(database) => read_database(database),
            None if self.spec.kind == "files" => read_files(self.path()),
            None => read_table(self.path()),
        }
    }

    fn open(&self, token: char) -> (Box<dyn Target>, TargetState) {
        open_target(&self.spec, self.path(), &identity(token), false).unwrap()
    }
}

/// An empty place for each kind of target.
fn places() -> Vec<Place> {
    let mut places = vec![
        Place::new(table_spec(), None),
        Place::new(files_spec(), None),
    ];
    if let Some(database) = postgres_database() {
        places.push(Place::new(postgres_spec(&database.url()), Some(database)));
    }
    places
}

fn read_database(database: &PostgresDatabase) -> Rows {
    let there = database.query("SELECT 1 FROM pg_tables WHERE tablename = 'section'");
    if there.is_empty() {
        return Rows::new();
    }
    let rows = database.query("SELECT path, heading, content FROM section");
    let rows = rows.into_iter().map(|row| {
        let mut cells = row.into_iter().map(Option::unwrap);
        let mut cell = || cells.next().unwrap();
        ((cell(), cell()), cell())
    });
    rows.collect()
}

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
    for place in places() {
        let (mut target, state) = place.open('a');
        assert_eq!(state, TargetState::Created);
        let ops = [
            upsert(&*target, "p", "one", "1"),
            upsert(&*target, "p", "two", "2"),
            upsert(&*target, "q", "one", "3"),
        ];
        target.apply(1, &ops).unwrap();
        assert_eq!(
            place.read(),
            rows(&[("p", "one", "1"), ("p", "two", "2"), ("q", "one", "3")])
        );
        let ops = [
            upsert(&*target, "p", "one", "changed"),
            delete(&*target, "q", "one"),
            delete(&*target, "q", "never"),
        ];
        target.apply(2, &ops).unwrap();
        let expected = rows(&[("p", "one", "changed"), ("p", "two", "2")]);
        assert_eq!(place.read(), expected);
        drop(target);
        let (target, state) = place.open('a');
        assert_eq!(state, TargetState::Known { batch: 2 });
        drop(target);
        assert_eq!(place.read(), expected);
    }
}

#[test]
fn a_batch_applied_again_changes_nothing() {
    for place in places() {
        let (mut target, _) = place.open('a');
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
        let (mut target, state) = place.open('a');
        assert_eq!(state, TargetState::Known { batch: 2 });
        target.apply(2, &ops).unwrap();
        assert_eq!(place.read(), rows(&[("p", "new", "2")]));
    }
}

#[test]
fn the_last_operation_on_a_key_counts() {
    for place in places() {
        let (mut target, _) = place.open('a');
        let ops = [
            upsert(&*target, "p", "a", "1"),
            upsert(&*target, "p", "b", "1"),
            delete(&*target, "p", "b"),
            delete(&*target, "p", "c"),
            upsert(&*target, "p", "a", "2"),
            upsert(&*target, "p", "c", "3"),
        ];
        target.apply(1, &ops).unwrap();
        assert_eq!(place.read(), rows(&[("p", "a", "2"), ("p", "c", "3")]));
    }
}

#[test]
fn a_target_of_another_identity_is_left_alone_until_it_is_cleared() {
    for place in places() {
        let (mut target, _) = place.open('a');
        target.apply(7, &[upsert(&*target, "p", "a", "1")]).unwrap();
        drop(target);
        let (mut target, state) = place.open('b');
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
        assert_eq!(place.read(), rows(&[("p", "a", "1")]));
        target.clear().unwrap();
        assert_eq!(place.read(), Rows::new());
        target.apply(1, &ops).unwrap();
        assert_eq!(place.read(), rows(&[("p", "a", "2")]));
        drop(target);
        assert_eq!(place.open('b').1, TargetState::Known { batch: 1 });
        assert!(matches!(place.open('a').1, TargetState::Foreign { .. }));
    }
}

#[test]
fn a_target_that_was_taken_over_meanwhile_is_not_written() {
    for place in places() {
        let (mut first, _) = place.open('a');
        let (mut second, _) = place.open('b');
        second.clear().unwrap();
        let ops = [upsert(&*first, "p", "a", "1")];
        assert!(matches!(
            first.apply(1, &ops),
            Err(ConnectError::Misuse { .. })
        ));
        assert!(matches!(first.retire(), Err(ConnectError::Misuse { .. })));
        assert_eq!(place.read(), Rows::new());
        second.apply(1, &ops).unwrap();
    }
}

#[test]
fn a_renamed_flow_keeps_its_target() {
    for place in places() {
        let (mut target, _) = place.open('a');
        target.apply(3, &[]).unwrap();
        drop(target);
        let mut renamed = identity('a');
        renamed.flow = "manual".to_owned();
        let (_, state) = open_target(&place.spec, place.path(), &renamed, false).unwrap();
        assert_eq!(state, TargetState::Known { batch: 3 });
        let (_, state) = place.open('b');
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
    for place in places() {
        let (mut target, _) = place.open('a');
        target.apply(5, &[upsert(&*target, "p", "a", "1")]).unwrap();
        target.clear().unwrap();
        assert_eq!(place.read(), Rows::new());
        drop(target);
        assert_eq!(place.open('a').1, TargetState::Known { batch: 0 });
    }
}

#[test]
fn a_retired_target_is_gone() {
    for place in places() {
        let (mut target, _) = place.open('a');
        target.apply(1, &[upsert(&*target, "p", "a", "1")]).unwrap();
        target.retire().unwrap();
        assert_eq!(place.read(), Rows::new());
        assert_eq!(place.open('b').1, TargetState::Created);
    }
}

#[test]
fn targets_stay_in_the_folder_of_the_flow() {
    for place in places() {
        if place.database.is_some() {
            // A server lies in no folder.
            check_target_inside(&place.spec).unwrap();
            continue;
        }
        let flow = place.path().join("flow");
        fs::create_dir(&flow).unwrap();
        let mut spec = place.spec.clone();
        let option = if spec.kind == "files" { "root" } else { "path" };
        for path in [
            "../x/y",
            "a/../../x/y",
            place.path().join("x/y").to_str().unwrap(),
        ] {
            spec.options.insert(option.to_owned(), text(path));
            let refused = open_target(&spec, &flow, &identity('a'), false).err();
            assert!(
                matches!(refused, Some(ConnectError::OutsideFlow { .. })),
                "{path}: {refused:?}"
            );
        }
        assert!(!place.path().join("x").exists());
        spec.options.insert(option.to_owned(), text("../x/y"));
        assert!(open_target(&spec, &flow, &identity('a'), true).is_ok());
        assert!(place.path().join("x/y").exists());
    }
}

#[test]
fn rows_that_do_not_fit_have_no_key() {
    for place in places() {
        let (target, _) = place.open('a');
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
    for place in places() {
        let (target, _) = place.open('a');
        let key = target.keys().key(&row("p\x1b", "a b", "")).unwrap();
        assert!(
            target.keys().display_key(&key).contains("p\x1b"),
            "it is the true key"
        );
        let typed = if place.spec.kind == "files" {
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
    let kinds = ["sqlite", "files", "postgres"];
    assert_eq!(target_kinds(), kinds);
    let mut spec = table_spec();
    spec.kind = "parquet".to_owned();
    assert_eq!(check_target(&spec).unwrap_err().candidates, kinds);
    for place in places() {
        let mut spec = place.spec.clone();
        check_target(&spec).unwrap();
        spec.options.insert("colour".to_owned(), text("red"));
        assert_eq!(
            check_target(&spec).unwrap_err().option.as_deref(),
            Some("colour")
        );
    }
}

/// How many rows the target says it holds, each as it was written.
fn holds(target: &mut dyn Target, model: &Rows) -> usize {
    let every = (0..3).flat_map(|path| (0..3).map(move |heading| (path, heading)));
    let every: Vec<_> = every
        .map(|(path, heading)| (format!("p{path}"), format!("h{heading}")))
        .collect();
    let keys = every
        .iter()
        .map(|(path, heading)| target.keys().key(&row(path, heading, "")).unwrap());
    let keys: Vec<Vec<u8>> = keys.collect();
    let mut count = 0;
    target
        .held(&keys, &mut |index, held| {
            let (path, heading) = &every[index];
            let content = &model[&every[index]];
            let as_written =
                held == Held::AsWritten || held == Held::Row(row(path, heading, content));
            assert!(as_written, "{path} {heading}: {held:?}");
            count += 1;
        })
        .unwrap();
    count
}

#[test]
fn rows_that_nobody_knows_are_removed() {
    for place in places() {
        let (mut target, _) = place.open('a');
        let ops: Vec<TargetOp> = (0..2500)
            .map(|number| {
                upsert(
                    &*target,
                    &format!("p{}", number % 7),
                    &format!("{number:04}"),
                    "x",
                )
            })
            .collect();
        target.apply(1, &ops).unwrap();
        let known = |key: &[u8]| ops.iter().skip(1).step_by(2).any(|op| op.key() == key);
        let known: BTreeSet<Vec<u8>> = (ops.iter().map(|op| op.key().to_vec()))
            .filter(|key| known(key))
            .collect();
        let mut removed = 0;
        let mut knows = |key: &[u8]| known.contains(key);
        target
            .remove_unknown(&mut knows, &mut |key| {
                assert!(!known.contains(key));
                removed += 1;
            })
            .unwrap();
        assert_eq!(
            (removed, place.read().len()),
            (1250, 1250),
            "{}",
            place.spec.kind
        );
        target
            .remove_unknown(&mut knows, &mut |_| panic!("nothing is left to remove"))
            .unwrap();
        drop(target);
        assert_eq!(place.open('a').1, TargetState::Known { batch: 1 });
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

#[test]
fn a_target_is_a_map() {
    // Held, so that the server does not end with each case.
    let _server = postgres_database();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(24));
    let histories = prop::collection::vec(step(), 1..12);
    runner.run(&histories, |steps| is_a_map(&steps)).unwrap();
}

fn is_a_map(steps: &[Step]) -> Result<(), TestCaseError> {
    for place in places() {
        let (mut target, _) = place.open('a');
        let (mut model, mut batch, mut last) = (Rows::new(), 0, Vec::new());
        for step in steps {
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
                    let (opened, state) = place.open('a');
                    prop_assert_eq!(state, TargetState::Known { batch });
                    target = opened;
                }
                Step::Clear => {
                    target.clear().unwrap();
                    (batch, last) = (0, Vec::new());
                    model.clear();
                }
            }
            prop_assert_eq!(&place.read(), &model);
            prop_assert_eq!(holds(&mut *target, &model), model.len());
        }
    }
    Ok(())
}
