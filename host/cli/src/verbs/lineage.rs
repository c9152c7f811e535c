//! `flowstone lineage`: where a target row came from, or what a source row became, as a tree.

use std::fmt::Write as _;
use std::path::Path;

use flowstone::LineageReport;

use crate::args::LineageArgs;
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::opening;
use crate::output::{Output, Paint, Style};
use crate::settings::FlowSettings;

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
    } else {
        let text = if args.down {
            down(&report, output.paint())
        } else {
            up(&report, (name, key), output.paint())
        };
        output.answer(&text)?;
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

/// From a target row up to its source.
fn up(report: &LineageReport, (target, key): (&str, &str), paint: Paint) -> String {
    let mut text = String::new();
    let shown = report.targets.first().map_or(key, |row| &*row.key);
    let origin = report
        .targets
        .first()
        .map_or_else(String::new, |row| origin(&row.origin));
    let _ = writeln!(
        text,
        "target {} {shown}{origin}",
        paint.text(Style::Bold, target)
    );
    let _ = writeln!(text, "└─ source {}", source(report, paint));
    failure(report, "   ", report.calls.is_empty(), &mut text, paint);
    calls(report, "   ", true, &mut text, paint);
    text
}

/// From a source row down to its target rows.
fn down(report: &LineageReport, paint: Paint) -> String {
    let mut text = format!("source {}\n", source(report, paint));
    let alone = report.calls.is_empty() && report.targets.is_empty();
    failure(report, "", alone, &mut text, paint);
    calls(report, "", report.targets.is_empty(), &mut text, paint);
    for (index, row) in report.targets.iter().enumerate() {
        let branch = if index + 1 == report.targets.len() {
            "└─"
        } else {
            "├─"
        };
        let name = paint.text(Style::Bold, &row.target);
        let _ = writeln!(
            text,
            "{branch} target {name} {}{}",
            row.key,
            origin(&row.origin)
        );
    }
    text
}

fn source(report: &LineageReport, paint: Paint) -> String {
    let name = paint.text(Style::Bold, &report.source);
    // A row that could not be read has no content that is known.
    let Some(content) = &report.content else {
        return format!("{name} {}", report.key);
    };
    let content = content.get(..12).unwrap_or(content);
    let content = paint.text(Style::Dim, &format!("(content {content})"));
    format!("{name} {} {content}", report.key)
}

fn failure(report: &LineageReport, indent: &str, last: bool, text: &mut String, paint: Paint) {
    if let Some(reason) = &report.failure {
        let branch = if last { "└─" } else { "├─" };
        let _ = writeln!(
            text,
            "{indent}{branch} {} {reason}",
            paint.text(Style::Red, "failed:")
        );
    }
}

/// The calls that were made for the row.
fn calls(report: &LineageReport, indent: &str, last: bool, text: &mut String, paint: Paint) {
    for (index, call) in report.calls.iter().enumerate() {
        let branch = if last && index + 1 == report.calls.len() {
            "└─"
        } else {
            "├─"
        };
        let key = call.key.get(..12).unwrap_or(&call.key);
        let key = paint.text(Style::Dim, &format!("(memo {key})"));
        let _ = writeln!(text, "{indent}{branch} call {} {key}", call.transform);
    }
}

/// Which child row it was: `, row 2 of its list`.
fn origin(origin: &[u32]) -> String {
    let positions: Vec<String> = origin
        .iter()
        .map(|position| format!("[{position}]"))
        .collect();
    if positions.is_empty() {
        String::new()
    } else {
        format!(" from row {}", positions.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{LineageCall, LineageTarget};

    fn report() -> LineageReport {
        let call = |transform: &str| LineageCall {
            transform: transform.to_owned(),
            key: "0123456789abcdef".to_owned(),
        };
        let row = |at: u32| LineageTarget {
            target: "index".to_owned(),
            key: format!("[\"a.md\",{at}]"),
            origin: vec![at],
        };
        LineageReport {
            source: "page".to_owned(),
            key: "a.md".to_owned(),
            content: Some("fedcba9876543210".to_owned()),
            failure: None,
            calls: vec![call("section"), call("words")],
            targets: vec![row(0), row(1)],
        }
    }

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

    #[test]
    fn a_source_row_is_the_root_of_what_it_became() {
        let expected = "source page a.md (content fedcba987654)\n\
            ├─ call section (memo 0123456789ab)\n\
            ├─ call words (memo 0123456789ab)\n\
            ├─ target index [\"a.md\",0] from row [0]\n\
            └─ target index [\"a.md\",1] from row [1]\n";
        assert_eq!(down(&report(), Paint(false)), expected);
    }

    #[test]
    fn a_target_row_leads_to_its_source_and_the_calls() {
        let report = LineageReport {
            targets: report().targets[..1].to_vec(),
            ..report()
        };
        let expected = "target index [\"a.md\",0] from row [0]\n\
            └─ source page a.md (content fedcba987654)\n   \
               ├─ call section (memo 0123456789ab)\n   \
               └─ call words (memo 0123456789ab)\n";
        assert_eq!(up(&report, ("index", "a"), Paint(false)), expected);
    }
}
