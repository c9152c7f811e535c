//! The shipped example, built and run as the README says.

use std::path::Path;
use std::process::Command;

use flowstone_tests::Project;

use crate::support::command;

#[test]
fn the_handbook_is_built_and_filled_and_then_stays() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The flow and the documents are copied, so that the test leaves nothing behind and runs beside others; the plugin
    // is built where it is.
    let project = Project::new();
    let flow = std::fs::read_to_string(root.join("examples/handbook/flow.toml"))
        .expect("the example is there");
    let flow = flow
        .replace(
            "../../plugins",
            root.join("plugins").to_str().expect("the path is text"),
        )
        .replace("root = \"../..\"", "root = \".\"");
    std::fs::write(project.path("flow.toml"), flow).expect("the project takes files");
    std::fs::copy(root.join("README.md"), project.path("README.md")).expect("the README is there");
    std::fs::copy(root.join("docs/flow.md"), project.path("docs/flow.md"))
        .expect("the docs are there");
    let run = || -> serde_json::Value {
        let output = command(&project)
            .args(["run", "--json"])
            .output()
            .expect("the command starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        serde_json::from_slice(&output.stdout).expect("the report is JSON")
    };
    let first = run();
    assert_eq!(first["sources"]["page"]["rows"], 2);
    assert_eq!(first["transforms"]["section"]["called"], 2);
    assert!(
        first["targets"]["index"]["inserted"]
            .as_u64()
            .expect("a number")
            > 10
    );
    let again = run();
    for transform in ["section", "words", "likeness"] {
        assert_eq!(again["transforms"][transform]["called"], 0);
    }
    assert_eq!(
        again["targets"]["index"]["unchanged"],
        first["targets"]["index"]["inserted"]
    );
}

#[test]
fn the_examples_are_flows_that_are_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::new();
    for example in ["handbook", "rust-docs", "shop"] {
        let store = project.path(example);
        let output = Command::new(env!("CARGO_BIN_EXE_flowstone"))
            .args(["check", "--json", "--store"])
            .arg(&store)
            .arg(root.join("examples").join(example))
            .env("XDG_STATE_HOME", project.path("state"))
            .env("FLOWSTONE_COMPILED", project.path("state/compiled"))
            .output()
            .expect("the command starts");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
