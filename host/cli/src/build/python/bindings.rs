//! The types of a Python plugin's world, for editors, type checkers and tests: the module `wit_world` that componentize-py
//! has ready when the plugin is loaded, written to `gen/`. It is no part of the component.

use std::path::Path;

use super::manifest::{self, Manifest};
use super::{ENTRY, tool_failed};
use crate::build::language::Job;
use crate::build::sources::Sources;
use crate::build::{generated, tools};
use crate::failure::Failure;

/// Makes them. A package of the author's that is called so stays as it is.
pub(super) fn write(
    job: &Job<'_>,
    manifest: &Manifest,
    sources: &Sources,
    tool: &Path,
) -> Result<(), Failure> {
    if job
        .folder
        .join(generated::NAME)
        .join("__init__.py")
        .exists()
    {
        return Ok(());
    }
    let folder = job.work.path().join("bindings");
    let world = sources.only(|name| name.starts_with("wit/"));
    world.lay_out(&folder)?;
    let mut command = tools::PYTHON.command();
    command
        .args(ENTRY)
        .arg(tool.join("lib"))
        .args(["--quiet", "--wit-path", "wit"])
        .args(manifest.world.iter().flat_map(|world| ["--world", world]))
        .args(["bindings", generated::NAME])
        .current_dir(&folder);
    tools::PYTHON.run(&mut command, || tool_failed(job))?;
    let made = Sources::read(job.plugin, &folder.join(generated::NAME), |_| true)?;
    let files: Vec<_> = made
        .iter()
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .collect();
    generated::write(job, manifest::NAME, &files)
}
