//! Files inside the store's folder: written whole or not at all, read only when they are what was expected.

use std::io::{self, Read, Write};

use cap_std::fs::{Dir, File, OpenOptions};

use crate::lock::{LOCK, is_lock};
use crate::place::Place;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever the user's umask lets.
    Usual,
    /// The user alone, where the system knows such a thing.
    Private,
}

/// Writes `bytes` to `name`, replacing what is there. It is on disk when this returns, but for the entry in the
/// folder: see [`sync_folder`].
///
/// Killed before the rename, it leaves a file under `tmp/`, which the next open removes.
pub(crate) fn write_atomically(
    place: &Place,
    name: &str,
    bytes: &[u8],
    access: Access,
) -> io::Result<()> {
    let temporary = place.temporary_name();
    let written = create_new(place.dir(), &temporary, access).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| place.dir().rename(&temporary, place.dir(), name));
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = place.dir().remove_file(&temporary);
    }
    renamed
}

/// A new file for reading and writing. Fails when the name is taken, also by a link.
pub(crate) fn create_new(dir: &Dir, name: &str, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Private {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    dir.open_with(name, &options)
}

/// Puts the entries of a folder on disk: a renamed file can otherwise be lost with the power.
pub(crate) fn sync_folder(dir: &Dir, name: &str) -> io::Result<()> {
    #[cfg(unix)]
    {
        dir.open(name)?.sync_all()
    }
    #[cfg(not(unix))]
    {
        let _ = (dir, name);
        Ok(())
    }
}

/// Makes a folder, unless it is there; says whether it was made.
pub(crate) fn make_folder(dir: &Dir, name: &str) -> io::Result<bool> {
    match dir.create_dir(name) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a regular file of exactly `len` bytes; anything else by that name (a link, a pipe, another length) is `None`.
pub(crate) fn open_expected(dir: &Dir, name: &str, len: u64) -> io::Result<Option<File>> {
    // Permission is also what a link out of the store is refused with.
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::PermissionDenied => Ok(None),
        _ => Err(error),
    };
    // Looked at before it is opened, since opening a pipe would wait for its other end.
    match dir.symlink_metadata(name) {
        Ok(metadata) if metadata.is_file() && metadata.len() == len => {
            dir.open(name).map(Some).or_else(missing)
        }
        Ok(_) => Ok(None),
        Err(error) => missing(error),
    }
}

/// Reads a file whose length was checked to be `len`; `None` when it has changed since.
pub(crate) fn read_expected(file: &mut File, len: u64) -> io::Result<Option<Vec<u8>>> {
    let Ok(capacity) = usize::try_from(len) else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(capacity);
    file.take(len).read_to_end(&mut bytes)?;
    Ok((bytes.len() == capacity).then_some(bytes))
}

/// Hashes a file in pieces; whether it is a regular file of exactly `len` bytes.
pub(crate) fn hash_expected(
    dir: &Dir,
    name: &str,
    len: u64,
    hasher: &mut blake3::Hasher,
) -> io::Result<bool> {
    let Some(mut file) = open_expected(dir, name, len)? else {
        return Ok(false);
    };
    let mut buffer = vec![0; 64 * 1024];
    let mut left = len;
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read(&mut buffer[..most]) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                left -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Removes what an interrupted process left unfinished in `tmp/`.
pub(crate) fn remove_temporaries(dir: &Dir) -> io::Result<()> {
    make_folder(dir, TEMPORARIES)?;
    for entry in dir.read_dir(TEMPORARIES)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() && is_temporary(&entry.file_name().to_string_lossy()) {
            entry.remove_file()?;
        }
    }
    Ok(())
}

/// The folder of files being written.
const TEMPORARIES: &str = "tmp";

/// What the names of files there begin with; a number follows.
const TEMPORARY_PREFIX: &str = "unfinished-";

/// The name of a file being written, in the store's folder.
pub(crate) fn temporary_name(number: u64) -> String {
    format!("{TEMPORARIES}/{TEMPORARY_PREFIX}{number}")
}

/// Whether a file there is called as the store calls such files.
fn is_temporary(name: &str) -> bool {
    let number = name.strip_prefix(TEMPORARY_PREFIX);
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What a store has in its folder besides the database; `built` is for those who build components.
const OWN: [&str; 6] = [LOCK, TEMPORARIES, "objects", "builds", "aot", "built"];

/// Something in a folder without a database that no store has there. What systems and tools put into any folder does not
/// count.
pub(crate) fn foreign(dir: &Dir) -> io::Result<Option<String>> {
    for entry in dir.entries()? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_usual = name.starts_with('.') || ["lost+found", "CACHEDIR.TAG"].contains(&&*name);
        let is_own = OWN.contains(&&*name) && (name != LOCK || is_lock(dir)?);
        if !is_usual && !is_own {
            return Ok(Some(name));
        }
    }
    let temporaries = match dir.symlink_metadata(TEMPORARIES) {
        Ok(metadata) if metadata.is_dir() => dir.read_dir(TEMPORARIES)?,
        _ => return Ok(None),
    };
    for entry in temporaries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !is_temporary(&name) {
            return Ok(Some(format!("{TEMPORARIES}/{name}")));
        }
    }
    Ok(None)
}
