//! Combined reduces: a tree of partial results, of which a change makes few anew.

use crate::{LINES, project, target};
use flowstone_tests::{Project, meeting};

/// All lines of a group one after the other: associative, but the order shows.
fn told(by: &str) -> Project {
    let columns = if by.is_empty() {
        r#"text = "told""#.to_owned()
    } else {
        format!(r#"head = "told.{by}", text = "told""#)
    };
    let by = if by.is_empty() {
        String::new()
    } else {
        format!("{by:?}")
    };
    let flow = format!(
        r#"{LINES}
[reduce.told]
call = "sample.same"
over = "line"
by = [{by}]
from = {{ line = "line" }}
combine = "sample.concat"
{}"#,
        target("told", "told", r#""text""#, &columns)
    );
    project(&flow)
}

fn combined(calls: &[String]) -> usize {
    calls
        .iter()
        .filter(|call| call.starts_with("told.combine"))
        .count()
}

#[test]
fn members_are_combined_in_their_order() {
    let project = told("");
    let text = |from: usize| {
        (from..from + 40)
            .map(|n| format!("{n}\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    project.write("b.txt", text(50)).write("a.txt", text(10));
    let outcome = project.run();
    let all = (10..50)
        .chain(50..90)
        .map(|n| n.to_string())
        .collect::<String>();
    assert_eq!(project.table("told"), [all]);
    // A tree over n members takes n - 1 calls, whatever its shape.
    assert_eq!(combined(&outcome.calls), 79);
    assert_eq!(outcome.report.transforms["told.combine"].called, 79);
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn a_changed_member_asks_for_few_calls() {
    let project = told("");
    for file in 0..400 {
        project.write(&format!("{file:03}.txt"), format!("{file:03}."));
    }
    let first = project.run();
    assert_eq!(combined(&first.calls), 399);
    for (file, text) in [(17, "x."), (200, "yy."), (399, "")] {
        project.write(&format!("{file:03}.txt"), text);
        let outcome = project.run();
        let calls = combined(&outcome.calls);
        assert!((1..=60).contains(&calls), "{calls} calls");
        assert_eq!(project.table("told"), project.fresh().table("told"));
    }
    // A row that comes, and one that goes.
    project.write("100b.txt", "new.").remove("300.txt");
    let calls = combined(&project.run().calls);
    assert!((1..=100).contains(&calls), "{calls} calls");
    assert_eq!(project.table("told"), project.fresh().table("told"));
}

#[test]
fn one_member_is_the_group_and_none_is_no_group() {
    let project = told("head");
    project.write("a.txt", "x 1\ny 1\ny 2");
    let outcome = project.run();
    assert_eq!(combined(&outcome.calls), 1);
    assert_eq!(project.table("told"), ["x|x 1", "y|y 1y 2"]);
    project.write("a.txt", "y 2");
    assert_eq!(combined(&project.run().calls), 0);
    assert_eq!(project.table("told"), ["y|y 2"]);
    project.write("a.txt", "");
    project.run();
    assert_eq!(project.table("told"), [""; 0]);
}

#[test]
fn changed_code_makes_all_partial_results_anew() {
    let flow = format!(
        r#"{LINES}
[transform.weight]
call = "sample.weigh"
each = "line"

[reduce.told]
call = "sample.same"
over = "line"
by = ["head"]
from = {{ line = "line" }}
combine = "sample.concat"
{}"#,
        target(
            "told",
            "told",
            r#""head""#,
            r#"head = "told.head", text = "told""#
        )
    );
    let mut project = project(&flow);
    project.flow = project.flow.replace(
        "component = \"sample.wasm\"",
        "component = \"sample.wasm\"\nidentity = \"component\"",
    );
    project.write("a.txt", "x 1\nx 2\nx 3\ny 1");
    project.run();
    project.component = Some(meeting(1));
    let outcome = project.run();
    assert_eq!(combined(&outcome.calls), 2);
    assert_eq!(outcome.report.targets["told"].unchanged, 2);
    assert_eq!(project.table("told"), ["x|x 1x 2x 3", "y|y 1"]);
}
