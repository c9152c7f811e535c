//! `flowstone cache rm`: results that are forgotten.

use std::fmt::Write as _;
use std::path::Path;

use flowstone::core::{format_size, printable};
use flowstone::{CacheFilter, RemoveReport};

use super::of_transforms;
use crate::args::CacheRmArgs;
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::opening;
use crate::output::{Output, Paint};
use crate::settings::FlowSettings;
use crate::signals;
use crate::table::{Table, count};
use crate::words;

/// Forgets results.
pub(super) fn remove(args: &CacheRmArgs, output: Output) -> Result<u8, Failure> {
    let report = if args.all || !args.filter.is_empty() {
        filtered(args, output)?
    } else {
        of_transform(args, output)?
    };
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&text(&report, args.dry_run, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

/// Forgets what fits the filters.
fn filtered(args: &CacheRmArgs, output: Output) -> Result<RemoveReport, Failure> {
    let flow = match (&*args.words, &args.flow) {
        ([], flow) => flow.as_deref(),
        ([flow], None) => Some(Path::new(flow)),
        _ => {
            let message = "with filters, only a flow is named: a transform is a filter too";
            return Err(Failure::new(Kind::Usage, message).hint("write `--transform TRANSFORM`"));
        }
    };
    let (engine, filter) = args.filter.open(flow, &args.engine, output)?;
    Ok(engine.cache_remove(&filter, args.dry_run, signals::listen())?)
}

/// Forgets what is remembered of a transform, or one result of it.
fn of_transform(args: &CacheRmArgs, output: Output) -> Result<RemoveReport, Failure> {
    if args.words.is_empty() {
        let message = "nothing says what is to be forgotten";
        return Err(Failure::new(Kind::Usage, message)
            .hint("name a transform, give filters such as `--unused`, or say `--all`"));
    }
    let usage = ["TRANSFORM", "KEY"];
    let (flow, words) = words::split(&args.words, args.flow.as_deref(), &usage, 1)?;
    let opened = opening::open(&FlowSettings::of(flow, &args.engine)?, output)?;
    let (engine, stop) = (&opened.engine, signals::listen());
    if let Some(key) = words.get(1) {
        return Ok(engine.cache_remove_one(&opened.flow, &words[0], key, args.dry_run, stop)?);
    }
    let filter = of_transforms(&opened.flow, &words[..1], CacheFilter::default())?;
    Ok(engine.cache_remove(&filter, args.dry_run, stop)?)
}

fn text(report: &RemoveReport, dry_run: bool, paint: Paint) -> String {
    if report.entries == 0 {
        return "nothing is remembered that fits\n".to_owned();
    }
    let mut table = Table::of_text(&["function", "code", "results", "size"]).numbers([2, 3]);
    for group in &report.groups {
        table.row([
            printable(&group.function, &[]),
            printable(&group.code, &[]),
            group.entries.to_string(),
            format_size(group.bytes),
        ]);
    }
    let mut text = table.text(paint);
    let did = if dry_run {
        "would be forgotten"
    } else {
        "forgotten"
    };
    let _ = write!(
        text,
        "{} {did}, {}",
        count(report.entries, "result"),
        format_size(report.bytes)
    );
    if report.in_use > 0 {
        let _ = write!(
            text,
            "; rows use {} of them, and call again when they change",
            report.in_use
        );
    }
    if report.rows > 0 {
        let _ = write!(
            text,
            "; the next run looks at {} again that used a result put there by hand",
            count(report.rows, "row")
        );
    }
    text + "\n"
}
