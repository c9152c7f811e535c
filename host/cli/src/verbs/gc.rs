//! `flowstone gc`: removes what the store remembers and nobody needs, and says what that was.

use std::fmt::Write as _;

use flowstone::core::{StoreSettings, format_size};
use flowstone::{Collection, GcOptions, GcPhase};

use super::cache::Place;
use crate::args::GcArgs;
use crate::bar::Bar;
use crate::failure::{EXIT_DONE, EXIT_INTERRUPTED, Failure};
use crate::opening;
use crate::output::{Output, Paint, Style};
use crate::signals;
use crate::table::{Table, count};

/// Collects a store.
pub(crate) fn gc(args: &GcArgs, output: Output) -> Result<u8, Failure> {
    let place = Place::of(args.flow.flow.as_deref(), &args.flow.engine)?;
    let of_flow = match &place.flow {
        Some(settings) => opening::store_settings(settings)?,
        None => StoreSettings::default(),
    };
    let options = GcOptions {
        settings: StoreSettings {
            bytes_max: args.max_size.or(of_flow.bytes_max),
            keep: args.keep.or(of_flow.keep),
            keep_runs: args.keep_runs.or(of_flow.keep_runs),
        },
        dry_run: args.dry_run,
        no_compact: args.no_compact,
    };
    let mut engine = place.open()?;
    let bar = Bar::start(output);
    let collected = engine.gc(None, &options, signals::listen(), &mut |progress| {
        bar.show(doing(progress.phase), progress.done, progress.total);
    });
    bar.finish();
    let collected = collected?;
    if output.json {
        output.object(&collected)?;
    } else {
        let max = options.settings.bytes_max;
        output.answer(&text(&collected, max, output.paint()))?;
    }
    Ok(if collected.report.finished {
        EXIT_DONE
    } else {
        EXIT_INTERRUPTED
    })
}

fn doing(phase: GcPhase) -> &'static str {
    match phase {
        GcPhase::Mark => "marking what rows use",
        GcPhase::Rank => "ranking results",
        GcPhase::Plan => "measuring",
        GcPhase::Sweep | GcPhase::EntryRecords => "removing results",
        GcPhase::Objects | GcPhase::ObjectRecords => "removing values",
        GcPhase::Files => "looking for files that nothing names",
        _ => "removing code and runs",
    }
}

fn text(collected: &Collection, bytes_max: Option<u64>, paint: Paint) -> String {
    let report = &collected.report;
    if !report.finished {
        return "stopped: the next `flowstone gc` goes on from here\n".to_owned();
    }
    let mut table = Table::of_numbers(&["results", "kept", "removed"]);
    let mut row = |name: &str, kept: u64, removed: u64| {
        let shown = |number: u64| match number {
            0 => "-".to_owned(),
            number => number.to_string(),
        };
        if kept + removed > 0 {
            table.row([name.to_owned(), shown(kept), shown(removed)]);
        }
    };
    row("used by rows", report.in_use, 0);
    row("pinned", report.pinned, 0);
    row("used lately", report.recent, 0);
    row("too old", 0, report.expired);
    row("over the size", 0, report.evicted_for_size);
    row("damaged", 0, report.damaged);
    let mut text = table.text(paint);
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&removed(collected));
    if let Some(compaction) = collected.compaction.filter(|compaction| compaction.done) {
        let _ = writeln!(
            text,
            "the database went from {} to {}",
            format_size(compaction.before),
            format_size(compaction.after)
        );
    }
    if let Some(max) = bytes_max.filter(|_| report.over_max) {
        let _ = writeln!(
            text,
            "{} the store is larger than {}: what is left is in use or pinned",
            paint.text(Style::Yellow, "note:"),
            format_size(max)
        );
    }
    text
}

/// What went, and how much that was.
fn removed(collected: &Collection) -> String {
    let report = &collected.report;
    let parts = [
        (report.removed, "result"),
        (report.objects_removed, "object"),
        (report.recipes_removed, "recipe"),
        (report.builds_removed, "kept component"),
        (report.compiled_removed, "compiled component"),
        (report.descriptions_removed, "description of components"),
        (report.runs_removed, "record of runs"),
        (report.usage_removed, "lost count"),
        (collected.stages_removed, "former stage"),
        (report.orphans_removed, "lost file"),
    ];
    let parts: Vec<String> = (parts.into_iter())
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| counted(number, name))
        .collect();
    let did = if collected.dry_run {
        "would remove"
    } else {
        "removed"
    };
    match &*parts {
        [] => format!(
            "nothing to remove: the store needs {}\n",
            format_size(report.bytes_after)
        ),
        parts if report.bytes_removed == 0 => format!("{did} {}\n", parts.join(", ")),
        parts => format!(
            "{did} {}: {} of {}\n",
            parts.join(", "),
            format_size(report.bytes_removed),
            format_size(report.bytes_before)
        ),
    }
}

/// A number with its noun: the first word of the noun takes the plural.
fn counted(number: u64, noun: &str) -> String {
    match noun.split_once(" of ") {
        Some((first, rest)) => format!("{} of {rest}", count(number, first)),
        None => count(number, noun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_has_its_plural() {
        assert_eq!(counted(1, "record of runs"), "1 record of runs");
        assert_eq!(counted(2, "record of runs"), "2 records of runs");
        assert_eq!(counted(2, "lost file"), "2 lost files");
    }
}
