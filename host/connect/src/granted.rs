//! Granted files: what a plugin may read, taken as a tree of names and digests of contents.
//!
//! A tree is taken once for a run; contents are read when a plugin opens them, and must be what the tree says. So what a
//! plugin reads is what the keys of its calls stand for, whatever happens to the files meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use flowstone_core::{Fingerprint, printable};
use serde::{Deserialize, Serialize};

use self::walk::Walk;
use crate::location::is_escape;
use crate::stamp::FileTime;

mod walk;

/// The most files and folders in one granted tree.
const ENTRIES_MAX: usize = 50_000;
/// What an entry takes in memory besides its path, about: it is in the tree and among the files that a plugin sees.
const ENTRY_BYTES: u64 = 256;
/// The most bytes of all its files: they may all be held in memory at once.
const BYTES_MAX: u64 = 1 << 30;

/// Why a granted file or folder cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GrantError {
    /// What is wrong, with the path below the flow file's folder.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

impl GrantError {
    fn new(message: String, help: &'static str) -> Self {
        Self { message, help }
    }

    fn io(action: &str, path: &str, error: &io::Error) -> Self {
        if is_escape(error) {
            return Self::new(
                format!("`{path}` leads out of what is granted"),
                "a symbolic link may lead to a file of the same granted folder and to nothing else",
            );
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(
                format!("there is no `{path}`"),
                "granted paths start at the folder of the flow file, in cases at that of the plugin",
            ),
            _ => Self::new(
                format!("cannot {action} `{path}`: {error}"),
                "it must be readable to be granted",
            ),
        }
    }
}

/// What is in a granted tree under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantedEntry {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u64,
        /// The BLAKE3 of its content.
        digest: Fingerprint,
        /// The hash of what the file system said of its version, where that proves that the content is the same.
        version: Option<Fingerprint>,
    },
}

/// A granted file or folder as it was when it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedTree {
    /// What is in it, by the path below it with `/` between names; a granted file alone is under the empty path.
    pub entries: BTreeMap<String, GrantedEntry>,
}

impl GrantedTree {
    /// The most files and folders in one tree.
    pub const ENTRIES_MAX: usize = ENTRIES_MAX;

    /// Takes the file or folder `path` of the folder `base`. Files that are sure to be as in `before` are not read.
    ///
    /// A symbolic link to a file of the same tree is that file. Other links, and whatever is neither file nor folder, are
    /// refused: to leave them out would give a plugin less than people think it has.
    ///
    /// # Errors
    ///
    /// When it is not there, holds what cannot be granted, or is too large.
    pub fn take(base: &Path, path: &str, before: Option<&GrantedTree>) -> Result<Self, GrantError> {
        let base = Dir::open_ambient_dir(base, ambient_authority())
            .map_err(|error| GrantError::io("open the folder of", path, &error))?;
        let failed = |error| GrantError::io("look at", path, &error);
        let mut walk = Walk::new(path, before);
        let seen = FileTime::now();
        if base.metadata(path).map_err(failed)?.is_dir() {
            let root = base.open_dir(path).map_err(failed)?;
            walk.folder(&root, &root, "", 0)?;
        } else {
            walk.file(&base, path, "", seen)?;
        }
        Ok(Self {
            entries: walk.entries,
        })
    }

    /// The identity of what a plugin can see of it: names, kinds and contents.
    pub fn digest(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 granted tree");
        for (path, entry) in &self.entries {
            hasher.update(&(path.len() as u32).to_le_bytes());
            hasher.update(path.as_bytes());
            match entry {
                GrantedEntry::Folder => {
                    hasher.update(&[0]);
                }
                GrantedEntry::File { digest, .. } => {
                    hasher.update(&[1]);
                    hasher.update(digest.as_bytes());
                }
            }
        }
        Fingerprint::from_bytes(*hasher.finalize().as_bytes())
    }

