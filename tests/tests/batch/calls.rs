//! How rows are put together in calls, what the elements of a list mean for them, and what is measured.

use flowstone::core::RunId;
use flowstone_tests::{Project, lists_guest};

use crate::{NEVER, batch, function, items, lines, run, weights};

#[test]
fn one_call_is_for_many_rows() {
    let lines = lines(10);
    let project = items(&lines);
    let ran = run(&project);
    assert_eq!(ran.calls, [10]);
    assert_eq!(ran.rows.len(), 10);
    assert_eq!(project.rows(), weights(&lines));
}

#[test]
fn rows_and_bytes_bound_a_call() {
    let lines = lines(10);
    let mut project = items(&lines);
    batch(&mut project, "batch = { rows = 4 }");
    let ran = run(&project);
    assert_eq!(ran.calls, [4, 4, 2]);
    assert_eq!(project.rows(), weights(&lines));
    // Two lines of 200 bytes fit into half a KiB, three do not.
    let long: Vec<String> = (10..15)
        .map(|number| format!("{number}").repeat(100))
        .collect();
    let mut project = items(&long);
    batch(&mut project, "batch = { bytes = \"512B\" }");
    assert_eq!(run(&project).calls, [2, 2, 1]);
    assert_eq!(project.rows(), weights(&long));
}

#[test]
fn every_thread_has_a_call_where_there_are_rows_enough() {
    let mut project = Project::new();
    project.flow = both_batched("batch = true");
    project.component = Some(lists_guest(0));
    project.config.threads = 4;
    project.write("a.md", lines(32).join("\n"));
    let ran = run(&project);
    assert_eq!(
        ran.calls,
        [1, 8, 8, 8, 8],
        "one for the page, then its lines"
    );
}

/// The flow over pages and lines, with both of its transforms batched.
fn both_batched(settings: &str) -> String {
    let each = ["page", "line"];
    each.iter()
        .fold(flowstone_tests::FLOW.to_owned(), |flow, each| {
            let each = format!("each = \"{each}\"\n");
            flow.replace(&each, &format!("{each}{settings}\n"))
        })
}

#[test]
fn targets_are_the_same_whatever_the_threads_and_the_sizes_of_batches() {
    let alone = Project::new();
    let text = |number: usize| lines(number * 7 % 31).join(&format!("\n{number}"));
    let write = |project: &Project| {
        for number in 0..40 {
            project.write(&format!("{number}.md"), text(number));
        }
    };
    write(&alone);
    alone.run();
    assert!(alone.rows().len() > 500);
    for threads in [1, 3] {
        for settings in [
            "{ rows = 1 }",
            "{ rows = 7 }",
            "{ rows = 1000 }",
            "{ bytes = \"300B\" }",
        ] {
            let mut project = Project::new();
            project.config.threads = threads;
            project.flow = both_batched(&format!("batch = {settings}"));
            project.component = Some(lists_guest(0));
            write(&project);
            let ran = run(&project);
            assert_eq!(ran.report.failures, 0);
            assert!(
                project.rows() == alone.rows(),
                "{threads} threads, {settings}"
            );
        }
    }
}

#[test]
fn a_literal_is_given_once() {
    let mut project = items(&["a", "bc", "def"]);
    function(&mut project, "scale");
    batch(&mut project, "batch = true\nwith = { times = 5 }");
    assert_eq!(run(&project).calls, [3]);
    assert_eq!(project.rows(), ["0000|5", "0001|10", "0002|15"]);
}

#[test]
fn none_in_a_list_is_no_row() {
    let mut project = items(&["a", "#b", "c"]);
    function(&mut project, "keep");
    let ran = run(&project);
    assert_eq!((ran.calls, ran.report.failures), (vec![3], 0));
    assert_eq!(project.rows(), ["0000|a", "0002|c"]);
    assert_eq!(run(&project).calls, [0; 0]);
}

#[test]
fn an_err_in_a_list_fails_its_row_alone_and_is_remembered() {
    let mut project = items(&["a", "?b", "c"]);
    function(&mut project, "vet");
    let ran = run(&project);
    assert_eq!(ran.calls, [3]);
    let failed: Vec<_> = (ran.report.failed.iter())
        .map(|row| (&*row.key, &*row.reason))
        .collect();
    assert_eq!(failed, [("0001", "weight: ?b")]);
    assert_eq!(project.rows(), ["0000|a", "0002|c"]);
    let again = run(&project);
    assert_eq!((again.calls, again.report.failures), (vec![], 1));
}

#[test]
fn a_list_of_another_length_fails_all_its_rows_and_is_not_remembered() {
    let mut project = items(&["a", "-b", "c", "d", "e"]);
    batch(&mut project, "batch = { rows = 3 }");
    let ran = run(&project);
    assert_eq!(ran.calls, [3, 2], "what came back is not halved");
    let failed: Vec<_> = ran.report.failed.iter().map(|row| &*row.key).collect();
    assert_eq!(failed, ["0000", "0001", "0002"]);
    for row in &ran.report.failed {
        let lengths = "was given 3 rows and returned a list of 2";
        assert!(row.reason.contains(lengths), "{}", row.reason);
    }
    assert_eq!(project.rows(), ["0003|100", "0004|101"]);
    assert_eq!(run(&project).calls, [3], "the others are remembered");
}

#[test]
fn random_numbers_do_not_hang_on_who_shares_a_call() {
    let numbers = |settings: &str| {
        let mut project = items(&["a", "b", "c", "d"]);
        function(&mut project, "roll");
        // A number that the target may have no place for: what is remembered is looked at.
        project.flow = project
            .flow
            .replace("weight = \"weight\"", "line = \"item.line\"");
        batch(&mut project, settings);
        run(&project);
        let (engine, flow) = project.open().expect("the flow opens");
        ["0000", "0001", "0002", "0003"].map(|key| {
            let found = engine.cache_get(&flow, "weight", key, &NEVER);
            format!("{:?}", found.expect("it is remembered").outcome)
        })
    };
    let together = numbers("batch = true");
    assert_eq!(together, numbers("batch = { rows = 1 }"));
    assert_eq!(together, numbers("batch = { rows = 3 }"));
}

#[test]
fn calls_are_measured_and_the_measures_kept() {
    let mut project = items(&lines(100));
    batch(&mut project, "batch = { rows = 40 }");
    let ran = run(&project);
    let counts = &ran.report.transforms["weight"];
    assert_eq!((counts.called, counts.calls, counts.reused), (100, 3, 0));
    assert_eq!(ran.calls, [40, 40, 20]);
    assert_eq!(counts.rows_per_call.max, 40);
    assert!((counts.rows_per_call.mean - 100.0 / 3.0).abs() < 1e-9);
    let latency = counts.latency;
    assert!(0.0 < latency.p50 && latency.p50 <= latency.p95 && latency.p95 <= latency.p99);
    assert!(latency.p99 <= counts.seconds * 1.04);
    assert!(counts.rows_per_second > 0.0);
    assert!(counts.queue.mean <= counts.queue.max);
    let (engine, _flow) = project.open().expect("the flow opens");
    let kept = engine.past_run(RunId(1)).expect("the store can be read");
    let kept = kept.expect("it is there").transforms["weight"].clone();
    assert_eq!((kept.calls, kept.rows_per_call.max), (3, 40));
    // Numbers in JSON are as good as their text.
    let near = |a: f64, b: f64| (a - b).abs() <= b * 1e-12;
    assert!(near(kept.latency.p95, latency.p95) && near(kept.queue.max, counts.queue.max));
}
