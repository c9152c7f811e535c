//! The sources `csv` and `jsonl`: records, keys, types, and what happens to records that are no good.

mod common;

use std::fs;
use std::path::Path;

use common::{columns, list, options, text};
use flowstone_connect::{
    ConnectError, Entry, Hint, RowError, Source, check_source, display_key, open_source,
};
use flowstone_core::{OptionValue, Type, Value};

fn open(
    base: &Path,
    kind: &str,
    more: &[(&str, OptionValue)],
    asked: &[(&str, Type)],
) -> Result<Box<dyn Source>, ConnectError> {
    let mut options = options(more);
    options.insert("path".to_owned(), text("data"));
    open_source(kind, &options, columns(asked), base)
}

/// All rows: the key for people, and the values or what is wrong.
fn rows(
    kind: &str,
    data: &[u8],
    more: &[(&str, OptionValue)],
    asked: &[(&str, Type)],
) -> Vec<(String, String)> {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("data"), data).unwrap();
    let source = open(base.path(), kind, more, asked).unwrap();
    let entries: Vec<Entry> = source.entries().unwrap().map(Result::unwrap).collect();
    assert!(
        entries.is_sorted_by(|a, b| a.key < b.key),
        "keys ascend, each once"
    );
    let show = |entry: Entry| {
        let loaded = match source.load(&entry) {
            Ok(values) => values
                .iter()
                .map(|value| format!("{value:?}"))
                .collect::<Vec<_>>()
                .join(" "),
            Err(RowError::Failed {
                reason,
                retry: false,
            }) => reason,
            Err(other) => panic!("{other:?}"),
        };
        (display_key(kind, &entry.key), loaded)
    };
    entries.into_iter().map(show).collect()
}

fn pairs(rows: &[(String, String)]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|(key, loaded)| (key.as_str(), loaded.as_str()))
        .collect()
}

#[test]
fn csv_records_are_numbered_and_typed() {
    let data = b"\xef\xbb\xbfname,age,note\r\nAda,36,\"first, \"\"countess\"\"\"\r\n\r\nBob,x,\r\nCy,7,\"two\nlines\"";
    let asked = [
        ("age", Type::U8),
        ("name", Type::String),
        ("note", Type::option(Type::String)),
    ];
    let rows = rows("csv", data, &[], &asked);
    assert_eq!(
        pairs(&rows),
        [
            (
                "1",
                r#"U8(36) Str("Ada") Option(Some(Str("first, \"countess\"")))"#
            ),
            ("2", "line 4: column `age`: `x` is no `u8`"),
            ("3", r#"U8(7) Str("Cy") Option(Some(Str("two\nlines")))"#),
        ]
    );
}

#[test]
fn csv_takes_other_delimiters_and_files_without_a_header() {
    let more = [
        ("delimiter", text("\t")),
        ("header", OptionValue::Bool(false)),
    ];
    let rows = rows(
        "csv",
        b"a,b\t1\nc\t2\n",
        &more,
        &[("column-2", Type::S64), ("column-1", Type::String)],
    );
    assert_eq!(
        pairs(&rows),
        [("1", r#"S64(1) Str("a,b")"#), ("2", r#"S64(2) Str("c")"#)]
    );
}

#[test]
fn csv_records_that_are_no_good_fail_by_themselves() {
    let data = b"a,b\n1,2,3\n4\n\xff,5\n6,7\n";
    let rows = rows("csv", data, &[], &[("a", Type::String), ("b", Type::U8)]);
    assert_eq!(
        pairs(&rows),
        [
            ("1", "line 2: the record has 3 fields, not 2"),
            ("2", "line 3: the record has 1 fields, not 2"),
            ("3", "line 4: column `a` is not UTF-8"),
            ("4", r#"Str("6") U8(7)"#),
        ]
    );
}

#[test]
fn csv_columns_that_are_not_there_are_an_error_with_those_that_are() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("data"), "id,name,name\n1,2,3\n").unwrap();
    let failed = open(base.path(), "csv", &[], &[("nmae", Type::String)]);
    let Err(ConnectError::Column {
        column,
        candidates,
        message,
    }) = failed
    else {
        panic!()
    };
    assert_eq!(
        (column.as_str(), candidates),
        (
            "nmae",
            vec!["id".to_owned(), "name".to_owned(), "name".to_owned()]
        )
    );
    assert_eq!(message, "the file has no column `nmae`, but id, name, name");
    assert!(matches!(
        open(base.path(), "csv", &[], &[("name", Type::String)]),
        Err(ConnectError::Column { .. })
    ));
    assert!(matches!(
        open(base.path(), "csv", &[("key", text("x"))], &[]),
        Err(ConnectError::Column { .. })
    ));
    assert!(matches!(
        open(base.path(), "csv", &[], &[("id", Type::bytes())]),
        Err(ConnectError::Column { .. })
    ));
    fs::write(base.path().join("data"), "").unwrap();
    assert!(matches!(
        open(base.path(), "csv", &[], &[("id", Type::String)]),
        Err(ConnectError::Column { .. })
    ));
    let more = [("header", OptionValue::Bool(false))];
    let empty = open(base.path(), "csv", &more, &[("column-1", Type::String)]).unwrap();
    assert_eq!(empty.entries().unwrap().count(), 0);
}

#[test]
fn a_quote_that_is_never_closed_ends_the_scan_with_an_error() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("data"), "a,b\n1,2\n3,\"4\n5,6\n7,8\n").unwrap();
    let source = open(base.path(), "csv", &[], &[]).unwrap();
    let scan: Vec<_> = source.entries().unwrap().collect();
    assert_eq!(scan.len(), 2);
    let Err(ConnectError::Incomplete { reason, .. }) = &scan[1] else {
        panic!("{scan:?}")
    };
    assert!(reason.contains("line 3"), "{reason}");
    fs::write(base.path().join("data"), "a,b\n1,2\n3,\"4\"").unwrap();
    assert_eq!(source.entries().unwrap().filter_map(Result::ok).count(), 2);
}

