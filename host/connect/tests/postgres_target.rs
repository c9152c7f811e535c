//! The target `postgres`: types, columns that come and go, hostile names, lost connections, and what is not ours.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::postgres::{PostgresDatabase, postgres_database};
use common::{columns, identity, postgres_spec, text};
use flowstone_connect::{
    ConnectError, Held, Target, TargetOp, TargetState, check_target, open_target, target_keys,
    target_place,
};
use flowstone_core::{Column, TargetSpec, Type, Value};

fn try_open(spec: &TargetSpec) -> Result<(Box<dyn Target>, TargetState), ConnectError> {
    open_target(spec, Path::new("."), &identity('a'), false)
}

fn open(spec: &TargetSpec) -> (Box<dyn Target>, TargetState) {
    try_open(spec).unwrap()
}

fn spec(database: &PostgresDatabase, columns: Vec<Column>, key: &[usize]) -> TargetSpec {
    TargetSpec {
        columns,
        key: key.to_vec(),
        ..postgres_spec(&database.url())
    }
}

fn upsert(target: &dyn Target, row: Vec<Value>) -> TargetOp {
    let key = target.keys().key(&row).unwrap();
    TargetOp::Upsert { key, row }
}

fn put(target: &mut dyn Target, batch: u64, row: Vec<Value>) {
    let op = upsert(target, row);
    target.apply(batch, &[op]).unwrap();
}

/// The rows of a query as text, `-` for NULL.
fn query(database: &PostgresDatabase, sql: &str) -> Vec<String> {
    let rows = database.query(sql).into_iter();
    rows.map(|row| {
        let cells = row.into_iter().map(|cell| cell.unwrap_or("-".to_owned()));
        cells.collect::<Vec<_>>().join(" ")
    })
    .collect()
}

/// `(id: s64, text: string)`, keyed by `id`.
fn small(database: &PostgresDatabase) -> TargetSpec {
    let both = columns(&[("id", Type::S64), ("text", Type::String)]);
    spec(database, both, &[0])
}

fn row(id: i64, text: &str) -> Vec<Value> {
    vec![Value::S64(id), Value::str(text)]
}

#[test]
fn every_type_has_its_place() {
    let Some(database) = postgres_database() else {
        return;
    };
    let all = columns(&[
        ("id", Type::U32),
        ("flag", Type::Bool),
        ("share", Type::F64),
        ("text", Type::String),
        ("bytes", Type::bytes()),
        ("vector", Type::list(Type::F32)),
        ("small", Type::list(Type::S8)),
        ("tags", Type::list(Type::String)),
        ("maybe", Type::option(Type::S64)),
        ("letter", Type::Char),
    ]);
    let (mut target, state) = open(&spec(&database, all, &[0]));
    assert_eq!(state, TargetState::Created);
    let vector: Vec<u8> = [1.0f32, -2.5, f32::NAN, 1e-45]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let full = vec![
        Value::U32(7),
        Value::Bool(true),
        Value::F64(0.1),
        Value::str("é'; DROP TABLE section; --"),
        Value::bytes(vec![0, 255]),
        Value::Packed(vector.into()),
        Value::Packed([0xff, 2].into()),
        Value::List([Value::str("a\"b"), Value::str("c")].into()),
        Value::Option(None),
        Value::Char('ß'),
    ];
    put(&mut *target, 1, full);
    assert_eq!(
        query(&database, "SELECT * FROM section"),
        [
            r#"7 t 0.1 é'; DROP TABLE section; -- \x00ff {1,-2.5,NaN,1e-45} {-1,2} ["a\"b", "c"] - ß"#
        ]
    );
    let sql = "SELECT data_type FROM information_schema.columns WHERE table_name = 'section' ORDER BY ordinal_position";
    assert_eq!(
        query(&database, sql),
        [
            "bigint",
            "boolean",
            "double precision",
            "text",
            "bytea",
            "ARRAY",
            "ARRAY",
            "jsonb",
            "bigint",
            "text"
        ]
    );
}

