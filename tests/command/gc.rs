//! What a person sees of `gc` and of `cache verify`.

use std::path::PathBuf;

use flowstone_tests::{Guest, Project};

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder, seen};

fn project() -> Project {
    let mut project = Project::new();
    let plugin = "[plugin.sample]\n";
    let identity = format!("{plugin}identity = \"component\"\n");
    project.flow = project.flow.replace(plugin, &identity);
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    lay_out(&project);
    project
}

/// A project whose store has results of two builds.
fn built_twice() -> Project {
    let mut project = project();
    flowstone(&project, &["run"]);
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    lay_out(&project);
    flowstone(&project, &["run"]);
    project
}

/// As `assert_seen`, with sizes replaced too.
macro_rules! assert_store {
    ($project:expr, $name:expr, $arguments:expr) => {
        insta::with_settings!({
            omit_expression => true,
            snapshot_path => "snapshots",
            prepend_module_to_snapshot => false,
            filters => vec![
                (regex_of_folder($project).as_str(), "[PROJECT]"),
                (r#""([a-z]+_)?(database|objects|builds|compiled|bytes|before|after|removed)": ?[0-9]{4,}"#, "\"$1$2\": [SIZE]"),
                (r"\b[0-9.]+ ([KM]i)?B\b", "[SIZE]"),
            ],
        }, {
            insta::assert_snapshot!($name, seen($project, $arguments));
        });
    };
}

const STRICT: [&str; 5] = ["gc", "--keep", "0s", "--keep-runs", "0"];

#[test]
fn what_is_collected_is_told() {
    let project = built_twice();
    assert_store!(&project, "gc_nothing", &["gc"]);
    let dry = [&STRICT[..], &["--dry-run"]].concat();
    assert_store!(&project, "gc_dry", &dry);
    assert_store!(&project, "gc_json", &[&dry[..], &["--json"]].concat());
    assert_store!(&project, "gc_strict", &STRICT);
    assert_store!(&project, "gc_again", &STRICT);
    let run = flowstone(&project, &["run", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).expect("it is JSON");
    assert_eq!(report["transforms"]["weight"]["called"], 0);
}

#[test]
fn the_flow_says_how_large_the_store_may_be() {
    let mut project = built_twice();
    project.flow.push_str("\n[store]\nmax-size = \"1KiB\"\n");
    lay_out(&project);
    assert_store!(&project, "gc_too_large", &["gc"]);
    let larger = ["gc", "--max-size", "1GiB"];
    assert_store!(&project, "gc_large_enough", &larger);
}

#[test]
fn mistakes_are_told() {
    let project = project();
    assert_store!(&project, "gc_no_store", &["gc"]);
    let wrong = ["gc", "--keep", "long", "--max-size", "much"];
    assert_store!(&project, "gc_wrong", &wrong);
    std::fs::write(project.path("flow.toml"), "[store]\nkeep = 7\n").expect("it can be written");
    assert_store!(&project, "gc_wrong_flow", &["gc"]);
}

#[test]
fn a_store_is_collected_without_its_flow() {
    let project = built_twice();
    std::fs::remove_file(project.path("flow.toml")).expect("the flow is there");
    assert_store!(&project, "gc_no_flow", &STRICT);
}

#[test]
fn what_is_damaged_is_told_and_dropped() {
    let project = built_twice();
    assert_store!(&project, "cache_verify_sound", &["cache", "verify"]);
    let build = a_file(&project, "builds");
    std::fs::write(&build, "damaged").expect("it can be written");
    std::fs::write(
        build.with_file_name(format!("{}.wasm", "0".repeat(64))),
        "lost",
    )
    .expect("it can be written");
    let dry = ["cache", "verify", "--dry-run"];
    assert_store!(&project, "cache_verify_dry", &dry);
    assert_store!(
        &project,
        "cache_verify_json",
        &["cache", "verify", "--dry-run", "--json"]
    );
    assert_store!(&project, "cache_verify_dropped", &["cache", "verify"]);
    assert_store!(&project, "cache_verify_again", &["cache", "verify"]);
}

/// Some file in a folder of the store.
fn a_file(project: &Project, folder: &str) -> PathBuf {
    let folder = project.path(".flowstone").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    files.swap_remove(0)
}

#[test]
fn a_run_collects_where_the_store_is_larger_than_it_may_be() {
    let mut project = Project::new();
    project.write("a.md", "one\ntwo\n");
    lay_out(&project);
    flowstone(&project, &["run"]);
    project.guest.weight = 1;
    project.flow.push_str("\n[store]\nmax-size = \"1KiB\"\n");
    lay_out(&project);
    assert_seen!(&project, "run_collects", &["run"]);
    project.guest.weight = 2;
    lay_out(&project);
    assert_seen!(&project, "run_no_gc", &["run", "--no-gc"]);
}
