//! What a person sees of flows in which rows meet.

use flowstone_tests::{Project, meeting};

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder};

/// A flow with every step in which rows meet.
const FLOW: &str = r#"
name = "meet"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"

[source.note]
kind = "csv"
path = "notes.csv"
key = "path"
on-error = "drop"

[transform.line]
call = "sample.lines"
each = "page"
from = { content = "page.content" }
rows = true

[union.text]
of = ["line", "note"]

[reduce.whole]
call = "sample.join"
over = "line"
by = ["page.path"]
from = { lines = "line" }

[reduce.first]
call = "sample.rows"
over = "line"
by = ["page.path"]
rows = true
from = { lines = "line" }

[reduce.all]
call = "sample.same"
over = "whole"
by = []
from = { line = "whole" }
combine = "sample.concat"

[transform.length]
call = "sample.running"
each = "note"
from = { lines = "note.text" }
state = { by = ["author"], rows = 10 }

[transform.found]
call = "sample.pair"
each = "note"
from = { line = "note.text" }
lookup = { found = { in = "whole", key = "note.path" } }

[transform.others]
call = "sample.pairs"
each = "length"
from = { line = "length.text" }
lookup = { found = { in = "note", key = "length.path", on = "path", many = true, take = "text" } }

[target.index]
kind = "sqlite"
path = "out/meet.db"
table = "text"
rows = "text"
key = ["path", "origin"]
columns = { path = "text.path", origin = "text.origin" }

[target.whole]
kind = "sqlite"
path = "out/meet.db"
table = "whole"
rows = "whole"
key = ["path"]
columns = { path = "whole.path", lines = "whole" }
"#;

fn project() -> Project {
    let mut project = Project::new();
    project.component = Some(meeting(0));
    FLOW.clone_into(&mut project.flow);
    lay_out(&project);
    project
}

#[test]
fn check_shows_what_is_gathered_and_looked_up() {
    let project = project();
    assert_seen!(&project, "check_meeting", &["check"]);
    assert_seen!(&project, "check_meeting_json", &["check", "--json"]);
}

#[test]
fn a_graph_has_a_node_for_every_step_in_which_rows_meet() {
    assert_seen!(
        &project(),
        "graph_meeting",
        &["graph", "--format", "mermaid"]
    );
}

#[test]
fn a_run_tells_of_every_step_in_which_rows_meet() {
    let project = project();
    project.write("a.md", "one\n").write("b.md", "three\n");
    let notes = "path,text,author\na.md,first,ann\nc.md,second,bob\n";
    std::fs::write(project.path("notes.csv"), notes).expect("the project takes files");
    assert_seen!(&project, "run_meeting", &["run", "--quiet", "--json"]);
    assert_seen!(&project, "run_meeting_again", &["run", "--quiet", "--json"]);
}

/// The project after a first run, two of whose sources have changed since.
fn changed() -> Project {
    let project = project();
    project.write("a.md", "one\n").write("b.md", "three\n");
    let notes = project.path("notes.csv");
    std::fs::write(
        &notes,
        "path,text,author\na.md,first,ann\nb.md,second,bob\n",
    )
    .expect("the project takes files");
    let first = flowstone(&project, &["run", "--quiet"]);
    assert!(first.status.success(), "{first:?}");
    project.write("b.md", "four\n");
    std::fs::write(&notes, "path,text,author\na.md,first,ann\nb.md,other,bob\n")
        .expect("the project takes files");
    project
}

#[test]
fn a_plan_says_what_hangs_on_rows_that_meet() {
    assert_seen!(&changed(), "plan_meeting", &["plan", "--rows"]);
}

#[test]
fn calls_for_the_sake_of_other_rows_are_explained() {
    let project = changed();
    let run = flowstone(&project, &["run", "--quiet"]);
    assert!(run.status.success(), "{run:?}");
    assert_seen!(&project, "explain_reduce", &["explain", "whole"]);
    assert_seen!(&project, "explain_lookup", &["explain", "found"]);
    assert_seen!(&project, "explain_combine", &["explain", "all.combine"]);
}

#[test]
fn lineage_goes_through_rows_that_meet() {
    let project = changed();
    let run = flowstone(&project, &["run", "--quiet"]);
    assert!(run.status.success(), "{run:?}");
    let up = ["lineage", "index", r#"["b.md","line"]"#];
    assert_seen!(&project, "lineage_union", &up);
    let up = ["lineage", "whole", "b.md"];
    assert_seen!(&project, "lineage_reduce", &up);
    let down = ["lineage", "--down", "page", "b.md"];
    assert_seen!(&project, "lineage_down_meeting", &down);
}

#[test]
fn folds_are_verified() {
    let project = changed();
    let run = flowstone(&project, &["run", "--quiet"]);
    assert!(run.status.success(), "{run:?}");
    assert_seen!(&project, "verify_meeting", &["verify", "--seed", "1"]);
}