#[test]
fn keyed_records_are_sorted_and_later_duplicates_fail() {
    let data = b"id,v\nb,1\na,2\nb,3\n,4\na,b,c\nb,5\n";
    let rows = rows("csv", data, &[("key", text("id"))], &[("v", Type::U8)]);
    assert_eq!(
        pairs(&rows),
        [
            ("", "U8(4)"),
            ("a", "U8(2)"),
            ("a (record 5)", "line 6: the record has 3 fields, not 2"),
            ("b", "U8(1)"),
            (
                "b (record 3)",
                "line 4: record 3 has the same key as record 1 in line 2: `b`"
            ),
            (
                "b (record 6)",
                "line 7: record 6 has the same key as record 1 in line 2: `b`"
            ),
        ]
    );
}

#[test]
fn a_listing_says_how_many_of_its_records_have_no_key_that_is_sure() {
    let unkeyed = |kind: &str, data: &[u8]| {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("data"), data).unwrap();
        let source = open(base.path(), kind, &[("key", text("id"))], &[]).unwrap();
        source.entries().unwrap().unkeyed()
    };
    assert_eq!(unkeyed("csv", b"id,v\n1,x\n1,y\n"), 0);
    assert_eq!(unkeyed("csv", b"v,id\nx\nx,\xff\nx,y,z\nx,y\n"), 3);
    assert_eq!(
        unkeyed("jsonl", b"{\"id\": 1}\n{\"id\": null}\n{}\n{\"i\n"),
        3
    );
}

#[test]
fn keys_of_several_columns_do_not_run_together() {
    let data = b"x,y\na,bc\nab,c\n";
    let rows = rows("csv", data, &[("key", list(&["x", "y"]))], &[]);
    assert_eq!(pairs(&rows), [("a,bc", ""), ("ab,c", "")]);
}

