//! Dropping and moving: results fall back to the code that made them, or go on under another name.

use std::time::Duration;

use flowstone::core::StoreSettings;
use flowstone::{Error, GcOptions, PinError, PinSource};
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
fn dropped_results_that_rows_use_are_not_collected() {
    let mut project = pinned_lines();
    // Two runs that use none of them.
    project.write("new.md", "new\n");
    project.run();
    project.write("new.md", "newer\n");
    project.run();
    drop_pin(&project, "weight-1");
    unpin(&mut project);
    let (mut engine, flow) = project.open().expect("the flow opens");
    let options = GcOptions {
        settings: StoreSettings {
            bytes_max: None,
            keep: Some(Duration::ZERO),
            keep_runs: Some(1),
        },
        ..GcOptions::default()
    };
    let collection = engine.gc(Some(&flow), &options, &NEVER, &mut |_| {});
    collection.expect("it can be collected");
    drop(engine);
    assert_eq!(weight_calls(&project), 0);
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
