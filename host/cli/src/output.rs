//! Where text goes: answers to standard output, everything else to standard error, with colour where it is wanted.
//!
//! A reader that went away is no error. What cannot be said on standard error is not said.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use serde::Serialize;

use crate::args::{ColorChoice, GlobalArgs};
use crate::failure::{Failure, Kind};

/// Where text goes, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether answers are JSON.
    pub(crate) json: bool,
    /// Whether only answers and errors are wanted.
    pub(crate) quiet: bool,
    /// Whether rows and the plugins' logs are wanted.
    pub(crate) verbose: bool,
    /// Where answers go.
    pub(crate) stdout: Stream,
    /// Where everything else goes.
    pub(crate) stderr: Stream,
}

/// A standard stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Whether a person reads it.
    pub(crate) terminal: bool,
    paint: Paint,
}

/// How a word looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// Dresses words up, or leaves them as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// The text in this style.
    pub(crate) fn text(self, style: Style, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "1;31",
            Style::Green => "32",
            Style::Yellow => "33",
            Style::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

impl Output {
    /// Resolves what was asked for against the terminal and `NO_COLOR`.
    pub(crate) fn new(args: &GlobalArgs) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let stream = |terminal| Stream {
            terminal,
            paint: Paint(colored(args.color, no_color, terminal)),
        };
        Self {
            json: args.json,
            quiet: args.quiet,
            verbose: args.verbose,
            stdout: stream(stdout().is_terminal()),
            stderr: stream(stderr().is_terminal()),
        }
    }

    /// How answers are dressed.
    pub(crate) fn paint(self) -> Paint {
        self.stdout.paint
    }

    /// How notes and errors are dressed.
    pub(crate) fn paint_notes(self) -> Paint {
        self.stderr.paint
    }

    /// How summaries are dressed.
    pub(crate) fn paint_summary(self) -> Paint {
        if self.stdout.terminal {
            self.paint()
        } else {
            self.paint_notes()
        }
    }

    /// Prints what was asked for.
    pub(crate) fn answer(self, text: &str) -> Result<(), Failure> {
        self.answer_bytes(text.as_bytes())
    }

    /// Prints what was asked for as it is.
    #[expect(clippy::unused_self, reason = "text goes out through this one type")]
    pub(crate) fn answer_bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(
                Kind::Machine,
                format!("cannot write to standard output: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Prints one JSON object: on several lines for a person, on one for a program.
    pub(crate) fn object(self, object: &impl Serialize) -> Result<(), Failure> {
        let text = if self.stdout.terminal {
            serde_json::to_string_pretty(object)
        } else {
            serde_json::to_string(object)
        };
        let text = text.map_err(|error| {
            Failure::new(Kind::Internal, format!("the answer is not JSON: {error}"))
        })?;
        self.answer(&(text + "\n"))
    }

    /// Prints what a run came to: for a person at the terminal, else beside the way of standard output.
    pub(crate) fn summary(self, text: &str) -> Result<(), Failure> {
        if self.quiet {
            return Ok(());
        }
        if self.stdout.terminal {
            return self.answer(text);
        }
        self.say(text);
        Ok(())
    }

    /// Prints a line beside the answer, unless only that is wanted.
    pub(crate) fn note(self, line: &str) {
        if !self.quiet {
            self.say(&format!("{line}\n"));
        }
    }

    /// Prints to standard error as it is.
    #[expect(clippy::unused_self, reason = "text goes out through this one type")]
    pub(crate) fn say(self, text: &str) {
        // Nobody is left to tell.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

fn colored(choice: ColorChoice, no_color: bool, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !no_color,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_unless_told_otherwise() {
        assert!(colored(ColorChoice::Auto, false, true));
        assert!(!colored(ColorChoice::Auto, true, true), "NO_COLOR");
        assert!(!colored(ColorChoice::Auto, false, false));
        assert!(
            colored(ColorChoice::Always, true, false),
            "an option is nearer than the environment"
        );
        assert!(!colored(ColorChoice::Never, false, true));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(Paint(false).text(Style::Red, "x"), "x");
        assert_eq!(Paint(true).text(Style::Dim, "x"), "\u{1b}[2mx\u{1b}[0m");
    }
}
