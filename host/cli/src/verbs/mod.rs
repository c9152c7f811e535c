//! The verbs, one file each.

mod build;
mod cache;
mod call;
mod check;
mod completions;
mod component;
mod explain;
mod gc;
mod given;
mod graph;
mod inspect;
mod lineage;
mod new;
mod pin;
mod plan;
mod run;
mod runs;
mod test;
mod verify;
mod watch;

use crate::args::Verb;
use crate::failure::Failure;
use crate::output::Output;

/// Does what was asked; the exit status where that was possible.
pub(crate) fn verb(verb: &Verb, output: Output) -> Result<u8, Failure> {
    match verb {
        Verb::Check(args) => check::check(args, output),
        Verb::Plan(args) => plan::plan(args, output),
        Verb::Run(args) => run::run(args, output),
        Verb::Watch(args) => watch::watch(args, output),
        Verb::Call(args) => call::call(args, output),
        Verb::Inspect(args) => inspect::inspect(args, output),
        Verb::New(verb) => new::new(verb, output),
        Verb::Build(args) => build::build(args, output),
        Verb::Test(args) => test::test(args, output),
        Verb::Lineage(args) => lineage::lineage(args, output),
        Verb::Explain(args) => explain::explain(args, output),
        Verb::Graph(args) => graph::graph(args, output),
        Verb::Runs(args) => runs::runs(args, output),
        Verb::Pin(args) => pin::pin(args, output),
        Verb::Verify(args) => verify::verify(args, output),
        Verb::Cache(verb) => cache::cache(verb, output),
        Verb::Gc(args) => gc::gc(args, output),
        Verb::Completions(args) => completions::completions(args, output),
    }
}
