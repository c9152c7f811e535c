//! What a plugin in C says of itself in its `plugin.toml`. Nothing in it may lead out of the folder or make the
//! compiler run, read or write anything else.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::build::language::Job;
use crate::failure::{Failure, Kind};

/// The file's name.
pub(super) const NAME: &str = "plugin.toml";

/// People write manifests.
const BYTES_MAX: u64 = 1 << 20;

/// So deep are folders looked into for sources.
const DEPTH_MAX: usize = 16;

/// More sources than that are no plugin.
const SOURCES_MAX: usize = 1000;

/// Flags that are taken as they are.
const FLAGS: [&str; 19] = [
    "-O0",
    "-O1",
    "-O2",
    "-O3",
    "-Os",
    "-Oz",
    "-pedantic",
    "-pedantic-errors",
    "-ansi",
    "-w",
    "-ffast-math",
    "-fno-builtin",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fsigned-char",
    "-funsigned-char",
    "-fshort-enums",
    "-msimd128",
    "-mtail-call",
];

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
        let path = job.folder.join(NAME);
        let failed = |what: String| {
            let message = format!("plugin `{}`: `{}`: {what}", job.plugin, path.display());
            Failure::new(Kind::Build, message)
        };
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
            .map_err(|error| failed(format!("cannot be read: {error}")))?;
        let written: Written = toml::from_str(&text).map_err(|error| {
            failed("is no manifest of a plugin".to_owned())
                .detail(error.to_string())
                .hint("it may have `name`, `world`, and lists of `sources`, `include` and `flags`")
        })?;
        Self::resolve(job.folder, written).map_err(failed)
    }

    fn resolve(folder: &Path, written: Written) -> Result<Self, String> {
        let mut sources = Vec::new();
        for path in &written.sources {
            collect(folder, &below(folder, path)?, DEPTH_MAX, &mut sources)?;
        }
        sources.sort();
        sources.dedup();
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
        let is_source = child.extension().is_some_and(|extension| extension == "c");
        if is_source || entry.path().is_dir() {
            collect(folder, &child, depth, sources)?;
        }
    }
    Ok(())
}

/// Whether a flag only says how to translate: others run programs (`-fplugin`), read files (`@file`, `-include`) or
/// write them (`-o`).
fn allowed(flag: &str) -> Result<(), String> {
    let define = ["-D", "-U"]
        .iter()
        .find_map(|start| flag.strip_prefix(start));
    let ok = FLAGS.contains(&flag)
        || flag.strip_prefix("-std=").is_some_and(is_word)
        || flag.strip_prefix("-W").is_some_and(is_warning)
        || define
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    if ok {
        return Ok(());
    }
    Err(format!(
        "the flag `{flag}` is not one of those that a plugin may have: -D..., -U..., -std=..., -W..., {}",
        FLAGS.join(", ")
    ))
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-+_".contains(c))
}

/// `-Wl,`, `-Wa,` and `-Wp,` hand on flags to other programs.
fn is_warning(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-=+_".contains(c))
}
