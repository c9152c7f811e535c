//! The target `sqlite`: types, columns that come and go, hostile names, and what is not ours.

mod common;

use std::fs;
use std::path::Path;

use common::{columns, identity, table_spec, text};
use flowstone_connect::{
    ConnectError, Held, Target, TargetOp, TargetState, check_target, open_target,
};
use flowstone_core::{Column, TargetSpec, Type, Value};
use rusqlite::Connection;

fn open(spec: &TargetSpec, base: &Path) -> (Box<dyn Target>, TargetState) {
    open_target(spec, base, &identity('a'), false).unwrap()
}

fn spec(columns: Vec<Column>, key: &[usize]) -> TargetSpec {
    TargetSpec {
        columns,
        key: key.to_vec(),
        ..table_spec()
    }
}

fn put(target: &mut dyn Target, batch: u64, row: Vec<Value>) {
    let key = target.keys().key(&row).unwrap();
    target
        .apply(batch, &[TargetOp::Upsert { key, row }])
        .unwrap();
}

fn database(base: &Path) -> Connection {
    Connection::open(base.join("out/x.db")).unwrap()
}

fn query(base: &Path, sql: &str) -> Vec<String> {
    let connection = database(base);
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells: Vec<String> = (0..width)
            .map(|at| format!("{:?}", row.get_ref(at).unwrap()))
            .collect();
        Ok(cells.join(" "))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_type_has_its_place() {
    let base = tempfile::tempdir().unwrap();
    let all = columns(&[
        ("id", Type::U32),
        ("flag", Type::Bool),
        ("share", Type::F64),
        ("text", Type::String),
        ("bytes", Type::bytes()),
        ("vector", Type::list(Type::F32)),
        ("tags", Type::list(Type::String)),
        ("maybe", Type::option(Type::S64)),
    ]);
    let (mut target, _) = open(&spec(all, &[0]), base.path());
    let vector: Vec<u8> = [1.0f32, -2.0]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let row = vec![
        Value::U32(7),
        Value::Bool(true),
        Value::F64(0.5),
        Value::str("é"),
        Value::bytes(vec![0, 255]),
        Value::Packed(vector.into()),
        Value::List([Value::str("a"), Value::str("b")].into()),
        Value::Option(None),
    ];
    put(&mut *target, 1, row);
    let found = query(base.path(), "SELECT * FROM section");
    assert_eq!(
        found,
        [
            "Integer(7) Integer(1) Real(0.5) Text([195, 169]) Blob([0, 255]) Blob([0, 0, 128, 63, 0, 0, 0, 192]) \
          Text([91, 34, 97, 34, 44, 34, 98, 34, 93]) Null"
        ]
    );
    assert_eq!(
        query(base.path(), "SELECT rowid FROM section"),
        ["Integer(7)"]
    );
}

#[test]
fn columns_come_go_and_change_without_touching_the_others() {
    let base = tempfile::tempdir().unwrap();
    let before = columns(&[
        ("id", Type::S64),
        ("kept", Type::String),
        ("gone", Type::String),
        ("turns", Type::String),
    ]);
    let (mut target, _) = open(&spec(before, &[0]), base.path());
    put(
        &mut *target,
        1,
        vec![
            Value::S64(1),
            Value::str("k"),
            Value::str("g"),
            Value::str("t"),
        ],
    );
    drop(target);
    database(base.path())
        .execute_batch("CREATE INDEX by_kept ON section (kept)")
        .unwrap();

    // `id` in another width and `kept` as an option are the same to SQLite.
    let after = columns(&[
        ("new", Type::F64),
        ("kept", Type::option(Type::String)),
        ("id", Type::U16),
        ("turns", Type::U8),
    ]);
    let after = spec(after, &[2]);
    let (mut target, state) = open(&after, base.path());
    assert_eq!(state, TargetState::Known { batch: 1 });
    assert_eq!(
        query(base.path(), "SELECT id, kept, turns, new FROM section"),
        ["Integer(1) Text([107]) Null Null"]
    );
    assert_eq!(
        query(
            base.path(),
            "SELECT count(*) FROM pragma_table_info('section')"
        ),
        ["Integer(4)"]
    );
    put(
        &mut *target,
        2,
        vec![
            Value::F64(1.5),
            Value::Option(None),
            Value::U16(1),
            Value::U8(3),
        ],
    );
    assert_eq!(
        query(base.path(), "SELECT id, kept, turns, new FROM section"),
        ["Integer(1) Null Integer(3) Real(1.5)"]
    );
    assert_eq!(
        query(
            base.path(),
            "SELECT name FROM sqlite_schema WHERE name = 'by_kept'"
        )
        .len(),
        1
    );
}

#[test]
fn a_table_with_another_key_is_written_only_after_it_was_cleared() {
    let base = tempfile::tempdir().unwrap();
    let both = columns(&[("a", Type::String), ("b", Type::String)]);
    let (mut target, _) = open(&spec(both.clone(), &[0]), base.path());
    put(&mut *target, 4, vec![Value::str("x"), Value::str("y")]);
    drop(target);
    for rekeyed in [
        spec(both.clone(), &[1]),
        spec(both, &[1, 0]),
        spec(columns(&[("a", Type::U8)]), &[0]),
    ] {
        let (mut target, state) = open(&rekeyed, base.path());
        assert_eq!(state, TargetState::Rekeyed { batch: 4 });
        assert!(matches!(
            target.apply(5, &[]),
            Err(ConnectError::Misuse { .. })
        ));
        drop(target);
        assert_eq!(
            query(base.path(), "SELECT count(*) FROM section"),
            ["Integer(1)"]
        );
    }
    let other = spec(columns(&[("b", Type::U8), ("c", Type::String)]), &[0]);
    let (mut target, _) = open(&other, base.path());
    target.clear().unwrap();
    put(&mut *target, 1, vec![Value::U8(2), Value::str("z")]);
    drop(target);
    assert_eq!(open(&other, base.path()).1, TargetState::Known { batch: 1 });
    assert_eq!(
        query(base.path(), "SELECT * FROM section"),
        ["Integer(2) Text([122])"]
    );
}

#[test]
fn the_order_of_key_columns_is_the_one_given() {
    let base = tempfile::tempdir().unwrap();
    let three = columns(&[("a", Type::String), ("b", Type::S64), ("c", Type::bytes())]);
    let (mut target, _) = open(&spec(three, &[2, 1, 0]), base.path());
    put(
        &mut *target,
        1,
        vec![Value::str("x"), Value::S64(-1), Value::bytes(vec![7, 0])],
    );
    let key = target.keys().parse_key("0700,-1,x").unwrap();
    assert_eq!(
        target.keys().parse_key(r#"["0700", -1, "x"]"#).unwrap(),
        key
    );
    assert_eq!(target.keys().display_key(&key), "c=0700, b=-1, a=x");
    assert!(target.keys().parse_key("0700,-1").is_err());
    assert!(target.keys().parse_key("0700,one,x").is_err());
    target.apply(2, &[TargetOp::Delete { key }]).unwrap();
    assert!(query(base.path(), "SELECT * FROM section").is_empty());
}

#[test]
fn hostile_names_are_only_names() {
    let base = tempfile::tempdir().unwrap();
    let table = r#"x"; DROP TABLE keep; --"#;
    let names = [
        r#"a"b"#, "select", "a,b", "'", "é ü", "?1", "rowid", "x]y", "a\nb",
    ];
    let mut spec = spec(columns(&names.map(|name| (name, Type::String))), &[0, 8]);
    spec.options.insert("table".to_owned(), text(table));
    fs::create_dir(base.path().join("out")).unwrap();
    database(base.path())
        .execute_batch("CREATE TABLE keep (x)")
        .unwrap();
    let row: Vec<Value> = names.iter().map(|name| Value::str(*name)).collect();
    let (mut target, _) = open(&spec, base.path());
    put(&mut *target, 1, row.clone());
    put(&mut *target, 2, row.clone());
    drop(target);
    spec.columns.push(Column {
        name: r#"new";"#.to_owned(),
        ty: Type::U8,
    });
    spec.columns.remove(3);
    spec.key = vec![0, 7];
    let (mut target, state) = open(&spec, base.path());
    assert_eq!(state, TargetState::Known { batch: 2 });
    let mut row = row;
    row.remove(3);
    row.push(Value::U8(1));
    let key = target.keys().key(&row).unwrap();
    put(&mut *target, 3, row);
    let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
    assert_eq!(query(base.path(), &count), ["Integer(1)"]);
    target.apply(4, &[TargetOp::Delete { key }]).unwrap();
    assert_eq!(query(base.path(), &count), ["Integer(0)"]);
    target.retire().unwrap();
    assert_eq!(
        query(base.path(), "SELECT name FROM sqlite_schema"),
        ["Text([107, 101, 101, 112])"]
    );
}

#[test]
fn specifications_that_sqlite_cannot_hold_are_refused() {
    let text_column = |name: &str| columns(&[(name, Type::String)]);
    let of = |columns, key: &[usize]| check_target(&spec(columns, key)).unwrap_err();
    assert!(
        of(text_column("a"), &[])
            .message
            .contains("needs key columns")
    );
    assert!(of(text_column("a"), &[1]).message.contains("beyond"));
    assert!(of(text_column("a"), &[0, 0]).message.contains("twice"));
    assert!(
        of(text_column(""), &[0])
            .message
            .contains("cannot be named")
    );
    assert!(
        of(text_column("a\0"), &[0])
            .message
            .contains("cannot be named")
    );
    assert!(
        of(columns(&[("a", Type::U8), ("A", Type::U8)]), &[0])
            .message
            .contains("same name")
    );
    assert!(
        of(columns(&[("a", Type::F64)]), &[0])
            .message
            .contains("cannot be part of a key")
    );
    assert!(
        of(columns(&[("a", Type::option(Type::U8))]), &[0])
            .message
            .contains("cannot be part of a key")
    );
    for name in [
        "_flowstone",
        "_FLOWSTONE",
        "sqlite_x",
        "SQLite_x",
        "a\0b",
        "",
    ] {
        let mut spec = table_spec();
        spec.options.insert("table".to_owned(), text(name));
        assert_eq!(
            check_target(&spec).unwrap_err().option.as_deref(),
            Some("table"),
            "{name}"
        );
    }
}

#[test]
fn a_number_beyond_sqlite_fails_its_row_and_names_the_column() {
    let base = tempfile::tempdir().unwrap();
    let (target, _) = open(
        &spec(columns(&[("id", Type::U8), ("big", Type::U64)]), &[0]),
        base.path(),
    );
    let error = target
        .keys()
        .key(&[Value::U8(1), Value::U64(u64::MAX)])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("column `big`: 18446744073709551615"),
        "{error}"
    );
}

#[test]
fn what_flowstone_did_not_make_is_never_touched() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("out")).unwrap();
    let schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name";
    for sql in [
        "CREATE TABLE Section (x)",
        "CREATE VIEW section AS SELECT 1 AS path",
    ] {
        let _ = fs::remove_file(base.path().join("out/x.db"));
        database(base.path()).execute_batch(sql).unwrap();
        let before = (
            query(base.path(), schema),
            query(base.path(), "PRAGMA journal_mode"),
        );
        let refused = open_target(&table_spec(), base.path(), &identity('a'), false).err();
        let Some(ConnectError::NotOurs { what, .. }) = refused else {
            panic!("{sql}: {refused:?}")
        };
        assert_eq!(what, "the table `section`");
        assert_eq!(
            (
                query(base.path(), schema),
                query(base.path(), "PRAGMA journal_mode")
            ),
            before
        );
    }
}