    /// How many bytes its files have.
    pub fn bytes(&self) -> u64 {
        let files = self.entries.values().map(|entry| match entry {
            GrantedEntry::Folder => 0,
            GrantedEntry::File { size, .. } => *size,
        });
        // Trees of a damaged store may say anything.
        files.fold(0, u64::saturating_add)
    }

    /// How many bytes of memory it may take: all its files, their names and what is known of them.
    pub fn memory_bytes(&self) -> u64 {
        let entry = |path: &String| ENTRY_BYTES.saturating_add(path.len() as u64);
        let entries = self.entries.keys().map(entry);
        entries.fold(self.bytes(), u64::saturating_add)
    }

    /// Reads a file of the tree that was taken of `path` in `base`.
    ///
    /// # Errors
    ///
    /// When it is not there any more, or is not what it was when the tree was taken: the message is for whoever called
    /// the plugin.
    pub fn read(&self, base: &Path, path: &str, below: &str) -> Result<Vec<u8>, String> {
        let place = place(path, below);
        let Some(GrantedEntry::File { size, digest, .. }) = self.entries.get(below) else {
            return Err(format!("the granted `{place}` is no file"));
        };
        let failed =
            |error: io::Error| format!("the granted file `{place}` cannot be read: {error}");
        let base = Dir::open_ambient_dir(base, ambient_authority()).map_err(failed)?;
        let file = if below.is_empty() {
            open(&base, path)
        } else {
            base.open_dir(path).and_then(|root| open(&root, below))
        };
        // What a damaged store says of sizes is not believed.
        let size = (*size).min(BYTES_MAX);
        // One byte more than expected, so that the end is seen without growing the buffer.
        let mut content = Vec::with_capacity(size as usize + 1);
        (file.map_err(failed)?.take(size + 1))
            .read_to_end(&mut content)
            .map_err(failed)?;
        if blake3::hash(&content).as_bytes() != digest.as_bytes() {
            return Err(format!(
                "the granted file `{place}` was changed while the run was at work; the next run takes the new version"
            ));
        }
        Ok(content)
    }

    /// Lets nothing be taken for proof that a file is as it was: who takes the tree next reads it.
    pub fn distrust(&mut self, below: &str) {
        if let Some(GrantedEntry::File { version, .. }) = self.entries.get_mut(below) {
            *version = None;
        }
    }

    /// How this tree differs from a former one, in a few words: `+de.txt, ~en.txt, -fr.txt and 3 more`.
    pub fn difference(&self, former: &GrantedTree) -> String {
        const NAMED_MAX: usize = 5;
        let content = |entry: &GrantedEntry| match entry {
            GrantedEntry::Folder => None,
            GrantedEntry::File { digest, .. } => Some(*digest),
        };
        let mut names: Vec<(&str, char)> = Vec::new();
        for (path, entry) in &self.entries {
            match former.entries.get(path) {
                None => names.push((path, '+')),
                Some(old) if content(old) != content(entry) => names.push((path, '~')),
                Some(_) => {}
            }
        }
        let gone = former.entries.keys();
        let gone = gone.filter(|path| !self.entries.contains_key(*path));
        names.extend(gone.map(|path| (path.as_str(), '-')));
        let mut text = String::new();
        for (at, (path, sign)) in names.iter().take(NAMED_MAX).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let path = if path.is_empty() { "content" } else { path };
            let path = printable(path, &[]);
            let _ = write!(text, "{comma}{sign}{path}");
        }
        if names.len() > NAMED_MAX {
            let _ = write!(text, " and {} more", names.len() - NAMED_MAX);
        }
        text
    }
}

/// The path below the flow file's folder, for people.
fn place(path: &str, below: &str) -> String {
    let path = printable(path, &[]);
    if below.is_empty() {
        path
    } else {
        format!("{path}/{}", printable(below, &[]))
    }
}

/// Opens a regular file; not blocking, since what was one may be a FIFO now.
fn open(root: &Dir, path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).nonblock(true);
    let file = root.open_with(path, &options)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ))
    }
}

#[cfg(test)]
mod tests;
