//! Why the last run called a transform, or did not.

use flowstone::Cause;

use crate::{explain, groups, project};

#[test]
fn explained_are_new_rows_changed_arguments_code_and_literals() {
    let mut project = project();
    project.run();
    let explained = explain(&project, "weight", None);
    assert_eq!(groups(&explained), ["called 3: new rows"]);
    project.write("a.md", "one\nzwei\n");
    project.run();
    let explained = explain(&project, "weight", None);
    assert_eq!(
        groups(&explained),
        [
            "called 1: argument `line` changed",
            "reused 1: reused: made in run 1"
        ]
    );
    assert_eq!(explained.untouched_rows, 1);
    let row = explain(&project, "weight", Some("a.md#1"));
    let [call] = &row.calls[..] else {
        panic!("one row has one call");
    };
    assert_eq!(call.values[0].from.as_deref(), Some("\"two\""));
    assert_eq!(call.values[0].to.as_deref(), Some("\"zwei\""));
    project.guest.weight = 1;
    project.run();
    let row = explain(&project, "weight", Some("b.md#0"));
    assert!(
        matches!(row.calls[0].causes[..], [Cause::Code { .. }]),
        "{row:?}"
    );
}

#[test]
fn explained_are_signatures_and_literals_that_changed() {
    let mut project = project();
    let weigh = "call = \"sample.weigh\"\n";
    project.flow = project
        .flow
        .replace(weigh, "call = \"sample.scale\"\nwith = { times = 2 }\n");
    project.run();
    project.flow = project.flow.replace("times = 2", "times = 3");
    let plan = project.plan();
    assert_eq!(
        plan.transforms[1].reasons[0].why,
        "literal `times` changed from 2 to 3"
    );
    project.run();
    let explained = explain(&project, "weight", None);
    assert_eq!(
        groups(&explained),
        ["called 3: literal `times` changed from 2 to 3"]
    );
    project.flow = project
        .flow
        .replace("call = \"sample.scale\"\nwith = { times = 3 }\n", weigh);
    project.run();
    let why = &groups(&explain(&project, "weight", None))[0];
    assert!(
        why.contains("signature changed from `scale: func(line: string, times: u32) -> u32`"),
        "{why}"
    );
}

#[test]
fn a_plan_and_an_explanation_say_the_same_of_a_transform_that_was_added() {
    let mut project = project();
    project.run();
    let added = "[transform.kept]\ncall = \"sample.keep\"\neach = \"line\"\n\n[target.index]";
    project.flow = project.flow.replace("[target.index]", added);
    let plan = project.plan();
    let kept = plan
        .transforms
        .iter()
        .find(|transform| transform.name == "kept");
    let kept = kept.expect("it is in the plan");
    assert_eq!(kept.reasons[0].why, "never called with these arguments");
    project.run();
    let explained = explain(&project, "kept", None);
    assert_eq!(
        groups(&explained),
        ["called 3: never called with these arguments"]
    );
}

#[test]
fn a_flow_that_was_renamed_is_explained_by_its_own_runs() {
    let mut project = project();
    project.run();
    project.flow = project.flow.replace("name = \"lines\"", "name = \"rows\"");
    project.write("a.md", "one\nzwei\n");
    project.run();
    let explained = explain(&project, "weight", None);
    assert_eq!(explained.run.map(|run| run.0), Some(2));
    assert_eq!(groups(&explained)[0], "called 1: argument `line` changed");
}

#[test]
fn explained_are_calls_that_are_remembered_no_longer() {
    let mut project = project();
    project.run();
    let weigh = "call = \"sample.weigh\"\n";
    let disabled = format!("{weigh}cache = {{ mode = \"disable\" }}\n");
    project.flow = project.flow.replace(weigh, &disabled);
    project.run();
    let explained = explain(&project, "weight", None);
    assert_eq!(groups(&explained), ["called 3: mode `disable`"]);
    // The rows were worked on for its sake, so what they reused was reused by that run.
    let explained = explain(&project, "line", None);
    assert_eq!(groups(&explained), ["reused 2: reused: made in run 1"]);
}

#[test]
fn every_call_of_a_long_row_is_compared_with_the_one_that_had_its_arguments() {
    let mut project = project();
    let lines: Vec<String> = (0..600).map(|line| format!("line {line}")).collect();
    project
        .write("long.md", lines.join("\n"))
        .remove("a.md")
        .remove("b.md");
    project.run();
    project.guest.weight = 1;
    let plan = project.plan();
    let [reason] = &plan.transforms[1].reasons[..] else {
        panic!("all calls have one reason: {plan:?}");
    };
    assert!(
        reason.why.starts_with("code changed from function:"),
        "{reason:?}"
    );
    assert!(!reason.why.contains("argument"), "{reason:?}");
    project.run();
    let explained = explain(&project, "weight", None);
    let said = groups(&explained);
    assert_eq!(said, [format!("called 600: {}", reason.why)]);
}
