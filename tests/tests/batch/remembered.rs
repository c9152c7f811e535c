//! What is remembered of batched calls: each row's result under a key of its own, for all that handles results.

use std::io::Cursor;

use flowstone::{
    CacheFilter, CachedOutcome, Event, ExportOptions, GivenValue, Overrides, PinSource,
    VerifyOptions, VerifyReport,
};
use flowstone_tests::{Guest, Project, guest, lists_guest};

use crate::{NEVER, NOTHING, batch, function, items, lines, run, weights, write};

const ALL: VerifyOptions = VerifyOptions {
    sample: None,
    seed: 7,
    differences_max: 3,
};

fn verify(project: &Project) -> VerifyReport {
    let (engine, flow) = project.open().expect("the flow opens");
    let observer = |event: &Event<'_>| {
        if let Event::Called { rows, .. } = event {
            assert_eq!(*rows, 1, "rows are compared alone");
        }
    };
    let report = engine.verify(&flow, &[], &ALL, &NEVER, &observer);
    report.expect("it can be compared")
}

/// Asserts that all results were compared and are what calling gives.
fn assert_sound(report: &VerifyReport, results: u64) {
    let weight = &report.transforms[0];
    assert_eq!(
        (weight.compared, weight.equal),
        (results, results),
        "{weight:?}"
    );
    assert!(weight.is_sound() && weight.complete && weight.without_code.is_empty());
}

fn pin(project: &mut Project) {
    let call = "[transform.weight]\n";
    let pinned = format!("{call}cache = {{ pin = \"weight-1\" }}\n");
    project.flow = project.flow.replace(call, &pinned);
}

#[test]
fn one_changed_row_is_called_for_alone() {
    let mut lines = lines(100);
    let project = items(&lines);
    assert_eq!(run(&project).calls, [64, 36]);
    "changed".clone_into(&mut lines[42]);
    write(&project, &lines);
    let ran = run(&project);
    assert_eq!((ran.calls, ran.rows), (vec![1], vec!["0042".to_owned()]));
    assert_eq!(ran.report.targets["index"].updated, 1);
    assert_eq!(project.rows(), weights(&lines));
    assert_eq!(project.rows(), project.fresh_rows());
    // A row with a line that another had before it needs no call.
    lines.push("line 42".to_owned());
    write(&project, &lines);
    assert_eq!(run(&project).rows, NOTHING);
}

#[test]
fn equal_rows_of_a_batch_share_a_place_in_the_call() {
    let project = items(&["a", "b", "a", "a"]);
    let ran = run(&project);
    assert_eq!(ran.calls, [2]);
    assert_eq!(ran.report.transforms["weight"].reused, 2);
    assert_eq!(project.rows(), weights(&["a", "b", "a", "a"]));
}

#[test]
fn sizes_of_batches_are_no_part_of_what_is_remembered() {
    let mut project = items(&lines(20));
    run(&project);
    batch(
        &mut project,
        "batch = { rows = 3, bytes = \"1KiB\", wait = \"1s\" }",
    );
    assert_eq!(run(&project).rows, NOTHING);
    let mut more = lines(20);
    more.push("one more".to_owned());
    write(&project, &more);
    assert_eq!(run(&project).rows, ["0020"]);
}

#[test]
fn a_plan_knows_the_rows_that_a_run_would_call_for() {
    let mut known = lines(20);
    let project = items(&known);
    run(&project);
    known[3].push('!');
    known.push("one more".to_owned());
    write(&project, &known);
    let plan = project.plan();
    let weight = &plan.transforms[0];
    assert_eq!((weight.calls, weight.undecided), (2, 0));
    let why: Vec<_> = weight.reasons.iter().map(|reason| &*reason.why).collect();
    assert_eq!(why, ["argument `item.line` changed", "new rows"]);
    assert_eq!(run(&project).rows, ["0003", "0020"]);
}

#[test]
fn results_that_are_not_remembered_are_called_for_in_batches_in_every_run() {
    for mode in ["disable", "recompute"] {
        let mut project = items(&lines(10));
        batch(
            &mut project,
            &format!("batch = true\ncache = {{ mode = \"{mode}\" }}"),
        );
        assert_eq!(run(&project).calls, [10]);
        assert_eq!(run(&project).calls, [10], "{mode}");
        assert_eq!(project.rows(), weights(&lines(10)));
    }
}

