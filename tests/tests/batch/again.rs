//! Failures that say what is to be done: invalid rows, rows to be skipped, and rows to be tried again later.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use flowstone::Event;
use flowstone_tests::Project;

use crate::{batch, function, items, run};

const CLOCK: &str = "grants = { clock = true }\ncache = { max-age = \"1d\" }\n";

/// A project with these lines, judged one by one or many at a time, by the real clock.
fn judged<S: AsRef<str>>(lines: &[S], batched: bool) -> Project {
    let mut project = items(lines);
    if batched {
        function(&mut project, "judge-all");
        batch(&mut project, &format!("batch = true\n{CLOCK}"));
    } else {
        function(&mut project, "judge");
        batch(&mut project, CLOCK);
    }
    project
}

/// A line that is to be tried again until so long from now.
fn until(wait: Duration) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let until = now.expect("it is later than 1970") + wait;
    format!("@{}", until.as_millis())
}

/// Waits that are long enough for a fast machine, then for slower ones.
fn waits() -> impl Iterator<Item = Duration> {
    (0..6).map(|doubled| Duration::from_millis(250 << doubled))
}

#[test]
fn an_invalid_row_fails_and_a_skipped_row_is_none_and_both_are_remembered() {
    for batched in [false, true] {
        let project = judged(&["a", "?b", "#c", "d"], batched);
        let ran = run(&project);
        let failed: Vec<_> = (ran.report.failed.iter())
            .map(|row| (&*row.key, &*row.reason))
            .collect();
        assert_eq!(failed, [("0001", "weight: ?b")]);
        assert_eq!(project.rows(), ["0000|a", "0003|d"]);
        let again = run(&project);
        assert_eq!((again.calls, again.report.failures), (vec![], 1));
    }
}

#[test]
fn a_row_that_is_to_be_tried_again_is_until_it_goes_well() {
    for batched in [false, true] {
        let tried_again = waits().any(|wait| {
            let line = until(wait);
            let project = judged(&["a", &line, "c"], batched);
            let ran = run(&project);
            assert_eq!(ran.report.failures, 0, "{:?}", ran.report.failed);
            assert_eq!(
                project.rows(),
                [
                    "0000|a".to_owned(),
                    format!("0001|{line}"),
                    "0002|c".to_owned()
                ]
            );
            let counts = &ran.report.transforms["weight"];
            assert_eq!(counts.called, 3, "each row counts once");
            let first = if batched { 1 } else { 3 };
            let more: Vec<u64> = ran.calls[first..].to_vec();
            assert!(
                more.iter().all(|rows| *rows == 1),
                "only that row: {more:?}"
            );
            assert_eq!(counts.calls, (first + more.len()) as u64);
            assert_eq!(
                run(&project).calls,
                [0; 0],
                "what it gave at last is remembered"
            );
            !more.is_empty()
        });
        assert!(tried_again, "no wait was long enough");
    }
}

#[test]
fn a_row_is_not_tried_again_without_end() {
    for batched in [false, true] {
        let project = judged(&["a", ">0"], batched);
        let first = run(&project);
        let [failed] = &first.report.failed[..] else {
            panic!("one row fails: {:?}", first.report.failed);
        };
        assert!(
            failed.reason.contains("after 8 calls in 1.3 s"),
            "{}",
            failed.reason
        );
        assert!(
            failed.reason.contains(">0; the next run"),
            "{}",
            failed.reason
        );
        let of_row = first.rows.iter().filter(|key| *key == "0001").count();
        assert_eq!(of_row, 8);
        let next = run(&project);
        assert_eq!(next.rows, ["0001"; 8], "it was not remembered");
        assert_eq!(project.rows(), ["0000|a"]);
    }
}

#[test]
fn a_row_is_not_waited_for_longer_than_the_bound() {
    let project = judged(&[">3600000", ">18446744073709551615"], true);
    let ran = run(&project);
    assert_eq!(ran.calls, [2]);
    assert_eq!(ran.report.failures, 2);
    let reason = &ran.report.failed[0].reason;
    assert!(
        reason.contains("after the first call it still asks"),
        "{reason}"
    );
    assert!(reason.contains("in 3600.0 s"), "{reason}");
}

#[test]
fn other_rows_are_worked_on_while_one_waits() {
    let waited_beside = waits().any(|wait| {
        let mut lines = vec![until(wait)];
        // More than one micro-batch: the one with the row that waits leaves the only thread to the others.
        lines.extend(crate::lines(100));
        let project = judged(&lines, false);
        let (engine, flow) = project.open().expect("the flow opens");
        let order = Mutex::new(Vec::new());
        let observer = |event: &Event<'_>| {
            if let Event::WillCall { key, .. } = event {
                order
                    .lock()
                    .expect("no observer panics")
                    .push((*key).to_owned());
            }
        };
        let report = engine.run(&flow, &project.options, &crate::NEVER, &observer);
        assert_eq!(report.expect("the flow runs").failures, 0);
        let order = order.into_inner().expect("no observer panics");
        assert_eq!(project.rows().len(), 101);
        let last_of = |key: &str| order.iter().rposition(|called| called == key);
        order.len() > 101 && last_of("0000") > last_of("0100")
    });
    assert!(waited_beside, "no wait was long enough");
}

#[test]
fn a_run_that_is_stopped_does_not_wait_for_a_row_that_is_to_be_tried_again() {
    let project = judged(&[">100000"], false);
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = AtomicBool::new(false);
    let calls = Mutex::new(0);
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Called { .. }) {
            *calls.lock().expect("no observer panics") += 1;
            stop.store(true, Ordering::Relaxed);
        }
    };
    let report = engine.run(&flow, &project.options, &stop, &observer);
    let report = report.expect("stopping is no error");
    assert!(report.interrupted);
    assert!(report.seconds < 60.0);
    assert_eq!(
        (
            calls.into_inner().expect("no observer panics"),
            report.failures
        ),
        (1, 0)
    );
}
