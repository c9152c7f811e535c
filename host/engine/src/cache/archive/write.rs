//! Writing an archive, front to back, hashed on the way.

use std::io::Write;

use flowstone_core::{ENCODING_VERSION, Fingerprint, KEY_SCHEMA, RecipeRecord};

use super::{
    ArchiveError, BUILD, END, FAILED, FORMAT, MAGIC, NOTHING, RECIPE, RECIPE_BYTES_MAX,
    RECIPES_MAX, RESULT, RESULT_BYTES_MIN, VALUE,
};

/// An archive being written.
pub(in crate::cache) struct Writer<'a> {
    out: &'a mut dyn Write,
    hasher: blake3::Hasher,
    pub(in crate::cache) bytes: u64,
    recipes: u64,
    recipe_bytes: u64,
    results: u64,
    builds: u64,
}

/// What came of a call, as an archive carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Carried<'a> {
    Nothing,
    Failed(&'a str),
    /// The canonical encoding of a value.
    Value(&'a [u8]),
}

impl<'a> Writer<'a> {
    /// Begins an archive.
    pub(in crate::cache) fn new(out: &'a mut dyn Write) -> Result<Self, ArchiveError> {
        let mut writer = Self {
            out,
            hasher: blake3::Hasher::new(),
            bytes: 0,
            recipes: 0,
            recipe_bytes: 0,
            results: 0,
            builds: 0,
        };
        writer.put(MAGIC)?;
        for number in [FORMAT, KEY_SCHEMA, ENCODING_VERSION] {
            writer.put(&number.to_le_bytes())?;
        }
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }

    fn head(&mut self, kind: u8, len: usize) -> Result<(), ArchiveError> {
        self.put(&[kind])?;
        self.put(&(len as u64).to_le_bytes())
    }

    /// Writes a recipe; its number.
    pub(in crate::cache) fn recipe(&mut self, record: &RecipeRecord) -> Result<u32, ArchiveError> {
        let json = serde_json::to_vec(record)
            .map_err(|error| ArchiveError::Io(std::io::Error::other(error)))?;
        self.recipe_bytes += json.len() as u64;
        let too_much = |what: String, most| Err(ArchiveError::TooMuch { what, most });
        if self.recipes == RECIPES_MAX {
            return too_much(
                format!("there are more than {RECIPES_MAX} recipes"),
                RECIPES_MAX,
            );
        }
        if self.recipe_bytes > RECIPE_BYTES_MAX {
            let what = format!("the recipes have more than {RECIPE_BYTES_MAX} bytes");
            return too_much(what, RECIPE_BYTES_MAX);
        }
        self.head(RECIPE, json.len())?;
        self.put(&json)?;
        self.recipes += 1;
        Ok(self.recipes as u32 - 1)
    }

    /// Writes a result of the recipe with this number.
    pub(in crate::cache) fn result(
        &mut self,
        recipe: u32,
        cost_ns: u64,
        arguments: &[Fingerprint],
        carried: Carried<'_>,
    ) -> Result<(), ArchiveError> {
        let (kind, rest) = match carried {
            Carried::Nothing => (NOTHING, &[][..]),
            Carried::Failed(reason) => (FAILED, reason.as_bytes()),
            Carried::Value(encoding) => (VALUE, encoding),
        };
        self.head(RESULT, RESULT_BYTES_MIN + arguments.len() * 32 + rest.len())?;
        self.put(&recipe.to_le_bytes())?;
        self.put(&cost_ns.to_le_bytes())?;
        for argument in arguments {
            self.put(argument.as_bytes())?;
        }
        self.put(&[kind])?;
        self.put(rest)?;
        self.results += 1;
        Ok(())
    }

    /// Writes the binary of a component.
    pub(in crate::cache) fn build(&mut self, binary: &[u8]) -> Result<(), ArchiveError> {
        self.head(BUILD, binary.len())?;
        self.put(binary)?;
        self.builds += 1;
        Ok(())
    }

    /// Ends the archive; how many bytes it has.
    pub(in crate::cache) fn finish(mut self) -> Result<u64, ArchiveError> {
        let counts = [self.recipes, self.results, self.builds];
        self.head(END, size_of_val(&counts))?;
        for count in counts {
            self.put(&count.to_le_bytes())?;
        }
        let hash = self.hasher.finalize();
        self.out.write_all(hash.as_bytes())?;
        self.out.flush()?;
        Ok(self.bytes + hash.as_bytes().len() as u64)
    }
}
