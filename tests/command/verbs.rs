//! What a person sees of every verb, good and bad.

use flowstone_tests::{Guest, Project};

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder};

fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n")
        .write("deep/c.md", "four\n\nfive");
    lay_out(&project);
    project
}

#[test]
fn check_shows_the_flow_wired() {
    assert_seen!(&project(), "check", &["check"]);
}

#[test]
fn a_first_run_and_one_without_a_change() {
    let project = project();
    assert_seen!(&project, "plan_first", &["plan"]);
    assert_seen!(&project, "run_first", &["run"]);
    assert_seen!(&project, "run_again", &["run"]);
    assert_seen!(&project, "run_again_json", &["run", "--json"]);
    assert_seen!(&project, "plan_nothing", &["plan"]);
}

#[test]
fn a_plan_gives_the_reasons() {
    let mut project = project();
    flowstone(&project, &["run"]);
    project
        .write("a.md", "one\nzwei\n")
        .write("new.md", "six")
        .remove("b.md");
    assert_seen!(&project, "plan_edits", &["plan", "--rows"]);
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    lay_out(&project);
    assert_seen!(&project, "plan_code", &["plan"]);
}

#[test]
fn failed_rows_are_listed_with_their_reason_and_status_1() {
    let project = project();
    project
        .write("a.md", "one\n!boom\n")
        .write("latin.md", b"caf\xe9");
    assert_seen!(&project, "run_failures", &["run"]);
    assert_seen!(&project, "run_failures_again", &["run", "--quiet"]);
    assert_seen!(
        &project,
        "lineage_of_a_failed_row",
        &["lineage", "--down", "page", "latin.md"]
    );
}

#[test]
fn lineage_goes_up_and_down() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_seen!(&project, "lineage_up", &["lineage", "index", "a.md,two"]);
    assert_seen!(
        &project,
        "lineage_down",
        &["lineage", "--down", "page", "deep/c.md"]
    );
    assert_seen!(
        &project,
        "lineage_of_nothing",
        &["lineage", "index", "a.md,nine"]
    );
    assert_seen!(
        &project,
        "lineage_of_no_target",
        &["lineage", "indx", "a.md,two"]
    );
}

#[test]
fn a_component_is_shown_and_called() {
    let project = project();
    assert_seen!(&project, "inspect", &["inspect", "sample.wasm"]);
    assert_seen!(
        &project,
        "call",
        &["call", "sample.wasm", "weigh", "\"one\""]
    );
    assert_seen!(
        &project,
        "call_plain_word",
        &["call", "sample.wasm", "lines", "one"]
    );
    assert_seen!(
        &project,
        "call_err",
        &["call", "sample.wasm", "vet", "\"?no\""]
    );
    assert_seen!(
        &project,
        "call_trap",
        &["call", "sample.wasm", "weigh", "\"!boom\""]
    );
    assert_seen!(
        &project,
        "call_for_ever",
        &[
            "call",
            "--time-limit",
            "50ms",
            "sample.wasm",
            "weigh",
            "\"~\""
        ]
    );
    assert_seen!(
        &project,
        "call_no_function",
        &["call", "sample.wasm", "wiegh", "one"]
    );
    assert_seen!(&project, "call_too_few", &["call", "sample.wasm", "weigh"]);
}

#[test]
fn a_wrong_flow_is_shown_with_the_place() {
    let mut project = project();
    project.flow = project
        .flow
        .replace("sample.weigh", "sample.wiegh")
        .replace("key = [\"path\", \"line\"]", "key = [\"pth\"]");
    lay_out(&project);
    assert_seen!(&project, "wrong_flow", &["check"]);
    assert_seen!(&project, "wrong_flow_json", &["run", "--json"]);
}

#[test]
fn what_is_missing_is_named() {
    let project = project();
    assert_seen!(&project, "no_flow", &["run", "nowhere.toml"]);
    std::fs::remove_file(project.path("sample.wasm")).expect("the component is there");
    assert_seen!(&project, "no_component", &["run"]);
    lay_out(&project);
    std::fs::remove_dir_all(project.path("docs")).expect("the source is there");
    assert_seen!(&project, "no_source", &["run"]);
}

#[test]
fn losing_most_rows_asks_first() {
    let project = project();
    for number in 0..20 {
        project.write(&format!("n{number}.md"), format!("line {number}"));
    }
    flowstone(&project, &["run"]);
    for number in 0..19 {
        project.remove(&format!("n{number}.md"));
    }
    assert_seen!(&project, "mass_delete", &["run"]);
    assert_eq!(
        flowstone(&project, &["run", "--allow-deletes"])
            .status
            .code(),
        Some(0)
    );
}

#[test]
fn variables_are_set_from_the_command_line() {
    let mut project = project();
    project.flow = format!(
        "[var]\nroot = \"nowhere\"\n{}",
        project
            .flow
            .replace("root = \"docs\"", "root = \"${root}\"")
    );
    project.flow = project.flow.replacen("[var]\nroot = \"nowhere\"\n", "", 1)
        + "\n[var]\nroot = \"nowhere\"\n";
    lay_out(&project);
    assert_eq!(flowstone(&project, &["run"]).status.code(), Some(3));
    assert_eq!(
        flowstone(&project, &["run", "--set", "root=docs"])
            .status
            .code(),
        Some(0)
    );
    assert_seen!(&project, "unknown_variable", &["run", "--set", "rot=docs"]);
}
