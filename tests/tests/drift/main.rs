//! Targets that others changed: `--verify-targets` finds what is not as it was written, and puts it right without a call.

mod files;
mod server;
mod table;

use flowstone::{Drift, DriftedRow, RunReport};
use flowstone_tests::{FLOW, Outcome, Project};

pub(crate) const NOTHING: &[&str] = &[];

/// A target of one file per line, besides the table.
const FILES: &str = r#"
[target.pages]
kind = "files"
root = "out/pages"
rows = "line"
path = "{page}/{line}.txt"
columns = { page = "page.path", line = "line", content = "line" }
"#;

pub(crate) fn project() -> Project {
    let mut project = Project::new();
    project.flow = format!("{FLOW}{FILES}");
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\nfour\n");
    project
}

/// A run that verifies the targets first.
pub(crate) fn verify(project: &mut Project) -> Outcome {
    project.options.verify_targets = true;
    let outcome = project.run();
    project.options.verify_targets = false;
    outcome
}

pub(crate) fn drifted(report: &RunReport, target: &str) -> Option<u64> {
    report.targets[target].drifted
}

/// The drifted rows as text, sorted.
pub(crate) fn listed(report: &RunReport) -> Vec<String> {
    let text = |row: &DriftedRow| {
        let how = match row.drift {
            Drift::Changed => "changed",
            Drift::Missing => "missing",
            Drift::Added => "added",
        };
        format!("{} {} {how}", row.target, row.key)
    };
    let mut rows: Vec<String> = report.drifted.iter().map(text).collect();
    rows.sort();
    rows
}
