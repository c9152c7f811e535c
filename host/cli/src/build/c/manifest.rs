//! What a plugin in C says of itself in its `plugin.toml`. Nothing in it may lead out of the folder or make the
//! compiler run, read or write anything else.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::flags::allowed;
use crate::build::freshness::BUILD_FOLDERS;
use crate::build::generated;
use crate::build::language::Job;
use crate::failure::Failure;

/// The file's name.
pub(super) const NAME: &str = "plugin.toml";

/// So deep are folders looked into for sources.
const DEPTH_MAX: usize = 16;

/// More sources than that are no plugin.
const SOURCES_MAX: usize = 1000;

/// What a build needs to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The world in `wit/`; the only one there where none is named.
    pub(super) world: Option<String>,
    /// The source files, below the folder, in order.
    pub(super) sources: Vec<PathBuf>,
    /// The folders to look for headers in, below the folder.
    pub(super) include: Vec<PathBuf>,
    /// Flags for the compiler.
    pub(super) flags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// What the plugin is called: for people.
    #[serde(rename = "name")]
    _name: Option<String>,
    world: Option<String>,
    #[serde(default = "default_sources")]
    sources: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
}

fn default_sources() -> Vec<String> {
    vec!["src".to_owned()]
}

impl Manifest {
    /// Reads the manifest of a plugin.
    pub(super) fn read(job: &Job<'_>) -> Result<Self, Failure> {
        let text = job.manifest(NAME)?;
        let written: Written = toml::from_str(&text).map_err(|error| {
            job.wrong_manifest(NAME, "is no manifest of a plugin")
                .detail(error.to_string())
                .hint("it may have `name`, `world`, and lists of `sources`, `include` and `flags`")
        })?;
        Self::resolve(job.folder, written)
            .map_err(|what| job.wrong_manifest(NAME, &format!("cannot be used: {what}")))
    }

    fn resolve(folder: &Path, written: Written) -> Result<Self, String> {
        let mut sources = Vec::new();
        for path in &written.sources {
            let relative = plain(&below(folder, path)?);
            if relative.starts_with(generated::NAME) {
                let name = generated::NAME;
                return Err(format!(
                    "`{path}` is not to be named: what flowstone writes to `{name}/` always is taken in"
                ));
            }
            collect(folder, &relative, DEPTH_MAX, &mut sources)?;
        }
        sources.sort();
        sources.dedup();
        if written.sources.is_empty() {
            return Err(
                "`sources` is empty: name `.c` files, or folders that have some".to_owned(),
            );
        }
        if sources.is_empty() {
            let folders = written.sources.join("`, `");
            return Err(format!("no `.c` file is in `{folders}`"));
        }
        let include = written.include.iter().map(|path| below(folder, path));
        let include = include.collect::<Result<_, _>>()?;
        written.flags.iter().try_for_each(|flag| allowed(flag))?;
        Ok(Self {
            world: written.world,
            sources,
            include,
            flags: written.flags,
        })
    }
}

/// A path of the manifest, if what it leads to is in the folder.
fn below(folder: &Path, path: &str) -> Result<PathBuf, String> {
    let relative = Path::new(path);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || path.starts_with('-') || !relative.components().all(plain) {
        return Err(format!("`{path}` is no path below the folder"));
    }
    inside(folder, relative)?;
    Ok(relative.to_owned())
}

/// The same path without the parts that stay where they are, so that no file has two: nothing for the folder itself.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components();
    parts
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

/// Whether a folder's entry holds no sources of the author: what is generated, what is hidden, and what tools put there.
fn is_left_out(relative: &Path) -> bool {
    let name = relative.file_name().unwrap_or_default();
    relative == Path::new(generated::NAME)
        || name.as_encoded_bytes().starts_with(b".")
        || BUILD_FOLDERS.iter().any(|folder| name == *folder)
}

/// Whether the file or folder itself is in the folder, wherever symbolic links lead.
fn inside(folder: &Path, relative: &Path) -> Result<(), String> {
    let shown = relative.display();
    let found = folder
        .join(relative)
        .canonicalize()
        .map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    if found.starts_with(folder) {
        Ok(())
    } else {
        Err(format!("`{shown}` leads out of the folder"))
    }
}

