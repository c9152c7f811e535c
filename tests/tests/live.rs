//! What a flow that is watched calls, and what it leaves alone: every test lists the calls that ran.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use flowstone::{Event, Live, RoundReport, Signals, TurnEnd, WatchOptions};
use flowstone_tests::Project;

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
        work(&rounds);
        stop.store(true, Ordering::Relaxed);
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
    });
    let (engine, _) = project.open().expect("the flow opens");
    let runs: Vec<_> = engine.runs(None).expect("they can be read").collect();
    // The first, those in which files that had just been written were looked at again, and the one with the change.
    assert!(
        (2..10).contains(&runs.len()),
        "{} of more than 30",
        runs.len()
    );
    let last = runs[0].as_ref().expect("it can be read");
    assert!(!last.interrupted);
    assert_eq!(last.sources["page"].rows, 4);
    drop(engine);
    assert_eq!(project.rows(), project.fresh_rows());
}
