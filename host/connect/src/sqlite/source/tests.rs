//! What a hostile database can do to a listing, with limits small enough to be met.

use std::time::Duration;

use flowstone_core::{OptionValue, Options, Type};
use rusqlite::Connection;

use super::*;

fn table(path: &Path, from: &str, limits: Limits) -> Table {
    let text = |text: &str| OptionValue::Str(text.to_owned());
    let pairs = [("path", "x.db"), ("table", from), ("key", "id")];
    let options: Options = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), text(value)))
        .collect();
    let columns = vec![Column {
        name: "id".to_owned(),
        ty: Type::S64,
    }];
    let query = Query::new(&TableOptions::read(&options).unwrap(), columns);
    let reader = Reader::open(path, limits.clone()).unwrap();
    query.check(&reader, false).unwrap();
    Table {
        path: path.to_owned(),
        limits,
        query: Arc::new(query),
        reader: Mutex::new(reader),
    }
}

fn failure_of(view: &str, limits: Limits) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let connection = Connection::open(&path).unwrap();
    let sql = format!(
        "CREATE VIEW endless AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) {view}"
    );
    connection.execute_batch(&sql).unwrap();
    let table = table(&path, "endless", limits);
    let failed = table.entries().err().expect("it never ends");
    failed.to_string()
}

#[test]
fn a_view_that_never_gives_a_row_is_cut_off() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let message = failure_of("SELECT id FROM n WHERE id < 0", limits);
    assert!(message.contains("the query may never end"), "{message}");
}

#[test]
fn a_view_that_gives_rows_for_ever_is_cut_off() {
    let limits = Limits {
        rows_max: 5_000,
        ..Limits::default()
    };
    let message = failure_of("SELECT id FROM n", limits);
    assert!(message.contains("more than 5000"), "{message}");
}

#[test]
fn a_value_that_is_too_large_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let connection = Connection::open(&path).unwrap();
    let sql = "CREATE VIEW large AS SELECT 1 AS id WHERE length(hex(zeroblob(100 << 20))) > 0";
    connection.execute_batch(sql).unwrap();
    let table = table(&path, "large", Limits::default());
    let message = table.entries().err().expect("it is too large").to_string();
    assert!(message.contains("larger than 128 MiB"), "{message}");
}
