//! Pins: results outlive the code that made them, and comparing them with calls tells how far they may. Every test lists
//! the calls that ran, and so also those that did not.

mod adopting;
mod again;
mod falling_back;
mod sharing;
mod verifying;

use std::sync::atomic::AtomicBool;

use flowstone::{
    AdoptReport, DropReport, Error, Event, PinError, PinReport, PinSource, VerifyOptions,
    VerifyReport,
};
use flowstone_tests::Project;

pub(crate) const NOTHING: &[&str] = &[];

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

pub(crate) fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n")
        .write("deep/c.md", "four\n\nfive");
    project
}

/// Pins the transform `weight`.
pub(crate) fn pin(project: &mut Project, name: &str) {
    unpin(project);
    let call = "[transform.weight]\n";
    project.flow = (project.flow).replace(call, &format!("{call}cache = {{ pin = \"{name}\" }}\n"));
}

pub(crate) fn unpin(project: &mut Project) {
    let kept = project.flow.lines();
    let kept: Vec<_> = kept
        .filter(|line| !line.starts_with("cache = { pin"))
        .collect();
    project.flow = kept.join("\n") + "\n";
}

pub(crate) fn try_adopt(project: &Project, from: &PinSource) -> Result<AdoptReport, Error> {
    let (engine, flow) = project.open().expect("the flow opens");
    engine.adopt_pin(&flow, "weight", from, &NEVER)
}

pub(crate) fn adopt(project: &Project, from: &str) -> AdoptReport {
    let from = match from {
        "" => PinSource::Present,
        from => from.parse().expect("it names code"),
    };
    try_adopt(project, &from).expect("there is something to adopt")
}

/// What is wrong with adopting the results of the present code, or of other code.
pub(crate) fn adopt_error(project: &Project, from: &PinSource) -> PinError {
    match try_adopt(project, from) {
        Err(Error::Pin(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn pins(project: &Project) -> Vec<PinReport> {
    let (engine, _) = project.open().expect("the flow opens");
    engine.pins(&NEVER).expect("they can be listed")
}

/// Whether the run called the pinned transform.
pub(crate) fn weight_calls(project: &Project) -> usize {
    let calls = project.run().calls;
    calls
        .iter()
        .filter(|call| call.starts_with("weight "))
        .count()
}

pub(crate) fn drop_pin(project: &Project, name: &str) -> DropReport {
    let (engine, _) = project.open().expect("the flow opens");
    engine.drop_pin(name, &NEVER).expect("the pin is there")
}

pub(crate) fn options(sample: Option<u64>) -> VerifyOptions {
    VerifyOptions {
        sample,
        seed: 7,
        differences_max: 20,
    }
}

pub(crate) fn verify_pin(project: &Project, options: &VerifyOptions) -> VerifyReport {
    let (engine, flow) = project.open().expect("the flow opens");
    engine
        .verify_pin(&flow, "weight", options, &NEVER, &|_: &Event<'_>| {})
        .expect("it can be compared")
}

pub(crate) fn verify(project: &Project, names: &[&str], options: &VerifyOptions) -> VerifyReport {
    let (engine, flow) = project.open().expect("the flow opens");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    engine
        .verify(&flow, &names, options, &NEVER, &|_: &Event<'_>| {})
        .expect("it can be compared")
}

/// A hundred lines, pinned.
pub(crate) fn pinned_lines() -> Project {
    let mut project = Project::new();
    for file in 0..10 {
        let lines = (0..10).map(|line| format!("line {line} of {file}\n"));
        project.write(&format!("{file}.md"), lines.collect::<String>());
    }
    pin(&mut project, "weight-1");
    project.run();
    project
}
