//! Where a built component lies, beside the record of what it was built from.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flowstone::core::{Type, Value, fingerprint};

use super::freshness::Record;
use crate::failure::{Failure, Kind};
use crate::whole;

/// So many bytes may a record have: it names the files that a component was built from.
const RECORD_BYTES_MAX: u64 = 64 << 20;

/// The folder of a store in which built components lie.
pub(crate) const BUILT: &str = "built";

/// Where a built component lies.
pub(super) struct Place {
    /// The folder of all of a store.
    pub(super) folder: PathBuf,
    /// The component.
    pub(super) wasm: PathBuf,
    record: PathBuf,
}

impl Place {
    /// That of the component of `plugin`, whose sources are in `folder`.
    pub(super) fn new(plugin: &str, folder: &Path, store: &Path) -> Self {
        let path = Value::str(&*folder.to_string_lossy());
        let hash = fingerprint(&path, &Type::String, &Type::String.fingerprint()).short();
        let built = store.join(BUILT);
        Self {
            wasm: built.join(format!("{plugin}-{hash}.wasm")),
            record: built.join(format!("{plugin}-{hash}.json")),
            folder: built,
        }
    }

    /// What the component that lies there was built from.
    pub(super) fn record(&self) -> Option<Record> {
        Record::read(&whole::read(&self.record, RECORD_BYTES_MAX).ok()?)
    }

    /// The component, if nothing that it was built from changed.
    pub(super) fn fresh(&self, folder: &Path, tools: &str) -> Option<Vec<u8>> {
        let record = self.record()?;
        if !record.is_fresh(folder, tools) {
            return None;
        }
        let bytes = whole::read(&self.wasm, flowstone::COMPONENT_BYTES_MAX as u64).ok()?;
        record.is_of(&bytes).then_some(bytes)
    }

    /// Keeps a component. A kill in between leaves a record that does not fit, which is none.
    pub(super) fn keep(&self, bytes: &[u8], record: Option<&Record>) -> Result<(), Failure> {
        replace(&self.wasm, bytes)
            .map_err(|error| Failure::cannot(Kind::Machine, "write", &self.wasm, &error))?;
        // The record is only there for the next time: without it that builds again.
        let _ = match record {
            Some(record) => replace(&self.record, &record.for_component(bytes).to_bytes()),
            None => fs::remove_file(&self.record),
        };
        Ok(())
    }
}

/// Writes a file as a whole: whoever reads it sees the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced
}
