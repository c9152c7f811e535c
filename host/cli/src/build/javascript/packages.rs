//! The packages that a JavaScript plugin needs: npm chooses and installs them, away from the plugin's folder.
//!
//! What the author has in `node_modules` is left alone. No script of a package is run.

use std::cell::LazyCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lock;
use super::manifest::Manifest;
use crate::build::kept::{self, Identity};
use crate::build::language::Job;
use crate::build::place::replace;
use crate::build::sources::Sources;
use crate::build::work::Work;
use crate::build::{step, tools};
use crate::failure::{Failure, Kind};

/// npm's lock file: exact versions with the hashes of the files.
pub(super) const LOCK: &str = "package-lock.json";

/// The folder that holds `node_modules`; none where no package is needed. A lock file is written where there is none.
pub(super) fn installed(
    job: &Job<'_>,
    manifest: &Manifest,
    sources: &Sources,
) -> Result<Option<PathBuf>, Failure> {
    if manifest.wants.is_empty() {
        return Ok(None);
    }
    let wants = serde_json::to_string(&manifest.wants)
        .map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    let lock = match sources.get(LOCK) {
        Some(lock) => lock.to_vec(),
        None => locked(job, &wants)?,
    };
    let registry = LazyCell::new(|| registry(job));
    let is_registry = |address: &str| {
        let registry = registry.as_ref();
        registry.is_some_and(|registry| address.starts_with(registry))
    };
    let lock = lock::checked(&lock, is_registry).map_err(|what| {
        job.wrong_manifest(LOCK, &format!("cannot be used: {what}"))
            .hint("`npm install` in the plugin's folder makes it anew, once `package.json` asks for packages of the registry alone")
            .hint("addresses are left out with `npm config set omit-lockfile-registry-resolved true`")
    })?;
    let identity = Identity::new("npm", &[&wants, &lock], &Sources::default());
    let install = |folder: &Path| {
        write(&folder.join("package.json"), wants.as_bytes())?;
        write(&folder.join(LOCK), lock.as_bytes())?;
        let progress = format!("installing the packages of plugin `{}`", job.plugin);
        let mut npm = tools::npm("ci", folder);
        step::timed(job.output, &progress, || run(job, npm.arg("--omit=dev")))
    };
    kept::packages(&identity, install).map(Some)
}

/// The address of the registry that npm is set up for.
fn registry(job: &Job<'_>) -> Option<String> {
    let mut npm = tools::npm("config", job.work.path());
    let said = tools::NPM.run(npm.args(["get", "registry"]), String::new);
    let address = said.ok()?.trim().trim_end_matches('/').to_owned();
    let is_address = address.starts_with("https://") || address.starts_with("http://");
    is_address.then(|| address + "/")
}

/// The lock file that npm writes, which is left in the plugin's folder.
fn locked(job: &Job<'_>, wants: &str) -> Result<Vec<u8>, Failure> {
    let work = Work::new(job.work.path())?;
    write(&work.path().join("package.json"), wants.as_bytes())?;
    let mut npm = tools::npm("install", work.path());
    let progress = format!("choosing the packages of plugin `{}`", job.plugin);
    step::timed(job.output, &progress, || {
        run(job, npm.arg("--package-lock-only"))
    })?;
    let file = work.path().join(LOCK);
    let place = job.folder.join(LOCK);
    fs::read(&file)
        .and_then(|lock| replace(&place, &lock).map(|()| lock))
        .map_err(|error| Failure::cannot(Kind::Machine, "write", &place, &error))
}

fn run(job: &Job<'_>, npm: &mut Command) -> Result<(), Failure> {
    let failed = || format!("plugin `{}`: its packages cannot be had", job.plugin);
    tools::NPM.run(npm, failed).map(drop).map_err(|failure| {
        let hint = "`npm install` in the plugin's folder makes the lock file anew";
        tools::hint_if_it_ran(failure, hint)
    })
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(file, bytes).map_err(|error| Failure::cannot(Kind::Machine, "write", file, &error))
}
