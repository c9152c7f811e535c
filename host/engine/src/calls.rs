//! Calls in flight: no two rows of a round call the same function with the same arguments.
//!
//! A batch claims the keys that nobody remembers; another batch that needs one of them waits for the result. Results
//! stay here until the batch that made them is committed and the store remembers them. Nobody waits while holding an
//! unfinished claim, so waiting cannot go in circles.

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use flowstone_core::MemoKey;
use rustc_hash::FxHashMap;

use crate::answer::Answer;

/// What a call came to: an answer, or a failure that is never remembered, such as a trap.
pub(crate) type Called = Result<Arc<Answer>, Arc<str>>;

enum Slot {
    Running,
    Done(Called),
}

/// What became of a claim.
pub(crate) enum Claim {
    /// The caller has to make the call, and to [`Calls::finish`] or [`Calls::abandon`] it.
    Mine,
    /// Somebody else is at it: [`Calls::wait`].
    Running,
    /// It has been made.
    Done(Called),
}

#[derive(Default)]
struct State {
    slots: FxHashMap<MemoKey, Slot>,
    /// How many threads wait for a result.
    waiting: usize,
}

/// The calls of a run that are being made, or made and not yet committed.
#[derive(Default)]
pub(crate) struct Calls {
    state: Mutex<State>,
    /// Signalled where somebody waits.
    changed: Condvar,
    aborted: AtomicBool,
}

impl Calls {
    // A panic in another thread leaves the map whole: every change to it is one insertion or removal.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a change. Waking nobody takes a system call as well.
    fn tell(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Begins a round: what failed in the last one may go well now.
    pub(crate) fn begin(&self) {
        self.state().slots.clear();
    }

    /// Claims all the keys at once.
    pub(crate) fn claim(&self, keys: &[MemoKey]) -> Vec<Claim> {
        let slots = &mut self.state().slots;
        let claim = |key: &MemoKey| match slots.entry(*key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot::Running);
                Claim::Mine
            }
            Entry::Occupied(slot) => match slot.get() {
                Slot::Running => Claim::Running,
                Slot::Done(called) => Claim::Done(called.clone()),
            },
        };
        keys.iter().map(claim).collect()
    }

    /// Hands in the result of a claim.
    pub(crate) fn finish(&self, key: MemoKey, called: Called) {
        let mut state = self.state();
        state.slots.insert(key, Slot::Done(called));
        self.tell(&state);
    }

    /// Forgets the answers that the store remembers by now. Failures, which it never remembers, stand for this round.
    pub(crate) fn settle(&self, keys: &[MemoKey]) {
        let mut state = self.state();
        for key in keys {
            if let Entry::Occupied(slot) = state.slots.entry(*key)
                && matches!(slot.get(), Slot::Done(Ok(_)))
            {
                slot.remove();
            }
        }
        self.tell(&state);
    }

    /// Gives claims back unfinished.
    pub(crate) fn forget(&self, keys: &[MemoKey]) {
        let mut state = self.state();
        for key in keys {
            state.slots.remove(key);
        }
        self.tell(&state);
    }

    /// Lets nobody wait any longer: whoever was to hand in a result may be gone.
    pub(crate) fn abort(&self) {
        let state = self.state();
        self.aborted.store(true, Ordering::Release);
        self.tell(&state);
    }

    /// Waits for the result of somebody else's claim; none when they gave it back, or it has been committed since.
    pub(crate) fn wait(&self, key: &MemoKey) -> Option<Called> {
        let mut state = self.state();
        loop {
            if self.aborted.load(Ordering::Acquire) {
                return Some(Err("the run was aborted".into()));
            }
            match state.slots.get(key)? {
                Slot::Done(called) => return Some(called.clone()),
                Slot::Running => {
                    state.waiting += 1;
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                    state.waiting -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_waits_for_the_first() {
        let calls = Calls::default();
        let key = MemoKey::from_bytes([1; 32]);
        assert!(matches!(calls.claim(&[key])[0], Claim::Mine));
        assert!(matches!(calls.claim(&[key])[0], Claim::Running));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| calls.wait(&key));
            calls.finish(key, Err("trap".into()));
            assert!(matches!(waiting.join(), Ok(Some(Err(_)))));
        });
        calls.settle(&[key]);
        assert!(matches!(calls.claim(&[key])[0], Claim::Done(_)));
        calls.forget(&[key]);
        assert!(calls.wait(&key).is_none());
        assert!(matches!(calls.claim(&[key])[0], Claim::Mine));
    }
}