/// A table of `path`, `heading` and `content` with one row, of batch 3.
fn filled(base: &Path) {
    let (mut target, _) = open(&table_spec(), base);
    let row = ["p", "h", "c"].map(Value::str).to_vec();
    put(&mut *target, 3, row);
}

#[test]
fn a_table_that_replaced_our_own_is_never_touched() {
    for sql in [
        "DROP TABLE section; CREATE TABLE section (precious TEXT); INSERT INTO section VALUES ('x')",
        "DROP TABLE section; CREATE TABLE section (path TEXT PRIMARY KEY, content TEXT)",
        "DROP TABLE section; CREATE TABLE section (path TEXT, heading TEXT, content TEXT)",
        "DROP TABLE section; CREATE TABLE section (path TEXT, heading TEXT, mine, PRIMARY KEY (path, heading))",
        "DROP TABLE section; CREATE VIEW section AS SELECT 1 AS path, 2 AS heading",
    ] {
        let base = tempfile::tempdir().unwrap();
        filled(base.path());
        let taken_over = open_target(&table_spec(), base.path(), &identity('b'), false);
        let (mut taken_over, _) = taken_over.unwrap();
        database(base.path()).execute_batch(sql).unwrap();
        let look = || {
            (
                query(base.path(), "SELECT name, sql FROM sqlite_schema"),
                query(base.path(), "SELECT * FROM section"),
                query(base.path(), "SELECT * FROM _flowstone"),
            )
        };
        let before = look();
        for token in ['a', 'b'] {
            let refused = open_target(&table_spec(), base.path(), &identity(token), false).err();
            let Some(ConnectError::NotOurs { what, .. }) = refused else {
                panic!("{sql}: {refused:?}")
            };
            assert_eq!(what, "the table that replaced flowstone's `section`");
        }
        assert!(matches!(
            taken_over.clear(),
            Err(ConnectError::NotOurs { .. })
        ));
        assert_eq!(look(), before, "{sql}");
    }
}

