//! Entries that the index does not have yet. Hashes are all over the index, so that each of them changes a page of its
//! own where the index is large; many at once, in order, change a page once.
//!
//! What a process that was cut off had not entered, the next one enters on opening: a meta entry tells from which number
//! on records may have no entry. It is there only while there are such, and what it tells is trusted for no more than that:
//! an entry that the index lacks is a miss.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::tables::HalfBytes;

/// The numbers of records, by the halves of their hashes.
pub(crate) type Entries = HashMap<HalfBytes, u64>;

/// So many entries wait at most: they take 3 MB, and reading as many records again is a matter of a moment. Tests let few
/// wait, so that they come to where there are more.
pub(crate) const DEFERRED_MAX: usize = if cfg!(test) { 24 } else { 112 * 1024 };

/// Committed entries that wait. A snapshot keeps those of its time, however many of them enter the index later.
#[derive(Default)]
pub(crate) struct Deferred(RwLock<Entries>);

impl Deferred {
    pub(crate) fn get(&self, half: &HalfBytes) -> Option<u64> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(half).copied()
    }

    pub(crate) fn len(&self) -> usize {
        (self.0.read().unwrap_or_else(PoisonError::into_inner)).len()
    }

    /// All of them, in no order.
    pub(crate) fn to_vec(&self) -> Vec<(HalfBytes, u64)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .map(|(half, number)| (*half, *number))
            .collect()
    }
}

/// The entries of one log that wait.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Arc<Deferred>>);

/// Those of both logs.
#[derive(Default)]
pub(crate) struct Tails {
    pub(crate) memo: Tail,
    pub(crate) object: Tail,
}

impl Tail {
    /// Those that wait now, and those that come to them until they enter the index.
    pub(crate) fn deferred(&self) -> Arc<Deferred> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn after(&self, change: Option<TailChange>) {
        let mut deferred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Some(TailChange::Deferred(entries)) => {
                let mut all = deferred.0.write().unwrap_or_else(PoisonError::into_inner);
                all.extend(entries);
            }
            Some(TailChange::Entered) => drop(mem::take(&mut *deferred)),
            None => {}
        }
    }
}

impl Tails {
    /// Those that wait in each, the results first.
    pub(crate) fn deferred(&self) -> [Arc<Deferred>; 2] {
        [self.memo.deferred(), self.object.deferred()]
    }

    /// Whether none wait.
    pub(crate) fn are_empty(&self) -> bool {
        self.deferred().iter().all(|deferred| deferred.len() == 0)
    }

    /// Goes on from what a transaction did that is committed.
    pub(crate) fn after(&self, changes: TailChanges) {
        let TailChanges { memo, object } = changes;
        self.memo.after(memo);
        self.object.after(object);
    }
}

/// What a transaction does to the entries of a log that wait.
pub(crate) enum TailChange {
    /// These are to wait as well.
    Deferred(Entries),
    /// The index has them all.
    Entered,
}

/// What a transaction does to those of both logs.
#[derive(Default)]
pub(crate) struct TailChanges {
    pub(crate) memo: Option<TailChange>,
    pub(crate) object: Option<TailChange>,
}
