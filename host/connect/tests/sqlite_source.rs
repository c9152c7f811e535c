//! The source `sqlite`: what is listed and loaded, what is told of changes, and what a hostile database can do.

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use common::{columns, list, options, text};
use flowstone_connect::{
    Change, ConnectError, Entry, Hint, Poll, RowError, Source, Watch, check_source, display_key,
    open_source,
};
use flowstone_core::{OptionValue, Type, Value};
use rusqlite::Connection;

struct Base {
    folder: tempfile::TempDir,
}

impl Base {
    fn new(sql: &str) -> Self {
        let base = Base {
            folder: tempfile::tempdir().unwrap(),
        };
        base.run(sql);
        base
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("x.db")
    }

    fn run(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn try_open(
        &self,
        more: &[(&str, OptionValue)],
        asked: &[(&str, Type)],
    ) -> Result<Box<dyn Source>, ConnectError> {
        let mut options = options(&[("path", text("x.db")), ("key", text("id"))]);
        for (name, value) in more {
            options.insert((*name).to_owned(), value.clone());
        }
        open_source("sqlite", &options, columns(asked), self.folder.path())
    }

    fn open(&self, more: &[(&str, OptionValue)], asked: &[(&str, Type)]) -> Box<dyn Source> {
        self.try_open(more, asked).unwrap()
    }

    fn table(&self, asked: &[(&str, Type)]) -> Box<dyn Source> {
        self.open(&[("table", text("t"))], asked)
    }

    fn timed(&self) -> Box<dyn Source> {
        let more = [("table", text("t")), ("updated-at", text("at"))];
        self.open(&more, &[("name", Type::String)])
    }
}

fn entries(source: &dyn Source) -> Vec<Entry> {
    source.entries().unwrap().map(Result::unwrap).collect()
}

fn labels(source: &dyn Source) -> Vec<String> {
    let entries = entries(source);
    assert!(entries.is_sorted_by(|a, b| a.key < b.key));
    entries
        .iter()
        .map(|entry| display_key("sqlite", &entry.key))
        .collect()
}

fn hints(source: &dyn Source) -> Vec<Hint> {
    entries(source)
        .into_iter()
        .map(|entry| entry.hint)
        .collect()
}

fn poll(source: &dyn Source) -> Box<dyn Poll> {
    match source.watch(Arc::new(|_| {})).unwrap() {
        Watch::Recent(poll) | Watch::List(poll) => poll,
        Watch::Push(_) => panic!("a database does not push"),
    }
}

#[test]
fn rows_come_in_key_order_with_the_types_asked_for() {
    let base = Base::new(
        "CREATE TABLE t (id, i INTEGER, f REAL, s TEXT, b INTEGER, x BLOB, n TEXT, l TEXT);
         INSERT INTO t VALUES (10, -3, 1.5, 'one', 1, x'0102', NULL, '[1,2]'),
             (-2, 0, 2, 'two', 0, x'', 'n', '[]'), ('a', 1, 0, 'é', 1, x'00', '', '[3]'),
             (x'ff', 9, 0, '', 0, x'', NULL, '[]');",
    );
    let strings = Type::List(Arc::new(Type::String));
    let source = base.table(&[
        ("i", Type::S8),
        ("f", Type::F64),
        ("s", Type::String),
        ("b", Type::Bool),
        ("x", Type::bytes()),
        ("n", Type::option(Type::String)),
        ("l", Type::option(strings)),
    ]);
    assert_eq!(labels(source.as_ref()), ["-2", "10", "a", "ff"]);
    let entries = entries(source.as_ref());
    let values = source.load(&entries[1]).unwrap_err();
    assert!(
        matches!(&values, RowError::Failed { reason, retry: false } if reason.contains("column `l`")),
        "{values}"
    );
    let source = base.table(&[
        ("i", Type::S8),
        ("f", Type::F64),
        ("s", Type::String),
        ("b", Type::Bool),
        ("x", Type::bytes()),
        ("n", Type::option(Type::String)),
    ]);
    assert_eq!(
        source.load(&entries[1]).unwrap(),
        [
            Value::S8(-3),
            Value::F64(1.5),
            Value::str("one"),
            Value::Bool(true),
            Value::bytes([1, 2].as_slice()),
            Value::Option(None),
        ]
    );
}

#[test]
fn a_number_is_a_string_where_one_is_asked_for() {
    let base = Base::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, -9223372036854775808), (2, 1.5), (3, 2.0),
             (4, 9e999), (5, x'01');",
    );
    let source = base.table(&[("id", Type::String), ("v", Type::option(Type::String))]);
    let rows: Vec<_> = entries(source.as_ref())
        .iter()
        .map(|entry| source.load(entry).map_err(|error| error.to_string()))
        .collect();
    let row = |id: &str, v: &str| {
        let v = Value::Option(Some(Arc::new(Value::str(v))));
        Ok(vec![Value::str(id), v])
    };
    assert_eq!(
        rows[..3],
        [
            row("1", "-9223372036854775808"),
            row("2", "1.5"),
            row("3", "2.0")
        ]
    );
    let failed = |what: &str| Err(format!("column `v`: {what} is no `option<string>`"));
    assert_eq!(rows[3..], [failed("`inf`"), failed("a blob of 1 bytes")]);
}

