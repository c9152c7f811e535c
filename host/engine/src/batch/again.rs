//! Trying again: rows of which a call says that it may go well later.
//!
//! The thread that waits for them leaves its seat, so that other rows are worked on meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use super::call::{Caller, Job, Made, Tried};
use super::{Batch, Halt};
use crate::answer::Again;
use crate::execute::STOP_CHECK;
use crate::stage::StageRun;

/// So many calls are made for a row in a run, at most.
const CALLS_MAX: u32 = 8;

/// So long a row is waited for in a run, at most: all its waits together.
const WAITS_MAX: Duration = Duration::from_mins(2);

/// A row is never called for again sooner.
const WAIT_MIN: Duration = Duration::from_millis(10);

/// A row that was not done at the first call.
struct Waiting {
    /// Its position among the rows.
    at: usize,
    due: Instant,
    wait: Duration,
}

/// What a row has been called and waited for.
#[derive(Clone, Copy, Default)]
struct Spent {
    calls: u32,
    /// The last wait.
    wait: Duration,
    waits: Duration,
}

impl Spent {
    /// How long to wait before the next call; none when there is to be none in this run. Each wait is at least twice the
    /// one before.
    fn next(&mut self, asked: Duration) -> Option<Duration> {
        self.calls += 1;
        let wait = asked.max(self.wait.saturating_mul(2)).max(WAIT_MIN);
        let waits = self.waits.saturating_add(wait);
        if self.calls >= CALLS_MAX || waits > WAITS_MAX {
            return None;
        }
        (self.wait, self.waits) = (wait, waits);
        Some(wait)
    }

    /// Why there is no further call, for people.
    fn reason(&self, again: &Again) -> String {
        let times = match self.calls {
            1 => "after the first call".to_owned(),
            calls => format!("after {calls} calls in {:.1} s", self.waits.as_secs_f64()),
        };
        format!(
            "{times} it still asks to be tried again, in {:.1} s: {}; the next run tries again",
            again.after.as_secs_f64(),
            again.reason
        )
    }
}

impl Batch<'_> {
    /// Calls for these rows, in parallel, and again for those that are to be tried again.
    pub(super) fn make_calls(&self, index: usize, jobs: &[Job]) -> Result<Vec<Made>, Halt> {
        let mut spent = vec![Spent::default(); jobs.len()];
        let mut made: Vec<Option<Made>> = jobs.iter().map(|_| None).collect();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut due: Vec<usize> = (0..jobs.len()).collect();
        while !due.is_empty() {
            let caller = Caller {
                batch: self,
                run: self.run,
                index,
                known: Instant::now(),
            };
            let these: Vec<&Job> = due.iter().map(|&at| &jobs[at]).collect();
            for (&at, tried) in due.iter().zip(caller.call(&these)?) {
                match tried {
                    Tried::Made(this) => made[at] = Some(this),
                    Tried::Again(again) => {
                        if let Some(wait) = spent[at].next(again.after) {
                            let due = Instant::now() + wait;
                            waiting.push(Waiting { at, due, wait });
                        } else {
                            let reason = spent[at].reason(&again);
                            made[at] = Some(caller.made(&jobs[at], Err(reason)));
                        }
                    }
                }
            }
            due = self.run.next_due(index, &mut waiting)?;
        }
        Ok(made.into_iter().flatten().collect())
    }
}

impl StageRun<'_> {
    /// Waits until rows are due, and takes them from those that wait: all that are due by then, and of a batched transform
    /// those that soon will be.
    fn next_due(&self, index: usize, waiting: &mut Vec<Waiting>) -> Result<Vec<usize>, Halt> {
        let Some(first) = waiting.iter().map(|waiting| waiting.due).min() else {
            return Ok(Vec::new());
        };
        let batch = self.stage.transforms[index].batch;
        // No row waits for others longer than it was to wait anyway.
        let gather = batch.map_or(Duration::ZERO, |batch| batch.wait);
        let until = waiting
            .iter()
            .map(|row| row.due + gather.min(row.wait))
            .min();
        let until = until.unwrap_or(first);
        self.seats.leave(|| self.sleep(until))?;
        let due = waiting.extract_if(.., |row| row.due <= until);
        Ok(due.map(|row| row.at).collect())
    }

    fn sleep(&self, until: Instant) -> Result<(), Halt> {
        loop {
            if self.stop.is_set() {
                return Err(Halt::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(STOP_CHECK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_never_shorter_than_asked() {
        let mut spent = Spent::default();
        let asked = [5, 5, 5, 100].map(Duration::from_millis);
        let waits = asked.map(|asked| spent.next(asked));
        assert_eq!(
            waits,
            [10, 20, 40, 100].map(|ms| Some(Duration::from_millis(ms)))
        );
    }

    #[test]
    fn calls_and_waits_have_a_bound() {
        let mut spent = Spent::default();
        let waits = (0..).map_while(|_| spent.next(Duration::ZERO)).count();
        assert_eq!(waits as u32 + 1, CALLS_MAX);
        let mut spent = Spent::default();
        let waits: Vec<_> = (0..)
            .map_while(|_| spent.next(Duration::from_secs(30)))
            .collect();
        assert_eq!(waits, [30, 60].map(Duration::from_secs));
        assert_eq!(Spent::default().next(Duration::MAX), None);
    }
}
