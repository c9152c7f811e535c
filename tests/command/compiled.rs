//! Commands without a flow compile a component once: the next one takes the code that was kept, or compiles again where that
//! cannot be had.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use flowstone_tests::{Guest, Project, copy_folder, guest_text};

use crate::support::{command, flowstone};

/// A project with a component that is large enough for its code to be kept, and cases for it.
fn project() -> Project {
    let project = Project::new();
    let padding = format!(
        "(component (core module (memory 1) (data (i32.const 0) \"{}\"))",
        " ".repeat(40 << 10)
    );
    let text = guest_text(Guest::default()).replacen("(component", &padding, 1);
    let bytes = wat::parse_str(text).expect("it is a component");
    fs::write(project.path("plug.wasm"), bytes).expect("the project takes files");
    let case = "[[case]]\nfunction = \"weigh\"\nargs = ['\"a\"']\nexpect = '97'\n";
    fs::write(project.path("cases.toml"), case).expect("the project takes files");
    project
}

const CALL: &[&str] = &["call", "plug.wasm", "weigh", "\"a\"", "--verbose"];
const COMPILED: &str = "compiled; the code is kept in";
const TAKEN: &str = "its compiled code was taken from";

/// Runs a command that has to do what it is asked for, without anything to complain of; what it says of compiled code.
fn said(project: &Project, arguments: &[&str]) -> String {
    let output = flowstone(project, arguments);
    let said = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("error"), "{said}");
    if arguments == CALL {
        assert_eq!(output.stdout, b"97\n");
    }
    said
}

/// The only file of compiled code.
fn code(project: &Project) -> PathBuf {
    let folder = project.path("state/compiled/aot");
    let mut files = fs::read_dir(folder).expect("code was kept");
    let file = files.next().expect("there is one").expect("it is listed");
    assert!(files.next().is_none());
    file.path()
}

#[test]
fn all_commands_on_a_component_share_what_the_first_one_compiled() {
    let project = project();
    assert!(said(&project, CALL).contains(COMPILED));
    let before = fs::read(code(&project)).expect("it is there");
    for arguments in [
        CALL,
        &["inspect", "plug.wasm", "--verbose"],
        &["check", "plug.wasm", "--verbose"],
        &["test", "plug.wasm", "--cases", "cases.toml", "--verbose"],
    ] {
        assert!(said(&project, arguments).contains(TAKEN), "{arguments:?}");
    }
    assert_eq!(fs::read(code(&project)).expect("it is there"), before);
}

#[test]
fn nothing_is_said_of_it_unless_asked_for() {
    let project = project();
    for _ in 0..2 {
        assert_eq!(said(&project, &["call", "plug.wasm", "weigh", "\"a\""]), "");
    }
}

#[test]
fn a_command_that_fails_before_keeps_nothing() {
    let project = project();
    fs::write(project.path("not.wasm"), "no component").expect("the project takes files");
    for file in ["missing.wasm", "not.wasm"] {
        let output = flowstone(&project, &["inspect", file]);
        assert_eq!(output.status.code(), Some(2));
    }
    assert!(!project.path("state/compiled").exists());
}

#[test]
fn code_that_somebody_changed_is_compiled_again() {
    let project = project();
    said(&project, CALL);
    let file = code(&project);
    let mut bytes = fs::read(&file).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).expect("it is the project's");
    assert!(said(&project, CALL).contains(COMPILED));
    assert_ne!(fs::read(code(&project)).expect("it is there"), bytes);
    assert!(said(&project, CALL).contains(TAKEN));
}

#[test]
fn a_folder_from_elsewhere_brings_no_code() {
    let (project, other) = (project(), project());
    said(&other, CALL);
    let folder = project.path("state/compiled");
    fs::create_dir_all(&folder).expect("the project takes folders");
    copy_folder(&other.path("state/compiled"), &folder);
    // As private as it was: it is the key that it is refused by.
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder.join("aot"), private).expect("it is the project's");
    assert!(said(&project, CALL).contains(COMPILED));
    assert!(said(&project, CALL).contains(TAKEN));
}

#[test]
fn where_nothing_can_be_written_components_are_compiled_each_time() {
    let project = project();
    fs::write(project.path("file"), "").expect("the project takes files");
    for folder in ["file/compiled", "/proc/compiled"] {
        for _ in 0..2 {
            let output = command(&project)
                .args(CALL)
                .env("FLOWSTONE_COMPILED", project.path("").join(folder))
                .output()
                .expect("the command starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert_eq!(output.stdout, b"97\n");
            assert!(
                said.contains("compiled; the code is not kept: making the folder"),
                "{said}"
            );
        }
    }
}

#[test]
fn without_a_home_components_are_compiled_each_time() {
    let project = project();
    let output = command(&project)
        .args(CALL)
        .env_clear()
        .output()
        .expect("the command starts");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"97\n");
    assert_eq!(output.stderr, b"");
}

#[test]
fn commands_at_once_do_not_wait_or_fail() {
    let project = project();
    for _ in 0..2 {
        let children: Vec<_> = (0..4)
            .map(|_| {
                command(&project)
                    .args(CALL)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("the command starts")
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert_eq!(output.stdout, b"97\n");
        }
    }
    assert!(said(&project, CALL).contains(TAKEN));
}
