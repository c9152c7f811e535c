//! Targets that fail in the middle of a batch, at every row of it.

use std::fs;

use flowstone_tests::Project;
use rusqlite::Connection;

use crate::{Edited, End};

fn edited() -> (Edited, [End; 2]) {
    let edited = Edited::new(|project| {
        project.run();
    });
    let ends = edited.ends(Project::run);
    (edited, ends)
}

fn database(project: &Project) -> Connection {
    Connection::open(project.path("out/lines.db")).unwrap()
}

#[test]
fn a_table_that_refuses_any_row_of_a_batch_is_made_good_by_the_next_run() {
    let (edited, ends) = edited();
    let rows = [
        ("INSERT", "NEW.path = 'a.md' AND NEW.line = 'zwei'", "line"),
        ("INSERT", "NEW.path = 'd.md' AND NEW.line = 'four'", "line"),
        ("INSERT", "NEW.path = 'd.md' AND NEW.line = 'five'", "line"),
        ("DELETE", "OLD.line = 'two'", "line"),
        ("DELETE", "OLD.line = 'three'", "line"),
        // All rows are written, and the note of the batch is not.
        ("UPDATE", "1", "_flowstone"),
        ("INSERT", "1", "_flowstone"),
    ];
    for ((event, condition, table), end) in rows
        .iter()
        .flat_map(|row| ends.iter().map(move |end| (row, end)))
    {
        let fault = format!("{event} {condition}");
        edited.restore();
        let sql = format!(
            "CREATE TRIGGER fault BEFORE {event} ON {table} WHEN {condition} \
             BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END"
        );
        database(&edited.project).execute_batch(&sql).unwrap();
        let error = edited.project.try_run().err().unwrap().to_string();
        assert!(error.contains("the disk is on fire"), "{fault}: {error}");
        database(&edited.project)
            .execute_batch("DROP TRIGGER fault")
            .unwrap();
        edited.check(end, Project::try_run, &fault);
    }
}

#[test]
fn a_folder_that_refuses_any_file_of_a_batch_is_made_good_by_the_next_run() {
    let (edited, ends) = edited();
    let names = ["a.md/zwei.txt", "d.md/five.txt", "d.md/four.txt"];
    for (name, end) in names
        .iter()
        .flat_map(|name| ends.iter().map(move |end| (name, end)))
    {
        edited.restore();
        // Where the new content goes before it takes the file's place: nothing looks there before it writes.
        let (folder, file) = name.split_once('/').unwrap();
        let hash = blake3::hash(file.as_bytes()).to_hex();
        let folder = edited.project.path("out/pages").join(folder);
        let path = folder.join(format!(".flowstone-tmp-{}", &hash[..16]));
        fs::create_dir_all(path.join("in the way")).unwrap();
        let error = edited.project.try_run().err().unwrap().to_string();
        assert!(error.contains("it is a folder"), "{name}: {error}");
        fs::remove_dir_all(&path).unwrap();
        edited.check(end, Project::try_run, name);
    }
}

#[test]
fn books_of_a_folder_that_cannot_be_written_are_made_good_by_the_next_run() {
    let (edited, ends) = edited();
    let notes = [
        ("INSERT", "file"),
        ("UPDATE", "file"),
        ("DELETE", "file"),
        ("UPDATE", "target"),
    ];
    for ((event, table), end) in notes
        .iter()
        .flat_map(|note| ends.iter().map(move |end| (note, end)))
    {
        let fault = format!("{event} {table}");
        edited.restore();
        let books =
            || Connection::open(edited.project.path("out/pages/.flowstone-target.db")).unwrap();
        let sql = format!(
            "CREATE TRIGGER fault BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END"
        );
        books().execute_batch(&sql).unwrap();
        let error = edited.project.try_run().err().unwrap().to_string();
        assert!(error.contains("the disk is on fire"), "{fault}: {error}");
        books().execute_batch("DROP TRIGGER fault").unwrap();
        edited.check(end, Project::try_run, &fault);
    }
}
