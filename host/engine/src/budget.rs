//! The memory budget: how many bytes of values may be in flight between a source and its targets.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes that can be taken and are given back when the permit is dropped.
pub(crate) struct Budget {
    limit: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Bytes taken from a [`Budget`].
pub(crate) struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: Mutex::new(0),
            freed: Condvar::new(),
        })
    }

    /// Takes `bytes`, waiting until they are free. What is more than the whole budget waits until it is alone.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Permit {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && used.saturating_add(bytes) > self.limit {
            used = self
                .freed
                .wait(used)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *used = used.saturating_add(bytes);
        Permit {
            budget: Arc::clone(self),
            bytes,
        }
    }
}

impl Permit {
    /// The part of the whole budget that it holds.
    pub(crate) fn share(&self) -> f64 {
        self.bytes as f64 / self.budget.limit.max(1) as f64
    }

    /// Holds what another permit of the same budget held.
    pub(crate) fn append(&mut self, mut other: Permit) {
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut other.bytes));
    }

    /// Notes that the work turned out to hold more. It is not kept waiting for that: whoever comes next is.
    pub(crate) fn grow(&mut self, bytes: u64) {
        let mut used = self
            .budget
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = self
            .budget
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(self.bytes);
        drop(used);
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_waits_and_what_never_fits_goes_alone() {
        let budget = Budget::new(100);
        let first = budget.take(80);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| budget.take(500));
            drop(first);
            let second = second.join().expect("the thread does not panic");
            assert_eq!(*budget.used.lock().expect("not poisoned"), 500);
            drop(second);
        });
        assert_eq!(*budget.used.lock().expect("not poisoned"), 0);
    }
}
