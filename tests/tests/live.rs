//! What a flow that is watched calls, and what it leaves alone: every test lists the calls that ran.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use flowstone::{Event, Live, RoundReport, Signals, TurnEnd, WatchOptions};
use flowstone_tests::{Project, meeting};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A round with something in it: its report, the rows that were dealt with, and the calls that ran.
struct Round {
    report: RoundReport,
    rows: u64,
    calls: Vec<String>,
}

/// What happened since the last round.
#[derive(Default)]
struct Seen {
    rows: u64,
    calls: Vec<String>,
}

/// Watches the project while `work` edits it and waits for rounds; full listings come so far apart.
fn watching(project: &Project, rescan: Duration, work: impl FnOnce(&Receiver<Round>)) -> TurnEnd {
    let (engine, flow) = project.open().expect("the flow opens");
    let (send, rounds) = channel();
    let (send, seen) = (Mutex::new(send), Mutex::new(Seen::default()));
    let observer = |event: &Event<'_>| {
        let mut seen = seen.lock().expect("no observer panics");
        match event {
            Event::WillCall { transform, key } => seen.calls.push(format!("{transform} {key}")),
            Event::RowDone { .. } => seen.rows += 1,
            Event::RoundDone { report } if report.whole || report.did_something() => {
                let Seen { rows, mut calls } = std::mem::take(&mut *seen);
                calls.sort();
                let round = Round {
                    report: (*report).clone(),
                    rows,
                    calls,
                };
                let send = send.lock().expect("no observer panics");
                send.send(round).expect("the test listens");
            }
            _ => {}
        }
    };
    let mut options = WatchOptions::default();
    options.run.observed = true;
    options.rescan = rescan;
    // What is wrong at the beginning is reported, and the rest goes on.
    options.strict = false;
    // A file that is written in two steps is one change, also when this machine is busy.
    options.quiet = Duration::from_millis(100);
    options.wait_max = Duration::from_secs(10);
    let (stop, pause) = (AtomicBool::new(false), AtomicBool::new(false));
    let signals = Signals {
        stop: &stop,
        pause: &pause,
    };
    std::thread::scope(|scope| {
        let live = scope.spawn(|| {
            let mut live = Live::new(options);
            loop {
                let turn = live.turn(&engine, &flow, signals, &observer);
                let turn = turn.expect("the store is fine");
                if turn.end != TurnEnd::Rescan {
                    return turn.end;
                }
            }
        });
        // Stopped also when the work panics: a thread that goes on would be waited for.
        let worked = catch_unwind(AssertUnwindSafe(|| work(&rounds)));
        stop.store(true, Ordering::Relaxed);
        worked.unwrap_or_else(|panic| resume_unwind(panic));
        live.join().expect("it ends")
    })
}

fn next(rounds: &Receiver<Round>) -> Round {
    rounds.recv_timeout(PATIENCE).expect("there is a round")
}

fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n")
        .write("deep/c.md", "four\n");
    project
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_change_calls_for_its_row_alone_and_looks_at_no_other() {
    let project = project();
    let end = watching(&project, HOUR, |rounds| {
        let first = next(rounds);
        assert!(first.report.whole);
        assert_eq!(first.report.sources["page"].added, 3);
        project.write("a.md", "one\nzwei\n");
        let round = next(rounds);
        assert!(!round.report.whole);
        assert_eq!(round.calls, ["line a.md", "weight a.md"]);
        assert_eq!((round.rows, round.report.sources["page"].changed), (1, 1));
        let index = round.report.targets["index"];
        assert_eq!((index.inserted, index.updated, index.deleted), (1, 0, 1));
        project.rename("deep/c.md", "d.md");
        let round = next(rounds);
        assert_eq!(round.calls, [""; 0], "a rename calls nothing");
        let page = round.report.sources["page"];
        assert_eq!((page.added, page.removed), (1, 1));
        project.write("b.md", "three\n").write("e.md", "three\n");
        let round = next(rounds);
        assert_eq!(round.calls, [""; 0], "nor do equal lines");
        assert_eq!(round.report.sources["page"].added, 1);
        project.remove("a.md");
        let round = next(rounds);
        assert_eq!((round.rows, round.report.sources["page"].removed), (1, 1));
    });
    assert_eq!(end, TurnEnd::Stopped);
    assert_eq!(project.rows(), project.fresh_rows());
    assert_eq!(project.run().calls, [""; 0], "nothing is left to do");
}

