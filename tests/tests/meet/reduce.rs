//! Reduces: groups of rows, and what is made of them.

use crate::{LINES, project, target};
use flowstone_tests::{Project, meeting};

fn joined() -> Project {
    let reduce = r#"
[reduce.joined]
call = "sample.join"
over = "line"
by = ["head"]
from = { lines = "line" }
"#;
    let target = target(
        "joined",
        "joined",
        r#""head""#,
        r#"head = "joined.head", text = "joined""#,
    );
    project(&format!("{LINES}{reduce}{target}"))
}

#[test]
fn a_group_gets_its_members_in_the_order_of_their_keys() {
    let project = joined();
    project
        .write("b.txt", "x 1\ny 2\n")
        .write("a.txt", "x 3\nx 4\nno-blank\n");
    let outcome = project.run();
    assert_eq!(project.table("joined"), ["x|x 3;x 4;x 1;", "y|y 2;"]);
    let joins: Vec<_> = outcome
        .calls
        .iter()
        .filter(|call| call.starts_with("joined"))
        .collect();
    assert_eq!(joins, ["joined x", "joined y"]);
}

#[test]
fn only_groups_whose_members_changed_run() {
    let project = joined();
    project
        .write("a.txt", "x 1\ny 2\nz 3")
        .write("b.txt", "x 5");
    project.run();
    assert_eq!(project.run().calls, [""; 0]);
    project.write("b.txt", "y 6");
    let outcome = project.run();
    assert_eq!(
        outcome.calls,
        ["head b.txt", "joined x", "joined y", "line b.txt"]
    );
    assert_eq!(project.table("joined"), ["x|x 1;", "y|y 2;y 6;", "z|z 3;"]);
    let counts = outcome.report.sources["joined"];
    assert_eq!((counts.rows, counts.changed, counts.unchanged), (3, 2, 1));
    // A change of the file that changes no line is no change of any group.
    project.write("b.txt", "y 6\n\n");
    assert_eq!(project.run().calls, ["line b.txt"]);
}

#[test]
fn the_row_of_an_emptied_group_goes() {
    let project = joined();
    project.write("a.txt", "x 1\ny 2").write("b.txt", "y 3");
    project.run();
    project.write("a.txt", "y 2");
    let outcome = project.run();
    assert_eq!(project.table("joined"), ["y|y 2;y 3;"]);
    assert_eq!(outcome.report.sources["joined"].removed, 1);
    assert_eq!(outcome.report.targets["joined"].deleted, 1);
    project.remove("a.txt").remove("b.txt");
    project.run();
    assert_eq!(project.table("joined"), [""; 0]);
}

#[test]
fn a_group_that_is_as_it_was_is_remembered() {
    let project = joined();
    project.write("a.txt", "x 1");
    project.run();
    project.write("a.txt", "x 2");
    project.run();
    project.write("a.txt", "x 1");
    assert_eq!(project.run().calls, [""; 0]);
    assert_eq!(project.table("joined"), ["x|x 1;"]);
}

#[test]
fn a_group_that_fails_keeps_its_row_and_is_tried_again() {
    let project = joined();
    project.write("a.txt", "x 1\ny 1");
    project.run();
    project.write("b.txt", "! 1");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    assert_eq!(outcome.report.failed[0].source, "joined");
    assert_eq!(outcome.report.failed[0].key, "!");
    let again = project.run();
    assert_eq!(again.calls, ["joined !"]);
    assert_eq!(again.report.failures, 1);
    project.remove("b.txt");
    assert_eq!(project.run().report.failures, 0);
    assert_eq!(project.table("joined"), ["x|x 1;", "y|y 1;"]);
}

#[test]
fn changed_code_runs_for_every_group_and_leaves_equal_rows_alone() {
    let mut project = joined();
    project.write("a.txt", "x 1\ny 1");
    project.run();
    let other = r#"{ head = "joined.head", text = "joined", too = "joined" }"#;
    project.flow = project
        .flow
        .replace(r#"{ head = "joined.head", text = "joined" }"#, other);
    let outcome = project.run();
    assert_eq!(outcome.calls, [""; 0]);
    assert_eq!(project.table("joined"), ["x|x 1;|x 1;", "y|y 1;|y 1;"]);
}

#[test]
fn one_group_of_all_rows_can_give_rows() {
    let flow = format!(
        r#"{LINES}
[reduce.all]
call = "sample.rows"
over = "line"
by = []
from = {{ lines = "line" }}
rows = true
{}"#,
        target("all", "all", r#""line""#, r#"line = "all""#)
    );
    let project = project(&flow);
    project.write("a.txt", "x 1\ny 2").write("b.txt", "z 3");
    let outcome = project.run();
    assert_eq!(project.table("all"), ["x 1", "y 2", "z 3"]);
    assert!(
        outcome.calls.contains(&"all (all)".to_owned()),
        "{:?}",
        outcome.calls
    );
    project.write("b.txt", "z 4");
    project.run();
    assert_eq!(project.table("all"), ["x 1", "y 2", "z 4"]);
}

#[test]
fn a_reduce_over_a_reduce_follows_it() {
    let flow = format!(
        r#"{LINES}
[transform.weight]
call = "sample.weigh"
each = "line"

[reduce.sum]
call = "sample.total"
over = "line"
by = ["head"]
from = {{ weights = "weight" }}

[reduce.whole]
call = "sample.total"
over = "sum"
by = []
from = {{ weights = "sum" }}
{}"#,
        target("whole", "whole", r#""sum""#, r#"sum = "whole""#)
    );
    let mut project = project(&flow);
    project.write("a.txt", "x 1\ny 2").write("b.txt", "x 3");
    project.run();
    let sum = |text: &str| text.bytes().map(u32::from).sum::<u32>();
    assert_eq!(project.table("whole"), [(sum("x 1y 2x 3")).to_string()]);
    project.write("b.txt", "y 4");
    let outcome = project.run();
    assert_eq!(project.table("whole"), [(sum("x 1y 2y 4")).to_string()]);
    let called: Vec<&str> = outcome.calls.iter().map(|call| &**call).collect();
    assert_eq!(
        called,
        [
            "head b.txt",
            "line b.txt",
            "sum x",
            "sum y",
            "weight b.txt",
            "whole (all)"
        ]
    );
    project.component = Some(meeting(1));
    project.run();
    assert_eq!(project.table("whole"), project.fresh().table("whole"));
}
