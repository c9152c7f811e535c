//! How a run goes on: one bar on a terminal, a line now and then elsewhere, rows and logs with `-v`.
//!
//! Events come from many threads, ten thousands a second: they only count. A thread of its own looks at the counts
//! and draws.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flowstone::{Change, Event, LogLine, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{Output, Paint, Style, word, words_within};
use crate::signals;
use crate::table::count;

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// A run that takes no longer shows no bar.
const BAR_AFTER: Duration = Duration::from_millis(300);

/// How far apart the lines are where there is no bar.
const LINES_APART: Duration = Duration::from_secs(5);

/// With a tenth of the work done there is a line sooner, but not more often than this.
const LINES_APART_MIN: Duration = Duration::from_secs(1);

const BAR: &str = "{bar:24.cyan/dim} {pos}/{len} UNIT, {wide_msg}";
const SPINNER: &str = "{spinner} {wide_msg}";

/// The observer of a run, which shows what it sees.
pub(crate) struct Progress {
    seen: Arc<Seen>,
    ticker: Option<JoinHandle<()>>,
}

/// How what is counted is called: what is worked on, and what of it did not go well.
#[derive(Clone, Copy)]
struct Words {
    unit: &'static str,
    bad: &'static str,
}

/// What has been seen.
struct Seen {
    output: Output,
    words: Words,
    paint: Paint,
    bar: Option<ProgressBar>,
    rows: AtomicU64,
    rows_done: AtomicU64,
    called: AtomicU64,
    failed: AtomicU64,
    scanned: AtomicBool,
    ended: AtomicBool,
    /// Set when the drawing thread wants to know what is being called.
    wants_label: AtomicBool,
    label: Mutex<String>,
}

impl Progress {
    /// Begins to show a run.
    pub(crate) fn start(output: Output) -> Self {
        Self::with(
            output,
            Words {
                unit: "rows",
                bad: "failed",
            },
        )
    }

    /// Begins to show a comparison of results.
    pub(crate) fn comparing(output: Output) -> Self {
        Self::with(
            output,
            Words {
                unit: "results",
                bad: "not equal",
            },
        )
    }

    fn with(output: Output, words: Words) -> Self {
        let bar = (output.stderr.terminal && !output.quiet)
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        let seen = Arc::new(Seen {
            output,
            words,
            paint: output.paint_notes(),
            bar,
            rows: AtomicU64::new(0),
            rows_done: AtomicU64::new(0),
            called: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            scanned: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            wants_label: AtomicBool::new(true),
            label: Mutex::new(String::new()),
        });
        let ticker = (!output.quiet).then(|| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || seen.draw())
        });
        Self { seen, ticker }
    }

    /// Whether the keys of rows are shown.
    pub(crate) fn shows_keys(&self) -> bool {
        self.seen.output.verbose || self.seen.bar.is_some()
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.seen.ended.store(true, Ordering::SeqCst);
        if let Some(ticker) = self.ticker {
            ticker.thread().unpark();
            // The hook has said it if the thread is lost.
            let _ = ticker.join();
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        let seen = &*self.seen;
        match event {
            Event::SourceScanned {
                source,
                rows,
                pending,
            } => {
                seen.rows.fetch_add(*pending, Ordering::Relaxed);
                seen.scanned.store(true, Ordering::Relaxed);
                if seen.bar.is_none() {
                    seen.output.note(&format!(
                        "source {source}: {}, {pending} to look at",
                        count(*rows, "row")
                    ));
                }
            }
            Event::RowDone { .. } => _ = seen.rows_done.fetch_add(1, Ordering::Relaxed),
            Event::VerifyStarted { results, .. } => {
                seen.rows.fetch_add(*results, Ordering::Relaxed);
                seen.scanned.store(true, Ordering::Relaxed);
            }
            Event::ResultCompared { equal, .. } => {
                seen.rows_done.fetch_add(1, Ordering::Relaxed);
                seen.failed.fetch_add(u64::from(!equal), Ordering::Relaxed);
            }
            Event::WillCompile { plugin } => seen.compiles(plugin),
            Event::WillCall { transform, key } => seen.label(transform, key),
            Event::Called { transform, log, .. } => {
                seen.called.fetch_add(1, Ordering::Relaxed);
                if seen.output.verbose {
                    seen.log(transform, log);
                }
            }
            Event::RowFailed {
                source,
                key,
                reason,
            } => {
                seen.failed.fetch_add(1, Ordering::Relaxed);
                if seen.output.verbose {
                    let sign = seen.paint.text(Style::Red, "!");
                    let reason = words_within(reason, "    ");
                    seen.line(&format!("{sign} {source} {}: {reason}", word(key)));
                }
            }
            Event::RowChanged {
                source,
                key,
                change,
            } if seen.output.verbose => {
                let sign = match change {
                    Change::Added => seen.paint.text(Style::Green, "+"),
                    Change::Changed => seen.paint.text(Style::Yellow, "~"),
                    Change::Removed => seen.paint.text(Style::Red, "-"),
                };
                seen.line(&format!("{sign} {source} {}", word(key)));
            }
            Event::RowDrifted { target, key, .. } if seen.output.verbose => {
                seen.line(&format!("~ {target} {}: not as it was written", word(key)));
            }
            Event::TargetRebuilt { target } if !seen.output.quiet => {
                seen.line(&format!(
                    "target `{target}` is not as it was left: it is filled anew"
                ));
            }
            _ => {}
        }
    }
}

