//! Measures of a transform's calls: how many, how long, for how many rows, and how long these waited.
//!
//! Counters and fixed buckets, added to without locks: a call takes microseconds, and measuring it nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::report::{Latency, Queue, RowsPerCall, TransformCounts};

/// What the threads of a run count for a transform.
#[derive(Default)]
pub(crate) struct Meter {
    /// Rows that were called for.
    pub(crate) called: AtomicU64,
    /// Rows whose result was remembered.
    pub(crate) reused: AtomicU64,
    /// Rows that failed.
    pub(crate) failed: AtomicU64,
    calls: AtomicU64,
    nanoseconds: AtomicU64,
    rows: AtomicU64,
    rows_max: AtomicU64,
    queue_ns: AtomicU64,
    queue_ns_max: AtomicU64,
    latency: Histogram,
}

impl Meter {
    /// Notes a call for so many rows, which they waited for since their results were known to be missing.
    pub(crate) fn call(&self, rows: usize, time: Duration, queued: Duration) {
        let (time_ns, queued_ns) = (nanoseconds(time), nanoseconds(queued));
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(time_ns, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.rows_max.fetch_max(rows as u64, Ordering::Relaxed);
        self.queue_ns.fetch_add(queued_ns, Ordering::Relaxed);
        self.queue_ns_max.fetch_max(queued_ns, Ordering::Relaxed);
        self.latency.add(time_ns);
    }

    /// Takes what it has come to; it begins at zero again.
    pub(crate) fn take(&self) -> Measures {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Measures {
            called: take(&self.called),
            reused: take(&self.reused),
            failed: take(&self.failed),
            calls: take(&self.calls),
            nanoseconds: take(&self.nanoseconds),
            rows: take(&self.rows),
            rows_max: take(&self.rows_max),
            queue_ns: take(&self.queue_ns),
            queue_ns_max: take(&self.queue_ns_max),
            latency: self.latency.0.iter().map(take).collect(),
        }
    }
}

/// What a meter has come to.
#[derive(Default)]
pub(crate) struct Measures {
    called: u64,
    reused: u64,
    failed: u64,
    calls: u64,
    nanoseconds: u64,
    rows: u64,
    rows_max: u64,
    queue_ns: u64,
    queue_ns_max: u64,
    /// How many calls each bucket has; none before the first.
    latency: Vec<u64>,
}

impl Measures {
    /// Adds what came later.
    pub(crate) fn add(&mut self, more: &Measures) {
        let sums = [
            (&mut self.called, more.called),
            (&mut self.reused, more.reused),
            (&mut self.failed, more.failed),
            (&mut self.calls, more.calls),
            (&mut self.nanoseconds, more.nanoseconds),
            (&mut self.rows, more.rows),
            (&mut self.queue_ns, more.queue_ns),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        self.rows_max = self.rows_max.max(more.rows_max);
        self.queue_ns_max = self.queue_ns_max.max(more.queue_ns_max);
        self.latency.resize(BUCKETS, 0);
        for (sum, more) in self.latency.iter_mut().zip(&more.latency) {
            *sum += more;
        }
    }

    /// The figures. What stands for the code is left to be filled in.
    pub(crate) fn counts(&self) -> TransformCounts {
        let seconds = self.nanoseconds as f64 / 1e9;
        let calls = self.calls;
        let per_call = |sum: f64| if calls == 0 { 0.0 } else { sum / calls as f64 };
        let rows = self.rows;
        let [p50, p95, p99] = quantiles(&self.latency, [0.50, 0.95, 0.99]);
        TransformCounts {
            called: self.called,
            reused: self.reused,
            failed: self.failed,
            calls,
            seconds,
            latency: Latency { p50, p95, p99 },
            rows_per_call: RowsPerCall {
                mean: per_call(rows as f64),
                max: self.rows_max,
            },
            rows_per_second: if seconds > 0.0 {
                rows as f64 / seconds
            } else {
                0.0
            },
            queue: Queue {
                mean: per_call(self.queue_ns as f64 / 1e9),
                max: self.queue_ns_max as f64 / 1e9,
            },
            ..TransformCounts::default()
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Every power of two is cut into so many buckets (as a power of two): what is read is off by 1/32 at most.
const PARTS_LOG2: u32 = 4;
const PARTS: usize = 1 << PARTS_LOG2;
const BUCKETS: usize = (64 - PARTS_LOG2 as usize + 1) * PARTS;

/// How often which time was taken, in buckets whose width grows with the time.
struct Histogram(Box<[AtomicU64]>);

impl Default for Histogram {
    fn default() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Histogram {
    fn add(&self, number: u64) {
        self.0[bucket(number)].fetch_add(1, Ordering::Relaxed);
    }
}

/// The times, in seconds, that these shares of all do not exceed; zeros when there are none.
fn quantiles<const N: usize>(buckets: &[u64], shares: [f64; N]) -> [f64; N] {
    let total: u64 = buckets.iter().sum();
    shares.map(|share| {
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let reached = buckets.iter().position(|count| {
            below += count;
            below >= rank
        });
        reached.map_or(0.0, |bucket| middle(bucket) / 1e9)
    })
}

fn bucket(number: u64) -> usize {
    let Some(power) = number.checked_ilog2().filter(|power| *power >= PARTS_LOG2) else {
        return number as usize;
    };
    let shift = power - PARTS_LOG2;
    let part = (number >> shift) as usize - PARTS;
    (shift as usize + 1) * PARTS + part
}

/// The middle of a bucket.
fn middle(bucket: usize) -> f64 {
    if bucket < 2 * PARTS {
        return bucket as f64;
    }
    let width = 2f64.powi((bucket / PARTS - 1) as i32);
    ((bucket % PARTS + PARTS) as f64 + 0.5) * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_the_bucket_that_it_is_read_from() {
        let mut last = 0;
        for power in 0..64 {
            for number in [
                1u64 << power,
                (1 << power) + (1 << power) / 3,
                u64::MAX >> (63 - power),
            ] {
                let at = bucket(number);
                assert!(at >= last && at < BUCKETS, "{number} is in {at}");
                last = at;
                let off = (middle(at) - number as f64).abs() / number as f64;
                assert!(
                    off <= 1.0 / 32.0 + 1e-9,
                    "{number} is read as {}",
                    middle(at)
                );
            }
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        assert!(quantiles(&[], [0.5])[0] < f64::EPSILON);
        let meter = Meter::default();
        for number in 1..=1000 {
            meter.call(1, Duration::from_millis(number), Duration::ZERO);
        }
        let shares = [0.5, 0.95, 0.99];
        for (found, expected) in quantiles(&meter.take().latency, shares).iter().zip(shares) {
            assert!(
                (found - expected).abs() < expected / 30.0,
                "{found} for {expected}"
            );
        }
    }

    #[test]
    fn calls_rows_and_waits_are_counted() {
        let meter = Meter::default();
        assert_eq!(meter.take().counts(), TransformCounts::default());
        meter.call(10, Duration::from_millis(2), Duration::from_millis(1));
        meter.call(30, Duration::from_millis(2), Duration::from_millis(3));
        let counts = meter.take().counts();
        assert_eq!(counts.calls, 2);
        assert_eq!(
            counts.rows_per_call,
            RowsPerCall {
                mean: 20.0,
                max: 30
            }
        );
        assert_eq!(
            counts.queue,
            Queue {
                mean: 0.002,
                max: 0.003
            }
        );
        assert!((counts.rows_per_second - 10_000.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_taken_in_parts_adds_up_to_the_whole() {
        let (meter, whole) = (Meter::default(), Meter::default());
        let mut sum = Measures::default();
        for part in [[3, 50], [7, 20], [1, 1]] {
            for rows in part {
                let (time, queued) = (Duration::from_millis(rows), Duration::from_micros(rows));
                meter.call(rows as usize, time, queued);
                whole.call(rows as usize, time, queued);
            }
            sum.add(&meter.take());
        }
        assert_eq!(meter.take().counts(), TransformCounts::default());
        assert_eq!(sum.counts(), whole.take().counts());
    }
}
