//! `flowstone watch`: keeps the targets up to date until it is stopped, and tells what it does as it goes.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flowstone::{
    Engine, Error, Event, Flow, GrantWatch, Live, Observer, RoundReport, RunReport, Signals,
    TurnEnd, WatchKind, WatchOptions,
};
use serde_json::{Value as Json, json};

use crate::args::WatchArgs;
use crate::failure::{EXIT_DONE, EXIT_INTERRUPTED, Failure};
use crate::metrics::{Metrics, Server};
use crate::opening::{self, Opened};
use crate::output::{Output, Paint, Style, words_within};
use crate::reload::{self, Changed, Reload};
use crate::render;
use crate::settings::FlowSettings;
use crate::signals;
use crate::table::seconds;
use crate::verbs::run::failed;
use crate::when::time_of_day;

/// So many rows that failed in a round are listed.
const FAILED_LISTED_MAX: usize = 10;

/// Watches a flow.
pub(crate) fn watch(args: &WatchArgs, output: Output) -> Result<u8, Failure> {
    let settings = FlowSettings::new(&args.flow)?;
    // Before it is read, so that a change from now on is seen.
    let state = reload::state(&settings, &mut GrantWatch::default());
    let mut opened = opening::open(&settings, output)?;
    let metrics = Arc::new(Metrics::new(&opened.flow.plan().name, args.rescan));
    let teller = Teller {
        output,
        metrics: Arc::clone(&metrics),
        began: AtomicBool::new(false),
    };
    let _server = match args.metrics {
        Some(address) => Some(serve(address, &metrics, &teller)?),
        None => None,
    };
    let reload = Reload::start(settings.clone(), state, output);
    let mut options = options(args, output);
    let mut live = Live::new(options.clone());
    // The flow before the last change, until a turn of the new one went well.
    let mut former: Option<Flow> = None;
    loop {
        let signals = Signals {
            stop: signals::listen(),
            pause: reload.ready(),
        };
        let turn = match (
            live.turn(&opened.engine, &opened.flow, signals, &teller),
            former.take(),
        ) {
            (Ok(turn), _) => turn,
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(flow)) => {
                teller.broken(&error.into());
                opened.flow = flow;
                metrics.replaced(&opened.flow.plan().name);
                live = Live::new(options.clone());
                continue;
            }
        };
        let report = turn.report.as_ref();
        if turn.end == TurnEnd::Stopped {
            let cut_off = report.is_some_and(|report| report.interrupted);
            teller.stopped(cut_off, turn.stalled.as_deref());
            return Ok(if cut_off || turn.stalled.is_some() {
                EXIT_INTERRUPTED
            } else {
                EXIT_DONE
            });
        }
        if let Some(report) = report.filter(|_| !args.no_gc) {
            collect(&mut opened, report)?;
        }
        if let Some(changed) = reload.take()
            && let Some(flow) = teller.reload(changed, &opened.engine, &settings)
        {
            former = Some(std::mem::replace(&mut opened.flow, flow));
            metrics.replaced(&opened.flow.plan().name);
            // What it watched is of the former flow. And the new one is up already, whatever its sources do.
            options.strict = false;
            live = Live::new(options.clone());
        }
    }
}

fn options(args: &WatchArgs, output: Output) -> WatchOptions {
    let mut options = WatchOptions::default();
    options.run.allow_deletes = args.allow_deletes;
    options.run.verify_targets = args.verify_targets;
    options.run.observed = output.verbose;
    options.quiet = args.debounce;
    options.wait_max = args.debounce.saturating_mul(10);
    options.rescan = args.rescan;
    options.poll = args.poll;
    options
}

fn serve(
    address: std::net::SocketAddr,
    metrics: &Arc<Metrics>,
    teller: &Teller,
) -> Result<Server, Failure> {
    let server = Server::start(address, metrics)?;
    let url = format!("http://{}/metrics", server.address());
    teller.tell(
        &json!({"event": "metrics", "url": url}),
        &format!("metrics are at {url}"),
    );
    Ok(server)
}

/// Removes what nobody needs from the store, where there may be something to gain.
fn collect(opened: &mut Opened, report: &RunReport) -> Result<(), Failure> {
    let stop = signals::listen();
    (opened.engine).gc_if_due(&opened.flow, report, stop, &mut |_| {})?;
    Ok(())
}

/// Tells what happens: a line each, for people or for programs.
struct Teller {
    output: Output,
    metrics: Arc<Metrics>,
    /// Whether there was a round.
    began: AtomicBool,
}

impl Teller {
    /// Prints one thing that happened.
    fn tell(&self, json: &Json, line: &str) {
        // A reader that went away is no reason to end; neither is a full disk below the log.
        let _ = if self.output.json {
            self.output.answer(&format!("{json}\n"))
        } else {
            let line = format!("{} {line}\n", time_of_day());
            self.output.summary(&line)
        };
    }

    /// As [`Teller::tell`], of what did not go well: also where little is wanted.
    fn warn(&self, json: &Json, line: &str) {
        if self.output.json {
            self.tell(json, line);
        } else {
            self.output.say(&format!("{} {line}\n", time_of_day()));
        }
    }

    fn paint(&self) -> Paint {
        self.output.paint_summary()
    }

    fn stopped(&self, cut_off: bool, stalled: Option<&str>) {
        let line = match stalled {
            Some(reason) => format!("stopped while no work could be done: {reason}"),
            None if cut_off => {
                "stopped; what was finished is kept, the next run does the rest".to_owned()
            }
            None => "stopped; everything is settled".to_owned(),
        };
        let interrupted = cut_off || stalled.is_some();
        let json = json!({"event": "stopped", "interrupted": interrupted, "stalled": stalled});
        self.tell(&json, &line);
    }

