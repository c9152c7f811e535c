//! Results that are given for a run.

use flowstone::{Error, Overrides};
use flowstone_tests::Project;

use crate::{NOTHING, project};

fn overridden(project: &Project, text: &str) -> Result<Overrides, Error> {
    let (_, flow) = project.open().expect("the flow opens");
    let mut overrides = Overrides::default();
    overrides.add(flow.plan(), "line.weight", "given.jsonl", text)?;
    Ok(overrides)
}

#[test]
fn given_results_take_the_place_of_calls_and_are_not_remembered() {
    let mut project = project();
    let text = "{\"key\": \"a.md\", \"index\": [1], \"value\": 7}\n";
    project.options.overrides = overridden(&project, text).expect("they can be given");
    let outcome = project.run();
    assert_eq!(
        outcome.calls,
        ["line a.md", "line b.md", "weight a.md", "weight b.md"]
    );
    assert_eq!(
        project.rows(),
        ["a.md|one|322", "a.md|two|7", "b.md|three|536"]
    );
    assert_eq!(
        project.run().calls,
        NOTHING,
        "the same results are given again"
    );
    project.write("b.md", "two\n");
    assert_eq!(
        project.run().calls,
        ["line b.md", "weight b.md"],
        "what was given was not remembered"
    );
    project.options.overrides = Overrides::default();
    assert_eq!(
        project.run().calls,
        NOTHING,
        "by now it was called for another row"
    );
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn what_is_given_flows_on_as_results_do() {
    let mut project = project();
    project.flow = project.flow.replace(
        "[transform.weight]",
        "[transform.kept]\ncall = \"sample.keep\"\neach = \"line\"\n\n[transform.weight]",
    );
    project.flow = project.flow.replace(
        "call = \"sample.weigh\"\n",
        "call = \"sample.weigh\"\nfrom = { line = \"kept\" }\n",
    );
    project.run();
    let (_, flow) = project.open().expect("the flow opens");
    let text = "{\"key\": \"b.md\", \"index\": [0], \"value\": \"two\"}\n{\"key\": \"a.md\", \"index\": [0], \"value\": null}";
    let mut overrides = Overrides::default();
    overrides
        .add(flow.plan(), "kept", "given.jsonl", text)
        .expect("they can be given");
    drop(flow);
    project.options.overrides = overrides;
    assert_eq!(project.run().calls, NOTHING, "`two` has been weighed");
    assert_eq!(project.rows(), ["a.md|two|346", "b.md|three|346"]);
}

#[test]
fn what_cannot_be_given_is_refused_with_its_place() {
    let project = project();
    let refused = |text: &str| {
        let error = overridden(&project, text).expect_err("it is refused");
        error.to_string()
    };
    insta::assert_snapshot!(refused("{\"key\": \"a.md\", \"value\": 7}"), @"given.jsonl:1: `weight` needs an `index` of 1 positions, not 0");
    insta::assert_snapshot!(refused("\n{\"key\": \"a.md\", \"index\": [0], \"value\": -1}"), @"given.jsonl:2: the value is no `u32`: expected `u32`, found -1");
    insta::assert_snapshot!(refused("{\"key\": \"a.md\", \"index\": [0], \"value\": 1}\n{\"key\": \"a.md\", \"index\": [0], \"value\": 2}"), @"given.jsonl:2: the row has been given a value before");
    insta::assert_snapshot!(refused("nonsense"), @r#"given.jsonl:1: expected ident at line 1 column 2; a line looks like `{"key": "a.md", "index": [0], "value": 7}`"#);
}

#[test]
fn results_for_rows_that_are_not_there_stop_the_run_before_anything_is_changed() {
    let mut project = project();
    project.options.overrides = overridden(
        &project,
        "{\"key\": \"x.md\", \"index\": [0], \"value\": 7}",
    )
    .expect("they can be given");
    let error = project.try_run().err().expect("the run is refused");
    insta::assert_snapshot!(error, @"given.jsonl:1: source `page` has no row `x.md`");
    assert!(project.rows().is_empty());
    project.options.overrides = overridden(
        &project,
        "{\"key\": \"a.md\", \"index\": [9], \"value\": 7}",
    )
    .expect("they can be given");
    let outcome = project.run();
    insta::assert_snapshot!(outcome.report.failed[0].reason, @"weight: given.jsonl:1 gives a result for row [9], and there are 2 rows");
}

#[test]
fn rows_with_given_results_that_are_only_touched_keep_what_they_made() {
    let mut project = project();
    let text = "{\"key\": \"a.md\", \"index\": [1], \"value\": 7}\n";
    project.options.overrides = overridden(&project, text).expect("they can be given");
    project.run();
    project.write("a.md", "one\ntwo\n");
    let outcome = project.run();
    assert_eq!(
        (outcome.report.failures, outcome.calls.as_slice()),
        (0, &[][..])
    );
    project.options.overrides = Overrides::default();
    project.write("a.md", "one\n");
    project.run();
    assert_eq!(project.rows(), project.fresh_rows());
    project.remove("a.md");
    project.run();
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_row_is_given_one_result_even_by_two_files() {
    let project = project();
    let (_, flow) = project.open().expect("the flow opens");
    let line = "{\"key\": \"a.md\", \"index\": [1], \"value\": 7}\n";
    let mut overrides = Overrides::default();
    let mut add = |file| overrides.add(flow.plan(), "weight", file, line);
    add("one.jsonl").expect("it can be given");
    let error = add("two.jsonl").expect_err("it is refused");
    insta::assert_snapshot!(error, @"two.jsonl:1: the row has been given a value before");
}
