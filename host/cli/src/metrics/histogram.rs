//! A histogram of times, with the buckets of the Prometheus text format.

use std::fmt::Write;

/// The upper ends of the buckets, in seconds.
const ENDS: [f64; 13] = [
    0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// How often times of which length were seen.
#[derive(Default)]
pub(super) struct Histogram {
    /// How many lie in each bucket, and not in one before it.
    counts: [u64; ENDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    pub(super) fn add(&mut self, seconds: f64) {
        self.count += 1;
        self.sum += seconds;
        if let Some(at) = ENDS.iter().position(|end| seconds <= *end) {
            self.counts[at] += 1;
        }
    }

    pub(super) fn write(&self, text: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (end, count) in ENDS.iter().zip(self.counts) {
            below += count;
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{end}\"}} {below}");
        }
        let count = self.count;
        let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let labels = super::braced(labels);
        let _ = writeln!(text, "{name}_sum{labels} {}", self.sum);
        let _ = writeln!(text, "{name}_count{labels} {count}");
    }
}
