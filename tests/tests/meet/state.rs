//! Functions with state: rows in their order, batch by batch, each with what the ones before have left.

use crate::{LINES, project, target};
use flowstone_tests::{Project, meeting};

fn running(state: &str) -> Project {
    let flow = format!(
        r#"{LINES}
[transform.so-far]
call = "sample.running"
each = "line"
from = {{ lines = "line" }}
state = {state}
{}"#,
        target(
            "told",
            "so-far",
            r#""path", "line""#,
            r#"path = "so-far.path", line = "so-far.line", length = "so-far""#
        )
    );
    project(&flow)
}

#[test]
fn rows_come_in_the_order_of_their_keys() {
    let project = running("true");
    project
        .write("b.txt", "four\nfive5\n")
        .write("a.txt", "1\n22\n");
    let outcome = project.run();
    assert_eq!(
        project.table("told"),
        ["a.txt|1|1", "a.txt|22|3", "b.txt|five5|12", "b.txt|four|7"]
    );
    assert!(
        outcome.calls.iter().any(|call| call.starts_with("so-far ")),
        "{:?}",
        outcome.calls
    );
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn each_key_has_a_state_of_its_own() {
    let project = running(r#"{ by = ["head"] }"#);
    project.write("a.txt", "x 1\ny 22\nx 333\n");
    project.run();
    assert_eq!(
        project.table("told"),
        ["a.txt|x 1|3", "a.txt|x 333|8", "a.txt|y 22|4"]
    );
    project.write("b.txt", "y 1\n");
    let outcome = project.run();
    let calls: Vec<_> = outcome
        .calls
        .iter()
        .filter(|call| call.starts_with("so-far"))
        .collect();
    assert_eq!(calls, ["so-far y"]);
    assert_eq!(outcome.report.targets["told"].inserted, 1);
    assert_eq!(outcome.report.targets["told"].updated, 0);
}

#[test]
fn rows_at_the_end_are_all_that_runs_when_rows_come_at_the_end() {
    let project = running("{ rows = 4 }");
    for file in 100..300 {
        project.write(&format!("{file}.txt"), format!("{file}\n"));
    }
    let first = project.run().report.transforms["so-far"].called;
    assert!(first >= 50, "{first}");
    project.write("300.txt", "300\n");
    let outcome = project.run();
    let called = outcome.report.transforms["so-far"].called;
    assert!((1..=2).contains(&called), "{called}");
    assert_eq!(project.table("told"), project.fresh().table("told"));
    // A change in the middle goes on while the state differs; one that leaves the state as it was does not.
    project.write("200.txt", "999\n");
    let called = project.run().report.transforms["so-far"].called;
    assert!((1..=3).contains(&called), "{called}");
    project.write("200.txt", "longer\n");
    let called = project.run().report.transforms["so-far"].called;
    assert!((20..=first).contains(&called), "{called} of {first}");
    assert_eq!(project.table("told"), project.fresh().table("told"));
    project
        .remove("150.txt")
        .write("100.txt", "")
        .write("101b.txt", "new\n");
    project.run();
    assert_eq!(project.table("told"), project.fresh().table("told"));
}

#[test]
fn rows_go_on_from_those_before_a_batch_that_is_gone() {
    let project = running("{ rows = 1 }");
    project
        .write("a.txt", "1\n")
        .write("b.txt", "22\n")
        .write("c.txt", "333\n");
    project.run();
    project.remove("b.txt");
    let called = project.run().report.transforms["so-far"].called;
    assert_eq!(called, 1);
    assert_eq!(project.table("told"), ["a.txt|1|1", "c.txt|333|4"]);
}

#[test]
fn a_batch_that_fails_fails_its_group_from_there_on() {
    let project = running(r#"{ by = ["head"], rows = 1 }"#);
    project
        .write("a.txt", "x 1\ny 1\n")
        .write("b.txt", "! x\n")
        .write("c.txt", "x 2\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    assert_eq!(project.table("told").len(), 3);
    project.write("b.txt", "x 5\n");
    assert_eq!(project.run().report.failures, 0);
    assert_eq!(project.table("told"), project.fresh().table("told"));
}

#[test]
fn changed_code_hands_all_rows_over_again() {
    let mut project = running("true");
    project.write("a.txt", "1\n22\n");
    project.run();
    project.component = Some(meeting(100));
    project.run();
    assert_eq!(project.table("told"), ["a.txt|1|101", "a.txt|22|103"]);
}
