//! Verifying a pin: a sample of its results beside what the present code gives.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flowstone::{Event, VerifyOptions};
use flowstone_tests::{Guest, Project, guest_text};

use crate::{
    NEVER, NOTHING, adopt, options, pin, pinned_lines, project, verify, verify_pin, weight_calls,
};

#[test]
fn verifying_a_pin_proves_that_a_refactoring_changed_nothing() {
    let mut project = pinned_lines();
    project.guest.detour = 1;
    project.run();
    let report = verify_pin(&project, &options(Some(50)));
    let weight = &report.transforms[0];
    assert_eq!(
        (weight.stored, weight.compared, weight.equal),
        (100, 50, 50)
    );
    assert_eq!(
        (weight.different, weight.failed, weight.unreachable),
        (0, 0, 0)
    );
    let bound = weight.share_max.expect("it was a sample");
    assert!((bound - 0.0582).abs() < 1e-4, "{bound}");
    assert!(weight.is_sound() && !weight.complete);
    let (engine, flow) = project.open().expect("the flow opens");
    let state = engine.pin_state(&flow, "weight").expect("the flow has it");
    let said = "pinned `weight-1`, verified 50 of 100, run 2";
    assert_eq!(state.map(|state| state.to_string()).as_deref(), Some(said));
    drop((engine, flow));
    assert_eq!(
        project.plan().transforms[1]
            .pin
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some(said)
    );
    // With other code the proof is of no use, and that is said.
    project.guest.detour = 2;
    let (engine, flow) = project.open().expect("the flow opens");
    let state = engine.pin_state(&flow, "weight").expect("the flow has it");
    assert_eq!(
        state.map(|state| state.to_string()),
        Some(format!("{said}, with other code than the present"))
    );
}

#[test]
fn a_difference_is_shown_with_both_values() {
    let mut project = pinned_lines();
    project.guest.weight = 1;
    project.run();
    let mut some = options(Some(10));
    some.differences_max = 3;
    let report = verify_pin(&project, &some);
    let weight = &report.transforms[0];
    assert_eq!(
        (weight.compared, weight.different, weight.equal),
        (10, 10, 0)
    );
    assert!(!weight.is_sound());
    assert_eq!(weight.differences.len(), 3);
    let (row, number) = weight.differences[0]
        .row
        .split_once('#')
        .expect("a row of a list");
    let line = format!("line {number} of {}", row.trim_end_matches(".md"));
    let sum: u32 = line.bytes().map(u32::from).sum();
    assert_eq!(weight.differences[0].stored, sum.to_string());
    assert_eq!(weight.differences[0].now, (sum + 1).to_string());
    let (engine, flow) = project.open().expect("the flow opens");
    let state = engine.pin_state(&flow, "weight").expect("the flow has it");
    assert_eq!(
        state.map(|state| state.to_string()).as_deref(),
        Some("pinned `weight-1`, verified 10 of 100, 10 different, run 2")
    );
    // What is stored stays: a pin is a pin.
    drop((engine, flow));
    assert_eq!(project.run().calls, NOTHING);
}

/// The calls of a comparison.
fn compared_rows(project: &Project, options: &VerifyOptions) -> Vec<String> {
    let (engine, flow) = project.open().expect("the flow opens");
    let calls = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::WillCall { transform, key } = event {
            let call = format!("{transform} {key}");
            calls.lock().expect("no observer panics").push(call);
        }
    };
    engine
        .verify_pin(&flow, "weight", options, &NEVER, &observer)
        .expect("it can be compared");
    let mut calls = calls.into_inner().expect("no observer panics");
    calls.sort();
    calls
}

#[test]
fn equal_seeds_compare_the_same_results() {
    let project = pinned_lines();
    let first = compared_rows(&project, &options(Some(10)));
    assert_eq!(first.len(), 10);
    assert_eq!(first, compared_rows(&project, &options(Some(10))));
    let other = VerifyOptions {
        seed: 8,
        ..options(Some(10))
    };
    assert_ne!(first, compared_rows(&project, &other));
    assert_eq!(compared_rows(&project, &options(None)).len(), 100);
    assert_eq!(compared_rows(&project, &options(Some(1000))).len(), 100);
}

#[test]
fn rows_with_equal_arguments_are_compared_once_and_lost_inputs_are_counted() {
    let project = pinned_lines();
    project
        .write("copy.md", "line 0 of 0\nline 1 of 0\n")
        .remove("9.md");
    project.run();
    let report = verify_pin(&project, &options(None));
    let weight = &report.transforms[0];
    assert_eq!(
        (weight.stored, weight.unreachable, weight.compared),
        (100, 10, 90)
    );
    assert!(weight.complete, "all that are reached were compared");
    assert_eq!(weight.share_max, None);
    let report = verify_pin(&project, &options(Some(40)));
    let weight = &report.transforms[0];
    assert_eq!((weight.unreachable, weight.compared), (10, 40));
}

