//! The packages that a Python plugin needs: the lock file that names them, and the folder that they are installed into.
//!
//! Only packages for any machine are taken, as they are: they run inside of the component, and none of their code runs
//! while they are installed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::lock;
use super::manifest::{BYTES_MAX, Manifest};
use crate::build::kept::{self, Identity};
use crate::build::language::Job;
use crate::build::place::replace;
use crate::build::sources::Sources;
use crate::build::{step, tools};
use crate::failure::{Failure, Kind};
use crate::whole;

/// The lock file: exact versions with the hashes of the files, as pip reads them.
const LOCK: &str = "requirements.lock";

/// How a lock file of ours begins.
const MADE: &str = "# Made by flowstone for ";

/// The Python that componentize-py puts into components.
const PYTHON_VERSION: &str = "3.14";

/// What a lock file names, exactly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packages {
    /// What the lock file says, as pip is given it; empty where no package is needed.
    pub(super) lock: String,
}

impl Packages {
    /// Those of the lock file, which is written anew where the manifest asks for others than it was made for.
    pub(super) fn of(job: &Job<'_>, manifest: &Manifest) -> Result<Self, Failure> {
        if manifest.dependencies.is_empty() {
            return Ok(Self {
                lock: String::new(),
            });
        }
        let path = job.folder.join(LOCK);
        let refused = |what: String| {
            job.wrong_manifest(LOCK, &format!("cannot be used: {what}"))
                .hint("remove it to have it made anew")
        };
        let first = first_line(&manifest.dependencies);
        let there = read(&path).map_err(refused)?;
        let lock = match there {
            Some(lock) if lock.lines().next() == Some(&*first) => lock,
            Some(lock) if !is_ours(&lock) => return Err(not_ours(job, &first)),
            _ => written(job, manifest, &path, &first)?,
        };
        let lock = lock::exact(&lock).map_err(refused)?;
        Ok(Self { lock })
    }

    /// The folder that they are installed in; none where there are none.
    pub(super) fn installed(&self, job: &Job<'_>) -> Result<Option<PathBuf>, Failure> {
        if self.lock.is_empty() {
            return Ok(None);
        }
        let identity = Identity::new("pip", &[PYTHON_VERSION, &self.lock], &Sources::default());
        let install = |folder: &Path| {
            let file = job.work.path().join(LOCK);
            fs::write(&file, &self.lock)
                .map_err(|error| Failure::cannot(Kind::Machine, "write", &file, &error))?;
            let mut pip = pip(folder);
            pip.args(["--require-hashes", "--no-deps", "-r"]).arg(&file);
            let progress = format!("installing the packages of plugin `{}`", job.plugin);
            step::timed(job.output, &progress, || run(job, &mut pip).map(drop))
        };
        kept::packages(&identity, install).map(Some)
    }
}

/// Whether flowstone wrote a lock file, and may write it anew for other packages.
fn is_ours(lock: &str) -> bool {
    lock.trim().is_empty() || lock.starts_with(MADE)
}

fn not_ours(job: &Job<'_>, first: &str) -> Failure {
    job.wrong_manifest(LOCK, "does not say for which packages it was made")
        .hint("remove it to have it made anew")
        .hint(format!(
            "or, if it is for those of the manifest, begin it with the line `{first}`"
        ))
}

/// A new lock file, which is left in the plugin's folder.
fn written(
    job: &Job<'_>,
    manifest: &Manifest,
    path: &Path,
    first: &str,
) -> Result<String, Failure> {
    let progress = format!("choosing the packages of plugin `{}`", job.plugin);
    let lock = step::timed(job.output, &progress, || resolve(job, manifest, first))?;
    replace(path, lock.as_bytes())
        .map_err(|error| Failure::cannot(Kind::Machine, "write", path, &error))?;
    Ok(lock)
}

/// The text of a lock file; none where there is no file.
fn read(path: &Path) -> Result<Option<String>, String> {
    match whole::read(path, BYTES_MAX) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes);
            text.map(Some)
                .map_err(|_| "it is not UTF-8 text".to_owned())
        }
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err("it is longer than 1 MiB".to_owned())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The lock file says for what it was made.
fn first_line(dependencies: &[String]) -> String {
    format!(
        "{MADE}{}. Remove it for newer versions.",
        dependencies.join(", ")
    )
}

