//! Removing files that no record names: what a killed process left between the disk and the database.

use std::io;
use std::sync::PoisonError;

use cap_std::fs::Dir;
use flowstone_core::{ComponentDigest, Fingerprint};

use super::state::State;
use super::{GcPhase, GcProgress, Job};
use crate::error::StoreError;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::{builds, compiled};

/// A folder for each first byte of a fingerprint, one of binaries, and one of compiled code.
pub(crate) const PARTS: u64 = SHARDS + 2;
const SHARDS: u64 = 256;

const DOING: &str = "removing files that nothing names";

impl Store {
    /// Removes the files, or counts them; how many there were. Nothing when it was stopped.
    pub(super) fn remove_orphans(
        &self,
        job: &Job<'_>,
        state: &State,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<Option<u64>, StoreError> {
        let mut orphans = 0;
        for part in 0..PARTS {
            if job.is_stopped() {
                return Ok(None);
            }
            orphans += self.remove_orphans_of(job.policy.dry_run, part)?;
            let phase = GcPhase::Files;
            let (done, total) = (part + 1, state.progress().total.max(PARTS));
            progress(GcProgress { phase, done, total });
        }
        Ok(Some(orphans))
    }

    /// Those of one folder.
    pub(crate) fn remove_orphans_of(&self, dry_run: bool, part: u64) -> Result<u64, StoreError> {
        // A file is written before its record is: nobody writes now, so a file without a record stays without one.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot()?;
        let folder = folder_of(part);
        let place = &*self.place;
        let mut orphans = 0;
        for name in names_in(place.dir(), &folder).map_err(|error| place.io(DOING, error))? {
            if is_orphan(&snapshot, part, &name)? {
                orphans += 1;
                if !dry_run {
                    let removed = place.dir().remove_file(format!("{folder}/{name}"));
                    removed.map_err(|error| place.io(DOING, error))?;
                }
            }
        }
        Ok(orphans)
    }
}

fn folder_of(part: u64) -> String {
    match part.checked_sub(SHARDS) {
        None => format!("objects/{part:02x}"),
        Some(0) => builds::FOLDER.to_owned(),
        Some(_) => compiled::FOLDER.to_owned(),
    }
}

/// Whether a file is one that the store writes, and no record names it. What the store does not write it does not touch.
fn is_orphan(snapshot: &Snapshot, part: u64, name: &str) -> Result<bool, StoreError> {
    if part < SHARDS {
        let value: Option<Fingerprint> = format!("{part:02x}{name}").parse().ok();
        return value.map_or(Ok(false), |value| Ok(!snapshot.has_object_file(&value)?));
    }
    if part == SHARDS {
        let digest: Option<ComponentDigest> = name
            .strip_suffix(".wasm")
            .and_then(|digest| digest.parse().ok());
        return digest.map_or(Ok(false), |digest| Ok(snapshot.build(&digest)?.is_none()));
    }
    let Some(digest) = compiled::digest_in(name) else {
        return Ok(false);
    };
    let file = format!("{}/{name}", compiled::FOLDER);
    Ok(!snapshot.compiled_files(&digest)?.contains(&file))
}

/// The names of the regular files in a folder; of none where it is not there, or is a link.
fn names_in(dir: &Dir, folder: &str) -> io::Result<Vec<String>> {
    match dir.symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let mut names = Vec::new();
    for entry in dir.read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}
