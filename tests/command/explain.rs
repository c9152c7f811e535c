//! What a person sees of modes, overrides and explanations, and of the difference between two builds.

use std::fs;

use flowstone_tests::{Guest, Project, guest};

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder};

fn project() -> Project {
    let project = Project::new();
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    lay_out(&project);
    project
}

#[test]
fn an_explanation_says_what_was_called_and_why() {
    let mut project = project();
    assert_seen!(&project, "explain_never", &["explain", "weight"]);
    flowstone(&project, &["run"]);
    assert_seen!(&project, "explain_first", &["explain", "weight"]);
    project.write("a.md", "one\nzwei\n");
    flowstone(&project, &["run"]);
    assert_seen!(&project, "explain_edit", &["explain", "weight"]);
    assert_seen!(
        &project,
        "explain_values",
        &["explain", "weight", "a.md#1", "--values"]
    );
    project.guest.weight = 1;
    lay_out(&project);
    flowstone(&project, &["run"]);
    assert_seen!(&project, "explain_code", &["explain", "weight", "b.md"]);
    assert_seen!(
        &project,
        "explain_json",
        &["explain", "flow.toml", "weight", "b.md", "--json"]
    );
}

#[test]
fn an_explanation_of_what_is_not_there_says_so() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_seen!(&project, "explain_no_transform", &["explain", "wight"]);
    assert_seen!(&project, "explain_no_row", &["explain", "weight", "x.md"]);
    assert_seen!(
        &project,
        "explain_no_place",
        &["explain", "weight", "a.md#7"]
    );
    assert_seen!(
        &project,
        "explain_no_words",
        &["explain", "a", "b", "c", "d"]
    );
}

#[test]
fn one_run_does_without_the_cache_as_it_is_told() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_seen!(&project, "run_recompute", &["run", "--recompute", "weight"]);
    assert_seen!(&project, "explain_recompute", &["explain", "weight"]);
    assert_seen!(&project, "run_no_cache", &["run", "--no-cache"]);
    assert_seen!(&project, "plan_refresh", &["plan", "--refresh"]);
    assert_seen!(
        &project,
        "run_disable_unknown",
        &["run", "--disable", "weigth"]
    );
    assert_seen!(
        &project,
        "run_contradiction",
        &["run", "--refresh", "--no-cache"]
    );
}

#[test]
fn results_are_given_by_a_file() {
    let project = project();
    let line = "{\"key\": \"a.md\", \"index\": [1], \"value\": 7}\n";
    fs::write(project.path("given.jsonl"), line).expect("the project takes files");
    assert_seen!(
        &project,
        "run_override",
        &["run", "--override", "weight=given.jsonl"]
    );
    assert_eq!(
        project.rows(),
        ["a.md|one|322", "a.md|two|7", "b.md|three|536"]
    );
    fs::write(project.path("given.jsonl"), line.replace('7', "\"7\"")).expect("it can be written");
    assert_seen!(
        &project,
        "run_override_type",
        &["run", "--override", "weight=given.jsonl"]
    );
    assert_seen!(
        &project,
        "run_override_no_file",
        &["run", "--override", "weight=none.jsonl"]
    );
    flowstone(&project, &["run"]);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn two_builds_are_compared_function_by_function() {
    let project = project();
    let other = guest(Guest {
        weight: 1,
        ..Guest::default()
    });
    fs::write(project.path("other.wasm"), other).expect("the project takes files");
    assert_seen!(
        &project,
        "inspect_builds",
        &["inspect", "sample.wasm", "other.wasm"]
    );
    assert_seen!(
        &project,
        "inspect_same",
        &["inspect", "sample.wasm", "sample.wasm"]
    );
    assert_seen!(
        &project,
        "inspect_builds_json",
        &["inspect", "sample.wasm", "other.wasm", "--json"]
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused_with_the_place() {
    let mut project = project();
    let weigh = "call = \"sample.weigh\"\n";
    for (name, settings) in [
        (
            "pin_and_disable",
            "cache = { pin = \"p\", mode = \"disable\" }",
        ),
        (
            "age_and_ignore",
            "cache = { max-age = \"1d\", mode = \"ignore\" }",
        ),
        ("grant_without_age", "grants = { clock = true }"),
        ("unknown_mode", "cache = { mode = \"off\" }"),
        ("unknown_cache_setting", "cache = { pins = \"p\" }"),
    ] {
        let flow = project.flow.clone();
        project.flow = flow.replace(weigh, &format!("{weigh}{settings}\n"));
        lay_out(&project);
        assert_seen!(&project, format!("check_{name}"), &["check"]);
        project.flow = flow;
    }
    project.flow = project
        .flow
        .replace("rows = true", "rows = true\ncache = { mode = \"ignore\" }");
    lay_out(&project);
    assert_seen!(&project, "check_ignored_rows", &["check"]);
}

#[test]
fn a_key_that_no_row_has_is_answered_with_one_that_there_is() {
    let project = Project::new();
    for key in ["deep/today.md", "other.md", "a.md", "b.md"] {
        project.write(key, "one\n");
    }
    lay_out(&project);
    assert_eq!(flowstone(&project, &["run"]).status.code(), Some(0));
    for (key, help) in [
        ("docs/deep/today.md", ": did you mean `deep/today.md`?"),
        ("othre.md", ": did you mean `other.md`?"),
        (
            "something else",
            ": there are `a.md`, `b.md`, `deep/today.md` and others",
        ),
    ] {
        for arguments in [
            ["explain", "line", key].as_slice(),
            &["lineage", "--down", "page", key],
        ] {
            let output = flowstone(&project, arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(help), "{said}");
        }
    }
}
