//! What a flow that is watched did so far, in figures: gathered from the engine's events, served as Prometheus text.

mod help;
mod histogram;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flowstone::{Change, Event};

use self::help::HELP;
use self::histogram::Histogram;
pub(crate) use self::server::Server;

/// Without a round that looked at everything for so many times the time between two, something is wrong.
const RESCANS_MISSED_MAX: u32 = 3;

/// A round may take a while, also where full listings are close together.
const PATIENCE: Duration = Duration::from_mins(1);

/// The figures of a flow that is watched.
pub(crate) struct Metrics {
    rescan: Duration,
    figures: Mutex<Figures>,
}

#[derive(Default)]
struct Figures {
    flow: String,
    /// Counters by their name and labels.
    counters: BTreeMap<(&'static str, String), u64>,
    gauges: BTreeMap<(&'static str, String), f64>,
    histograms: BTreeMap<(&'static str, String), Histogram>,
    /// When a round over everything was done last.
    last_full: Option<Instant>,
    /// Why no work is done, if none is.
    stalled: Option<String>,
}

impl Metrics {
    pub(crate) fn new(flow: &str, rescan: Duration) -> Self {
        Self {
            rescan,
            figures: Mutex::new(Figures {
                flow: flow.to_owned(),
                ..Figures::default()
            }),
        }
    }

    // Nothing panics while it is held, and figures that are a little off do no harm.
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the flow changed, and whether it could be used.
    pub(crate) fn reloaded(&self, well: bool) {
        let result = if well { "replaced" } else { "broken" };
        self.figures()
            .count("flowstone_reloads_total", label("result", result), 1);
    }

    /// Notes that another flow is watched from now on: what is said of the former one's sources is said no more.
    pub(crate) fn replaced(&self, flow: &str) {
        let mut figures = self.figures();
        flow.clone_into(&mut figures.flow);
        let stays = |name: &str| name != "flowstone_info" && !name.starts_with("flowstone_source_");
        figures.gauges.retain(|(name, _), _| stays(name));
    }

    /// Takes an event of the engine.
    pub(crate) fn take(&self, event: &Event<'_>) {
        let mut figures = self.figures();
        match event {
            Event::RowChanged { source, change, .. } => {
                let change = match change {
                    Change::Added => "added",
                    Change::Changed => "changed",
                    Change::Removed => "removed",
                };
                let labels = format!("{},{}", label("source", source), label("change", change));
                figures.count("flowstone_rows_total", labels, 1);
            }
            Event::SourceScanned { source, rows, .. } => {
                let labels = label("source", source);
                figures.set("flowstone_source_rows", labels.clone(), *rows as f64);
                figures.set("flowstone_source_up", labels, 1.0);
            }
            Event::SourceFailed { source, .. } => {
                figures.set("flowstone_source_up", label("source", source), 0.0);
            }
            Event::RowFailed { source, .. } => {
                figures.count("flowstone_row_failures_total", label("source", source), 1);
            }
            Event::MemoHits { transform, rows } => {
                figures.count("flowstone_hits_total", label("transform", transform), *rows);
            }
            Event::Called {
                transform,
                time,
                rows,
                queued,
                ..
            } => {
                let labels = label("transform", transform);
                figures.count("flowstone_calls_total", labels.clone(), 1);
                figures.count("flowstone_call_rows_total", labels.clone(), *rows);
                figures.time("flowstone_call_queue_seconds", labels.clone(), *queued);
                figures.time("flowstone_call_seconds", labels, *time);
            }
            Event::BatchCommitted { rows, time, .. } => {
                figures.count("flowstone_batches_total", String::new(), 1);
                figures.count("flowstone_batch_rows_total", String::new(), *rows);
                figures.time("flowstone_batch_commit_seconds", String::new(), *time);
            }
            Event::TargetApplied {
                target,
                upserted,
                deleted,
            } => {
                for (what, rows) in [("upserted", upserted), ("deleted", deleted)] {
                    let labels = format!("{},{}", label("target", target), label("change", what));
                    figures.count("flowstone_target_rows_total", labels, *rows);
                }
            }
            Event::TargetRebuilt { target } => {
                figures.count(
                    "flowstone_target_rebuilds_total",
                    label("target", target),
                    1,
                );
            }
            Event::RoundDone { report } => figures.round(report),
            Event::Stalled { reason } => figures.stalled = Some((*reason).to_owned()),
            _ => {}
        }
    }

    /// All figures as Prometheus reads them.
    pub(crate) fn text(&self) -> String {
        let mut figures = self.figures();
        let memory = resident_bytes().unwrap_or_default();
        figures.set(
            "process_resident_memory_bytes",
            String::new(),
            memory as f64,
        );
        let info = format!(
            "{},{}",
            label("flow", &figures.flow),
            label("version", env!("CARGO_PKG_VERSION"))
        );
        figures.set("flowstone_info", info, 1.0);
        let mut text = String::new();
        for (name, kind, help) in HELP {
            let before = text.len();
            figures.write(&mut text, name);
            if text.len() > before {
                text.insert_str(
                    before,
                    &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
                );
            }
        }
        text
    }

    /// What is wrong, if anything is: work that cannot be done, or that was not done for a long time.
    pub(crate) fn health(&self) -> Result<(), String> {
        let figures = self.figures();
        if let Some(reason) = &figures.stalled {
            return Err(reason.clone());
        }
        let late = self.rescan * RESCANS_MISSED_MAX + PATIENCE;
        match figures.last_full {
            None => Err("the first round is not done yet".to_owned()),
            Some(at) if at.elapsed() > late => Err(format!(
                "the last full round was {} s ago",
                at.elapsed().as_secs()
            )),
            Some(_) => Ok(()),
        }
    }
}

impl Figures {
    fn count(&mut self, name: &'static str, labels: String, more: u64) {
        *self.counters.entry((name, labels)).or_default() += more;
    }

    fn set(&mut self, name: &'static str, labels: String, value: f64) {
        self.gauges.insert((name, labels), value);
    }

    fn time(&mut self, name: &'static str, labels: String, time: Duration) {
        self.histograms
            .entry((name, labels))
            .or_default()
            .add(time.as_secs_f64());
    }

    fn round(&mut self, report: &flowstone::RoundReport) {
        self.count("flowstone_rounds_total", String::new(), 1);
        self.count(
            "flowstone_rescans_total",
            String::new(),
            u64::from(report.whole),
        );
        let time = Duration::try_from_secs_f64(report.seconds).unwrap_or_default();
        self.time("flowstone_round_seconds", String::new(), time);
        self.set(
            "flowstone_failed_rows",
            String::new(),
            report.failures as f64,
        );
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.set(
            "flowstone_last_success_timestamp_seconds",
            String::new(),
            now.as_secs_f64(),
        );
        self.stalled = None;
        if report.whole {
            self.last_full = Some(Instant::now());
        }
    }

    /// Writes all figures of one name.
    fn write(&self, text: &mut String, name: &str) {
        let of_name = |(known, _): &(&'static str, String)| *known == name;
        for ((name, labels), value) in self.counters.iter().filter(|(key, _)| of_name(key)) {
            let _ = writeln!(text, "{name}{} {value}", braced(labels));
        }
        for ((name, labels), value) in self.gauges.iter().filter(|(key, _)| of_name(key)) {
            let _ = writeln!(text, "{name}{} {value}", braced(labels));
        }
        for ((name, labels), histogram) in self.histograms.iter().filter(|(key, _)| of_name(key)) {
            histogram.write(text, name, labels);
        }
    }
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        return String::new();
    }
    format!("{{{labels}}}")
}

/// A label with its value, escaped as the format asks.
fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n");
    format!("{name}=\"{value}\"")
}

/// How much memory this process has; only Linux says so in a file.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::RoundReport;

    #[test]
    fn figures_are_text_that_prometheus_reads() {
        let metrics = Metrics::new("hand\"book", Duration::from_mins(1));
        for _ in 0..2 {
            metrics.take(&Event::Called {
                transform: "line",
                rows: 1,
                queued: Duration::ZERO,
                time: Duration::from_millis(3),
                log: &[],
            });
        }
        metrics.take(&Event::TargetApplied {
            target: "index",
            upserted: 5,
            deleted: 0,
        });
        let text = metrics.text();
        for line in [
            "# TYPE flowstone_calls_total counter",
            "flowstone_calls_total{transform=\"line\"} 2",
            "flowstone_call_seconds_bucket{transform=\"line\",le=\"0.001\"} 0",
            "flowstone_call_seconds_bucket{transform=\"line\",le=\"0.005\"} 2",
            "flowstone_call_seconds_bucket{transform=\"line\",le=\"+Inf\"} 2",
            "flowstone_call_seconds_count{transform=\"line\"} 2",
            "flowstone_target_rows_total{target=\"index\",change=\"upserted\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(text.contains("flow=\"hand\\\"book\""));
        // Every figure belongs to a type that was said before.
        let mut typed = "";
        for line in text.lines() {
            match line
                .strip_prefix("# TYPE ")
                .and_then(|line| line.split(' ').next())
            {
                Some(name) => typed = name,
                None => assert!(
                    line.starts_with("# HELP") || line.starts_with(typed),
                    "{line}"
                ),
            }
        }
    }