#[test]
fn a_table_whose_columns_others_changed_holds_no_batch_any_more() {
    for sql in [
        "ALTER TABLE section DROP COLUMN content",
        "ALTER TABLE section RENAME COLUMN content TO heading2; ALTER TABLE section ADD COLUMN content BLOB",
    ] {
        let base = tempfile::tempdir().unwrap();
        filled(base.path());
        database(base.path()).execute_batch(sql).unwrap();
        let (mut target, state) = open(&table_spec(), base.path());
        assert_eq!(state, TargetState::Known { batch: 0 }, "{sql}");
        let rows = "SELECT path, heading, content FROM section";
        assert_eq!(query(base.path(), rows), [""; 0]);
        put(&mut *target, 1, ["p", "h", "c"].map(Value::str).to_vec());
        drop(target);
        assert_eq!(
            query(base.path(), rows),
            ["Text([112]) Text([104]) Text([99])"]
        );
        assert_eq!(
            open(&table_spec(), base.path()).1,
            TargetState::Known { batch: 1 }
        );
    }
}

#[test]
fn columns_that_others_added_are_left_alone() {
    let base = tempfile::tempdir().unwrap();
    filled(base.path());
    database(base.path())
        .execute_batch("ALTER TABLE section ADD COLUMN Note TEXT; UPDATE section SET note = 'n'")
        .unwrap();
    let less = spec(
        columns(&[("path", Type::String), ("heading", Type::String)]),
        &[0, 1],
    );
    let (mut target, state) = open(&less, base.path());
    assert_eq!(state, TargetState::Known { batch: 3 });
    put(&mut *target, 4, ["p", "h"].map(Value::str).to_vec());
    let all = "SELECT * FROM section";
    assert_eq!(
        query(base.path(), all),
        ["Text([112]) Text([104]) Text([110])"]
    );
    target.clear().unwrap();
    assert_eq!(query(base.path(), all), [""; 0]);
    assert_eq!(query(base.path(), "SELECT note FROM section"), [""; 0]);
}

