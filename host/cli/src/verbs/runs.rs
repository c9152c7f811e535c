//! `flowstone runs`: the past runs with their figures, or one of them in full.

mod calls;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flowstone::core::{RunId, printable};
use flowstone::{CacheOptions, Engine, FailedRow, FlowPlace, RunReport};
use serde_json::json;

use self::calls::{asked, calls};
use super::run::{failures, tables};
use crate::args::{RunsArgs, RunsShowArgs, RunsVerb};
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::opening;
use crate::output::{Output, Paint, Style};
use crate::settings::{FlowSettings, engine_config, store_alone};
use crate::table::{Table, count, seconds};
use crate::when::{ago, utc};

/// Lists past runs, or shows one.
pub(crate) fn runs(args: &RunsArgs, output: Output) -> Result<u8, Failure> {
    match &args.verb {
        None => list(args, output),
        Some(RunsVerb::Show(args)) => show(args, output),
    }
}

/// Whose runs are meant: the store, and the flow; none for all flows of the store.
struct Scope {
    store: PathBuf,
    flow: Option<(String, FlowPlace)>,
}

impl Scope {
    fn of(args: &RunsArgs) -> Result<Self, Failure> {
        if args.flow.flow.is_none()
            && let Some(store) = store_alone(args.flow.engine.store.as_deref())?
        {
            return Ok(Self { store, flow: None });
        }
        let settings = FlowSettings::new(&args.flow)?;
        let flow = if args.all {
            None
        } else {
            Some((opening::flow_name(&settings)?, settings.place))
        };
        Ok(Self {
            store: settings.store,
            flow,
        })
    }
}

/// The engine on a store; none where there is no store yet, and none is made.
fn engine(store: &Path) -> Result<Option<Engine>, Failure> {
    if !store.join("store.redb").is_file() {
        return Ok(None);
    }
    Ok(Some(Engine::open(store, engine_config())?))
}

fn list(args: &RunsArgs, output: Output) -> Result<u8, Failure> {
    let scope = Scope::of(args)?;
    let mut runs = Vec::new();
    let mut more = false;
    if let Some(engine) = engine(&scope.store)? {
        let flow = scope.flow.as_ref().map(|(name, place)| (&**name, place));
        let limit = if args.limit == 0 {
            usize::MAX
        } else {
            args.limit
        };
        for run in engine.runs(flow)? {
            if runs.len() == limit {
                more = true;
                break;
            }
            runs.push(run?);
        }
    }
    if output.json {
        output.object(&json!({ "runs": runs }))?;
    } else if runs.is_empty() {
        output.answer("no runs yet\n")?;
    } else {
        let mut text = listed(&runs, scope.flow.is_none(), output.paint());
        if more {
            text.push_str("… and older ones: `--limit N` shows more, `--limit 0` all\n");
        }
        output.answer(&text)?;
    }
    Ok(EXIT_DONE)
}

fn listed(runs: &[RunReport], flows: bool, paint: Paint) -> String {
    let mut heads = vec![
        "run",
        "started (UTC)",
        "when",
        "time",
        "called",
        "reused",
        "failed",
        "written",
        "ended",
    ];
    let last = heads.len() - 1;
    if flows {
        heads.push("flow");
    }
    let mut table = Table::of_text(&heads).numbers((0..last).filter(|column| *column != 1));
    for run in runs {
        let called = run
            .transforms
            .values()
            .map(|counts| counts.called)
            .sum::<u64>();
        let reused = run
            .transforms
            .values()
            .map(|counts| counts.reused)
            .sum::<u64>();
        let written =
            |counts: &flowstone::TargetCounts| counts.inserted + counts.updated + counts.deleted;
        let written = run.targets.values().map(written).sum::<u64>();
        let time = if is_cut_off(run) {
            "-".to_owned()
        } else {
            seconds(run.seconds)
        };
        let started = utc(run.started);
        let cells = [
            run.run.to_string(),
            started.trim_end_matches(" UTC").to_owned(),
            ago(run.started),
            time,
            called.to_string(),
            reused.to_string(),
            run.failures.to_string(),
            written.to_string(),
            ended(run).to_owned(),
        ];
        let flow = flows.then(|| printable(&run.flow, &[]));
        table.row(cells.into_iter().chain(flow));
    }
    table.text(paint)
}