#[test]
fn a_keyed_record_keeps_its_hint_when_it_moves() {
    let base = tempfile::tempdir().unwrap();
    let hints = |data: &str| {
        fs::write(base.path().join("data"), data).unwrap();
        let source = open(base.path(), "csv", &[("key", text("id"))], &[]).unwrap();
        source
            .entries()
            .unwrap()
            .map(|entry| entry.map(|entry| entry.hint).unwrap())
            .collect::<Vec<_>>()
    };
    let first = hints("id,v\na,1\nb,2\n");
    assert!(
        first
            .iter()
            .all(|hint| hint.settled && hint.bytes.len() == 16)
    );
    assert_eq!(hints("id,v\r\nb,2\r\na,1"), first);
    let changed = hints("id,v\na,1\nb,3\n");
    assert_eq!(changed[0], first[0]);
    assert!(!Hint::proves_unchanged(&first[1].to_bytes(), &changed[1]));
    // The same bytes under another header are other values.
    assert_ne!(hints("id,w\na,1\nb,2\n")[0], first[0]);
}

#[test]
fn many_records_are_sorted_with_their_content() {
    use std::fmt::Write;
    const COUNT: u32 = 20_000;
    let base = tempfile::tempdir().unwrap();
    let data = (0..COUNT).fold(String::new(), |mut data, number| {
        writeln!(
            data,
            "{{\"id\": {}, \"n\": {number}}}",
            number.wrapping_mul(7919) % COUNT
        )
        .unwrap();
        data
    });
    fs::write(base.path().join("data"), data).unwrap();
    let source = open(
        base.path(),
        "jsonl",
        &[("key", text("id"))],
        &[("id", Type::U32), ("n", Type::U32)],
    )
    .unwrap();
    let mut expected = 0;
    for entry in source.entries().unwrap() {
        let [Value::U32(id), Value::U32(n)] = source.load(&entry.unwrap()).unwrap()[..] else {
            panic!()
        };
        assert_eq!((id, n.wrapping_mul(7919) % COUNT), (expected, expected));
        expected += 1;
    }
    assert_eq!(expected, COUNT);
}

#[test]
fn json_lines_take_any_type_and_fail_line_by_line() {
    let data = b"{\"id\": 1, \"tags\": [\"a\"], \"n\": 2}\n\n{\"id\": 2, \"n\": null}\nnope\n\xff\n[1]\r\n{\"id\": 3, \"tags\": [], \"n\": 1.5}";
    let asked = [
        ("tags", Type::list(Type::String)),
        ("n", Type::option(Type::F64)),
        ("id", Type::String),
    ];
    let rows = rows("jsonl", data, &[], &asked);
    assert_eq!(
        rows[0].1,
        r#"List([Str("a")]) Option(Some(F64(2.0))) Str("1")"#
    );
    assert_eq!(rows[1].1, "line 3: the record has no `tags`");
    assert!(
        rows[2].1.starts_with("line 4: the record is no JSON"),
        "{}",
        rows[2].1
    );
    assert_eq!(rows[3].1, "line 5: the record is not UTF-8 (byte 1 of it)");
    assert_eq!(rows[4].1, "line 6: the record is no JSON object");
    assert_eq!(rows[5].1, r#"List([]) Option(Some(F64(1.5))) Str("3")"#);
    assert_eq!(
        rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5", "6"]
    );
}

#[test]
fn json_keys_can_be_of_any_type_and_records_without_one_fail() {
    let data =
        b"{\"id\": \"x\"}\n{\"id\": 10}\n{\"id\": 9}\n{}\n{\"id\": \"10\"}\n{\"id\": true}\n{bad\n";
    let rows = rows(
        "jsonl",
        data,
        &[("key", text("id"))],
        &[("id", Type::String)],
    );
    let keys: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(keys, ["9", "10", "10", "x", "true", "record 4", "record 7"]);
    assert_eq!(
        rows[5].1,
        "line 4: the record has no `id`, which is its key"
    );
    assert!(rows[6].1.starts_with("line 7: the record is no JSON"));
}

#[test]
fn a_record_beyond_the_limit_fails_and_the_next_is_read() {
    let base = tempfile::tempdir().unwrap();
    let mut data = b"{\"a\": \"".to_vec();
    data.resize(65 << 20, b'x');
    data.extend_from_slice(b"\"}\n{\"a\": \"y\"}\n");
    fs::write(base.path().join("data"), data).unwrap();
    let source = open(base.path(), "jsonl", &[], &[("a", Type::String)]).unwrap();
    let entries: Vec<Entry> = source.entries().unwrap().map(Result::unwrap).collect();
    let Err(RowError::Failed {
        reason,
        retry: false,
    }) = source.load(&entries[0])
    else {
        panic!()
    };
    assert_eq!(reason, "line 1: the record is larger than 64 MiB");
    assert_eq!(source.load(&entries[1]).unwrap(), [Value::str("y")]);
    let keyed = open(base.path(), "jsonl", &[("key", text("a"))], &[]).unwrap();
    assert_eq!(keyed.entries().unwrap().unkeyed(), 1);
}

#[test]
fn a_file_written_to_after_the_scan_is_noticed() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("data"), "a\nold\n").unwrap();
    let source = open(base.path(), "csv", &[], &[("a", Type::String)]).unwrap();
    let entry = source.entries().unwrap().next().unwrap().unwrap();
    fs::write(base.path().join("data"), "a\nnew\n").unwrap();
    let loaded = source.load(&entry);
    assert!(
        matches!(&loaded, Err(RowError::Failed { retry: true, .. })),
        "{loaded:?}"
    );
    fs::write(base.path().join("data"), "a\n").unwrap();
    assert_eq!(source.load(&entry), Err(RowError::Vanished));
}