#[test]
fn full_listings_go_on_and_quiet_ones_leave_no_record() {
    let project = project();
    watching(&project, Duration::from_millis(20), |rounds| {
        for _ in 0..30 {
            assert!(next(rounds).report.whole);
        }
        project.write("f.md", "five\n");
        while next(rounds).calls.is_empty() {}
        // Until the file is no longer as good as new, which is looked at again: the stop should find nothing going on.
        for _ in 0..30 {
            next(rounds);
        }
    });
    let (engine, _) = project.open().expect("the flow opens");
    let runs: Vec<_> = engine.runs(None).expect("they can be read").collect();
    // The first, those in which files that had just been written were looked at again, and the one with the change.
    assert!(
        (2..10).contains(&runs.len()),
        "{} of more than 60",
        runs.len()
    );
    let last = runs[0].as_ref().expect("it can be read");
    assert!(!last.interrupted);
    assert_eq!(last.sources["page"].rows, 4);
    drop(engine);
    assert_eq!(project.rows(), project.fresh_rows());
}

/// Twelve pages that a run has seen, of which one failed and most are gone since.
fn most_gone() -> Project {
    let project = Project::new();
    for number in 0..12 {
        project.write(&format!("{number:02}.md"), format!("line {number}\n"));
    }
    project.write("00.md", "!trap\n");
    assert_eq!(project.run().report.failures, 1);
    for number in 0..8 {
        project.remove(&format!("{number:02}.md"));
    }
    project
}

#[test]
fn of_a_source_that_lost_most_rows_the_others_go_on() {
    let project = most_gone();
    project.write("08.md", "edited\n").write("12.md", "new\n");
    let before = project.rows().len();
    watching(&project, HOUR, |rounds| {
        let first = next(rounds);
        assert_eq!(
            first.calls,
            ["line 08.md", "line 12.md", "weight 08.md", "weight 12.md"]
        );
        let page = first.report.sources["page"];
        assert_eq!((page.changed, page.added, page.removed), (1, 1, 0));
        assert_eq!(first.report.failures, 1, "a row that failed and stays");
    });
    let rows = project.rows();
    assert_eq!(rows.len(), before + 1);
    assert!(rows.iter().any(|row| row.contains("edited")), "{rows:?}");
}

#[test]
fn after_a_listing_that_was_refused_no_row_goes_either() {
    let project = most_gone();
    let before = project.rows();
    watching(&project, HOUR, |rounds| {
        assert!(next(rounds).report.whole);
        for number in 8..11 {
            project.remove(&format!("{number:02}.md"));
        }
        project.write("11.md", "edited\n");
        let mut changed = 0;
        while changed == 0 {
            let round = next(rounds);
            changed = round.report.sources["page"].changed;
            assert_eq!(round.report.sources["page"].removed, 0);
            assert_eq!(round.report.failures, 1, "a row that failed and stays");
        }
    });
    let rows = project.rows();
    assert_eq!(rows.len(), before.len());
    assert!(rows.iter().any(|row| row.contains("edited")), "{rows:?}");
}

#[test]
fn what_failed_in_a_source_that_is_away_is_still_failed() {
    let project = most_gone();
    project.rename("../docs", "../away");
    watching(&project, HOUR, |rounds| {
        let first = next(rounds);
        assert_eq!(first.report.failures, 1);
        assert_eq!(first.report.sources.len(), 0);
    });
}

