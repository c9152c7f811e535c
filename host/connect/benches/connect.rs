//! How long the parts take that run for every row: listing a folder, next to `find`, and upserts into tables.
//!
//! `cargo bench -p flowstone-connect [-- FOLDER]`; the folder is by default the documentation of the toolchain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flowstone_connect::{TargetIdentity, TargetOp, open_source, open_target};
use flowstone_core::{Column, OptionValue, Options, TargetSpec, Type, Value};

#[cfg(feature = "postgres")]
#[allow(unreachable_pub, reason = "it is public in the tests' own crate")]
#[path = "../../../tests/src/postgres.rs"]
mod postgres;

const ROUNDS: usize = 7;

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(documentation, PathBuf::from);
    listing(&folder);
    records();
    for text_bytes in [40, 500, 4000] {
        upserts(text_bytes, "sqlite", ("path", "x.db"));
        #[cfg(feature = "postgres")]
        if let Some(database) = postgres::postgres_database() {
            upserts(text_bytes, "postgres", ("url", &database.url()));
            let size = "SELECT pg_size_pretty(pg_database_size(current_database()))";
            println!("the database has {:?}", database.query(size));
        }
    }
}

fn documentation() -> PathBuf {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc is there");
    PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim()).join("share/doc/rust/html")
}

fn best(mut act: impl FnMut()) -> Duration {
    let round = |_| {
        let started = Instant::now();
        act();
        started.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn listing(folder: &Path) {
    let find = best(|| {
        let mut find = Command::new("find");
        find.arg(folder)
            .args(["-type", "f", "-printf", "%p %s %T@\n"])
            .stdout(Stdio::null());
        assert!(find.status().expect("find is there").success());
    });
    println!("find -printf: {find:?}");
    let text = |text: &str| OptionValue::Str(text.to_owned());
    for include in [
        &["**/*"][..],
        &["**/*.html"],
        &["std/**/*.html", "core/**/*.html"],
    ] {
        let include = include.iter().map(|&glob| glob.to_owned()).collect();
        let options: Options = BTreeMap::from([
            (
                "root".to_owned(),
                text(folder.to_str().expect("the folder's name is UTF-8")),
            ),
            ("include".to_owned(), OptionValue::List(include)),
        ]);
        let columns = vec![Column {
            name: "content".to_owned(),
            ty: Type::String,
        }];
        let source =
            open_source("files", &options, columns, Path::new(".")).expect("the folder is there");
        let mut files = 0;
        let took = best(|| {
            let mut entries = source.entries().expect("it can be listed");
            files = entries
                .try_fold(0, |count, entry| entry.map(|_| count + 1))
                .expect("each entry is good");
        });
        println!(
            "entries {:?}: {files} files in {took:?}",
            options["include"]
        );
    }
}

fn records() {
    use std::fmt::Write;
    const RECORDS: u32 = 1_000_000;
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let text = |text: &str| OptionValue::Str(text.to_owned());
    for kind in ["csv", "jsonl"] {
        let mut data = String::from(if kind == "csv" { "id,name,note\n" } else { "" });
        for number in 0..RECORDS {
            let id = number.wrapping_mul(2_654_435_761);
            let written = match kind {
                "csv" => writeln!(data, "{id},name of {number},\"a note, quoted\""),
                _ => writeln!(
                    data,
                    "{{\"id\":{id},\"name\":\"name of {number}\",\"note\":\"a note\"}}"
                ),
            };
            written.expect("writing to a string cannot fail");
        }
        std::fs::write(folder.path().join(kind), &data).expect("there is space");
        for key in [None, Some("id")] {
            let mut options: Options = BTreeMap::from([("path".to_owned(), text(kind))]);
            options.extend(key.map(|key| ("key".to_owned(), text(key))));
            let columns = vec![Column {
                name: "name".to_owned(),
                ty: Type::String,
            }];
            let source =
                open_source(kind, &options, columns, folder.path()).expect("the file is there");
            let started = Instant::now();
            let mut entries = source.entries().expect("it can be listed");
            let count = entries
                .try_fold(0, |count, entry| entry.map(|_| count + 1))
                .expect("each entry is good");
            println!(
                "{kind}, key {key:?}: {count} records of {} bytes in {:?}",
                data.len(),
                started.elapsed()
            );
        }
    }
}

fn upserts(text_bytes: usize, kind: &str, place: (&str, &str)) {
    const ROWS: usize = 100_000;
    const BATCHES: usize = 10;
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let column = |name: &str, ty| Column {
        name: name.to_owned(),
        ty,
    };
    let text = |text: &str| OptionValue::Str(text.to_owned());
    let spec = TargetSpec {
        kind: kind.to_owned(),
        options: BTreeMap::from([
            (place.0.to_owned(), text(place.1)),
            ("table".to_owned(), text("section")),
        ]),
        columns: vec![
            column("path", Type::String),
            column("heading", Type::String),
            column("text", Type::String),
            column("words", Type::U32),
        ],
        key: vec![0, 1],
    };
    let identity = TargetIdentity {
        flow: "f".to_owned(),
        target: "t".to_owned(),
        token: "0".repeat(32),
    };
    let (mut target, _) =
        open_target(&spec, folder.path(), &identity, false).expect("the target opens");
    for pass in ["insert", "update"] {
        let started = Instant::now();
        for batch in 0..BATCHES {
            let ops: Vec<TargetOp> = (0..ROWS / BATCHES)
                .map(|row| {
                    let number = batch * (ROWS / BATCHES) + row;
                    let row = vec![
                        Value::str(format!("docs/guide/page-{:05}.md", number / 7)),
                        Value::str(format!("Heading {}", number % 7)),
                        Value::str("lorem ipsum ".repeat(text_bytes / 12 + 1)),
                        Value::U32(number as u32),
                    ];
                    TargetOp::Upsert {
                        key: target.keys().key(&row).expect("the row has a key"),
                        row,
                    }
                })
                .collect();
            target
                .apply(batch as u64 + 1, &ops)
                .expect("the batch is applied");
        }
        println!(
            "{kind}: {pass} {ROWS} rows of {text_bytes} bytes in {BATCHES} batches: {:?}",
            started.elapsed()
        );
    }
}
