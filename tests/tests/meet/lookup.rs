//! Lookups: rows that read rows of other collections.

use crate::project;
use flowstone_tests::Project;

/// Lines of `*.txt` look up the rows of `names/*.csv` by what comes before their first blank.
fn paired(lookup: &str, call: &str) -> Project {
    let flow = format!(
        r#"
[source.name]
kind = "csv"
path = "docs/names.csv"
key = "id"

[transform.line]
call = "sample.lines"
each = "page"
from = {{ content = "page.content" }}
rows = true

[transform.head]
call = "sample.head"
each = "line"

[transform.paired]
call = "sample.{call}"
each = "line"
from = {{ line = "line" }}
lookup = {{ found = {lookup} }}
{}"#,
        crate::target(
            "paired",
            "line",
            r#""line""#,
            r#"line = "line", text = "paired""#
        )
    );
    project(&flow)
}

const ONE: &str = r#"{ in = "name", key = "head", take = "name" }"#;

fn with_names(project: &Project, names: &str) {
    project.write("names.csv", format!("id,name\n{names}"));
}

#[test]
fn a_row_gets_what_it_looks_up_or_nothing() {
    let project = paired(ONE, "pair");
    with_names(&project, "x,Anna\nz,Cleo\n");
    project.write("a.txt", "x 1\ny 2\n");
    project.run();
    assert_eq!(project.table("paired"), ["x 1|x 1Anna", "y 2|y 2"]);
}

#[test]
fn exactly_the_readers_run_when_a_row_changes_appears_or_goes() {
    let project = paired(ONE, "pair");
    with_names(&project, "x,Anna\nz,Cleo\n");
    project
        .write("a.txt", "x 1\ny 2\n")
        .write("b.txt", "x 3\nz 4\n");
    project.run();
    assert_eq!(project.run().calls, [""; 0]);
    with_names(&project, "x,Bea\nz,Cleo\n");
    assert_eq!(project.run().calls, ["paired a.txt", "paired b.txt"]);
    with_names(&project, "x,Bea\ny,Dora\nz,Cleo\n");
    assert_eq!(project.run().calls, ["paired a.txt"]);
    with_names(&project, "x,Bea\ny,Dora\n");
    assert_eq!(project.run().calls, ["paired b.txt"]);
    assert_eq!(
        project.table("paired"),
        ["x 1|x 1Bea", "x 3|x 3Bea", "y 2|y 2Dora", "z 4|z 4"]
    );
    // A row that nobody looked up concerns nobody.
    with_names(&project, "x,Bea\ny,Dora\nq,Queen\n");
    assert_eq!(project.run().calls, [""; 0]);
    // A row that is gone looks nothing up.
    project.remove("b.txt");
    project.run();
    with_names(&project, "x,Eva\ny,Dora\n");
    assert_eq!(project.run().calls, ["paired a.txt"]);
}

