//! `run --verify-targets`: what others changed is named, counted and put right.

use std::fs;

use flowstone_tests::{FLOW, Project};

use crate::support::{flowstone, lay_out};

const FILES: &str = r#"
[target.pages]
kind = "files"
root = "out/pages"
rows = "line"
path = "{line}.txt"
columns = { line = "line", content = "line" }
"#;

#[test]
fn a_file_that_a_person_changed_is_named_before_it_is_forgotten() {
    let mut project = Project::new();
    project.flow = format!("{FLOW}{FILES}");
    project.write("a.md", "one\ntwo\n");
    lay_out(&project);
    assert!(flowstone(&project, &["run"]).status.success());
    let file = project.path("out/pages/one.txt");
    fs::write(&file, "mine").unwrap();
    assert!(flowstone(&project, &["run"]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let output = flowstone(&project, &["run", "--verify-targets"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("drifted"), "{said}");
    assert!(
        said.contains("1 target row was not as written\n  pages one.txt: was changed"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "one");

    fs::remove_file(&file).unwrap();
    let output = flowstone(&project, &["run", "--verify-targets", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["targets"]["pages"]["drifted"], 1);
    assert_eq!(report["targets"]["index"]["drifted"], 0);
    let row = serde_json::json!({"target": "pages", "key": "one.txt", "drift": "missing"});
    assert_eq!(report["drifted"], serde_json::json!([row]));
    let plain = flowstone(&project, &["run", "--json"]);
    assert!(!String::from_utf8_lossy(&plain.stdout).contains("drifted"));
}
