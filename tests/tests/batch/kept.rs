//! Calls that share an instance: the same results as in fresh ones, or an error that says why not.

use flowstone::{Error, Event};
use flowstone_tests::{Guest, Project, guest};

use crate::{NEVER, batch, items, lines, run, weights};

const KEPT: &str = "instance = \"kept\"";

/// The items of a flow that calls the function for each of them alone.
fn project<S: AsRef<str>>(lines: &[S], setting: &str) -> Project {
    let mut project = items(lines);
    project.component = Some(guest(Guest::default()));
    batch(&mut project, setting);
    project
}

/// A component whose function gives the length of its line, and more by `counts` with each call. The call with the number
/// `traps` traps.
fn counter(counts: u32, traps: u32) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $m
            (memory (export "memory") 1)
            (global $calls (mut i32) (i32.const 0))
            (global $more (mut i32) (i32.const 0))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "weigh") (param i32 i32) (result i32)
              (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
              (if (i32.eq (global.get $calls) (i32.const {traps})) (then unreachable))
              (global.set $more (i32.add (global.get $more) (i32.const {counts})))
              (i32.add (local.get 1) (global.get $more))))
          (core instance $i (instantiate $m))
          (alias core export $i "memory" (core memory $memory))
          (alias core export $i "realloc" (core func $realloc))
          (func (export "weigh") (param "line" string) (result u32)
            (canon lift (core func $i "weigh") (memory $memory) (realloc $realloc))))"#
    );
    wat::parse_str(text).expect("it is a component")
}

#[test]
fn results_and_calls_are_those_of_fresh_instances() {
    let lines = lines(700);
    let (fresh, kept) = (project(&lines, ""), project(&lines, KEPT));
    let (ran_fresh, ran_kept) = (run(&fresh), run(&kept));
    assert_eq!(kept.rows(), weights(&lines));
    assert_eq!(kept.rows(), fresh.rows());
    assert_eq!(ran_kept.rows, ran_fresh.rows);
    assert_eq!(ran_kept.calls.len(), 700, "comparing is no call of a row");
    assert_eq!(ran_kept.report.transforms["weight"].called, 700);
}

#[test]
fn the_setting_is_no_part_of_the_keys() {
    let lines = lines(40);
    let mut project = project(&lines, "");
    run(&project);
    project.flow = project
        .flow
        .replace("each = \"item\"", &format!("each = \"item\"\n{KEPT}"));
    let ran = run(&project);
    assert_eq!(ran.calls.len(), 0);
}

#[test]
fn a_row_that_fails_takes_no_other_with_it() {
    let mut lines = lines(100);
    for at in [0, 41, 42, 99] {
        lines[at].insert(0, '!');
    }
    let project = project(&lines, KEPT);
    let ran = run(&project);
    let failed: Vec<_> = ran
        .report
        .failed
        .iter()
        .map(|row| row.key.as_str())
        .collect();
    assert_eq!(failed, ["0000", "0041", "0042", "0099"]);
    for row in &ran.report.failed {
        assert!(row.reason.contains("unreachable"), "{}", row.reason);
    }
    let rows = weights(&lines).into_iter().enumerate();
    let rows = rows.filter(|(at, _)| ![0, 41, 42, 99].contains(at));
    assert!(project.rows().into_iter().eq(rows.map(|(_, row)| row)));
}

/// The guest never frees memory: an instance that has no more of it is replaced.
#[test]
fn what_leaks_in_an_instance_is_no_failure() {
    let lines: Vec<String> = (0..200)
        .map(|number| format!("{number}{}", "x".repeat(20_000)))
        .collect();
    let mut project = project(&lines, KEPT);
    project.flow = project.flow.replace(
        "component = \"sample.wasm\"",
        "component = \"sample.wasm\"\nlimits = { memory = \"1MiB\" }",
    );
    let ran = run(&project);
    assert_eq!(ran.report.failures, 0);
    assert_eq!(project.rows(), weights(&lines));
}

#[test]
fn a_function_that_remembers_its_calls_ends_the_run_before_anything_is_kept() {
    let lines = lines(100);
    let mut project = project(&lines, KEPT);
    project.component = Some(counter(1, 0));
    assert_found_out(&project);
    // Nothing of it was remembered: in fresh instances every row is called for.
    project.flow = project.flow.replace(KEPT, "");
    let ran = run(&project);
    assert_eq!(ran.calls.len(), 100);
    let lengths = lines.iter().enumerate();
    let lengths = lengths.map(|(at, line)| format!("{at:04}|{}", line.len() + 1));
    assert!(project.rows().into_iter().eq(lengths));
}

/// Runs a flow whose results hang on the calls before.
fn assert_found_out(project: &Project) {
    let (engine, flow) = project.open().expect("the flow opens");
    let error = engine
        .run(&flow, &project.options, &NEVER, &|_: &Event<'_>| {})
        .expect_err("the results are wrong");
    assert!(
        matches!(&error, Error::HangsOnCallsBefore { transform, .. } if transform == "weight"),
        "{error}"
    );
}

/// With 100 rows on one thread, one instance takes four at least: it ends with a trap, and the next one has one call only.
#[test]
fn an_instance_that_ends_with_a_trap_is_compared_as_well() {
    let lines = lines(100);
    let mut project = project(&lines, KEPT);
    project.component = Some(counter(1, 4));
    assert_found_out(&project);
}

#[test]
fn calls_that_trap_again_and_again_have_their_results_of_fresh_instances() {
    let lines = lines(100);
    let mut project = project(&lines, KEPT);
    project.component = Some(counter(0, 3));
    assert_eq!(run(&project).report.failures, 0);
    let lengths = lines.iter().enumerate();
    let lengths = lengths.map(|(at, line)| format!("{at:04}|{}", line.len()));
    assert!(project.rows().into_iter().eq(lengths));
}

#[test]
fn a_function_that_remembers_nothing_is_not_suspected() {
    let lines = lines(100);
    let mut project = project(&lines, KEPT);
    project.component = Some(counter(0, 0));
    assert_eq!(run(&project).report.failures, 0);
}
