//! Failures as people read them, with the place in the flow file, and as scripts do.

use std::fmt;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use flowstone::Diagnostic;
use flowstone::core::is_unprintable;
use miette::{
    LabeledSpan, MietteHandler, MietteHandlerOpts, NamedSource, ReportHandler, SourceCode,
};
use serde_json::{Value as Json, json};

use crate::failure::{Failure, FlowText, Kind};
use crate::output::{Output, Style, word, words_within};

/// The width of messages where there is no terminal to ask.
const WIDTH: usize = 100;

/// Prints a failure: to standard error, or as the answer where that is JSON.
pub(crate) fn failure(failure: &Failure, output: Output) {
    if output.json {
        // There is no other place to say that standard output is closed.
        let _ = output.object(&object(failure));
    } else {
        output.say(&text(failure, output));
    }
}

/// Prints a mistake in the arguments as JSON; the arguments are not there to make an [`Output`] of.
pub(crate) fn usage_json(error: &clap::Error) {
    let text = error.to_string();
    let mut parts = text
        .trim()
        .strip_prefix("error: ")
        .unwrap_or(text.trim())
        .split("\n\n");
    let message = parts.next().unwrap_or_default();
    let hints = parts
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty());
    let _ = std::io::stdout().write_all(
        format!(
            "{}\n",
            object(&Failure::new(Kind::Usage, message).hints(hints))
        )
        .as_bytes(),
    );
}

/// `{"error": {"kind", "message", "detail", "hints", "diagnostics"}}`
pub(crate) fn object(failure: &Failure) -> Json {
    let diagnostics: Vec<Json> = failure
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let place = failure
                .flow
                .as_ref()
                .and_then(|flow| diagnostic.position(&flow.text));
            json!({
                "message": diagnostic.message,
                "line": place.map(|(line, _)| line),
                "column": place.map(|(_, column)| column),
                "label": diagnostic.label,
                "help": diagnostic.help,
            })
        })
        .collect();
    json!({"error": {
        "kind": failure.kind.name(),
        "message": failure.message,
        "detail": failure.detail,
        "hints": failure.hints,
        "diagnostics": diagnostics,
    }})
}

pub(crate) fn text(failure: &Failure, output: Output) -> String {
    let paint = output.paint_notes();
    let mut text = String::new();
    if let Some(flow) = failure.flow.as_ref().map(shown_flow) {
        let mut options = MietteHandlerOpts::new()
            .force_graphical(true)
            .terminal_links(false)
            .unicode(true)
            .color(paint.0)
            .rgb_colors(miette::RgbColors::Never);
        if !output.stderr.terminal {
            options = options.width(WIDTH);
        }
        let handler = options.build();
        let source = NamedSource::new(&flow.name, Arc::new(flow.text.clone()));
        for fault in &failure.diagnostics {
            let fault = shown_fault(fault);
            let place = Place::new(&fault, &flow, &source);
            let _ = writeln!(text, "{}", Graphical(&handler, &place));
        }
    }
    if let Some(detail) = &failure.detail {
        text.push_str(&flowstone::printable(detail.trim_end()));
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} {}",
        paint.text(Style::Red, "error:"),
        words_within(&failure.message, "  ")
    );
    for hint in &failure.hints {
        let hint = words_within(hint, "  ");
        let _ = writeln!(text, "{} {hint}", paint.text(Style::Cyan, "hint:"));
    }
    text
}

/// The flow file with signs of the same length in place of what is unprintable, so that places stay where they are.
fn shown_flow(flow: &FlowText) -> FlowText {
    let sign = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if is_unprintable(c) => match c.len_utf8() {
            1 => "?".to_owned(),
            2 => "¿".to_owned(),
            3 => "\u{fffd}".to_owned(),
            _ => "\u{fffd}?".to_owned(),
        },
        c => c.to_string(),
    };
    FlowText {
        name: word(&flow.name),
        text: flow.text.chars().map(sign).collect(),
    }
}

fn shown_fault(fault: &Diagnostic) -> Diagnostic {
    let shown = |text: &String| flowstone::printable(text);
    let mut fault = fault.clone();
    fault.message = shown(&fault.message);
    fault.label = fault.label.as_ref().map(shown);
    fault.help = fault.help.as_ref().map(shown);
    fault
}

/// A diagnostic with its source, in miette's terms.
#[derive(Debug)]
struct Place<'a> {
    fault: &'a Diagnostic,
    label: Option<LabeledSpan>,
    source: &'a NamedSource<Arc<String>>,
}

impl<'a> Place<'a> {
    fn new(fault: &'a Diagnostic, flow: &FlowText, source: &'a NamedSource<Arc<String>>) -> Self {
        let label = fault.span.as_ref().map(|span| {
            // A place behind the end is the end: a file may be cut off.
            let end = span.end.min(flow.text.len());
            let start = span.start.min(end);
            LabeledSpan::new_with_span(fault.label.clone(), start..end)
        });
        Self {
            fault,
            label,
            source,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for Place<'_> {}

impl miette::Diagnostic for Place<'_> {
    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.fault
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.label.as_ref().map(|_| self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.label.iter().cloned()))
    }
}

struct Graphical<'a>(&'a MietteHandler, &'a Place<'a>);

impl fmt::Display for Graphical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(self.1, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_line_and_column_in_json() {
        let flow = FlowText {
            name: "flow.toml".to_owned(),
            text: "a = 1\nbü = 2\n".to_owned(),
        };
        let fault = Diagnostic::at(&(9..10), "it is wrong").help("mend it");
        let failure = Failure::from(flowstone::FlowErrors(vec![fault])).in_flow(&flow);
        let object = object(&failure);
        assert_eq!(object["error"]["kind"], "flow");
        assert_eq!(
            object["error"]["diagnostics"][0],
            json!({"message": "it is wrong", "line": 2, "column": 3, "label": null, "help": "mend it"})
        );
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        let flow = FlowText {
            name: "flow.toml".to_owned(),
            text: "a".to_owned(),
        };
        let source = NamedSource::new("flow.toml", Arc::new(flow.text.clone()));
        let fault = Diagnostic::at(&(5..9), "cut off");
        let place = Place::new(&fault, &flow, &source);
        let handler = MietteHandlerOpts::new()
            .force_graphical(true)
            .color(false)
            .width(WIDTH)
            .build();
        let text = Graphical(&handler, &place).to_string();
        assert!(
            text.contains("cut off") && text.contains("flow.toml:1:2"),
            "{text}"
        );
    }
}
