//! Seats: so many micro-batches are worked on at once. One that only waits leaves its seat to another.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The seats of a run.
pub(crate) struct Seats {
    /// How many are free. Below zero while some came back from a wait sooner than others left.
    free: Mutex<isize>,
    freed: Condvar,
}

/// A seat, given back when dropped.
pub(crate) struct Seat<'a>(&'a Seats);

impl Seats {
    pub(crate) fn new(seats: usize) -> Self {
        Self {
            free: Mutex::new(isize::try_from(seats.max(1)).unwrap_or(isize::MAX)),
            freed: Condvar::new(),
        }
    }

    // A panic in another thread leaves the number whole.
    fn free(&self) -> MutexGuard<'_, isize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, waiting for one to become free.
    pub(crate) fn take(&self) -> Seat<'_> {
        let mut free = self.free();
        while *free <= 0 {
            free = (self.freed.wait(free)).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Seat(self)
    }

    /// Leaves a seat that was taken while `wait` runs. It is taken back without waiting: others may wait for what whoever
    /// comes back is about to do.
    pub(crate) fn leave<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.give_back();
        let waited = wait();
        *self.free() -= 1;
        waited
    }

    fn give_back(&self) {
        *self.free() += 1;
        self.freed.notify_one();
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn whoever_waits_leaves_the_seat_to_another() {
        let seats = Seats::new(1);
        let _seat = seats.take();
        // Would never end if the only seat were kept.
        seats.leave(|| thread::scope(|scope| drop(scope.spawn(|| drop(seats.take())).join())));
        assert_eq!(*seats.free(), 0);
    }

    #[test]
    fn coming_back_does_not_wait() {
        let seats = Seats::new(1);
        let first = seats.take();
        let second = seats.leave(|| seats.take());
        assert_eq!(*seats.free(), -1);
        drop((first, second));
        assert_eq!(*seats.free(), 1);
    }
}
