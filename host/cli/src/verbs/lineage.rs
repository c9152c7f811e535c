//! `flowstone lineage`: where a target row came from, or what a source row became, as a tree.

mod nodes;
mod script;
mod tree;

use std::fmt::Write as _;
use std::path::Path;

use flowstone::LineageReport;
use flowstone::core::printable;

use self::nodes::short;
use self::script::dot;
use self::tree::{Failed, tree};
use crate::args::LineageArgs;
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::opening;
use crate::output::{Output, Paint, Style};
use crate::settings::FlowSettings;
use crate::table::count;

/// So many calls that have no place are listed.
const UNPLACED_SHOWN_MAX: usize = 12;

/// Shows the lineage of a row.
pub(crate) fn lineage(args: &LineageArgs, output: Output) -> Result<u8, Failure> {
    let (flow, name, key) = names(args)?;
    let settings = FlowSettings::of(flow, &args.engine)?;
    let opened = opening::open(&settings, output)?;
    let mut report = if args.down {
        opened.engine.lineage_of_source(&opened.flow, name, key)?
    } else {
        opened.engine.lineage_of_target(&opened.flow, name, key)?
    };
    report
        .targets
        .sort_by(|a, b| (&a.target, &a.origin, &a.key).cmp(&(&b.target, &b.origin, &b.key)));
    if output.json {
        output.object(&report)?;
    } else if args.dot {
        output.answer(&dot(&report.graph, args.down, args.all))?;
    } else {
        output.answer(&text(&report, args.all, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

/// The flow, the target or source, and the key, from two or three names.
fn names(args: &LineageArgs) -> Result<(Option<&Path>, &str, &str), Failure> {
    let what = if args.down { "SOURCE" } else { "TARGET" };
    match (&*args.names, &args.flow) {
        ([name, key], flow) => Ok((flow.as_deref(), name, key)),
        ([flow, name, key], None) => Ok((Some(Path::new(flow)), name, key)),
        ([_, _, _], Some(_)) => Err(Failure::new(
            Kind::Usage,
            "the flow is named twice: before the names and with `--flow`",
        )),
        (names, _) => Err(Failure::new(
            Kind::Usage,
            format!(
                "[FLOW] {what} KEY are two or three words, not {}",
                names.len()
            ),
        )
        .hint("a key with blanks in it goes into quotes")),
    }
}

/// The lineage as a tree, and what has no place in it.
fn text(report: &LineageReport, all: bool, paint: Paint) -> String {
    let failure = report.failure.as_deref().map(|reason| Failed {
        source: &report.source,
        key: &report.key,
        reason,
    });
    let mut text = tree(&report.graph, failure, all, paint);
    if !report.certain && report.unplaced.is_empty() {
        let why = "a result was given, or the row failed or the flow changed since";
        let _ = writeln!(text, "\nnot all of this is certain: {why}");
    }
    if !report.unplaced.is_empty() {
        let calls = count(report.unplaced.len() as u64, "call");
        let _ = writeln!(
            text,
            "\n{calls} of an earlier version of the row or the flow:"
        );
        let shown = if all { usize::MAX } else { UNPLACED_SHOWN_MAX };
        for call in report.unplaced.iter().take(shown) {
            let key = paint.text(Style::Dim, &format!("(memo {})", short(&call.key)));
            let _ = writeln!(text, "  call {} {key}", printable(&call.transform, &[]));
        }
        if report.unplaced.len() > shown {
            let more = report.unplaced.len() - shown;
            let _ = writeln!(text, "  … {more} more; `--all` shows everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_comes_first_where_it_is_named() {
        use clap::Parser;
        let args = |line: &[&str]| match crate::args::TypedArgs::try_parse_from(line)
            .map(|args| args.verb)
        {
            Ok(crate::args::Verb::Lineage(args)) => args,
            other => panic!("{other:?}"),
        };
        let three = args(&["flowstone", "lineage", "x.toml", "index", "a"]);
        assert_eq!(
            names(&three).map(|(flow, ..)| flow),
            Ok(Some(Path::new("x.toml")))
        );
        let two = args(&["flowstone", "lineage", "index", "a", "--flow", "y"]);
        assert_eq!(names(&two), Ok((Some(Path::new("y")), "index", "a")));
        assert!(names(&args(&["flowstone", "lineage", "index"])).is_err());
        assert!(
            names(&args(&[
                "flowstone",
                "lineage",
                "x",
                "index",
                "a",
                "--flow",
                "y"
            ]))
            .is_err()
        );
    }
}