#[test]
fn results_are_compared_row_by_row_with_the_code_that_made_them() {
    let mut project = items(&lines(30));
    pin(&mut project);
    run(&project);
    assert_sound(&verify(&project), 30);
    // Other code under the pin: `verify` calls that which made the results, `pin verify` the present.
    project.component = Some(lists_guest(1));
    assert_eq!(run(&project).rows, NOTHING);
    assert_sound(&verify(&project), 30);
    let (engine, flow) = project.open().expect("the flow opens");
    let report = engine.verify_pin(&flow, "weight", &ALL, &NEVER, &|_: &Event<'_>| {});
    let weight = &report.expect("it can be compared").transforms[0];
    assert_eq!((weight.compared, weight.different), (30, 30));
}

#[test]
fn failures_and_skipped_rows_are_compared_too() {
    let mut project = items(&["a", "?b", "#c"]);
    function(&mut project, "judge-all");
    run(&project);
    assert_sound(&verify(&project), 3);
}

#[test]
fn results_of_a_function_for_one_row_can_be_adopted_by_one_for_many() {
    let mut project = items(&lines(12));
    let batched = project.flow.clone();
    project.flow = batched.replace("batch = true\n", "");
    project.component = Some(guest(Guest::default()));
    assert_eq!(run(&project).calls, [1; 12]);
    project.flow = batched;
    project.component = Some(lists_guest(0));
    pin(&mut project);
    let (engine, flow) = project.open().expect("the flow opens");
    let from = PinSource::Run(flowstone::core::RunId(1));
    let report = engine.adopt_pin(&flow, "weight", &from, &NEVER);
    assert_eq!(report.expect("the results are alike").adopted, 12);
    drop((engine, flow));
    assert_eq!(run(&project).rows, NOTHING);
    assert_sound(&verify(&project), 12);
}

#[test]
fn a_function_that_came_to_take_many_rows_is_explained() {
    let mut project = items(&lines(3));
    let batched = project.flow.clone();
    project.flow = batched.replace("batch = true\n", "");
    project.component = Some(guest(Guest::default()));
    run(&project);
    project.flow = batched;
    project.component = Some(lists_guest(0));
    assert_eq!(run(&project).calls, [3]);
    let (engine, flow) = project.open().expect("the flow opens");
    let explained = engine.explain(&flow, "weight", Some("0001"), true, &NEVER);
    let explained = explained.expect("it can be explained");
    let said = format!("{:?}", explained.calls[0].causes);
    assert!(
        said.contains("weigh: func(line: string) -> u32, in batches"),
        "{said}"
    );
    // A changed argument is shown with both values.
    write(&project, &["line 0", "other", "line 2"]);
    drop((engine, flow));
    run(&project);
    let (engine, flow) = project.open().expect("the flow opens");
    let explained = engine.explain(&flow, "weight", Some("0001"), true, &NEVER);
    let explained = explained.expect("it can be explained");
    assert_eq!(
        explained.calls[0].values[0].to.as_deref(),
        Some("\"other\"")
    );
}

#[test]
fn results_are_read_and_put_row_by_row() {
    let project = items(&lines(5));
    run(&project);
    let (engine, flow) = project.open().expect("the flow opens");
    let found = engine.cache_get(&flow, "weight", "0003", &NEVER);
    let CachedOutcome::Value { value, .. } = found.expect("it is remembered").outcome else {
        panic!("it is a value");
    };
    assert_eq!(value, flowstone::core::Value::U32(crate::weight("line 3")));
    let put = engine.cache_put(&flow, "weight", "0003", GivenValue::Wave("7"), &NEVER);
    assert!(put.expect("it fits").replaced);
    drop((engine, flow));
    assert_eq!(run(&project).rows, NOTHING);
    assert_eq!(project.rows()[3], "0003|7");
}

#[test]
fn given_results_take_the_place_of_elements() {
    let mut project = items(&lines(5));
    let (engine, flow) = project.open().expect("the flow opens");
    let mut overrides = Overrides::default();
    let given = "{\"key\": \"0003\", \"value\": 7}\n";
    let added = overrides.add(flow.plan(), "weight", "given.jsonl", given);
    added.expect("it can be given");
    drop((engine, flow));
    project.options.overrides = overrides;
    assert_eq!(run(&project).calls, [4]);
    assert_eq!(project.rows()[3], "0003|7");
}

#[test]
fn results_can_be_taken_to_another_store() {
    let judged = || {
        let mut project = items(&["a", "?b", "#c"]);
        function(&mut project, "judge-all");
        project
    };
    let here = judged();
    run(&here);
    let (engine, _flow) = here.open().expect("the flow opens");
    let mut archive = Vec::new();
    let options = ExportOptions { builds: true };
    let exported = engine.cache_export(&CacheFilter::default(), options, &mut archive, &NEVER);
    assert_eq!(exported.expect("it can be exported").results, 3);
    let there = judged();
    let (engine, flow) = there.open().expect("the flow opens");
    let report = engine.cache_import(&mut Cursor::new(archive), false, &NEVER);
    assert_eq!(report.expect("it is sound").imported, 3);
    drop((engine, flow));
    assert_eq!(run(&there).rows, NOTHING);
    assert_eq!(there.rows(), here.rows());
    assert_eq!(there.rows(), ["0000|a"]);
    assert_sound(&verify(&there), 3);
}

#[test]
fn lineage_leads_through_batched_calls() {
    let project = items(&lines(5));
    run(&project);
    let (engine, flow) = project.open().expect("the flow opens");
    let lineage = engine.lineage_of_source(&flow, "item", "0002");
    let lineage = lineage.expect("the row is known");
    assert!(lineage.certain && lineage.unplaced.is_empty());
    assert_eq!((lineage.calls.len(), lineage.targets.len()), (1, 1));
}
