//! Sharing: one name for several transforms is well where they call the same function, and refused where they do not.

use flowstone::{Error, PinError};
use flowstone_tests::{FLOW, Guest, Project, guest_text};

use crate::{adopt_error, drop_pin, pin, pins, project, weight_calls};

/// The guest with a function `heft` beside `weigh`, which gives something else for the same types.
fn with_heft() -> Vec<u8> {
    let export = "(func (export \"weigh\") (param \"line\"";
    let heft = r#"(func (export "heft") (param "line" string) (result u32)
    (canon lift (core func $i "heft") (memory $memory) (realloc $realloc)))
  "#;
    let core = "(func (export \"scale\")";
    let core_heft = "(func (export \"heft\") (param i32 i32) (result i32) (local.get 1))\n    ";
    let text = guest_text(Guest::default())
        .replacen(core, &format!("{core_heft}{core}"), 1)
        .replacen(export, &format!("{heft}{export}"), 1);
    wat::parse_str(text).expect("the guest is a component")
}

/// A project whose flow has pinned what `weigh` gives.
fn pinned() -> Project {
    let mut project = project();
    project.component = Some(with_heft());
    pin(&mut project, "shared");
    project.run();
    project
}

/// Another flow of the same folder, which pins what `function` gives under the same name.
fn other_flow(function: &str) -> String {
    FLOW.replace("name = \"lines\"", "name = \"other\"")
        .replace("out/lines.db", "out/other.db")
        .replace(
            "call = \"sample.weigh\"",
            &format!("call = \"sample.{function}\"\ncache = {{ pin = \"shared\" }}"),
        )
}

fn held<T: std::fmt::Debug>(outcome: Result<T, Error>) -> [String; 2] {
    match outcome {
        Err(Error::Pin(PinError::Held { holder, user, .. })) => [holder, user],
        other => panic!("{other:?}"),
    }
}

const HOLDER: &str = "transform `weight` of flow `lines`, which calls `weigh`";

#[test]
fn another_flow_with_another_function_is_refused_until_the_pin_is_free() {
    let mut project = pinned();
    let before = project.rows();
    let run = |project: &Project, function: &str| {
        let (engine, _) = project.open().expect("the flow opens");
        project.run_as(&engine, &other_flow(function), "other.toml")
    };
    let heft = "`weight` of this flow calls `heft`";
    assert_eq!(held(run(&project, "heft")), [HOLDER, heft]);
    assert_eq!(pins(&project)[0].flow, "lines", "nothing was changed");
    // With the same function it is what sharing is for, and a refactoring of both goes on, whoever is first.
    let report = run(&project, "weigh").expect("it is the same function");
    assert_eq!(report.transforms["weight"].called, 0);
    project.flow = project.flow.replace("sample.weigh", "sample.heft");
    assert_eq!(weight_calls(&project), 0);
    assert_eq!(project.rows(), before);
    let report = run(&project, "heft").expect("it has the pin already");
    assert_eq!(report.transforms["weight"].called, 0);
    // Dropped, it is for whoever comes.
    drop_pin(&project, "shared");
    run(&project, "heft").expect("nobody has it");
    project.flow = project.flow.replace("sample.heft", "sample.weigh");
    assert!(matches!(
        project.try_run().map(|outcome| outcome.calls),
        Err(Error::Pin(PinError::Held { .. }))
    ));
}

#[test]
fn another_transform_with_another_function_is_refused() {
    let mut project = pinned();
    // `weight` stays without the pin, which goes to another transform.
    let moved = "cache = { pin = \"shared\" }\n";
    let more = "[transform.heft]\ncall = \"sample.heft\"\neach = \"line\"\n";
    project.flow = project.flow.replace(moved, "") + more + moved;
    let heft = "`heft` of this flow calls `heft`";
    let outcome = project.try_run().map(|outcome| outcome.calls);
    assert_eq!(held(outcome), [HOLDER, heft]);
    project.flow = project.flow.replace("sample.heft", "sample.weigh");
    project.run();
}

#[test]
fn results_of_another_function_are_not_adopted_for_a_pin_that_is_held() {
    let mut project = pinned();
    project.flow = FLOW.replace("[transform.weight]", "[transform.mass]");
    project.flow = project
        .flow
        .replace("weight = \"weight\"", "weight = \"mass\"");
    project.flow += "[transform.weight]\ncall = \"sample.heft\"\neach = \"line\"\n";
    project.run();
    // `mass` has the results of `weigh` now, and the old name those of `heft`.
    let held = "[transform.mass]\n";
    let pinned = format!("{held}cache = {{ pin = \"shared\" }}\n");
    project.flow = project.flow.replace(held, &pinned);
    project.run();
    project.flow = project.flow.replace(&pinned, held);
    pin(&mut project, "shared");
    let error = adopt_error(&project, &flowstone::PinSource::Present);
    assert!(matches!(error, PinError::Held { .. }), "{error:?}");
}

#[test]
fn a_transform_is_renamed_together_with_its_function() {
    let mut project = pinned();
    project.flow = project
        .flow
        .replace("[transform.weight]", "[transform.mass]")
        .replace("weight = \"weight\"", "weight = \"mass\"")
        .replace("sample.weigh", "sample.heft");
    assert!(project.run().calls.is_empty());
    let pins = pins(&project);
    assert_eq!((&*pins[0].transform, &*pins[0].flow), ("mass", "lines"));
}