#[test]
fn a_value_of_another_type_fails_its_row_and_says_what_is_there() {
    let base =
        Base::new("CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 300), (2, 'x'), (3, NULL);");
    let source = base.table(&[("v", Type::U8)]);
    let reasons: Vec<String> = entries(source.as_ref())
        .iter()
        .map(|entry| source.load(entry).unwrap_err().to_string())
        .collect();
    assert_eq!(
        reasons,
        [
            "column `v`: `300` is no `u8`",
            "column `v`: `x` is no `u8`",
            "column `v`: NULL is no `u8`"
        ]
    );
}

#[test]
fn rows_without_a_key_of_their_own_fail_and_take_nobody_along() {
    let base = Base::new(
        "CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 'a'), (1, 'b'), (NULL, 'c'), (0.5, 'd'), (2, 'e');",
    );
    let source = base.table(&[("v", Type::String)]);
    let rows: Vec<_> = entries(source.as_ref())
        .iter()
        .map(|entry| source.load(entry).map_err(|error| error.to_string()))
        .collect();
    assert_eq!(rows[0], Ok(vec![Value::str("a")]));
    assert_eq!(rows[1], Err("another row has the same key: `1`".to_owned()));
    assert_eq!(rows[2], Ok(vec![Value::str("e")]));
    assert_eq!(rows[3], Err("`id`, its key, is NULL".to_owned()));
    assert_eq!(rows[4], Err("`id`, its key, is a float".to_owned()));
    assert_eq!(rows.len(), 5);
    assert_eq!(source.entries().unwrap().unkeyed(), 2);
    // Each is found again as it was listed.
    for entry in entries(source.as_ref()) {
        let found = source.find(&entry.key).unwrap().expect("it is listed");
        assert_eq!(found.hint, entry.hint);
    }
}

#[test]
fn a_hint_follows_the_columns_that_are_asked_for_and_no_others() {
    let base = Base::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);",
    );
    let source = base.table(&[("v", Type::String)]);
    let before = hints(source.as_ref());
    base.run("UPDATE t SET w = 9");
    assert_eq!(hints(source.as_ref()), before);
    base.run("UPDATE t SET v = 'c' WHERE id = 2");
    let after = hints(source.as_ref());
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    let key = &entries(source.as_ref())[1].key;
    assert_eq!(source.find(key).unwrap().unwrap().hint, after[1]);
    base.run("DELETE FROM t WHERE id = 2");
    assert!(source.find(key).unwrap().is_none());
    assert!(matches!(
        source.load(&Entry::new(key.clone(), Hint::unknown(), 0)),
        Err(RowError::Vanished)
    ));
}

#[test]
fn a_time_counts_only_well_behind_the_newest() {
    let base = Base::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, at INTEGER);
         INSERT INTO t VALUES (1, 'old', 1000), (2, 'near', 5000), (3, 'newest', 5005), (4, 'never', NULL);",
    );
    let source = base.timed();
    let before = hints(source.as_ref());
    // Against the rules, but for the old row the time is all that is looked at.
    base.run("UPDATE t SET name = 'x'");
    let after = hints(source.as_ref());
    assert_eq!(after[0], before[0]);
    for row in 1..4 {
        assert_ne!(
            after[row], before[row],
            "row {row} may be written again with the same time"
        );
    }
    base.run("UPDATE t SET name = 'y', at = 1001 WHERE id = 1");
    assert_ne!(hints(source.as_ref())[0], before[0]);
}

#[test]
fn times_can_be_text_and_one_that_is_still_to_come_hides_nothing() {
    let base = Base::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, at TEXT);
         INSERT INTO t VALUES (1, 'old', '2020-01-01 00:00:00'), (2, 'near', '2020-01-02T00:00:00'),
             (3, 'newest', '2020-01-02 00:00:05');",
    );
    let source = base.timed();
    let before = hints(source.as_ref());
    base.run("UPDATE t SET name = 'x'");
    let after = hints(source.as_ref());
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    base.run("INSERT INTO t VALUES (4, 'now', datetime('now')), (5, 'later', '9999-01-01')");
    let before = hints(source.as_ref());
    base.run("UPDATE t SET name = 'z' WHERE id = 4");
    assert_ne!(hints(source.as_ref())[3], before[3]);
}

