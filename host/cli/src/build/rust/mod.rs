//! Plugins in Rust: cargo builds them for `wasm32-wasip2`, which gives components by itself.

mod cargo;
mod inputs;
mod target;

use super::language::{Job, Made};
use super::step;
use crate::failure::{Failure, Kind};

/// The target of plugins in Rust.
const GUEST: &str = "wasm32-wasip2";

/// Builds the component.
pub(super) fn build(job: &Job<'_>) -> Result<Made, Failure> {
    target::require(job.folder, job.output)?;
    let artifact = step::building(job, &format!("cargo, {GUEST}"), || {
        cargo::build(job.plugin, job.folder)
    })?;
    let component = std::fs::read(&artifact)
        .map_err(|error| Failure::cannot(Kind::Build, "read", &artifact, &error))?;
    let inputs = inputs::inputs(&artifact, job.folder);
    Ok(Made { component, inputs })
}
