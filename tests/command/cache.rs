//! What a person sees of `cache`: listing, reading, setting, forgetting and moving what is remembered.

use flowstone_tests::{Guest, Project};

use crate::support::{assert_seen, command, flowstone, lay_out, regex_of_folder, seen};

fn project() -> Project {
    let mut project = Project::new();
    let plugin = "[plugin.sample]\n";
    let identity = format!("{plugin}identity = \"component\"\n");
    project.flow = project.flow.replace(plugin, &identity);
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    lay_out(&project);
    project
}

/// As `assert_seen`, with figures of time in JSON and sizes of the store replaced too.
macro_rules! assert_cache {
    ($project:expr, $name:expr, $arguments:expr) => {
        insta::with_settings!({
            omit_expression => true,
            snapshot_path => "snapshots",
            prepend_module_to_snapshot => false,
            filters => vec![
                (regex_of_folder($project).as_str(), "[PROJECT]"),
                (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
                (r"\b[0-9a-f]{12}\b", "[DIGEST]"),
                (r#""([a-z]+_seconds)": ?[0-9.e-]+"#, "\"$1\": [TIME]"),
                (r#""parts":\{[^}]*\}"#, "\"parts\":[SIZES]"),
                (r"(database|objects|kept components|compiled code) +[0-9.]+ [KM]?i?B", "$1 [SIZE]"),
                (r"<?\b[0-9.]+ (ns|µs|ms|s)\b", "[TIME]"),
                (r" +\[TIME\]", " [TIME]"),
                (r" +cost +saved", " cost saved"),
            ],
        }, {
            insta::assert_snapshot!($name, seen($project, $arguments));
        });
    };
}

#[test]
fn what_is_remembered_is_listed() {
    let mut project = project();
    assert_cache!(&project, "cache_no_store", &["cache", "list"]);
    flowstone(&project, &["run"]);
    project.write("copy.md", "one\ntwo\n");
    flowstone(&project, &["run"]);
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    lay_out(&project);
    flowstone(&project, &["run"]);
    let by_hits = ["cache", "list", "--transform", "weight", "--sort", "hits"];
    assert_cache!(&project, "cache_list", &by_hits);
    let limited = ["cache", "list", "--transform", "line", "--limit", "1"];
    assert_cache!(&project, "cache_list_limited", &limited);
    let json = ["cache", "list", "--unused", "--limit", "1", "--json"];
    assert_cache!(&project, "cache_list_json", &json);
    let nothing = ["cache", "list", "--older-than", "30d"];
    assert_cache!(&project, "cache_list_nothing", &nothing);
    assert_cache!(&project, "cache_stat", &["cache", "stat"]);
    assert_cache!(&project, "cache_stat_json", &["cache", "stat", "--json"]);
}

#[test]
fn results_are_shown() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_cache!(&project, "cache_get", &["cache", "get", "line", "a.md"]);
    let json = ["cache", "get", "weight", "a.md#1", "--json"];
    assert_cache!(&project, "cache_get_json", &json);
    let as_json = ["cache", "get", "line", "a.md", "--format", "json"];
    assert_cache!(&project, "cache_get_as_json", &as_json);
    let raw = ["cache", "get", "weight", "a.md#1", "--format", "raw"];
    assert_cache!(&project, "cache_get_raw_number", &raw);
    let no_row = ["cache", "get", "weight", "a.md#7"];
    assert_cache!(&project, "cache_get_no_row", &no_row);
    let no_position = ["cache", "get", "weight", "a.md"];
    assert_cache!(&project, "cache_get_no_position", &no_position);
    let no_transform = ["cache", "get", "wieght", "a.md#1"];
    assert_cache!(&project, "cache_get_no_transform", &no_transform);
}

#[test]
fn results_without_a_value_are_said_in_words() {
    let mut project = project();
    let call = "call = \"sample.weigh\"";
    project.flow = project.flow.replace(call, "call = \"sample.vet\"");
    project.write("a.md", "one\n?two\n");
    lay_out(&project);
    flowstone(&project, &["run"]);
    let failed = ["cache", "get", "weight", "a.md#1"];
    assert_cache!(&project, "cache_get_failed", &failed);
    project.flow = project.flow.replace("sample.vet", "sample.keep");
    project.write("a.md", "one\n# two\n");
    lay_out(&project);
    flowstone(&project, &["run"]);
    assert_cache!(&project, "cache_get_none", &failed);
    let json = ["cache", "get", "weight", "a.md#1", "--json"];
    assert_cache!(&project, "cache_get_none_json", &json);
}

#[test]
fn raw_bytes_go_to_a_file_and_come_back() {
    let mut project = project();
    let call = "call = \"sample.weigh\"";
    project.flow = project.flow.replace(call, "call = \"sample.vet\"");
    lay_out(&project);
    flowstone(&project, &["run"]);
    let raw = ["cache", "get", "weight", "b.md#0", "--format", "raw"];
    assert_eq!(flowstone(&project, &raw).stdout, b"three");
    let file = [&raw[..], &["-o", "three.txt"]].concat();
    assert!(flowstone(&project, &file).status.success());
    let read = |name| std::fs::read_to_string(project.path(name)).expect("it was written");
    assert_eq!(read("three.txt"), "three");
    std::fs::write(project.path("three.txt"), "drei\n").expect("the project takes files");
    let put = ["cache", "put", "weight", "b.md#0", "@three.txt"];
    assert_cache!(&project, "cache_put_file", &put);
    assert_eq!(flowstone(&project, &raw).stdout, b"drei\n");
}

#[test]
fn a_result_is_put() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_cache!(
        &project,
        "cache_put",
        &["cache", "put", "weight", "a.md#1", "7"]
    );
    assert_cache!(&project, "cache_put_plan", &["plan", "--rows"]);
    flowstone(&project, &["run"]);
    assert_eq!(project.rows()[1], "a.md|two|7");
    let negative = ["cache", "put", "weight", "a.md#1", "-7"];
    assert_cache!(&project, "cache_put_wrong", &negative);
    let json = ["cache", "put", "weight", "a.md#1", "8", "--json"];
    assert_cache!(&project, "cache_put_json", &json);
    let no_file = ["cache", "put", "weight", "a.md#1", "@nowhere"];
    assert_cache!(&project, "cache_put_no_file", &no_file);
    project.write("c.md", "four\n");
    let unknown = ["cache", "put", "weight", "c.md#0", "7"];
    assert_cache!(&project, "cache_put_unknown", &unknown);
}

#[test]
fn results_are_forgotten() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_cache!(&project, "cache_rm_what", &["cache", "rm"]);
    let dry = ["cache", "rm", "--all", "--dry-run"];
    assert_cache!(&project, "cache_rm_dry", &dry);
    assert_cache!(
        &project,
        "cache_rm_one",
        &["cache", "rm", "weight", "a.md#1"]
    );
    assert_cache!(&project, "cache_rm_transform", &["cache", "rm", "weight"]);
    assert_cache!(
        &project,
        "cache_rm_both",
        &["cache", "rm", "weight", "a.md", "--unused"]
    );
    assert_cache!(
        &project,
        "cache_rm_json",
        &["cache", "rm", "--all", "--json"]
    );
    assert_cache!(&project, "cache_rm_nothing", &["cache", "rm", "--all"]);
}

