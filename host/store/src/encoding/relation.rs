//! The byte forms of what rows of different collections have to do with each other.

use super::{fingerprint, put_fingerprint};
use crate::codec::{Input, Record, put_bytes, put_list};
use crate::record::{Member, Step};

/// A fingerprint, and the length of an encoding.
const COLUMN_BYTES_MIN: usize = 32 + 1;

impl Record for Member {
    fn write(&self, out: &mut Vec<u8>) {
        put_list(out, &self.columns, |out, (print, encoding)| {
            put_fingerprint(out, print);
            put_bytes(out, encoding);
        });
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let columns = input.list(COLUMN_BYTES_MIN, |input| {
            Some((fingerprint(input)?, input.bytes()?.to_vec()))
        })?;
        Some(Self { columns })
    }
}

impl Record for Step {
    fn write(&self, out: &mut Vec<u8>) {
        put_fingerprint(out, &self.fingerprint);
        out.extend_from_slice(&self.bytes);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            fingerprint: fingerprint(input)?,
            bytes: input.rest().to_vec(),
        })
    }
}

/// A record whose key says all.
pub(crate) struct Nothing;

impl Record for Nothing {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut Input<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// Whether an element of a group came or went, or has another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeRecord {
    pub(crate) structure: bool,
}

impl Record for ChangeRecord {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.structure));
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        match input.u8()? {
            0 => Some(Self { structure: false }),
            1 => Some(Self { structure: true }),
            _ => None,
        }
    }
}
