//! Pins: results outlive the code that made them. Every test lists the calls that ran, and so also those that did not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flowstone::core::RunId;
use flowstone::{
    AdoptReport, Error, Event, PinError, PinReport, PinSource, VerifyOptions, VerifyReport,
};
use flowstone_store::{Outcome, Store, StoreOptions, Stored, Why};
use flowstone_tests::{Guest, Project, guest_text};

const NOTHING: &[&str] = &[];
static NEVER: AtomicBool = AtomicBool::new(false);

fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n")
        .write("deep/c.md", "four\n\nfive");
    project
}

/// Pins the transform `weight`.
fn pin(project: &mut Project, name: &str) {
    unpin(project);
    let call = "[transform.weight]\n";
    project.flow = (project.flow).replace(call, &format!("{call}cache = {{ pin = \"{name}\" }}\n"));
}

fn unpin(project: &mut Project) {
    let lines = project.flow.lines();
    let lines = lines.filter(|line| !line.starts_with("cache = { pin"));
    project.flow = lines.map(|line| format!("{line}\n")).collect();
}

fn try_adopt(project: &Project, from: &PinSource) -> Result<AdoptReport, Error> {
    let (engine, flow) = project.open().expect("the flow opens");
    engine.adopt_pin(&flow, "weight", from, &NEVER)
}

fn adopt(project: &Project, from: &str) -> AdoptReport {
    let from = match from {
        "" => PinSource::Present,
        from => from.parse().expect("it names code"),
    };
    try_adopt(project, &from).expect("there is something to adopt")
}

