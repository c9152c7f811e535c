//! Entries that the index does not have yet. Hashes are all over the index, so that each of them changes a page of its
//! own where the index is large; many at once, in order, change a page once.
//!
//! What a process that was cut off had not entered waits again once the store is opened: a meta entry tells from which
//! number on records may have no entry. It is there only while there are such, and what it tells is trusted for no more than
//! that: an entry that the index lacks is a miss.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::tables::HalfBytes;

/// The numbers of records, by the halves of their hashes.
pub(crate) type Entries = HashMap<HalfBytes, u64>;

/// So many entries of a log wait at most, which takes 3 MB. Tests let few wait, so that they come to where there are more.
pub(crate) const DEFERRED_MAX: usize = if cfg!(test) { 8 } else { 112 * 1024 };

/// And of so many bytes of records at most: those of a process that was cut off are read again.
pub(crate) const DEFERRED_BYTES_MAX: usize = 64 << 20;

/// Committed entries that wait. A snapshot keeps those of its time, however many of them enter the index later; more may
/// come to them, whose numbers are higher than any that it knows.
#[derive(Default)]
pub(crate) struct Deferred(RwLock<Waiting>);

/// Entries, and how many bytes their records have.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) entries: Entries,
    pub(crate) bytes: usize,
}

impl Deferred {
    pub(crate) fn get(&self, half: &HalfBytes) -> Option<u64> {
        self.waiting().entries.get(half).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting().entries.len()
    }

    /// How many bytes their records have.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting().bytes
    }

    /// All of them, in no order.
    pub(crate) fn to_vec(&self) -> Vec<(HalfBytes, u64)> {
        let waiting = self.waiting();
        let entries = waiting.entries.iter();
        entries.map(|(half, number)| (*half, *number)).collect()
    }

    fn add(&self, more: Waiting) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.entries.extend(more.entries);
        waiting.bytes = waiting.bytes.saturating_add(more.bytes);
    }

    fn waiting(&self) -> RwLockReadGuard<'_, Waiting> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
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

    /// Lets more wait.
    pub(crate) fn add(&self, more: Waiting) {
        self.deferred().add(more);
    }

    fn after(&self, change: Option<TailChange>) {
        match change {
            Some(TailChange::Deferred(more)) => self.add(more),
            Some(TailChange::Entered) => {
                let mut deferred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                drop(mem::take(&mut *deferred));
            }
            None => {}
        }
    }
}

impl Tails {
    /// Those that wait in each, the results first.
    pub(crate) fn deferred(&self) -> [Arc<Deferred>; 2] {
        [self.memo.deferred(), self.object.deferred()]
    }

    /// Whether these are still those that wait.
    pub(crate) fn are(&self, deferred: &[Arc<Deferred>; 2]) -> bool {
        let now = self.deferred();
        now.iter()
            .zip(deferred)
            .all(|(now, then)| Arc::ptr_eq(now, then))
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
    Deferred(Waiting),
    /// The index has them all.
    Entered,
}

/// What a transaction does to those of both logs.
#[derive(Default)]
pub(crate) struct TailChanges {
    pub(crate) memo: Option<TailChange>,
    pub(crate) object: Option<TailChange>,
}
