//! `flowstone cache stat`: how much is remembered, by function and code, and what the store takes on disk.

use std::fmt::Write as _;

use flowstone::CacheStat;
use flowstone::core::{format_size, printable};

use super::Place;
use crate::args::CacheStatArgs;
use crate::failure::{EXIT_DONE, Failure};
use crate::output::{Output, Paint, Style};
use crate::signals;
use crate::table::{Table, count, seconds};

/// Shows the figures of a store.
pub(super) fn stat(args: &CacheStatArgs, output: Output) -> Result<u8, Failure> {
    let engine = Place::of(args.flow.flow.as_deref(), &args.flow.engine)?.open()?;
    let stat = engine.cache_stat(signals::listen())?;
    if output.json {
        output.object(&stat)?;
    } else {
        output.answer(&text(&stat, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn text(stat: &CacheStat, paint: Paint) -> String {
    let mut text = format!("store {}\n\n", paint.text(Style::Bold, &stat.store));
    let heads = [
        "function", "code", "results", "in use", "inline", "objects", "hits", "cost", "saved",
    ];
    let mut table = Table::of_text(&heads).numbers(2..heads.len());
    for group in &stat.groups {
        table.row([
            printable(&group.function, &[]),
            printable(&group.code, &[]),
            group.totals.entries.to_string(),
            group.in_use.to_string(),
            format_size(group.totals.bytes.saturating_sub(group.object_bytes)),
            format_size(group.object_bytes),
            group.totals.hits.to_string(),
            seconds(group.totals.cost_seconds),
            seconds(group.totals.saved_seconds),
        ]);
    }
    text.push_str(&table.text(paint));
    let totals = &stat.totals;
    let _ = writeln!(
        text,
        "{}, {} in use; reused for {}, which saved {}\n",
        count(totals.entries, "result"),
        stat.in_use,
        count(totals.hits, "row"),
        seconds(totals.saved_seconds)
    );
    let parts = &stat.parts;
    let mut table = Table::of_numbers(&["on disk", "size"]);
    for (part, bytes) in [
        ("database", parts.database),
        ("objects", parts.objects),
        ("kept components", parts.builds),
        ("compiled code", parts.compiled),
    ] {
        table.row([part.to_owned(), format_size(bytes)]);
    }
    text.push_str(&table.text(paint));
    let pins: Vec<String> = stat.pins.iter().map(|pin| printable(pin, &[])).collect();
    let pins = match &*pins {
        [] => "no pins".to_owned(),
        pins => format!("{}: {}", count(pins.len() as u64, "pin"), pins.join(", ")),
    };
    let _ = writeln!(text, "{}, {pins}", count(stat.builds, "kept component"));
    text
}
