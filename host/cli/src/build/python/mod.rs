//! Plugins in Python: componentize-py puts the interpreter, the modules and the world into one component.

mod manifest;

use super::language::{Job, Made};
use super::{step, tools};
use crate::failure::{Failure, Kind};

use manifest::Manifest;

/// Runs a tool that is a Python package with this entry point.
const ENTRY: &str = "import sys; from componentize_py import script; sys.exit(script())";

/// Builds the component.
pub(super) fn build(job: &Job<'_>) -> Result<Made, Failure> {
    let manifest = Manifest::read(job)?;
    let tool = tools::require(&tools::COMPONENTIZE_PY, job.output)?;
    let component = job.work.path().join("component.wasm");
    let mut command = tools::PYTHON.command();
    command
        .args(["-c", ENTRY, "--quiet", "--wit-path", "wit"])
        .args(manifest.world.iter().flat_map(|world| ["--world", world]))
        .args(["componentize", "--stub-wasi", &manifest.module, "--output"])
        .arg(&component)
        .current_dir(job.folder)
        .env("PYTHONPATH", tool.join("lib"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONHOME")
        // Otherwise it looks for the packages of this machine's Python.
        .env("VIRTUAL_ENV", job.work.path());
    let progress = format!(
        "building plugin `{}` ({})",
        job.plugin,
        tools::COMPONENTIZE_PY.shown()
    );
    step::timed(job.output, &progress, || {
        tools::PYTHON.run(&mut command, || {
            format!("plugin `{}`: it does not build", job.plugin)
        })
    })?;
    let component = std::fs::read(&component).map_err(|error| {
        Failure::new(
            Kind::Build,
            format!("cannot read `{}`: {error}", component.display()),
        )
    })?;
    Ok(Made {
        component,
        inputs: Some([].into()),
    })
}
