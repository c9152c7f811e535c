//! What a change does to remembered results: one test for every line of the table in `docs/caching.md`, of the same name.

use std::sync::atomic::AtomicBool;

use flowstone::PinSource;
use flowstone::core::RunId;
use flowstone_tests::{Outcome, Project};

const NOTHING: &[&str] = &[];

/// A component with a library, a helper, a constant and a sibling: what edits of a plugin's source come to.
const PLUGIN: &str = r#"
(component
  (core module $library
    (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))
  (core module $plugin
    (import "library" "twice" (func $twice (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $constant i32 (i32.const 100))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func $helper (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "measure") (param $text i32) (param $len i32) (result i32)
      (i32.add (global.get $constant) (call $twice (call $helper (local.get $len)))))
    (func (export "sibling") (param i32 i32) (result i32) (i32.const 7))
    (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 5))))
  (core instance $l (instantiate $library))
  (core instance $i (instantiate $plugin (with "library" (instance $l))))
  (func (export "measure") (param "text" string) (result u32)
    (canon lift (core func $i "measure") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "sibling") (param "text" string) (result u32)
    (canon lift (core func $i "sibling") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "next") (param "extent" u32) (result u32) (canon lift (core func $i "next"))))
"#;

const FLOW: &str = r#"
name = "measures"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"

[transform.extent]
call = "sample.measure"
each = "page"
from = { text = "page.content" }

