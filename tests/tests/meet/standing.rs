//! Flows that change while rows of different collections meet: what a run that was cut off leaves half done is done later, and
//! nothing of a former flow stays behind.

use std::sync::atomic::{AtomicBool, Ordering};

use flowstone::Event;
use flowstone_tests::{Project, meeting};

use crate::{LINES, project, target};

/// Runs until the first event that `when` is true of, and stops there.
fn run_until(project: &Project, when: impl Fn(&Event<'_>) -> bool + Sync) {
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = AtomicBool::new(false);
    let observer = |event: &Event<'_>| {
        if when(event) {
            stop.store(true, Ordering::SeqCst);
        }
    };
    let report = engine.run(&flow, &project.options, &stop, &observer);
    assert!(report.expect("the run begins").interrupted);
}

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
    let project = project(&format!("{LINES}{reduce}{target}"));
    for file in 0..200 {
        project.write(&format!("{file:03}.txt"), format!("{file} x\n"));
    }
    project
}

#[test]
fn a_step_that_leaves_and_returns_after_a_run_that_was_cut_off_is_whole_again() {
    let mut project = joined();
    project.run();
    let (before, with) = (project.table("joined"), project.flow.clone());
    assert_eq!(before.len(), 200);
    project.flow = with[..with.find("[reduce.joined]").expect("it is there")].to_owned();
    run_until(&project, |event| {
        matches!(event, Event::BatchCommitted { .. })
    });
    project.flow = with;
    project.run();
    assert_eq!(project.table("joined"), before);
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn a_flow_that_came_and_went_in_a_run_that_was_cut_off_leaves_no_rows() {
    let mut project = joined();
    project.run();
    let before = project.table("joined");
    let edited = project
        .flow
        .replace("text = \"joined\"", "text = \"joined.head\"");
    let first = std::mem::replace(&mut project.flow, edited);
    run_until(&project, |event| {
        matches!(
            event,
            Event::TargetApplied {
                target: "joined",
                ..
            }
        )
    });
    assert_ne!(project.table("joined"), before);
    project.flow = first;
    project.run();
    assert_eq!(project.table("joined"), before);
}

/// Two files of records with the same keys, one of which is grouped.
fn pointed_at(source: &str) -> String {
    format!(
        r#"
[source.food]
kind = "csv"
path = "docs/food.csv"
key = "id"

[source.tools]
kind = "csv"
path = "docs/tools.csv"
key = "id"

[reduce.joined]
call = "sample.join"
over = "{source}"
by = ["kind"]
from = {{ lines = "name" }}
{}"#,
        target(
            "joined",
            "joined",
            r#""kind""#,
            r#"kind = "joined.kind", text = "joined""#
        )
    )
}

#[test]
fn a_reduce_over_another_collection_has_the_rows_of_that_one() {
    let mut project = project(&pointed_at("tools"));
    project
        .write("food.csv", "id,kind,name\n1,a,apple\n2,b,bread\n")
        .write("tools.csv", "id,kind,name\n1,a,axe\n2,b,bench\n3,b,bolt\n");
    project.run();
    assert_eq!(project.table("joined"), ["a|axe;", "b|bench;bolt;"]);
    let start = project.flow.find("\n[source.food]").expect("it is there");
    for (source, rows) in [
        ("food", ["a|apple;", "b|bread;"]),
        ("tools", ["a|axe;", "b|bench;bolt;"]),
    ] {
        project.flow = format!("{}{}", &project.flow[..start], pointed_at(source));
        project.run();
        assert_eq!(project.table("joined"), rows);
    }
}

#[test]
fn a_group_that_goes_together_with_the_code_is_gone() {
    let flow = format!(
        r#"{LINES}
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
    project
        .write("a.txt", "x 1\nx 2\n")
        .write("b.txt", "y 1\ny 2\n");
    project.run();
    assert_eq!(project.table("told"), ["x|x 1x 2", "y|y 1y 2"]);
    project.component = Some(meeting(1));
    project.remove("b.txt");
    project.run();
    assert_eq!(project.table("told"), ["x|x 1x 2"]);
    // The same where all is made anew in every run.
    project.write("b.txt", "y 1\ny 2\n");
    project.run();
    project.remove("b.txt");
    project.options.cache.refresh = true;
    project.run();
    assert_eq!(project.table("told"), ["x|x 1x 2"]);
}

#[test]
fn a_group_that_shrinks_after_a_fold_was_cut_off_has_its_result() {
    let flow = format!(
        r#"{LINES}
[reduce.told]
call = "sample.same"
over = "line"
by = []
from = {{ line = "line" }}
combine = "sample.concat"
{}"#,
        target("told", "told", r#""text""#, r#"text = "told""#)
    );
    let project = project(&flow);
    let all = |count: usize| {
        (0..count)
            .map(|line| format!("{line}.\n"))
            .collect::<String>()
    };
    project.write("a.txt", all(64));
    for call in 1..40 {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        project.write("a.txt", all(64 + call));
        run_until(&project, |event| {
            matches!(
                event,
                Event::Called {
                    transform: "told.combine",
                    ..
                }
            ) && seen.fetch_add(1, Ordering::SeqCst) + 1 == call % 7 + 1
        });
        project.write("a.txt", "only\n");
        let outcome = project.run();
        assert_eq!(outcome.report.failures, 0);
        assert_eq!(project.table("told"), ["only"]);
    }
}
