//! npm's lock file, checked entry by entry: every package is one of the registry, with the hash of its file.
//!
//! npm follows what such a file says to folders of the machine, to repositories and to any address. It is handed what
//! was checked, written anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The registry whose addresses npm itself puts the configured one in place of.
const PUBLIC: &str = "https://registry.npmjs.org/";

/// What is read of a lock file; an older part of it that says the same is left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    lockfile_version: u32,
    packages: BTreeMap<String, Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked<'a> {
    lockfile_version: u32,
    requires: bool,
    packages: &'a BTreeMap<String, Entry>,
}

/// What the lock file says of a folder of packages.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dependencies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dev_dependencies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    optional_dependencies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    peer_dependencies: BTreeMap<String, String>,
    /// What says nothing of where it comes from.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// The lock file's text as npm is given it. `is_registry` tells the addresses of the registry that npm is set up for.
///
/// # Errors
///
/// When an entry is anything but a package of the registry with the hash of its file.
pub(super) fn checked(text: &[u8], is_registry: impl Fn(&str) -> bool) -> Result<String, String> {
    let lock: Lock = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if !(2..=3).contains(&lock.lockfile_version) {
        return Err(format!(
            "`lockfileVersion` is {}, not 2 or 3",
            lock.lockfile_version
        ));
    }
    for (place, entry) in &lock.packages {
        entry
            .check(place, &is_registry)
            .map_err(|what| format!("`{place}` {what}"))?;
    }
    let checked = Checked {
        lockfile_version: 3,
        requires: true,
        packages: &lock.packages,
    };
    serde_json::to_string_pretty(&checked).map_err(|error| error.to_string())
}

impl Entry {
    fn check(&self, place: &str, is_registry: impl Fn(&str) -> bool) -> Result<(), String> {
        let asked = [
            &self.dependencies,
            &self.dev_dependencies,
            &self.optional_dependencies,
            &self.peer_dependencies,
        ];
        for (name, version) in asked.into_iter().flatten() {
            is_of_the_registry(name, version)?;
        }
        if self.link == Some(true) {
            return Err("is a link to another folder".to_owned());
        }
        // The plugin itself, whose manifest npm has.
        if place.is_empty() {
            return match self.resolved {
                Some(_) => Err("has an address".to_owned()),
                None => Ok(()),
            };
        }
        if !is_place(place) {
            return Err("is no package's folder in `node_modules`".to_owned());
        }
        if let Some(name) = self.name.as_ref().filter(|name| !is_name(name)) {
            return Err(format!("is called `{name}`, which is no package's name"));
        }
        // Without an address npm asks the registry for these.
        if !self
            .version
            .as_ref()
            .is_some_and(|version| is_version(version))
        {
            return Err("has no version".to_owned());
        }
        if let Some(address) = &self.resolved
            && !address.starts_with(PUBLIC)
            && !is_registry(address)
        {
            return Err(format!("comes from `{address}`, which is not the registry"));
        }
        if !self.integrity.as_ref().is_some_and(|hash| is_hash(hash)) {
            return Err("has no `integrity`: the hash of its file".to_owned());
        }
        Ok(())
    }
}

/// Refuses what is asked for by address, repository or folder of this machine.
pub(super) fn is_of_the_registry(name: &str, version: &str) -> Result<(), String> {
    let asked = match version.strip_prefix("npm:") {
        // Another package under this name; a first `@` is that of its scope.
        Some(other) => match other.char_indices().skip(1).find(|(_, c)| *c == '@') {
            Some((at, _)) if is_name(&other[..at]) => Some(&other[at + 1..]),
            None if is_name(other) => Some(""),
            _ => None,
        },
        None => Some(version),
    };
    if is_name(name) && asked.is_some_and(is_range) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is asked for as `{version}`: only packages of the registry can be, by version"
    ))
}

/// A range of versions, or a word of the registry for one. npm takes what ends like an archive for a file.
fn is_range(range: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-+~^<>=|*".contains(c);
    let lower = range.trim().to_ascii_lowercase();
    range.chars().all(plain)
        && ![".", "git", "http"]
            .iter()
            .any(|start| lower.starts_with(start))
        && ![".tgz", ".tar", ".tar.gz"]
            .iter()
            .any(|end| lower.ends_with(end))
}

/// One version: nothing that npm could take for anything else.
fn is_version(version: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(plain)
        && is_range(version)
}

/// A package's name, with its scope if it has one.
fn is_name(name: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_~".contains(c))
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c))
    };
    match name.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| word(scope) && word(name)),
        None => word(name) && name != "node_modules",
    }
}

/// `node_modules/NAME`, and the same below.
fn is_place(place: &str) -> bool {
    place.strip_prefix("node_modules/").is_some_and(|names| {
        names
            .split("/node_modules/")
            .all(|name| is_name(name) && !name.ends_with("/node_modules"))
    })
}

