//! What is remembered of rows that meet: results at hand, put by hand, given for a run.

use std::sync::atomic::{AtomicBool, Ordering};

use flowstone::{CacheResult, CachedOutcome, Event, GivenValue, Overrides, PinSource};
use flowstone_tests::Project;

use crate::{LINES, MEETING, project, target};

/// What a transform gave for a row, as text; or why that is not to be had.
fn get(project: &Project, name: &str, key: &str) -> Result<String, String> {
    let (engine, flow) = project.open().expect("the flow opens");
    let result: Result<CacheResult, _> =
        engine.cache_get(&flow, name, key, &AtomicBool::new(false));
    match result.map_err(|error| error.to_string())?.outcome {
        CachedOutcome::Value { value, ty, .. } => Ok(flowstone::core::to_wave(&value, &ty)),
        other => Err(format!("{other:?}")),
    }
}

/// Lines joined per head, and the joined lines once more.
fn joined() -> Project {
    let flow = format!(
        r#"{LINES}
[reduce.joined]
call = "sample.join"
over = "line"
by = ["head"]
from = {{ lines = "line" }}

[transform.again]
call = "sample.same"
each = "joined"
from = {{ line = "joined" }}

[reduce.all]
call = "sample.rows"
over = "joined"
by = []
from = {{ lines = "again" }}
rows = true

[transform.weight]
call = "sample.weigh"
each = "all"
from = {{ line = "all" }}

[union.both]
of = ["line"]

[transform.heavy]
call = "sample.weigh"
each = "both"
from = {{ line = "both" }}
{}{}{}"#,
        target(
            "joined",
            "joined",
            r#""head""#,
            r#"head = "joined.head", text = "again""#
        ),
        target(
            "all",
            "all",
            r#""line""#,
            r#"line = "all", weight = "weight""#
        ),
        target(
            "both",
            "both",
            r#""line""#,
            r#"line = "both", heavy = "heavy""#
        ),
    );
    project(&flow)
}

#[test]
fn results_of_gathered_rows_are_found_by_the_names_of_these() {
    let project = joined();
    project.write("a.txt", "x 1\ny 2\nx 3");
    project.run();
    assert_eq!(get(&project, "joined", "x").as_deref(), Ok("\"x 1;x 3;\""));
    assert_eq!(get(&project, "heavy", "line/a.txt#1").as_deref(), Ok("203"));
    let weight = "y 2;".bytes().map(u32::from).sum::<u32>().to_string();
    assert_eq!(get(&project, "weight", "(all)#1"), Ok(weight));
    let error = get(&project, "joined", "z").expect_err("there is no such group");
    assert!(error.contains("reduce `joined` has no row `z`"), "{error}");
    let error = get(&project, "both", "line/a.txt#1").expect_err("it is no transform");
    assert!(error.contains("`both` is a union"), "{error}");
}

#[test]
fn a_result_put_for_a_group_goes_on_to_what_reads_it() {
    let project = joined();
    project.write("a.txt", "x 1\ny 2");
    project.run();
    let put = |key: &str, text: &str| {
        let (engine, flow) = project.open().expect("the flow opens");
        let given = GivenValue::Wave(text);
        let put = engine.cache_put(&flow, "joined", key, given, &AtomicBool::new(false));
        put.expect("it can be put").rows
    };
    assert_eq!(put("x", "\"given\""), 1);
    let plan = project.plan();
    let row = plan.rows.iter().find(|row| row.source == "joined");
    assert_eq!(
        row.map(|row| (&*row.key, &*row.why)),
        Some(("x", "result put by hand"))
    );
    let outcome = project.run();
    assert_eq!(outcome.calls, ["again x", "all (all)", "weight (all)"]);
    assert_eq!(project.table("joined"), ["x|given", "y|y 2;"]);
    assert_eq!(project.table("all").len(), 2);
    assert_eq!(project.run().calls, [""; 0]);
    // Taken away, what the code gives takes its place again.
    let (engine, flow) = project.open().expect("the flow opens");
    let removed = engine.cache_remove_one(&flow, "joined", "x", false, &AtomicBool::new(false));
    assert_eq!(removed.expect("it can be removed").rows, 1);
    drop((engine, flow));
    assert_eq!(project.run().calls, ["joined x"]);
    assert_eq!(project.table("joined"), ["x|x 1;", "y|y 2;"]);
}

