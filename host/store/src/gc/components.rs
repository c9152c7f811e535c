//! Removing what is kept of components that no recipe names, from tables whose keys begin with a component's digest.

use std::ops::Bound;

use flowstone_core::ComponentDigest;
use redb::{Key, ReadTransaction, ReadableTable};

use super::state::State;
use super::{Job, marks};
use crate::error::StoreError;
use crate::place::Place;
use crate::read::READ;
use crate::slots::{Session, Slot};
use crate::tables::{Half, TableSpec};

/// The bytes of the file that a record is of, by the bytes of its key and its own.
pub(crate) type FileOf = fn(&[u8], &[u8]) -> u64;

/// What a chunk of such a table came to.
#[derive(Default)]
pub(super) struct Removed {
    /// The keys of what goes.
    pub(super) keys: Vec<Vec<u8>>,
    /// The bytes of the files of all, and of those that go.
    pub(super) files: u64,
    pub(super) dead_files: u64,
    /// The bytes of the records that go.
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) cursor: Option<Vec<u8>>,
}

/// Removes what a chunk of the table keeps of components without a mark. The files are left to the caller.
pub(super) fn sweep_components<'txn, K: Key + 'static>(
    job: Job<'_>,
    session: Session<'txn>,
    (slot, marked): (&mut Slot<'txn, K>, &mut Slot<'txn, Half>),
    state: &State,
    file_of: FileOf,
) -> Result<Removed, StoreError> {
    let place = session.place;
    let read = |error| place.redb(READ, error);
    let marked = &*marked.open(session)?;
    let mut removed = Removed::default();
    let cursor = state.cursor.as_deref().filter(|key| is_key::<K>(key));
    let lower = cursor.map_or(Bound::Unbounded, |key| Bound::Excluded(K::from_bytes(key)));
    let table = slot.open(session)?;
    let mut bytes = 0;
    for entry in table
        .range::<K::SelfType<'_>>((lower, Bound::Unbounded))
        .map_err(read)?
    {
        let (key, stored) = entry.map_err(read)?;
        let (key, stored) = (K::as_bytes(&key.value()).as_ref().to_vec(), stored.value());
        let file = file_of(&key, stored);
        removed.files += file;
        removed.records += 1;
        bytes += stored.len();
        // A key that begins with no digest is nobody's.
        let is_live = match key.first_chunk().copied() {
            Some(digest) => {
                let mark = marked.get(&marks::half(&digest)).map_err(read)?;
                let digest = ComponentDigest::from_bytes(digest);
                mark.is_some() || job.policy.live_components.contains(&digest)
            }
            None => false,
        };
        let is_full = removed.records >= job.limits.records as u64 || bytes >= job.limits.bytes;
        removed.cursor = is_full.then(|| key.clone());
        if !is_live {
            removed.dead_files += file;
            removed.bytes += (key.len() + stored.len()) as u64;
            removed.keys.push(key);
        }
        if is_full {
            break;
        }
    }
    if !job.policy.dry_run {
        for key in &removed.keys {
            slot.remove(session, K::from_bytes(key))?;
        }
    }
    Ok(removed)
}

/// Whether these bytes can be a key of such a table at all.
fn is_key<K: Key>(bytes: &[u8]) -> bool {
    K::fixed_width().is_none_or(|width| bytes.len() == width)
}

/// The bytes of all files that such a table has records of.
pub(crate) fn all_files<K: Key + 'static>(
    place: &Place,
    transaction: &ReadTransaction,
    spec: &TableSpec<K>,
    file_of: FileOf,
) -> Result<u64, StoreError> {
    let table = transaction
        .open_table(spec.definition)
        .map_err(|error| place.redb(READ, error))?;
    let mut files = 0;
    for entry in table.iter().map_err(|error| place.redb(READ, error))? {
        let (key, stored) = entry.map_err(|error| place.redb(READ, error))?;
        files += file_of(K::as_bytes(&key.value()).as_ref(), stored.value());
    }
    Ok(files)
}
