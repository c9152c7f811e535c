//! How much a store takes, and giving back to the system what it no longer does.

use redb::{CompactionError, ReadableDatabase};
use serde::Serialize;

use crate::encoding::Raw;
use crate::error::StoreError;
use crate::gc::{all_files, build_file, compiled_file, measure_tables};
use crate::read::{READ, read};
use crate::store::{DATABASE, FILE_BYTES_ENTRY, Store, file_bytes_in};
use crate::tables::{BUILD, COMPILED, META};

/// The database is not compacted for less than this.
const GAIN_BYTES_MIN: u64 = 8 << 20;

/// Nor for less than this part of it.
const GAIN_PART_MIN: u64 = 8;

/// How much a store takes on disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreSize {
    /// What is on disk of the file of the database, with what is free in it.
    pub database: u64,
    /// The files of objects.
    pub objects: u64,
    /// The kept binaries of components.
    pub builds: u64,
    /// The compiled code of components.
    pub compiled: u64,
}

impl StoreSize {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.database + self.files()
    }

    /// All of it but the database.
    pub fn files(&self) -> u64 {
        self.objects + self.builds + self.compiled
    }
}

/// What compacting the database came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// How large its file was.
    pub before: u64,
    /// How large it is.
    pub after: u64,
    /// Whether it was compacted: not when there was little to gain, or when somebody was reading.
    pub done: bool,
}

impl Store {
    /// How much the store takes on disk. This is cheap: nothing is gone through.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn size(&self) -> Result<StoreSize, StoreError> {
        let place = &*self.place;
        place.guarded(|| {
            let transaction =
                (self.database().begin_read()).map_err(|error| place.redb(READ, error))?;
            let meta = (transaction.open_table(META.definition))
                .map_err(|error| place.redb(READ, error))?;
            let objects: Option<Raw<'_>> = read(place, &META, &meta, FILE_BYTES_ENTRY)?.or_miss();
            Ok(StoreSize {
                database: self.database_bytes()?,
                objects: file_bytes_in(objects),
                builds: all_files(place, &transaction, &BUILD, build_file)?,
                compiled: all_files(place, &transaction, &COMPILED, compiled_file)?,
            })
        })
    }

    /// How many bytes of the database are in use: its file has more. All of it is gone through.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn live_bytes(&self) -> Result<u64, StoreError> {
        let place = &*self.place;
        place.guarded(|| {
            let transaction =
                (self.database().begin_read()).map_err(|error| place.redb(READ, error))?;
            Ok(measure_tables(place, &transaction)?.tables)
        })
    }

    /// Makes the file of the database smaller, where much of it is free and nobody is reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn compact(&mut self) -> Result<Compaction, StoreError> {
        let before = self.database_bytes()?;
        let gain = before.saturating_sub(self.live_bytes()?);
        if gain < GAIN_BYTES_MIN || gain < before / GAIN_PART_MIN {
            return Ok(Compaction {
                before,
                after: before,
                done: false,
            });
        }
        let place = std::sync::Arc::clone(&self.place);
        if place.is_damaged() {
            return Err(place.refusal());
        }
        let done = place.guarded(|| match self.database_mut().compact() {
            Ok(done) => Ok(done),
            Err(CompactionError::TransactionInProgress) => Ok(false),
            Err(error) => Err(place.redb("compacting the database", error)),
        })?;
        let after = self.database_bytes()?;
        Ok(Compaction {
            before,
            after,
            done,
        })
    }

    fn database_bytes(&self) -> Result<u64, StoreError> {
        let metadata = self.place.dir().metadata(DATABASE);
        let metadata = metadata.map_err(|error| self.place.io(READ, error))?;
        Ok(on_disk(&metadata))
    }
}

/// redb makes its file longer by leaps, of which the system keeps only what was written.
#[cfg(unix)]
fn on_disk(metadata: &cap_std::fs::Metadata) -> u64 {
    use cap_std::fs::MetadataExt as _;
    const BLOCK_BYTES: u64 = 512;
    metadata.len().min(metadata.blocks() * BLOCK_BYTES)
}

#[cfg(not(unix))]
fn on_disk(metadata: &cap_std::fs::Metadata) -> u64 {
    metadata.len()
}
