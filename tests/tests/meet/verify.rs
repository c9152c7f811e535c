//! Verifying what is kept of folds: partial results, states, and that a function that combines is associative.

use std::sync::atomic::AtomicBool;

use flowstone::{Event, VerifiedTransform, VerifyOptions};
use flowstone_tests::{Project, meeting};

use crate::{LINES, project, target};

/// The weights of lines, put together by `combine`, which the guest has.
fn combined(call: &str, combine: &str) -> Project {
    let flow = format!(
        r#"{LINES}
[reduce.told]
call = "sample.{call}"
over = "line"
by = ["head"]
from = {{ line = "line" }}
combine = "sample.{combine}"
{}"#,
        target(
            "told",
            "told",
            r#""head""#,
            r#"head = "told.head", told = "told""#
        )
    );
    project(&flow)
}

fn verify(project: &Project, name: &str, sample: Option<u64>) -> VerifiedTransform {
    let (engine, flow) = project.open().expect("the flow opens");
    let options = VerifyOptions {
        sample,
        seed: 7,
        differences_max: 3,
    };
    let observer = |_: &Event<'_>| {};
    let names = [name.to_owned()];
    let report = engine.verify(&flow, &names, &options, &AtomicBool::new(false), &observer);
    let mut transforms = report.expect("it can be verified").transforms;
    assert_eq!(transforms.len(), 1, "{transforms:?}");
    transforms.remove(0)
}

fn write_lines(project: &Project) {
    let lines: Vec<String> = (100..160).map(|n| format!("x {n}\n")).collect();
    project
        .write("a.txt", lines.concat())
        .write("b.txt", "y 1\nz 1\nz 2\n");
}

#[test]
fn what_is_associative_gives_every_partial_result_again() {
    let project = combined("same", "concat");
    write_lines(&project);
    project.run();
    let all = verify(&project, "told.combine", None);
    assert!(all.is_sound() && all.complete, "{all:?}");
    // 58 neighbourhoods of three in the lowest level alone, and the pair of `z`.
    assert!(all.compared > 80 && all.compared == all.equal, "{all:?}");
    let some = verify(&project, "told.combine", Some(10));
    assert_eq!((some.compared, some.stored), (10, all.stored));
    assert!(!some.complete && some.share_max.is_some(), "{some:?}");
    let (engine, flow) = project.open().expect("the flow opens");
    let options = VerifyOptions {
        sample: None,
        seed: 7,
        differences_max: 3,
    };
    let whole = engine.verify(
        &flow,
        &[],
        &options,
        &AtomicBool::new(false),
        &|_: &Event<'_>| {},
    );
    let whole = whole.expect("it can be verified");
    let names: Vec<&str> = (whole.transforms.iter()).map(|this| &*this.name).collect();
    assert_eq!(names, ["line", "head", "told", "told.combine"]);
}

#[test]
fn what_is_not_associative_is_found_out() {
    let project = combined("weigh", "minus");
    write_lines(&project);
    project.run();
    let found = verify(&project, "told.combine", None);
    assert!(!found.is_sound());
    assert!(found.not_associative >= 58, "{found:?}");
    // What is kept comes out again: it is the order alone that matters.
    assert_eq!(found.different, found.not_associative);
    let [first, ..] = &found.orders[..] else {
        panic!("an example is shown");
    };
    assert_eq!(
        first.row,
        "x: (a.txt#0 + a.txt#1) + a.txt#2 and a.txt#0 + (a.txt#1 + a.txt#2), at height 0"
    );
    // A sample of a few finds it as well: nearly all neighbours show it.
    assert!(verify(&project, "told.combine", Some(10)).not_associative > 0);
}

#[test]
fn a_pin_over_other_code_shows_in_what_is_kept() {
    let flow = format!(
        r#"{LINES}
[transform.so-far]
call = "sample.running"
each = "line"
from = {{ lines = "line" }}
state = {{ rows = 4 }}
cache = {{ pin = "so-far-1" }}
{}"#,
        target(
            "told",
            "so-far",
            r#""path", "line""#,
            r#"path = "so-far.path", line = "so-far.line", length = "so-far""#
        )
    );
    let mut project = project(&flow);
    write_lines(&project);
    project.run();
    let kept = verify(&project, "so-far", None);
    assert!(
        kept.is_sound() && kept.complete && kept.compared >= 15,
        "{kept:?}"
    );
    assert_eq!(kept.pin.as_deref(), Some("so-far-1"));
    project.component = Some(meeting(1));
    project.run();
    let other = verify(&project, "so-far", None);
    // Only the first batch begins without a state, and that is where the knob counts.
    assert_eq!(
        (other.different, other.compared),
        (1, kept.compared),
        "{other:?}"
    );
    assert!(
        other.differences[0].row.contains("from a.txt#0"),
        "{other:?}"
    );
}

#[test]
fn steps_that_are_not_of_the_present_code_are_left_out() {
    let mut project = combined("weigh", "minus");
    write_lines(&project);
    let none = verify(&project, "told.combine", None);
    assert!(
        none.left_out
            .is_some_and(|why| why.contains("run the flow first"))
    );
    project.run();
    project.flow = project.flow.replace(
        "component = \"sample.wasm\"",
        "component = \"sample.wasm\"\nidentity = \"component\"",
    );
    let other = verify(&project, "told.combine", None);
    assert!(
        other
            .left_out
            .is_some_and(|why| why.contains("present code"))
    );
}
