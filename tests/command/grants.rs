//! Grants as people see them: what `check`, `graph`, `plan`, `explain` and `inspect` say, and where values come from.

use std::fs;

use flowstone_tests::{Project, prober};

use crate::support::{assert_seen, command, flowstone, lay_out, regex_of_folder};

const FLOW: &str = r#"
name = "granted"

[plugin.prober]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"

[transform.line]
call = "prober.lines"
each = "page"
rows = true

[transform.said]
call = "prober.probe"
each = "line"
grants = { read = ["data/words"], env = ["FLOWSTONE_TEST_WORD"] }

[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "line"
key = ["path", "line"]
columns = { path = "page.path", line = "line", said = "said" }
"#;

fn project() -> Project {
    let mut project = Project::new();
    project.component = Some(prober().to_vec());
    FLOW.clone_into(&mut project.flow);
    fs::create_dir_all(project.path("data/words")).expect("folders are taken");
    fs::write(project.path("data/words/en.txt"), "the").expect("files are taken");
    project.write(
        "a.md",
        "read data/words/en.txt\nenv FLOWSTONE_TEST_WORD\nenv HOME\n",
    );
    lay_out(&project);
    project
}

/// Runs the flow with this value of the granted variable: how often it called.
fn run(project: &Project, word: Option<&str>) -> u64 {
    let mut run = command(project);
    run.args(["run", "--json"])
        .env_remove("FLOWSTONE_TEST_WORD");
    if let Some(word) = word {
        run.env("FLOWSTONE_TEST_WORD", word);
    }
    let output = run.output().expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    report["transforms"]["said"]["called"]
        .as_u64()
        .expect("a number")
}

#[test]
fn what_is_granted_is_shown() {
    let project = project();
    assert_seen!(&project, "grants_check", &["check"]);
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = flowstone(&project, arguments);
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    };
    let checked = json(&["check", "--json"]);
    let said = &checked["transforms"][1];
    assert_eq!(
        said["grants"],
        serde_json::json!(["read data/words", "env FLOWSTONE_TEST_WORD"])
    );
    assert_eq!(said["impure"], false);
    let graph = flowstone(&project, &["graph", "--format", "mermaid"]);
    assert!(
        String::from_utf8_lossy(&graph.stdout).contains("read data/words"),
        "{graph:?}"
    );
    let inspected = json(&["inspect", "sample.wasm", "--json"]);
    assert_eq!(
        inspected["grants"],
        serde_json::json!(["clock", "env", "network", "random", "read"])
    );
    run(&project, None);
    fs::write(project.path("data/words/en.txt"), "The").expect("files are taken");
    assert_seen!(&project, "grants_plan", &["plan"]);
    run(&project, None);
    assert_seen!(&project, "grants_explain", &["explain", "said", "a.md#0"]);
    fs::remove_dir_all(project.path("data")).expect("it is there");
    assert_seen!(&project, "grants_missing", &["check"]);
}

#[test]
fn a_request_without_a_grant_is_denied_and_the_log_says_which_is_missing() {
    let project = project();
    let call = |line| ["call", "sample.wasm", "probe", line];
    let denied = call("\"get https://example.org/\"");
    assert_seen!(&project, "grants_http_denied", &denied);
    let inspected = flowstone(&project, &["inspect", "sample.wasm"]);
    let inspected = String::from_utf8_lossy(&inspected.stdout).into_owned();
    let http: Vec<&str> = inspected
        .lines()
        .filter(|line| line.contains("wasi:http"))
        .collect();
    assert_eq!(
        http,
        [
            "  wasi:http/types@0.2.12",
            "  wasi:http/outgoing-handler@0.2.12  virtual without the grant `network`",
        ]
    );
}

#[test]
fn the_command_hands_named_variables_on_and_no_others() {
    let project = project();
    assert_eq!(run(&project, Some("one")), 3);
    let rows = project.rows();
    assert!(
        rows.contains(&"a.md|env FLOWSTONE_TEST_WORD|one".to_owned()),
        "{rows:?}"
    );
    assert!(
        rows.iter()
            .any(|row| row.starts_with("a.md|env HOME|error: ")),
        "{rows:?}"
    );
    assert_eq!(run(&project, Some("one")), 0);
    assert_eq!(run(&project, Some("two")), 3);
    assert_eq!(run(&project, None), 3);
    assert_eq!(run(&project, Some("one")), 0);
    assert_eq!(project.rows(), rows);
}
