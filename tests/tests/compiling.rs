//! When plugins are compiled: in a run that calls, once for the functions that the flow calls, and never for anything else.

use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use flowstone::Event;
use flowstone_tests::Project;

const FLOW: &str = r#"
name = "compiling"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"

[transform.extent]
call = "sample.size"
each = "page"
from = { text = "page.content" }

[target.index]
kind = "sqlite"
path = "out/sizes.db"
table = "line"
rows = "page"
key = ["path"]
columns = { path = "page.path", extent = "extent" }
"#;

const MORE: &str = r#"
[transform.more]
call = "sample.more"
each = "page"
from = { size = "extent" }
"#;

/// A component with a small function, one more, and one that takes most of the code.
fn component() -> Vec<u8> {
    let (mut functions, mut calls, mut exports) = (String::new(), String::new(), String::new());
    for number in 0..6 {
        let _ = writeln!(
            functions,
            "(func (export \"small{number}\") (param i32 i32) (result i32) (i32.add (local.get 1) (i32.const {number})))"
        );
        let _ = writeln!(
            exports,
            r#"(func (export "small{number}") (param "text" string) (result u32)
                (canon lift (core func $i "small{number}") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))"#
        );
    }
    for number in 0..50 {
        let body = "i32.const 3 i32.mul ".repeat(20);
        let _ = writeln!(
            functions,
            "(func $f{number} (param i32) (result i32) local.get 0 i32.const {number} i32.add {body})"
        );
        let _ = write!(calls, "call $f{number} ");
    }
    let text = format!(
        r#"(component
          (core module $m
            (memory (export "memory") 1)
            {functions}
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "size") (param $text i32) (param $len i32) (result i32) (local.get $len))
            (func (export "more") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func (export "much") (param i32) (result i32) local.get 0 {calls}))
          (core instance $i (instantiate $m))
          (func (export "size") (param "text" string) (result u32)
            (canon lift (core func $i "size") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
          {exports}
          (func (export "more") (param "size" u32) (result u32) (canon lift (core func $i "more")))
          (func (export "much") (param "size" u32) (result u32) (canon lift (core func $i "much"))))"#
    );
    wat::parse_str(text).expect("it is a component")
}

fn project() -> Project {
    let mut project = Project::new();
    FLOW.clone_into(&mut project.flow);
    project.component = Some(component());
    project.config.code_key = Some([1; 32]);
    project.write("a.md", "one").write("b.md", "three");
    project
}

/// Runs the flow; the plugins that were compiled, and how many calls were made.
fn run(project: &Project) -> (Vec<String>, u64) {
    let (engine, flow) = project.open().expect("the flow opens");
    let compiled = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::WillCompile { plugin } = event {
            compiled
                .lock()
                .expect("no panic")
                .push((*plugin).to_owned());
        }
    };
    let report = engine
        .run(&flow, &project.options, &AtomicBool::new(false), &observer)
        .expect("the run ends well");
    assert_eq!(report.failures, 0);
    let called = report.transforms.values().map(|counts| counts.called).sum();
    (compiled.into_inner().expect("no panic"), called)
}

/// How many files of compiled code the store has.
fn kept(project: &Project) -> usize {
    fs::read_dir(project.path(".flowstone/aot")).map_or(0, Iterator::count)
}

fn once() -> Vec<String> {
    vec!["sample".to_owned()]
}

#[test]
fn a_plugin_is_compiled_for_the_first_call_and_kept() {
    let project = project();
    assert_eq!(run(&project), (once(), 2));
    assert_eq!(run(&project), (Vec::new(), 0));
    project.write("a.md", "another");
    assert_eq!(run(&project), (Vec::new(), 1));
    assert_eq!(kept(&project), 1);
}

#[test]
fn a_plan_compiles_nothing() {
    let project = project();
    let plan = project.plan();
    assert_eq!(plan.transforms[0].calls, 2);
    assert_eq!(kept(&project), 0);
}

#[test]
fn a_flow_that_calls_other_functions_has_them_compiled() {
    let mut project = project();
    assert_eq!(run(&project), (once(), 2));
    // Both functions are few of the component's, so the other one was not compiled.
    project.flow = format!("{FLOW}{MORE}");
    assert_eq!(run(&project), (once(), 2));
    // What was compiled for the first is still there.
    project.flow = FLOW.to_owned();
    project.write("a.md", "another");
    assert_eq!(run(&project), (Vec::new(), 1));
    assert_eq!(kept(&project), 2);

    // With this one it is nearly all of the code: all is compiled, for whatever is called of it, and what was compiled for
    // some functions is of no more use.
    project.flow = format!("{FLOW}{}", MORE.replace("sample.more", "sample.much"));
    assert_eq!(run(&project), (once(), 2));
    assert_eq!(kept(&project), 1);
    project.flow = format!("{FLOW}{MORE}{}", MORE.replace("more", "much"));
    project.write("b.md", "a third");
    let (compiled, _) = run(&project);
    assert_eq!((compiled, kept(&project)), (Vec::new(), 1));
}

#[test]
fn code_for_a_few_sets_of_functions_is_kept() {
    let mut project = project();
    for number in 0..6 {
        let name = format!("small{number}");
        project.flow = FLOW.replace("sample.size", &format!("sample.{name}"));
        assert_eq!(run(&project).0, once(), "{name}");
    }
    assert_eq!(kept(&project), 4);
    // The last of them is.
    project.write("a.md", "another");
    assert_eq!(run(&project), (Vec::new(), 1));
}
