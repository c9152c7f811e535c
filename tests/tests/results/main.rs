//! Results at the user's hand, through the engine: what is read, put, removed and moved, and what is called after that and
//! what is not.

mod put;
mod read;
mod transfer;

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone::core::Value;
use flowstone::{
    CacheEntry, CacheFilter, CacheResult, CacheSort, CachedOutcome, Engine, Error, Flow,
    GivenValue, PutReport,
};
use flowstone_tests::Project;

pub(crate) const NOTHING: &[&str] = &[];

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

pub(crate) fn project() -> Project {
    let project = Project::new();
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    project
}

/// The same, with the whole component as the code of its functions.
pub(crate) fn by_component() -> Project {
    let mut project = project();
    let plugin = "[plugin.sample]\n";
    let identity = format!("{plugin}identity = \"component\"\n");
    project.flow = project.flow.replace(plugin, &identity);
    project
}

/// The flow with another function behind `weight`, and with `settings` on it.
pub(crate) fn with(project: &mut Project, function: &str, settings: &str) {
    let call = "call = \"sample.weigh\"\n";
    let other = format!("call = \"sample.{function}\"\n{settings}\n");
    project.flow = project.flow.replace(call, &other);
}

pub(crate) fn open(project: &Project) -> (Engine, Flow) {
    project.open().expect("the flow opens")
}

pub(crate) fn get(project: &Project, transform: &str, key: &str) -> Result<CacheResult, Error> {
    let (engine, flow) = open(project);
    engine.cache_get(&flow, transform, key, &NEVER)
}

pub(crate) fn value(project: &Project, transform: &str, key: &str) -> Value {
    match get(project, transform, key)
        .expect("it is remembered")
        .outcome
    {
        CachedOutcome::Value { value, .. } => value,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn put(project: &Project, key: &str, given: GivenValue<'_>) -> Result<PutReport, Error> {
    let (engine, flow) = open(project);
    engine.cache_put(&flow, "weight", key, given, &NEVER)
}

pub(crate) fn entries(project: &Project, filter: &CacheFilter) -> Vec<CacheEntry> {
    let (engine, _flow) = open(project);
    let mut found = Vec::new();
    engine
        .cache_list(filter, CacheSort::Size, None, &NEVER, &mut |entry| {
            found.push(entry);
            ControlFlow::Continue(())
        })
        .expect("it can be listed");
    found
}
