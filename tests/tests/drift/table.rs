//! Tables of SQLite that others changed.

use rusqlite::Connection;

use flowstone_tests::Project;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::{NOTHING, drifted, listed, project, verify};

fn edit(project: &Project, sql: &str) {
    let database = Connection::open(project.path("out/lines.db")).unwrap();
    database.execute_batch(sql).unwrap();
}

#[test]
fn rows_that_others_edited_deleted_and_added_are_put_right_without_a_call() {
    let mut project = project();
    project.run();
    edit(
        &project,
        "UPDATE line SET weight = 1 WHERE line = 'one'; DELETE FROM line WHERE line = 'two'; \
         INSERT INTO line (path, line, weight) VALUES ('a.md', 'zero', 0), ('z.md', 'nine', 9);",
    );
    // A usual run trusts what it wrote.
    project.run();
    assert_eq!(project.rows().len(), 5);
    let outcome = verify(&mut project);
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), project.fresh_rows());
    let counts = outcome.report.targets["index"];
    assert_eq!(
        (counts.drifted, counts.updated, counts.inserted),
        (Some(4), 2, 0)
    );
    assert_eq!(counts.unchanged, 2);
    assert_eq!(
        listed(&outcome.report),
        [
            "index path=a.md, line=one changed",
            "index path=a.md, line=two missing",
            "index path=a.md, line=zero added",
            "index path=z.md, line=nine added",
        ]
    );
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(outcome.report.sources["page"].unchanged, 2);
    let again = verify(&mut project).report;
    assert_eq!(
        (drifted(&again, "index"), again.targets["index"].updated),
        (Some(0), 0)
    );
    assert_eq!(drifted(&project.run().report, "index"), None);
}

#[test]
fn a_column_that_others_dropped_or_retyped_is_filled_again() {
    let mut project = project();
    project.run();
    for sql in [
        "ALTER TABLE line DROP COLUMN weight",
        "ALTER TABLE line DROP COLUMN weight; ALTER TABLE line ADD COLUMN weight TEXT DEFAULT 'x'",
    ] {
        // The table is filled anew, with nothing in it that could differ.
        for (verifies, drift) in [(false, None), (true, Some(0))] {
            edit(&project, sql);
            project.options.verify_targets = verifies;
            let outcome = project.run();
            assert_eq!(outcome.calls, NOTHING);
            let counts = outcome.report.targets["index"];
            assert_eq!((counts.inserted, counts.drifted), (4, drift), "{sql}");
            assert_eq!(project.rows(), project.fresh_rows());
        }
    }
}

#[test]
fn a_table_that_was_dropped_and_made_by_somebody_else_is_not_touched() {
    let mut project = project();
    project.run();
    edit(
        &project,
        "DROP TABLE line; DROP TABLE _flowstone; CREATE TABLE line (path, line, weight)",
    );
    project.options.verify_targets = true;
    let error = project.try_run().err().unwrap().to_string();
    assert!(error.contains("was not made by flowstone"), "{error}");
    edit(&project, "DROP TABLE line");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_table_that_somebody_put_in_the_place_of_ours_is_not_touched() {
    let mut project = project();
    project.run();
    edit(
        &project,
        "DROP TABLE line; CREATE TABLE line (precious TEXT); INSERT INTO line VALUES ('x')",
    );
    for verifies in [false, true] {
        project.options.verify_targets = verifies;
        let error = project.try_run().err().unwrap().to_string();
        assert!(
            error.contains("the table that replaced flowstone's `line`"),
            "{error}"
        );
    }
    let database = Connection::open(project.path("out/lines.db")).unwrap();
    let precious: String =
        (database.query_row("SELECT precious FROM line", [], |row| row.get(0))).unwrap();
    assert_eq!(precious, "x");
    edit(&project, "ALTER TABLE line RENAME TO mine");
    assert_eq!(project.run().calls, NOTHING);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_table_put_in_the_place_of_one_that_left_the_flow_does_not_stop_it() {
    let mut project = project();
    project.run();
    edit(
        &project,
        "DROP TABLE line; CREATE TABLE line (precious TEXT); INSERT INTO line VALUES ('x')",
    );
    project.flow = project.flow.replace("\"out/lines.db\"", "\"out/other.db\"");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(outcome.report.targets["index"].inserted, 4);
    project.run();
    let database = Connection::open(project.path("out/lines.db")).unwrap();
    let kept = database.query_row("SELECT precious FROM line", [], |row| row.get(0));
    assert_eq!(kept, Ok("x".to_owned()));
}

#[test]
fn what_a_failed_row_keeps_is_told_and_comes_back_with_the_row() {
    let mut project = project();
    project.run();
    project.write("a.md", "one\n!two\n");
    assert_eq!(project.run().report.failures, 1);
    edit(&project, "UPDATE line SET weight = 1 WHERE path = 'a.md'");
    let outcome = verify(&mut project);
    // The version of the file that made these rows is gone: nothing is there to make them of again.
    assert_eq!(
        (drifted(&outcome.report, "index"), outcome.report.failures),
        (Some(2), 1)
    );
    assert_eq!(project.rows().len(), 4);
    project.write("a.md", "one\ntwo\n");
    assert_eq!(project.run().calls, NOTHING);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn whatever_others_do_to_the_rows_the_table_is_that_of_a_fresh_build_again() {
    let numbered = |from: usize| {
        let lines: Vec<String> = (from..from + 600)
            .map(|number| format!("line {number}"))
            .collect();
        lines.join("\n")
    };
    let project = Project::new();
    for (index, name) in ["a.md", "b.md", "c.md"].iter().enumerate() {
        project.write(name, numbered(index * 300));
    }
    project.run();
    let fresh = project.rows();
    let edits = prop::collection::vec((0..3u8, 0..1800usize), 0..20);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(8));
    let project = std::cell::RefCell::new(project);
    let run = |edits: Vec<(u8, usize)>| {
        let project = &mut *project.borrow_mut();
        for (what, row) in &edits {
            let sql = match what {
                0 => format!("DELETE FROM line WHERE rowid % 1800 = {row}"),
                1 => format!("UPDATE line SET weight = weight + 1 WHERE rowid % 1800 = {row}"),
                _ => format!(
                    "INSERT OR IGNORE INTO line (path, line, weight) VALUES ('c.md', 'new {row}', 1)"
                ),
            };
            edit(project, &sql);
        }
        let differ = project.rows() != fresh;
        let outcome = verify(project);
        prop_assert_eq!(outcome.calls, NOTHING);
        prop_assert_eq!(drifted(&outcome.report, "index") != Some(0), differ);
        prop_assert_eq!(&project.rows(), &fresh);
        Ok(())
    };
    runner.run(&edits, run).unwrap();
}
