//! The walk over a folder: every wanted file once, in the byte order of full paths, holding only the folders on the way.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, FileType, Metadata};

use crate::error::ConnectError;
use crate::files::globs::Filter;
use crate::hint::Hint;
use crate::location::is_escape;
use crate::source::{Entry, Locator};
use crate::stamp::{FileTime, Stamp};

/// A walk under way: an iterator over the files, depth first.
///
/// The names of a folder are sorted with `/` appended to those of folders, which gives the order of full paths:
/// `a.txt` comes before `a/b`, and both before `a0`.
pub(crate) struct Walk {
    root: Arc<Dir>,
    root_path: PathBuf,
    filter: Arc<Filter>,
    /// Whether an entry's size counts its content.
    with_content: bool,
    /// The folders on the way, the innermost last.
    levels: Vec<Level>,
    /// The path of the innermost folder below the root, with a `/` at its end unless it is the root.
    path: Vec<u8>,
    done: bool,
}

struct Level {
    dir: Dir,
    names: vec::IntoIter<Name>,
    /// How long `path` is without this folder's own name.
    parent_len: usize,
    /// A time before any file of the folder was looked at: earlier than each stamp, and so safe to judge it by.
    seen: FileTime,
}

struct Name {
    name: OsString,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Link,
}

impl Walk {
    pub(crate) fn new(
        root: Arc<Dir>,
        root_path: PathBuf,
        filter: Arc<Filter>,
        with_content: bool,
    ) -> Result<Self, ConnectError> {
        let mut walk = Walk {
            root,
            root_path,
            filter,
            with_content,
            levels: Vec::new(),
            path: Vec::new(),
            done: false,
        };
        let dir = walk
            .root
            .try_clone()
            .map_err(|error| ConnectError::io("open", &walk.root_path, error))?;
        walk.enter(dir, 0)?;
        Ok(walk)
    }

    /// Lists the folder at `self.path` and makes it the innermost one.
    fn enter(&mut self, dir: Dir, parent_len: usize) -> Result<(), ConnectError> {
        let seen = FileTime::now();
        let names = self
            .list(&dir)
            .map_err(|error| self.broken("list", &self.path, &error))?;
        self.levels.push(Level {
            dir,
            names: names.into_iter(),
            parent_len,
            seen,
        });
        Ok(())
    }

    fn list(&self, dir: &Dir) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if !self.filter.takes_name(name.as_encoded_bytes()) {
                continue;
            }
            let mut file_type = entry.file_type()?;
            if file_type == FileType::unknown() {
                // Some file systems tell the type only when asked for it.
                file_type = match dir.symlink_metadata(&name) {
                    Ok(metadata) => metadata.file_type(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
            }
            let kind = if file_type.is_file() {
                Kind::File
            } else if file_type.is_dir() {
                Kind::Folder
            } else if file_type.is_symlink() {
                Kind::Link
            } else {
                continue;
            };
            names.push(Name { name, kind });
        }
        names.sort_unstable_by(|a, b| a.sort_bytes().cmp(b.sort_bytes()));
        Ok(names)
    }

