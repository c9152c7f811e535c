//! What is looked up, what is called anyway, what is given, what is kept, and how all of that is explained.

mod explained;
mod kept;
mod modes;
mod overrides;

use std::sync::atomic::AtomicBool;

use flowstone::Explanation;
use flowstone_tests::Project;

const NOTHING: &[&str] = &[];

fn project() -> Project {
    let project = Project::new();
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    project
}

fn names(names: &[&str]) -> std::collections::BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn explain(project: &Project, transform: &str, key: Option<&str>) -> Explanation {
    let (engine, flow) = project.open().expect("the flow opens");
    engine
        .explain(&flow, transform, key, true, &AtomicBool::new(false))
        .expect("it can be explained")
}

fn groups(explanation: &Explanation) -> Vec<String> {
    let groups = explanation.groups.iter().map(|group| {
        let did = if group.called { "called" } else { "reused" };
        format!("{did} {}: {}", group.calls, group.why)
    });
    groups.collect()
}
