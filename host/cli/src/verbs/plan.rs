//! `flowstone plan`: what a run would do and why; nothing is run, nothing is written.

use std::fmt::Write as _;

use flowstone::PlanReport;
use flowstone::core::{Plan, Transform};

use crate::args::PlanArgs;
use crate::failure::{EXIT_DONE, EXIT_INTERRUPTED, Failure};
use crate::opening;
use crate::output::{Output, Paint, Style, word};
use crate::settings::FlowSettings;
use crate::signals;
use crate::table::{Table, count};

/// Says what a run would do.
pub(crate) fn plan(args: &PlanArgs, output: Output) -> Result<u8, Failure> {
    let settings = FlowSettings::new(&args.flow)?;
    let opened = opening::open(&settings, output)?;
    let stop = signals::listen();
    let report = opened
        .engine
        .plan(&opened.flow, &args.cache.options(), stop)?;
    if signals::asked_to_stop() {
        return Ok(EXIT_INTERRUPTED);
    }
    if output.json {
        output.object(&report)?;
    } else {
        let rows = args.rows || output.verbose;
        output.answer(&text(
            &report,
            &followers(&report, opened.flow.plan()),
            rows,
            output.paint(),
        ))?;
    }
    Ok(EXIT_DONE)
}

fn text(report: &PlanReport, followers: &[&str], rows: bool, paint: Paint) -> String {
    let mut text = format!(
        "plan of {}\n\n",
        paint.text(Style::Bold, &word(&report.flow))
    );
    let sources = Table::of_sources(&report.sources);
    text.push_str(&sources.text(paint));
    let mut transforms = Table::of_text(&["transform", "calls", "reused", "undecided", "why"]);
    for transform in &report.transforms {
        let why: Vec<String> = transform
            .reasons
            .iter()
            .map(|reason| format!("{} ({})", word(&reason.why), reason.calls))
            .collect();
        let numbers = [transform.calls, transform.reused, transform.undecided]
            .map(|number| number.to_string());
        transforms.row(
            std::iter::once(word(&transform.name))
                .chain(numbers)
                .chain([why.join(", ")]),
        );
    }
    let transforms = transforms.numbers([1, 2, 3]).text(paint);
    if !transforms.is_empty() {
        let _ = write!(text, "\n{transforms}");
    }
    let pins = report.transforms.iter();
    let pins: Vec<_> = pins
        .filter_map(|transform| Some((&transform.name, transform.pin.as_ref()?)))
        .collect();
    if !pins.is_empty() {
        text.push('\n');
    }
    for (name, pin) in pins {
        let _ = writeln!(text, "{name} is {pin}");
    }
    if rows && !report.rows.is_empty() {
        let mut table = Table::of_text(&["row", "key", "why"]);
        for row in &report.rows {
            table.row([word(&row.source), word(&row.key), word(&row.why)]);
        }
        let _ = write!(text, "\n{}", table.text(paint));
        if hidden_rows(report) > 0 {
            let _ = writeln!(text, "... and more");
        }
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    for note in &report.notes {
        let _ = writeln!(text, "{} {note}", paint.text(Style::Cyan, "note:"));
    }
    let _ = writeln!(text, "\n{}", sum(report, followers));
    text
}

/// The transforms on rows that are not known yet, since calls that would run make them.
fn followers<'a>(report: &PlanReport, plan: &'a Plan) -> Vec<&'a str> {
    let mut followers = Vec::new();
    for stage in &plan.stages {
        let open = |transform: &Transform| {
            let planned = report
                .transforms
                .iter()
                .find(|planned| planned.name == transform.name);
            planned.is_some_and(|planned| planned.calls + planned.undecided > 0)
        };
        let mut unknown = vec![false; stage.collections.len()];
        for made in stage
            .transforms
            .iter()
            .filter(|transform| open(transform))
            .filter_map(|transform| transform.makes)
        {
            unknown[made] = true;
        }
        // Every collection comes after its parent.
        for (index, collection) in stage.collections.iter().enumerate() {
            unknown[index] |= collection.parent.is_some_and(|parent| unknown[parent]);
        }
        let on_unknown = stage
            .transforms
            .iter()
            .filter(|transform| unknown[transform.collection]);
        followers.extend(on_unknown.map(|transform| &*transform.name));
    }
    followers
}

/// How many rows that differ are not in the list: it has an end.
fn hidden_rows(report: &PlanReport) -> u64 {
    let differ = report
        .sources
        .values()
        .map(|counts| counts.added + counts.changed + counts.removed)
        .sum::<u64>();
    differ.saturating_sub(report.rows.len() as u64)
}

/// The last line: what it comes to.
fn sum(report: &PlanReport, followers: &[&str]) -> String {
    let sum =
        |of: fn(&flowstone::TransformPlan) -> u64| report.transforms.iter().map(of).sum::<u64>();
    let (calls, undecided) = (
        sum(|transform| transform.calls),
        sum(|transform| transform.undecided),
    );
    let mut text = format!("{} would run", count(calls, "call"));
    if undecided > 0 {
        let _ = write!(text, ", {undecided} more may");
    }
    if !followers.is_empty() {
        let names: Vec<String> = followers.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(
            text,
            ", then {} on the rows that come of it",
            names.join(", ")
        );
    }
    let removed = report
        .sources
        .values()
        .map(|counts| counts.removed)
        .sum::<u64>();
    if removed > 0 {
        let gone = if removed == 1 {
            "what came of 1 row"
        } else {
            "what came of the rows"
        };
        let _ = write!(text, ", {gone} that went would be removed");
    }
    text + "; nothing was changed"
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{PlannedRow, Reason, SourceCounts, TransformPlan};
    use std::collections::BTreeMap;

    fn report() -> PlanReport {
        PlanReport {
            flow: "handbook".to_owned(),
            sources: BTreeMap::from([(
                "page".to_owned(),
                SourceCounts {
                    rows: 4,
                    added: 1,
                    ..SourceCounts::default()
                },
            )]),
            transforms: vec![TransformPlan {
                name: "section".to_owned(),
                calls: 2,
                reused: 3,
                undecided: 0,
                reasons: vec![Reason {
                    why: "new rows".to_owned(),
                    calls: 2,
                }],
                pin: None,
            }],
            rows: vec![PlannedRow {
                source: "page".to_owned(),
                key: "a.md".to_owned(),
                why: "new".to_owned(),
            }],
            notes: vec!["target `index` is new".to_owned()],
        }
    }

    #[test]
    fn a_plan_ends_with_what_it_comes_to() {
        let shown = text(&report(), &[], false, Paint(false));
        assert!(
            shown.contains("section        2       3          0  new rows (2)\n"),
            "{shown}"
        );
        assert!(
            shown.ends_with(
                "\nnote: target `index` is new\n\n2 calls would run; nothing was changed\n"
            ),
            "{shown}"
        );
        assert!(!shown.contains("a.md"));
        assert!(text(&report(), &[], true, Paint(false)).contains("page  a.md  new\n"));
    }

    #[test]
    fn what_is_not_known_yet_is_said() {
        let mut report = report();
        report.transforms[0].undecided = 5;
        report.sources.entry("page".to_owned()).or_default().removed = 1;
        let expected = "2 calls would run, 5 more may, then `words` on the rows that come of it, what came of 1 row that went would be removed; nothing was changed";
        assert_eq!(sum(&report, &["words"]), expected);
    }
}
