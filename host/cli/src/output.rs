//! Where text goes: answers to standard output, everything else to standard error, with colour where it is wanted.
//!
//! A reader that went away is no error. What cannot be said on standard error is not said. Text may come from anywhere:
//! what could play tricks on a terminal is escaped on its way out, whoever wrote it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use flowstone::core::{is_unprintable, printable};
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

    /// The text with everything escaped that could play tricks on a terminal, but for the styles, where there are any.
    fn harmless(self, text: &str) -> Cow<'_, str> {
        if !text.chars().any(|c| c != '\n' && is_unprintable(c)) {
            return text.into();
        }
        let mut harmless = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\u{1b}') {
            harmless += &flowstone::printable(&rest[..at]);
            let len = if self.0 { style_len(&rest[at..]) } else { 0 };
            let escape = &rest[at..at + len.max(1)];
            if len > 0 {
                harmless += escape;
            } else {
                harmless += &flowstone::printable(escape);
            }
            rest = &rest[at + escape.len()..];
        }
        (harmless + &flowstone::printable(rest)).into()
    }
}

/// The length of the style that the text begins with (ECMA-48, SGR), or 0.
fn style_len(text: &str) -> usize {
    let Some(codes) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    match codes.find(|c: char| !c.is_ascii_digit() && c != ';') {
        Some(end) if codes[end..].starts_with('m') => 2 + end + 1,
        _ => 0,
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
        self.answer_bytes(self.stdout.paint.harmless(text).as_bytes())
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
        self.answer_bytes((ascii_where_unprintable(&text) + "\n").as_bytes())
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

    /// Prints to standard error.
    pub(crate) fn say(self, text: &str) {
        let text = self.stderr.paint.harmless(text);
        // Nobody is left to tell.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

/// A name or a key on one line.
pub(crate) fn word(text: &str) -> String {
    printable(text, &[])
}

/// Words of a plugin, a server or another program, whose lines after the first stand further in than anything of ours:
/// none of them can be taken for a line of its own.
pub(crate) fn words_within(text: &str, indent: &str) -> String {
    let text = flowstone::printable(text.trim_end());
    let line_break = format!("\n{indent}");
    // Lines that stand further in already stay where they are.
    text.replace(&line_break, "\n").replace('\n', &line_break)
}

/// JSON text in which unprintable characters are escaped as JSON does it, so that it says the same.
fn ascii_where_unprintable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Line breaks stand between values; those in strings are escaped already.
        if c != '\n' && is_unprintable(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
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

    #[test]
    fn nothing_but_styles_reaches_a_terminal() {
        let hostile = "a\u{1b}[1mb\u{1b}[0m\u{1b}]0;t\u{7}\u{1b}[2J\u{1b}[3\u{202e}\r\n\t\u{1b}";
        assert_eq!(
            Paint(true).harmless(hostile),
            "a\u{1b}[1mb\u{1b}[0m\\u{1b}]0;t\\u{7}\\u{1b}[2J\\u{1b}[3\\u{202e}\\r\n\t\\u{1b}"
        );
        let plain = Paint(false).harmless(hostile).into_owned();
        assert!(!plain.contains(['\u{1b}', '\u{7}', '\r']), "{plain}");
        assert_eq!(Paint(true).harmless("é\n"), "é\n");
    }

    #[test]
    fn json_says_the_same_in_characters_that_do_nothing() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}2J\u{1b}\n\u{e0001}é"});
        let text = ascii_where_unprintable(&value.to_string());
        assert!(!text.chars().any(is_unprintable), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(back, value);
    }
}
