//! Granted files: what a plugin may read, taken as a tree of names and digests of contents.
//!
//! A tree is taken once for a run; contents are read when a plugin opens them, and must be what the tree says. So what a
//! plugin reads is what the keys of its calls stand for, whatever happens to the files meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

use cap_fs_ext::{DirExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use flowstone_core::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::hint::Hint;
use crate::location::is_escape;
use crate::stamp::{FileTime, Stamp};

/// The most files and folders in one granted tree.
const ENTRIES_MAX: usize = 50_000;
/// The most bytes of all its files: they may all be held in memory at once.
const BYTES_MAX: u64 = 1 << 30;
/// How deep its folders may lie.
const DEPTH_MAX: usize = 64;

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
                "granted paths start at the flow file's folder",
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
        let mut walk = Walk {
            granted: path,
            before,
            entries: BTreeMap::new(),
            bytes: 0,
        };
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
    if below.is_empty() {
        path.to_owned()
    } else {
        format!("{path}/{below}")
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

fn version(hint: &Hint) -> Fingerprint {
    Fingerprint::from_bytes(*blake3::hash(&hint.bytes).as_bytes())
}

/// A tree while it is taken.
struct Walk<'a> {
    granted: &'a str,
    before: Option<&'a GrantedTree>,
    entries: BTreeMap<String, GrantedEntry>,
    bytes: u64,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        root: &Dir,
        folder: &Dir,
        below: &str,
        depth: usize,
    ) -> Result<(), GrantError> {
        let shown = place(self.granted, below);
        if depth > DEPTH_MAX {
            return Err(GrantError::new(
                format!("`{shown}` lies more than {DEPTH_MAX} folders deep"),
                "grant a folder further down",
            ));
        }
        let seen = FileTime::now();
        let failed = |error| GrantError::io("list", &shown, &error);
        for entry in folder.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_str().ok_or_else(|| {
                GrantError::new(
                    format!("`{shown}` holds a name that is not UTF-8"),
                    "plugins know names as text: give it another name",
                )
            })?;
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            self.entry(root, folder, (name, &path), (seen, depth))?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        root: &Dir,
        folder: &Dir,
        (name, path): (&str, &str),
        (seen, depth): (FileTime, usize),
    ) -> Result<(), GrantError> {
        let shown = place(self.granted, path);
        let failed = |error| GrantError::io("look at", &shown, &error);
        let kind = folder.symlink_metadata(name).map_err(failed)?;
        if kind.is_dir() {
            self.add(path, GrantedEntry::Folder)?;
            let inner = folder.open_dir_nofollow(name).map_err(failed)?;
            return self.folder(root, &inner, path, depth + 1);
        }
        if kind.is_file() {
            return self.file(root, path, path, seen);
        }
        let leads_to_file = kind.is_symlink()
            && root
                .metadata(path)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => GrantError::new(
                        format!("the symbolic link `{shown}` leads nowhere"),
                        "remove it, or put in its place what it led to",
                    ),
                    _ => GrantError::io("follow", &shown, &error),
                })?
                .is_file();
        if leads_to_file {
            return self.file(root, path, path, seen);
        }
        let (what, help) = if kind.is_symlink() {
            (
                "a symbolic link to a folder",
                "grant the folder that it leads to",
            )
        } else {
            (
                "neither a file nor a folder",
                "move it out of the granted folder",
            )
        };
        Err(GrantError::new(format!("`{shown}` is {what}"), help))
    }

    /// Takes the file `path` of `root`, which is known as `below` in the tree.
    fn file(
        &mut self,
        root: &Dir,
        path: &str,
        below: &str,
        seen: FileTime,
    ) -> Result<(), GrantError> {
        let shown = place(self.granted, below);
        let failed = |error| GrantError::io("read", &shown, &error);
        // Looked at without being opened: an unchanged tree costs no more than that.
        let metadata = root.metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(GrantError::new(
                format!("`{shown}` is neither a file nor a folder"),
                "only files and folders can be granted",
            ));
        }
        let now = version(&Stamp::of(&metadata).hint(seen));
        let before = self.before.and_then(|before| before.entries.get(below));
        if let Some(known @ GrantedEntry::File { version, size, .. }) = before
            && *version == Some(now)
        {
            self.count(*size)?;
            return self.add(below, known.clone());
        }
        let file = open(root, path).map_err(failed)?;
        let hint = Stamp::of(&file.metadata().map_err(failed)?).hint(seen);
        let mut hasher = blake3::Hasher::new();
        let left = BYTES_MAX.saturating_sub(self.bytes);
        let size = io::copy(&mut file.take(left + 1), &mut hasher).map_err(failed)?;
        self.count(size)?;
        let digest = Fingerprint::from_bytes(*hasher.finalize().as_bytes());
        let version = hint.settled.then(|| version(&hint));
        let entry = GrantedEntry::File {
            size,
            digest,
            version,
        };
        self.add(below, entry)
    }

    fn count(&mut self, size: u64) -> Result<(), GrantError> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes <= BYTES_MAX {
            return Ok(());
        }
        Err(GrantError::new(
            format!(
                "`{}` holds more than 1 GiB, which no plugin can be granted",
                self.granted
            ),
            "grant only what the plugin reads",
        ))
    }

    fn add(&mut self, below: &str, entry: GrantedEntry) -> Result<(), GrantError> {
        self.entries.insert(below.to_owned(), entry);
        if self.entries.len() <= ENTRIES_MAX {
            return Ok(());
        }
        Err(GrantError::new(
            format!(
                "`{}` holds more than {ENTRIES_MAX} files and folders, which no plugin can be granted",
                self.granted
            ),
            "grant only what the plugin reads",
        ))
    }
}

#[cfg(test)]
mod tests;