#[test]
fn results_go_to_another_project() {
    let here = project();
    flowstone(&here, &["run"]);
    let file = here.path("results.cache").display().to_string();
    let export = ["cache", "export", "results.cache", "--with-builds"];
    assert_cache!(&here, "cache_export", &export);
    let left: Vec<_> = std::fs::read_dir(here.path(""))
        .expect("the folder can be listed")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let there = project();
    std::fs::copy(&file, there.path("results.cache")).expect("the file is there");
    let dry = ["cache", "import", "results.cache", "--dry-run"];
    assert_cache!(&there, "cache_import_dry", &dry);
    assert_cache!(
        &there,
        "cache_import",
        &["cache", "import", "results.cache"]
    );
    assert_cache!(
        &there,
        "cache_import_again",
        &["cache", "import", "results.cache", "--json"]
    );
    assert_seen!(&there, "cache_import_runs", &["runs", "--all"]);
    let run = flowstone(&there, &["run", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).expect("it is JSON");
    assert_eq!(report["transforms"]["line"]["called"], 0);
    assert_eq!(report["transforms"]["weight"]["called"], 0);
    assert_eq!(there.rows(), here.rows());
}

#[test]
fn a_damaged_file_is_refused_with_the_place() {
    let project = project();
    flowstone(&project, &["run"]);
    flowstone(&project, &["cache", "export", "results.cache"]);
    let file = project.path("results.cache");
    let archive = std::fs::read(&file).expect("it was written");
    std::fs::write(&file, &archive[..archive.len() - 7]).expect("it can be written to");
    let import = ["cache", "import", "results.cache", "--store", "other"];
    assert_cache!(&project, "cache_import_cut_off", &import);
    std::fs::write(&file, "name = \"no archive\"\n").expect("it can be written to");
    assert_cache!(&project, "cache_import_foreign", &import);
    let nothing = ["cache", "import", "nowhere.cache"];
    assert_cache!(&project, "cache_import_no_file", &nothing);
    let json = ["cache", "import", "results.cache", "--json"];
    assert_cache!(&project, "cache_import_foreign_json", &json);
}

#[test]
fn a_store_alone_is_enough_for_what_needs_no_flow() {
    let project = project();
    flowstone(&project, &["run"]);
    let elsewhere = tempfile::tempdir().expect("a folder for the test");
    let store = project.path(".flowstone").display().to_string();
    let run = |arguments: &[&str]| {
        let mut command = command(&project);
        command.current_dir(elsewhere.path()).args(arguments);
        command.output().expect("the command starts")
    };
    let count = |arguments: &[&str]| {
        let output = run(&[arguments, &["--json", "--store", &store]].concat());
        let answer: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("the answer is JSON");
        answer
    };
    assert_eq!(count(&["cache", "list"])["totals"]["entries"], 5);
    assert_eq!(count(&["cache", "stat"])["entries"], 5);
    assert_eq!(count(&["cache", "export", "x.cache"])["results"], 5);
    assert_eq!(count(&["cache", "rm", "--all"])["entries"], 5);
    assert_eq!(count(&["cache", "import", "x.cache"])["imported"], 5);
    let none = run(&["cache", "list"]);
    assert_eq!(
        none.status.code(),
        Some(2),
        "neither flow nor store is here"
    );
}