impl Seen {
    fn label(&self, transform: &str, key: &str) {
        if self.bar.is_none() || !self.wants_label.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Ok(mut label) = self.label.try_lock() {
            label.clear();
            label.extend([transform, " ", &word(key)]);
        }
    }

    /// Calls wait for that, so it stands there until the next one begins.
    fn compiles(&self, plugin: &str) {
        let mut label = self.label.lock().unwrap_or_else(PoisonError::into_inner);
        *label = format!("compiling plugin `{plugin}`");
        drop(label);
        if self.output.verbose {
            self.line(&format!("compiling plugin `{plugin}`"));
        }
    }

    fn log(&self, transform: &str, log: &[LogLine]) {
        for line in log {
            self.line(&format!(
                "{} {}",
                self.paint.text(Style::Dim, &format!("[{transform}]")),
                words_within(&line.to_string(), "    ")
            ));
        }
    }

    /// A line above the bar.
    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.say(&format!("{line}\n"))),
            None => self.output.say(&format!("{line}\n")),
        }
    }

    /// The drawing thread.
    fn draw(&self) {
        let start = Instant::now();
        let mut lines = Lines {
            last: start,
            tenth: 0,
        };
        let (mut told, mut begun) = (false, None);
        while !self.ended.load(Ordering::SeqCst) {
            std::thread::park_timeout(TICK);
            if self.ended.load(Ordering::SeqCst) {
                break;
            }
            if signals::asked_to_stop() && !std::mem::replace(&mut told, true) {
                self.line("stopping when what has begun is settled; once more ends at once");
            }
            match &self.bar {
                Some(bar) if start.elapsed() >= BAR_AFTER => self.draw_bar(bar, &mut begun),
                Some(_) => {}
                None => self.draw_line(&mut lines),
            }
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Draws the bar once; `begun` is since when there are rows to do.
    fn draw_bar(&self, bar: &ProgressBar, begun: &mut Option<Instant>) {
        let style = |template: &str| {
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━━╌"));
            }
        };
        let (rows, done) = (
            self.rows.load(Ordering::Relaxed),
            self.rows_done.load(Ordering::Relaxed),
        );
        if self.scanned.load(Ordering::Relaxed) {
            let begun = *begun.get_or_insert_with(|| {
                style(&BAR.replace("UNIT", self.words.unit));
                Instant::now()
            });
            self.wants_label.store(true, Ordering::Relaxed);
            let label = self
                .label
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let rate = done as f64 / (begun.elapsed() + BAR_AFTER).as_secs_f64();
            bar.set_length(rows);
            bar.set_position(done);
            bar.set_message(format!("{rate:.0}/s, {}", self.counts(&label)));
        } else {
            style(SPINNER);
            bar.set_message("listing the sources");
        }
        // Hidden until now, so that nothing half set is drawn.
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.tick();
    }

    fn counts(&self, label: &str) -> String {
        let failed = match self.failed.load(Ordering::Relaxed) {
            0 => String::new(),
            failed => format!(
                ", {}",
                self.paint
                    .text(Style::Red, &format!("{failed} {}", self.words.bad))
            ),
        };
        let label = if label.is_empty() {
            String::new()
        } else {
            format!(": {label}")
        };
        format!(
            "{}{failed}{label}",
            count(self.called.load(Ordering::Relaxed), "call")
        )
    }

    fn draw_line(&self, lines: &mut Lines) {
        let (rows, done) = (
            self.rows.load(Ordering::Relaxed),
            self.rows_done.load(Ordering::Relaxed),
        );
        if self.scanned.load(Ordering::Relaxed) && lines.is_due(rows, done) {
            let percent = done * 100 / rows.max(1);
            self.output.note(&format!(
                "{done}/{rows} {} ({percent} %), {}",
                self.words.unit,
                self.counts("")
            ));
        }
    }
}

/// When the last line was printed, and how far it was then.
struct Lines {
    last: Instant,
    tenth: u64,
}

impl Lines {
    fn is_due(&mut self, rows: u64, done: u64) -> bool {
        let tenth = done * 10 / rows.max(1);
        let apart = self.last.elapsed();
        let due = apart >= LINES_APART || (apart >= LINES_APART_MIN && tenth > self.tenth);
        if due {
            *self = Self {
                last: Instant::now(),
                tenth,
            };
        }
        due
    }
}
