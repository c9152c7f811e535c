//! What each figure says, as Prometheus shows it.

/// What each figure says.
pub(super) const HELP: &[(&str, &str, &str)] = &[
    ("flowstone_info", "gauge", "The flow that is watched"),
    (
        "flowstone_rows_total",
        "counter",
        "Rows of sources that were new, changed or gone",
    ),
    (
        "flowstone_source_rows",
        "gauge",
        "Rows of a source when it was listed last",
    ),
    (
        "flowstone_source_up",
        "gauge",
        "Whether a source can be had",
    ),
    (
        "flowstone_row_failures_total",
        "counter",
        "Times that a row failed",
    ),
    ("flowstone_failed_rows", "gauge", "Rows that are failed now"),
    ("flowstone_calls_total", "counter", "Calls of a transform"),
    (
        "flowstone_hits_total",
        "counter",
        "Rows whose result was remembered",
    ),
    ("flowstone_call_seconds", "histogram", "Time of a call"),
    (
        "flowstone_call_rows_total",
        "counter",
        "Rows that were called for: more than calls where a call takes many",
    ),
    (
        "flowstone_call_queue_seconds",
        "histogram",
        "Time from when a call was known to be needed until it began",
    ),
    (
        "flowstone_batches_total",
        "counter",
        "Batches that were committed",
    ),
    (
        "flowstone_batch_rows_total",
        "counter",
        "Rows of the batches that were committed",
    ),
    (
        "flowstone_batch_commit_seconds",
        "histogram",
        "Time to write a batch to the store and the targets",
    ),
    (
        "flowstone_target_rows_total",
        "counter",
        "Rows written to a target, or deleted there",
    ),
    (
        "flowstone_target_rebuilds_total",
        "counter",
        "Times that a target was filled anew",
    ),
    ("flowstone_rounds_total", "counter", "Rounds that were done"),
    (
        "flowstone_rescans_total",
        "counter",
        "Rounds that looked at everything",
    ),
    ("flowstone_round_seconds", "histogram", "Time of a round"),
    (
        "flowstone_reloads_total",
        "counter",
        "Changes of the flow file or of a plugin",
    ),
    (
        "flowstone_last_success_timestamp_seconds",
        "gauge",
        "When a round was done last",
    ),
    (
        "process_resident_memory_bytes",
        "gauge",
        "Memory of this process",
    ),
];
