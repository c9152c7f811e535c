//! The standard library for components: there already, or fetched with rustup.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{GUEST, cargo::tool};
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// Sees to it that the toolchain of `folder` can build components.
pub(super) fn require(folder: &Path, output: Output) -> Result<(), Failure> {
    if library(folder)?.is_dir() {
        return Ok(());
    }
    output.note(&format!(
        "the Rust target {GUEST} is missing: running `rustup target add {GUEST}`"
    ));
    let added = tool("rustup", folder).args(["target", "add", GUEST]).output().map_err(|error| {
        let message = format!("the Rust target {GUEST} is missing, and `rustup` cannot be run: {error}");
        Failure::new(Kind::Build, message)
            .hint(format!("install the target {GUEST} the way this Rust was installed, or use https://rustup.rs"))
    })?;
    if added.status.success() && library(folder)?.is_dir() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&added.stderr);
    Err(Failure::new(
        Kind::Build,
        format!("the Rust target {GUEST} could not be added"),
    )
    .detail(said.trim())
    .hint(format!(
        "run `rustup target add {GUEST}` once, with a network"
    )))
}

/// Where the toolchain of `folder` keeps the target's library, whether or not it is there.
fn library(folder: &Path) -> Result<PathBuf, Failure> {
    let output = tool("rustc", folder)
        .args(["--print", "target-libdir", "--target", GUEST])
        .output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::new(Kind::Build, "there is no `rustc` to build plugins with")
            .hint("install Rust from https://rustup.rs, or name a built component: `component = \"FILE.wasm\"`"),
        _ => Failure::new(Kind::Build, format!("cannot run `rustc`: {error}")),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(
            Kind::Build,
            format!("this Rust does not know the target {GUEST}"),
        )
        .detail(said.trim())
        .hint("Rust 1.82 or later knows it: `rustup update`"));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}
