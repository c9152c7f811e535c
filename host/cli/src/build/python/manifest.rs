//! What a Python plugin says of itself in its `pyproject.toml`.

use std::fs::File;
use std::io::Read;

use serde::Deserialize;

use crate::build::language::Job;
use crate::failure::{Failure, Kind};

/// People write manifests.
const BYTES_MAX: u64 = 1 << 20;

/// What a build needs to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The world in `wit/`; the only one there where none is named.
    pub(super) world: Option<String>,
    /// The Python module with the functions.
    pub(super) module: String,
    /// The packages it needs, as pip knows them.
    pub(super) dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Project {
    project: Table,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    flowstone: Own,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Own {
    world: Option<String>,
    module: Option<String>,
}

impl Manifest {
    /// Reads the manifest of a plugin.
    pub(super) fn read(job: &Job<'_>) -> Result<Self, Failure> {
        let path = job.folder.join("pyproject.toml");
        let failed = |what: String| {
            let message = format!("plugin `{}`: `{}`: {what}", job.plugin, path.display());
            Failure::new(Kind::Build, message)
        };
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
            .map_err(|error| failed(format!("cannot be read: {error}")))?;
        Self::parse(&text).map_err(|error| {
            failed("is no manifest of a plugin".to_owned())
                .detail(error)
                .hint("it has `[project]` with `name` and `dependencies`, and `[tool.flowstone]` with `module` and `world`")
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let project: Project = toml::from_str(text).map_err(|error| error.to_string())?;
        let own = project.tool.flowstone;
        let module = own.module.unwrap_or_else(|| "app".to_owned());
        for name in [Some(&module), own.world.as_ref()].into_iter().flatten() {
            is_name(name)?;
        }
        Ok(Self {
            world: own.world,
            module,
            dependencies: project.project.dependencies,
        })
    }
}

/// Names become arguments of a program: they must not look like options or paths.
fn is_name(name: &str) -> Result<(), String> {
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
