//! What tells the rows of a target apart.

use flowstone_connect::{RowError, TargetKeys};
use flowstone_core::{Fingerprint, Value, to_wave};
use flowstone_store::KEY_BYTES_MAX;

use crate::answer::said;
use crate::batch::{Batch, Failure, Halt};

/// The key that a target knows a row by.
pub(super) fn key_of(keys: &dyn TargetKeys, values: &[Value]) -> Result<Vec<u8>, Failure> {
    let failed = |reason: String, retry: bool| Failure {
        reason: said(reason),
        retry,
    };
    let key = keys.key(values).map_err(|error| match error {
        RowError::Failed { reason, retry } => failed(reason, retry),
        RowError::Vanished => failed("it is gone".to_owned(), true),
    })?;
    if key.len() > KEY_BYTES_MAX {
        let reason = format!(
            "its key takes {} bytes, and {KEY_BYTES_MAX} is the most",
            key.len()
        );
        return Err(failed(reason, false));
    }
    Ok(key)
}

/// Under this, the fingerprints of key columns make the identity of a target row.
pub(super) const KEY_COLUMNS: Fingerprint =
    Fingerprint::from_bytes(*b"flowstone 2026 key of target row");

/// Where a row stands below its root row, as a fingerprint.
pub(super) fn place(origin: &[u32]) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 place of a row");
    for position in origin {
        hasher.update(&position.to_le_bytes());
    }
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}

/// Sixteen bytes are plenty to tell the rows that one root row gives to a target apart.
pub(crate) fn digest(what: &Fingerprint, prints: impl Iterator<Item = Fingerprint>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(what.as_bytes());
    for print in prints {
        hasher.update(print.as_bytes());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    half
}

impl Batch<'_> {
    /// Why a root row fails that gives two target rows with one key.
    pub(super) fn same_key(&mut self, target: usize, row: usize) -> Result<String, Halt> {
        let target = self.run.stage.output(target);
        let mut text = Vec::new();
        for &position in &target.spec.key {
            let column = &target.columns[position];
            if let Ok(value) = self.value(column, target.collection, row)? {
                text.push(format!(
                    "{} = {}",
                    target.spec.columns[position].name,
                    to_wave(&value, &column.ty)
                ));
            }
        }
        Ok(format!(
            "two of its rows have the same key in target `{}`: {}",
            target.name,
            text.join(", ")
        ))
    }
}
