//! Files that are named and are not what they seem: pipes that nobody writes to, devices without an end, files larger than
//! the memory. They are refused before they are read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use flowstone_tests::Project;

use crate::support::{flowstone, lay_out};

/// A project with a pipe, a link to a device, and a file of 3 TiB that takes no room.
fn project() -> Project {
    let project = Project::new();
    project.write("a.md", "one\n");
    lay_out(&project);
    let made = Command::new("mkfifo")
        .arg(project.path("pipe.wasm"))
        .status();
    assert!(made.expect("mkfifo starts").success());
    symlink("/dev/zero", project.path("zero.wasm")).expect("links can be made");
    let huge = fs::File::create(project.path("huge.wasm")).expect("the project takes files");
    huge.set_len(3 << 40).expect("a hole takes no room");
    project
}

/// Asserts that the command ends with status 2 and says this.
fn assert_refused(project: &Project, arguments: &[&str], why: &str) {
    let output = flowstone(project, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.contains(why), "{arguments:?}: {said}");
}

/// What is said of each of the three.
const ODD: [(&str, &str); 3] = [
    ("pipe.wasm", "it is a pipe, a socket or a device"),
    ("zero.wasm", "it is a pipe, a socket or a device"),
    ("huge.wasm", "it has 3072 GiB, and at most 512 MiB are read"),
];

#[test]
fn a_component_is_a_file_of_at_most_512_mib() {
    let project = project();
    for (file, why) in ODD {
        assert_refused(&project, &["inspect", file], why);
        assert_refused(&project, &["inspect", "sample.wasm", file], why);
        assert_refused(&project, &["call", file, "lines", "x"], why);
        assert_refused(&project, &["test", file, "--cases", "flow.toml"], why);
    }
    assert_refused(&project, &["check", "huge.wasm"], ODD[2].1);
    for file in ["pipe.wasm", "zero.wasm"] {
        assert_refused(&project, &["check", file], "is not a file");
    }
}

#[test]
fn the_component_of_a_flow_is_too() {
    let project = project();
    let flow = fs::read_to_string(project.path("flow.toml")).expect("it is there");
    for (file, _) in ODD {
        let other = flow.replace("sample.wasm", file);
        assert_ne!(other, flow);
        fs::write(project.path("flow.toml"), other).expect("the project takes files");
        for verb in ["check", "plan", "run"] {
            let output = flowstone(&project, &[verb]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
            assert!(
                said.contains("not a file") || said.contains("512 MiB"),
                "{said}"
            );
        }
    }
}

#[test]
fn the_files_of_a_call_fit_into_its_memory() {
    let project = project();
    for (file, why) in ODD {
        let why = why.replace("512", "256");
        let given = format!("@{file}");
        assert_refused(&project, &["call", "sample.wasm", "lines", &given], &why);
    }
    fs::write(project.path("text"), "x".repeat(3 << 20)).expect("the project takes files");
    let call = ["call", "sample.wasm", "lines", "@text"];
    let small = [&call[..], &["--memory-limit", "2MiB"]].concat();
    assert_refused(&project, &small, "it has 3 MiB, and at most 2 MiB are read");
    let output = flowstone(&project, &call);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_given_result_an_override_an_archive_and_cases_are_files() {
    let project = project();
    assert_eq!(flowstone(&project, &["run"]).status.code(), Some(0));
    for (file, _) in ODD {
        let given = format!("@{file}");
        let path: PathBuf = project.path(file);
        let whole = format!("line.weight={}", path.display());
        let put = ["cache", "put", "weight", "a.md/0", &given];
        let cases = ["test", "sample.wasm", "--cases", file];
        for arguments in [&put[..], &["run", "--override", &whole], &cases] {
            let output = flowstone(&project, arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            let is_told = ["it is a pipe", "at most", "has more than"];
            assert!(is_told.iter().any(|why| said.contains(why)), "{said}");
        }
    }
    for file in ["pipe.wasm", "zero.wasm"] {
        assert_refused(&project, &["cache", "import", file], "it is a pipe");
    }
}