#[test]
fn what_is_kept_is_read_back() {
    let Some(database) = postgres_database() else {
        return;
    };
    let some = |value| Value::Option(Some(Arc::new(value)));
    let packed = |bytes: &[u8]| Value::Packed(bytes.into());
    let point = Type::record([("x", Type::F64), ("name", Type::option(Type::String))]);
    let floats = [0.1f32, -0.0, f32::INFINITY, 1e-45]
        .map(f32::to_le_bytes)
        .concat();
    let cells = [
        (Value::U64(1 << 62), Type::U64),
        (Value::Bool(true), Type::Bool),
        (Value::F32(0.1), Type::F32),
        (Value::F64(-0.0), Type::F64),
        (Value::F64(5e-324), Type::F64),
        (Value::Char('ß'), Type::Char),
        (Value::str("\\N {\"'"), Type::String),
        (Value::bytes(vec![0, 255]), Type::bytes()),
        (packed(&[0xff, 1]), Type::list(Type::S8)),
        (packed(&[0xff, 0xff]), Type::list(Type::U16)),
        (packed(&[0xff; 4]), Type::list(Type::U32)),
        (packed(&[0xff; 8]), Type::list(Type::S64)),
        (packed(&floats), Type::list(Type::F32)),
        (packed(&0.1f64.to_le_bytes()), Type::list(Type::F64)),
        (packed(&[]), Type::list(Type::U64)),
        (Value::Option(None), Type::option(Type::String)),
        (Value::Option(None), Type::option(Type::list(Type::F32))),
        (some(Value::str("")), Type::option(Type::String)),
        (some(packed(&[1, 0])), Type::option(Type::list(Type::S16))),
        (
            Value::Enum(1),
            Type::Enum(["red".into(), "blue".into()].into()),
        ),
        (
            Value::Record([Value::F64(1e300), some(Value::str("p"))].into()),
            point.clone(),
        ),
        (
            Value::Record([Value::F64(0.1), Value::Option(None)].into()),
            point,
        ),
    ];
    let names: Vec<String> = (0..cells.len()).map(|at| format!("c{at}")).collect();
    let named = names
        .iter()
        .zip(&cells)
        .map(|(name, (_, ty))| (name.as_str(), ty.clone()));
    let all = columns(&named.collect::<Vec<_>>());
    let (mut target, _) = open(&spec(&database, all, &[0]));
    let row: Vec<Value> = cells.iter().map(|(value, _)| value.clone()).collect();
    put(&mut *target, 1, row.clone());
    let key = target.keys().key(&row).unwrap();
    let mut look = |sql: &str| {
        database.query(sql);
        let mut found = None;
        let keys = [vec![1; 9], key.clone()];
        target
            .held(&keys, &mut |index, held| found = Some((index, held)))
            .unwrap();
        found.map(|(index, held)| {
            assert_eq!(index, 1);
            held
        })
    };
    assert_eq!(look(""), Some(Held::Row(row)));
    assert!(matches!(
        look("UPDATE section SET c6 = 'x'"),
        Some(Held::Row(_))
    ));
    for edit in [
        "c10 = '{-1}'",
        "c10 = '{{1,2},{3,4}}'",
        "c10 = '{1,NULL}'",
        "c10 = NULL",
        "c6 = NULL",
        "c20 = '{}'",
        "c5 = 'two'",
    ] {
        assert_eq!(
            look(&format!("UPDATE section SET {edit}")),
            Some(Held::Other),
            "{edit}"
        );
    }
    assert_eq!(look("DELETE FROM section"), None);
}

#[test]
fn columns_come_go_and_change_without_touching_the_others() {
    let Some(database) = postgres_database() else {
        return;
    };
    let before = columns(&[
        ("id", Type::S64),
        ("kept", Type::String),
        ("gone", Type::String),
        ("turns", Type::String),
    ]);
    let (mut target, _) = open(&spec(&database, before, &[0]));
    let cells = [Value::str("k"), Value::str("g"), Value::str("t")];
    put(
        &mut *target,
        1,
        [vec![Value::S64(1)], cells.to_vec()].concat(),
    );
    drop(target);
    database.query("CREATE INDEX by_kept ON section (kept)");
    let after = columns(&[
        ("new", Type::F64),
        ("kept", Type::option(Type::String)),
        ("id", Type::U16),
        ("turns", Type::U8),
    ]);
    let (mut target, state) = open(&spec(&database, after, &[2]));
    assert_eq!(state, TargetState::Known { batch: 1 });
    assert_eq!(
        query(&database, "SELECT id, kept, turns, new FROM section"),
        ["1 k - -"]
    );
    let row = vec![
        Value::F64(1.5),
        Value::Option(None),
        Value::U16(1),
        Value::U8(3),
    ];
    put(&mut *target, 2, row);
    assert_eq!(
        query(&database, "SELECT id, kept, turns, new FROM section"),
        ["1 - 3 1.5"]
    );
    assert_eq!(
        query(
            &database,
            "SELECT 1 FROM pg_indexes WHERE indexname = 'by_kept'"
        ),
        ["1"]
    );
}

