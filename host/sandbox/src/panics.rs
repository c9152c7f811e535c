//! What the runtimes of languages write to standard error before they trap, in words for who wrote the plugin: a Rust
//! program panics, and the interpreters of Python and JavaScript are Rust programs.

use crate::log::LogLine;

/// What componentize-py says where an exception was raised; its traceback stands before that.
const PYTHON_RAISED: &str = "Python function threw an unexpected exception";

/// What it says where a result cannot be taken: `… value: PyErr { type: …, value: TypeError("…"), traceback: … }`.
const PYTHON_ERROR: &str = "PyErr { type: ";

/// What componentize-qjs says where a value is not of its type: `…: FromJs { from: "string", to: "i32", … }`.
const JAVASCRIPT_ERROR: &str = ": FromJs { from: \"";

/// Why a call trapped, if its log says so.
pub(crate) fn reason(log: &[LogLine]) -> Option<String> {
    let at = log
        .iter()
        .position(|line| line.text.starts_with("thread '") && line.text.contains("panicked at "))?;
    let (_, place) = log[at].text.split_once("panicked at ")?;
    let message = log.get(at + 1).map_or("", |line| line.text.as_str());
    let of_language = if message == PYTHON_RAISED {
        raised(&log[..at])
    } else if message.contains(PYTHON_ERROR) {
        python_type(message)
    } else {
        javascript(message)
    };
    Some(of_language.unwrap_or_else(|| format!("the plugin panicked at {place} {message}")))
}

/// The exception of a traceback, with the place that it comes from: `ValueError: no words, in line 9 of app.py`.
fn raised(log: &[LogLine]) -> Option<String> {
    let begins = |line: &LogLine| line.text.starts_with("Traceback (most recent call last)");
    let trace = &log[log.iter().rposition(begins)? + 1..];
    let end = trace.iter().position(|line| !line.text.starts_with(' '))?;
    let exception = trace[end].text.trim();
    let place = trace[..end].iter().rev().find_map(|line| {
        let (file, rest) = line.text.trim().strip_prefix("File \"")?.split_once('"')?;
        let number = rest.strip_prefix(", line ")?.split(',').next()?;
        let file = file.rsplit('/').next()?;
        Some(format!(", in line {number} of {file}"))
    });
    let place = place.unwrap_or_default();
    Some(format!("the plugin raised {exception}{place}"))
}

fn python_type(message: &str) -> Option<String> {
    let (_, value) = message.split_once(", value: ")?;
    let value = value
        .rsplit_once(", traceback: ")
        .map_or(value, |(value, _)| value);
    Some(format!(
        "the plugin gave something that is not of its type in WIT: {value}"
    ))
}

fn javascript(message: &str) -> Option<String> {
    let (said, types) = message.split_once(JAVASCRIPT_ERROR)?;
    let (from, _) = types.split_once('"')?;
    Some(match said.strip_suffix(" not found") {
        Some(function) => {
            format!("the plugin's module does not export the {function}, which its world has")
        }
        None => {
            format!("the plugin gave something that is not of its type in WIT: {said}, got {from}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogLevel;

    fn reason_of(lines: &[&str]) -> Option<String> {
        let line = |text: &&str| LogLine {
            level: LogLevel::Warn,
            text: (*text).to_owned(),
        };
        reason(&lines.iter().map(line).collect::<Vec<_>>())
    }

    #[test]
    fn a_panic_in_rust_is_told_with_its_place() {
        let lines = [
            "",
            "thread '<unnamed>' (1) panicked at src/lib.rs:3:5:",
            "so it goes",
        ];
        let told = "the plugin panicked at src/lib.rs:3:5: so it goes";
        assert_eq!(reason_of(&lines).as_deref(), Some(told));
        assert_eq!(reason_of(&["a line"]), None);
    }

    #[test]
    fn an_exception_in_python_is_told_with_its_line() {
        let lines = [
            "Traceback (most recent call last):",
            "  File \"/0/app.py\", line 9, in count",
            "  File \"/0/deep/words.py\", line 12, in of",
            "ValueError: no good",
            "second line",
            "",
            "thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:",
            "Python function threw an unexpected exception",
        ];
        let told = "the plugin raised ValueError: no good, in line 12 of words.py";
        assert_eq!(reason_of(&lines).as_deref(), Some(told));
        let told = "the plugin panicked at runtime/src/lib.rs:1280:25: Python function threw an unexpected exception";
        assert_eq!(
            reason_of(&lines[6..]).as_deref(),
            Some(told),
            "there is no more to it"
        );
    }

    #[test]
    fn a_value_of_another_type_is_told_as_one() {
        for (message, told) in [
            (
                "called `Result::unwrap()` on an `Err` value: PyErr { type: <class 'TypeError'>, value: TypeError(\"'str' object cannot be interpreted as an integer\"), traceback: None }",
                "the plugin gave something that is not of its type in WIT: TypeError(\"'str' object cannot be interpreted as an integer\")",
            ),
            (
                "expected number: FromJs { from: \"string\", to: \"i32\", message: None }",
                "the plugin gave something that is not of its type in WIT: expected number, got string",
            ),
            (
                "function 'summary' not found: FromJs { from: \"undefined\", to: \"function\", message: None }",
                "the plugin's module does not export the function 'summary', which its world has",
            ),
        ] {
            let lines = ["thread '<unnamed>' (1) panicked at src/x.rs:1:1:", message];
            assert_eq!(reason_of(&lines).as_deref(), Some(told));
        }
    }
}
