//! Dropping and moving: results fall back to the code that made them, or go on under another name.

use std::sync::atomic::AtomicBool;

use flowstone::{Error, PinError, PinSource};
use flowstone_tests::Project;

use crate::{
    NEVER, adopt, adopt_error, drop_pin, pin, pinned_lines, pins, project, unpin, weight_calls,
};

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