#[test]
fn a_marker_that_does_not_tell_how_the_table_was_made_learns_it() {
    let base = tempfile::tempdir().unwrap();
    filled(base.path());
    database(base.path())
        .execute_batch("ALTER TABLE _flowstone DROP COLUMN made")
        .unwrap();
    assert_eq!(
        open(&table_spec(), base.path()).1,
        TargetState::Known { batch: 3 }
    );
    database(base.path())
        .execute_batch("ALTER TABLE section DROP COLUMN content")
        .unwrap();
    assert_eq!(
        open(&table_spec(), base.path()).1,
        TargetState::Known { batch: 0 }
    );
    database(base.path())
        .execute_batch("UPDATE _flowstone SET made = '[]'")
        .unwrap();
    let damaged = open_target(&table_spec(), base.path(), &identity('a'), false).err();
    let text = damaged.unwrap().to_string();
    assert!(text.contains("the column `made` is damaged"), "{text}");
}

#[test]
fn a_marker_table_of_somebody_else_is_an_error() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("out")).unwrap();
    database(base.path())
        .execute_batch("CREATE TABLE _flowstone (something TEXT)")
        .unwrap();
    assert!(open_target(&table_spec(), base.path(), &identity('a'), false).is_err());
    assert_eq!(
        query(base.path(), "SELECT name FROM sqlite_schema").len(),
        1
    );
}