#[test]
fn a_turn_that_ends_while_no_work_can_be_done_says_why() {
    let project = project();
    std::fs::create_dir_all(project.path("out/lines.db")).expect("the project takes folders");
    let (engine, flow) = project.open().expect("the flow opens");
    let (stop, pause) = (AtomicBool::new(false), AtomicBool::new(false));
    let signals = Signals {
        stop: &stop,
        pause: &pause,
    };
    let observer = |event: &Event<'_>| {
        if let Event::Stalled { .. } = event {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let mut options = WatchOptions::default();
    options.strict = false;
    let turn = Live::new(options).turn(&engine, &flow, signals, &observer);
    let turn = turn.expect("it may pass");
    assert_eq!(turn.end, TurnEnd::Stopped);
    let reason = turn.stalled.expect("no work was done");
    assert!(reason.contains("index"), "{reason}");
}

/// Lines are joined with names that are looked up in a table, by what comes before their first blank.
const NAMED: &str = r#"
name = "named"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"
include = ["*.txt"]

[source.name]
kind = "csv"
path = "docs/names.csv"
key = "id"

[transform.line]
call = "sample.lines"
each = "page"
from = { content = "page.content" }
rows = true

[transform.head]
call = "sample.head"
each = "line"

[transform.named]
call = "sample.pair"
each = "line"
from = { line = "line" }
lookup = { found = { in = "name", key = "head", on = "id", take = "name" } }

[reduce.joined]
call = "sample.join"
over = "line"
by = ["head"]
from = { lines = "named" }

[target.line]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "line"
key = ["path", "line"]
columns = { path = "page.path", line = "line", named = "named" }

[target.joined]
kind = "sqlite"
path = "out/lines.db"
table = "joined"
rows = "joined"
key = ["head"]
columns = { head = "joined.head", text = "joined" }
"#;

#[test]
fn rows_that_meet_are_kept_in_step_with_both_sides() {
    let mut project = Project::new();
    project.component = Some(meeting(0));
    project.flow = NAMED.to_owned();
    project
        .write("names.csv", "id,name\nx,Xaver\ny,Yvonne\n")
        .write("a.txt", "x 1\ny 1\n")
        .write("b.txt", "x 2\nz 1\n");
    watching(&project, HOUR, |rounds| {
        assert!(next(rounds).report.whole);
        // One side: a name that two lines look up, and no other line.
        project.write("names.csv", "id,name\nx,Xenia\ny,Yvonne\n");
        let round = next(rounds);
        let calls = ["joined x", "named a.txt", "named b.txt"];
        assert_eq!(shown(&round), calls);
        // The other side: a line, and the group that it is in.
        project.write("b.txt", "x 3\nz 1\n");
        let round = next(rounds);
        let calls = ["head b.txt", "joined x", "line b.txt", "named b.txt"];
        assert_eq!(shown(&round), calls);
        // A name that was not there is one that was looked up.
        project.write("names.csv", "id,name\nx,Xenia\ny,Yvonne\nz,Zoe\n");
        let round = next(rounds);
        assert_eq!(shown(&round), ["joined z", "named b.txt"]);
        project.remove("a.txt");
        let round = next(rounds);
        assert_eq!(shown(&round), ["joined x"], "the group `y` has no line");
    });
    let fresh = project.fresh();
    for table in ["line", "joined"] {
        assert_eq!(project.table(table), fresh.table(table));
        assert!(!project.table(table).is_empty());
    }
    assert_eq!(project.run().calls, [""; 0], "nothing is left to do");
}

/// The calls of a round, without what makes the keys of groups unlike text.
fn shown(round: &Round) -> Vec<String> {
    let printable = |call: &String| call.replace(|c: char| c.is_control() || c == '"', "");
    round.calls.iter().map(printable).collect()
}
