//! What a JavaScript or TypeScript plugin says of itself in its `package.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lock::is_of_the_registry;
use crate::build::language::{Job, is_name};
use crate::build::sources::Sources;
use crate::failure::{Failure, Kind};
use crate::whole;

/// People write manifests.
const BYTES_MAX: u64 = 1 << 20;

/// Where the functions are when the manifest does not say.
const MAINS: [&str; 4] = ["index.js", "index.ts", "src/index.js", "src/index.ts"];

/// What a build needs to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The module with the functions, by its path in the folder.
    pub(super) main: String,
    /// The world in `wit/`; the only one there where none is named.
    pub(super) world: Option<String>,
    /// What makes the component.
    pub(super) tool: Tool,
    /// Whether it can send requests.
    pub(super) fetch: bool,
    /// What it needs of the registry.
    pub(super) wants: Wants,
}

/// What makes a component of a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tool {
    /// The engine QuickJS: small.
    #[default]
    ComponentizeQjs,
    /// The engine SpiderMonkey: large, and quicker in long computations.
    ComponentizeJs,
}

/// The parts of a manifest that npm installs by; others, such as scripts, are not for it to see.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wants {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dependencies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dev_dependencies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    optional_dependencies: BTreeMap<String, String>,
}

impl Wants {
    /// Whether there is nothing to install for a component.
    pub(super) fn is_empty(&self) -> bool {
        self.dependencies.is_empty() && self.optional_dependencies.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        let kinds = [
            &self.dependencies,
            &self.dev_dependencies,
            &self.optional_dependencies,
        ];
        for (name, version) in kinds.into_iter().flatten() {
            is_of_the_registry(name, version)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Package {
    main: Option<String>,
    #[serde(default)]
    flowstone: Own,
    #[serde(flatten)]
    wants: Wants,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Own {
    world: Option<String>,
    #[serde(default)]
    tool: Tool,
    #[serde(default)]
    fetch: bool,
}

impl Package {
    fn main(&self, has: impl Fn(&str) -> bool) -> String {
        let main = match &self.main {
            Some(main) => main.strip_prefix("./").unwrap_or(main),
            None => MAINS.into_iter().find(|name| has(name)).unwrap_or(MAINS[0]),
        };
        main.to_owned()
    }
}

/// The module with the functions of a plugin, by its folder alone; none where the manifest is none.
pub(super) fn main_of(folder: &Path) -> Option<String> {
    let text = whole::read(&folder.join("package.json"), BYTES_MAX).ok()?;
    let package: Package = serde_json::from_slice(&text).ok()?;
    Some(package.main(|name| folder.join(name).is_file()))
}

impl Manifest {
    /// Reads the manifest of a plugin from its sources.
    pub(super) fn read(job: &Job<'_>, sources: &Sources) -> Result<Self, Failure> {
        let failed = |error: String| {
            let path = job.folder.join("package.json");
            let message = format!(
                "plugin `{}`: `{}` is no manifest of a plugin",
                job.plugin,
                path.display()
            );
            Failure::new(Kind::Build, message).detail(error).hint(
                "it has `main`, `dependencies`, and `flowstone` with `world`, `tool` (`componentize-qjs` or `componentize-js`) and `fetch`",
            )
        };
        let text = sources.get("package.json").unwrap_or_default();
        let has = |name: &str| sources.get(name).is_some();
        Self::parse(text, has).map_err(failed)
    }

    fn parse(text: &[u8], has: impl Fn(&str) -> bool) -> Result<Self, String> {
        let package: Package = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        package.wants.check()?;
        if let Some(world) = &package.flowstone.world {
            is_name(world)?;
        }
        let main = package.main(&has);
        if !has(&main) {
            return Err(format!(
                "`main` is `{main}`: there is no such module in the folder"
            ));
        }
        let Own { world, tool, fetch } = package.flowstone;
        if fetch && tool != Tool::ComponentizeJs {
            return Err("`fetch` is only there with the tool `componentize-js`".to_owned());
        }
        Ok(Self {
            main,
            world,
            tool,
            fetch,
            wants: package.wants,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(text.as_bytes(), |name| {
            ["src/index.ts", "a.js"].contains(&name)
        })
    }

    #[test]
    fn a_manifest_tells_the_module_the_world_the_tool_and_the_packages() {
        let manifest = parse(
            r#"{"name": "a", "main": "./a.js", "scripts": {"test": "x"}, "dependencies": {"b": "^1.2.0"},
                "flowstone": {"world": "w", "tool": "componentize-js", "fetch": true}}"#,
        )
        .expect("it is one");
        assert_eq!(
            (&*manifest.main, manifest.world.as_deref()),
            ("a.js", Some("w"))
        );
        assert_eq!(
            (manifest.tool, manifest.fetch),
            (Tool::ComponentizeJs, true)
        );
        assert_eq!(
            serde_json::to_string(&manifest.wants).expect("it is JSON"),
            r#"{"name":"a","dependencies":{"b":"^1.2.0"}}"#
        );
        let least = parse("{}").expect("that is enough");
        assert_eq!(
            (&*least.main, least.tool, least.fetch),
            ("src/index.ts", Tool::ComponentizeQjs, false)
        );
        assert!(least.wants.is_empty());
    }

    #[test]
    fn what_leaves_the_folder_or_the_registry_is_refused() {
        for text in [
            r#"{"main": "../a.js"}"#,
            r#"{"main": "/a.js"}"#,
            r#"{"main": "none.js"}"#,
            r#"{"flowstone": {"world": "--out"}}"#,
            r#"{"flowstone": {"tool": "other"}}"#,
            r#"{"flowstone": {"wurld": "w"}}"#,
            r#"{"flowstone": {"fetch": true}}"#,
            r#"{"dependencies": {"b": "file:../b"}}"#,
            r#"{"dependencies": {"b": "git+ssh://example.org/b"}}"#,
            r#"{"dependencies": {"b": "somebody/b"}}"#,
            r#"{"dependencies": {"b": "../b"}}"#,
            r#"{"dependencies": {"b": "~/b"}}"#,
            r#"{"devDependencies": {"b": "b.tgz"}}"#,
            r#"{"optionalDependencies": {"b": "https://example.org/b.tgz"}}"#,
            "[]",
            "",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for version in ["1.2.3", ">=1 <2", "*", "npm:c@1", "npm:@d/c@1"] {
            let text = format!(r#"{{"dependencies": {{"b": "{version}"}}}}"#);
            assert!(parse(&text).is_ok(), "{version}");
        }
    }
}
