//! Calls for many rows at once, and failures that say what is to be done about them. Tests count the calls that ran, and
//! so also those that did not.

mod again;
mod calls;
mod kept;
mod meet;
mod poison;
mod remembered;

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use flowstone::{Event, RunReport};
use flowstone_tests::{Project, lists_guest};

pub(crate) const NOTHING: &[&str] = &[];

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// A flow over the records of a file: what each line weighs.
const FLOW: &str = r#"
name = "items"

[plugin.sample]
component = "sample.wasm"

[source.item]
kind = "csv"
path = "docs/items.csv"
key = "id"

[transform.weight]
call = "sample.weigh"
each = "item"
batch = true

[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "item"
key = ["id"]
columns = { id = "item.id", weight = "weight" }
"#;

/// A project with these lines as its items, one thread, and the component over lists.
pub(crate) fn items<S: AsRef<str>>(lines: &[S]) -> Project {
    let mut project = Project::new();
    FLOW.clone_into(&mut project.flow);
    project.component = Some(lists_guest(0));
    project.config.threads = 1;
    write(&project, lines);
    project
}

/// Writes these lines as the items.
pub(crate) fn write<S: AsRef<str>>(project: &Project, lines: &[S]) {
    let mut text = String::from("id,line\n");
    for (number, line) in lines.iter().enumerate() {
        writeln!(text, "{number:04},{}", line.as_ref()).expect("a string takes text");
    }
    project.write("items.csv", text);
}

/// So many lines, all different.
pub(crate) fn lines(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("line {number}")).collect()
}

/// Puts other settings in place of `batch = true`.
pub(crate) fn batch(project: &mut Project, settings: &str) {
    assert!(
        project.flow.contains("batch = true"),
        "the flow has one batch"
    );
    project.flow = project.flow.replace("batch = true", settings);
}

/// Calls another function.
pub(crate) fn function(project: &mut Project, name: &str) {
    let call = format!("sample.{name}");
    project.flow = project.flow.replace("sample.weigh", &call);
}

/// What a run did.
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    /// The rows of each call, in the order in which they ended.
    pub(crate) calls: Vec<u64>,
    /// The keys of the rows that were called for, sorted.
    pub(crate) rows: Vec<String>,
}

pub(crate) fn run(project: &Project) -> Ran {
    let (engine, flow) = project.open().expect("the flow opens");
    let (calls, rows) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let observer = |event: &Event<'_>| match event {
        Event::Called { rows, .. } => calls.lock().expect("no observer panics").push(*rows),
        Event::WillCall { key, .. } => {
            rows.lock()
                .expect("no observer panics")
                .push((*key).to_owned());
        }
        _ => {}
    };
    let report = engine.run(&flow, &project.options, &NEVER, &observer);
    let mut rows = rows.into_inner().expect("no observer panics");
    rows.sort();
    Ran {
        report: report.expect("the flow runs"),
        calls: calls.into_inner().expect("no observer panics"),
        rows,
    }
}

/// What a line weighs.
pub(crate) fn weight(line: &str) -> u32 {
    line.bytes().map(u32::from).sum()
}

/// The rows of the target for these lines.
pub(crate) fn weights<S: AsRef<str>>(lines: &[S]) -> Vec<String> {
    let lines = lines.iter().enumerate();
    lines
        .map(|(number, line)| format!("{number:04}|{}", weight(line.as_ref())))
        .collect()
}
