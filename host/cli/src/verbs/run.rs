//! `flowstone run`: brings the targets up to date, shows how it goes on, and sums up.

use flowstone::{Drift, FailedRow, RunOptions, RunReport};
use std::fmt::Write as _;
use std::path::Path;

use crate::args::RunArgs;
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, EXIT_INTERRUPTED, Failure, Kind};
use crate::opening::{self, Opened};
use crate::output::{Output, Paint, Style, word, words_within};
use crate::progress::Progress;
use crate::settings::FlowSettings;
use crate::signals;
use crate::table::{Table, count, seconds};
use crate::whole;

/// So many failed rows are listed.
const FAILED_LISTED_MAX: usize = 10;

/// Runs a flow.
pub(crate) fn run(args: &RunArgs, output: Output) -> Result<u8, Failure> {
    let settings = FlowSettings::new(&args.flow)?;
    let mut opened = opening::open(&settings, output)?;
    let mut options = RunOptions {
        allow_deletes: args.allow_deletes,
        verify_targets: args.verify_targets,
        cache: args.cache.options(),
        ..RunOptions::default()
    };
    for (name, file) in &args.overrides {
        let text = read_overrides(file)?;
        let plan = opened.flow.plan();
        options.overrides.add(plan, name, file, &text)?;
    }
    let progress = Progress::start(output);
    options.observed = progress.shows_keys();
    let outcome = opened
        .engine
        .run(&opened.flow, &options, signals::listen(), &progress);
    progress.finish();
    let report = outcome?;
    if output.json {
        output.object(&report)?;
    } else if output.quiet {
        // Quiet is about what went well.
        let paint = output.paint_notes();
        output.say(drifted(&report, paint).trim_start());
        output.say(failures(&report, FAILED_LISTED_MAX, paint).trim_start());
    } else {
        output.summary(&summary(&report, output.paint_summary()))?;
    }
    if !args.no_gc {
        collect(&mut opened, &report, output)?;
    }
    Ok(status(&report))
}

/// Removes what nobody needs from the store, where there may be something to gain.
fn collect(opened: &mut Opened, report: &RunReport, output: Output) -> Result<(), Failure> {
    let stop = signals::listen();
    let collected = (opened.engine).gc_if_due(&opened.flow, report, stop, &mut |_| {})?;
    if let Some(collected) = collected
        && !output.quiet
        && !output.json
        && collected.report.removed > 0
    {
        output.say(&format!(
            "gc: removed {} that nobody needs; `flowstone gc --help` says more\n",
            count(collected.report.removed, "result")
        ));
    }
    Ok(())
}

/// How many bytes an override file may have.
const OVERRIDES_BYTES_MAX: u64 = 256 << 20;

fn read_overrides(path: &str) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(Kind::Usage, format!("cannot read `{path}`: {why}"));
    let bytes = whole::read(Path::new(path), OVERRIDES_BYTES_MAX)
        .map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))
}

fn status(report: &RunReport) -> u8 {
    if report.interrupted {
        EXIT_INTERRUPTED
    } else if report.failures > 0 {
        EXIT_FAILED_ROWS
    } else {
        EXIT_DONE
    }
}

fn summary(report: &RunReport, paint: Paint) -> String {
    let title = paint.text(
        Style::Bold,
        &format!("run {} of {}", report.run, word(&report.flow)),
    );
    let mut text = format!("{title}, {}\n", seconds(report.seconds));
    text.push_str(&tables(report, paint));
    text.push_str(&drifted(report, paint));
    text.push_str(&failures(report, FAILED_LISTED_MAX, paint));
    text.push_str(&kept(report, paint));
    if report.interrupted {
        text.push_str("\ninterrupted: what was finished is kept, the next run does the rest\n");
    }
    text
}

/// What a run did with every source, transform and target.
pub(super) fn tables(report: &RunReport, paint: Paint) -> String {
    let mut text = String::new();
    let sources = Table::of_sources(&report.sources);
    let mut transforms = Table::of_numbers(&["transform", "called", "reused", "failed", "time"]);
    for (name, counts) in &report.transforms {
        let numbers = cells(name, &[counts.called, counts.reused, counts.failed]);
        transforms.row(numbers.into_iter().chain([seconds(counts.seconds)]));
    }
    let mut titles = vec!["target", "inserted", "updated", "deleted", "unchanged"];
    let verified = report
        .targets
        .values()
        .any(|counts| counts.drifted.is_some());
    titles.extend(verified.then_some("drifted"));
    let mut targets = Table::of_numbers(&titles);
    for (name, counts) in &report.targets {
        let mut numbers = vec![
            counts.inserted,
            counts.updated,
            counts.deleted,
            counts.unchanged,
        ];
        numbers.extend(verified.then(|| counts.drifted.unwrap_or_default()));
        targets.row(cells(name, &numbers));
    }
    for table in [sources, transforms, targets] {
        let table = table.text(paint);
        if !table.is_empty() {
            text.push('\n');
            text.push_str(&table);
        }
    }
    text
}

fn cells(name: &str, numbers: &[u64]) -> Vec<String> {
    std::iter::once(word(name))
        .chain(numbers.iter().map(u64::to_string))
        .collect()
}

