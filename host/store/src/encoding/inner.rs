//! The byte forms of what lies around the records that callers see: objects, files, JSON text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flowstone_core::{FunctionDigest, Interface, RecipeRecord};

use crate::codec::{Input, Record, put_bytes};
use crate::record::{CollectionId, Owner};

/// An owner as stored: with the target row's key where the table's key holds only the hash of it.
pub(crate) struct OwnerRecord<'a> {
    pub(crate) owner: Cow<'a, Owner>,
    pub(crate) long_key: Cow<'a, [u8]>,
}

impl Record for OwnerRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.owner.collection.0.to_le_bytes());
        put_bytes(out, &self.owner.row);
        out.extend_from_slice(&self.long_key);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let collection = CollectionId(input.u32()?);
        let row = input.bytes()?.to_vec();
        Some(Self {
            owner: Cow::Owned(Owner { collection, row }),
            long_key: input.rest().to_vec().into(),
        })
    }
}

/// Records of `flowstone-core` as JSON, because types nest: its parser bounds the depth, so that no bytes can exhaust
/// the stack.
macro_rules! json_record {
    ($($name:ty),*) => {
        $(impl Record for $name {
            fn write(&self, out: &mut Vec<u8>) {
                serde_json::to_writer(out, self).expect("it holds texts, lists and enums, which JSON can hold");
            }

            fn read(input: &mut Input<'_>) -> Option<Self> {
                serde_json::from_slice(input.rest()).ok()
            }
        })*
    };
}

json_record!(Interface, RecipeRecord);

/// The digests of a component's functions, as a version of the digest counts them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FunctionsRecord<'a> {
    pub(crate) version: u32,
    pub(crate) digests: Cow<'a, BTreeMap<String, FunctionDigest>>,
}

/// The digests as hexadecimal text, which JSON holds in a quarter of the space of their bytes.
impl Record for FunctionsRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        let texts: BTreeMap<&str, String> = (self.digests.iter())
            .map(|(name, digest)| (&**name, digest.to_string()))
            .collect();
        serde_json::to_writer(out, &texts).expect("JSON can hold a map of texts");
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let version = input.u32()?;
        let texts: BTreeMap<String, String> = serde_json::from_slice(input.rest()).ok()?;
        let digests: BTreeMap<_, _> = texts
            .into_iter()
            .map(|(name, text)| Some((name, text.parse().ok()?)))
            .collect::<Option<_>>()?;
        Some(Self {
            version,
            digests: Cow::Owned(digests),
        })
    }
}

/// How an object is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ObjectRecord<'a> {
    /// In the record.
    Inline(Cow<'a, [u8]>),
    /// In a file of so many bytes.
    File(u64),
}

impl ObjectRecord<'_> {
    /// How many bytes the file has that a stored record is of; none where it is of none. Its checksum is not looked at.
    pub(crate) fn file_bytes(stored: &[u8]) -> u64 {
        match stored {
            [1, rest @ ..] => rest.first_chunk().map_or(0, |len| u64::from_le_bytes(*len)),
            _ => 0,
        }
    }
}

impl Record for ObjectRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Inline(bytes) => {
                out.push(0);
                out.extend_from_slice(bytes);
            }
            Self::File(len) => {
                out.push(1);
                out.extend_from_slice(&len.to_le_bytes());
            }
        }
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        match input.u8()? {
            0 => Some(Self::Inline(input.rest().to_vec().into())),
            1 => input.u64().map(Self::File),
            _ => None,
        }
    }
}

/// What the file with compiled code must hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompiledRecord {
    pub(crate) len: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) keyed_hash: [u8; 32],
}

impl Record for CompiledRecord {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.keyed_hash);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            len: input.u64()?,
            hash: input.array()?,
            keyed_hash: input.array()?,
        })
    }
}

/// What the file with a component's binary must hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuildRecord {
    pub(crate) len: u64,
    pub(crate) hash: [u8; 32],
}

impl Record for BuildRecord {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.hash);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            len: input.u64()?,
            hash: input.array()?,
        })
    }
}

/// What is stored as it is: the JSON of a run, a meta entry.
pub(crate) struct Raw<'a>(pub(crate) Cow<'a, [u8]>);

impl Record for Raw<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self(input.rest().to_vec().into()))
    }
}
