//! Grants: what a plugin gets of the real world is what the flow grants, no more; and its keys say so.
//!
//! A page has one line for each thing that the plugin tries, and the table what came of it.

mod apart;
mod calls;
mod closed;
mod env;
mod heal;
mod network;
mod read;
mod released;
mod row;
mod serve;
mod tls;
mod web;

use std::collections::BTreeMap;
use std::fs;

use flowstone::{Error, Explanation};
use flowstone_tests::{Project, prober};

const FLOW: &str = r#"
name = "probes"

[plugin.prober]
component = "prober.wasm"
limits = { time = "5s" }

[source.page]
kind = "files"
root = "docs"

[transform.line]
call = "prober.lines"
each = "page"
rows = true

[transform.said]
call = "prober.probe"
each = "line"
GRANTS

[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "line"
key = ["path", "line"]
columns = { path = "page.path", line = "line", said = "said" }
"#;

/// A project whose transform `said` has these settings.
pub(crate) fn project(grants: &str) -> Project {
    let mut project = Project::new();
    project.component = Some(prober().to_vec());
    project.flow = FLOW.replace("GRANTS", grants);
    project
}

/// Writes a file of the project.
pub(crate) fn put(project: &Project, path: &str, content: impl AsRef<[u8]>) {
    let path = project.path(path);
    fs::create_dir_all(path.parent().expect("it is in the project")).expect("folders are taken");
    fs::write(path, content).expect("files are taken");
}

/// What came of each line of the page `a.md`, after a run that is to go well.
pub(crate) fn probe(project: &Project, lines: &[&str]) -> BTreeMap<String, String> {
    project.write("a.md", lines.join("\n"));
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0, "{:?}", outcome.report);
    said(project)
}

/// What the table says of each line.
pub(crate) fn said(project: &Project) -> BTreeMap<String, String> {
    let rows = project.rows().into_iter().map(|row| {
        let mut cells = row.splitn(3, '|').skip(1).map(str::to_owned);
        (
            cells.next().unwrap_or_default(),
            cells.next().unwrap_or_default(),
        )
    });
    rows.collect()
}

/// What is wrong with a flow: the messages, each with its advice.
pub(crate) fn refused(project: &Project) -> Vec<String> {
    match project.try_run() {
        Err(Error::Flow(errors)) => {
            let text = |error: &flowstone::Diagnostic| {
                assert!(error.span.is_some(), "{error:?} has a place");
                format!(
                    "{}: {}",
                    error.message,
                    error.help.as_deref().unwrap_or_default()
                )
            };
            errors.0.iter().map(text).collect()
        }
        Err(error) => panic!("{error} is no fault of the flow"),
        Ok(_) => panic!("the flow is refused"),
    }
}

/// Why the last run called for the row `a.md#0`.
pub(crate) fn explain(project: &Project) -> Explanation {
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = std::sync::atomic::AtomicBool::new(false);
    (engine.explain(&flow, "said", Some("a.md#0"), true, &stop)).expect("it can be explained")
}