[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "page"
key = ["path"]
columns = { path = "page.path", size = "extent" }
"#;

fn project() -> Project {
    let mut project = Project::new();
    FLOW.clone_into(&mut project.flow);
    project.component = Some(component(PLUGIN));
    project.write("a.md", "one").write("b.md", "three");
    project
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("it is a component")
}

/// Edits the plugin's source and builds it.
fn edit(project: &mut Project, from: &str, to: &str) {
    assert!(PLUGIN.contains(from), "there is no `{from}` to edit");
    project.component = Some(component(&PLUGIN.replace(from, to)));
}

fn edit_flow(project: &mut Project, from: &str, to: &str) {
    assert!(project.flow.contains(from), "there is no `{from}` to edit");
    project.flow = project.flow.replace(from, to);
}

/// Runs, and expects the rows that a run from nothing gives.
fn run(project: &Project) -> Outcome {
    let outcome = project.run();
    assert_eq!(project.rows(), project.fresh_rows());
    outcome
}

const BOTH: [&str; 2] = ["extent a.md", "extent b.md"];

#[test]
fn helper_changed() {
    let mut project = project();
    run(&project);
    edit(&mut project, "(i32.const 1)", "(i32.const 3)");
    assert_eq!(run(&project).calls, BOTH);
}

#[test]
fn constant_changed() {
    let mut project = project();
    run(&project);
    edit(&mut project, "(i32.const 100)", "(i32.const 101)");
    assert_eq!(run(&project).calls, BOTH);
}

#[test]
fn library_version_changed() {
    let mut project = project();
    run(&project);
    edit(&mut project, "i32.mul", "i32.shl");
    assert_eq!(run(&project).calls, BOTH);
}

#[test]
fn comment_or_debug_info_changed() {
    let mut project = project();
    run(&project);
    // A custom section at the end: `name`, `producers` and debug information are such.
    let mut bytes = component(PLUGIN);
    bytes.extend([0, 6, 5]);
    bytes.extend(b"debug");
    project.component = Some(bytes);
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn function_renamed() {
    let mut project = project();
    run(&project);
    edit(
        &mut project,
        "(func (export \"measure\") (param \"text\"",
        "(func (export \"gauge\") (param \"text\"",
    );
    edit_flow(&mut project, "sample.measure", "sample.gauge");
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn parameter_renamed() {
    let mut project = project();
    run(&project);
    edit(
        &mut project,
        "(param \"text\" string)",
        "(param \"body\" string)",
    );
    edit_flow(&mut project, "text = ", "body = ");
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn node_renamed() {
    let mut project = project();
    run(&project);
    edit_flow(&mut project, "[transform.extent]", "[transform.span]");
    edit_flow(&mut project, "size = \"extent\"", "size = \"span\"");
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn default_argument_added() {
    let mut project = project();
    let pinned = "from = { text = \"page.content\" }\ncache = { pin = \"size\" }\n";
    run(&project);
    let with_step = PLUGIN
        .replace(
            "(param $len i32) (result i32)",
            "(param $len i32) (param $step i32) (result i32)",
        )
        .replace(
            "(call $helper (local.get $len))",
            "(i32.add (local.get $len) (local.get $step))",
        )
        .replace(
            "(func (export \"measure\") (param \"text\" string)",
            "(func (export \"measure\") (param \"text\" string) (param \"step\" u32)",
        );
    project.component = Some(component(&with_step));
    edit_flow(
        &mut project,
        "from = { text = \"page.content\" }\n",
        &format!("with = {{ step = 1 }}\n{pinned}"),
    );
    let (engine, flow) = project.open().expect("the flow opens");
    let earlier = PinSource::Run(RunId(1));
    let adopted = engine.adopt_pin(&flow, "extent", &earlier, &AtomicBool::new(false));
    assert_eq!(adopted.expect("the results can be adopted").adopted, 2);
    drop((engine, flow));
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn code_reverted() {
    let mut project = project();
    run(&project);
    edit(&mut project, "(i32.const 1)", "(i32.const 3)");
    assert_eq!(run(&project).calls, BOTH);
    project.component = Some(component(PLUGIN));
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn file_renamed() {
    let project = project();
    run(&project);
    project.rename("a.md", "z.md");
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn file_copied() {
    let project = project();
    run(&project);
    project.write("deep/copy.md", "one");
    assert_eq!(run(&project).calls, NOTHING);
}

#[test]
fn sibling_function_changed() {
    let mut project = project();
    run(&project);
    edit(&mut project, "(i32.const 7)", "(i32.const 8)");
    assert_eq!(run(&project).calls, NOTHING);
    // With the other identity any change of the component counts.
    edit_flow(
        &mut project,
        "component = ",
        "identity = \"component\"\ncomponent = ",
    );
    run(&project);
    edit(&mut project, "(i32.const 7)", "(i32.const 9)");
    assert_eq!(run(&project).calls, BOTH);
}

#[test]
fn equal_result_after_changed_code() {
    let mut project = project();
    let next = "[transform.next]\ncall = \"sample.next\"\neach = \"page\"\n\n[target.index]";
    edit_flow(&mut project, "[target.index]", next);
    edit_flow(
        &mut project,
        "size = \"extent\" }",
        "size = \"extent\", next = \"next\" }",
    );
    run(&project);
    edit(
        &mut project,
        "(i32.add (local.get 0) (i32.const 1))",
        "(i32.sub (local.get 0) (i32.const -1))",
    );
    let outcome = run(&project);
    assert_eq!(
        outcome.calls, BOTH,
        "what depends on the equal results is not called"
    );
    assert_eq!(outcome.report.targets["index"].updated, 0);
}

#[test]
fn one_against_the_text_one() {
    let mut project = project();
    project.write("numbers.csv", "number,text\n1,1\n");
    project.flow = r#"
name = "measures"

[plugin.sample]
component = "sample.wasm"

[source.row]
kind = "csv"
path = "docs/numbers.csv"

[transform.number]
call = "sample.next"
each = "row"
from = { extent = "row.number" }

[transform.extent]
call = "sample.measure"
each = "row"

[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "row"
key = ["text"]
columns = { text = "row.text", number = "number", size = "extent" }
"#
    .to_owned();
    // A number and its text are two calls, whatever the functions have in common.
    assert_eq!(run(&project).calls.len(), 2);
}
