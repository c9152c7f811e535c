//! Many rows in one call: how rows are put together, and how the rows that bring a call down are found.
//!
//! A call that traps or goes over a limit says nothing of its rows. It is halved, and each half called again, until what
//! brings it down stands alone: at most two calls for each halving, so `2 log2(n)` more for one such row among `n`.

use std::ops::Range;
use std::time::Duration;

use flowstone_core::Value;
use flowstone_sandbox::{CallError, FailureKind};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::Halt;
use super::call::{Caller, Job, Tried, together};
use crate::lists::Lists;

/// So few rows are not put into several calls only to give every thread work.
const ROWS_MIN: usize = 4;

impl Caller<'_> {
    /// Calls once for these rows, many at a time.
    pub(super) fn call_lists(&self, lists: &Lists, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        let call = |part: &Range<usize>| {
            let jobs = &jobs[part.clone()];
            for job in jobs {
                self.will_call(job);
            }
            self.call_list(lists, jobs)
        };
        let parts = self.cut(lists, jobs);
        match &*parts {
            [part] => call(part),
            parts => together((self.run.pool).install(|| parts.par_iter().map(call).collect())),
        }
    }

    /// Cuts the rows into calls: as even as can be, none with more than the flow allows, and enough for all threads.
    fn cut(&self, lists: &Lists, jobs: &[&Job]) -> Vec<Range<usize>> {
        let transform = &self.run.stage.transforms[self.index];
        let settings = transform.batch.unwrap_or_default();
        let parts = self.run.counters.parts();
        let rows_max = (settings.rows_max as usize).max(1);
        let sizes = jobs.iter().map(|job| lists.bytes(&job.arguments));
        cut(sizes, rows_max, settings.bytes_max, parts)
    }

    /// Calls once for all these rows. When that fails, the rows are halved.
    fn call_list(&self, lists: &Lists, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        let rows: Vec<&[Value]> = jobs.iter().map(|job| &*job.arguments).collect();
        // No seed: see `StageRun::world`.
        let (arguments, world) = (
            lists.arguments(&rows),
            self.run.world(self.index, &[], None),
        );
        let (returned, time) = self.invoke(rows.len(), |callable, limits| {
            callable.call(&arguments, limits, world)
        })?;
        let cost = time / u32::try_from(rows.len()).unwrap_or(u32::MAX).max(1);
        let returned = match returned {
            Err(error) if rows.len() > 1 && is_of_rows(&error) => return self.halve(lists, jobs),
            Err(error) => Err(error.reason),
            Ok(value) => lists.results(&value, rows.len()),
        };
        Ok(match returned {
            Ok(values) => {
                let each = jobs.iter().zip(values);
                each.map(|(job, value)| self.tried(job, Ok(value), cost))
                    .collect()
            }
            Err(reason) => self.all_failed(jobs, &reason),
        })
    }

    fn halve(&self, lists: &Lists, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        let (first, second) = jobs.split_at(jobs.len() / 2);
        // They have waited since before the first attempt.
        let call = |half| self.call_list(lists, half);
        let (first, second) =
            (self.run.pool).install(|| rayon::join(|| call(first), || call(second)));
        let mut tried = first?;
        tried.extend(second?);
        Ok(tried)
    }

    fn all_failed(&self, jobs: &[&Job], reason: &str) -> Vec<Tried> {
        let failed = |job: &&Job| self.tried(job, Err(reason.to_owned()), Duration::ZERO);
        jobs.iter().map(failed).collect()
    }
}

/// Whether a call may have failed because of one of its rows, or because they are too many.
fn is_of_rows(error: &CallError) -> bool {
    !matches!(
        error.kind,
        FailureKind::Host | FailureKind::ArgumentMismatch
    )
}

/// Cuts rows of these sizes into at least `parts` parts where there are enough, none larger than the limits but for a
/// row that alone has more bytes.
fn cut(
    sizes: impl ExactSizeIterator<Item = u64>,
    rows_max: usize,
    bytes_max: u64,
    parts: usize,
) -> Vec<Range<usize>> {
    let count = sizes.len();
    let wanted = count.div_ceil(parts.max(1)).max(ROWS_MIN).min(rows_max);
    let parts = count.div_ceil(wanted).max(1);
    let rows = count.div_ceil(parts);
    let (mut cuts, mut start, mut bytes) = (Vec::with_capacity(parts), 0, 0u64);
    for (at, size) in sizes.enumerate() {
        let is_full = at - start >= rows || bytes.saturating_add(size) > bytes_max;
        if is_full && at > start {
            cuts.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes = bytes.saturating_add(size);
    }
    if start < count {
        cuts.push(start..count);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lengths(sizes: &[u64], rows_max: usize, bytes_max: u64, parts: usize) -> Vec<usize> {
        let cuts = cut(sizes.iter().copied(), rows_max, bytes_max, parts);
        cuts.into_iter().map(|cut| cut.len()).collect()
    }

    #[test]
    fn rows_are_cut_evenly_and_for_all_threads() {
        assert_eq!(lengths(&[1; 500], 500, 1 << 20, 1), [500]);
        assert_eq!(
            lengths(&[1; 500], 64, 1 << 20, 1),
            [63, 63, 63, 63, 63, 63, 63, 59]
        );
        assert_eq!(lengths(&[1; 65], 64, 1 << 20, 1), [33, 32]);
        assert_eq!(lengths(&[1; 64], 64, 1 << 20, 4), [16; 4]);
        assert_eq!(lengths(&[1; 5], 64, 1 << 20, 8), [3, 2]);
        assert_eq!(lengths(&[], 64, 1 << 20, 8), [0; 0]);
    }

    #[test]
    fn a_row_that_alone_is_too_large_goes_alone() {
        assert_eq!(lengths(&[3, 3, 99, 3, 3, 3], 64, 10, 1), [2, 1, 3]);
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_part_within_the_limits(
            sizes in prop::collection::vec(0u64..100, 0..300),
            rows_max in 1usize..80,
            bytes_max in 1u64..400,
            parts in 1usize..9,
        ) {
            let cuts = cut(sizes.iter().copied(), rows_max, bytes_max, parts);
            let all: Vec<usize> = cuts.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for cut in cuts {
                let bytes: u64 = sizes[cut.clone()].iter().sum();
                prop_assert!(cut.len() <= rows_max);
                prop_assert!(bytes <= bytes_max || cut.len() == 1);
            }
        }
    }
}