#[test]
fn recent_changes_are_told_by_their_rows_and_only_once() {
    let base = Base::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, at INTEGER);
         INSERT INTO t VALUES (1, 'a', 100), (2, 'b', 200);",
    );
    let source = base.timed();
    assert!(matches!(
        source.watch(Arc::new(|_| {})).unwrap(),
        Watch::Recent(_)
    ));
    let mut poll = poll(source.as_ref());
    let keys: Vec<Vec<u8>> = entries(source.as_ref())
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    assert_eq!(poll.poll().unwrap(), []);
    base.run("UPDATE t SET name = 'c', at = 300 WHERE id = 1");
    assert_eq!(poll.poll().unwrap(), [Change::Row(keys[0].clone())]);
    assert_eq!(poll.poll().unwrap(), []);
    // The same time again, and two steps at once.
    base.run("UPDATE t SET name = 'd' WHERE id = 1");
    assert_eq!(poll.poll().unwrap(), [Change::Row(keys[0].clone())]);
    base.run("UPDATE t SET at = 400 WHERE id = 2; UPDATE t SET name = 'e', at = 900 WHERE id = 1");
    let mut told = poll.poll().unwrap();
    told.sort();
    assert_eq!(
        told,
        [Change::Row(keys[0].clone()), Change::Row(keys[1].clone())]
    );
    base.run("WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, 'n', 1000 FROM n");
    assert_eq!(
        poll.poll().unwrap(),
        [Change::Any],
        "too many to tell one by one"
    );
}

#[test]
fn without_times_any_write_asks_for_a_listing() {
    for mode in ["DELETE", "WAL"] {
        let base =
            Base::new("CREATE TABLE t (id); CREATE TABLE other (x); INSERT INTO t VALUES (1);");
        base.run(&format!("PRAGMA journal_mode = {mode}"));
        let source = base.table(&[]);
        assert!(matches!(
            source.watch(Arc::new(|_| {})).unwrap(),
            Watch::List(_)
        ));
        let mut poll = poll(source.as_ref());
        assert_eq!(poll.poll().unwrap(), []);
        base.run("INSERT INTO t VALUES (2)");
        assert_eq!(poll.poll().unwrap(), [Change::Any]);
        assert_eq!(poll.poll().unwrap(), []);
        assert_eq!(labels(source.as_ref()), ["1", "2"]);
    }
}

#[test]
fn a_database_that_goes_and_comes_again_is_noticed() {
    let base = Base::new("CREATE TABLE t (id); INSERT INTO t VALUES (1);");
    let source = base.table(&[]);
    let mut poll = poll(source.as_ref());
    let key = entries(source.as_ref())[0].key.clone();
    let away = base.folder.path().join("away.db");
    fs::rename(base.path(), &away).unwrap();
    assert!(matches!(poll.poll(), Err(ConnectError::Missing { .. })));
    assert!(matches!(
        source.find(&key),
        Err(ConnectError::Missing { .. })
    ));
    assert!(matches!(
        source.entries().err(),
        Some(ConnectError::Missing { .. })
    ));
    base.run("CREATE TABLE t (id)");
    assert_eq!(poll.poll().unwrap(), [Change::Any]);
    assert!(
        matches!(source.find(&key), Err(ConnectError::Incomplete { .. })),
        "it is another database"
    );
    assert_eq!(labels(source.as_ref()), [""; 0]);
}

#[test]
fn a_table_that_is_written_meanwhile_is_listed_in_one_state() {
    let base = Base::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'a' FROM n;");
    let source = base.table(&[("v", Type::String)]);
    let mut listed = source.entries().unwrap();
    let first = listed.next().unwrap().unwrap();
    // The listing holds no lock, and does not see what is written after it began.
    base.run("DELETE FROM t WHERE id > 1000; UPDATE t SET v = 'b'");
    assert_eq!(listed.map(Result::unwrap).count(), 1999);
    assert_eq!(source.load(&first).unwrap(), [Value::str("b")]);
}

