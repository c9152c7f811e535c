//! Names and keys that would play tricks on a terminal: people see them escaped, JSON has them as they are.

use std::collections::BTreeSet;
use std::fs;

use flowstone_tests::{FLOW, Project};
use serde_json::Value as Json;

use crate::support::{flowstone, lay_out};

/// A key with a line break, and the one that looks like it when it is shown.
const ALIKE: [&str; 2] = ["a\nb.md", "a\\nb.md"];

/// A project with names of all kinds, two of whose rows fail.
fn project() -> Project {
    let mut project = Project::new();
    project.flow = FLOW
        .replace("name = \"lines\"", "name = \"li\\u202enes\"")
        .replace(
            "path = \"page.path\"",
            "path = \"page.path\", \"\\u001b[31m\" = \"page.path\"",
        );
    project.write("c\u{1b}d.md", "one\n");
    for key in ALIKE {
        // No text.
        fs::write(project.path("docs").join(key), b"\xff").expect("the project takes files");
    }
    lay_out(&project);
    project
}

fn json(project: &Project, arguments: &[&str]) -> Json {
    let output = flowstone(project, arguments);
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(
        !text.trim_end().chars().any(flowstone::core::is_unprintable),
        "{text:?}"
    );
    serde_json::from_str(&text).expect("it is JSON")
}

fn keys(rows: &Json) -> BTreeSet<&str> {
    let rows = rows.as_array().expect("a list");
    rows.iter().filter_map(|row| row["key"].as_str()).collect()
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_it_is() {
    // Also where styles are wanted, which begin with the same character.
    for color in ["never", "always"] {
        let project = project();
        for (arguments, shows) in [
            (&["check"][..], "\\u{1b}[31m"),
            (&["plan", "--rows"], "a\\nb.md"),
            (&["run", "-v"], "c\\u{1b}d.md"),
            (&["runs"], "rows failed"),
            (&["runs", "show", "1"], "a\\nb.md"),
            (&["explain", "weight", "c\u{1b}d.md"], "c\\u{1b}d.md"),
            (&["explain", "weight", "c\u{1b}"], "c\\u{1b}"),
            (&["explain", "line"], "c\\u{1b}d.md"),
            (
                &["lineage", "--down", "page", "c\u{1b}d.md"],
                "c\\u{1b}d.md",
            ),
            (&["lineage", "index", "c\u{1b}d.md,one"], "c\\u{1b}d.md"),
            (&["cache", "get", "weight", "c\u{1b}"], "c\\u{1b}"),
        ] {
            let output = flowstone(&project, &[arguments, &["--color", color]].concat());
            let shown = [output.stdout, output.stderr].concat();
            let shown = String::from_utf8(shown).expect("it is text");
            let mut plain = shown.clone();
            for style in ["1", "2", "1;31", "31", "32", "33", "36", "0"] {
                plain = plain.replace(&format!("\u{1b}[{style}m"), "");
            }
            let tricks = |c: char| c != '\n' && flowstone::core::is_unprintable(c);
            assert!(!plain.chars().any(tricks), "{arguments:?}: {shown:?}");
            assert!(shown.contains(shows), "{arguments:?}: {shown}");
        }
    }
}

#[test]
fn json_has_the_true_keys() {
    let project = project();
    let all: BTreeSet<&str> = ALIKE.into_iter().chain(["c\u{1b}d.md"]).collect();
    let failed = BTreeSet::from(ALIKE);
    let plan = json(&project, &["plan", "--rows", "--json"]);
    assert_eq!(keys(&plan["rows"]), all);
    let run = json(&project, &["run", "--json"]);
    assert_eq!(keys(&run["failed"]), failed);
    let shown = json(&project, &["runs", "show", "1", "--json"]);
    assert_eq!(keys(&shown["failed"]), failed);
    let down = ["lineage", "--down", "page", "c\u{1b}d.md", "--json"];
    let down = json(&project, &down);
    assert_eq!(down["key"], "c\u{1b}d.md");
    for key in ALIKE {
        let row = json(&project, &["lineage", "--down", "page", key, "--json"]);
        assert_eq!(row["key"], key);
    }
}

#[test]
fn a_syntax_error_is_shown_without_what_it_holds() {
    let project = project();
    fs::write(project.path("flow.toml"), "name = \u{1b}[2J\u{202e}\nx")
        .expect("the project takes files");
    let output = flowstone(&project, &["check", "--color", "never"]);
    let said = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("name = ?[2J\u{fffd}"), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
}
