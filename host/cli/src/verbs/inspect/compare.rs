//! `flowstone inspect OLD NEW`: which functions differ between two builds of a component.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Inspected, signature};
use crate::failure::{EXIT_DONE, Failure};
use crate::output::{Output, Paint, Style};
use crate::table::Table;

/// How two builds of a component differ.
#[derive(Serialize)]
struct Comparison {
    from: String,
    to: String,
    functions: Vec<ComparedFunction>,
}

/// How a function differs between two builds.
#[derive(Serialize)]
struct ComparedFunction {
    name: String,
    change: Change,
    /// The digests of what it can reach.
    from: Option<String>,
    to: Option<String>,
    /// Its former and its present WIT, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Same,
    Code,
    Added,
    Removed,
}

impl Change {
    fn words(self) -> &'static str {
        match self {
            Change::Same => "same code",
            Change::Code => "other code",
            Change::Added => "new",
            Change::Removed => "gone",
        }
    }
}

/// Compares two builds.
pub(super) fn compare(from: &Inspected, to: &Inspected, output: Output) -> Result<u8, Failure> {
    let names: BTreeSet<&String> = from.functions.keys().chain(to.functions.keys()).collect();
    let comparison = Comparison {
        from: from.digest.clone(),
        to: to.digest.clone(),
        functions: names
            .into_iter()
            .map(|name| function(from, to, name))
            .collect(),
    };
    if output.json {
        output.object(&comparison)?;
    } else {
        output.answer(&text((&from.shown, &to.shown), &comparison, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn function(from: &Inspected, to: &Inspected, name: &str) -> ComparedFunction {
    let digest = |of: &Inspected| of.functions.get(name).map(ToString::to_string);
    let wit = |of: &Inspected| of.interface.function(name).map(signature);
    let (old, new) = (digest(from), digest(to));
    let change = match (&old, &new) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        (old, new) if old == new => Change::Same,
        _ => Change::Code,
    };
    ComparedFunction {
        name: name.to_owned(),
        change,
        from: old,
        to: new,
        signature: wit(from).zip(wit(to)).filter(|(from, to)| from != to),
    }
}

fn text(shown: (&str, &str), comparison: &Comparison, paint: Paint) -> String {
    let short = |digest: &Option<String>| {
        digest
            .as_deref()
            .map_or_else(String::new, |digest| digest[..12].to_owned())
    };
    let mut text = String::new();
    for (name, digest) in [(shown.0, &comparison.from), (shown.1, &comparison.to)] {
        let _ = writeln!(text, "{} {digest}", paint.text(Style::Bold, name));
    }
    let mut table = Table::of_text(&["function", "", "reached", "reaches"]);
    for function in &comparison.functions {
        table.row([
            function.name.clone(),
            function.change.words().to_owned(),
            short(&function.from),
            short(&function.to),
        ]);
    }
    let _ = write!(text, "\n{}", table.text(paint));
    for (from, to) in comparison
        .functions
        .iter()
        .filter_map(|function| function.signature.as_ref())
    {
        let _ = writeln!(text, "\nsignature\n  - {from}\n  + {to}");
    }
    let changed = comparison
        .functions
        .iter()
        .filter(|function| function.change != Change::Same);
    let _ = match (changed.count(), comparison.from == comparison.to) {
        (0, true) => writeln!(text, "\nthe same component"),
        (0, false) => writeln!(
            text,
            "\nno function changed: under `identity = \"function\"` all results stand"
        ),
        (changed, _) => writeln!(
            text,
            "\n{changed} of {} functions changed",
            comparison.functions.len()
        ),
    };
    text
}
