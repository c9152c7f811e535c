//! Keys and grants: a call is made again when, and only when, what is granted has another content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use flowstone::{Cause, Explanation};
use flowstone_tests::Project;
use proptest::prelude::*;

use crate::{explain, probe, project, put, said};

const READ: &str = "grants = { read = [\"data/words\"] }";

fn causes(explained: &Explanation) -> Vec<String> {
    let [call] = &explained.calls[..] else {
        panic!("one row has one call");
    };
    call.causes.iter().map(Cause::to_string).collect()
}

#[test]
fn changed_content_is_called_for_again_and_it_is_said_why() {
    let project = project(READ);
    put(&project, "data/words/en.txt", "the");
    let first = probe(&project, &["read data/words/en.txt"]);
    assert_eq!(first["read data/words/en.txt"], "the");
    assert_eq!(project.run().calls, [""; 0]);

    put(&project, "data/words/en.txt", "The");
    put(&project, "data/words/de.txt", "der");
    let why = "granted `read data/words` changed: +de.txt, ~en.txt";
    assert_eq!(project.plan().transforms[1].reasons[0].why, why);
    assert_eq!(project.run().calls, ["said a.md"]);
    assert_eq!(said(&project)["read data/words/en.txt"], "The");
    assert_eq!(causes(&explain(&project)), [why]);
    assert_eq!(project.run().calls, [""; 0]);

    // Back to what it was: that is remembered.
    put(&project, "data/words/en.txt", "the");
    fs::remove_file(project.path("data/words/de.txt")).expect("it is there");
    assert_eq!(project.run().calls, [""; 0]);
    assert_eq!(said(&project)["read data/words/en.txt"], "the");
}

#[test]
fn granting_more_or_less_is_called_for_again() {
    let mut project = project(READ);
    put(&project, "data/words/en.txt", "the");
    put(&project, "data/other.txt", "other");
    probe(&project, &["read data/other.txt"]);
    let more = "grants = { read = [\"data/other.txt\", \"data/words\"] }";
    project.flow = project.flow.replace(READ, more);
    assert_eq!(project.run().calls, ["said a.md"]);
    assert_eq!(said(&project)["read data/other.txt"], "other");
    assert_eq!(
        causes(&explain(&project)),
        ["grants changed from read data/words to read data/other.txt, read data/words"]
    );
    // The order in which they are named is nothing that a plugin could see.
    let turned = "grants = { read = [\"data/words/\", \"./data/other.txt\"] }";
    project.flow = project.flow.replace(more, turned);
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn a_file_that_changes_under_a_run_fails_its_calls_and_nothing_wrong_is_remembered() {
    let project = project(READ);
    put(&project, "data/words/en.txt", "the");
    put(&project, "data/words/de.txt", "der");
    let en = "read data/words/en.txt";
    project.write("a.md", format!("{en}\nread data/words/de.txt"));
    {
        let (engine, flow) = project.open().expect("the flow opens");
        // The same size, so that only the content tells.
        put(&project, "data/words/en.txt", "THE");
        let outcome = project.run_flow(&engine, &flow).expect("the run goes on");
        assert_eq!(outcome.report.failures, 1);
        let reason = &outcome.report.failed[0].reason;
        assert!(
            reason.contains(
                "the granted file `data/words/en.txt` was changed while the run was at work"
            ),
            "{reason}"
        );
    }
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(said(&project)[en], "THE");

    // What was read before it changed stays what the keys stand for, for as long as the flow is open.
    let (engine, flow) = project.open().expect("the flow opens");
    project.write("b.md", en);
    project.run_flow(&engine, &flow).expect("it can be run");
    put(&project, "data/words/en.txt", "new");
    project.write("b.md", format!("{en}\nread ./data/words/en.txt"));
    let outcome = project.run_flow(&engine, &flow).expect("it can be run");
    assert_eq!(
        outcome.report.failures, 1,
        "the content was not remembered, only the result"
    );
}

#[test]
fn a_file_that_goes_or_becomes_a_link_under_a_run_fails_its_calls() {
    for way in 0..3 {
        let project = project(READ);
        put(&project, "data/words/en.txt", "the");
        put(&project, "data/secret.txt", "the secret");
        project.write("a.md", "read data/words/en.txt");
        let (engine, flow) = project.open().expect("the flow opens");
        let path = project.path("data/words/en.txt");
        fs::remove_file(&path).expect("it is there");
        match way {
            0 => {}
            1 => std::os::unix::fs::symlink("../secret.txt", &path).expect("links are taken"),
            _ => fs::create_dir(&path).expect("folders are taken"),
        }
        let outcome = project.run_flow(&engine, &flow).expect("the run goes on");
        assert_eq!(outcome.report.failures, 1);
        let reason = &outcome.report.failed[0].reason;
        assert!(
            reason.contains("the granted file `data/words/en.txt` cannot be read"),
            "{reason}"
        );
    }
}

/// One edit of the granted folder.
#[derive(Clone, Debug)]
enum Edit {
    Write(usize, u8),
    Remove(usize),
    Rename(usize, usize),
    Folder(usize),
    Touch(usize),
}

const NAMES: [&str; 6] = ["a", "b", "a-b", "deep/a", "deep/b", "deep/er/a"];
const FOLDERS: [&str; 3] = ["deep", "deep/er", "empty"];

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (0..NAMES.len(), 0u8..3).prop_map(|(name, content)| Edit::Write(name, content)),
        1 => (0..NAMES.len()).prop_map(Edit::Remove),
        1 => (0..NAMES.len(), 0..NAMES.len()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => (0..FOLDERS.len()).prop_map(Edit::Folder),
        1 => (0..NAMES.len()).prop_map(Edit::Touch),
    ]
}

