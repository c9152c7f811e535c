//! `flowstone cache list`: the entries, a table or an array that is written as it comes.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use flowstone::core::{format_size, printable};
use flowstone::{CacheEntry, CacheListing, CacheSort, Why};

use crate::args::{CacheListArgs, CacheOrder};
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::output::Output;
use crate::signals;
use crate::table::{Table, count, seconds};
use crate::when::before;

/// So many rows make a table: of more there are several, so that memory stays bounded.
const TABLE_ROWS_MAX: usize = 1000;

const HEADS: [&str; 10] = [
    "key", "function", "code", "size", "hits", "cost", "saved", "run", "age", "made",
];

/// Lists what is remembered.
pub(super) fn list(args: &CacheListArgs, output: Output) -> Result<u8, Failure> {
    let (engine, filter) =
        args.filter
            .open(args.flow.flow.as_deref(), &args.flow.engine, output)?;
    let limit = Some(args.limit).filter(|limit| *limit > 0);
    let mut writing = Writing::new(output);
    let stop = signals::listen();
    let listing = engine.cache_list(&filter, sort(args.sort), limit, stop, &mut |entry| {
        writing.entry(&entry)
    })?;
    writing.finish(&listing)?;
    Ok(EXIT_DONE)
}

fn sort(order: CacheOrder) -> CacheSort {
    match order {
        CacheOrder::Size => CacheSort::Size,
        CacheOrder::Age => CacheSort::Age,
        CacheOrder::Saved => CacheSort::Saved,
        CacheOrder::Hits => CacheSort::Hits,
        CacheOrder::Cost => CacheSort::Cost,
    }
}

/// The answer while it is written.
struct Writing {
    output: Output,
    table: Table,
    rows: usize,
    begun: bool,
    outcome: Result<(), Failure>,
}

impl Writing {
    fn new(output: Output) -> Self {
        Self {
            output,
            table: table(),
            rows: 0,
            begun: false,
            outcome: Ok(()),
        }
    }

    fn entry(&mut self, entry: &CacheEntry) -> ControlFlow<()> {
        self.outcome = if self.output.json {
            self.json(entry)
        } else {
            self.row(entry)
        };
        if self.outcome.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn json(&mut self, entry: &CacheEntry) -> Result<(), Failure> {
        let before = if self.begun { "," } else { "{\"entries\":[" };
        self.begun = true;
        self.output.answer(&format!("{before}{}", text(entry)?))
    }

    fn row(&mut self, entry: &CacheEntry) -> Result<(), Failure> {
        self.table.row(cells(entry));
        self.rows += 1;
        if self.rows < TABLE_ROWS_MAX {
            return Ok(());
        }
        self.rows = 0;
        let table = std::mem::replace(&mut self.table, table());
        self.output.answer(&table.text(self.output.paint()))
    }

    fn finish(self, listing: &CacheListing) -> Result<(), Failure> {
        self.outcome?;
        if self.output.json {
            let before = if self.begun { "" } else { "{\"entries\":[" };
            let totals = text(&listing.totals)?;
            let shown = listing.shown;
            return self.output.answer(&format!(
                "{before}],\"shown\":{shown},\"totals\":{totals}}}\n"
            ));
        }
        self.output.answer(&self.table.text(self.output.paint()))?;
        self.output.answer(&sum(listing))
    }
}

fn table() -> Table {
    Table::of_text(&HEADS).numbers(3..9)
}

fn text(object: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(object)
        .map_err(|error| Failure::new(Kind::Internal, format!("the answer is not JSON: {error}")))
}

fn cells(entry: &CacheEntry) -> [String; HEADS.len()] {
    [
        entry.key.get(..12).unwrap_or(&entry.key).to_owned(),
        printable(&entry.function, &[]),
        printable(&entry.code, &[]),
        match entry.outcome {
            "value" => format_size(entry.bytes),
            other => other.to_owned(),
        },
        entry.hits.to_string(),
        seconds(entry.cost_seconds),
        seconds(entry.saved_seconds),
        entry.run.to_string(),
        age(entry.age_seconds),
        made(entry.why).to_owned(),
    ]
}

/// How long ago, without `ago`.
fn age(seconds: Option<u64>) -> String {
    seconds.map_or_else(
        || "-".to_owned(),
        |seconds| before(seconds).trim_end_matches(" ago").to_owned(),
    )
}

/// Why an entry was made.
pub(super) fn made(why: Why) -> &'static str {
    match why {
        Why::New | Why::NewRow => "new",
        Why::Recompute => "recomputed",
        Why::Removed => "had been removed",
        Why::Expired => "had expired",
        Why::Put => "put by hand",
        Why::Imported => "imported",
    }
}

/// The last lines: what it comes to.
fn sum(listing: &CacheListing) -> String {
    let totals = &listing.totals;
    if totals.entries == 0 {
        return "nothing is remembered that fits\n".to_owned();
    }
    let mut text = format!(
        "{}, {}; reused for {}, which saved {}\n",
        count(totals.entries, "result"),
        format_size(totals.bytes),
        count(totals.hits, "row"),
        seconds(totals.saved_seconds)
    );
    if listing.shown < totals.entries {
        let _ = writeln!(
            text,
            "shown: {} of them; `--limit N` shows more, `--limit 0` all",
            listing.shown
        );
    }
    text
}
