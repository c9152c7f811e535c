//! Which calls rows use, for questions that come in the order of the keys: a window of the keys in use at a time, found by
//! going through all lineage, so that memory stays bounded whatever the number of rows.

use flowstone_core::MemoKey;
use flowstone_store::{CollectionId, Snapshot, StoreError};

/// So many keys are held at once.
const WINDOW_KEYS_MAX: usize = 1 << 20;

/// The calls that rows use.
pub(super) struct InUse<'a> {
    snapshot: &'a Snapshot,
    collections: Vec<CollectionId>,
    /// The keys in use from the first one asked for, ascending.
    window: Vec<MemoKey>,
    /// Whether the window was filled, and whether it reaches to the last key.
    filled: bool,
    complete: bool,
    window_keys_max: usize,
}

impl<'a> InUse<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, collections: Vec<CollectionId>) -> Self {
        Self {
            snapshot,
            collections,
            window: Vec::new(),
            filled: false,
            complete: false,
            window_keys_max: WINDOW_KEYS_MAX,
        }
    }

    /// Whether some row uses this call. The keys must come in ascending order.
    pub(super) fn holds(&mut self, key: &MemoKey) -> Result<bool, StoreError> {
        let beyond = |window: &[MemoKey]| window.last().is_none_or(|last| key > last);
        if !self.filled || !self.complete && beyond(&self.window) {
            self.fill(key)?;
        }
        Ok(self.window.binary_search(key).is_ok())
    }

    /// Finds the first keys in use from `first` on.
    fn fill(&mut self, first: &MemoKey) -> Result<(), StoreError> {
        self.window.clear();
        self.filled = true;
        self.complete = true;
        for collection in &self.collections {
            for row in self.snapshot.lineages(*collection)? {
                let (_, lineage) = row?;
                for call in lineage.calls {
                    if call.key < *first {
                        continue;
                    }
                    self.window.push(call.key);
                    if self.window.len() >= 2 * self.window_keys_max {
                        self.complete &= !shorten(&mut self.window, self.window_keys_max);
                    }
                }
            }
        }
        self.complete &= !shorten(&mut self.window, self.window_keys_max);
        Ok(())
    }
}

/// Keeps the first keys, each once and sorted; whether some had to go.
fn shorten(window: &mut Vec<MemoKey>, keys_max: usize) -> bool {
    window.sort_unstable();
    window.dedup();
    let too_many = window.len() > keys_max;
    window.truncate(keys_max);
    too_many
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone_core::Fingerprint;
    use flowstone_store::{CallRecord, Lineage, RowHead, RowState, Store, StoreOptions};

    fn key(number: u32) -> MemoKey {
        MemoKey::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    #[test]
    fn a_small_window_sees_what_a_large_one_does() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a new store opens");
        let zero = Fingerprint::from_bytes([0; 32]);
        let head = RowHead {
            hint: Vec::new(),
            content: zero,
            flow: zero,
            state: RowState::Done,
        };
        store
            .write(|writer| {
                for row in 0..60u32 {
                    let calls = [row % 40, row + 100].map(|number| CallRecord {
                        transform: 0,
                        key: key(number),
                    });
                    let lineage = Lineage {
                        calls: calls.to_vec(),
                        ..Lineage::default()
                    };
                    let collection = CollectionId(1 + row % 2);
                    writer.put_row(collection, &row.to_be_bytes(), &head, &lineage)?;
                }
                Ok::<_, StoreError>(())
            })
            .expect("rows can be written");
        let snapshot = store.snapshot().expect("it can be read");
        let mut asked: Vec<(MemoKey, bool)> = (0..200)
            .map(|number| (key(number), number < 40 || (100..160).contains(&number)))
            .collect();
        asked.sort_unstable();
        for window_keys_max in [1, 7, 1000] {
            let collections = vec![CollectionId(1), CollectionId(2)];
            let mut in_use = InUse {
                window_keys_max,
                ..InUse::new(&snapshot, collections)
            };
            for (key, expected) in &asked {
                assert_eq!(in_use.holds(key).expect("it can be read"), *expected);
                assert!(in_use.window.len() <= window_keys_max);
            }
        }
    }
}