/// The first rows of targets that others changed: what a person wrote there may be lost now, and is named.
fn drifted(report: &RunReport, paint: Paint) -> String {
    let total: u64 = report
        .targets
        .values()
        .filter_map(|counts| counts.drifted)
        .sum();
    if total == 0 {
        return String::new();
    }
    let verb = if total == 1 { "was" } else { "were" };
    let title = format!("{} {verb} not as written", count(total, "target row"));
    let mut text = format!("\n{}\n", paint.text(Style::Bold, &title));
    for row in report.drifted.iter().take(FAILED_LISTED_MAX) {
        let how = match row.drift {
            Drift::Changed => "was changed",
            Drift::Missing => "was missing",
            Drift::Added => "was added, and is removed",
        };
        let _ = writeln!(text, "  {} {}: {how}", word(&row.target), word(&row.key));
    }
    text
}

/// The first failed rows, and where to find the others.
pub(super) fn failures(report: &RunReport, listed_max: usize, paint: Paint) -> String {
    if report.failures == 0 {
        return String::new();
    }
    let verb = if report.failures == 1 { "is" } else { "are" };
    let title = format!("{} {verb} failed", count(report.failures, "row"));
    let mut text = format!("\n{}\n", paint.text(Style::Red, &title));
    let listed = report.failed.iter().take(listed_max);
    for row in listed {
        let _ = writeln!(text, "  {}", failed(row));
    }
    if report.failures > listed_max as u64 {
        let hint = paint.text(Style::Cyan, "hint:");
        let _ = writeln!(
            text,
            "{hint} `--json` lists the first hundred, `-v` prints each as it fails"
        );
    }
    text
}

/// Why rows stay that their source does not list.
fn kept(report: &RunReport, paint: Paint) -> String {
    let mut text = String::new();
    let kept = report.sources.iter().filter(|(_, counts)| counts.kept > 0);
    for (source, counts) in kept {
        let verb = if counts.kept == 1 { "stays" } else { "stay" };
        let _ = writeln!(
            text,
            "{} {} has records without a readable key: mend or remove them; until then {} that {verb} as made before \
             may be gone",
            paint.text(Style::Cyan, "hint:"),
            word(source),
            count(counts.kept, "row"),
        );
    }
    text
}

/// A failed row and why, on a line, or on several of which only the first begins so.
pub(super) fn failed(row: &FailedRow) -> String {
    let reason = words_within(&row.reason, "      ");
    format!("{} {}: {reason}", word(&row.source), word(&row.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{DriftedRow, SourceCounts, TargetCounts};
    use std::collections::BTreeMap;

    fn report(failures: u64, listed: usize) -> RunReport {
        let row = |index| FailedRow {
            source: "page".to_owned(),
            key: format!("{index}.md"),
            reason: "it is empty".to_owned(),
        };
        RunReport {
            run: flowstone::core::RunId(3),
            flow: "handbook".to_owned(),
            seconds: 0.5,
            sources: BTreeMap::from([(
                "page".to_owned(),
                SourceCounts {
                    rows: 12,
                    ..SourceCounts::default()
                },
            )]),
            transforms: BTreeMap::new(),
            targets: BTreeMap::new(),
            failures,
            failed: (0..listed).map(row).collect(),
            ..RunReport::default()
        }
    }

    #[test]
    fn the_exit_status_says_whether_rows_failed() {
        assert_eq!(status(&report(0, 0)), EXIT_DONE);
        assert_eq!(
            status(&report(1, 0)),
            EXIT_FAILED_ROWS,
            "also of an earlier run"
        );
        assert_eq!(
            status(&RunReport {
                interrupted: true,
                ..report(1, 1)
            }),
            EXIT_INTERRUPTED
        );
    }

    #[test]
    fn what_others_changed_is_named() {
        let mut report = report(0, 0);
        assert_eq!(drifted(&report, Paint(false)), "");
        let counts = TargetCounts {
            drifted: Some(2),
            ..TargetCounts::default()
        };
        report.targets.insert("index".to_owned(), counts);
        report.drifted = vec![DriftedRow {
            target: "index".to_owned(),
            key: "path=a.md".to_owned(),
            drift: Drift::Changed,
        }];
        let text = summary(&report, Paint(false));
        assert!(text.contains("unchanged  drifted"), "{text}");
        assert!(
            text.contains("2 target rows were not as written\n  index path=a.md: was changed\n"),
            "{text}"
        );
    }

    #[test]
    fn no_words_of_a_plugin_look_like_a_row_of_their_own() {
        let mut report = report(1, 1);
        report.flow = "a\u{202e}\nb".to_owned();
        report.failed[0].key = "x\n  page y.md".to_owned();
        report.failed[0].reason = "no\n  page z.md: \u{1b}[2Jforged\rx\n".to_owned();
        let text = summary(&report, Paint(false));
        assert!(text.starts_with("run 3 of a\\u{202e}\\nb, "), "{text}");
        let listed = "  page x\\n  page y.md: no\n        page z.md: \\u{1b}[2Jforged\\rx\n";
        assert!(text.ends_with(listed), "{text}");
    }

    #[test]
    fn ten_failed_rows_are_listed_and_the_others_pointed_at() {
        let text = summary(&report(12, 12), Paint(false));
        assert!(
            text.starts_with("run 3 of handbook, 500 ms\n\nsource  rows"),
            "{text}"
        );
        assert!(
            text.contains("12 rows are failed\n  page 0.md: it is empty\n"),
            "{text}"
        );
        assert!(
            text.contains("page 9.md") && !text.contains("page 10.md"),
            "{text}"
        );
        assert!(text.contains("`--json` lists the first"), "{text}");
        let one = summary(&report(1, 1), Paint(false));
        assert!(
            one.contains("1 row is failed\n") && !one.contains("hint"),
            "{one}"
        );
    }
}