#[test]
fn a_table_with_another_key_is_written_only_after_it_was_cleared() {
    let Some(database) = postgres_database() else {
        return;
    };
    let both = columns(&[("a", Type::String), ("b", Type::String)]);
    let (mut target, _) = open(&spec(&database, both.clone(), &[0]));
    put(&mut *target, 4, vec![Value::str("x"), Value::str("y")]);
    drop(target);
    for key in [&[1][..], &[1, 0]] {
        let (mut target, state) = open(&spec(&database, both.clone(), key));
        assert_eq!(state, TargetState::Rekeyed { batch: 4 });
        assert!(matches!(
            target.apply(5, &[]),
            Err(ConnectError::Misuse { .. })
        ));
    }
    assert_eq!(query(&database, "SELECT a, b FROM section"), ["x y"]);
    let other = spec(
        &database,
        columns(&[("b", Type::U8), ("c", Type::String)]),
        &[0],
    );
    let (mut target, _) = open(&other);
    target.clear().unwrap();
    put(&mut *target, 1, vec![Value::U8(2), Value::str("z")]);
    drop(target);
    assert_eq!(open(&other).1, TargetState::Known { batch: 1 });
    assert_eq!(query(&database, "SELECT * FROM section"), ["2 z"]);
}

#[test]
fn hostile_names_are_only_names() {
    let Some(database) = postgres_database() else {
        return;
    };
    let table = r#"x"; DROP TABLE keep; --"#;
    let names = [
        r#"a"b"#, "select", "a,b", "'", "é ü", "$1", "oid", "A", "a", "a\nb",
    ];
    let mut spec = spec(
        &database,
        columns(&names.map(|name| (name, Type::String))),
        &[0, 9],
    );
    spec.options.insert("table".to_owned(), text(table));
    database.query("CREATE TABLE keep (x int)");
    let row: Vec<Value> = names.iter().map(|name| Value::str(*name)).collect();
    let (mut target, _) = open(&spec);
    put(&mut *target, 1, row.clone());
    put(&mut *target, 2, row.clone());
    let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
    assert_eq!(query(&database, &count), ["1"]);
    let key = target.keys().key(&row).unwrap();
    target.apply(3, &[TargetOp::Delete { key }]).unwrap();
    assert_eq!(query(&database, &count), ["0"]);
    target.retire().unwrap();
    let left = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(query(&database, left), ["keep"]);
}

#[test]
fn keys_of_every_type_find_their_rows() {
    let Some(database) = postgres_database() else {
        return;
    };
    let four = columns(&[
        ("a", Type::String),
        ("b", Type::S64),
        ("c", Type::bytes()),
        ("d", Type::Bool),
    ]);
    let spec = spec(&database, four, &[2, 1, 0, 3]);
    let (mut target, _) = open(&spec);
    let row = vec![
        Value::str("x"),
        Value::S64(-1),
        Value::bytes(vec![7, 0]),
        Value::Bool(true),
    ];
    put(&mut *target, 1, row.clone());
    let key = target.keys().parse_key("0700,-1,x,true").unwrap();
    assert_eq!(key, target.keys().key(&row).unwrap());
    assert_eq!(target.keys().display_key(&key), "c=0700, b=-1, a=x, d=1");
    target.apply(2, &[TargetOp::Delete { key }]).unwrap();
    assert!(query(&database, "SELECT * FROM section").is_empty());
    let bad = TargetOp::Delete {
        key: vec![2, b'x', 0, 1],
    };
    assert!(matches!(
        target.apply(3, &[bad]),
        Err(ConnectError::Misuse { .. })
    ));
}

#[test]
fn the_longest_key_that_is_let_through_fits_the_index() {
    let Some(database) = postgres_database() else {
        return;
    };
    let two = columns(&[("id", Type::S64), ("name", Type::String)]);
    let (mut target, _) = open(&spec(&database, two, &[0, 1]));
    // Hashes, since PostgreSQL compresses what repeats.
    let name = |len: usize| {
        let hashes = (0..50u8).map(|seed| blake3::hash(&[seed]).to_hex().to_string());
        Value::str(&hashes.collect::<String>()[..len])
    };
    let longest = 2600 - 8 - 8 - 8;
    put(&mut *target, 1, vec![Value::S64(1), name(longest)]);
    let too_long = [Value::S64(1), name(longest + 1)];
    assert!(target.keys().key(&too_long).is_err());
    assert_eq!(
        query(&database, "SELECT length(name) FROM section"),
        [longest.to_string()]
    );
}

