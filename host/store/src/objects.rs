//! Values too long for a memo record: in the database up to a length, beyond it each in a file of its own.
//!
//! A file is complete and on disk before the transaction commits that names it. So whatever happens, a record never
//! names a file that was not written; a file that no record names is garbage, and is overwritten when its value comes
//! again. What is read is checked against the value's fingerprint: no other bytes are ever handed out.

use std::io::{self, Read};

use flowstone_core::Fingerprint;

use crate::encoding::ObjectRecord;
use crate::error::StoreError;
use crate::files::{self, Access};
use crate::place::Place;

/// The longest object kept in the database: beyond it redb's copying costs more than a file.
pub(crate) const DATABASE_BYTES_MAX: usize = 64 * 1024;

const READ: &str = "reading an object";
const WRITE: &str = "writing an object";

/// The folder of an object's file below `objects/`, which is the first byte of its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shard(u8);

impl Shard {
    fn of(value: &Fingerprint) -> Self {
        Self(value.as_bytes()[0])
    }

    fn folder(self) -> String {
        format!("objects/{:02x}", self.0)
    }
}

pub(crate) fn file_name(value: &Fingerprint) -> String {
    let digits = value.to_string();
    let (shard, rest) = digits.split_at(2);
    format!("objects/{shard}/{rest}")
}

/// The encoding that `record` leads to, if it is that of `value`.
pub(crate) fn read(
    place: &Place,
    record: ObjectRecord<'_>,
    value: &Fingerprint,
    type_fingerprint: &Fingerprint,
) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = match record {
        ObjectRecord::Inline(bytes) => Some(bytes.into_owned()),
        ObjectRecord::File(len) => {
            read_file(place, value, len).map_err(|error| place.io(READ, error))?
        }
    };
    Ok(bytes.filter(|bytes| {
        blake3::keyed_hash(type_fingerprint.as_bytes(), bytes) == *value.as_bytes()
    }))
}

fn read_file(place: &Place, value: &Fingerprint, len: u64) -> io::Result<Option<Vec<u8>>> {
    match files::open_expected(place.dir(), &file_name(value), len)? {
        Some(mut file) => files::read_expected(&mut file, len),
        None => Ok(None),
    }
}

/// Whether the object's file holds exactly `bytes`. Any trouble in finding out is a no: it is written again then.
pub(crate) fn file_holds(place: &Place, value: &Fingerprint, bytes: &[u8]) -> bool {
    let Ok(Some(mut file)) =
        files::open_expected(place.dir(), &file_name(value), bytes.len() as u64)
    else {
        return false;
    };
    let mut chunk = [0; 16 * 1024];
    bytes.chunks(chunk.len()).all(|expected| {
        file.read_exact(&mut chunk[..expected.len()]).is_ok()
            && chunk[..expected.len()] == *expected
    })
}

/// Writes the object's file. The shard that it is in must be handed to [`sync`] before the transaction commits.
pub(crate) fn write_file(
    place: &Place,
    value: &Fingerprint,
    bytes: &[u8],
) -> Result<Shard, StoreError> {
    let shard = Shard::of(value);
    let written = files::make_folder(place.dir(), &shard.folder()).and_then(|made| {
        if made {
            files::sync_folder(place.dir(), "objects")?;
        }
        files::write_atomically(place, &file_name(value), bytes, Access::Usual)
    });
    written.map_err(|error| place.io(WRITE, error))?;
    Ok(shard)
}

/// Puts the folder entries of written files on disk.
pub(crate) fn sync(place: &Place, shard: Shard) -> Result<(), StoreError> {
    files::sync_folder(place.dir(), &shard.folder()).map_err(|error| place.io(WRITE, error))
}
