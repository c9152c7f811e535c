//! The calls of a run: what was measured of them, and what was asked of the cache.

use flowstone::{CacheOptions, RunReport};

use crate::output::Paint;
use crate::table::{Table, short};

/// What was measured of the calls of each transform that made any.
pub(super) fn calls(run: &RunReport, paint: Paint) -> String {
    let heads = [
        "calls of",
        "calls",
        "rows each",
        "most",
        "p50",
        "p95",
        "p99",
        "rows/s",
        "queued",
        "longest",
    ];
    let mut table = Table::of_numbers(&heads);
    for (name, counts) in &run.transforms {
        if counts.calls == 0 {
            continue;
        }
        let latency = counts.latency;
        table.row([
            name.clone(),
            counts.calls.to_string(),
            format!("{:.1}", counts.rows_per_call.mean),
            counts.rows_per_call.max.to_string(),
            short(latency.p50),
            short(latency.p95),
            short(latency.p99),
            format!("{:.0}", counts.rows_per_second),
            short(counts.queue.mean),
            short(counts.queue.max),
        ]);
    }
    let table = table.text(paint);
    if table.is_empty() {
        return table;
    }
    format!("\n{table}")
}

/// What the run was asked to look up and remember, as its options.
pub(super) fn asked(cache: &CacheOptions) -> Option<String> {
    let recompute = cache
        .recompute
        .iter()
        .map(|name| format!("--recompute {name}"));
    let disable = cache.disable.iter().map(|name| format!("--disable {name}"));
    let flags = [(cache.refresh, "--refresh"), (cache.no_cache, "--no-cache")];
    let flags = flags
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| (*name).to_owned());
    let all: Vec<String> = flags.chain(recompute).chain(disable).collect();
    (!all.is_empty()).then(|| all.join(" "))
}
