//! Rows that bring a call down: they fail alone, and finding them takes few calls.

use flowstone_tests::Project;

use crate::{batch, items, lines, run, weights};

/// So many lines, those at `poison` such that the function traps.
fn poisoned(count: usize, poison: &[usize]) -> Vec<String> {
    let mut lines = lines(count);
    for &at in poison {
        lines[at].insert(0, '!');
    }
    lines
}

fn project(count: usize, poison: &[usize]) -> Project {
    let mut project = items(&poisoned(count, poison));
    batch(&mut project, &format!("batch = {{ rows = {count} }}"));
    project
}

/// Runs it, checks the results, and says how many more calls it took than without poison.
fn more_calls(project: &Project, count: usize, poison: &[usize]) -> usize {
    let ran = run(project);
    let failed: Vec<usize> = (ran.report.failed.iter())
        .map(|row| row.key.parse().expect("keys are numbers"))
        .collect();
    assert_eq!(ran.report.failures, poison.len() as u64);
    assert!(poison.iter().take(100).eq(failed.iter()));
    for row in &ran.report.failed {
        assert!(row.reason.contains("unreachable"), "{}", row.reason);
    }
    let rows = weights(&poisoned(count, poison));
    let rows = rows
        .iter()
        .enumerate()
        .filter(|(at, _)| !poison.contains(at));
    assert!(project.rows().iter().eq(rows.map(|(_, row)| row)));
    assert_eq!(ran.report.transforms["weight"].called, count as u64);
    assert_eq!(ran.rows.len(), count, "no row is told twice");
    ran.calls.len() - 1
}

#[test]
fn a_row_that_traps_fails_alone_after_two_calls_per_halving_at_most() {
    for at in [0, 1, 249, 250, 311, 499] {
        let project = project(500, &[at]);
        let more = more_calls(&project, 500, &[at]);
        assert!((16..=18).contains(&more), "{more} more calls for row {at}");
    }
}

#[test]
fn several_rows_that_trap_fail_alone() {
    let poison = [3, 100, 101, 377, 499];
    let more = more_calls(&project(500, &poison), 500, &poison);
    assert!(more <= poison.len() * 18, "{more} more calls");
}

#[test]
fn where_all_rows_trap_every_halving_is_made_once() {
    let all: Vec<usize> = (0..64).collect();
    assert_eq!(more_calls(&project(64, &all), 64, &all), 126);
}

#[test]
fn halving_is_the_same_on_many_threads() {
    let mut project = project(500, &[77]);
    project.config.threads = 4;
    let ran = run(&project);
    assert_eq!(ran.report.failures, 1);
    // Four calls of 125 rows.
    assert!(ran.calls.len() <= 4 + 14, "{} calls", ran.calls.len());
    assert_eq!(project.rows().len(), 499);
}

#[test]
fn what_good_rows_gave_is_remembered_and_the_poison_is_not() {
    let project = project(100, &[42]);
    run(&project);
    let again = run(&project);
    assert_eq!(
        (again.calls, again.rows),
        (vec![1], vec!["0042".to_owned()])
    );
    assert_eq!(again.report.failures, 1);
}

#[test]
fn a_row_that_never_ends_fails_alone() {
    let mut lines = lines(8);
    lines[5].insert(0, '~');
    let mut project = items(&lines);
    let component = "component = \"sample.wasm\"\n";
    project.flow = project.flow.replace(
        component,
        &format!("{component}limits = {{ time = \"500ms\" }}\n"),
    );
    let ran = run(&project);
    assert!(ran.calls.len() <= 1 + 6, "{} calls", ran.calls.len());
    let [failed] = &ran.report.failed[..] else {
        panic!("one row fails: {:?}", ran.report.failed);
    };
    assert!(failed.reason.contains("time limit"), "{}", failed.reason);
    assert_eq!(failed.key, "0005");
    assert_eq!(project.rows().len(), 7);
}

#[test]
fn rows_that_together_are_too_much_for_the_limits_are_halved_until_they_fit() {
    let lines: Vec<String> = (0..32)
        .map(|number| format!("{number:02}").repeat(50_000))
        .collect();
    let mut project = items(&lines);
    let component = "component = \"sample.wasm\"\n";
    project.flow = project.flow.replace(
        component,
        &format!("{component}limits = {{ memory = \"1MiB\" }}\n"),
    );
    let ran = run(&project);
    assert_eq!(ran.report.failures, 0);
    assert_eq!(ran.calls.len(), 7, "32, twice 16, and four times 8 rows");
    assert_eq!(project.rows(), weights(&lines));
}
