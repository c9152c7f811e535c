//! The sources of a build, read once: what is hashed is what is built, in a folder where nothing else lies.
//!
//! Only files of the plugin's own folder are taken. Their times and the order of the folder are left behind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::freshness::BUILD_FOLDERS;
use crate::failure::{Failure, Kind};

/// So many files are taken, and so many bytes of all of them together: people write sources.
const FILES_MAX: usize = 5_000;
const BYTES_MAX: u64 = 64 << 20;

/// The time of every file that is laid out: none of them tells when it was made.
const TIME: Duration = Duration::from_hours(24 * 365 * 30);

/// Files by their paths below the folder, with `/`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sources(BTreeMap<String, Vec<u8>>);

impl Sources {
    /// The files of the folder `root`, a path without links, that are `wanted`, by their paths. Hidden ones and those of build folders never
    /// are.
    pub(super) fn read(
        plugin: &str,
        root: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, Failure> {
        let refused =
            |what: String| Failure::new(Kind::Build, format!("plugin `{plugin}`: {what}"));
        let mut sources = Self::default();
        let (mut folders, mut room) = (vec![(root.to_owned(), String::new())], BYTES_MAX);
        while let Some((folder, below)) = folders.pop() {
            let listed = entries(&folder)
                .map_err(|error| refused(format!("cannot list `{}`: {error}", folder.display())))?;
            for (name, path) in listed {
                let name = format!("{below}{name}");
                if path.is_dir() {
                    // A link to a folder may lead anywhere, also in circles.
                    if !path.is_symlink() {
                        folders.push((path, format!("{name}/")));
                    }
                } else if wanted(&name) {
                    if !is_inside(&path, root) {
                        return Err(refused(format!("`{name}` leads out of its folder")).hint(
                            "a plugin is built from the files of its folder: copy the file there",
                        ));
                    }
                    let bytes = read(&path, room)
                        .map_err(|error| refused(format!("cannot read `{name}`: {error}")))?;
                    room = room.saturating_sub(bytes.len() as u64);
                    sources.0.insert(name, bytes);
                    if room == 0 || sources.0.len() > FILES_MAX {
                        let message =
                            "it has more than 5000 source files, or more than 64 MiB of them";
                        return Err(refused(message.to_owned()));
                    }
                }
            }
        }
        Ok(sources)
    }

    /// The files and their bytes, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (&**name, &**bytes))
    }

    /// Writes the files to a folder, all with the same time. Those of a subfolder stay where they are in it.
    pub(super) fn lay_out(&self, folder: &Path) -> Result<(), Failure> {
        self.write(folder).map_err(|error| {
            let message = format!("cannot write to `{}`: {error}", folder.display());
            Failure::new(Kind::Machine, message)
        })
    }

    fn write(&self, folder: &Path) -> std::io::Result<()> {
        let time = SystemTime::UNIX_EPOCH + TIME;
        fs::create_dir_all(folder)?;
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, bytes)?;
            File::options()
                .write(true)
                .open(&path)?
                .set_modified(time)?;
        }
        Ok(())
    }
}

/// What is in a folder, by name. Names that are no text cannot be named in a manifest or a module either.
fn entries(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && !BUILD_FOLDERS.contains(&&*name)
        {
            entries.push((name, entry.path()));
        }
    }
    Ok(entries)
}

fn is_inside(path: &Path, folder: &Path) -> bool {
    // The folder has no links in its path.
    fs::canonicalize(path).is_ok_and(|path| path.starts_with(folder) && path.is_file())
}

/// A file's bytes, or one more than there is room for.
fn read(path: &Path, room: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(room).read_to_end(&mut bytes)?;
    Ok(bytes)
}
