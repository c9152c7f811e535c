//! Plugins in Python: componentize-py puts the interpreter, the modules and the world into one component.
//!
//! The component is a picture of the interpreter's memory after it has loaded the modules. Two builds never are the same
//! bytes, since that memory holds a random seed and times: see `kept`.

mod bindings;
mod lock;
mod manifest;
mod packages;

use std::path::Path;
use std::process::Command;

use super::kept::{self, Identity};
use super::language::{Job, Made};
use super::sources::Sources;
use super::world::PluginWorld;
use super::{generated, step, tools};
use crate::failure::{Failure, Kind};

use manifest::Manifest;
use packages::Packages;

/// Runs the tool, which is in the folder that is the first argument. Isolated, so that no module of the plugin is taken
/// for one of the tool and run outside of a sandbox.
const ENTRY: [&str; 3] = [
    "-I",
    "-c",
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from componentize_py import script; sys.exit(script())",
];

/// Builds the component.
pub(super) fn build(job: &Job<'_>) -> Result<Made, Failure> {
    let manifest = Manifest::read(job)?;
    let mut sources = Sources::read(job.plugin, job.folder, |name| is_source(job.folder, name))?;
    let world = PluginWorld::of_tool(job.plugin, job.folder, manifest.world.as_deref())?;
    world.add_offered(&mut sources);
    let packages = Packages::of(job, &manifest)?;
    let named = manifest.world.as_deref().unwrap_or_default();
    let settings = [&*manifest.module, named, &*packages.lock];
    let identity = Identity::new(job.recipe, &settings, &sources);
    let mut is_new = false;
    let component = kept::component(&identity, || {
        is_new = true;
        world.only_exports(&make(job, &manifest, &sources, &packages)?)
    })?;
    if is_new || !generated::is_up_to_date(job.folder, manifest::NAME) {
        bindings::offer(job, &manifest, &sources);
    }
    Ok(Made {
        component,
        inputs: Some(sources.paths(job.folder)),
    })
}

/// Modules beside the manifest, all files of packages, and the world. Tests are no part of a component.
fn is_source(folder: &Path, name: &str) -> bool {
    match name.split_once('/') {
        Some(("wit", _)) => true,
        Some((package, _)) => folder.join(package).join("__init__.py").is_file(),
        None => name.strip_suffix(".py").is_some_and(|module| {
            !module.starts_with("test_") && !module.ends_with("_test") && module != "conftest"
        }),
    }
}

fn make(
    job: &Job<'_>,
    manifest: &Manifest,
    sources: &Sources,
    packages: &Packages,
) -> Result<Vec<u8>, Failure> {
    let folder = job.work.path().join("sources");
    let mut command = tool(job, manifest, &folder)?;
    sources.lay_out(&folder)?;
    // The modules run while the component is made, and can write to the folders that they come from: not to the kept one.
    let packages_folder = job.work.path().join("lib/site-packages");
    let packages = match packages.installed(job)? {
        Some(packages) => Sources::read(job.plugin, &packages, |_| true)?,
        None => Sources::default(),
    };
    packages.lay_out(&packages_folder)?;
    let component = job.work.path().join("component.wasm");
    command
        .args(["componentize", &manifest.module, "--output"])
        .arg(&component)
        // Where it finds the packages; otherwise it takes those of this machine's Python.
        .env("VIRTUAL_ENV", job.work.path());
    step::building(job, &tools::COMPONENTIZE_PY.shown(), || {
        tools::PYTHON.run(&mut command, || tool_failed(job))
    })?;
    std::fs::read(&component)
        .map_err(|error| Failure::cannot(Kind::Build, "read", &component, &error))
}

/// componentize-py, installed where it is missing, for the world of the sources that lie in `folder`.
fn tool(job: &Job<'_>, manifest: &Manifest, folder: &Path) -> Result<Command, Failure> {
    let tool = tools::require(&tools::COMPONENTIZE_PY, job.output)?;
    let mut command = tools::PYTHON.command();
    command
        .args(ENTRY)
        .arg(tool.join("lib"))
        .args(["--quiet", "--wit-path", "wit"])
        .args(manifest.world.iter().flat_map(|world| ["--world", world]))
        .current_dir(folder);
    Ok(command)
}

fn tool_failed(job: &Job<'_>) -> String {
    format!("plugin `{}`: it does not build", job.plugin)
}