#[test]
fn what_flowstone_did_not_make_is_never_touched() {
    let Some(database) = postgres_database() else {
        return;
    };
    for (make, drop) in [
        ("CREATE TABLE section (x int)", "DROP TABLE section"),
        ("CREATE VIEW section AS SELECT 1 AS x", "DROP VIEW section"),
        ("CREATE SEQUENCE section", "DROP SEQUENCE section"),
    ] {
        database.query(make);
        assert!(
            matches!(
                try_open(&small(&database)),
                Err(ConnectError::NotOurs { .. })
            ),
            "{make}"
        );
        database.query(drop);
    }
    // A view that somebody put in the place of our table.
    let (target, _) = open(&small(&database));
    drop(target);
    database.query("DROP TABLE section; CREATE VIEW section AS SELECT 1 AS id");
    assert!(matches!(
        try_open(&small(&database)),
        Err(ConnectError::NotOurs { .. })
    ));
    // A dropped one is made anew.
    database.query("DROP VIEW section");
    assert_eq!(open(&small(&database)).1, TargetState::Created);
}

#[test]
fn a_table_that_replaced_our_own_is_never_touched() {
    let Some(database) = postgres_database() else {
        return;
    };
    for sql in [
        "CREATE TABLE section (precious text)",
        "CREATE TABLE section (id bigint, text text)",
        "CREATE TABLE section (id bigint PRIMARY KEY, precious text)",
    ] {
        let (mut target, _) = open(&small(&database));
        put(&mut *target, 3, row(1, "x"));
        database.query(&format!("DROP TABLE section; {sql}"));
        database.query("INSERT INTO section VALUES (7)");
        let look = || {
            (
                query(&database, "SELECT * FROM section"),
                query(&database, "SELECT * FROM _flowstone"),
            )
        };
        let before = look();
        for token in ['a', 'b'] {
            let identity = identity(token);
            let refused = open_target(&small(&database), Path::new("."), &identity, false).err();
            let Some(ConnectError::NotOurs { what, .. }) = refused else {
                panic!("{sql}: {refused:?}")
            };
            assert_eq!(what, "the table that replaced flowstone's `section`");
        }
        assert!(matches!(target.clear(), Err(ConnectError::NotOurs { .. })));
        assert_eq!(look(), before, "{sql}");
        database.query("DROP TABLE section");
    }
}

#[test]
fn a_table_whose_columns_others_changed_holds_no_batch_any_more() {
    let Some(database) = postgres_database() else {
        return;
    };
    let three = columns(&[
        ("id", Type::S64),
        ("text", Type::String),
        ("amount", Type::S64),
    ]);
    let spec = spec(&database, three, &[0]);
    let row = || vec![Value::S64(1), Value::str("x"), Value::S64(5)];
    let rows = "SELECT id, text, amount FROM section";
    for sql in [
        "ALTER TABLE section DROP COLUMN amount",
        "ALTER TABLE section ALTER COLUMN amount TYPE text",
    ] {
        let (mut target, _) = open(&spec);
        put(&mut *target, 3, row());
        drop(target);
        database.query(sql);
        let (mut target, state) = open(&spec);
        assert_eq!(state, TargetState::Known { batch: 0 }, "{sql}");
        assert_eq!(query(&database, rows), [""; 0]);
        put(&mut *target, 1, row());
        assert_eq!(query(&database, rows), ["1 x 5"]);
        assert_eq!(open(&spec).1, TargetState::Known { batch: 1 });
    }
    database.query("ALTER TABLE section ALTER COLUMN id TYPE integer");
    assert_eq!(open(&spec).1, TargetState::Rekeyed { batch: 0 });
}

#[test]
fn columns_that_others_added_are_left_alone_also_by_an_older_marker() {
    let Some(database) = postgres_database() else {
        return;
    };
    let (mut target, _) = open(&small(&database));
    put(&mut *target, 3, row(1, "x"));
    drop(target);
    database.query("ALTER TABLE _flowstone DROP COLUMN made");
    assert_eq!(open(&small(&database)).1, TargetState::Known { batch: 3 });
    database.query("ALTER TABLE section ADD COLUMN note text; UPDATE section SET note = 'n'");
    let less = spec(&database, columns(&[("id", Type::S64)]), &[0]);
    let (mut target, state) = open(&less);
    assert_eq!(state, TargetState::Known { batch: 3 });
    assert_eq!(query(&database, "SELECT * FROM section"), ["1 n"]);
    target.clear().unwrap();
    assert_eq!(query(&database, "SELECT note FROM section"), [""; 0]);
}

