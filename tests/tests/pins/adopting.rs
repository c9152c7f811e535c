//! Adopting: results of present or earlier code become those of a pin, and nothing is called.

use flowstone::core::RunId;
use flowstone::{PinError, PinSource};
use flowstone_tests::{Guest, guest_text};

use crate::{
    adopt, adopt_error, drop_pin, options, pin, pins, project, unpin, verify, verify_pin,
    weight_calls,
};

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
    // The third run called nothing, so its code has no results; and what the pin has, it has.
    let error = adopt_error(&project, &PinSource::Run(RunId(3)));
    assert!(
        matches!(error, PinError::NothingToAdopt { .. }),
        "{error:?}"
    );
    let report = adopt(&project, "pin:weight-1");
    assert_eq!((report.adopted, report.entries), (0, 5));
    let PinError::UnknownRun { run, reason } = adopt_error(&project, &PinSource::Run(RunId(9)))
    else {
        panic!("there was no such run");
    };
    assert_eq!((run, &*reason), (RunId(9), "this flow has no record of it"));
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

/// The guest with a function `pair` of two texts: the lengths of `path` and of `content`, the first counted ten times.
fn with_pair(params: [&str; 2]) -> Vec<u8> {
    let weights = params.map(|name| if name == "path" { 10 } else { 1 });
    let core = format!(
        "(func (export \"pair\") (param i32 i32 i32 i32) (result i32)
      (i32.add (i32.mul (local.get 1) (i32.const {})) (i32.mul (local.get 3) (i32.const {}))))
    (func (export \"scale\")",
        weights[0], weights[1]
    );
    let lifted = format!(
        "(func (export \"pair\") (param \"{}\" string) (param \"{}\" string) (result u32)
    (canon lift (core func $i \"pair\") (memory $memory) (realloc $realloc)))
  (func (export \"weigh\") (param \"line\"",
        params[0], params[1]
    );
    let text = guest_text(Guest::default())
        .replacen("(func (export \"scale\")", &core, 1)
        .replacen("(func (export \"weigh\") (param \"line\"", &lifted, 1);
    wat::parse_str(text).expect("the guest is a component")
}

#[test]
fn parameters_that_change_places_take_their_arguments_along() {
    let mut project = flowstone_tests::Project::new();
    // Two rows whose values are each other's the other way round.
    project.write("ab", "wxyz").write("wxyz", "ab");
    project.flow = project
        .flow
        .replace(
            "sample.weigh\"\neach = \"line\"",
            "sample.pair\"\neach = \"page\"",
        )
        .replace("rows = \"line\"", "rows = \"page\"")
        .replace("[\"path\", \"line\"]", "[\"path\"]")
        .replace(", line = \"line\"", "");
    project.component = Some(with_pair(["path", "content"]));
    project.run();
    let before = project.rows();
    assert_eq!(before, ["ab|24", "wxyz|42"]);
    pin(&mut project, "pair-1");
    project.component = Some(with_pair(["content", "path"]));
    assert_eq!(adopt(&project, "run:1").adopted, 2);
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows(), before);
    // The present code and the old one say that this is right.
    let report = verify_pin(&project, &options(None));
    assert_eq!(report.transforms[0].equal, 2);
    let report = verify(&project, &["weight"], &options(None));
    assert_eq!(report.transforms[0].equal, 2);
    // And back: dropped, they are those of the old code.
    drop_pin(&project, "pair-1");
    unpin(&mut project);
    project.component = Some(with_pair(["path", "content"]));
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows(), before);
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