/// Adds a source file, or those of a folder.
fn collect(
    folder: &Path,
    relative: &Path,
    depth: usize,
    sources: &mut Vec<PathBuf>,
) -> Result<(), String> {
    inside(folder, relative)?;
    let path = folder.join(relative);
    if !path.is_dir() {
        // The compiler goes by the extension: assembly and linker scripts would read any file.
        if relative
            .extension()
            .is_none_or(|extension| extension != "c")
        {
            return Err(format!("`{}` is no `.c` file", relative.display()));
        }
        sources.push(relative.to_owned());
        return match sources.len() {
            ..=SOURCES_MAX => Ok(()),
            _ => Err(format!("there are more than {SOURCES_MAX} sources")),
        };
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("`{}` lies too deep", relative.display()));
    };
    let unreadable = |error| format!("`{}` cannot be read: {error}", relative.display());
    for entry in path.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let child = relative.join(entry.file_name());
        if is_left_out(&child) {
            continue;
        }
        let is_source = child.extension().is_some_and(|extension| extension == "c");
        if is_source || entry.path().is_dir() {
            collect(folder, &child, depth, sources)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder with these files.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder for the test");
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("it is below the root"))
                .expect("it can be made");
            fs::write(path, "").expect("it can be written to");
        }
        root
    }

    fn resolve(root: &tempfile::TempDir, text: &str) -> Result<Manifest, String> {
        let folder = root.path().canonicalize().expect("it is there");
        let written = toml::from_str(text).map_err(|error| error.to_string())?;
        Manifest::resolve(&folder, written)
    }

    #[test]
    fn the_sources_of_folders_are_taken_in_order() {
        let root = folder(&[
            "src/b.c",
            "src/a.c",
            "src/deep/c.c",
            "src/a.h",
            "one.c",
            "include/x.h",
        ]);
        let manifest = resolve(
            &root,
            "sources = ['src', 'one.c', 'src/a.c']\ninclude = ['include']",
        );
        let manifest = manifest.expect("all is there");
        let sources = ["one.c", "src/a.c", "src/b.c", "src/deep/c.c"];
        assert_eq!(manifest.sources, sources.map(PathBuf::from));
        assert_eq!(manifest.include, [PathBuf::from("include")]);
        let manifest = resolve(&root, "").expect("sources lie in `src`");
        assert_eq!(
            manifest.sources,
            sources[1..].iter().map(PathBuf::from).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_whole_folder_can_be_the_sources() {
        let root = folder(&[
            "a.c",
            "src/b.c",
            "src/gen/c.c",
            "gen/plugin.c",
            ".git/d.c",
            ".e.c",
            "node_modules/f/f.c",
        ]);
        let all = ["a.c", "src/b.c", "src/gen/c.c"].map(PathBuf::from);
        for sources in ["'.'", "'./'", "'./src', '.', './a.c', 'src'"] {
            let manifest = resolve(&root, &format!("sources = [{sources}]"));
            assert_eq!(manifest.expect(sources).sources, all, "{sources}");
        }
        for sources in ["gen", "./gen/plugin.c"] {
            let error = resolve(&root, &format!("sources = ['{sources}']")).expect_err(sources);
            assert!(error.ends_with("always is taken in"), "{error}");
        }
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        let root = folder(&["p/src/a.c", "outside/b.c", "b.c"]);
        let plugin = root.path().join("p").canonicalize().expect("it is there");
        let refused = |text: &str| {
            let written = toml::from_str(text).expect("it is TOML");
            Manifest::resolve(&plugin, written).expect_err(text)
        };
        for path in [
            "../b.c",
            "/etc/passwd",
            "src/../../b.c",
            "-o",
            "",
            "src/none.c",
        ] {
            refused(&format!("sources = ['{path}']"));
            refused(&format!("include = ['{path}']"));
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../../outside", plugin.join("src/link"))
                .expect("it can be made");
            assert_eq!(refused(""), "`src/link` leads out of the folder");
            assert_eq!(
                refused("include = ['src/link']"),
                "`src/link` leads out of the folder"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_leads_back_into_itself_ends() {
        let root = folder(&["src/a.c"]);
        std::os::unix::fs::symlink(".", root.path().join("src/again")).expect("it can be made");
        assert!(
            resolve(&root, "")
                .expect_err("it has no end")
                .ends_with("lies too deep")
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let root = folder(&["src/a.c"]);
        let error = resolve(&root, "source = ['src']").expect_err("it is no setting");
        assert!(error.contains("unknown field `source`"), "{error}");
        resolve(&folder(&["src/a.h"]), "").expect_err("there is no source");
        let error = resolve(&root, "sources = []").expect_err("none is named");
        assert!(error.starts_with("`sources` is empty"), "{error}");
        let error = resolve(&folder(&["a.S"]), "sources = ['a.S']").expect_err("it is assembly");
        assert_eq!(error, "`a.S` is no `.c` file");
    }
}
