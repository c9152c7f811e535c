//! Setting results by hand, and what the next run makes of them.

use flowstone::core::Value;
use flowstone::{Error, GivenValue, Why};

use crate::{NEVER, NOTHING, get, open, project, put, value, with};

#[test]
fn a_result_that_is_put_reaches_the_target_without_a_call() {
    let project = project();
    project.write("copy.md", "two");
    project.run();
    let report = put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    assert!(report.replaced);
    assert_eq!(report.rows, 2, "the copy shares the call");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    let rows = [
        "a.md|one|322",
        "a.md|two|7",
        "b.md|three|536",
        "copy.md|two|7",
    ];
    assert_eq!(project.rows(), rows);
    assert_eq!(outcome.report.targets["index"].updated, 2);
    let found = get(&project, "weight", "a.md#1").expect("it is remembered");
    assert_eq!((found.why, found.run.0), (Why::Put, 2), "as old as the put");
    // Settled: a run without a change does nothing again.
    assert_eq!(project.run().report.targets["index"].updated, 0);
}

#[test]
fn what_is_put_waits_for_its_row() {
    let project = project();
    project.run();
    project.write("b.md", "four\n");
    let missing =
        put(&project, "b.md#0", GivenValue::Wave("7")).expect_err("its list is not known");
    assert!(matches!(missing, Error::NotFound(_)), "{missing}");
    project.run();
    let report = put(&project, "b.md#0", GivenValue::Json("7")).expect("it fits");
    assert_eq!(report.rows, 1);
    project.write("b.md", "five\n");
    project.run();
    project.write("b.md", "four\n");
    assert_eq!(project.run().calls, NOTHING, "both versions are remembered");
    assert!(project.rows().contains(&"b.md|four|7".to_owned()));
}

#[test]
fn a_plan_and_the_lineage_know_of_what_was_put() {
    let project = project();
    project.run();
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    let planned = project.plan().rows;
    let why: Vec<_> = planned.iter().map(|row| (&*row.key, &*row.why)).collect();
    assert_eq!(why, [("a.md", "result put by hand")]);
    let (engine, flow) = open(&project);
    let lineage = engine
        .lineage_of_source(&flow, "page", "a.md")
        .expect("it has lineage");
    let names: Vec<_> = lineage.calls.iter().map(|call| &*call.transform).collect();
    assert_eq!(names, ["line", "weight", "weight"]);
}

#[test]
fn what_is_put_twice_is_what_was_put_last() {
    let project = project();
    project.run();
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    let found = get(&project, "weight", "a.md#1").expect("it is remembered");
    put(&project, &found.key[..10], GivenValue::Wave("8")).expect("it fits");
    assert_eq!(project.run().calls, NOTHING);
    assert!(project.rows().contains(&"a.md|two|8".to_owned()));
}

#[test]
fn a_failure_is_mended_by_putting_a_result() {
    let mut project = project();
    with(&mut project, "vet", "");
    project.run();
    // A good version first, so that the failed row keeps what that made.
    project.write("b.md", "?three\n");
    assert_eq!(project.run().report.failures, 1);
    let report = put(&project, "b.md#0", GivenValue::Wave("3")).expect("a plain word is a string");
    assert_eq!((report.rows, report.outcome), (1, "value"));
    let outcome = project.run();
    assert_eq!((outcome.report.failures, &outcome.calls[..]), (0, &[][..]));
    assert!(
        project.rows().contains(&"b.md|?three|3".to_owned()),
        "{:?}",
        project.rows()
    );
}

#[test]
fn whole_results_can_be_put() {
    let mut project = project();
    with(&mut project, "vet", "");
    project.run();
    let put_wave = |text: &str| put(&project, "b.md#0", GivenValue::Wave(text)).expect("it fits");
    assert_eq!(put_wave("err(\"not today\")").outcome, "failed");
    let outcome = project.run();
    assert_eq!(outcome.report.failed[0].reason, "weight: not today");
    assert_eq!(put_wave("ok(\"yes\")").outcome, "value");
    project.run();
    assert!(project.rows().contains(&"b.md|three|yes".to_owned()));
    project.flow = project.flow.replace("sample.vet", "sample.keep");
    project.run();
    let put_json = |json: &str| put(&project, "b.md#0", GivenValue::Json(json)).expect("it fits");
    assert_eq!(put_json("null").outcome, "none");
    project.run();
    assert_eq!(
        project.rows().len(),
        2,
        "the row has no weight, so it is not there"
    );
    let raw = GivenValue::Raw("größer".as_bytes());
    put(&project, "b.md#0", raw).expect("it is a string");
    project.run();
    assert!(project.rows().contains(&"b.md|three|größer".to_owned()));
}

#[test]
fn a_large_value_is_put_and_read_whole() {
    let mut project = project();
    with(&mut project, "vet", "");
    project.run();
    let text = "long ".repeat(40_000);
    put(&project, "b.md#0", GivenValue::Raw(text.as_bytes())).expect("it fits");
    assert_eq!(value(&project, "weight", "b.md#0"), Value::str(&*text));
    project.run();
    assert!(project.rows().contains(&format!("b.md|three|{text}")));
}

#[test]
fn a_list_that_is_put_makes_its_rows() {
    let project = project();
    project.run();
    let (engine, flow) = open(&project);
    let lines = GivenValue::Json("[\"two\", \"vier\", \"three\"]");
    let report = engine.cache_put(&flow, "line", "b.md", lines, &NEVER);
    assert_eq!(report.expect("it fits").rows, 1);
    drop(engine);
    assert_eq!(
        project.run().calls,
        ["weight b.md"],
        "two of the lines are known"
    );
    assert_eq!(
        project.rows()[2..],
        ["b.md|three|536", "b.md|two|346", "b.md|vier|438"]
    );
}

#[test]
fn what_no_run_would_use_is_refused() {
    let mut project = project();
    project.run();
    let flow = project.flow.clone();
    for settings in [
        "cache = { mode = \"disable\" }",
        "cache = { mode = \"recompute\" }",
    ] {
        with(&mut project, "weigh", settings);
        let error = put(&project, "a.md#0", GivenValue::Wave("7")).expect_err("it is of no use");
        assert!(matches!(error, Error::Override { .. }), "{error}");
        project.flow.clone_from(&flow);
    }
    for given in [
        GivenValue::Wave("-1"),
        GivenValue::Json("\"7\""),
        GivenValue::Raw(b"7"),
    ] {
        let error = put(&project, "a.md#0", given).expect_err("it is no u32");
        assert!(matches!(error, Error::Override { .. }), "{error}");
    }
    assert_eq!(project.run().calls, NOTHING);
    assert!(project.rows().contains(&"a.md|one|322".to_owned()));
}

#[test]
fn what_was_put_is_undone_by_forgetting_it() {
    let project = project();
    project.run();
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    project.run();
    let (engine, flow) = project.open().expect("the flow opens");
    let report = engine.cache_remove_one(&flow, "weight", "a.md#1", false, &NEVER);
    assert_eq!(report.expect("it can be forgotten").rows, 1);
    drop((engine, flow));
    assert_eq!(project.run().calls, ["weight a.md"]);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn what_was_put_stays_at_home() {
    let project = project();
    project.run();
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    let (engine, _) = project.open().expect("the flow opens");
    let (filter, options) = (
        flowstone::CacheFilter::default(),
        flowstone::ExportOptions::default(),
    );
    let report = engine.cache_export(&filter, options, &mut Vec::new(), &NEVER);
    assert_eq!(report.expect("it can be exported").put, 1);
}
