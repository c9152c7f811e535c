//! Writing below a root, and never anywhere else: folders are opened name by name, and no link is followed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions};

use crate::error::ConnectError;
use crate::files::template::RESERVED_PREFIX;
use crate::key::printable;
use crate::stamp::Stamp;

/// The root of a target, and the folder below it that was used last: paths come sorted, so the next one is mostly there.
pub(crate) struct Folders {
    root: Dir,
    root_path: PathBuf,
    last: Option<(String, Dir)>,
}

impl Folders {
    pub(crate) fn new(root: Dir, root_path: PathBuf) -> Self {
        Folders {
            root,
            root_path,
            last: None,
        }
    }

    /// Forgets the folder used last: between two batches somebody may have put another one in its place.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Whether a file, a link or the like is at this path. Folders do not count: they may be removed by the batch that
    /// asks, and are never replaced by a file while anything is in them.
    pub(crate) fn has_file(&mut self, path: &str) -> Result<bool, ConnectError> {
        let (folder, name) = split(path);
        let Some(dir) = self.open(folder, false)? else {
            return Ok(false);
        };
        match dir.symlink_metadata(name) {
            Ok(metadata) => Ok(!metadata.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("look at", path, error)),
        }
    }

    /// What is in the way of a file at this path that no one may take away: a folder in its place, or something else in the
    /// place of a folder above it.
    pub(crate) fn obstacle(&mut self, path: &str) -> Result<Option<String>, ConnectError> {
        let whole = self.open(split(path).0, false)?.is_some();
        // Where its folder is there, so are all those above.
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        let folders = folders.filter(|_| !whole);
        for place in folders.chain([path]) {
            let (folder, name) = split(place);
            let found = match self.open(folder, false)? {
                Some(dir) => dir.symlink_metadata(name),
                None => return Ok(None),
            };
            match found {
                Ok(metadata) if metadata.is_dir() == (place != path) => {}
                Ok(metadata) if metadata.is_dir() && place == path => {
                    return Ok(Some("a folder is in its place".to_owned()));
                }
                Ok(metadata) if !metadata.is_dir() && place != path => {
                    let shown = printable(place.as_bytes());
                    return Ok(Some(format!(
                        "`{shown}` is not a folder, but a file or a link"
                    )));
                }
                // A file in its place may be ours.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(self.failed("look at", place, error)),
            }
        }
        Ok(None)
    }

    /// What the file system says about the file at this path: none when nothing is there, none inside when it is no file.
    pub(crate) fn stamp(&mut self, path: &str) -> Result<Option<Option<Stamp>>, ConnectError> {
        let (folder, name) = split(path);
        let Some(dir) = self.open(folder, false)? else {
            return Ok(None);
        };
        match dir.symlink_metadata(name) {
            Ok(metadata) => Ok(Some(metadata.is_file().then(|| Stamp::of(&metadata)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("look at", path, error)),
        }
    }

    /// BLAKE3 of the content of the file at this path, which is there.
    pub(crate) fn hash(&mut self, path: &str) -> Result<[u8; 32], ConnectError> {
        let (folder, name) = split(path);
        let mut hasher = blake3::Hasher::new();
        let read = match self.open(folder, false)? {
            Some(dir) => {
                let mut options = OpenOptions::new();
                // A FIFO that was put there meanwhile must not be waited for.
                options.read(true).follow(FollowSymlinks::No).nonblock(true);
                let opened = dir.open_with(name, &options);
                opened.and_then(|mut file| io::copy(&mut file, &mut hasher).map(drop))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        };
        read.map_err(|error| self.failed("read", path, error))?;
        Ok(*hasher.finalize().as_bytes())
    }

    /// Puts a file in its place at once: readers see the old content or the new one, also after a power failure.
    ///
    /// The content goes to a temporary file in the same folder, whose name depends only on the file's: when writing is
    /// cut short, the next try (or [`Folders::remove_temporary`]) finds and removes it.
    pub(crate) fn write(&mut self, path: &str, content: &[u8]) -> Result<(), ConnectError> {
        let (folder, name) = split(path);
        let Some(dir) = self.open(folder, true)? else {
            return Err(self.failed("create the folder of", path, io::ErrorKind::NotFound.into()));
        };
        let written = replace(dir, name, content);
        written.map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => self.in_the_way(path, "a file: it is a folder"),
            _ => self.failed("write", path, error),
        })
    }

    /// Removes a file, if it is there. What is a folder by now is no file of ours, and stays.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), ConnectError> {
        let (folder, name) = split(path);
        let Some(dir) = self.open(folder, false)? else {
            return Ok(());
        };
        match dir.symlink_metadata(name) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => dir
                .remove_file(name)
                .map_err(|error| self.failed("remove", path, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed("look at", path, error)),
        }
    }

