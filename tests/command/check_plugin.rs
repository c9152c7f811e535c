//! `flowstone check PLUGIN`: what a component can be used for, and what is in the way.

use std::path::Path;

use flowstone_tests::Project;

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder};

fn project() -> Project {
    let project = Project::new();
    lay_out(&project);
    project
}

fn write(project: &Project, name: &str, text: &str) {
    let component = wat::parse_str(text).expect("it is a component");
    std::fs::write(project.path(name), component).expect("the project takes files");
}

/// Functions of all kinds: plain ones, one over lists, one to combine with, one with a resource, one without a result.
const MIXED: &str = r#"
(component
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (type $datetime (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $d (eq $datetime)))
    (export "now" (func (result $d)))))
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "one") (param i32) (result i32) unreachable)
    (func (export "two") (param i32 i32) (result i32) unreachable)
    (func (export "three") (param i32 i32 i32) (result i32) unreachable)
    (func (export "none") (param i32 i32)))
  (core instance $i (instantiate $m))
  (func (export "length") (param "text" string) (result u32)
    (canon lift (core func $i "two") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "parts") (param "text" string) (result (result (option (list string)) (error string)))
    (canon lift (core func $i "two") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "lengths") (param "texts" (list string)) (param "most" u32) (result (list u32))
    (canon lift (core func $i "three") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "two")))
  (type $file' (resource (rep i32)))
  (func $read (param "file" (own $file')) (param "most" (option u32)) (result u32)
    (canon lift (core func $i "three")))
  (component $files
    (import "file" (type $f (sub resource)))
    (import "read" (func $r (param "file" (own $f)) (param "most" (option u32)) (result u32)))
    (export $g "file" (type $f))
    (export "read" (func $r) (func (param "file" (own $g)) (param "most" (option u32)) (result u32))))
  (instance $files' (instantiate $files (with "file" (type $file')) (with "read" (func $read))))
  (export "acme:files/read@0.1.0" (instance $files'))
  (func (export "say") (param "text" string)
    (canon lift (core func $i "none") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
"#;

#[test]
fn functions_are_told_apart_with_their_types_and_what_is_in_the_way() {
    let project = project();
    write(&project, "mixed.wasm", MIXED);
    assert_seen!(&project, "check_plugin", &["check", "mixed.wasm"]);
    assert_seen!(
        &project,
        "check_plugin_json",
        &["check", "mixed.wasm", "--json"]
    );
    assert_seen!(&project, "check_plugin_sample", &["check", "sample.wasm"]);
}

#[test]
fn a_component_that_cannot_be_loaded_is_shown_as_far_as_it_can_be_read() {
    let project = project();
    write(
        &project,
        "async.wasm",
        r#"(component
            (core module $m (func (export "f") (result i32) unreachable) (func (export "s") (param i32) unreachable))
            (core instance $i (instantiate $m))
            (type $s (stream u8))
            (func (export "later") async (result u32) (canon lift (core func $i "f")))
            (func (export "bytes") (param "in" $s) (canon lift (core func $i "s")))
            (func (export "now") (result u32) (canon lift (core func $i "f"))))"#,
    );
    assert_seen!(&project, "check_plugin_async", &["check", "async.wasm"]);
    write(
        &project,
        "fetch.wasm",
        r#"(component
            (import "acme:store/blobs@1.0.0" (instance $blobs (export "size" (func (result u32)))))
            (alias export $blobs "size" (func $size))
            (core func $size (canon lower (func $size)))
            (core module $m
                (import "blobs" "size" (func $size (result i32)))
                (func (export "twice") (result i32) (i32.mul (call $size) (i32.const 2))))
            (core instance $given (export "size" (func $size)))
            (core instance $i (instantiate $m (with "blobs" (instance $given))))
            (func (export "twice") (result u32) (canon lift (core func $i "twice"))))"#,
    );
    assert_seen!(&project, "check_plugin_missing", &["check", "fetch.wasm"]);
    assert_seen!(
        &project,
        "check_plugin_missing_json",
        &["check", "fetch.wasm", "--json"]
    );
}

#[test]
fn a_component_without_any_use_and_what_is_none_are_refused() {
    let project = project();
    write(&project, "empty.wasm", "(component)");
    assert_seen!(&project, "check_plugin_empty", &["check", "empty.wasm"]);
    std::fs::write(project.path("text.wasm"), "(component)").expect("the project takes files");
    assert_seen!(&project, "check_plugin_text", &["check", "text.wasm"]);
    write(&project, "module.wasm", "(module)");
    assert_seen!(&project, "check_plugin_module", &["check", "module.wasm"]);
}

#[test]
fn types_that_name_each_other_often_are_cut() {
    let project = project();
    let wide = (1..30).map(|n| format!("(type $w{n} (tuple $w{0} $w{0}))", n - 1));
    let deep = (1..90).map(|n| format!("(type $d{n} (option $d{}))", n - 1));
    write(
        &project,
        "wide.wasm",
        &format!(
            r#"(component
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                    (func (export "f") (param i32 i32) (result i32) unreachable))
                (core instance $i (instantiate $m))
                (type $w0 u8) (type $d0 u8) {} {}
                (func (export "wide") (param "x" (list $w12)) (result u32)
                    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
                (func (export "deep") (param "x" (list $d80)) (result u32)
                    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#,
            wide.take(12).collect::<String>(),
            deep.take(80).collect::<String>(),
        ),
    );
    let output = flowstone(&project, &["check", "wide.wasm", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let unsupported = said["unsupported"].as_array().expect("it is a list");
    assert_eq!(unsupported.len(), 1, "{said:#}");
    let wit = unsupported[0]["wit"].as_str().expect("it is text");
    assert!(wit.len() < 2000 && wit.contains('…'), "{wit}");
}

#[test]
fn a_folder_with_sources_is_a_plugin_and_one_with_a_flow_a_flow() {
    let project = project();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/shop");
    let shop = shop.to_str().expect("the path is text");
    let output = flowstone(&project, &["check", shop, "--store", "store", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(said["ok"], true, "{said:#}");
    let names = said["functions"].as_array().expect("it is a list").iter();
    let names = names.map(|function| function["name"].as_str().unwrap_or_default());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["offer", "in-stock", "stats", "deal", "worth", "add"]
    );
    // A manifest beside a flow changes nothing.
    std::fs::write(project.path("Cargo.toml"), "[package]").expect("the project takes files");
    let output = flowstone(&project, &["check"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("flow lines"), "{said}");
}
