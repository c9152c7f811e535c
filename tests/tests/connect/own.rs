//! Targets and stores below the root of a source: what a run writes is no row of the next.

use std::fs;

use flowstone_tests::Project;

/// A flow that copies files of its own folder to a folder and a table of it.
fn project(source: &str) -> Project {
    let mut project = Project::new();
    project.flow = format!(
        r#"
name = "copy"

[source.page]
kind = "files"
root = "."
{source}

[target.copy]
kind = "files"
root = "copy"
path = "{{path}}"
rows = "page"
columns = {{ path = "page.path", content = "page.content" }}

[target.table]
kind = "sqlite"
path = "out/lines.db"
table = "page"
rows = "page"
key = ["path"]
columns = {{ path = "page.path" }}
"#
    );
    project
}

#[test]
fn what_a_run_writes_is_no_row_of_the_next() {
    for source in ["", "hidden = true", "include = [\"**/*\", \"docs/**\"]"] {
        let project = project(source);
        project.write("a.md", "a").write("b/c.md", "c");
        fs::write(project.path("out-of-it"), "x").unwrap();
        // Left behind by a run that was cut off.
        fs::create_dir(project.path("out")).unwrap();
        fs::write(project.path("out/lines.db-journal"), "").unwrap();
        let rows = ["docs/a.md", "docs/b/c.md", "out-of-it"];
        for round in 0..3 {
            let counts = project.run().report.sources["page"];
            assert_eq!(counts.rows, 3, "{source} {round}");
            assert_eq!(project.table("page"), rows, "{source} {round}");
        }
        assert!(project.path("copy/docs/b/c.md").exists());
        assert!(!project.path("copy/copy").exists());
    }
}

#[test]
fn a_target_that_an_include_names_is_read_as_the_flow_says() {
    let project = project("include = [\"copy/kept/*\", \"docs/*\"]");
    project.write("a.md", "a");
    fs::create_dir_all(project.path("copy/kept")).unwrap();
    fs::write(project.path("copy/kept/mine"), "x").unwrap();
    project.run();
    assert_eq!(project.table("page"), ["copy/kept/mine", "docs/a.md"]);
}