    /// The next file, or `None` at the end of the walk.
    fn step(&mut self) -> Result<Option<Entry>, ConnectError> {
        while let Some(level) = self.levels.last_mut() {
            let Some(Name { name, kind }) = level.names.next() else {
                self.leave()?;
                continue;
            };
            let mut path = Vec::with_capacity(self.path.len() + name.len());
            path.extend_from_slice(&self.path);
            path.extend_from_slice(name.as_encoded_bytes());
            if kind == Kind::Folder {
                if self.filter.enters(&path) {
                    let dir = level
                        .dir
                        .open_dir_nofollow(&name)
                        .map_err(|error| self.broken("open", &path, &error))?;
                    path.push(b'/');
                    let parent_len = self.path.len();
                    self.path = path;
                    self.enter(dir, parent_len)?;
                }
                continue;
            }
            if !self.filter.takes_file(&path) {
                continue;
            }
            let seen = level.seen;
            let metadata = match kind {
                Kind::Link => self.root.metadata(shown(&path)),
                _ => level.dir.symlink_metadata(&name),
            };
            match metadata {
                Ok(metadata) if metadata.is_file() => {
                    return Ok(Some(self.entry(path, &metadata, seen)));
                }
                // It was replaced by something else since it was listed, or the link leads to no file.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if kind == Kind::Link => {
                    if !leads_nowhere(&error) {
                        // There is a file; that it cannot be reached now is for `load` to say.
                        return Ok(Some(Entry {
                            key: path,
                            hint: Hint::unknown(),
                            size: 0,
                            locator: Locator::Key,
                        }));
                    }
                }
                Err(error) => return Err(self.broken("look at", &path, &error)),
            }
        }
        self.check_root()?;
        Ok(None)
    }

    fn entry(&self, key: Vec<u8>, metadata: &Metadata, seen: FileTime) -> Entry {
        let stamp = Stamp::of(metadata);
        let size = if self.with_content { stamp.size } else { 0 };
        Entry {
            hint: stamp.hint(seen),
            size: size + key.len() as u64,
            key,
            locator: Locator::Key,
        }
    }

    /// Leaves the innermost folder. When it was removed while it was walked, what was seen of it is no full listing.
    fn leave(&mut self) -> Result<(), ConnectError> {
        let Some(level) = self.levels.pop() else {
            return Ok(());
        };
        if was_removed(&level.dir) {
            return Err(self.incomplete(&self.path, "the folder was removed while it was listed"));
        }
        self.path.truncate(level.parent_len);
        Ok(())
    }

    /// The root must still be where it was: a disk that was unmounted, or a folder that was replaced, halfway through
    /// must not look like files that are gone.
    fn check_root(&self) -> Result<(), ConnectError> {
        let now = Dir::open_ambient_dir(&self.root_path, cap_std::ambient_authority())
            .and_then(|dir| dir.dir_metadata());
        let then = self.root.dir_metadata();
        match (now, then) {
            (Ok(now), Ok(then)) if same_folder(&now, &then) => Ok(()),
            _ => Err(self.incomplete(
                b"",
                "the root folder was removed or replaced while it was listed",
            )),
        }
    }

    fn broken(&self, action: &str, path: &[u8], error: &io::Error) -> ConnectError {
        self.incomplete(path, &format!("cannot {action} it: {error}"))
    }

    fn incomplete(&self, path: &[u8], reason: &str) -> ConnectError {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let path = if path.is_empty() {
            self.root_path.clone()
        } else {
            self.root_path.join(shown(path))
        };
        ConnectError::incomplete(&path, reason)
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

impl Name {
    fn sort_bytes(&self) -> impl Iterator<Item = &u8> {
        let slash: &[u8] = if self.kind == Kind::Folder { b"/" } else { b"" };
        self.name.as_encoded_bytes().iter().chain(slash)
    }
}

/// Whether a link cannot lead to a file inside the root: it dangles, turns in circles, or leads out.
fn leads_nowhere(error: &io::Error) -> bool {
    is_escape(error)
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
        || error.raw_os_error() == Some(ELOOP)
}

/// "Too many levels of symbolic links": `std` has no stable name for it.
const ELOOP: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    40
} else {
    62
};

#[cfg(unix)]
fn was_removed(dir: &Dir) -> bool {
    use cap_std::fs::MetadataExt;
    dir.dir_metadata()
        .is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
fn was_removed(_: &Dir) -> bool {
    false
}

#[cfg(unix)]
fn same_folder(a: &Metadata, b: &Metadata) -> bool {
    use cap_std::fs::MetadataExt;
    (a.ino(), a.dev()) == (b.ino(), b.dev())
}

#[cfg(not(unix))]
fn same_folder(a: &Metadata, b: &Metadata) -> bool {
    a.is_dir() && b.is_dir()
}

/// The path that the bytes of a key are.
#[cfg(unix)]
fn shown(path: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(path))
}

/// The path that the bytes of a key are; what is not Unicode cannot be loaded anyway.
#[cfg(not(unix))]
fn shown(path: &[u8]) -> &Path {
    Path::new(std::str::from_utf8(path).unwrap_or("?"))
}
