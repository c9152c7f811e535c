//! Reading an archive, front to back: block after block, each checked, and at the end the hash of all.
//!
//! Lengths are believed only as far as bytes follow: what is allocated grows with what was read.

use std::io::{ErrorKind, Read};

use flowstone_core::{ENCODING_VERSION, KEY_SCHEMA, RecipeRecord};

use super::check::{Checked, Recipe};
use super::{
    ArchiveError, BUILD, END, FORMAT, HEAD_BYTES, MAGIC, RECIPE, RECIPE_BYTES_MAX, RECIPES_MAX,
    RESULT,
};

/// An archive being read.
pub(in crate::cache) struct Reader<R> {
    input: R,
    hasher: blake3::Hasher,
    /// Where the next byte stands.
    at: u64,
    /// The largest block.
    bytes_max: u64,
    pub(in crate::cache) recipes: Vec<Recipe>,
    recipe_bytes: u64,
    results: u64,
    builds: u64,
}

/// A part of an archive, checked.
pub(in crate::cache) enum Block {
    /// A recipe: the last of [`Reader::recipes`].
    Recipe,
    /// A result.
    Result(Checked),
    /// The binary of a component.
    Build(Vec<u8>),
}

impl<R: Read> Reader<R> {
    /// Begins reading. No block may be larger than `bytes_max`.
    pub(in crate::cache) fn new(input: R, bytes_max: u64) -> Result<Self, ArchiveError> {
        let mut reader = Self {
            input,
            hasher: blake3::Hasher::new(),
            at: 0,
            bytes_max,
            recipes: Vec::new(),
            recipe_bytes: 0,
            results: 0,
            builds: 0,
        };
        let foreign = |error| match error {
            ArchiveError::Damaged { .. } => ArchiveError::Foreign,
            error => error,
        };
        if reader.array::<16>().map_err(foreign)? != *MAGIC {
            return Err(ArchiveError::Foreign);
        }
        let versions = [
            ("format", FORMAT),
            ("version of keys", KEY_SCHEMA),
            ("version of values", ENCODING_VERSION),
        ];
        for (what, supported) in versions {
            let found = u32::from_le_bytes(reader.array()?);
            if found != supported {
                return Err(ArchiveError::Version {
                    what,
                    found,
                    supported,
                });
            }
        }
        Ok(reader)
    }

    /// Where the next block stands.
    pub(in crate::cache) fn place(&self) -> u64 {
        self.at
    }

    /// The next block; none at the end, and then the whole archive is as it was written.
    pub(in crate::cache) fn next(&mut self) -> Result<Option<Block>, ArchiveError> {
        let at = self.at;
        let [kind] = self.array()?;
        let len = u64::from_le_bytes(self.array()?);
        match kind {
            RECIPE => self.recipe(at, len).map(|()| Some(Block::Recipe)),
            RESULT => {
                let bytes = self.bytes(at, "a result", len, self.bytes_max)?;
                let place = at + HEAD_BYTES;
                let checked =
                    Checked::of(bytes, &self.recipes).map_err(|what| damaged(place, what))?;
                self.results += 1;
                Ok(Some(Block::Result(checked)))
            }
            BUILD => {
                let binary = self.bytes(at, "a component", len, self.bytes_max)?;
                self.builds += 1;
                Ok(Some(Block::Build(binary)))
            }
            END => self.end(at, len).map(|()| None),
            kind => Err(damaged(at, format!("there is no kind {kind} of block"))),
        }
    }

    fn recipe(&mut self, at: u64, len: u64) -> Result<(), ArchiveError> {
        let left = RECIPE_BYTES_MAX - self.recipe_bytes;
        let json = self.bytes(at, "a recipe", len, left.min(self.bytes_max))?;
        self.recipe_bytes += len;
        let place = at + HEAD_BYTES;
        if self.recipes.len() as u64 == RECIPES_MAX {
            return Err(damaged(place, "there are too many recipes"));
        }
        let record: RecipeRecord = serde_json::from_slice(&json)
            .map_err(|error| damaged(place, format!("a recipe is none: {error}")))?;
        let recipe = Recipe::of(record).map_err(|what| damaged(place, what))?;
        self.recipes.push(recipe);
        Ok(())
    }

    fn end(&mut self, at: u64, len: u64) -> Result<(), ArchiveError> {
        let counts = [self.recipes.len() as u64, self.results, self.builds];
        if len != size_of_val(&counts) as u64 {
            return Err(damaged(at, "its end has another length"));
        }
        for count in counts {
            if u64::from_le_bytes(self.array()?) != count {
                return Err(damaged(at, "it holds more or less than it says"));
            }
        }
        let hash = *self.hasher.finalize().as_bytes();
        let place = self.at;
        if self.array()? != hash {
            return Err(damaged(place, "its hash is another"));
        }
        match self.input.read_exact(&mut [0]) {
            Ok(()) => Err(damaged(self.at, "bytes follow its end")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        (self.input.read_exact(&mut bytes)).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged(self.at, "it ends too early"),
            _ => error.into(),
        })?;
        self.hasher.update(&bytes);
        self.at += N as u64;
        Ok(bytes)
    }

    /// What a block holds.
    fn bytes(
        &mut self,
        at: u64,
        what: &'static str,
        len: u64,
        bytes_max: u64,
    ) -> Result<Vec<u8>, ArchiveError> {
        if len > bytes_max {
            return Err(ArchiveError::TooLarge {
                at,
                what,
                bytes: len,
                bytes_max,
            });
        }
        let mut bytes = Vec::new();
        self.input.by_ref().take(len).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != len {
            return Err(damaged(self.at + bytes.len() as u64, "it ends too early"));
        }
        self.hasher.update(&bytes);
        self.at += len;
        Ok(bytes)
    }
}

fn damaged(at: u64, what: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged {
        at,
        what: what.into(),
    }
}
