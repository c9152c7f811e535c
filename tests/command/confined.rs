//! Builds of folders that reach out of themselves, never end, or stand for more than they say. Nothing is installed for
//! them: they are refused before.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use flowstone_tests::Project;

use crate::build::write;
use crate::support::{command, languages_are_off};

const WORLD: &str = "package local:plug;\nworld plug { export f: func(a: u32) -> u32; export word-count: func(a: string) -> u32; }";

const MANIFESTS: [(&str, &str); 4] = [
    ("plug/plugin.toml", "name = 'plug'"),
    ("plug/go.mod", "module local/plug\n"),
    ("plug/package.json", "{}"),
    ("plug/pyproject.toml", "[project]\nname = \"plug\"\n"),
];

/// A plugin with this manifest, and a source in every language.
fn plugin(manifest: (&str, &str)) -> Project {
    let project = Project::new();
    write(
        &project,
        &[
            manifest,
            ("plug/wit/world.wit", WORLD),
            ("plug/src/plug.c", "int x;"),
            ("plug/index.js", "export const f = (a) => a;"),
            ("plug/app.py", ""),
            ("outside/world.wit", WORLD),
            ("outside/ext.go", "package plug\n"),
        ],
    );
    project
}

/// Builds with no tools but those in a folder that stays empty.
fn refused(project: &Project, reason: &str) {
    let Output { status, stderr, .. } = command(project)
        .args(["build", "plug"])
        .env("FLOWSTONE_TOOLS", project.path("tools"))
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains(reason), "{said}");
    assert!(
        !project.path("tools").exists(),
        "nothing is installed: {said}"
    );
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo starts").success());
}

#[test]
fn a_world_that_lies_elsewhere_is_refused_in_every_language() {
    for manifest in MANIFESTS {
        let project = plugin(manifest);
        fs::remove_dir_all(project.path("plug/wit")).expect("it was written");
        symlink("../outside", project.path("plug/wit")).expect("links can be made");
        refused(&project, "`wit` leads out of its folder");
    }
}

#[test]
fn a_pipe_among_the_sources_is_refused_in_every_language() {
    let sources = ["plug/src/y.c", "plug/f.go", "plug/y.js", "plug/y.py"];
    for (manifest, source) in MANIFESTS.into_iter().zip(sources) {
        for name in [source, "plug/wit/y.wit"] {
            let project = plugin(manifest);
            pipe(&project.path(name));
            refused(&project, "is a pipe, a socket or a device");
        }
    }
}

#[test]
fn a_source_in_go_that_lies_elsewhere_is_refused() {
    let project = plugin(MANIFESTS[1]);
    symlink("../outside/ext.go", project.path("plug/plugin.go")).expect("links can be made");
    refused(&project, "`plugin.go` leads out of its folder");
}

#[test]
fn types_that_fill_the_memory_when_they_are_written_out_are_refused() {
    let mut world =
        "package local:plug;\nworld plug { type t0 = tuple<list<u8>, list<u8>>;\n".to_owned();
    for number in 1..40 {
        let before = number - 1;
        let _ = writeln!(
            world,
            "type t{number} = tuple<list<t{before}>, list<t{before}>>;"
        );
    }
    world += "export f: func(a: t39) -> u32; }";
    for manifest in &MANIFESTS[..2] {
        let project = plugin(*manifest);
        write(&project, &[("plug/wit/world.wit", &world)]);
        refused(&project, "has more than 10000 parts when it is written out");
    }
}

#[test]
fn a_lock_file_of_somebody_else_is_left_as_it_is() {
    let project = plugin((
        "plug/pyproject.toml",
        "[project]\nname = \"plug\"\ndependencies = [\"a==1\"]\n",
    ));
    let lock = format!("a==1 --hash=sha256:{}\n", "a".repeat(64));
    write(&project, &[("plug/requirements.lock", &lock)]);
    refused(
        &project,
        "begin it with the line `# Made by flowstone for a==1.",
    );
    let left = fs::read_to_string(project.path("plug/requirements.lock"));
    assert_eq!(left.expect("it is still there"), lock);
}

#[test]
fn a_relative_folder_of_tools_is_refused() {
    let project = plugin(MANIFESTS[0]);
    let output = command(&project)
        .args(["build", "plug"])
        .env("FLOWSTONE_TOOLS", "tools")
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("it has to be an absolute path"), "{said}");
}

#[test]
fn a_folder_that_is_neither_a_flow_nor_a_plugin_is_told_to_be_neither() {
    let project = Project::new();
    write(&project, &[("notes/a.txt", "")]);
    let output = command(&project)
        .args(["check", "notes"])
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("`notes` has neither a flow nor a plugin in it"),
        "{said}"
    );
    assert!(said.contains("`plugin.toml`"), "{said}");
}

#[test]
fn a_module_without_a_function_of_its_world_does_not_build() {
    if languages_are_off() {
        return;
    }
    let project = plugin(MANIFESTS[2]);
    let output = command(&project)
        .args(["build", "plug"])
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("`index.js` does not export `word-count`, which `wit/` asks for"),
        "{said}"
    );
}