    /// Removes what an interrupted [`Folders::write`] may have left.
    pub(crate) fn remove_temporary(&mut self, path: &str) -> Result<(), ConnectError> {
        let (folder, name) = split(path);
        let Some(dir) = self.open(folder, false)? else {
            return Ok(());
        };
        match dir.remove_file(temporary_name(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("tidy up after", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Makes the changes in the folder of this path durable; removes the folder, and those above it, when `prune` and
    /// they are empty.
    pub(crate) fn finish(&mut self, path: &str, prune: bool) -> Result<(), ConnectError> {
        let (mut folder, _) = split(path);
        loop {
            let Some(dir) = self.open(folder, false)? else {
                // It is gone with all that was in it; what that left behind is one folder up.
                folder = split(folder).0;
                continue;
            };
            sync(dir).map_err(|error| self.failed("sync the folder of", path, error))?;
            if !prune || folder.is_empty() {
                return Ok(());
            }
            self.last = None;
            let (above, name) = split(folder);
            // Not empty, or somebody else uses it: then it stays.
            if self
                .open(above, false)?
                .is_none_or(|dir| dir.remove_dir(name).is_err())
            {
                return Ok(());
            }
            folder = above;
        }
    }

    /// Opens a folder below the root; makes it, when `create`. `None` when there is none.
    fn open(&mut self, folder: &str, create: bool) -> Result<Option<&Dir>, ConnectError> {
        if folder.is_empty() {
            return Ok(Some(&self.root));
        }
        if self.last.as_ref().is_none_or(|(name, _)| name != folder) {
            match self.descend(folder, create)? {
                Some(dir) => self.last = Some((folder.to_owned(), dir)),
                None => return Ok(None),
            }
        }
        Ok(self.last.as_ref().map(|(_, dir)| dir))
    }

    fn descend(&self, folder: &str, create: bool) -> Result<Option<Dir>, ConnectError> {
        let mut inner: Option<Dir> = None;
        for name in folder.split('/') {
            let dir = inner.as_ref().unwrap_or(&self.root);
            let opened = match dir.open_dir_nofollow(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && create => dir
                    .create_dir(name)
                    .and_then(|()| sync(dir))
                    .and_then(|()| dir.open_dir_nofollow(name)),
                opened => opened,
            };
            inner = Some(match opened {
                Ok(dir) => dir,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return match dir.symlink_metadata(name) {
                        // A file or a link where a folder should be: nothing of ours can lie below it.
                        Ok(metadata) if !metadata.is_dir() && !create => Ok(None),
                        Ok(metadata) if !metadata.is_dir() => Err(self.in_the_way(
                            folder,
                            "a folder, but a file or a symbolic link (which is not followed)",
                        )),
                        _ => Err(self.failed("open", folder, error)),
                    };
                }
            });
        }
        Ok(inner)
    }

    fn failed(&self, action: &'static str, path: &str, error: io::Error) -> ConnectError {
        ConnectError::io(action, &self.root_path.join(path), error)
    }

    fn in_the_way(&self, path: &str, expected: &'static str) -> ConnectError {
        ConnectError::WrongType {
            path: self.root_path.join(path),
            expected,
        }
    }
}

/// The folder and the name of a path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn temporary_name(name: &str) -> String {
    // Not the name itself with something added: that could be too long.
    format!(
        "{RESERVED_PREFIX}tmp-{}",
        &blake3::hash(name.as_bytes()).to_hex()[..16]
    )
}

fn replace(dir: &Dir, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(name);
    match dir.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .follow(FollowSymlinks::No);
    let mut file = dir.open_with(&temporary, &options)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| dir.rename(&temporary, dir, name));
    if written.is_err() {
        // The first error is the one to tell; the file is also found by its name later.
        let _ = dir.remove_file(&temporary);
    }
    written
}

#[cfg(unix)]
fn sync(dir: &Dir) -> io::Result<()> {
    dir.open(Path::new("."))?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Dir) -> io::Result<()> {
    Ok(())
}
