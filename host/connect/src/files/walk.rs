//! The walk over a folder: every wanted file once, in the byte order of full paths, holding only the folders on the way.

use std::ffi::{OsStr, OsString};
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
use crate::source::Entry;
use crate::stamp::{FileTime, Stamp};

/// A walk under way: an iterator over the files, depth first.
///
/// The names of a folder are sorted with `/` appended to those of folders, which gives the order of full paths:
/// `a.txt` comes before `a/b`, and both before `a0`.
pub(crate) struct Walk {
    root: Arc<Dir>,
    root_path: PathBuf,
    filter: Arc<Filter>,
    /// The largest file whose content is read, and so counts for an entry's size; none where no content is.
    content_max: Option<u64>,
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
        content_max: Option<u64>,
    ) -> Result<Self, ConnectError> {
        let mut walk = Walk {
            root,
            root_path,
            filter,
            content_max,
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
            let place = Place {
                root: &self.root,
                dir: &level.dir,
                name: &name,
            };
            match place.look(&path, kind == Kind::Link) {
                Ok(Some(Seen::File(metadata))) => {
                    return Ok(Some(entry(path, &metadata, seen, self.content_max)));
                }
                Ok(Some(Seen::Unreachable)) => {
                    return Ok(Some(Entry::new(path, Hint::unknown(), 0)));
                }
                Ok(None) => {}
                Err(error) => return Err(self.broken("look at", &path, &error)),
            }
        }
        self.check_root()?;
        Ok(None)
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

/// What is under a name.
enum Seen {
    File(Metadata),
    /// A link to a file that cannot be reached now: why not is for `load` to say.
    Unreachable,
}

/// A name in a folder below the root.
struct Place<'a> {
    root: &'a Dir,
    dir: &'a Dir,
    name: &'a OsStr,
}

impl Place<'_> {
    /// The file that is there, or that a link there leads to; none when it is something else, or gone.
    fn look(&self, path: &[u8], is_link: bool) -> io::Result<Option<Seen>> {
        let metadata = if is_link {
            self.root.metadata(shown(path))
        } else {
            self.dir.symlink_metadata(self.name)
        };
        match metadata {
            Ok(metadata) if metadata.is_file() => Ok(Some(Seen::File(metadata))),
            // It was replaced by something else since it was listed, or the link leads to no file.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_link => Ok((!leads_nowhere(&error)).then_some(Seen::Unreachable)),
            Err(error) => Err(error),
        }
    }
}

fn entry(key: Vec<u8>, metadata: &Metadata, seen: FileTime, content_max: Option<u64>) -> Entry {
    let stamp = Stamp::of(metadata);
    let is_read = content_max.is_some_and(|most| stamp.size <= most);
    let size = if is_read { stamp.size } else { 0 };
    let size = size + key.len() as u64;
    Entry::new(key, stamp.hint(seen), size)
}

/// The file with this path, by the rules of the walk; none when the walk would not list it.
pub(crate) fn find(
    root: &Dir,
    filter: &Filter,
    content_max: Option<u64>,
    key: &[u8],
) -> io::Result<Option<Entry>> {
    let seen = FileTime::now();
    let mut dir = root.try_clone()?;
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'/', &key[from..]) {
        let (folder, name) = (&key[..from + at], &key[from..from + at]);
        if !is_name(name) || !filter.takes_name(name) || !filter.enters(folder) {
            return Ok(None);
        }
        // Links to folders are not followed, and what is no folder holds no file.
        let opened = match dir.symlink_metadata(shown(name)) {
            Ok(metadata) if metadata.is_dir() => dir.open_dir_nofollow(shown(name)),
            Ok(_) => return Ok(None),
            Err(error) => Err(error),
        };
        dir = match opened {
            Ok(dir) => dir,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        from += at + 1;
    }
    let name = &key[from..];
    if !is_name(name) || !filter.takes_name(name) || !filter.takes_file(key) {
        return Ok(None);
    }
    let is_link = match dir.symlink_metadata(shown(name)) {
        Ok(metadata) => metadata.is_symlink(),
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let place = Place {
        root,
        dir: &dir,
        name: shown(name).as_os_str(),
    };
    Ok(match place.look(key, is_link)? {
        Some(Seen::File(metadata)) => Some(entry(key.to_vec(), &metadata, seen, content_max)),
        Some(Seen::Unreachable) => Some(Entry::new(key.to_vec(), Hint::unknown(), 0)),
        None => None,
    })
}

/// Whether bytes can be one name of a path.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&0)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
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
pub(crate) fn same_folder(a: &Metadata, b: &Metadata) -> bool {
    use cap_std::fs::MetadataExt;
    (a.ino(), a.dev()) == (b.ino(), b.dev())
}

#[cfg(not(unix))]
pub(crate) fn same_folder(a: &Metadata, b: &Metadata) -> bool {
    a.is_dir() && b.is_dir()
}

/// The path that the bytes of a key are.
#[cfg(unix)]
pub(crate) fn shown(path: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(OsStr::from_bytes(path))
}

/// The path that the bytes of a key are; what is not Unicode cannot be loaded anyway.
#[cfg(not(unix))]
pub(crate) fn shown(path: &[u8]) -> &Path {
    Path::new(std::str::from_utf8(path).unwrap_or("?"))
}