#[test]
fn a_file_written_to_during_the_scan_ends_it_with_an_error() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("data"), "a\n1\n2\n").unwrap();
    let source = open(base.path(), "csv", &[], &[("a", Type::String)]).unwrap();
    let mut scan = source.entries().unwrap();
    scan.next().unwrap().unwrap();
    fs::write(base.path().join("data"), "a\n1\n2\n3\n").unwrap();
    let last = scan.last().unwrap();
    assert!(
        matches!(last, Err(ConnectError::Incomplete { .. })),
        "{last:?}"
    );
}

#[test]
fn a_file_replaced_after_the_scan_still_gives_the_rows_that_were_listed() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("data"), "a\nold\n").unwrap();
    let source = open(base.path(), "csv", &[], &[("a", Type::String)]).unwrap();
    let entry = source.entries().unwrap().next().unwrap().unwrap();
    fs::write(base.path().join("fresh"), "a\nnew\nmore\n").unwrap();
    fs::rename(base.path().join("fresh"), base.path().join("data")).unwrap();
    assert_eq!(source.load(&entry).unwrap(), [Value::str("old")]);
    assert_eq!(source.entries().unwrap().count(), 2);
}

#[test]
fn a_file_that_is_not_there_is_no_empty_collection() {
    let base = tempfile::tempdir().unwrap();
    assert!(matches!(
        open(base.path(), "jsonl", &[], &[]),
        Err(ConnectError::Missing { .. })
    ));
    fs::create_dir(base.path().join("data")).unwrap();
    assert!(matches!(
        open(base.path(), "csv", &[], &[]),
        Err(ConnectError::WrongType { .. })
    ));
}

#[test]
fn options_are_checked_without_opening_anything() {
    assert!(
        check_source(
            "csv",
            &options(&[("path", text("nowhere")), ("key", list(&["a", "b"]))])
        )
        .is_ok()
    );
    for (kind, bad, option) in [
        ("csv", options(&[]), "path"),
        (
            "jsonl",
            options(&[("path", text("x")), ("delimiter", text(";"))]),
            "delimiter",
        ),
        (
            "csv",
            options(&[("path", text("x")), ("delimiter", text(";;"))]),
            "delimiter",
        ),
        (
            "csv",
            options(&[("path", text("x")), ("delimiter", text("\""))]),
            "delimiter",
        ),
        (
            "csv",
            options(&[("path", text("x")), ("key", OptionValue::Int(1))]),
            "key",
        ),
        ("parquet", options(&[]), "kind"),
    ] {
        assert_eq!(
            check_source(kind, &bad).unwrap_err().option.as_deref(),
            Some(option),
            "{kind} {bad:?}"
        );
    }
}