#[test]
fn a_query_reads_and_does_nothing_else() {
    let base = Base::new("CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 2), (2, 3);");
    let asked = [("w", Type::S64)];
    let query = |sql: &str| base.try_open(&[("query", text(sql))], &asked);
    let source = query("SELECT id, v * 10 AS w FROM t -- all of them").unwrap();
    assert_eq!(labels(source.as_ref()), ["1", "2"]);
    let values: Vec<_> = entries(source.as_ref())
        .iter()
        .map(|entry| source.load(entry).unwrap())
        .collect();
    assert_eq!(values, [[Value::S64(20)], [Value::S64(30)]]);
    assert!(query("SELECT id, v AS w FROM t;").is_ok());
    for bad in [
        "DELETE FROM t",
        "DELETE FROM t RETURNING id, v AS w",
        "ATTACH 'y.db' AS y",
        "PRAGMA journal_mode = DELETE",
        "SELECT id, v AS w FROM t) AS s; DELETE FROM t; SELECT * FROM (SELECT 1",
        "SELECT id, v AS w FROM t; DELETE FROM t",
        "SELECT 1",
        "SELECT id, nonsense AS w FROM t",
        "",
    ] {
        assert!(query(bad).is_err(), "{bad}");
    }
    let loading = query("SELECT load_extension('x') AS id, 1 AS w").unwrap();
    let refused = loading.entries().err().expect("it may not").to_string();
    assert!(refused.contains("not authorized"), "{refused}");
    assert!(!base.folder.path().join("y.db").exists());
    let left: i64 = Connection::open(base.path())
        .unwrap()
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 2);
}

#[test]
fn names_are_names_whatever_is_in_them() {
    let base = Base::new(
        r#"CREATE TABLE "a""b; DROP" ("id x" TEXT PRIMARY KEY COLLATE NOCASE, "va""l" TEXT, "select" TEXT);
         INSERT INTO "a""b; DROP" VALUES ('k', 'v', 's');"#,
    );
    let more = [
        ("table", text("a\"b; DROP")),
        ("key", list(&["id x", "select"])),
    ];
    let source = base.open(&more, &[("va\"l", Type::String)]);
    assert_eq!(labels(source.as_ref()), ["k,s"]);
    assert_eq!(
        source.load(&entries(source.as_ref())[0]).unwrap(),
        [Value::str("v")]
    );
    // A name that is none is no text.
    match base.try_open(&more, &[("nope", Type::String)]) {
        Err(ConnectError::Column {
            column, candidates, ..
        }) => {
            assert_eq!(column, "nope");
            assert_eq!(candidates, ["id x", "va\"l", "select"]);
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn what_is_no_database_is_named() {
    let base = Base::new("CREATE TABLE t (id, v)");
    let open = || base.try_open(&[("table", text("t"))], &[]).err().unwrap();
    let whole = {
        base.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, hex(randomblob(20)) FROM n");
        fs::read(base.path()).unwrap()
    };
    fs::write(base.path(), "some text that is no database ".repeat(100)).unwrap();
    assert!(matches!(open(), ConnectError::WrongType { .. }));
    fs::remove_file(base.path()).unwrap();
    assert!(matches!(open(), ConnectError::Missing { .. }));
    fs::create_dir(base.path()).unwrap();
    assert!(matches!(open(), ConnectError::WrongType { .. }));
    fs::remove_dir(base.path()).unwrap();
    // Damaged in the middle: the listing ends in an error, not in fewer rows.
    let mut damaged = whole.clone();
    for byte in &mut damaged[8192..60_000] {
        *byte = 0xa5;
    }
    fs::write(base.path(), &damaged).unwrap();
    let listed = base.table(&[("v", Type::String)]).entries().err();
    assert!(
        matches!(listed, Some(ConnectError::Database { .. })),
        "{listed:?}"
    );
    fs::write(base.path(), &whole[..whole.len() / 2]).unwrap();
    let source = base.try_open(&[("table", text("t"))], &[("v", Type::String)]);
    let listed = source.and_then(|source| source.entries().map(Iterator::count));
    assert!(
        matches!(listed, Err(ConnectError::Database { .. })),
        "{listed:?}"
    );
}

#[test]
fn options_are_checked() {
    let check = |pairs: &[(&str, OptionValue)]| {
        check_source("sqlite", &options(pairs)).map_err(|error| error.option.unwrap_or_default())
    };
    let (path, table, key) = (
        ("path", text("x")),
        ("table", text("t")),
        ("key", text("id")),
    );
    assert_eq!(check(&[path.clone(), table.clone(), key.clone()]), Ok(()));
    assert_eq!(check(&[table.clone(), key.clone()]), Err("path".to_owned()));
    assert_eq!(check(&[path.clone(), key.clone()]), Err("table".to_owned()));
    assert_eq!(check(&[path.clone(), table.clone()]), Err("key".to_owned()));
    let both = [path, table, key, ("query", text("select 1"))];
    assert_eq!(check(&both), Err("query".to_owned()));
}
