//! Reading what the store knows in key order, chunk by chunk: no snapshot is held while rows are worked on, which would keep
//! the space of all that is written over meanwhile from being used again.

use flowstone_store::{Snapshot, Store, StoreError};

/// So many records are read from one snapshot.
const CHUNK: usize = 1024;

/// Records in the order of their keys. Those behind the last that was read are read as they are then.
pub(crate) struct Chunks<'s, T, R> {
    store: &'s Store,
    /// Reads records: from the first on, or behind a key.
    read: R,
    key: fn(&T) -> &[u8],
    after: Option<Vec<u8>>,
    chunk: std::vec::IntoIter<T>,
    is_done: bool,
}

impl<'s, T, R, I> Chunks<'s, T, R>
where
    R: FnMut(&Snapshot, Option<&[u8]>) -> Result<I, StoreError>,
    I: Iterator<Item = Result<T, StoreError>>,
{
    pub(crate) fn new(store: &'s Store, key: fn(&T) -> &[u8], read: R) -> Self {
        Self {
            store,
            read,
            key,
            after: None,
            chunk: Vec::new().into_iter(),
            is_done: false,
        }
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        let snapshot = self.store.snapshot()?;
        let records = (self.read)(&snapshot, self.after.as_deref())?;
        let chunk: Vec<T> = records.take(CHUNK).collect::<Result<_, _>>()?;
        self.is_done = chunk.len() < CHUNK;
        self.after = chunk.last().map(|last| (self.key)(last).to_vec());
        self.chunk = chunk.into_iter();
        Ok(())
    }
}

impl<T, R, I> Iterator for Chunks<'_, T, R>
where
    R: FnMut(&Snapshot, Option<&[u8]>) -> Result<I, StoreError>,
    I: Iterator<Item = Result<T, StoreError>>,
{
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.chunk.next() {
            return Some(Ok(record));
        }
        if self.is_done {
            return None;
        }
        if let Err(error) = self.fill() {
            self.is_done = true;
            return Some(Err(error));
        }
        self.chunk.next().map(Ok)
    }
}
