//! Records whose keys cannot be read: nothing of their source is taken for gone, until they are mended.

use flowstone::SourceCounts;
use flowstone_tests::{Outcome, Project};

fn project(kind: &str, more: &str) -> Project {
    let mut project = Project::new();
    project.flow = format!(
        r#"
name = "records"

[source.item]
kind = "{kind}"
path = "docs/items"
key = "id"
{more}

[target.items]
kind = "sqlite"
path = "out/lines.db"
table = "item"
rows = "item"
key = ["id"]
columns = {{ id = "item.id", body = "item.body" }}
"#
    );
    project
}

/// What a run or a plan counts of the source: rows, added, changed, removed, unchanged, kept.
fn counts(counts: &SourceCounts) -> [u64; 6] {
    [
        counts.rows,
        counts.added,
        counts.changed,
        counts.removed,
        counts.unchanged,
        counts.kept,
    ]
}

fn of(outcome: &Outcome) -> ([u64; 6], u64) {
    let report = &outcome.report;
    (counts(&report.sources["item"]), report.failures)
}

#[test]
fn a_csv_record_with_too_few_fields_keeps_its_row_and_those_that_may_be_its() {
    let project = project("csv", "");
    project.write("items", "id,body\n1,a b\n2,c\n3,d\n").run();
    let all = ["1|a b", "2|c", "3|d"];
    assert_eq!(project.table("item"), all);

    project.write("items", "id,body\n1,a b\n2\n3,d\n");
    let outcome = project.run();
    assert_eq!(of(&outcome), ([3, 0, 1, 0, 2, 0], 1));
    let failed = &outcome.report.failed[0];
    assert_eq!(failed.key, "2");
    assert_eq!(failed.reason, "line 3: the record has 1 fields, not 2");
    assert_eq!(project.table("item"), all);

    // What is not listed may be the record that cannot be read: of `30,x`, only the beginning may be there.
    project.write("items", "id,body\n1,a b\n3\n");
    assert_eq!(of(&project.run()), ([2, 0, 1, 0, 1, 1], 2));
    assert_eq!(project.table("item"), all);

    project.write("items", "id,body\n1,a b\n3,d\n");
    assert_eq!(of(&project.run()), ([2, 0, 1, 1, 1, 0], 0));
    assert_eq!(project.table("item"), ["1|a b", "3|d"]);
}

#[test]
fn a_json_line_that_is_cut_short_deletes_nothing_until_it_is_mended() {
    let project = project("jsonl", "");
    let lines = |last: &str| {
        format!("{{\"id\":\"1\",\"body\":\"a\"}}\n{{\"id\":\"2\",\"body\":\"b\"}}\n{last}\n")
    };
    project
        .write("items", lines(r#"{"id":"3","body":"c"}"#))
        .run();
    project.write("items", lines(r#"{"id":"3","bod"#));
    let all = ["1|a", "2|b", "3|c"];

    let plan = project.plan();
    assert_eq!(counts(&plan.sources["item"]), [3, 1, 0, 0, 2, 1]);
    assert_eq!(
        plan.notes,
        [
            "1 of the 3 rows of source `item` are not found, but rows without a readable key are, so they stay"
        ]
    );
    assert_eq!(of(&project.run()), ([3, 1, 0, 0, 2, 1], 1));
    assert_eq!(project.table("item"), all);
    // The same again, and it is said again.
    let outcome = project.run();
    assert_eq!(of(&outcome), ([3, 0, 0, 0, 3, 1], 1));
    assert_eq!(outcome.report.failed[0].key, "record 3");
    assert_eq!(project.table("item"), all);
    assert_eq!(counts(&project.plan().sources["item"]), [3, 0, 0, 0, 3, 1]);

    // Others go on meanwhile, and one that could not be read is no row of its own for ever.
    project.write("items", "{\"id\":\"1\",\"body\":\"new\"}\n{\n");
    assert_eq!(of(&project.run()), ([2, 1, 1, 1, 0, 2], 1));
    assert_eq!(project.table("item"), ["1|new", "2|b", "3|c"]);

    project.write("items", lines(r#"{"id":"3","body":"d"}"#));
    assert_eq!(of(&project.run()), ([3, 0, 2, 1, 1, 0], 0));
    assert_eq!(project.table("item"), ["1|a", "2|b", "3|d"]);
    project.write("items", "{\"id\":\"1\",\"body\":\"a\"}\n");
    assert_eq!(of(&project.run()), ([1, 0, 0, 2, 1, 0], 0));
    assert_eq!(project.table("item"), ["1|a"]);
}

#[test]
fn a_failed_row_that_is_kept_is_still_failed() {
    let project = project("jsonl", "");
    let first = "{\"id\":1,\"body\":\"a\"}\n";
    project.write("items", format!("{first}{{\"id\":2}}\n"));
    assert_eq!(of(&project.run()), ([2, 2, 0, 0, 0, 0], 1));
    project.write("items", format!("{first}{{\"id\":2\n"));
    let outcome = project.run();
    assert_eq!(of(&outcome), ([2, 1, 0, 0, 1, 1], 2));
    let keys: Vec<&str> = (outcome.report.failed.iter())
        .map(|row| row.key.as_str())
        .collect();
    assert_eq!(keys, ["2", "record 2"]);
    project.write("items", first);
    assert_eq!(of(&project.run()), ([1, 0, 0, 2, 1, 0], 0));
}

#[test]
fn a_record_that_cannot_be_read_leaves_the_key_to_one_that_can() {
    let project = project("csv", "");
    project.write("items", "id,body\n1,a\n2,b\n").run();
    project.write("items", "id,body\n2\n1,a\n2,c\n");
    let outcome = project.run();
    assert_eq!(of(&outcome), ([3, 1, 1, 0, 1, 0], 1));
    assert_eq!(outcome.report.failed[0].key, "2 (record 1)");
    assert_eq!(project.table("item"), ["1|a", "2|c"]);
}

#[test]
fn where_failed_rows_are_dropped_those_that_are_not_found_go() {
    let project = project("jsonl", "on-error = \"drop\"");
    let first = "{\"id\":1,\"body\":\"a\"}\n";
    project.write("items", format!("{first}{{\"id\":2,\"body\":\"b\"}}\n"));
    project.run();
    project.write("items", format!("{first}{{\"id\":2,\"bo\n"));
    assert_eq!(of(&project.run()), ([2, 1, 0, 1, 1, 0], 1));
    assert_eq!(project.table("item"), ["1|a"]);
}

#[test]
fn of_many_rows_that_are_not_found_none_goes_and_none_is_refused() {
    let project = project("jsonl", "");
    let lines = (10..40).map(|id| format!("{{\"id\":{id},\"body\":\"x\"}}\n"));
    let text: String = lines.collect();
    project.write("items", &text).run();
    project.write("items", &text[..text.len() / 5 + 9]);
    assert_eq!(of(&project.run()), ([7, 1, 0, 0, 6, 24], 1));
    assert_eq!(project.table("item").len(), 30);
}