#[test]
fn a_call_that_gives_nothing_is_a_failure_with_its_reason() {
    let mut project = pinned_lines();
    // The function traps on what begins with `!`, and now on what begins with `l`.
    let text = guest_text(Guest::default()).replace(
        "(i32.const 33)) (then unreachable)",
        "(i32.const 108)) (then unreachable)",
    );
    project.component = Some(wat::parse_str(text).expect("the guest is a component"));
    project.run();
    let report = verify_pin(&project, &options(Some(30)));
    let weight = &report.transforms[0];
    assert_eq!((weight.compared, weight.failed), (0, 30));
    assert!(!weight.is_sound());
    assert_eq!(weight.failures.len(), 20, "the first of them");
    assert!(
        weight.failures[0].reason.contains("unreachable"),
        "{:?}",
        weight.failures[0]
    );
}

#[test]
fn an_err_and_a_none_are_results_like_any_other() {
    let mut project = project();
    project.write("a.md", "one\n?two\n");
    project.flow = project.flow.replace("sample.weigh", "sample.vet");
    pin(&mut project, "vet-1");
    project.run();
    project.guest.detour = 1;
    project.run();
    let report = verify_pin(&project, &options(None));
    let weight = &report.transforms[0];
    assert_eq!((weight.compared, weight.equal), (5, 5));
    // Now the lines that begin with `o` are errs, not those with `?`.
    let text = guest_text(Guest::default()).replace(
        "(i32.const 63)) (local.get $text)",
        "(i32.const 111)) (local.get $text)",
    );
    project.component = Some(wat::parse_str(text).expect("the guest is a component"));
    project.run();
    let report = verify_pin(&project, &options(None));
    let weight = &report.transforms[0];
    assert_eq!((weight.equal, weight.different), (3, 2));
    let mut shown: Vec<_> = weight
        .differences
        .iter()
        .map(|difference| (&*difference.row, &*difference.stored, &*difference.now))
        .collect();
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            ("a.md#0", "\"one\"", "err: one"),
            ("a.md#1", "err: ?two", "\"?two\""),
        ]
    );
}

#[test]
fn verifying_calls_nothing_but_the_sample_and_changes_no_result() {
    let mut project = pinned_lines();
    project.guest.weight = 1;
    project.run();
    let before = project.rows();
    let calls = compared_rows(&project, &options(Some(5)));
    assert!(calls.len() == 5 && calls.iter().all(|call| call.starts_with("weight ")));
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), before);
}

#[test]
fn an_interrupted_comparison_says_what_it_found_and_is_no_proof() {
    let project = pinned_lines();
    let (engine, flow) = project.open().expect("the flow opens");
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Called { .. }) && calls.fetch_add(1, Ordering::Relaxed) == 9 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let report = engine
        .verify_pin(&flow, "weight", &options(None), &stop, &observer)
        .expect("an interruption is no error");
    let weight = &report.transforms[0];
    assert!(report.interrupted && !weight.complete);
    assert!((1..100).contains(&weight.equal), "{weight:?}");
    let state = engine.pin_state(&flow, "weight").expect("the flow has it");
    assert_eq!(state.and_then(|state| state.verified), None);
}

/// A component whose function gives a random number, with as much work without effect.
fn draws(detour: usize) -> Vec<u8> {
    let text = r#"
        (component
          (import "wasi:random/random@0.2.0" (instance $r (export "get-random-u64" (func (result u64)))))
          (core func $draw (canon lower (func $r "get-random-u64")))
          (core module $m
            (import "w" "draw" (func $draw (result i64)))
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "draw") (param i32 i32) (result i64) DETOUR (call $draw)))
          (core instance $i (instantiate $m (with "w" (instance (export "draw" (func $draw))))))
          (alias core export $i "memory" (core memory $memory))
          (alias core export $i "realloc" (core func $realloc))
          (func (export "draw") (param "content" string) (result u64)
            (canon lift (core func $i "draw") (memory $memory) (realloc $realloc))))"#;
    let text = text.replace("DETOUR", &"(drop (i32.const 7)) ".repeat(detour));
    wat::parse_str(text).expect("it is a component")
}

#[test]
fn random_numbers_that_follow_from_the_call_are_the_same_again() {
    let mut project = project();
    project.component = Some(draws(0));
    let lines = project
        .flow
        .find("[transform.line]")
        .expect("the flow has it");
    let weight = project
        .flow
        .find("[transform.weight]")
        .expect("the flow has it");
    project.flow.replace_range(lines..weight, "");
    project.flow = (project.flow)
        .replace(
            "sample.weigh\"\neach = \"line\"",
            "sample.draw\"\neach = \"page\"",
        )
        .replace(
            "rows = \"line\"\nkey = [\"path\", \"line\"]",
            "rows = \"page\"\nkey = [\"path\"]",
        )
        .replace("line = \"line\", ", "");
    project.run();
    pin(&mut project, "draw-1");
    assert_eq!(adopt(&project, "").adopted, 3);
    project.component = Some(draws(1));
    // This one is made under the pin, the others were made under the code.
    project.write("d.md", "six");
    assert_eq!(weight_calls(&project), 1);
    for report in [
        verify_pin(&project, &options(None)),
        verify(&project, &[], &options(None)),
    ] {
        let weight = &report.transforms[0];
        assert_eq!((weight.equal, weight.different), (4, 0), "{weight:?}");
    }
}
