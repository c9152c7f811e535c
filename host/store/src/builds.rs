//! Binaries of components, kept so that results can be checked with the code that made them.
//!
//! Unlike compiled code they are no native code: the sandbox checks and compiles them like any other component, so what
//! is needed here is only that they are what was put.

use std::io;

use cap_std::fs::Dir;
use flowstone_core::ComponentDigest;

use crate::encoding::BuildRecord;
use crate::error::StoreError;
use crate::files::{self, Access};
use crate::place::Place;
use crate::store::Store;

pub(crate) const FOLDER: &str = "builds";
const READ: &str = "reading a kept component";
const WRITE: &str = "writing a kept component";

impl Store {
    /// The binary that was kept of the component with this digest. One that is not what was put is a miss, and its file
    /// is removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn build(&self, digest: &ComponentDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(record) = self.snapshot()?.build(digest)? else {
            return Ok(None);
        };
        let place = &*self.place;
        let name = file_name(digest);
        let found = read(place.dir(), &name, record.len).map_err(|error| place.io(READ, error))?;
        let checked = found.filter(|bytes| blake3::hash(bytes) == record.hash);
        if checked.is_none() {
            // So that the next put writes it again.
            let _ = place.dir().remove_file(&name);
        }
        Ok(checked)
    }

    /// Keeps the binary of the component with this digest. One that is kept already is not written again.
    ///
    /// This is a write transaction of its own: it must not be called inside [`Store::write`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_build(&self, digest: &ComponentDigest, binary: &[u8]) -> Result<(), StoreError> {
        let place = &*self.place;
        let name = file_name(digest);
        if let Some(record) = self.snapshot()?.build(digest)?
            && files::open_expected(place.dir(), &name, record.len).is_ok_and(|file| file.is_some())
        {
            return Ok(());
        }
        let record = BuildRecord {
            len: binary.len() as u64,
            hash: *blake3::hash(binary).as_bytes(),
        };
        // Inside the transaction, so that nobody collects the file before there is a record of it.
        self.write(|writer| {
            write(place, &name, binary).map_err(|error| place.io(WRITE, error))?;
            writer.put_build(digest, &record)
        })
    }
}

pub(crate) fn file_name(digest: &ComponentDigest) -> String {
    format!("{FOLDER}/{digest}.wasm")
}

fn write(place: &Place, name: &str, binary: &[u8]) -> io::Result<()> {
    if files::make_folder(place.dir(), FOLDER)? {
        files::sync_folder(place.dir(), ".")?;
    }
    files::write_atomically(place, name, binary, Access::Usual)?;
    files::sync_folder(place.dir(), FOLDER)
}

fn read(dir: &Dir, name: &str, len: u64) -> io::Result<Option<Vec<u8>>> {
    match files::open_expected(dir, name, len)? {
        Some(mut file) => files::read_expected(&mut file, len),
        None => Ok(None),
    }
}