/// What is wrong with adopting the results of the present code, or of other code.
fn adopt_error(project: &Project, from: &PinSource) -> PinError {
    match try_adopt(project, from) {
        Err(Error::Pin(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn pins(project: &Project) -> Vec<PinReport> {
    let (engine, _) = project.open().expect("the flow opens");
    engine.pins(&NEVER).expect("they can be listed")
}

/// Whether the run called the pinned transform.
fn weight_calls(project: &Project) -> usize {
    let calls = project.run().calls;
    calls
        .iter()
        .filter(|call| call.starts_with("weight "))
        .count()
}

/// The guest whose function `weigh` has another name.
fn renamed(knobs: Guest) -> Vec<u8> {
    let text = guest_text(knobs).replace(
        "(func (export \"weigh\") (param \"line\"",
        "(func (export \"heft\") (param \"line\"",
    );
    wat::parse_str(text).expect("the guest is a component")
}

/// The guest as it was before its function `scale` got the parameter `times`: it gave what it gives now with 1.
fn before_times() -> Vec<u8> {
    let text = guest_text(Guest::default())
        .replace(
            "(param $times i32) (result i32)\n      (i32.mul (local.get $len) (local.get $times))",
            "(result i32)\n      (local.get $len)",
        )
        .replace(
            "(param \"line\" string) (param \"times\" u32)",
            "(param \"line\" string)",
        );
    wat::parse_str(text).expect("the guest is a component")
}

#[test]
fn results_are_pinned_before_a_refactoring() {
    let mut project = project();
    project.run();
    let before = project.rows();
    pin(&mut project, "weight-1");
    let report = adopt(&project, "");
    assert_eq!((report.adopted, report.already, report.other), (5, 0, 0));
    project.guest.detour = 1;
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows(), before);
}

#[test]
fn results_are_pinned_after_a_refactoring() {
    let mut project = project();
    project.run();
    project.guest.detour = 1;
    pin(&mut project, "weight-1");
    let PinError::NothingToAdopt { earlier, .. } = adopt_error(&project, &PinSource::Present)
    else {
        panic!("the present code has made nothing");
    };
    assert_eq!(earlier.len(), 1);
    let old = &earlier[0];
    assert_eq!(
        (&*old.function, old.entries, old.last_run),
        ("weigh", 5, RunId(1))
    );
    assert_eq!(old.obstacle, None);
    assert_eq!(adopt(&project, &old.from).adopted, 5);
    assert_eq!(weight_calls(&project), 0);
}

#[test]
fn the_code_of_a_run_is_named_by_its_number() {
    let mut project = project();
    project.run();
    project.guest.weight = 1000;
    project.run();
    project.guest.weight = 2000;
    pin(&mut project, "weight-1");
    let report = adopt(&project, "run:1");
    assert_eq!(report.adopted, 5);
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows()[0], "a.md|one|322");
    for (run, why) in [(9, "no record"), (3, "weight")] {
        let from = PinSource::Run(RunId(run));
        match try_adopt(&project, &from) {
            Err(Error::Pin(PinError::UnknownRun { reason, .. })) => {
                assert!(run == 9 && reason.contains(why), "{reason}");
            }
            // The third run used what the pin has.
            Err(Error::Pin(PinError::NothingToAdopt { transform, .. })) => {
                assert_eq!((run, &*transform), (3, why));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_renamed_function_under_a_pin_calls_nothing() {
    let mut project = project();
    project.run();
    pin(&mut project, "weight-1");
    adopt(&project, "");
    project.component = Some(renamed(Guest::default()));
    project.flow = project.flow.replace("sample.weigh", "sample.heft");
    assert_eq!(weight_calls(&project), 0);
}

#[test]
fn a_pin_used_from_the_start_survives_changed_code() {
    let mut project = project();
    pin(&mut project, "weight-1");
    project.run();
    let before = project.rows();
    project.guest.weight = 1000;
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows(), before);
    let pins = pins(&project);
    assert_eq!(pins.len(), 1);
    let pin = &pins[0];
    assert_eq!(
        (&*pin.name, &*pin.flow, &*pin.transform),
        ("weight-1", "lines", "weight")
    );
    assert_eq!(pin.signature, "weigh: func(line: string) -> u32");
    assert_eq!((pin.entries, pin.codes.len(), pin.adopted.len()), (5, 1, 0));
    // A new row is called with the code of the day.
    project.write("d.md", "six");
    assert_eq!(weight_calls(&project), 1);
    let pins = self::pins(&project);
    assert_eq!((pins[0].entries, pins[0].codes.len()), (6, 2));
}

#[test]
fn another_signature_under_a_pin_misses_and_cannot_be_adopted() {
    let mut project = project();
    project.run();
    pin(&mut project, "weight-1");
    adopt(&project, "");
    project.flow = project.flow.replace("sample.weigh", "sample.vet");
    let PinError::NothingToAdopt { .. } = adopt_error(&project, &PinSource::Present) else {
        panic!("nothing of these types was made");
    };
    assert_eq!(weight_calls(&project), 5);
    project.flow = project.flow.replace("sample.vet", "sample.weigh");
    assert_eq!(weight_calls(&project), 0);
}

#[test]
fn a_default_argument_is_added_and_nothing_is_called() {
    let mut project = project();
    project.component = Some(before_times());
    project.flow = project.flow.replace("sample.weigh", "sample.scale");
    project.run();
    let before = project.rows();
    project.component = None;
    let with = |times: u32| format!("sample.scale\"\nwith = {{ times = {times} }}");
    project.flow = project.flow.replace("sample.scale\"", &with(1));
    pin(&mut project, "scale-1");
    let report = adopt(&project, "run:1");
    assert_eq!(report.adopted, 5);
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows(), before);
    // And the code says that it is right.
    let report = verify_pin(&project, &options(None));
    assert_eq!(
        (report.transforms[0].equal, report.transforms[0].different),
        (5, 0)
    );
    // The old code gives its results again, without the argument that it did not have.
    let report = verify(&project, &["weight"], &options(None));
    assert_eq!(
        (report.transforms[0].equal, report.transforms[0].different),
        (5, 0)
    );
    // Dropped, they are those of the old function again.
    drop_pin(&project, "scale-1");
    unpin(&mut project);
    project.flow = project.flow.replace(&with(1), "sample.scale\"");
    project.component = Some(before_times());
    assert_eq!(weight_calls(&project), 0);
}

#[test]
fn a_literal_of_another_value_cannot_be_adopted() {
    let mut project = project();
    project.flow = project
        .flow
        .replace("sample.weigh\"", "sample.scale\"\nwith = { times = 1 }");
    project.run();
    pin(&mut project, "scale-1");
    project.flow = project.flow.replace("times = 1", "times = 2");
    let PinError::NothingToAdopt { earlier, .. } = adopt_error(&project, &PinSource::Present)
    else {
        panic!("nothing with this literal was made");
    };
    assert_eq!(earlier.len(), 1);
    assert_eq!(
        earlier[0].obstacle.as_deref(),
        Some("literal `times` changed from 1 to 2")
    );
}

fn drop_pin(project: &Project, name: &str) -> flowstone::DropReport {
    let (engine, _) = project.open().expect("the flow opens");
    engine.drop_pin(name, &NEVER).expect("the pin is there")
}

#[test]
fn dropped_results_fall_back_to_the_code_that_made_them() {
    let mut project = project();
    pin(&mut project, "weight-1");
    project.run();
    let report = drop_pin(&project, "weight-1");
    assert_eq!((report.returned, report.already), (5, 0));
    unpin(&mut project);
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(pins(&project), []);
    // With other code they are not to be had, and with the old one again.
    project.guest.weight = 1000;
    assert_eq!(weight_calls(&project), 5);
    project.guest.weight = 0;
    assert_eq!(weight_calls(&project), 0);
    let (engine, _) = project.open().expect("the flow opens");
    match engine.drop_pin("weight-1", &NEVER) {
        Err(Error::Pin(PinError::Unknown { name, .. })) => assert_eq!(name, "weight-1"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_of_two_codes_under_a_pin_fall_back_to_each() {
    let mut project = project();
    project.run();
    pin(&mut project, "weight-1");
    adopt(&project, "");
    project.guest.weight = 1000;
    project.write("d.md", "six");
    assert_eq!(weight_calls(&project), 1);
    let report = drop_pin(&project, "weight-1");
    // Those that were adopted had never gone.
    assert_eq!(
        (report.returned, report.already, report.codes.len()),
        (1, 5, 2)
    );
    unpin(&mut project);
    assert_eq!(
        weight_calls(&project),
        5,
        "only `six` is known of this code"
    );
    project.guest.weight = 0;
    assert_eq!(
        weight_calls(&project),
        1,
        "and only `six` is not of the other"
    );
}

#[test]
fn a_moved_pin_keeps_its_results_and_never_takes_the_place_of_another() {
    let mut project = project();
    pin(&mut project, "weight-1");
    project.run();
    let (engine, _) = project.open().expect("the flow opens");
    let report = engine
        .move_pin("weight-1", "mass", &NEVER)
        .expect("it can be moved");
    assert_eq!(report.entries, 5);
    drop(engine);
    let names = |project: &Project| -> Vec<String> {
        pins(project).into_iter().map(|pin| pin.name).collect()
    };
    assert_eq!(names(&project), ["mass"]);
    pin(&mut project, "mass");
    project.guest.weight = 1000;
    assert_eq!(weight_calls(&project), 0);
    pin(&mut project, "other");
    assert_eq!(weight_calls(&project), 5);
    let (engine, _) = project.open().expect("the flow opens");
    for (old, new) in [("mass", "other"), ("mass", "mass")] {
        match engine.move_pin(old, new, &NEVER) {
            Err(Error::Pin(PinError::Taken { name })) => assert_eq!(name, new),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        engine.move_pin("mass", "a\nb", &NEVER),
        Err(Error::Pin(PinError::Name))
    ));
    match engine.move_pin("nothing", "new", &NEVER) {
        Err(Error::Pin(PinError::Unknown { pins, .. })) => assert_eq!(pins, ["mass", "other"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn adopting_twice_adds_nothing_and_what_a_pin_has_stays() {
    let mut project = project();
    project.run();
    pin(&mut project, "weight-1");
    assert_eq!(adopt(&project, "").adopted, 5);
    let again = adopt(&project, "");
    assert_eq!((again.adopted, again.already, again.entries), (0, 5, 5));
    assert_eq!(pins(&project)[0].adopted.len(), 1);
    assert_eq!(pins(&project)[0].adopted[0].entries, 5);
    // The results of other code, for the same inputs.
    unpin(&mut project);
    project.guest.weight = 1000;
    project.run();
    pin(&mut project, "weight-1");
    let other = adopt(&project, "");
    assert_eq!((other.adopted, other.other, other.entries), (0, 5, 5));
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows()[0], "a.md|one|322");
}

#[test]
fn results_of_another_pin_are_adopted_and_fall_back_to_their_code() {
    let mut project = project();
    pin(&mut project, "weight-1");
    project.run();
    project.guest.weight = 1000;
    pin(&mut project, "weight-2");
    assert_eq!(adopt(&project, "pin:weight-1").adopted, 5);
    assert_eq!(weight_calls(&project), 0);
    drop_pin(&project, "weight-2");
    drop_pin(&project, "weight-1");
    unpin(&mut project);
    project.guest.weight = 0;
    assert_eq!(weight_calls(&project), 0);
    pin(&mut project, "weight-3");
    let error = adopt_error(&project, &PinSource::Pin("weight-9".to_owned()));
    assert!(matches!(error, PinError::Unknown { .. }), "{error:?}");
}

#[test]
fn a_flow_without_a_pin_is_told_what_to_write() {
    let project = project();
    project.run();
    let PinError::NotNamed { transform, line } = adopt_error(&project, &PinSource::Present) else {
        panic!("the flow names no pin");
    };
    assert_eq!(transform, "weight");
    assert_eq!(
        line,
        "write `cache = { pin = \"weight-1\" }` below `[transform.weight]`"
    );
}

#[test]
fn code_is_named_by_the_first_digits_of_its_digest() {
    let mut project = project();
    project.run();
    project.guest.weight = 1000;
    project.run();
    pin(&mut project, "weight-1");
    project.guest.weight = 2000;
    let PinError::NothingToAdopt { earlier, .. } = adopt_error(&project, &PinSource::Present)
    else {
        panic!("the present code has made nothing");
    };
    let runs: Vec<_> = earlier.iter().map(|code| code.last_run).collect();
    assert_eq!(runs, [RunId(2), RunId(1)], "the newest first");
    let from = |digits: &str| PinSource::Digest {
        digits: digits.to_owned(),
        function: None,
    };
    let unknown = adopt_error(&project, &from(&"0".repeat(20)));
    assert!(
        matches!(unknown, PinError::UnknownCode { .. }),
        "{unknown:?}"
    );
    assert_eq!(
        adopt(&project, &format!("component:{}", earlier[1].component)).adopted,
        5
    );
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows()[0], "a.md|one|322");
}

fn options(sample: Option<u64>) -> VerifyOptions {
    VerifyOptions {
        sample,
        seed: 7,
        differences_max: 20,
    }
}

fn verify_pin(project: &Project, options: &VerifyOptions) -> VerifyReport {
    let (engine, flow) = project.open().expect("the flow opens");
    engine
        .verify_pin(&flow, "weight", options, &NEVER, &|_: &Event<'_>| {})
        .expect("it can be compared")
}

fn verify(project: &Project, names: &[&str], options: &VerifyOptions) -> VerifyReport {
    let (engine, flow) = project.open().expect("the flow opens");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    engine
        .verify(&flow, &names, options, &NEVER, &|_: &Event<'_>| {})
        .expect("it can be compared")
}

/// A hundred lines, pinned.
fn pinned_lines() -> Project {
    let mut project = Project::new();
    for file in 0..10 {
        let lines = (0..10).map(|line| format!("line {line} of {file}\n"));
        project.write(&format!("{file}.md"), lines.collect::<String>());
    }
    pin(&mut project, "weight-1");
    project.run();
    project
}

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
fn verify_makes_calls_again_with_the_code_that_made_them() {
    let mut project = pinned_lines();
    // Half of the results are of other code, whose build is kept.
    project.guest.weight = 1000;
    for file in 10..15 {
        let lines = (0..10).map(|line| format!("line {line} of {file}\n"));
        project.write(&format!("{file}.md"), lines.collect::<String>());
    }
    project.run();
    let report = verify(&project, &[], &options(None));
    let names: Vec<_> = report
        .transforms
        .iter()
        .map(|transform| &*transform.name)
        .collect();
    assert_eq!(names, ["line", "weight"]);
    assert_eq!(
        (report.transforms[0].stored, report.transforms[0].equal),
        (15, 15)
    );
    let weight = &report.transforms[1];
    assert_eq!(
        (weight.stored, weight.equal, weight.different),
        (150, 150, 0)
    );
    assert!(weight.complete && weight.without_code.is_empty());
    // Without the build they cannot be checked, and that is said.
    std::fs::remove_dir_all(project.path(".flowstone/builds")).expect("builds are kept");
    let report = verify(&project, &["weight"], &options(None));
    let weight = &report.transforms[0];
    assert_eq!((weight.stored, weight.equal), (50, 50));
    assert_eq!(weight.without_code.len(), 1);
    assert_eq!(weight.without_code[0].results, 100);
    assert_eq!(weight.without_code[0].reason, "it was not kept");
}

/// Changes what the store has of the calls of the transform `weight`.
fn edit(project: &Project, mut change: impl FnMut(&mut flowstone_store::MemoRecord)) {
    let store =
        Store::open(&project.path(".flowstone"), StoreOptions::default()).expect("the store opens");
    let snapshot = store.snapshot().expect("it can be read");
    let recipes = snapshot.recipes().expect("it can be read");
    let of_weight = |id| {
        let (_, record) = recipes
            .iter()
            .find(|(known, _)| *known == id)
            .expect("a recipe");
        record.maker.function == "weigh"
    };
    let entries: Vec<_> = snapshot
        .memo_entries()
        .expect("it can be read")
        .collect::<Result<_, _>>()
        .expect("it can be read");
    store
        .write(|writer| {
            for (key, mut record) in entries {
                if of_weight(record.recipe) {
                    change(&mut record);
                    writer.put_memo(&key, &record)?;
                }
            }
            Ok::<_, flowstone_store::StoreError>(())
        })
        .expect("it can be written to");
}

#[test]
fn a_stored_result_that_its_code_does_not_give_is_found() {
    let project = project();
    project.run();
    let mut planted = false;
    edit(&project, |record| {
        let other = flowstone::core::fingerprint(
            &flowstone::core::Value::U32(9),
            &flowstone::core::Type::U32,
            &flowstone::core::Type::U32.fingerprint(),
        );
        if !std::mem::replace(&mut planted, true) {
            record.outcome = Outcome::Value {
                fingerprint: other,
                parts: Vec::new(),
                stored: Stored::Inline(9u32.to_le_bytes().to_vec()),
            };
        }
    });
    let report = verify(&project, &[], &options(Some(50)));
    let weight = &report.transforms[1];
    assert_eq!((weight.equal, weight.different), (4, 1));
    assert_eq!(weight.differences[0].stored, "9");
    assert!(report.transforms[0].is_sound());
}

#[test]
fn results_put_by_hand_are_not_compared() {
    let mut project = project();
    pin(&mut project, "weight-1");
    project.run();
    let mut first = true;
    edit(&project, |record| {
        if std::mem::replace(&mut first, false) {
            record.why = Why::Put;
        }
    });
    for report in [
        verify(&project, &["weight"], &options(None)),
        verify_pin(&project, &options(None)),
    ] {
        let weight = &report.transforms[0];
        assert_eq!((weight.put, weight.stored, weight.equal), (1, 4, 4));
    }
}

#[test]
fn a_transform_with_grants_is_left_out_and_its_pin_is_not_compared() {
    let mut project = project();
    let granted = "[transform.weight]\ngrants = { random = true }\ncache = { pin = \"weight-1\", max-age = \"1d\" }\n";
    project.flow = project.flow.replace("[transform.weight]\n", granted);
    project.run();
    let report = verify(&project, &[], &options(None));
    let weight = &report.transforms[1];
    let why = weight.left_out.as_deref().expect("it is left out");
    assert_eq!(
        why,
        "it is granted random, so its results hang on more than its arguments"
    );
    assert_eq!(report.transforms[0].equal, 3);
    let (engine, flow) = project.open().expect("the flow opens");
    let outcome = engine.verify_pin(&flow, "weight", &options(None), &NEVER, &|_: &Event<'_>| {});
    assert!(
        matches!(outcome, Err(Error::Pin(PinError::NotComparable { .. }))),
        "{outcome:?}"
    );
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

#[test]
fn an_interrupted_move_is_finished_by_another() {
    let project = pinned_lines();
    let stopped = AtomicBool::new(true);
    let (engine, _) = project.open().expect("the flow opens");
    assert!(matches!(
        engine.move_pin("weight-1", "mass", &stopped),
        Err(Error::Interrupted)
    ));
    let report = engine
        .move_pin("weight-1", "mass", &NEVER)
        .expect("it can be moved");
    assert_eq!(report.entries, 100);
}

#[test]
fn a_pin_of_functions_identity_holds_what_the_function_made() {
    let mut project = project();
    project.flow = project.flow.replace(
        "component = \"sample.wasm\"",
        "component = \"sample.wasm\"\nidentity = \"function\"",
    );
    project.run();
    pin(&mut project, "weight-1");
    project.guest.weight = 1000;
    assert_eq!(adopt(&project, "run:1").adopted, 5);
    assert_eq!(weight_calls(&project), 0);
    drop_pin(&project, "weight-1");
    unpin(&mut project);
    project.guest.weight = 0;
    assert_eq!(weight_calls(&project), 0);
}