/// Hashes as npm writes them, of a kind that nobody can make another file for.
fn is_hash(hash: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    [("sha512-", 88), ("sha384-", 64), ("sha256-", 44)]
        .iter()
        .any(|(kind, length)| {
            hash.strip_prefix(kind)
                .is_some_and(|hash| hash.len() == *length && hash.chars().all(plain))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(place: &str, change: impl FnOnce(&mut Value)) -> Result<String, String> {
        let mut entry = json!({
            "version": "1.2.3",
            "resolved": "https://registry.npmjs.org/b/-/b-1.2.3.tgz",
            "integrity": format!("sha512-{}==", "a".repeat(86)),
            "license": "MIT",
            "dependencies": {"c": "^1.0.0 || >=2 <3"},
        });
        change(&mut entry);
        let lock = json!({
            "name": "a",
            "lockfileVersion": 3,
            "packages": {"": {"name": "a", "dependencies": {"b": "1"}}, place: entry},
            "dependencies": {"b": {"version": "file:../b"}},
        });
        checked(lock.to_string().as_bytes(), |address| {
            address.starts_with("https://example.org/npm/")
        })
    }

    #[test]
    fn packages_of_the_registry_are_handed_on() {
        for place in [
            "node_modules/b",
            "node_modules/@a/b",
            "node_modules/@a/b/node_modules/c.js",
        ] {
            let text = check(place, |_| ()).expect(place);
            let lock: Value = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!(lock["packages"][place]["license"], "MIT");
            assert_eq!(lock["packages"][place]["version"], "1.2.3");
            assert!(lock.get("dependencies").is_none(), "{text}");
        }
        check("node_modules/b", |entry| {
            entry["resolved"] = "https://example.org/npm/b.tgz".into();
        })
        .expect("npm is set up for that one");
        check("node_modules/b", |entry| {
            entry.as_object_mut().map(|entry| entry.remove("resolved"));
        })
        .expect("npm asks the registry");
    }

    #[test]
    fn what_is_not_of_the_registry_is_refused() {
        for place in [
            "../b",
            "packages/b",
            "b",
            "node_modules",
            "node_modules/",
            "node_modules/../../b",
            "node_modules/b/../c",
            "node_modules/b/c",
            "node_modules/.bin",
            "node_modules/b/node_modules",
            "node_modules/@a/node_modules/c",
            "/node_modules/b",
        ] {
            assert!(check(place, |_| ()).is_err(), "{place}");
        }
        let refused = |key: &str, value: Value| {
            let shown = value.to_string();
            check("node_modules/b", |entry| entry[key] = value).expect_err(&shown)
        };
        for address in [
            "https://example.org/b.tgz",
            "http://registry.npmjs.org/b.tgz",
            "https://registry.npmjs.org.example.org/b.tgz",
            "git+ssh://git@github.com/a/b.git#abc",
            "file:../b",
            "../b",
            "",
        ] {
            let error = refused("resolved", address.into());
            assert!(error.ends_with("which is not the registry"), "{error}");
        }
        for version in [
            "file:../b",
            "git+https://example.org/b",
            "../b",
            "",
            "b.tgz",
            "1.tgz",
        ] {
            assert_eq!(
                refused("version", version.into()),
                "`node_modules/b` has no version"
            );
        }
        for hash in [Value::Null, "".into(), "sha512-".into(), "sha1-abc=".into()] {
            assert!(refused("integrity", hash).contains("has no `integrity`"));
        }
        refused("link", true.into());
        refused("link", "yes".into());
        refused("name", "../b".into());
        for kind in ["dependencies", "optionalDependencies", "peerDependencies"] {
            refused(kind, json!({"c": "git+https://example.org/c"}));
        }
        assert!(checked(br#"{"lockfileVersion": 1, "dependencies": {}}"#, |_| true).is_err());
        assert!(checked(br#"{"lockfileVersion": 1, "packages": {}}"#, |_| true).is_err());
    }

    #[test]
    fn what_is_asked_for_by_anything_but_a_version_is_refused() {
        for version in [
            "",
            "*",
            "1",
            "^1.2.0",
            "~1.2",
            ">=1 <2",
            "1.x || 2",
            "1 - 2",
            "latest",
            "1.0.0-rc.1+b",
            "npm:c",
            "npm:c@1",
            "npm:@d/c",
            "npm:@d/c@^1",
        ] {
            assert_eq!(is_of_the_registry("b", version), Ok(()), "{version}");
        }
        for version in [
            ".",
            "..",
            "./b",
            "../b",
            "~/b",
            "/b",
            "C:b",
            "file:b",
            "file:../b",
            "git://a/b",
            "git@github.com:a/b",
            "github:a/b",
            "gitlab",
            "a/b",
            "http://a/b",
            "https://a/b",
            "b.tgz",
            "b.TAR",
            "b.tar.gz",
            " ./b",
            " .",
            "npm:../b",
            "npm:c@file:b",
            "npm:c@b.tgz",
            "npm:",
            "workspace:*",
            "link:../b",
        ] {
            assert!(is_of_the_registry("b", version).is_err(), "{version}");
        }
        for name in ["../b", "", ".b", "@a", "@a/../b", "a/b", "node_modules"] {
            assert!(is_of_the_registry(name, "1").is_err(), "{name}");
        }
    }
}
