//! `flowstone cache verify`: everything in the store is read, and what is damaged dropped.

use std::fmt::Write as _;

use flowstone::{CacheVerifyPhase, CacheVerifyReport};

use super::Place;
use crate::args::CacheVerifyArgs;
use crate::bar::Bar;
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, EXIT_INTERRUPTED, EXIT_WORLD, Failure};
use crate::output::{Output, Paint, Style};
use crate::signals;
use crate::table::{Table, count};

/// Verifies a store.
pub(super) fn verify(args: &CacheVerifyArgs, output: Output) -> Result<u8, Failure> {
    let engine = Place::of(args.flow.flow.as_deref(), &args.flow.engine)?.open()?;
    let bar = Bar::start(output);
    let report = engine.cache_verify(!args.dry_run, signals::listen(), &mut |progress| {
        bar.show(doing(progress.phase), progress.done, progress.total);
    });
    bar.finish();
    let report = report?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&text(&report, args.dry_run, output.paint()))?;
    }
    Ok(status(&report))
}

/// What is damaged for good is a fault of the store; what was dropped is only worth telling.
fn status(report: &CacheVerifyReport) -> u8 {
    if !report.finished {
        EXIT_INTERRUPTED
    } else if report.rows_damaged > 0 {
        EXIT_WORLD
    } else if report.is_sound() {
        EXIT_DONE
    } else {
        EXIT_FAILED_ROWS
    }
}

fn doing(phase: CacheVerifyPhase) -> &'static str {
    match phase {
        CacheVerifyPhase::Entries | CacheVerifyPhase::Lost => "reading results",
        CacheVerifyPhase::Objects => "reading values",
        CacheVerifyPhase::Files => "looking for files that nothing names",
        _ => "reading code and rows",
    }
}

fn text(report: &CacheVerifyReport, dry_run: bool, paint: Paint) -> String {
    if !report.finished {
        return "stopped before everything was read\n".to_owned();
    }
    let mut table = Table::of_numbers(&["read", "all", "damaged"]);
    let parts = [
        (
            "results",
            report.entries,
            report.entries_damaged + report.entries_lost,
        ),
        ("objects", report.objects, report.objects_damaged),
        ("kept components", report.builds, report.builds_damaged),
        ("compiled code", report.compiled, report.compiled_damaged),
        (
            "recipes, counts, runs",
            report.records,
            report.records_damaged,
        ),
        ("rows and targets", report.rows, report.rows_damaged),
    ];
    for (name, all, damaged) in parts {
        table.row([name.to_owned(), all.to_string(), damaged.to_string()]);
    }
    let mut text = table.text(paint);
    text.push('\n');
    text.push_str(&outcome(report, dry_run, paint));
    text
}

fn outcome(report: &CacheVerifyReport, dry_run: bool, paint: Paint) -> String {
    let mut text = String::new();
    let damaged = report.damaged();
    if report.is_sound() {
        text.push_str("all of it is sound\n");
    } else if damaged > 0 && dry_run {
        let _ = writeln!(text, "{damaged} damaged; without `--dry-run` it is dropped");
    } else if damaged > 0 {
        let _ = writeln!(text, "{damaged} dropped: what is needed is made again");
    }
    if report.rows_damaged > 0 {
        let _ = writeln!(
            text,
            "{} what is known of rows and targets is damaged, and cannot be dropped: delete the store and run again, \
             which rebuilds everything from the sources, but for pinned results of older code and those of `cache put`",
            paint.text(Style::Red, "note:")
        );
    }
    if report.entries_unchecked > 0 {
        let _ = writeln!(
            text,
            "{} could not be checked, since nothing says what their types are",
            count(report.entries_unchecked, "result")
        );
    }
    let did = if dry_run { "found" } else { "removed" };
    if report.orphans > 0 {
        let files = count(report.orphans, "file");
        let _ = writeln!(text, "{files} without a record {did}");
    }
    if report.strays > 0 {
        let records = count(report.strays, "record");
        let _ = writeln!(text, "{records} that no key leads to {did}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_leads_to_is_told() {
        let report = CacheVerifyReport {
            finished: true,
            orphans: 1,
            strays: 2,
            ..CacheVerifyReport::default()
        };
        let said = |dry_run| outcome(&report, dry_run, Paint(false));
        assert!(
            said(true)
                .contains("1 file without a record found\n2 records that no key leads to found\n")
        );
        assert!(said(false).contains("2 records that no key leads to removed\n"));
        let none = CacheVerifyReport::default();
        assert!(!outcome(&none, false, Paint(false)).contains("no key leads"));
    }
}
