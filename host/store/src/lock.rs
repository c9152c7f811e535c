//! The lock file: one process at a time, and a message that names it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::SystemTime;

use cap_std::fs::{Dir, OpenOptions};

use crate::error::{Holder, StoreError};
use crate::place::Place;

/// The name of the file.
pub(crate) const LOCK: &str = "lock";

/// What is read of the file, and what is written of a command.
const BYTES_MAX: u64 = 1024;
const COMMAND_CHARS_MAX: usize = 200;

/// Held as long as the store is open; the system lets go of it however the process ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock and leaves word in the file of who has it: number, time and command, a line each.
    pub(crate) fn take(place: &Place, command: Option<&str>) -> Result<Self, StoreError> {
        const DOING: &str = "locking";
        // Not truncated: until the lock is held, the number in it is somebody else's.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = place
            .dir()
            .open_with(LOCK, &options)
            .map_err(|error| place.io(DOING, error))?;
        let mut file = file.into_std();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    path: place.path().to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(place.io(DOING, error)),
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let command = command
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let word = format!(
            "{}\n{}\n{}\n",
            std::process::id(),
            since.map_or(0, |since| since.as_secs()),
            command.chars().take(COMMAND_CHARS_MAX).collect::<String>(),
        );
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(word.as_bytes()));
        written.map_err(|error| place.io(DOING, error))?;
        Ok(Self { _file: file })
    }
}

/// Whether the file of this name in a folder is one that a store locks: it says who had it, or nothing yet. A link is looked
/// at by whoever opens it.
pub(crate) fn is_lock(dir: &Dir) -> io::Result<bool> {
    let metadata = dir.symlink_metadata(LOCK)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(!metadata.is_dir());
    }
    Ok(holder(&mut dir.open(LOCK)?.into_std()).is_some())
}

/// Who another process says that it is; it may have locked the file and not written it yet.
fn holder(file: &mut File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let since = lines.next().and_then(|line| line.trim().parse().ok());
    let command = lines.next().filter(|line| !line.is_empty());
    Some(Holder {
        pid,
        since: since.filter(|since| *since > 0),
        command: command.map(str::to_owned),
    })
}