#[test]
fn a_reader_and_what_it_reads_may_change_at_once() {
    let project = paired(ONE, "pair");
    with_names(&project, "x,Anna\n");
    project.write("a.txt", "x 1\n");
    project.run();
    with_names(&project, "x,Bea\n");
    project.write("a.txt", "x 1\nx 2\n");
    project.run();
    assert_eq!(project.table("paired"), ["x 1|x 1Bea", "x 2|x 2Bea"]);
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn two_rows_that_match_fail_the_reader_and_many_hands_over_both() {
    let by_name = r#"{ in = "name", key = "head", on = "name", take = "id" }"#;
    let project = paired(by_name, "pair");
    with_names(&project, "1,x\n2,x\n3,y\n");
    project.write("a.txt", "x 1\n").write("b.txt", "y 1\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    let reason = &outcome.report.failed[0].reason;
    assert!(
        reason.contains("2 rows of `name` match") && reason.contains("many = true"),
        "{reason}"
    );
    assert_eq!(project.table("paired"), ["y 1|y 13"]);
    let many = r#"{ in = "name", key = "head", on = "name", take = "id", many = true }"#;
    let project = paired(many, "pairs");
    with_names(&project, "1,x\n2,x\n3,y\n");
    project.write("a.txt", "x 1\nz 1\n");
    project.run();
    assert_eq!(project.table("paired"), ["x 1|x 11;2;", "z 1|z 1"]);
}

#[test]
fn a_lookup_in_a_reduce_reads_what_it_came_to() {
    let flow = format!(
        r#"
[transform.line]
call = "sample.lines"
each = "page"
from = {{ content = "page.content" }}
rows = true

[transform.head]
call = "sample.head"
each = "line"

[reduce.joined]
call = "sample.join"
over = "line"
by = ["head"]
from = {{ lines = "line" }}

[union.again]
of = ["line"]

[transform.paired]
call = "sample.pair"
each = "again"
from = {{ line = "again.line" }}
lookup = {{ found = {{ in = "joined", key = "again.head", take = "joined" }} }}
{}"#,
        crate::target(
            "paired",
            "again",
            r#""line""#,
            r#"line = "again.line", text = "paired""#
        )
    );
    let project = project(&flow);
    project.write("a.txt", "x 1\ny 2\n").write("b.txt", "x 3\n");
    project.run();
    assert_eq!(
        project.table("paired"),
        ["x 1|x 1x 1;x 3;", "x 3|x 3x 1;x 3;", "y 2|y 2y 2;"]
    );
    project.write("b.txt", "y 4\n");
    project.run();
    assert_eq!(
        project.table("paired"),
        ["x 1|x 1x 1;", "y 2|y 2y 2;y 4;", "y 4|y 4y 2;y 4;"]
    );
    assert_eq!(project.table("paired"), project.fresh().table("paired"));
}

/// Records that look names up: so many that they are not asked for one by one.
fn records(rows: usize) -> Project {
    let flow = format!(
        r#"
[source.name]
kind = "csv"
path = "docs/names.csv"

[source.record]
kind = "csv"
path = "docs/records.csv"
key = "id"

[transform.paired]
call = "sample.pair"
each = "record"
from = {{ line = "record.id" }}
lookup = {{ found = {{ in = "name", key = "record.who", on = "id", take = "name" }} }}
{}"#,
        crate::target(
            "paired",
            "record",
            r#""id""#,
            r#"id = "record.id", text = "paired""#
        )
    );
    let project = project(&flow);
    let all = (0..rows)
        .map(|row| format!("{row:02},x\n"))
        .collect::<String>();
    project.write("records.csv", format!("id,who\n{all}"));
    with_names(&project, "x,Anna\n");
    project
}

#[test]
fn many_readers_run_and_their_failures_are_counted_once() {
    let project = records(10);
    assert_eq!(project.run().report.failures, 0);
    with_names(&project, "x,Anna\nx,Bea\n");
    let failed = project.run().report;
    assert_eq!((failed.failures, failed.failed.len()), (10, 10));
    let again = project.run().report;
    assert_eq!((again.failures, again.failed.len()), (10, 10));
    with_names(&project, "x,Cleo\n");
    let mended = project.run();
    assert_eq!(mended.calls.len(), 10);
    assert_eq!((mended.report.failures, mended.report.failed.len()), (0, 0));
    assert_eq!(project.table("paired")[9], "09|09Cleo");
}

#[test]
fn readers_that_go_with_what_they_read_are_not_due_for_ever() {
    let project = records(10);
    project.run();
    project.write(
        "records.csv",
        "id,who\n00,x\n01,x\n02,x\n03,x\n04,x\n05,x\n",
    );
    with_names(&project, "x,Dora\n");
    project.run();
    assert_eq!(project.table("paired").len(), 6);
    assert_eq!(project.table("paired")[0], "00|00Dora");
    let idle = project.run().report;
    assert_eq!(idle.sources["record"].unchanged, 6);
    let (engine, _) = project.open().expect("the flow opens");
    drop(engine);
    let store = flowstone_store::Store::open(
        &project.path(".flowstone"),
        flowstone_store::StoreOptions::default(),
    );
    let snapshot = store
        .expect("the store opens")
        .snapshot()
        .expect("it can be read");
    let due: usize = (0..8)
        .map(|collection| {
            snapshot
                .due(flowstone_store::CollectionId(collection))
                .expect("it can be read")
                .count()
        })
        .sum();
    assert_eq!(due, 0);
}
