//! The lock file: one process at a time, and a message that names it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};

use cap_std::fs::OpenOptions;

use crate::error::StoreError;
use crate::place::Place;

/// No process number is longer in decimal.
const PID_BYTES_MAX: u64 = 20;

/// Held as long as the store is open; the system lets go of it however the process ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock and leaves this process's number in the file.
    pub(crate) fn take(place: &Place) -> Result<Self, StoreError> {
        const DOING: &str = "locking";
        // Not truncated: until the lock is held, the number in it is somebody else's.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = place
            .dir()
            .open_with("lock", &options)
            .map_err(|error| place.io(DOING, error))?;
        let mut file = file.into_std();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    path: place.path().to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(place.io(DOING, error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(std::process::id().to_string().as_bytes()));
        written.map_err(|error| place.io(DOING, error))?;
        Ok(Self { _file: file })
    }
}

/// The number in a lock file that another process holds; it may have locked but not written it yet.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
