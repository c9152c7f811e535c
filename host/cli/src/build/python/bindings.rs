//! The types of a Python plugin's world, for editors, type checkers and tests: the module `wit_world` that componentize-py
//! has ready when the plugin is loaded, written to `gen/`. It is no part of the component.

use super::manifest::{self, Manifest};
use super::{tool, tool_failed};
use crate::build::language::Job;
use crate::build::sources::Sources;
use crate::build::{generated, tools};
use crate::failure::Failure;

/// Makes them where that can be done: the component is there without them, so the build goes well all the same. A package
/// of the author's that is called so stays as it is.
pub(super) fn offer(job: &Job<'_>, manifest: &Manifest, sources: &Sources) {
    let own = job.folder.join(generated::NAME).join("__init__.py");
    if own.exists() {
        return;
    }
    if let Err(failure) = write(job, manifest, sources) {
        let why = flowstone::printable(&failure.message);
        job.output
            .note(&format!("there are no new types for editors: {why}"));
    }
}

fn write(job: &Job<'_>, manifest: &Manifest, sources: &Sources) -> Result<(), Failure> {
    let folder = job.work.path().join("bindings");
    let mut command = tool(job, manifest, &folder)?;
    let world = sources.only(|name| name.starts_with("wit/"));
    world.lay_out(&folder)?;
    command.args(["bindings", generated::NAME]);
    tools::PYTHON.run(&mut command, || tool_failed(job))?;
    let made = Sources::read(job.plugin, &folder.join(generated::NAME), |_| true)?;
    let files: Vec<_> = made
        .iter()
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .collect();
    generated::write(job, manifest::NAME, &files)
}
