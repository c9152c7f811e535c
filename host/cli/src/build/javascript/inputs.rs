//! The files that a bundle was made of, as esbuild lists them: all are the plugin's own, or of the packages it names.
//!
//! esbuild looks for a package in every folder above, and follows any path. What it finds there is not of the plugin:
//! somewhere else the component would be another one, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use heck::ToLowerCamelCase;
use serde::Deserialize;

/// What esbuild writes with `--metafile`. Paths are below its folder.
#[derive(Deserialize)]
struct Listed {
    inputs: BTreeMap<String, Input>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    imports: Vec<Import>,
}

#[derive(Deserialize)]
struct Import {
    /// The file that it was found in.
    path: String,
    /// What the module says.
    original: Option<String>,
}

#[derive(Deserialize)]
struct Bundled {
    outputs: BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    exports: Vec<String>,
}

/// What a world exports that the bundle does not, by the names of WIT. A tool takes such a bundle all the same, and each call
/// is a trap.
pub(super) fn missing(list: &[u8], wanted: &[String]) -> Vec<String> {
    let Ok(bundled) = serde_json::from_slice::<Bundled>(list) else {
        return Vec::new();
    };
    let exports: BTreeSet<_> = bundled
        .outputs
        .values()
        .flat_map(|module| &module.exports)
        .collect();
    // A module of the older kind is one value; what is in it is not known before it runs.
    if exports.contains(&"default".to_owned()) {
        return Vec::new();
    }
    let is_there = |name: &&String| {
        exports.contains(name) || exports.contains(&short(name).to_lower_camel_case())
    };
    wanted
        .iter()
        .filter(|name| !is_there(name))
        .cloned()
        .collect()
}

/// The name of an interface without its package and version: `shapes` of `local:ty/shapes@1.0.0`.
fn short(name: &str) -> &str {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// Sees to it that all files lie below the folder that the bundle is made in.
///
/// # Errors
///
/// When one does not, with the import that led there.
pub(super) fn check(list: &[u8]) -> Result<(), String> {
    let listed: Listed = serde_json::from_slice(list)
        .map_err(|error| format!("esbuild lists its inputs in another way: {error}"))?;
    let Some(outside) = listed.inputs.keys().find(|path| !is_below(path)) else {
        return Ok(());
    };
    let imports = listed.inputs.iter().flat_map(|(by, input)| {
        let found = input
            .imports
            .iter()
            .filter(|import| import.path == *outside);
        found.map(move |import| (by, import))
    });
    // The one of the plugin's own, rather than one of what lies outside too.
    let import = imports.min_by_key(|(by, _)| !is_below(by));
    Err(match import {
        Some((by, import)) => {
            let said = import.original.as_ref().unwrap_or(&import.path);
            format!(
                "`{by}` imports `{said}`, which is `{outside}`, outside of its folder and its packages"
            )
        }
        None => format!("it takes in `{outside}`, outside of its folder and its packages"),
    })
}

/// Whether a path of the list stays below the folder.
fn is_below(path: &str) -> bool {
    // What a package says is not for this platform counts as an empty module.
    let path = path.strip_prefix("(disabled):").unwrap_or(path);
    // A module written out in the import itself.
    path.starts_with("dataurl:")
        || Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_plugin_and_of_its_packages_are_taken() {
        let list = r#"{"inputs": {
            "node_modules/marked/lib/marked.js": {"bytes": 1, "imports": []},
            "(disabled):node_modules/a/fs.js": {"bytes": 0, "imports": []},
            "src/..a.ts": {"bytes": 1, "imports": [
                {"path": "node_modules/marked/lib/marked.js", "kind": "import-statement", "original": "marked"},
                {"path": "flowstone:plugin/log@0.1.0", "kind": "import-statement", "external": true}]}},
            "outputs": {}}"#;
        assert_eq!(check(list.as_bytes()), Ok(()));
        check(b"{}").expect_err("it lists nothing");
    }

    #[test]
    fn what_the_world_has_and_the_bundle_has_not_is_found() {
        let wanted = ["word-count", "to-utf8", "local:ty/my-shapes@1.0.0", "gone"];
        let wanted = wanted.map(str::to_owned);
        let list = |exports: &str| {
            format!(r#"{{"inputs": {{}}, "outputs": {{"bundle.js": {{"exports": [{exports}]}}}}}}"#)
        };
        let all = list(r#""wordCount", "toUtf8", "myShapes", "other""#);
        assert_eq!(missing(all.as_bytes(), &wanted), ["gone"]);
        let full = list(r#""local:ty/my-shapes@1.0.0""#);
        assert_eq!(missing(full.as_bytes(), &wanted[2..]), ["gone"]);
        let older = list(r#""default""#);
        assert!(missing(older.as_bytes(), &wanted).is_empty());
    }

    #[test]
    fn what_lies_outside_is_refused_with_its_import() {
        for path in [
            "../../../node_modules/b/index.js",
            "/home/somebody/b.js",
            "src/../../b.js",
            "(disabled):../b.js",
        ] {
            let list = serde_json::json!({"inputs": {
                path: {"imports": []},
                "src/a.js": {"imports": [{"path": path, "original": "b"}]},
            }});
            assert_eq!(
                check(list.to_string().as_bytes()).expect_err(path),
                format!(
                    "`src/a.js` imports `b`, which is `{path}`, outside of its folder and its packages"
                )
            );
        }
        let list = br#"{"inputs": {"../b.js": {"imports": [{"path": "../b.js", "original": "x"}]},
            "a.js": {"imports": [{"path": "../b.js", "original": "b"}]}}}"#;
        assert_eq!(
            check(list).expect_err("it lies outside"),
            "`a.js` imports `b`, which is `../b.js`, outside of its folder and its packages"
        );
    }
}
