//! Results too long for the database, whose files cannot be written.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use flowstone_tests::{FLOW, Project};

use crate::Edited;

/// The files of objects, below the folder of the store.
fn objects(project: &Project) -> BTreeSet<PathBuf> {
    let root = project.path(".flowstone/objects");
    let mut found = BTreeSet::new();
    for shard in fs::read_dir(&root).unwrap().map(Result::unwrap) {
        for file in fs::read_dir(shard.path()).unwrap().map(Result::unwrap) {
            found.insert(file.path());
        }
    }
    found
}

#[test]
fn an_object_that_cannot_be_written_stops_the_run_and_the_next_one_makes_it_good() {
    // Lines this long are no names of files.
    let edited = Edited::of(FLOW.to_owned(), None, |project| {
        project.run();
    });
    let project = &edited.project;
    // The list of a page's lines is one value; three of them are too long for the database.
    let page = |letter: &str| {
        let lines = (0..2).map(|number| format!("{number} {}", letter.repeat(40_000)));
        lines.collect::<Vec<_>>().join("\n")
    };
    for letter in ["x", "y", "z"] {
        project.write(&format!("{letter}.md"), page(letter));
    }
    edited.keep();
    let before = objects(project);
    let ends = edited.ends(Project::run);
    edited.restore();
    project.run();
    let written: Vec<PathBuf> = objects(project).difference(&before).cloned().collect();
    assert_eq!(written.len(), 3);
    for (file, end) in written
        .iter()
        .flat_map(|file| ends.iter().map(move |end| (file, end)))
    {
        let fault = format!("a folder in the place of {}", file.display());
        edited.restore();
        fs::create_dir_all(file).unwrap();
        let error = project.try_run().err().unwrap().to_string();
        assert!(error.contains("writing an object"), "{fault}: {error}");
        fs::remove_dir(file).unwrap();
        edited.check(end, Project::try_run, &fault);
    }
}
