//! Files with code: kept binaries of components, and what they were compiled to.

use flowstone_core::ComponentDigest;

use super::{Done, Stopped, Verifier, VerifyPhase};
use crate::codec::{decode, unseal};
use crate::encoding::{BuildRecord, CompiledRecord};
use crate::error::StoreError;
use crate::tables::{BUILD, COMPILED};
use crate::{builds, compiled, files};

/// A file, and what it must hold.
struct Expected {
    name: Option<String>,
    len: u64,
    hash: [u8; 32],
}

impl Verifier<'_> {
    pub(super) fn code(&mut self) -> Done {
        let builds = self.bad_records(|tables| &mut tables.build, build_of)?;
        (self.report.builds, self.report.builds_damaged) = builds;
        let compiled = self.bad_records(|tables| &mut tables.compiled, compiled_of)?;
        (self.report.compiled, self.report.compiled_damaged) = compiled;
        let done = builds.0 + compiled.0;
        Ok(if self.goes_on(VerifyPhase::Code, done, done) {
            Ok(())
        } else {
            Err(Stopped)
        })
    }

    /// How many records a table has, and how many are damaged or have files that are.
    fn bad_records<K: redb::Key + 'static>(
        &mut self,
        slot: super::tables::SlotOf<K>,
        expected: fn(&[u8], &[u8]) -> Option<Expected>,
    ) -> Result<(u64, u64), StoreError> {
        let place = std::sync::Arc::clone(&self.store.place);
        let mut io = None;
        let mut bad_files = Vec::new();
        let counted = self.table(slot, true, &mut |key, stored| {
            let Some(file) = expected(key, stored) else {
                return false;
            };
            let Some(name) = file.name else {
                return false;
            };
            let mut hasher = blake3::Hasher::new();
            let whole = files::hash_expected(place.dir(), &name, file.len, &mut hasher);
            let is_sound = match whole {
                Ok(whole) => whole && hasher.finalize() == file.hash,
                Err(error) => {
                    io.get_or_insert(error);
                    true
                }
            };
            if !is_sound {
                bad_files.push(name);
            }
            is_sound
        })?;
        if let Some(error) = io {
            return Err(place.io("reading kept code", error));
        }
        if self.repair {
            for name in bad_files {
                // One that is not there at all is damaged too.
                let _ = place.dir().remove_file(name);
            }
        }
        Ok(counted)
    }
}

fn build_of(key: &[u8], stored: &[u8]) -> Option<Expected> {
    let record: BuildRecord = unseal(BUILD.tag, key, stored).and_then(decode)?;
    let digest = ComponentDigest::from_bytes(key.try_into().ok()?);
    Some(Expected {
        name: Some(builds::file_name(&digest)),
        len: record.len,
        hash: record.hash,
    })
}

fn compiled_of(key: &[u8], stored: &[u8]) -> Option<Expected> {
    let record: CompiledRecord = unseal(COMPILED.tag, key, stored).and_then(decode)?;
    Some(Expected {
        name: compiled::file_of_record(key),
        len: record.len,
        hash: record.hash,
    })
}