#[test]
fn a_table_that_was_dropped_is_made_anew() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(&table_spec(), base.path());
    put(
        &mut *target,
        9,
        vec![Value::str("p"), Value::str("h"), Value::str("c")],
    );
    drop(target);
    database(base.path())
        .execute_batch("DROP TABLE section")
        .unwrap();
    assert_eq!(open(&table_spec(), base.path()).1, TargetState::Created);
    assert_eq!(
        open(&table_spec(), base.path()).1,
        TargetState::Known { batch: 0 }
    );
}

#[test]
fn a_newer_format_is_not_written() {
    let base = tempfile::tempdir().unwrap();
    open(&table_spec(), base.path());
    database(base.path())
        .execute_batch("UPDATE _flowstone SET format = 99")
        .unwrap();
    let refused = open_target(&table_spec(), base.path(), &identity('a'), false).err();
    assert!(
        matches!(refused, Some(ConnectError::NewerFormat { found: 99, .. })),
        "{refused:?}"
    );
}

#[test]
fn two_tables_share_a_database() {
    let base = tempfile::tempdir().unwrap();
    let mut other = table_spec();
    other.options.insert("table".to_owned(), text("other"));
    let (first, _) = open(&table_spec(), base.path());
    let (second, state) = open(&other, base.path());
    assert_eq!(state, TargetState::Created);
    first.retire().unwrap();
    drop(second);
    assert_eq!(open(&other, base.path()).1, TargetState::Known { batch: 0 });
}

#[test]
fn only_a_new_database_gets_a_write_ahead_log() {
    let base = tempfile::tempdir().unwrap();
    drop(open(&table_spec(), base.path()));
    assert_eq!(
        query(base.path(), "PRAGMA journal_mode"),
        [format!("Text({:?})", b"wal")]
    );
    database(base.path())
        .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .unwrap();
    drop(open(&table_spec(), base.path()));
    assert_eq!(
        query(base.path(), "PRAGMA journal_mode"),
        [format!("Text({:?})", b"delete")]
    );
    assert_eq!(
        fs::read_dir(base.path().join("out")).unwrap().count(),
        1,
        "nothing but the database is left"
    );
}