/// Whether the run never came to sum up.
fn is_cut_off(run: &RunReport) -> bool {
    run.interrupted && run.sources.is_empty()
}

fn ended(run: &RunReport) -> &'static str {
    match (run.interrupted, run.failures) {
        (true, _) if is_cut_off(run) => "cut off",
        (true, _) => "interrupted",
        (false, 0) => "done",
        (false, _) => "done, rows failed",
    }
}

fn show(args: &RunsShowArgs, output: Output) -> Result<u8, Failure> {
    let alone = match (&*args.words.words, &args.words.flow) {
        ([word], None) => {
            store_alone(args.words.engine.store.as_deref())?.map(|store| (store, word))
        }
        _ => None,
    };
    let (store, word) = if let Some(alone) = alone {
        alone
    } else {
        let (settings, words) = args.words.split(&["RUN"], 1)?;
        (settings.store, &words[0])
    };
    let number = word.parse().map_err(|_| {
        let message = format!("`{word}` is no number of a run");
        Failure::new(Kind::Usage, message).hint("`flowstone runs` lists them")
    })?;
    let run = match engine(&store)? {
        Some(engine) => engine
            .past_run(RunId(number))
            .map_err(flowstone::Error::from)?,
        None => None,
    };
    let run = run.ok_or_else(|| {
        let message = format!("the store has no run {number}");
        Failure::new(Kind::NotFound, message).hint("`flowstone runs` lists those that it has")
    })?;
    if output.json {
        output.object(&run)?;
    } else {
        output.answer(&text(&shown(run), output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn text(run: &RunReport, paint: Paint) -> String {
    let title = paint.text(Style::Bold, &format!("run {} of {}", run.run, run.flow));
    let mut text = format!("{title}, {} ({})", utc(run.started), ago(run.started));
    if is_cut_off(run) {
        text.push_str("\n\ncut off before it could sum up: it was killed, or failed as a whole\n");
        return text;
    }
    let _ = writeln!(text, ", {}", seconds(run.seconds));
    if let Some(asked) = asked(&run.cache) {
        let _ = writeln!(text, "asked for: {asked}");
    }
    text.push_str(&tables(run, paint));
    text.push_str(&calls(run, paint));
    text.push_str(&failures(run, usize::MAX, paint));
    let listed = run.failed.len() as u64;
    if listed < run.failures {
        let more = count(run.failures - listed, "more row");
        let _ = writeln!(text, "  … and {more}");
    }
    if run.interrupted {
        text.push_str("\ninterrupted before it was done\n");
    }
    text
}

fn names<T>(counts: BTreeMap<String, T>) -> BTreeMap<String, T> {
    counts
        .into_iter()
        .map(|(name, counts)| (printable(&name, &[]), counts))
        .collect()
}

/// The record made fit for a terminal: a store may come from anywhere.
fn shown(run: RunReport) -> RunReport {
    let clean = |text: &str| printable(text, &[]);
    let failed = run.failed.iter().map(|row| FailedRow {
        source: clean(&row.source),
        key: clean(&row.key),
        reason: flowstone::printable(&row.reason),
    });
    let cache = CacheOptions {
        recompute: run.cache.recompute.iter().map(|name| clean(name)).collect(),
        disable: run.cache.disable.iter().map(|name| clean(name)).collect(),
        ..run.cache
    };
    RunReport {
        flow: clean(&run.flow),
        failed: failed.collect(),
        cache,
        sources: names(run.sources),
        transforms: names(run.transforms),
        targets: names(run.targets),
        ..run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{Latency, Queue, RowsPerCall, SourceCounts, TargetCounts, TransformCounts};

    fn run(number: u64) -> RunReport {
        let called = TransformCounts {
            called: 4,
            reused: 12,
            ..TransformCounts::default()
        };
        let written = TargetCounts {
            inserted: 1,
            updated: 2,
            deleted: 3,
            unchanged: 4,
            drifted: None,
        };
        RunReport {
            run: RunId(number),
            flow: "handbook\u{1b}[31m".to_owned(),
            started: 1_777_638_645,
            seconds: 1.5,
            sources: BTreeMap::from([("page".to_owned(), SourceCounts::default())]),
            transforms: BTreeMap::from([
                ("words".to_owned(), called.clone()),
                ("more".to_owned(), called),
            ]),
            targets: BTreeMap::from([("index".to_owned(), written)]),
            ..RunReport::default()
        }
    }

    #[test]
    fn a_run_is_one_line() {
        let text = listed(&[run(17)], true, Paint(false));
        let line = text.lines().nth(1).expect("a head and a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..3], ["17", "2026-05-01", "12:30:45"]);
        assert!(
            line.ends_with("1.50 s       8      24       0        6  done   handbook\\u{1b}[31m"),
            "{line}"
        );
    }

    #[test]
    fn what_was_measured_of_calls_is_shown() {
        let mut record = run(4);
        let measured = TransformCounts {
            called: 130,
            calls: 3,
            latency: Latency {
                p50: 0.000_25,
                p95: 0.0012,
                p99: 0.25,
            },
            rows_per_call: RowsPerCall {
                mean: 43.3,
                max: 64,
            },
            rows_per_second: 90_000.4,
            queue: Queue {
                mean: 0.000_01,
                max: 0.02,
            },
            ..TransformCounts::default()
        };
        record.transforms.insert("words".to_owned(), measured);
        let shown = calls(&record, Paint(false));
        let lines: Vec<Vec<&str>> = (shown.lines())
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect();
        let cells = [
            "words", "3", "43.3", "64", "250 µs", "1.20 ms", "250 ms", "90000", "10 µs", "20 ms",
        ];
        // A transform that made none is left out.
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], cells);
    }

    #[test]
    fn how_a_run_ended_is_said() {
        let failed = RunReport {
            failures: 2,
            ..run(1)
        };
        let interrupted = RunReport {
            interrupted: true,
            ..run(1)
        };
        let cut_off = RunReport {
            sources: BTreeMap::new(),
            ..interrupted.clone()
        };
        let ends = [&run(1), &failed, &interrupted, &cut_off].map(ended);
        assert_eq!(
            ends,
            ["done", "done, rows failed", "interrupted", "cut off"]
        );
        let shown = text(&cut_off, Paint(false));
        assert!(
            shown
                .ends_with("cut off before it could sum up: it was killed, or failed as a whole\n"),
            "{shown}"
        );
        assert!(text(&interrupted, Paint(false)).ends_with("interrupted before it was done\n"));
    }

    #[test]
    fn a_record_from_elsewhere_plays_no_tricks() {
        let evil = "x\u{1b}]0;y\u{7}";
        let failed = |reason: &str| FailedRow {
            source: evil.to_owned(),
            key: evil.to_owned(),
            reason: reason.to_owned(),
        };
        let mut record = run(3);
        record.failures = 5;
        record.failed = vec![failed(evil)];
        record.cache.recompute.insert(evil.to_owned());
        record
            .targets
            .insert(evil.to_owned(), TargetCounts::default());
        let text = text(&shown(record), Paint(false));
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(
            text.contains("asked for: --recompute x\\u{1b}]0;y\\u{7}\n"),
            "{text}"
        );
        assert!(text.ends_with("  … and 4 more rows\n"), "{text}");
    }
}
