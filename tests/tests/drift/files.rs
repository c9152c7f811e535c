//! Files that others changed.

use std::fs;
use std::path::PathBuf;

use flowstone_tests::Project;

use crate::{NOTHING, drifted, listed, project, verify};

fn page(project: &Project, name: &str) -> PathBuf {
    project.path("out/pages").join(name)
}

/// Every file below the target's root but its books, with its content.
fn pages(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for folder in fs::read_dir(project.path("out/pages"))
        .unwrap()
        .map(Result::unwrap)
    {
        if !folder.path().is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let content = fs::read_to_string(file.path()).unwrap();
            let (folder, file) = (folder.file_name(), file.file_name());
            found.push(format!(
                "{}/{}: {content}",
                folder.display(),
                file.display()
            ));
        }
    }
    found.sort();
    found
}

const ALL: [&str; 4] = [
    "a.md/one.txt: one",
    "a.md/two.txt: two",
    "b.md/four.txt: four",
    "b.md/three.txt: three",
];

#[test]
fn files_that_others_edited_or_removed_are_written_again_and_said_so() {
    let mut project = project();
    project.run();
    assert_eq!(pages(&project), ALL);
    fs::write(page(&project, "a.md/one.txt"), "ONE").unwrap();
    fs::remove_file(page(&project, "a.md/two.txt")).unwrap();
    // Written anew with what was in it, it is what it was.
    fs::write(page(&project, "b.md/four.txt"), "four").unwrap();
    fs::write(page(&project, "b.md/mine.txt"), "of a person").unwrap();
    let outcome = verify(&mut project);
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(
        listed(&outcome.report),
        ["pages a.md/one.txt changed", "pages a.md/two.txt missing"]
    );
    assert_eq!(drifted(&outcome.report, "pages"), Some(2));
    assert_eq!(drifted(&outcome.report, "index"), Some(0));
    let mut expected = ALL.map(str::to_owned).to_vec();
    expected.insert(3, "b.md/mine.txt: of a person".to_owned());
    assert_eq!(pages(&project), expected);
    assert_eq!(drifted(&verify(&mut project).report, "pages"), Some(0));
}

#[test]
fn a_folder_in_the_place_of_a_file_stops_the_run_and_stays() {
    let mut project = project();
    project.run();
    let path = page(&project, "a.md/one.txt");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "of a person").unwrap();
    project.options.verify_targets = true;
    let error = project.try_run().err().unwrap().to_string();
    assert!(
        error.contains("one.txt") && error.contains("it is a folder"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(path.join("inside")).unwrap(),
        "of a person"
    );
    fs::remove_dir_all(&path).unwrap();
    // What was found stays to be done, also without looking once more.
    project.options.verify_targets = false;
    assert_eq!(project.run().calls, NOTHING);
    assert_eq!(pages(&project), ALL);
}

#[test]
fn a_target_that_was_removed_is_filled_anew_without_a_call() {
    let project = project();
    project.run();
    fs::remove_dir_all(project.path("out")).unwrap();
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(pages(&project), ALL);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_target_of_another_store_in_its_place_is_filled_anew_without_a_call() {
    let (first, second) = (project(), project());
    second.write("c.md", "five\n");
    first.run();
    second.run();
    fs::remove_dir_all(first.path("out")).unwrap();
    fs::rename(second.path("out"), first.path("out")).unwrap();
    let outcome = first.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(pages(&first), ALL);
    assert_eq!(first.rows(), first.fresh_rows());
}
