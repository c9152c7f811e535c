//! Installs tools into their folder, each as a whole: a kill leaves nothing that looks like a tool.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run::{NPM, PYTHON, hint_if_it_ran};
use super::{Origin, Tool};
use crate::build::step;
use crate::build::work::Work;
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// The folder of a tool below `tools`: there already, or installed now.
pub(super) fn installed(tools: &Path, tool: &Tool, output: Output) -> Result<PathBuf, Failure> {
    let place = tools.join(format!("{}-{}", tool.name.replace('/', "+"), tool.version));
    if place.is_dir() {
        return Ok(place);
    }
    make_private(tools)?;
    let progress = format!("installing {} (once)", tool.shown());
    step::timed(output, &progress, || {
        let work = Work::new(tools)?;
        match tool.origin {
            Origin::PyPi { requirements } => {
                let file = work.path().join("requirements.txt");
                write(&file, requirements)?;
                let mut pip = pip(&work.path().join("lib"));
                pip.args(["--require-hashes", "--no-deps", "--only-binary=:all:", "-r"])
                    .arg(&file);
                PYTHON.run(&mut pip, || cannot_install(tool))?;
            }
            Origin::Npm { also, lock } => {
                let own = (tool.name, tool.version);
                let all: BTreeMap<_, _> = also.iter().copied().chain([own]).collect();
                let wants = serde_json::json!({ "dependencies": all }).to_string();
                write(&work.path().join("package.json"), &wants)?;
                write(&work.path().join("package-lock.json"), lock)?;
                // Not `npm ci`: it wants what is optional and for other machines to be in the registry too.
                let mut npm = npm("install", work.path());
                NPM.run(npm.arg("--no-save"), || cannot_install(tool))?;
            }
        }
        work.complete(&place)
    })
    .map_err(|failure| {
        let hint = "it comes from its public registry: is there a network, and room on the disk?";
        hint_if_it_ran(failure, hint)
    })
}

fn cannot_install(tool: &Tool) -> String {
    format!("{} cannot be installed", tool.shown())
}

/// pip, to install into `folder` as nobody's environment: what to install is yet to be said.
pub(in crate::build) fn pip(folder: &Path) -> Command {
    let mut pip = PYTHON.command();
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ])
    .args(["--no-compile", "--target"])
    .arg(folder);
    // Where packages come from is the user's to say; what an environment has of its own is nothing here.
    for variable in [
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PIP_TARGET",
        "PIP_USER",
        "PIP_PREFIX",
    ] {
        pip.env_remove(variable);
    }
    pip
}

/// npm, to do something in `folder` without running anything of what it installs there.
pub(in crate::build) fn npm(what: &str, folder: &Path) -> Command {
    let mut npm = NPM.command();
    npm.arg(what)
        .args(["--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel=error", "--no-update-notifier"])
        .current_dir(folder);
    npm
}

/// Makes the folder for the owner alone: what lies there is run.
pub(in crate::build) fn make_private(folder: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        let message = format!(
            "cannot make the folder of tools `{}`: {error}",
            folder.display()
        );
        Failure::new(Kind::Machine, message).hint("`FLOWSTONE_TOOLS` puts it elsewhere")
    })
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::cannot(Kind::Machine, "write", file, &error))
}