fn apply(project: &Project, edit: &Edit) {
    let path = |name: usize| project.path("data/words").join(NAMES[name]);
    match edit {
        Edit::Write(name, content) => put(
            project,
            &format!("data/words/{}", NAMES[*name]),
            [*content].repeat(2),
        ),
        Edit::Remove(name) => drop(fs::remove_file(path(*name))),
        Edit::Rename(from, to) => drop(fs::rename(path(*from), path(*to))),
        Edit::Folder(name) => {
            let folder = project.path("data/words").join(FOLDERS[*name]);
            if fs::remove_dir(&folder).is_err() {
                drop(fs::create_dir_all(folder));
            }
        }
        Edit::Touch(name) => {
            if let Ok(content) = fs::read(path(*name)) {
                drop(fs::remove_file(path(*name)));
                fs::write(path(*name), content).expect("files are taken");
            }
        }
    }
}

/// All that a plugin could see of the folder.
fn seen(project: &Project) -> BTreeMap<String, Option<Vec<u8>>> {
    fn add(folder: &std::path::Path, below: &str, seen: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in fs::read_dir(folder).expect("it is there") {
            let entry = entry.expect("it is there");
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                add(&entry.path(), &format!("{name}/"), seen);
                seen.insert(name, None);
            } else {
                seen.insert(name, Some(fs::read(entry.path()).expect("it can be read")));
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&project.path("data/words"), "", &mut all);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_change_if_and_only_if_the_granted_content_does(
        edits in prop::collection::vec(prop::collection::vec(edit(), 0..4), 1..8)
    ) {
        let project = project(READ);
        fs::create_dir_all(project.path("data/words")).expect("folders are taken");
        project.write("a.md", "list data/words");
        let mut known = BTreeSet::new();
        for edits in [vec![]].iter().chain(&edits) {
            for edit in edits {
                apply(&project, edit);
            }
            let is_new = known.insert(seen(&project));
            let expected: &[&str] = if is_new { &["said a.md"] } else { &[] };
            let calls: Vec<String> = (project.run().calls.into_iter())
                .filter(|call| call.starts_with("said"))
                .collect();
            prop_assert_eq!(calls, expected, "{:?}", edits);
        }
    }
}
