//! Archives: results in one file, to be taken to another store.
//!
//! ```text
//! "flowstone cache\n"   16 bytes
//! format, KEY_SCHEMA, ENCODING_VERSION                  u32 each
//! blocks:  kind u8, length of what follows u64
//!   1 recipe   JSON of a recipe and the code behind it; numbered from 0 in the order of the file
//!   2 result   recipe u32, cost in nanoseconds u64, the arguments' fingerprints, outcome u8, what it carries
//!   3 build    the binary of a component
//!   0 end      how many recipes, results and builds, u64 each
//! BLAKE3 of all before it   32 bytes
//! ```
//!
//! Numbers are little-endian. A result says nothing of its key or its value's fingerprint: both follow from the rest. Of an
//! outcome 0 carries nothing, 1 is followed by the reason of a failure, 2 by the canonical encoding of a value.

mod check;
mod read;
mod write;

use std::io;

pub(super) use self::check::{Checked, Recipe};
pub(super) use self::read::{Block, Reader};
pub(super) use self::write::{Carried, Writer};

const MAGIC: &[u8; 16] = b"flowstone cache\n";

/// The format of archives that this version writes and reads.
const FORMAT: u32 = 1;

const END: u8 = 0;
const RECIPE: u8 = 1;
const RESULT: u8 = 2;
const BUILD: u8 = 3;

const NOTHING: u8 = 0;
const FAILED: u8 = 1;
const VALUE: u8 = 2;

/// A kind and a length.
const HEAD_BYTES: u64 = 9;

/// A recipe, a cost and an outcome.
const RESULT_BYTES_MIN: usize = 13;

/// The most recipes of an archive, and the most bytes that they have: all of them are in memory.
const RECIPES_MAX: u64 = 1 << 16;
const RECIPE_BYTES_MAX: u64 = 64 << 20;

/// The longest reason of a failure: longer than any that is kept.
const REASON_BYTES_MAX: usize = 16 << 10;

/// Why an archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It does not begin like an archive.
    #[error("it is no archive of results")]
    Foreign,
    /// It was written by another version of flowstone, whose keys or values have another form.
    #[error(
        "it was written by another version of flowstone: its {what} is {found}, and this one's {supported}"
    )]
    Version {
        /// What differs.
        what: &'static str,
        /// What the archive has.
        found: u32,
        /// What this version has.
        supported: u32,
    },
    /// It is cut off, damaged, or was made to do harm.
    #[error("it is damaged at byte {at}: {what}")]
    Damaged {
        /// Where.
        at: u64,
        /// How that shows.
        what: String,
    },
    /// Something in it is larger than the memory given.
    #[error(
        "it holds {what} of {bytes} bytes at byte {at}, and the memory given leaves {bytes_max} for one"
    )]
    TooLarge {
        /// Where.
        at: u64,
        /// What it is.
        what: &'static str,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// There is more to write than an archive takes.
    #[error("{what}, and an archive takes {most}")]
    TooMuch {
        /// What there is.
        what: String,
        /// How much of it an archive takes.
        most: u64,
    },
    /// The file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}