    #[test]
    fn of_a_flow_that_was_replaced_nothing_is_said_as_of_now() {
        let metrics = Metrics::new("former", Duration::from_mins(1));
        let scanned = |source: &str| {
            metrics.take(&Event::SourceScanned {
                source,
                rows: 3,
                pending: 0,
            });
        };
        scanned("old");
        assert!(
            metrics
                .text()
                .contains("flowstone_source_up{source=\"old\"} 1")
        );
        metrics.replaced("later");
        scanned("new");
        let text = metrics.text();
        assert!(
            !text.contains("\"old\"") && !text.contains("\"former\""),
            "{text}"
        );
        assert!(
            text.contains("flowstone_source_rows{source=\"new\"} 3"),
            "{text}"
        );
        assert!(text.contains("flow=\"later\""), "{text}");
    }

    #[test]
    fn it_is_well_once_everything_was_looked_at_and_while_work_is_done() {
        let metrics = Metrics::new("x", Duration::from_mins(1));
        assert!(metrics.health().is_err());
        let mut report = RoundReport::default();
        metrics.take(&Event::RoundDone { report: &report });
        assert!(metrics.health().is_err());
        report.whole = true;
        metrics.take(&Event::RoundDone { report: &report });
        assert_eq!(metrics.health(), Ok(()));
        metrics.take(&Event::Stalled { reason: "locked" });
        assert_eq!(metrics.health(), Err("locked".to_owned()));
        metrics.take(&Event::RoundDone { report: &report });
        assert_eq!(metrics.health(), Ok(()));
    }
}