#[test]
fn a_failed_batch_leaves_no_trace() {
    let base = tempfile::tempdir().unwrap();
    let (mut target, _) = open(&table_spec(), base.path());
    put(
        &mut *target,
        1,
        vec![Value::str("p"), Value::str("h"), Value::str("c")],
    );
    let sql = "CREATE TRIGGER no BEFORE INSERT ON section WHEN NEW.path = 'z' BEGIN SELECT RAISE(ABORT, 'no z'); END";
    database(base.path()).execute_batch(sql).unwrap();
    let rows = ["q", "z"].map(|path| vec![Value::str(path), Value::str("h"), Value::str("c")]);
    let ops = rows.map(|row| TargetOp::Upsert {
        key: target.keys().key(&row).unwrap(),
        row,
    });
    let Err(ConnectError::Database { message, .. }) = target.apply(2, &ops) else {
        panic!("it was applied")
    };
    assert!(message.contains("no z"), "{message}");
    drop(target);
    assert_eq!(
        open(&table_spec(), base.path()).1,
        TargetState::Known { batch: 1 }
    );
    assert_eq!(
        query(base.path(), "SELECT count(*) FROM section"),
        ["Integer(1)"]
    );
}

#[test]
fn a_file_that_is_no_database_is_left_as_it_is() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("out")).unwrap();
    let content = "dear diary ".repeat(200);
    fs::write(base.path().join("out/x.db"), &content).unwrap();
    let refused = open_target(&table_spec(), base.path(), &identity('a'), false).err();
    assert!(
        matches!(
            refused,
            Some(ConnectError::WrongType {
                expected: "an SQLite database",
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(
        fs::read_to_string(base.path().join("out/x.db")).unwrap(),
        content
    );
}

#[test]
fn keys_that_no_row_can_have_are_removed_too() {
    let base = tempfile::tempdir().unwrap();
    let both = columns(&[
        ("id", Type::S64),
        ("name", Type::String),
        ("text", Type::String),
    ]);
    let (mut target, _) = open(&spec(both, &[0, 1]), base.path());
    let row = vec![Value::S64(1), Value::str("n"), Value::str("t")];
    put(&mut *target, 1, row.clone());
    database(base.path())
        .execute_batch(
            "INSERT INTO section VALUES (1.5, 'n', ''), (1, X'ff', ''), (1, CAST(X'ff' AS TEXT), ''), ('a', 'n', ''), \
             (9, 'n', '')",
        )
        .unwrap();
    let key = target.keys().key(&row).unwrap();
    let mut removed = 0;
    target
        .remove_unknown(&mut |other| other == key, &mut |_| removed += 1)
        .unwrap();
    assert_eq!(removed, 5);
    assert_eq!(query(base.path(), "SELECT id FROM section"), ["Integer(1)"]);
}

#[test]
fn what_was_edited_is_seen() {
    let base = tempfile::tempdir().unwrap();
    let two = columns(&[("id", Type::S64), ("text", Type::String)]);
    let (mut target, _) = open(&spec(two, &[0]), base.path());
    let row = vec![Value::S64(1), Value::str("t")];
    put(&mut *target, 1, row.clone());
    let key = target.keys().key(&row).unwrap();
    let mut look = |sql: &str| {
        database(base.path()).execute_batch(sql).unwrap();
        let mut found = None;
        target
            .held(std::slice::from_ref(&key), &mut |_, held| {
                found = Some(held);
            })
            .unwrap();
        found
    };
    assert_eq!(look(""), Some(Held::Row(row)));
    let edited = vec![Value::S64(1), Value::str("u")];
    assert_eq!(
        look("UPDATE section SET text = 'u'"),
        Some(Held::Row(edited))
    );
    assert_eq!(look("UPDATE section SET text = NULL"), Some(Held::Other));
    assert_eq!(look("UPDATE section SET text = X'00'"), Some(Held::Other));
    assert_eq!(look("DELETE FROM section"), None);
}