    /// Checks a flow that changed; tells what became of it.
    fn reload(&self, changed: Changed, engine: &Engine, settings: &FlowSettings) -> Option<Flow> {
        let checked = changed.and_then(|built| built.check(engine, settings));
        self.metrics.reloaded(checked.is_ok());
        match checked {
            Ok(flow) => {
                let json = json!({"event": "flow-replaced", "flow": flow.plan().name});
                self.tell(&json, "the flow changed: the new one takes over");
                Some(flow)
            }
            Err(failure) => {
                self.broken(&failure);
                None
            }
        }
    }

    /// Tells that a flow that changed cannot be used.
    fn broken(&self, failure: &Failure) {
        let mut json = render::object(failure);
        json["event"] = "flow-broken".into();
        let text = render::text(failure, self.output);
        let line = format!("the flow changed and is broken: the old one goes on\n{text}");
        self.warn(&json, line.trim_end());
    }

    fn round(&self, report: &RoundReport) {
        let first = !self.began.swap(true, Ordering::Relaxed);
        if !first && !report.did_something() {
            return;
        }
        let mut json = json!(report);
        json["event"] = "round".into();
        let mut line = round_line(report, self.paint());
        for row in report.failed.iter().take(FAILED_LISTED_MAX) {
            let _ = write!(line, "\n  {}", failed(row));
        }
        if report.failed.is_empty() {
            self.tell(&json, &line);
        } else {
            self.warn(&json, &line);
        }
    }

    fn source_failed(&self, source: &str, error: &Error) {
        let message = error.to_string();
        let mut line = self.output.paint_notes().text(Style::Red, &message);
        line += match error {
            Error::TooManyDeletes { .. } => {
                ": they stay in the targets; `--allow-deletes` removes them"
            }
            _ => ": the others go on, this one is tried again",
        };
        let refused = matches!(error, Error::TooManyDeletes { .. });
        let json = json!({"event": "source-failed", "source": source, "message": message, "refused": refused});
        self.warn(&json, &line);
    }
}

impl Observer for Teller {
    fn event(&self, event: &Event<'_>) {
        self.metrics.take(event);
        match event {
            Event::RoundDone { report } => self.round(report),
            Event::SourceWatched { source, kind } => {
                let (how, text) = match kind {
                    WatchKind::Push => ("push", "watched"),
                    WatchKind::Recent => ("recent", "asked for the latest now and then"),
                    WatchKind::List => ("list", "listed when it may have changed"),
                };
                let json = json!({"event": "source-watched", "source": source, "how": how});
                self.tell(&json, &format!("source `{source}` is {text}"));
            }
            Event::SourceFailed { source, error } => self.source_failed(source, error),
            Event::SourceRecovered { source } => {
                let json = json!({"event": "source-recovered", "source": source});
                self.tell(&json, &format!("source `{source}` is back"));
            }
            Event::Stalled { reason } => {
                let json = json!({"event": "stalled", "message": reason});
                self.warn(&json, &format!("{reason}: it is tried again"));
            }
            Event::Resumed => self.tell(&json!({"event": "resumed"}), "the work goes on"),
            Event::TargetRebuilt { target } => {
                let json = json!({"event": "target-rebuilt", "target": target});
                let line = format!("target `{target}` is not as it was left: it is filled anew");
                self.warn(&json, &line);
            }
            Event::Called { transform, log, .. } if self.output.verbose => {
                for line in *log {
                    let said = words_within(&line.text, "    ");
                    self.output.note(&format!("{transform}: {said}"));
                }
            }
            _ => {}
        }
    }
}

/// What a round did, on one line: `page: 1 changed; index: 3 updated (12 ms)`.
fn round_line(report: &RoundReport, paint: Paint) -> String {
    let sources = report.sources.iter().map(|(name, counts)| {
        let numbers = [
            (counts.added, "new"),
            (counts.changed, "changed"),
            (counts.removed, "gone"),
        ];
        (name, numbers)
    });
    let targets = report.targets.iter().map(|(name, counts)| {
        let numbers = [
            (counts.inserted, "inserted"),
            (counts.updated, "updated"),
            (counts.deleted, "deleted"),
        ];
        (name, numbers)
    });
    let mut parts: Vec<String> = sources
        .chain(targets)
        .filter_map(|(name, numbers)| {
            let numbers: Vec<String> = numbers
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| format!("{number} {what}"))
                .collect();
            (!numbers.is_empty()).then(|| format!("{name}: {}", numbers.join(", ")))
        })
        .collect();
    if parts.is_empty() {
        parts.push("nothing changed".to_owned());
    }
    if !report.failed.is_empty() {
        let failed = format!("{} failed", report.failed.len());
        parts.push(paint.text(Style::Red, &failed));
    }
    let time = format!("({})", seconds(report.seconds));
    format!("{} {}", parts.join("; "), paint.text(Style::Dim, &time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{SourceCounts, TargetCounts};

    #[test]
    fn a_round_is_one_line_about_what_it_did() {
        let mut report = RoundReport {
            seconds: 0.012,
            ..RoundReport::default()
        };
        assert_eq!(round_line(&report, Paint(false)), "nothing changed (12 ms)");
        let source = SourceCounts {
            rows: 9,
            changed: 1,
            removed: 2,
            ..SourceCounts::default()
        };
        let target = TargetCounts {
            updated: 3,
            ..TargetCounts::default()
        };
        report.sources.insert("page".to_owned(), source);
        report
            .sources
            .insert("other".to_owned(), SourceCounts::default());
        report.targets.insert("index".to_owned(), target);
        assert_eq!(
            round_line(&report, Paint(false)),
            "page: 1 changed, 2 gone; index: 3 updated (12 ms)"
        );
    }
}
