//! `flowstone test`: a plugin's cases in the sandbox, good and bad, and results that are accepted.

use std::path::Path;

use flowstone_tests::Project;

use crate::support::{assert_seen, command, flowstone, lay_out, regex_of_folder};

/// Functions that cannot be relied on.
const ODD: &str = r#"
(component
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
  (alias export $random "get-random-u64" (func $draw))
  (core func $draw (canon lower (func $draw)))
  (core module $m
    (import "random" "draw" (func $draw (result i64)))
    (global $calls (mut i32) (i32.const 0))
    (func (export "draw") (result i64) (call $draw))
    (func (export "next") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (global.get $calls))
    (func (export "once") (result i32)
      (if (global.get $calls) (then unreachable))
      (global.set $calls (i32.const 1))
      (i32.const 7))
    (func (export "nothing"))
    (func (export "big") (param i64) (result i64) (local.get 0)))
  (core instance $given (export "draw" (func $draw)))
  (core instance $i (instantiate $m (with "random" (instance $given))))
  (func (export "draw") (result u64) (canon lift (core func $i "draw")))
  (func (export "next") (result u32) (canon lift (core func $i "next")))
  (func (export "once") (result u32) (canon lift (core func $i "once")))
  (func (export "nothing") (canon lift (core func $i "nothing")))
  (func (export "big") (param "n" u64) (result u64) (canon lift (core func $i "big"))))
"#;

/// The sample component with these cases.
fn project(cases: &str) -> Project {
    let project = Project::new();
    lay_out(&project);
    let odd = wat::parse_str(ODD).expect("it is a component");
    std::fs::write(project.path("odd.wasm"), odd).expect("the project takes files");
    std::fs::write(project.path("cases.toml"), cases).expect("the project takes files");
    project
}

const GOOD: &str = r##"# What the sample does.

[[case]]
name = "two lines"
function = "lines"
args = ['"one\n\ntwo"']
expect = '["one", "two"]'

[[case]]
function = "lines"
json = ["one"]
expect-json = ["one"]

[[case]]
function = "weigh"
args = ['ab']
expect = '195'

[[case]]
name = "a vetted line"
function = "vet"
args = ['"good"']
expect = 'ok("good")'

[[case]]
function = "vet"
args = ['"?bad"']
fails = "bad"

[[case]]
function = "weigh"
args = ['"!boom"']
fails = "unreachable"

[[case]]
function = "keep"
args = ['"# out"']
expect = 'none'
"##;

const TEST: [&str; 4] = ["test", "sample.wasm", "--cases", "cases.toml"];

fn test_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&TEST, more].concat()
}

#[test]
fn cases_that_hold_are_counted_with_time_and_memory() {
    let project = project(GOOD);
    assert_seen!(&project, "test_good", &TEST);
    assert_seen!(&project, "test_good_verbose", &test_with(&["--verbose"]));
    assert_seen!(&project, "test_good_quiet", &test_with(&["--quiet"]));
    assert_seen!(
        &project,
        "test_good_json",
        &test_with(&["--json", "--only", "vet"])
    );
}

#[test]
fn some_cases_can_be_chosen() {
    let project = project(GOOD);
    assert_seen!(
        &project,
        "test_only",
        &test_with(&["--only", "keep", "--only", "vetted"])
    );
    assert_seen!(
        &project,
        "test_only_nothing",
        &test_with(&["--only", "wiegh"])
    );
}

/// Each of them fails.
const BAD: &str = r#"
[[case]]
name = "another number"
function = "weigh"
args = ['ab']
expect = '196'   # one too many

[[case]]
function = "lines"
args = ['"one\ntwo\nthree"']
expect = '["one", "zwei", "three"]'

[[case]]
function = "weigh"
args = ['"!boom"']
expect = '1'

[[case]]
function = "vet"
args = ['"good"']
fails = "bad"

[[case]]
function = "vet"
args = ['"?bad"']
fails = "worse"

# Not known yet.
[[case]]
function = "keep"
args = ['"kept"']"#;

