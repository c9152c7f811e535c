//! Where a store may be, and where targets may not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use flowstone_tests::Project;

use crate::support::{flowstone, lay_out};

fn project() -> Project {
    let project = Project::new();
    project.write("a.md", "first\nsecond\n");
    lay_out(&project);
    project
}

/// What the command says when it refuses.
fn refused(project: &Project, arguments: &[&str]) -> String {
    let output = flowstone(project, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("messages are text")
}

/// The files of a folder, with what is in them.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let text = fs::read_to_string(&path).expect("it is text");
            files.push((path.display().to_string(), text));
        }
    }
    files.sort();
    files
}

/// A folder with files of the user's, called as some of a store are.
fn precious(project: &Project) {
    fs::create_dir_all(project.path("precious/tmp")).expect("folders are taken");
    fs::create_dir_all(project.path("precious/aot")).expect("folders are taken");
    for file in ["tmp/thesis.txt", "tmp/.draft", "aot/mine.cwasm", "lock"] {
        fs::write(project.path("precious").join(file), "mine").expect("files are taken");
    }
}

#[test]
fn a_folder_with_other_files_does_not_become_a_store() {
    let project = project();
    precious(&project);
    let before = files(&project.path("precious"));
    for verb in ["check", "plan", "run"] {
        let said = refused(&project, &[verb, "--store", "precious"]);
        assert!(
            said.contains("is no store of flowstone and is not empty"),
            "{verb}: {said}"
        );
        assert_eq!(files(&project.path("precious")), before, "{verb}");
    }
    // Nor one where components are built.
    fs::create_dir(project.path("plug")).expect("folders are taken");
    fs::write(
        project.path("plug/Cargo.toml"),
        "[package]\nname = 'plug'\n",
    )
    .expect("files are taken");
    for verb in ["build", "check"] {
        let said = refused(&project, &[verb, "plug", "--store", "precious"]);
        assert!(said.contains("is no store of flowstone"), "{verb}: {said}");
        assert_eq!(files(&project.path("precious")), before, "{verb}");
    }
    fs::remove_dir_all(project.path("precious")).expect("it is there");
    fs::create_dir(project.path("precious")).expect("folders are taken");
    fs::write(project.path("precious/notes.txt"), "mine").expect("files are taken");
    let said = refused(&project, &["check", "--store", "precious"]);
    assert!(said.contains("`notes.txt` is in it"), "{said}");
    assert_eq!(files(&project.path("precious")).len(), 1);
    // An empty one is taken, also with what version control or the system have there.
    fs::rename(
        project.path("precious/notes.txt"),
        project.path("precious/.keep"),
    )
    .expect("it is there");
    let output = flowstone(&project, &["run", "--store", "precious"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_store_that_lost_its_database_begins_anew() {
    let project = project();
    assert!(flowstone(&project, &["run"]).status.success());
    fs::remove_file(project.path(".flowstone/store.redb")).expect("it is there");
    fs::write(project.path(".flowstone/tmp/unfinished-0"), "unfinished").expect("files are taken");
    assert!(flowstone(&project, &["run"]).status.success());
    assert!(!project.path(".flowstone/tmp/unfinished-0").exists());
}

#[test]
fn the_store_of_a_flow_is_no_link() {
    let project = project();
    precious(&project);
    let before = files(&project.path("precious"));
    symlink("precious", project.path(".flowstone")).expect("links are taken");
    for verb in ["check", "plan", "run", "gc"] {
        let said = refused(&project, &[verb]);
        assert!(said.contains(".flowstone` is a link"), "{verb}: {said}");
        assert!(said.contains("--store DIR"), "{verb}: {said}");
    }
    assert_eq!(files(&project.path("precious")), before);
    // Nor that of a plugin.
    fs::create_dir(project.path("plug")).expect("folders are taken");
    fs::write(
        project.path("plug/Cargo.toml"),
        "[package]\nname = 'plug'\n",
    )
    .expect("files are taken");
    symlink("../precious", project.path("plug/.flowstone")).expect("links are taken");
    for verb in ["build", "check"] {
        let said = refused(&project, &[verb, "plug"]);
        assert!(said.contains(".flowstone` is a link"), "{verb}: {said}");
    }
    // Nor where there is no flow.
    fs::remove_file(project.path("flow.toml")).expect("it is there");
    for verb in [&["cache", "stat"][..], &["runs"], &["pin", "list"]] {
        let said = refused(&project, verb);
        assert!(said.contains(".flowstone` is a link"), "{verb:?}: {said}");
    }
    assert_eq!(files(&project.path("precious")), before);
    // Nor does it hold one.
    fs::remove_file(project.path("plug/.flowstone")).expect("it is there");
    fs::create_dir(project.path("plug/.flowstone")).expect("folders are taken");
    symlink("../../precious", project.path("plug/.flowstone/built")).expect("links are taken");
    let said = refused(&project, &["build", "plug"]);
    assert!(said.contains("built` is a link"), "{said}");
    assert_eq!(files(&project.path("precious")), before);
}

#[test]
fn targets_do_not_lie_where_flowstone_keeps_something_else() {
    let project = project();
    let flow = fs::read_to_string(project.path("flow.toml")).expect("it is there");
    symlink(".flowstone", project.path("kept")).expect("links are taken");
    for (path, why) in [
        (".flowstone/aot/t.db", "lies in the store"),
        (".flowstone/store.redb", "lies in the store"),
        ("kept/t.db", "lies in the store"),
        ("flow.toml", "is the flow file, or holds it"),
        ("./flow.toml", "is the flow file, or holds it"),
        (".", "holds the store"),
    ] {
        let changed = flow.replace("\"out/lines.db\"", &format!("\"{path}\""));
        assert_ne!(changed, flow);
        fs::write(project.path("flow.toml"), &changed).expect("files are taken");
        for verb in ["check", "run"] {
            let said = refused(&project, &[verb]);
            assert!(
                said.contains(&format!("`{path}` {why}")),
                "{verb}, {path}: {said}"
            );
        }
        let after = fs::read_to_string(project.path("flow.toml")).expect("it is there");
        assert_eq!(after, changed);
    }
}