#[test]
fn a_schema_is_named_and_must_be_there() {
    let Some(database) = postgres_database() else {
        return;
    };
    let mut spec = small(&database);
    spec.options.insert("schema".to_owned(), text("Own"));
    let error = try_open(&spec).err().unwrap().to_string();
    assert!(error.contains("no schema `Own`"), "{error}");
    database.query("CREATE SCHEMA \"Own\"");
    let (mut target, _) = open(&spec);
    put(&mut *target, 1, row(1, "x"));
    assert_eq!(query(&database, "SELECT * FROM \"Own\".section"), ["1 x"]);
    assert_ne!(target_place(&spec), target_place(&small(&database)));
}

#[test]
fn a_batch_that_fails_leaves_nothing_behind_and_can_be_applied_again() {
    let Some(database) = postgres_database() else {
        return;
    };
    let (mut target, _) = open(&small(&database));
    put(&mut *target, 1, row(1, "one"));
    database.query("ALTER TABLE section ADD CONSTRAINT short CHECK (length(text) < 9)");
    let key = target.keys().key(&row(1, "")).unwrap();
    let ops = [
        TargetOp::Delete { key },
        upsert(&*target, row(2, "much too long")),
    ];
    let error = target.apply(2, &ops).unwrap_err();
    assert!(matches!(&error, ConnectError::Database { .. }), "{error}");
    assert!(error.to_string().contains("short"), "{error}");
    assert_eq!(query(&database, "SELECT * FROM section"), ["1 one"]);
    assert_eq!(query(&database, "SELECT batch FROM _flowstone"), ["1"]);
    database.query("ALTER TABLE section DROP CONSTRAINT short");
    target.apply(2, &ops).unwrap();
    assert_eq!(
        query(&database, "SELECT * FROM section"),
        ["2 much too long"]
    );
    assert_eq!(query(&database, "SELECT batch FROM _flowstone"), ["2"]);
}

#[test]
fn a_connection_that_was_lost_is_made_again() {
    let Some(database) = postgres_database() else {
        return;
    };
    let (mut target, _) = open(&small(&database));
    put(&mut *target, 1, row(1, "one"));
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flowstone' \
               AND datname = current_database()";
    assert_eq!(query(&database, end), ["t"]);
    put(&mut *target, 2, row(2, "two"));
    assert_eq!(
        query(&database, "SELECT * FROM section ORDER BY id"),
        ["1 one", "2 two"]
    );
}

