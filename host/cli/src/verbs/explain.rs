//! `flowstone explain`: why the last run called a transform, or reused what it remembered.

use std::fmt::Write as _;

use flowstone::{Cause, ChangedValue, ExplainedCall, Explanation};

use crate::args::ExplainArgs;
use crate::failure::{EXIT_DONE, Failure};
use crate::opening;
use crate::output::{Output, Paint, Style, word, words_within};
use crate::signals;
use crate::table::count;

/// So many calls of a row are shown.
const CALLS_SHOWN_MAX: usize = 20;

/// So many characters of a value are shown.
const VALUE_CHARS_MAX: usize = 400;

/// Explains a transform.
pub(crate) fn explain(args: &ExplainArgs, output: Output) -> Result<u8, Failure> {
    let (settings, words) = args.words.split(&["TRANSFORM", "KEY"], 1)?;
    let opened = opening::open(&settings, output)?;
    let key = words.get(1).map(String::as_str);
    let explanation =
        opened
            .engine
            .explain(&opened.flow, &words[0], key, args.values, signals::listen())?;
    if output.json {
        output.object(&explanation)?;
    } else if let Some(key) = key {
        output.answer(&of_row(&explanation, key, args.all, output.paint()))?;
    } else {
        output.answer(&of_all(&explanation, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn of_all(explanation: &Explanation, paint: Paint) -> String {
    let name = paint.text(Style::Bold, &explanation.transform);
    let run = explanation
        .run
        .map_or_else(|| "no run".to_owned(), |run| format!("run {run}"));
    let mut text = format!("{name} in {run}\n");
    for group in &explanation.groups {
        let did = if group.called { "called" } else { "reused" };
        let why = group.why.trim_start_matches("reused: ");
        let _ = writeln!(text, "  {} {did}: {}", group.calls, word(why));
        let more = if group.more { ", …" } else { "" };
        if !group.rows.is_empty() {
            let rows: Vec<String> = group.rows.iter().map(|row| word(row)).collect();
            let _ = writeln!(text, "    for {}{more}", rows.join(", "));
        }
    }
    if explanation.untouched_rows > 0 {
        let rows = count(explanation.untouched_rows, "row");
        let _ = writeln!(text, "  nothing for {rows} in which nothing changed");
    }
    text
}

fn of_row(explanation: &Explanation, key: &str, all: bool, paint: Paint) -> String {
    let name = paint.text(Style::Bold, &explanation.transform);
    let key = word(key);
    if explanation.calls.is_empty() {
        return format!("{name} was not called for {key}, and nothing was reused\n");
    }
    let mut text = format!("{name} for {key}\n");
    let most = if all { usize::MAX } else { CALLS_SHOWN_MAX };
    for call in explanation.calls.iter().take(most) {
        let did = if call.called {
            "called in"
        } else {
            "reused in"
        };
        let _ = writeln!(
            text,
            "  {} {did} run {}: {}",
            &call.key[..12],
            call.run,
            word(call.why.trim_start_matches("reused: "))
        );
        causes(call, &mut text);
    }
    if explanation.calls.len() > most {
        let more = explanation.calls.len() - most;
        let _ = writeln!(text, "  … {more} more: see them with `--all`");
    }
    text
}

/// The causes of a call as a difference, line by line.
fn causes(call: &ExplainedCall, text: &mut String) {
    for cause in &call.causes {
        let (what, from, to) = match cause {
            Cause::Code {
                from,
                to,
                functions,
                ..
            } => {
                pair(text, "code", Some(from), Some(to));
                if let Some(functions) = functions {
                    let _ = writeln!(text, "      code differs in: {}", functions.join(", "));
                }
                continue;
            }
            Cause::Signature { from, to } => {
                ("signature".to_owned(), Some(from.clone()), Some(to.clone()))
            }
            Cause::Literal {
                parameter,
                from,
                to,
            } => (format!("literal {parameter}"), from.clone(), to.clone()),
            Cause::Argument {
                column, from, to, ..
            } => {
                let value = call.values.iter().find(|value| value.column == *column);
                match value {
                    Some(value) => values(text, value),
                    None => pair(
                        text,
                        &format!("argument {column}"),
                        Some(&from.short()),
                        Some(&to.short()),
                    ),
                }
                continue;
            }
            Cause::Grants { from, to } => (
                "grants".to_owned(),
                Some(from.join(", ")),
                Some(to.join(", ")),
            ),
            Cause::Ignored { from, to } => (
                "ignored".to_owned(),
                Some(from.join(", ")),
                Some(to.join(", ")),
            ),
            _ => continue,
        };
        pair(text, &what, from.as_deref(), to.as_deref());
    }
}

fn values(text: &mut String, value: &ChangedValue) {
    let from = value
        .from
        .as_deref()
        .map_or_else(|| "(no longer kept)".to_owned(), shortened);
    let to = value
        .to
        .as_deref()
        .map_or_else(|| "(not to be had)".to_owned(), shortened);
    pair(
        text,
        &format!("argument {}", value.column),
        Some(&from),
        Some(&to),
    );
}

fn pair(text: &mut String, what: &str, from: Option<&str>, to: Option<&str>) {
    let none = "(none)";
    let _ = writeln!(text, "    {what}");
    // Values of several lines stand below each other.
    let shown = |text: Option<&str>| words_within(text.unwrap_or(none), "        ");
    let _ = writeln!(text, "      - {}", shown(from));
    let _ = writeln!(text, "      + {}", shown(to));
}

fn shortened(value: &str) -> String {
    let mut text: String = value.chars().take(VALUE_CHARS_MAX).collect();
    if text.len() < value.len() {
        text.push('…');
    }
    text
}
