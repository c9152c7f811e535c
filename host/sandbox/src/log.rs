//! The log of a call: what the plugin wrote to standard output and error, and the messages it sent.

use std::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For the author of the plugin.
    Debug,
    /// For the person who runs the flow. Lines of standard output have this level.
    Info,
    /// Something is odd. Lines of standard error have this level.
    Warn,
    /// Something went wrong.
    Error,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        })
    }
}

/// A line of a plugin's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says, without the line break. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.text)
    }
}

/// The log as it grows, with its limit.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<LogLine>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    bytes_left: u64,
    bytes_max: u64,
    bytes_dropped: u64,
}

/// The streams that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn level(self) -> LogLevel {
        match self {
            Stream::Stdout => LogLevel::Info,
            Stream::Stderr => LogLevel::Warn,
        }
    }
}

impl Log {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Log {
            lines: Vec::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            bytes_left: bytes_max,
            bytes_max,
            bytes_dropped: 0,
        }
    }

    /// Takes what was written to a stream: a line is complete at its line break.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let bytes = self.within_limit(bytes);
        let open = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(part);
            if open.last() == Some(&b'\n') {
                self.lines.push(line(stream.level(), open));
                open.clear();
            }
        }
    }

    /// Takes a message.
    pub(crate) fn message(&mut self, level: LogLevel, text: &str) {
        // An empty message counts too, or a plugin could send them without end.
        self.bytes_left = self.bytes_left.saturating_sub(1);
        let bytes = self.within_limit(text.as_bytes());
        if !bytes.is_empty() {
            self.lines.push(line(level, bytes));
        }
    }

    /// As many of the bytes as the limit still allows.
    fn within_limit<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let taken = bytes
            .len()
            .min(usize::try_from(self.bytes_left).unwrap_or(usize::MAX));
        self.bytes_left -= taken as u64;
        self.bytes_dropped += (bytes.len() - taken) as u64;
        &bytes[..taken]
    }

    /// Ends the log: completes open lines, and notes what was dropped. What comes after is a new one.
    pub(crate) fn finish(&mut self) -> Vec<LogLine> {
        let mut lines = std::mem::take(&mut self.lines);
        for (stream, open) in [
            (Stream::Stdout, &mut self.stdout),
            (Stream::Stderr, &mut self.stderr),
        ] {
            if !open.is_empty() {
                lines.push(line(stream.level(), open));
                open.clear();
            }
        }
        self.bytes_left = self.bytes_max;
        if self.bytes_dropped > 0 {
            let text = format!(
                "{} more bytes of log were dropped: its limit is {} bytes",
                self.bytes_dropped, self.bytes_max
            );
            lines.push(LogLine {
                level: LogLevel::Warn,
                text,
            });
            self.bytes_dropped = 0;
        }
        lines
    }
}

fn line(level: LogLevel, bytes: &[u8]) -> LogLine {
    let text = String::from_utf8_lossy(bytes);
    LogLine {
        level,
        text: text.trim_end_matches(['\n', '\r']).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &mut Log) -> Vec<String> {
        log.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_are_put_together_from_parts() {
        let mut log = Log::new(100);
        log.write(Stream::Stdout, b"one\ntw");
        log.write(Stream::Stderr, b"oops");
        log.write(Stream::Stdout, b"o\n\nthree");
        log.message(LogLevel::Error, "four");
        assert_eq!(
            texts(&mut log),
            [
                "info: one",
                "info: two",
                "info: ",
                "error: four",
                "info: three",
                "warn: oops"
            ]
        );
    }

    #[test]
    fn what_is_over_the_limit_is_counted_not_kept() {
        let mut log = Log::new(5);
        log.write(Stream::Stdout, b"abc\n");
        log.write(Stream::Stdout, b"defgh");
        log.message(LogLevel::Info, "more");
        assert_eq!(
            texts(&mut log),
            [
                "info: abc",
                "info: d",
                "warn: 8 more bytes of log were dropped: its limit is 5 bytes"
            ]
        );
        log.message(LogLevel::Info, "next");
        assert_eq!(texts(&mut log), ["info: next"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut log = Log::new(100);
        log.write(Stream::Stderr, b"\xff\xfe!\r\n");
        assert_eq!(texts(&mut log), ["warn: \u{fffd}\u{fffd}!"]);
    }
}
