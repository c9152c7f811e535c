//! `flowstone test` with cases that are many, large, or not what they seem: it ends soon, and harms no file.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use flowstone_tests::Project;

use crate::support::{flowstone, lay_out};

/// Functions that need a lot, keep something, or do not end.
const WORLD: &str = r#"
(component
  (core module $m
    (memory (export "memory") 400)
    (global $calls (mut i32) (i32.const 0))
    (func (export "next") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (global.get $calls))
    (func (export "large") (result i32)
      (memory.fill (i32.const 16) (i32.const 97) (i32.const 2000000))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 2000000))
      (i32.const 0))
    (func (export "endless") (result i32) (loop $again (br $again)) (unreachable)))
  (core instance $i (instantiate $m))
  (func (export "next") (result u32) (canon lift (core func $i "next")))
  (func (export "large") (result string) (canon lift (core func $i "large") (memory (core memory $i "memory"))))
  (func (export "endless") (result u32) (canon lift (core func $i "endless"))))
"#;

fn project(cases: &str) -> Project {
    let project = Project::new();
    lay_out(&project);
    let component = wat::parse_str(WORLD).expect("it is a component");
    fs::write(project.path("odd.wasm"), component).expect("the project takes files");
    fs::write(project.path("cases.toml"), cases).expect("the project takes files");
    project
}

fn test(project: &Project, more: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["test", "odd.wasm", "--cases", "cases.toml"], more].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = flowstone(project, &arguments);
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn cases_of(project: &Project) -> String {
    fs::read_to_string(project.path("cases.toml")).expect("it is still there")
}

#[test]
fn of_many_wrong_cases_the_first_are_told_and_the_functions_once() {
    let mut cases = String::new();
    for number in 0..50_000 {
        let _ = writeln!(cases, "[[case]]\nfunction = \"nexd{number}\"");
    }
    let (status, said) = test(&project(&cases), &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("49980 more cases were not looked at"),
        "{said}"
    );
    assert_eq!(said.matches("there are `endless`").count(), 1, "{said}");
    assert!(said.lines().count() < 300, "{said}");
}

#[test]
fn what_is_kept_between_calls_shows_with_one_case_too() {
    let project = project("[[case]]\nfunction = \"next\"\nexpect = '1'\n");
    let (status, said) = test(&project, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("something is kept in the instance"), "{said}");
}

#[test]
fn a_result_that_nobody_reads_is_not_written_down() {
    let project = project("[[case]]\nfunction = \"large\"\n");
    let before = cases_of(&project);
    let (status, said) = test(&project, &["--accept"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("cases.toml:1 gives is too large"), "{said}");
    assert_eq!(cases_of(&project), before);
}

#[test]
fn a_limit_is_not_taken_for_what_a_function_gives() {
    let project = project("[[case]]\nfunction = \"endless\"\nfails = \"memory\"\n");
    let before = cases_of(&project);
    let (status, said) = test(&project, &["--accept", "--time-limit", "50ms"]);
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(cases_of(&project), before);
}

#[test]
fn cases_that_lie_elsewhere_are_neither_read_nor_written() {
    let project = project("");
    let outside = project.path("outside.toml");
    let text = "[[case]]\nfunction = \"lines\"\nargs = ['\"a\"']\n";
    fs::write(&outside, text).expect("the project takes files");
    let refused = |arguments: &[&str], what: &str| {
        let output = flowstone(&project, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(what), "{said}");
        let left = fs::read_to_string(&outside).expect("it is still there");
        assert_eq!(left, text);
    };
    let plugin = project.path("plugin");
    fs::create_dir_all(plugin.join("cases")).expect("the project takes folders");
    symlink("../outside.toml", plugin.join("cases.toml")).expect("it can be made");
    let what = "cases.toml` leads out of the folder that is tested";
    refused(&["test", "plugin", "--accept"], what);
    fs::remove_file(plugin.join("cases.toml")).expect("it was made");
    symlink("../../outside.toml", plugin.join("cases/a.toml")).expect("it can be made");
    let what = "a.toml` leads out of the folder that is tested";
    refused(&["test", "plugin", "--accept"], what);
    let folder = ["test", "sample.wasm", "--accept", "--cases", "plugin/cases"];
    refused(&folder, what);
    fs::remove_file(plugin.join("cases/a.toml")).expect("it was made");
    let pipe = std::process::Command::new("mkfifo")
        .arg(plugin.join("cases/a.toml"))
        .status();
    assert!(pipe.expect("mkfifo starts").success());
    refused(&["test", "plugin"], "a.toml` is not a file");
}
