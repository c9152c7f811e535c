//! Files of a target that cannot all be there: their rows fail, by name, and the others are done.

use std::fs;

use flowstone_tests::Project;

fn project() -> Project {
    let mut project = Project::new();
    r#"
name = "folders"

[source.item]
kind = "csv"
path = "docs/items"
key = "id"

[target.site]
kind = "files"
root = "out/site"
path = "{p}"
rows = "item"
content = "body"
columns = { p = "item.p", body = "item.body" }
"#
    .clone_into(&mut project.flow);
    project
}

/// The failed rows, each with its reason, after a run of these records.
fn run(project: &Project, records: &str) -> Vec<(String, String)> {
    project.write("items", format!("id,p,body\n{records}"));
    let report = project.run().report;
    assert_eq!(report.failures, report.failed.len() as u64);
    let failed = report.failed.into_iter();
    failed.map(|row| (row.key, row.reason)).collect()
}

fn text(project: &Project, path: &str) -> Option<String> {
    fs::read_to_string(project.path("out/site").join(path)).ok()
}

#[test]
fn a_file_and_a_folder_of_one_name_fail_the_second_row_alone() {
    for (records, has, lacks, why) in [
        (
            "1,a,A\n2,a/b,B\n3,c,C\n",
            "a",
            "a/b",
            "its file `a/b` cannot be written: `a` is not a folder, but a file or a link",
        ),
        (
            "1,a/b,A\n2,a,B\n3,c,C\n",
            "a/b",
            "a",
            "its file `a` cannot be written: a folder is in its place",
        ),
    ] {
        let project = project();
        for _ in 0..2 {
            let failed = run(&project, records);
            let reason = format!("target `site`: {why}");
            assert_eq!(failed, [("2".to_owned(), reason)]);
            assert_eq!(text(&project, has).as_deref(), Some("A"));
            assert_eq!(text(&project, lacks), None);
            assert_eq!(text(&project, "c").as_deref(), Some("C"));
        }
        // The first gives its file up: the second gets it in the same run.
        let others = records.lines().skip(1).map(|line| format!("{line}\n"));
        assert_eq!(run(&project, &others.collect::<String>()), []);
        assert_eq!(text(&project, lacks).as_deref(), Some("B"));
    }
}

#[test]
fn a_row_that_moves_into_a_folder_of_its_former_name_is_written_in_the_same_run() {
    let project = project();
    assert_eq!(run(&project, "1,a,A\n2,b,B\n"), []);
    assert_eq!(run(&project, "1,a/x,A\n2,b,B\n"), []);
    assert_eq!(text(&project, "a/x").as_deref(), Some("A"));
    assert_eq!(run(&project, "1,a,A\n2,b,B\n"), []);
    assert_eq!(text(&project, "a").as_deref(), Some("A"));
}

#[test]
fn what_a_person_put_in_the_way_stays_and_fails_one_row() {
    let project = project();
    assert_eq!(run(&project, "1,a,A\n"), []);
    let mine = project.path("out/site/e");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("mine"), "x").unwrap();
    fs::write(project.path("out/site/f"), "y").unwrap();
    let records = "1,a,A\n2,e,E\n3,f/g,F\n4,h,H\n";
    let failed = run(&project, records);
    let keys: Vec<&str> = failed.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["2", "3"]);
    assert_eq!(text(&project, "h").as_deref(), Some("H"));
    assert_eq!(text(&project, "e/mine").as_deref(), Some("x"));
    assert_eq!(text(&project, "f").as_deref(), Some("y"));
    fs::remove_dir_all(&mine).unwrap();
    fs::remove_file(project.path("out/site/f")).unwrap();
    assert_eq!(run(&project, records), []);
    assert_eq!(text(&project, "e").as_deref(), Some("E"));
    assert_eq!(text(&project, "f/g").as_deref(), Some("F"));
}