/// pip, for packages that run anywhere.
fn pip(folder: &Path) -> Command {
    let mut pip = tools::pip(folder);
    pip.args(["--only-binary=:all:", "--platform", "any"])
        .args(["--python-version", PYTHON_VERSION])
        .args(["--implementation", "py", "--abi", "none"]);
    pip
}

fn run(job: &Job<'_>, pip: &mut Command) -> Result<String, Failure> {
    let failed = || format!("plugin `{}`: its packages cannot be had", job.plugin);
    tools::PYTHON.run(pip, failed).map_err(|failure| {
        let hint = "only packages without compiled code can be part of a component: those with a wheel `py3-none-any`";
        tools::hint_if_it_ran(failure, hint)
    })
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Install>,
}

#[derive(Deserialize)]
struct Install {
    metadata: Metadata,
    download_info: Download,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Download {
    archive_info: Archive,
}

#[derive(Deserialize)]
struct Archive {
    hashes: Hashes,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: String,
}

/// The text of a lock file for what pip would install.
fn resolve(job: &Job<'_>, manifest: &Manifest, first: &str) -> Result<String, Failure> {
    // Nothing is put there: that folder is only looked at for what is installed already.
    let mut pip = pip(&job.work.path().join("none"));
    pip.args(["--dry-run", "--ignore-installed", "--report", "-", "--"])
        .args(&manifest.dependencies);
    let said = run(job, &mut pip)?;
    lock_of(&said, first).map_err(|error| {
        let message = format!(
            "plugin `{}`: pip says something else than expected",
            job.plugin
        );
        Failure::new(Kind::Build, message)
            .detail(error.to_string())
            .hint("pip 23 or later is needed: `python3 -m pip install --upgrade pip`")
    })
}

fn lock_of(report: &str, first: &str) -> Result<String, serde_json::Error> {
    let report: Report = serde_json::from_str(report)?;
    let line = |install: Install| {
        let Metadata { name, version } = install.metadata;
        let hash = install.download_info.archive_info.hashes.sha256;
        format!("{name}=={version} --hash=sha256:{hash}\n")
    };
    let mut lines: Vec<_> = report.install.into_iter().map(line).collect();
    lines.sort();
    Ok(format!("{first}\n{}", lines.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_has_exact_versions_and_hashes_in_order() {
        let package = |name: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","version":"1.2"}},"download_info":{{"url":"u","archive_info":{{"hashes":{{"sha256":"ab"}}}}}}}}"#
            )
        };
        let report = format!(
            r#"{{"version":"1","install":[{},{}]}}"#,
            package("b"),
            package("a")
        );
        let first = first_line(&["b>1".to_owned(), "a".to_owned()]);
        assert_eq!(
            lock_of(&report, &first).expect("it is a report"),
            "# Made by flowstone for b>1, a. Remove it for newer versions.\n\
             a==1.2 --hash=sha256:ab\nb==1.2 --hash=sha256:ab\n"
        );
        assert!(lock_of("WARNING: no", &first).is_err());
    }

    #[test]
    fn a_lock_file_of_somebody_else_is_not_written_over() {
        assert!(is_ours(&first_line(&["a".to_owned()])));
        assert!(is_ours("\n"));
        for text in ["a==1 --hash=sha256:ab\n", "# by pip-compile\n", "# Made by"] {
            assert!(!is_ours(text), "{text}");
        }
    }

    #[test]
    fn a_lock_file_that_is_too_long_is_refused_and_not_cut() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join(LOCK);
        assert_eq!(read(&path), Ok(None));
        let longest = usize::try_from(BYTES_MAX).expect("it is small");
        fs::write(&path, "#".repeat(longest)).expect("it can be written");
        assert!(read(&path).is_ok());
        fs::write(&path, "#".repeat(longest + 1)).expect("it can be written");
        assert_eq!(read(&path), Err("it is longer than 1 MiB".to_owned()));
    }
}
