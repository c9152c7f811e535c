//! The tools of builds: what is said when one is missing, what a kill leaves, and manifests that reach too far.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use flowstone_tests::Project;

use crate::build::write;
use crate::support::command;

const WORLD: (&str, &str) = (
    "plug/wit/world.wit",
    "package local:plug;\nworld plug { export f: func(a: u32) -> u32; }",
);
const PYTHON: [(&str, &str); 3] = [
    WORLD,
    ("plug/pyproject.toml", "[project]\nname = \"plug\"\n"),
    ("plug/app.py", "import wit_world\n"),
];
const JAVASCRIPT: [(&str, &str); 3] = [
    WORLD,
    ("plug/package.json", "{}"),
    ("plug/index.js", "export const f = (a) => a;"),
];

/// Builds with no programs but those in the project's folder `bin`, and no tools installed yet.
fn build_alone(project: &Project) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(project)
        .args(["build", "plug"])
        .env("PATH", project.path("bin"))
        .env("FLOWSTONE_TOOLS", project.path("tools"))
        .output()
        .expect("the command starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// A program that is a script of the shell.
fn program(project: &Project, name: &str, script: &str) {
    write(
        project,
        &[(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"))],
    );
    let path = project.path("bin").join(name);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is the project's");
}

#[test]
fn a_program_that_is_missing_is_named_with_how_to_get_it() {
    for (files, program, get) in [
        (&PYTHON, "python3", "install Python 3.9 or later with pip"),
        (&JAVASCRIPT, "npm", "install Node.js 20 or later with npm"),
    ] {
        let project = Project::new();
        write(&project, files);
        let (status, said) = build_alone(&project);
        assert_eq!(status, Some(2), "{said}");
        assert!(
            said.contains(&format!("there is no `{program}` to build it with")),
            "{said}"
        );
        assert!(said.contains(get), "{said}");
        assert!(!said.contains("network"), "nothing was fetched: {said}");
    }
}

#[test]
fn a_python_without_pip_is_told_from_one_without_a_network() {
    let project = Project::new();
    write(&project, &PYTHON);
    let said = |of_python: &str| {
        let script = format!("echo '{of_python}' >&2; exit 1");
        program(&project, "python3", &script);
        let (status, said) = build_alone(&project);
        assert_eq!(status, Some(2), "{said}");
        said
    };
    let without = said("/usr/bin/python3: No module named pip");
    assert!(
        without.contains("apt install python3-pip python3-venv"),
        "{without}"
    );
    assert!(!without.contains("network"), "{without}");
    let offline = said("ERROR: No matching distribution found");
    assert!(offline.contains("is there a network"), "{offline}");
    assert!(!offline.contains("apt install"), "{offline}");
}

#[test]
fn a_kill_while_a_tool_is_installed_leaves_nothing_that_looks_like_one() {
    let project = Project::new();
    write(&project, &PYTHON);
    let record = |name: &str, then: &str| {
        program(
            &project,
            "python3",
            &format!("echo \"$*\" > '{}'\n{then}", project.path(name).display()),
        );
    };
    record("first", "kill -9 $PPID");
    assert_eq!(build_alone(&project).0, None, "it was killed");
    let installed = project.path("tools/componentize-py-0.25.1");
    assert!(!installed.exists());
    record("second", "echo 'no network' >&2; exit 1");
    let (status, said) = build_alone(&project);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("componentize-py 0.25.1 cannot be installed"),
        "{said}"
    );
    assert!(said.contains("no network"), "{said}");
    let asked = fs::read_to_string(project.path("second")).expect("it was asked again");
    assert!(
        asked.contains("pip install") && asked.contains("--require-hashes"),
        "{asked}"
    );
    assert!(!installed.exists());
}

#[test]
fn manifests_that_are_broken_or_reach_too_far_are_refused() {
    for (name, text, reason) in [
        ("pyproject.toml", "[project", "TOML parse error"),
        ("pyproject.toml", "[tool]", "missing field `project`"),
        (
            "pyproject.toml",
            "[project]\nname = \"p\"\ndependencies = [\"--index-url=http://x\"]",
            "is no package of the index",
        ),
        (
            "pyproject.toml",
            "[project]\nname = \"p\"\n[tool.flowstone]\nmodule = \"../../a\"",
            "is no name of a module or a world",
        ),
        ("package.json", "{", "EOF while parsing"),
        (
            "package.json",
            "{\"main\": \"../other.js\"}",
            "no such module in the folder",
        ),
        (
            "package.json",
            "{\"main\": \"index.js\", \"dependencies\": {\"a\": \"file:../a\"}}",
            "only packages of the registry",
        ),
    ] {
        let project = Project::new();
        write(&project, &[WORLD, ("plug/index.js", ""), ("other.js", "")]);
        write(&project, &[(&format!("plug/{name}"), text)]);
        let (status, said) = build_alone(&project);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(said.contains(name), "{said}");
        assert!(
            !project.path("tools").exists(),
            "nothing is installed for it"
        );
    }
}