#[test]
fn a_connection_that_is_lost_within_a_batch_leaves_it_undone() {
    let Some(database) = postgres_database() else {
        return;
    };
    let (mut target, _) = open(&small(&database));
    database.query(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; \
         CREATE TRIGGER cut BEFORE INSERT ON section FOR EACH ROW WHEN (NEW.id = 3) EXECUTE FUNCTION cut()",
    );
    let ops: Vec<TargetOp> = (1..5).map(|id| upsert(&*target, row(id, "x"))).collect();
    let error = target.apply(1, &ops).unwrap_err();
    assert!(
        matches!(&error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(query(&database, "SELECT * FROM section").is_empty());
    database.query("DROP TRIGGER cut ON section");
    target.apply(1, &ops).unwrap();
    assert_eq!(query(&database, "SELECT count(*) FROM section"), ["4"]);
}

#[test]
fn who_cannot_get_in_is_told_why() {
    let Some(database) = postgres_database() else {
        return;
    };
    let url = database.url();
    let of = |url: &str| try_open(&postgres_spec(url)).err().unwrap();
    let error = of(&url.replace("/test", "/nosuch"));
    assert!(
        matches!(&error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("\"nosuch"), "{error}");
    // Port 1 of this machine: nobody listens there.
    let error = of("postgres://me:hidden@127.0.0.1:1/x");
    assert!(
        matches!(&error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    let shown = error.to_string();
    assert!(shown.contains("postgres://127.0.0.1:1/x"), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn a_password_can_come_from_a_file() {
    let Some(database) = postgres_database() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut spec = small(&database);
    spec.options
        .insert("password-file".to_owned(), text("secret"));
    let open = || open_target(&spec, folder.path(), &identity('a'), false);
    let missing = open().err().unwrap();
    assert!(matches!(&missing, ConnectError::Io { path, .. } if path.ends_with("secret")));
    std::fs::write(folder.path().join("secret"), "word\n").unwrap();
    open().unwrap();
}

#[test]
fn a_database_that_may_only_be_read_is_read_only() {
    let Some(database) = postgres_database() else {
        return;
    };
    let (mut target, _) = open(&small(&database));
    database.query(
        "ALTER ROLE CURRENT_USER IN DATABASE postgres SET default_transaction_read_only = off",
    );
    let name = query(&database, "SELECT current_database()");
    database.query(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        name[0]
    ));
    assert!(matches!(
        try_open(&small(&database)),
        Err(ConnectError::ReadOnly { .. })
    ));
    // Who was in before is not concerned.
    put(&mut *target, 1, row(1, "x"));
}

#[test]
fn specifications_that_postgres_cannot_hold_are_refused() {
    let local = postgres_spec("postgres://me@localhost/x");
    let of = |pairs: &[(&str, Type)], key: &[usize]| {
        let spec = TargetSpec {
            columns: columns(pairs),
            key: key.to_vec(),
            ..local.clone()
        };
        check_target(&spec).unwrap_err().message
    };
    let long = "x".repeat(64);
    assert!(of(&[("a", Type::U8)], &[]).contains("needs key columns"));
    assert!(of(&[("a", Type::U8)], &[0, 0]).contains("twice"));
    assert!(of(&[("", Type::U8)], &[0]).contains("no name"));
    assert!(of(&[("a\0", Type::U8)], &[0]).contains("no name"));
    assert!(of(&[(&long, Type::U8)], &[0]).contains("64 bytes"));
    assert!(of(&[("ctid", Type::U8)], &[0]).contains("of its own"));
    for ty in [
        Type::F64,
        Type::option(Type::U8),
        Type::list(Type::U16),
        Type::list(Type::String),
    ] {
        assert!(of(&[("a", ty)], &[0]).contains("cannot be part of a key"));
    }
    let option = |name: &str, value: &str| {
        let mut spec = local.clone();
        spec.options.insert(name.to_owned(), text(value));
        check_target(&spec).unwrap_err().message
    };
    assert!(option("table", "_flowstone").contains("cannot be named"));
    assert!(option("schema", &long).contains("64 bytes"));
    assert!(option("tls", "on").contains("only be \"off\""));
    for (url, says) in [
        ("mysql://localhost/x", "must begin with"),
        ("postgres://localhost/x", "names no user"),
        ("postgres://me@localhost", "names no database"),
        ("postgres://me@a,b/x", "one server"),
        ("postgres://me@localhost/x?sslmode=require", "does not have"),
        ("postgres://me@localhost/x?colour=red", "colour"),
        ("postgres://me:hidden@db.example/x", "not on this machine"),
        (
            "postgres://me:hidden@localhost/x?hostaddr=10.0.0.1",
            "not on this machine",
        ),
        ("postgres://me:hidden@local host:x", ""),
    ] {
        let message = option("url", url);
        assert!(message.contains(says), "{url}: {message}");
        assert!(!message.contains("hidden"), "{url}: {message}");
    }
    let mut remote = postgres_spec("postgres://me@db.example/x");
    remote.options.insert("tls".to_owned(), text("off"));
    check_target(&remote).unwrap();
}

#[test]
fn a_table_is_the_same_whoever_asks_for_it() {
    let place = |url: &str| target_place(&postgres_spec(url));
    let one = place("postgres://me:secret@localhost/x");
    assert_eq!(
        one,
        place("postgresql://you@localhost:5432/x?connect_timeout=3")
    );
    assert_ne!(one, place("postgres://me@localhost:5433/x"));
    assert_ne!(one, place("postgres://me@localhost/y"));
    assert!(!one.contains("secret"));
}

#[test]
fn rows_that_postgres_cannot_hold_have_no_key() {
    let keys = target_keys(&postgres_spec("postgres://me@localhost/x")).unwrap();
    for bad in ["a\0b", &"x".repeat(3000)] {
        let row = [Value::str(bad), Value::str("h"), Value::str("c")];
        assert!(keys.key(&row).is_err());
    }
    let row = [Value::str("p"), Value::str("h"), Value::str("a\0b")];
    assert!(
        keys.key(&row)
            .unwrap_err()
            .to_string()
            .contains("zero byte")
    );
}
