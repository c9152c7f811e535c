//! The sources of a build, read once: what is hashed is what is built, in a folder where nothing else lies.
//!
//! Only files of the plugin's own folder are taken. Their times and the order of the folder are left behind.

use std::collections::{BTreeMap, BTreeSet};
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
                    if is_endless(&path) {
                        let what = format!("`{name}` is a pipe, a socket or a device");
                        return Err(refused(what));
                    }
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

    /// One of the files.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Adds a file that is not in the folder.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), text.into());
    }

    /// Where the files lie in their folder.
    pub(super) fn paths(&self, root: &Path) -> BTreeSet<PathBuf> {
        self.0.keys().map(|name| root.join(name)).collect()
    }

    /// Those of the files that are `wanted`.
    pub(super) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let wanted = self.0.iter().filter(|(name, _)| wanted(name));
        Self(
            wanted
                .map(|(name, bytes)| (name.clone(), bytes.clone()))
                .collect(),
        )
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

/// Whether it is something that may never end; what leads nowhere is not.
fn is_endless(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.is_file())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let root = fs::canonicalize(folder.path()).expect("it is there");
        for name in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
            fs::write(path, name).expect("it can be written to");
        }
        (folder, root)
    }

    fn names(sources: &Sources) -> Vec<&str> {
        sources.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_is_wanted_is_read_and_laid_out_with_one_time() {
        let files = [
            "b/c.py",
            "a.py",
            "a.txt",
            ".hidden/a.py",
            "node_modules/a.py",
        ];
        let (_folder, root) = folder(&files);
        let wanted = |name: &str| Path::new(name).extension().is_some_and(|name| name == "py");
        let sources = Sources::read("p", &root, wanted).expect("they are files");
        assert_eq!(names(&sources), ["a.py", "b/c.py"]);
        assert_eq!(sources.get("b/c.py"), Some(&b"b/c.py"[..]));
        let (_other, place) = folder(&[]);
        sources.lay_out(&place).expect("there is room");
        assert_eq!(
            Sources::read("p", &place, |_| true).expect("they are files"),
            sources
        );
        let time = |name: &str| {
            fs::metadata(place.join(name))
                .and_then(|meta| meta.modified())
                .ok()
        };
        assert_eq!(time("a.py"), Some(SystemTime::UNIX_EPOCH + TIME));
        assert_eq!(time("b/c.py"), time("a.py"));
    }

    #[cfg(unix)]
    #[test]
    fn links_that_leave_the_folder_are_refused_and_links_to_folders_not_followed() {
        use std::os::unix::fs::symlink;
        let (_outside, outside) = folder(&["secret.py"]);
        let (_folder, root) = folder(&["a.py"]);
        symlink(root.join("a.py"), root.join("b.py")).expect("it can be made");
        symlink(&outside, root.join("other")).expect("it can be made");
        let sources = Sources::read("p", &root, |_| true).expect("nothing leaves it");
        assert_eq!(names(&sources), ["a.py", "b.py"]);
        symlink(outside.join("secret.py"), root.join("c.py")).expect("it can be made");
        let failure = Sources::read("p", &root, |_| true).expect_err("it leaves it");
        assert_eq!(
            failure.message,
            "plugin `p`: `c.py` leads out of its folder"
        );
    }

    #[test]
    fn more_than_people_write_is_refused() {
        let (_folder, root) = folder(&["a.bin"]);
        let file = File::options().write(true).open(root.join("a.bin"));
        file.and_then(|file| file.set_len(BYTES_MAX + 1))
            .expect("a hole takes no room");
        assert!(Sources::read("p", &root, |_| true).is_err());
        assert!(Sources::read("p", &root, |_| false).is_ok());
    }
}
