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

    /// What it has come to. What stands for the code is left to be filled in.
    pub(crate) fn counts(&self) -> TransformCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let seconds = get(&self.nanoseconds) as f64 / 1e9;
        let calls = get(&self.calls);
        let per_call = |sum: f64| if calls == 0 { 0.0 } else { sum / calls as f64 };
        let rows = get(&self.rows);
        let [p50, p95, p99] = self.latency.quantiles([0.50, 0.95, 0.99]);
        TransformCounts {
            called: get(&self.called),
            reused: get(&self.reused),
            failed: get(&self.failed),
            calls,
            seconds,
            latency: Latency { p50, p95, p99 },
            rows_per_call: RowsPerCall {
                mean: per_call(rows as f64),
                max: get(&self.rows_max),
            },
            rows_per_second: if seconds > 0.0 {
                rows as f64 / seconds
            } else {
                0.0
            },
            queue: Queue {
                mean: per_call(get(&self.queue_ns) as f64 / 1e9),
                max: get(&self.queue_ns_max) as f64 / 1e9,
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

    /// The times, in seconds, that these shares of all do not exceed; zeros when there are none.
    fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let counts: Vec<u64> = (self.0.iter())
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        shares.map(|share| {
            let rank = ((total as f64 * share).ceil() as u64).max(1);
            let mut below = 0;
            let reached = counts.iter().position(|count| {
                below += count;
                below >= rank
            });
            reached.map_or(0.0, |bucket| middle(bucket) / 1e9)
        })
    }
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
        let histogram = Histogram::default();
        assert!(histogram.quantiles([0.5])[0] < f64::EPSILON);
        for number in 1..=1000u64 {
            histogram.add(number * 1_000_000);
        }
        for (found, expected) in histogram
            .quantiles([0.5, 0.95, 0.99])
            .iter()
            .zip([0.5, 0.95, 0.99])
        {
            assert!(
                (found - expected).abs() < expected / 30.0,
                "{found} for {expected}"
            );
        }
    }

    #[test]
    fn calls_rows_and_waits_are_counted() {
        let meter = Meter::default();
        assert_eq!(meter.counts(), TransformCounts::default());
        meter.call(10, Duration::from_millis(2), Duration::from_millis(1));
        meter.call(30, Duration::from_millis(2), Duration::from_millis(3));
        let counts = meter.counts();
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
}
