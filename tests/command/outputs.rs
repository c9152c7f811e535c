//! Files that are written where a person says: never over what the command read, nor into a store.

use std::fs;
use std::os::unix::fs::symlink;

use flowstone_tests::Project;

use crate::support::{flowstone, lay_out};

#[test]
fn what_a_command_reads_is_not_overwritten() {
    let project = Project::new();
    project.write("a.md", "one\n");
    lay_out(&project);
    assert_eq!(flowstone(&project, &["run"]).status.code(), Some(0));
    symlink("flow.toml", project.path("link")).expect("links can be made");
    let get = ["cache", "get", "weight", "a.md#0", "-o"];
    for verb in [&["graph", "-o"][..], &["cache", "export"], &get] {
        for file in [
            "flow.toml",
            "link",
            ".flowstone/store.redb",
            ".flowstone/new",
        ] {
            let before = fs::read(project.path(file)).ok();
            let output = flowstone(&project, &[verb, &[file]].concat());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{verb:?} {file}: {said}");
            assert!(said.contains("it is not overwritten"), "{said}");
            // The store is opened by then, which may change it.
            if !file.ends_with("redb") {
                assert_eq!(fs::read(project.path(file)).ok(), before, "{verb:?} {file}");
            }
        }
        for _ in 0..2 {
            let output = flowstone(&project, &[verb, &["earlier"]].concat());
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        fs::remove_file(project.path("earlier")).expect("it was written");
    }
    let output = flowstone(&project, &["graph", "-o", "sample.wasm"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(flowstone(&project, &["run"]).status.code(), Some(0));
}

#[test]
fn a_component_is_not_written_over_sources() {
    let project = Project::new();
    fs::create_dir(project.path("plug")).expect("the project takes folders");
    fs::write(project.path("plug/Cargo.toml"), "[package]\n").expect("the project takes files");
    for file in ["plug/Cargo.toml", "plug/.flowstone/x"] {
        fs::create_dir_all(project.path("plug/.flowstone")).expect("the project takes folders");
        let output = flowstone(&project, &["build", "plug", "-o", file]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("it is not overwritten"), "{said}");
    }
    let text = fs::read_to_string(project.path("plug/Cargo.toml")).expect("it is there");
    assert_eq!(text, "[package]\n");
}
