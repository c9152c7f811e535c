//! `flowstone new`: what it writes builds and runs as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flowstone_tests::Project;
use serde_json::Value;

use crate::support::{assert_seen, command, flowstone, languages_are_off, regex_of_folder};

/// A command that builds Rust without the network: what the templates need is what this workspace needs. Its results
/// are kept for the next time.
fn offline(project: &Project, folder: &Path) -> Command {
    let mut command = command(project);
    command
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("new/target"),
        );
    command
}

fn done(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the command starts");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{said}");
    String::from_utf8_lossy(&stdout).into_owned()
}

/// A plugin in this language, at the same place each time, so that cargo knows it again.
fn made(project: &Project, language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("new")
        .join(format!("my-{language}"));
    let _ = fs::remove_dir_all(&folder);
    done(
        command(project)
            .args(["new", "plugin", "--lang", language])
            .arg(&folder),
    );
    folder
}

fn builds_and_runs(language: &str) {
    let project = Project::new();
    let folder = made(&project, language);
    let said = done(offline(&project, &folder).args(["test", "--json"]));
    let said: Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!(said["passed"], 3, "{said}");
    let said =
        done(offline(&project, &folder).args(["call", ".", "summary", " one  two\nthree", "2"]));
    assert_eq!(said, "ok(\"one two\")\n");
}

#[test]
fn a_plugin_in_rust_builds_and_runs() {
    builds_and_runs("rust");
}

#[test]
fn a_plugin_in_python_builds_and_runs() {
    if !languages_are_off() {
        builds_and_runs("python");
    }
}

#[test]
fn a_plugin_in_javascript_builds_and_runs() {
    if !languages_are_off() {
        builds_and_runs("javascript");
    }
}

#[test]
fn a_plugin_in_typescript_builds_and_runs() {
    if !languages_are_off() {
        builds_and_runs("typescript");
    }
}

#[test]
fn a_plugin_in_c_builds_and_runs() {
    if !languages_are_off() {
        builds_and_runs("c");
    }
}

#[test]
fn a_plugin_in_go_builds_and_runs() {
    if !languages_are_off() {
        builds_and_runs("go");
    }
}

#[test]
fn a_flow_runs_at_once() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let counted = |flow: &Path| {
        let database = rusqlite::Connection::open(flow).expect("it was written");
        let mut rows = database
            .prepare("select path, result from text order by path")
            .expect("the table is there");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: Result<Vec<(String, i64)>, _> = rows.expect("it can be asked").collect();
        rows.expect("its rows can be read")
    };
    let expected = ["harbour.md", "mill.md", "orchard.md"]
        .map(str::to_owned)
        .into_iter()
        .zip([19, 16, 15]);
    let expected: Vec<_> = expected.collect();
    done(command(&project).args(["new", "flow", "notes", "--lang", "c"]));
    done(offline(&project, &project.path("notes")).arg("run"));
    assert_eq!(counted(&project.path("notes/out/notes.db")), expected);
    // One for a plugin that is there already.
    done(command(&project).args([
        "new",
        "flow",
        "flows/other",
        "--plugin",
        "notes/plugins/words",
    ]));
    done(offline(&project, &project.path("flows/other")).arg("run"));
    assert_eq!(counted(&project.path("flows/other/out/other.db")), expected);
}

#[test]
fn nothing_is_written_where_something_is() {
    let project = Project::new();
    fs::create_dir_all(project.path("full")).expect("the project takes folders");
    fs::write(project.path("full/notes.txt"), "mine").expect("the project takes files");
    assert_seen!(&project, "new_not_empty", &["new", "plugin", "full"]);
    assert_seen!(
        &project,
        "new_name",
        &["new", "plugin", "plugins/WordCount"]
    );
    assert_seen!(&project, "new_reserved", &["new", "flow", "list"]);
    assert_seen!(
        &project,
        "new_no_plugin",
        &["new", "flow", "notes", "--plugin", "nowhere"]
    );
    assert!(!project.path("plugins").exists() && !project.path("notes").exists());
}

#[test]
fn it_says_what_was_made_and_what_to_do_next() {
    let project = Project::new();
    assert_seen!(
        &project,
        "new_plugin",
        &["new", "plugin", "plugins/word-count", "--lang", "c"]
    );
    assert_seen!(&project, "new_flow", &["new", "flow", "notes"]);
    assert_seen!(
        &project,
        "new_json",
        &["new", "plugin", "other", "--lang", "go", "--json"]
    );
    let again = flowstone(&project, &["new", "plugin", "other"]);
    assert_eq!(again.status.code(), Some(2));
}
