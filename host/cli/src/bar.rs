//! A bar for work that goes through the store: what is being done, and how far it is. On a terminal only.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// What takes no longer shows no bar.
const AFTER: Duration = Duration::from_millis(300);

const STYLE: &str = "{bar:24.cyan/dim} {percent:>3} % {wide_msg}";

/// The bar.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    start: Instant,
}

impl Bar {
    /// Begins; nothing is shown yet.
    pub(crate) fn start(output: Output) -> Self {
        let bar = (output.stderr.terminal && !output.quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                bar.set_style(style.progress_chars("━━╌"));
            }
            bar
        });
        Self {
            bar,
            start: Instant::now(),
        }
    }

    /// Shows what is being done and how far it is.
    pub(crate) fn show(&self, doing: &'static str, done: u64, total: u64) {
        let Some(bar) = self.bar.as_ref().filter(|_| self.start.elapsed() >= AFTER) else {
            return;
        };
        bar.set_length(total.max(1));
        bar.set_position(done);
        bar.set_message(doing);
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
