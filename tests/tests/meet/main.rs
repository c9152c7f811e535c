//! Rows that meet: reduces, lookups, unions, folds and state, by the calls that they make and do not make.

#![allow(clippy::format_collect, reason = "short texts of lines, made once")]

mod combine;
mod history;
mod lineage;
mod lookup;
mod property;
mod reduce;
mod standing;
mod state;
mod union;
mod verify;

use flowstone_tests::{Project, meeting};

/// A project whose flow begins with this plugin and source, and goes on with `flow`.
pub(crate) fn project(flow: &str) -> Project {
    let mut project = Project::new();
    project.component = Some(meeting(0));
    project.flow = format!("{START}{flow}");
    project
}

const START: &str = r#"
name = "meet"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"
include = ["*.txt"]
"#;

/// The lines of the pages, and what comes before the first blank of each.
pub(crate) const LINES: &str = r#"
[transform.line]
call = "sample.lines"
each = "page"
from = { content = "page.content" }
rows = true

[transform.head]
call = "sample.head"
each = "line"
"#;

/// What becomes of [`LINES`]: joined per head; read again in a union, whose rows look up what came of them; all of it one text.
const MEETING: &str = r#"
[reduce.joined]
call = "sample.join"
over = "line"
by = ["head"]
from = { lines = "line" }

[union.reader]
of = ["line"]

[transform.paired]
call = "sample.pair"
each = "reader"
from = { line = "reader.line" }
lookup = { found = { in = "joined", key = "reader.head", on = "head", take = "joined" } }

[reduce.told]
call = "sample.same"
over = "line"
by = []
from = { line = "line" }
combine = "sample.concat"
"#;

/// A target table with the columns given.
pub(crate) fn target(name: &str, rows: &str, key: &str, columns: &str) -> String {
    format!(
        r#"
[target.{name}]
kind = "sqlite"
path = "out/lines.db"
table = "{name}"
rows = "{rows}"
key = [{key}]
columns = {{ {columns} }}
"#
    )
}