#[test]
fn cases_that_do_not_hold_show_both_sides() {
    let project = project(BAD);
    assert_seen!(&project, "test_bad", &TEST);
    assert_seen!(&project, "test_bad_json", &test_with(&["--json"]));
}

#[test]
fn what_came_is_accepted_with_all_else_left_as_it_is() {
    let project = project(BAD);
    assert_seen!(&project, "test_accept", &test_with(&["--accept"]));
    let cases = std::fs::read_to_string(project.path("cases.toml")).expect("it is still there");
    insta::with_settings!({
        snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true
    }, {
        insta::assert_snapshot!("test_accepted_file", cases);
    });
    // What is left is the call that traps, which nobody said is meant to.
    assert_seen!(&project, "test_accept_again", &test_with(&["--accept"]));
    let again = std::fs::read_to_string(project.path("cases.toml")).expect("it is still there");
    assert_eq!(again, cases);
}

#[test]
fn a_result_of_a_former_type_can_be_replaced() {
    let cases = "[[case]]\nfunction = \"weigh\"\nargs = ['ab']\nexpect = '\"heavy\"'\n";
    let project = project(cases);
    assert_seen!(&project, "test_former_type", &TEST);
    let output = flowstone(&project, &test_with(&["--accept"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let accepted = std::fs::read_to_string(project.path("cases.toml")).expect("it is still there");
    assert_eq!(accepted, cases.replace("'\"heavy\"'", "'195'"));
}

#[test]
fn cases_within_lines_are_not_edited() {
    let cases = "case = [{ function = \"weigh\", args = ['ab'] }]\n";
    let project = project(cases);
    assert_seen!(&project, "test_accept_inline", &test_with(&["--accept"]));
    let left = std::fs::read_to_string(project.path("cases.toml")).expect("it is still there");
    assert_eq!(left, cases);
}

#[test]
fn what_hangs_on_random_numbers_or_on_other_calls_fails() {
    let project = project(
        "[[case]]\nfunction = \"once\"\nexpect = '7'\n\
         [[case]]\nfunction = \"next\"\nexpect = '1'\n\
         [[case]]\nfunction = \"next\"\nexpect = '1'\n\
         [[case]]\nfunction = \"draw\"\n\
         [[case]]\nfunction = \"nothing\"\n\
         [[case]]\nfunction = \"big\"\njson = [0xffff_ffff_ffff_ffff]\nexpect-json = 0xffff_ffff_ffff_ffff\n",
    );
    let arguments = ["test", "odd.wasm", "--cases", "cases.toml"];
    assert_seen!(&project, "test_odd", &arguments);
    // None of it is a result to be written down.
    let accepting = flowstone(
        &project,
        &["test", "odd.wasm", "--cases", "cases.toml", "--accept"],
    );
    assert_eq!(accepting.status.code(), Some(1));
    let cases = std::fs::read_to_string(project.path("cases.toml")).expect("it is still there");
    assert!(!cases.contains("expect = '2'"), "{cases}");
    assert_eq!(cases.matches("expect").count(), 4, "{cases}");
}

#[test]
fn limits_hold_for_each_call() {
    let project = project("[[case]]\nfunction = \"weigh\"\nargs = ['\"~\"']\nexpect = '1'\n");
    assert_seen!(
        &project,
        "test_limit",
        &test_with(&["--time-limit", "50ms"])
    );
}

#[test]
fn everything_that_is_wrong_with_a_file_is_told_with_its_place() {
    let project = project(
        r#"
sample = 1
[[case]]
name = 3
function = "wiegh"
[[case]]
args = ['"a"']
[[case]]
function = "weigh"
expects = '1'
args = ['"a"']
[[case]]
function = "weigh"
args = ['"a"', '2']
[[case]]
function = "scale"
args = ['"a"', 2]
[[case]]
function = "scale"
json = ["a", "b"]
[[case]]
function = "scale"
json = ["a"]
[[case]]
function = "weigh"
args = ['"a"']
json = ["a"]
[[case]]
function = "weigh"
args = ['"a"']
expect = '"one"'
[[case]]
function = "weigh"
args = ['"a"']
expect = '1'
fails = "x"
[[case]]
function = "lines"
args = ['@/etc/hostname']
[[case]]
function = "lines"
args = ['"a']
"#,
    );
    assert_seen!(&project, "test_wrong_file", &TEST);
    assert_seen!(&project, "test_wrong_file_json", &test_with(&["--json"]));
    std::fs::write(project.path("cases.toml"), "[[case]\n").expect("the project takes files");
    assert_seen!(&project, "test_no_toml", &TEST);
    std::fs::write(project.path("cases.toml"), "# none\n").expect("the project takes files");
    assert_seen!(&project, "test_no_case", &TEST);
}

#[test]
fn cases_can_lie_in_several_files_with_their_arguments_beside_them() {
    let project = project("");
    let folder = project.path("cases");
    std::fs::create_dir(&folder).expect("the project takes folders");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("the project takes files");
    };
    write(
        "b.toml",
        "[[case]]\nfunction = \"weigh\"\nargs = ['@word.txt']\nexpect = '195'\n",
    );
    write(
        "a.toml",
        "[[case]]\nfunction = \"scale\"\nargs = ['@word.txt', '@three.txt']\nexpect = '9'\n",
    );
    write("word.txt", "ab");
    write("three.txt", "3\n");
    assert_seen!(
        &project,
        "test_folder",
        &["test", "sample.wasm", "--cases", "cases", "-v"]
    );
}

#[test]
fn what_is_missing_is_named() {
    let project = project("");
    assert_seen!(&project, "test_no_cases_named", &["test", "sample.wasm"]);
    assert_seen!(&project, "test_no_cases", &["test", "docs"]);
    assert_seen!(
        &project,
        "test_no_plugin",
        &["test", "nowhere", "--cases", "cases.toml"]
    );
}

/// The template of a plugin in Rust, as `new` writes it.
fn new_plugin(project: &Project) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sdk = root.join("sdk/rust").canonicalize().expect("it is there");
    let folder = project.path("plugin");
    std::fs::create_dir_all(folder.join("src")).expect("the project takes folders");
    for file in ["Cargo.toml", "src/lib.rs", "cases.toml"] {
        let text = std::fs::read_to_string(sdk.join("template").join(file)).expect("it is there");
        let text = text.replace(
            "path = \"..\"",
            &format!("path = {:?}", sdk.display().to_string()),
        );
        std::fs::write(folder.join(file), text).expect("the project takes files");
    }
    // The versions that are there already.
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("it can be copied");
}

#[test]
fn a_new_plugin_in_rust_is_built_and_passes_its_cases() {
    let project = project("");
    new_plugin(&project);
    // What is granted starts at the plugin's folder, wherever the cases lie.
    std::fs::create_dir(project.path("plugin/cases")).expect("the project takes folders");
    let granted = "[grants]\nread = [\"src\"]\n[[case]]\nfunction = \"count\"\nargs = ['a b']\nexpect = '2'\n";
    let file = project.path("plugin/cases/granted.toml");
    std::fs::write(file, granted).expect("the project takes files");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let output = command(&project)
        .args(["test", "plugin", "--quiet"])
        .env(
            "CARGO_TARGET_DIR",
            target.expect("it is in the target folder"),
        )
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("the command starts");
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        (&*said, output.status.code()),
        ("ok: 4 cases\n", Some(0)),
        "{wrong}"
    );
}

#[test]
fn the_ready_plugins_pass_their_cases() {
    let project = project("");
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    for name in ["shop", "text"] {
        let plugin = plugins.join(name);
        let plugin = plugin.to_str().expect("the path is text");
        let output = flowstone(&project, &["test", plugin, "--store", "store", "--json"]);
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("the report is JSON");
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(report["untested"], serde_json::json!([]), "{name}");
    }
}