#[test]
fn results_given_for_one_run_are_put_right_by_the_next() {
    let mut project = joined();
    project.write("a.txt", "x 1\ny 2");
    project.run();
    let give = |project: &Project, line: &str| {
        let (_, flow) = project.open().expect("the flow opens");
        let mut overrides = Overrides::default();
        overrides
            .add(flow.plan(), "joined", "given.jsonl", line)
            .expect("it can be given");
        overrides
    };
    project.options.overrides = give(&project, r#"{"key": "x", "value": "given"}"#);
    project.run();
    assert_eq!(project.table("joined"), ["x|given", "y|y 2;"]);
    project.options.overrides = Overrides::default();
    project.run();
    assert_eq!(project.table("joined"), ["x|x 1;", "y|y 2;"]);
    project.options.overrides = give(&project, r#"{"key": "z", "value": "given"}"#);
    let error = project.try_run().err().map(|error| error.to_string());
    let error = error.expect("there is no such group");
    assert!(error.contains("reduce `joined` has no row `z`"), "{error}");
    project.options.overrides = Overrides::default();
    project.run();
    assert_eq!(project.table("joined"), project.fresh().table("joined"));
}

#[test]
fn a_run_over_all_groups_that_is_cut_off_leaves_nothing_behind() {
    let mut project = joined();
    let lines: Vec<String> = (1000..2500).map(|n| format!("{n} x\n")).collect();
    project.write("a.txt", lines.concat());
    project.run();
    let whole = project.table("joined");
    let (engine, flow) = project.open().expect("the flow opens");
    let given: Vec<String> = (1000..2500)
        .map(|n| format!("{{\"key\": \"{n}\", \"value\": \"given {n}\"}}\n"))
        .collect();
    let overrides = &mut project.options.overrides;
    overrides
        .add(flow.plan(), "joined", "given.jsonl", &given.concat())
        .expect("they can be given");
    let stop = AtomicBool::new(false);
    let observer = |event: &Event<'_>| {
        let target = "joined";
        if matches!(event, Event::TargetApplied { target: applied, .. } if *applied == target) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let cut_off = engine.run(&flow, &project.options, &stop, &observer);
    assert!(cut_off.is_ok_and(|report| report.interrupted));
    drop((engine, flow));
    project.options.overrides = Overrides::default();
    let touched = project.table("joined");
    assert_ne!(touched, whole, "something was done before it was cut off");
    project.run();
    assert_eq!(project.table("joined"), whole);
}

fn explained(project: &Project, name: &str, key: Option<&str>) -> Result<Vec<String>, String> {
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = AtomicBool::new(false);
    let explanation = engine.explain(&flow, name, key, false, &stop);
    let groups = explanation.map_err(|error| error.to_string())?.groups;
    let group = |group: &flowstone::ExplainedGroup| format!("{}: {}", group.calls, group.why);
    Ok(groups.iter().map(group).collect())
}

#[test]
fn explained_are_members_and_lookups_that_changed() {
    let flow = format!(
        "{LINES}{MEETING}{}{}",
        target(
            "paired",
            "reader",
            r#""line""#,
            r#"line = "reader.line", text = "paired""#
        ),
        target("told", "told", r#""text""#, r#"text = "told""#),
    );
    let project = project(&flow);
    project.write("a.txt", "x 1\ny 1").write("b.txt", "x 2");
    project.run();
    let all = explained(&project, "told.combine", None).expect("it can be explained");
    assert!(all[0].starts_with("2: every partial result"), "{all:?}");
    assert!(
        project.plan().notes.is_empty(),
        "{:?}",
        project.plan().notes
    );
    project.write("b.txt", "x 3");
    let notes = project.plan().notes;
    let begins = |with: &str| notes.iter().any(|note| note.starts_with(with));
    assert!(begins("`joined` is made of rows of `line`"), "{notes:?}");
    assert!(
        begins("rows of `reader` look up `found` in `joined`"),
        "{notes:?}"
    );
    project.run();
    assert_eq!(
        explained(&project, "joined", None),
        Ok(vec!["1: members changed: `joined.lines`".to_owned()])
    );
    let paired = explained(&project, "paired", None).expect("it can be explained");
    assert!(
        paired.contains(&"1: what `found` looks up changed".to_owned()),
        "{paired:?}"
    );
    let some = explained(&project, "told.combine", None).expect("it can be explained");
    assert!(
        some[0].contains("hang on members which changed"),
        "{some:?}"
    );
    let error = explained(&project, "told.combine", Some("x")).expect_err("it has no rows");
    assert!(error.contains("no keys of their own"), "{error}");
}

#[test]
fn a_pin_of_a_function_with_state_is_listed_and_has_nothing_to_adopt() {
    let flow = format!(
        r#"{LINES}
[transform.so-far]
call = "sample.running"
each = "line"
from = {{ lines = "line" }}
state = true
cache = {{ pin = "so-far-1" }}
{}"#,
        target(
            "told",
            "so-far",
            r#""line""#,
            r#"line = "so-far.line", length = "so-far""#
        )
    );
    let project = project(&flow);
    project.write("a.txt", "1\n22\n");
    project.run();
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = AtomicBool::new(false);
    let pins = engine.pins(&stop).expect("they can be listed");
    assert_eq!(
        (&*pins[0].name, &*pins[0].transform, pins[0].entries),
        ("so-far-1", "so-far", 0)
    );
    let adopted = engine.adopt_pin(&flow, "so-far", &PinSource::Present, &stop);
    let error = adopted.expect_err("there is nothing to adopt").to_string();
    assert!(error.contains("keeps steps, not results"), "{error}");
    let dropped = engine.drop_pin("so-far-1", &stop);
    assert_eq!(dropped.map(|dropped| dropped.returned).ok(), Some(0));
    drop((engine, flow));
    assert_eq!(project.run().calls, [""; 0]);
}
