//! What is wrong with what was asked of a pin, with what there is to choose from.

use std::fmt::Write as _;

use flowstone::core::printable;
use flowstone::{EarlierCode, PinError};

use super::{Failure, Kind};
use crate::output::Paint;
use crate::table::Table;

/// So many codes are listed.
const CODES_LISTED_MAX: usize = 10;

/// The failure that people read. `flow` is the flow as it was named, for the commands that it proposes.
pub(crate) fn failure(error: &PinError, flow: Option<&str>) -> Failure {
    let message = printable(&error.to_string(), &[]);
    let kind = match error {
        PinError::NotNamed { .. }
        | PinError::NotComparable { .. }
        | PinError::OfSteps { .. }
        | PinError::Held { .. } => Kind::Flow,
        PinError::Name | PinError::Taken { .. } | PinError::Ambiguous { .. } => Kind::Usage,
        _ => Kind::NotFound,
    };
    let failure = Failure::new(kind, message);
    let adopt = |transform: &str, from: &str| {
        let flow = flow.map_or_else(String::new, |flow| format!("{flow} "));
        format!("`flowstone pin adopt {flow}{transform} --from {from}`")
    };
    match error {
        PinError::NotNamed { line, .. } => {
            failure.hint(format!("{line}; the name is yours to choose"))
        }
        PinError::OfSteps { name } => {
            failure.hint(format!("`flowstone verify {name}` makes steps once more"))
        }
        PinError::NothingToAdopt {
            transform, earlier, ..
        } => {
            let failure = failure.detail(listed(earlier));
            match earlier.iter().find(|code| code.obstacle.is_none()) {
                Some(code) => failure.hint(format!(
                    "adopt those of run {}: {}",
                    code.last_run,
                    adopt(transform, &code.from)
                )),
                None if earlier.is_empty() => failure.hint(
                    "run the flow first, or leave it: from the next run on its results are those of the pin",
                ),
                None => failure.hint("results of other types, literals or grants cannot be adopted"),
            }
        }
        PinError::UnknownCode { earlier, .. } => failure.detail(listed(earlier)).hint(
            "name one of these by its first digits, a run as `run:N`, or another pin as `pin:NAME`",
        ),
        PinError::Ambiguous { candidates, .. } => {
            failure.hints(candidates.iter().map(|name| format!("it may be `{name}`")))
        }
        PinError::UnknownRun { .. } => failure.hint("`flowstone runs` lists those that there are"),
        PinError::Unknown { pins, .. } if pins.is_empty() => {
            failure.hint("there are none; `flowstone pin adopt` makes one of a flow")
        }
        PinError::Unknown { name, pins } => {
            let names = pins.iter().map(String::as_str);
            failure.hint(flowstone::core::suggest(name, names))
        }
        PinError::Taken { .. } => {
            failure.hint("choose another name, or drop that pin first: `flowstone pin drop NAME`")
        }
        _ => failure,
    }
}

/// The codes that the store has results of.
fn listed(codes: &[EarlierCode]) -> String {
    let mut table = Table::of_text(&["code", "function", "results", "last run", "obstacle"]);
    for code in codes.iter().take(CODES_LISTED_MAX) {
        table.row([
            code.from.clone(),
            printable(&code.function, &[]),
            code.entries.to_string(),
            code.last_run.to_string(),
            printable(code.obstacle.as_deref().unwrap_or_default(), &[]),
        ]);
    }
    let mut text = table.numbers([2, 3]).text(Paint(false));
    if codes.len() > CODES_LISTED_MAX {
        let more = codes.len() - CODES_LISTED_MAX;
        let _ = writeln!(text, "... and {more} more");
    }
    text
}
