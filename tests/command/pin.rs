//! What a person sees of pins, and of comparing stored results with calls.

use flowstone_tests::{Guest, Project};

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder};

/// A project that has been run.
fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n")
        .write("deep/c.md", "four\n\nfive");
    lay_out(&project);
    flowstone(&project, &["run"]);
    project
}

/// Pins the transform `weight`, in the flow file.
fn pin(project: &mut Project) {
    let line = "[transform.weight]\ncache = { pin = \"weight-1\" }\n";
    project.flow = project.flow.replace("[transform.weight]\n", line);
    lay_out(project);
}

/// Other code, in the component's file.
fn edit(project: &mut Project, weight: u32) {
    project.guest = Guest { weight, detour: 0 };
    lay_out(project);
}

#[test]
fn results_are_adopted_listed_moved_and_dropped() {
    let mut project = project();
    assert_seen!(&project, "pin_not_named", &["pin", "adopt", "weight"]);
    assert_seen!(&project, "pin_list_nothing", &["pin", "list"]);
    pin(&mut project);
    assert_seen!(&project, "pin_adopt", &["pin", "adopt", "weight"]);
    assert_seen!(&project, "pin_adopt_again", &["pin", "adopt", "weight"]);
    assert_seen!(&project, "pin_list", &["pin", "list"]);
    assert_seen!(&project, "pin_list_json", &["pin", "list", "--json"]);
    edit(&mut project, 1000);
    assert_seen!(&project, "pin_plan", &["plan"]);
    assert_seen!(&project, "pin_check", &["check"]);
    assert_seen!(
        &project,
        "pin_move",
        &["pin", "move", "weight-1", "weight-2"]
    );
    assert_seen!(&project, "pin_drop_unknown", &["pin", "drop", "weight-1"]);
    assert_seen!(&project, "pin_drop", &["pin", "drop", "weight-2"]);
}

#[test]
fn what_there_is_to_adopt_is_shown_with_the_command() {
    let mut project = project();
    edit(&mut project, 1000);
    flowstone(&project, &["run"]);
    edit(&mut project, 2000);
    pin(&mut project);
    assert_seen!(&project, "pin_adopt_nothing", &["pin", "adopt", "weight"]);
    assert_seen!(
        &project,
        "pin_adopt_no_such_code",
        &["pin", "adopt", "weight", "--from", "000000"]
    );
    assert_seen!(
        &project,
        "pin_adopt_no_such_run",
        &["pin", "adopt", "flow.toml", "weight", "--from", "run:9"]
    );
    assert_seen!(
        &project,
        "pin_adopt_run",
        &["pin", "adopt", "flow.toml", "weight", "--from", "run:1"]
    );
    assert_seen!(
        &project,
        "pin_adopt_no_code",
        &["pin", "adopt", "weight", "--from", "words"]
    );
}

#[test]
fn a_pin_is_verified_and_says_so() {
    let mut project = project();
    pin(&mut project);
    flowstone(&project, &["pin", "adopt", "weight"]);
    project.guest.detour = 1;
    lay_out(&project);
    flowstone(&project, &["run"]);
    let sample = ["--sample", "3", "--seed", "7"];
    let verify = |rest: &[&'static str]| [&["pin", "verify", "weight"], rest].concat();
    assert_seen!(&project, "pin_verify", &verify(&sample));
    assert_seen!(&project, "pin_verified_plan", &["plan"]);
    assert_seen!(&project, "pin_verify_all", &verify(&["--all"]));
    edit(&mut project, 1);
    flowstone(&project, &["run"]);
    assert_seen!(
        &project,
        "pin_verify_different",
        &verify(&["--all", "--limit", "2"])
    );
    assert_seen!(
        &project,
        "pin_verify_json",
        &verify(&["--all", "--limit", "1", "--json"])
    );
    assert_seen!(&project, "pin_verified_list", &["pin", "list"]);
}

#[test]
fn a_pin_of_another_flow_is_not_taken_for_another_function() {
    let mut project = project();
    pin(&mut project);
    flowstone(&project, &["run"]);
    let other = (project.flow)
        .replace("name = \"lines\"", "name = \"other\"")
        .replace("out/lines.db", "out/other.db")
        .replace("sample.weigh", "sample.vet");
    std::fs::write(project.path("other.toml"), other).expect("the project takes files");
    assert_seen!(&project, "pin_held", &["run", "other.toml"]);
}

#[test]
fn stored_calls_are_made_again() {
    let mut project = project();
    assert_seen!(&project, "verify", &["verify", "--seed", "7"]);
    assert_seen!(
        &project,
        "verify_one",
        &[
            "verify",
            "flow.toml",
            "weight",
            "--sample",
            "2",
            "--seed",
            "7"
        ]
    );
    assert_seen!(&project, "verify_no_transform", &["verify", "wieght"]);
    let granted = "[transform.weight]\ngrants = { clock = true, random = true }\ncache = { max-age = \"1d\" }\n";
    project.flow = project.flow.replace("[transform.weight]\n", granted);
    lay_out(&project);
    assert_seen!(&project, "check_impure", &["check"]);
    assert_seen!(&project, "verify_impure", &["verify", "--all"]);
}

#[test]
fn a_store_that_is_not_there_has_no_pins() {
    let project = Project::new();
    lay_out(&project);
    assert_seen!(&project, "pin_no_store", &["pin", "list"]);
    assert_seen!(
        &project,
        "pin_no_store_named",
        &["pin", "drop", "x", "--store", "nowhere"]
    );
}

/// The calls of `weight` that a plan expects, and those that the run then makes.
fn planned_and_made(project: &Project) -> (serde_json::Value, serde_json::Value) {
    let json = |verb: &str| -> serde_json::Value {
        let output = flowstone(project, &[verb, "--json"]);
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    };
    let plan = json("plan");
    let transforms = plan["transforms"].as_array().expect("a list");
    let planned = transforms
        .iter()
        .find(|planned| planned["name"] == "weight");
    let planned = planned.expect("it is in the plan")["calls"].clone();
    (
        planned,
        json("run")["transforms"]["weight"]["called"].clone(),
    )
}

#[test]
fn a_flow_that_still_names_a_dropped_pin_calls_only_for_rows_that_change() {
    let mut project = project();
    pin(&mut project);
    flowstone(&project, &["run"]);
    assert_eq!(
        flowstone(&project, &["pin", "drop", "weight-1"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        planned_and_made(&project),
        (0.into(), 0.into()),
        "nothing changed"
    );
    project.write("b.md", "three\nand more\n");
    // How many lines the page has now is not known to a plan.
    let (_, made) = planned_and_made(&project);
    assert_eq!(
        made, 2,
        "the changed row has no results under the pin any more"
    );
    let list = flowstone(&project, &["pin", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.starts_with("weight-1: 2 results\n"), "{list}");
}
