//! What a Python plugin says of itself in its `pyproject.toml`.

use serde::Deserialize;

use crate::build::language::{Job, is_name};
use crate::failure::Failure;

/// People write manifests.
pub(super) const BYTES_MAX: u64 = 1 << 20;

/// The file's name.
pub(super) const NAME: &str = "pyproject.toml";

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
        Self::parse(&job.manifest(NAME)?).map_err(|error| {
            job.wrong_manifest(NAME, "is no manifest of a plugin")
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
        for dependency in &project.project.dependencies {
            is_of_the_index(dependency)?;
        }
        Ok(Self {
            world: own.world,
            module,
            dependencies: project.project.dependencies,
        })
    }
}

/// Only what the package index offers, by name: neither an option of pip, nor an address, nor a file of this machine.
fn is_of_the_index(dependency: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-[],<>=!~*+;'\"()".contains(c);
    if dependency.starts_with(|c: char| c.is_ascii_alphanumeric()) && dependency.chars().all(plain)
    {
        Ok(())
    } else {
        Err(format!(
            "`{dependency}` is no package of the index, such as `pyphen==0.18.1`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_tells_the_module_the_world_and_the_packages() {
        let text = "[project]\nname = \"a\"\ndependencies = [\"pyphen==0.18.1\"]\n\
            [tool.flowstone]\nworld = \"w\"\nmodule = \"main\"\n[tool.other]\nx = 1\n";
        let manifest = Manifest {
            world: Some("w".to_owned()),
            module: "main".to_owned(),
            dependencies: vec!["pyphen==0.18.1".to_owned()],
        };
        assert_eq!(Manifest::parse(text), Ok(manifest));
        let least = Manifest::parse("[project]\nname = \"a\"\n").expect("that is enough");
        assert_eq!((&*least.module, least.world), ("app", None));
    }

    #[test]
    fn what_is_no_name_and_no_package_is_refused() {
        for dependency in [
            "-r /etc/passwd",
            "--index-url=https://example.org",
            "a @ file:///home",
            "a @ https://example.org/a.whl",
            "./a",
            "a\n-e .",
            "",
        ] {
            assert!(is_of_the_index(dependency).is_err(), "{dependency}");
        }
        for dependency in ["a", "a[b]>=1,<2", "a ~= 1.0; python_version > '3.8'"] {
            assert_eq!(is_of_the_index(dependency), Ok(()));
        }
        for own in ["module = \"../a\"", "world = \"--x\"", "other = 1"] {
            let text = format!("[project]\nname = \"a\"\n[tool.flowstone]\n{own}\n");
            assert!(Manifest::parse(&text).is_err(), "{own}");
        }
    }
}
