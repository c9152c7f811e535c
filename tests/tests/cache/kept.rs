//! What stays in the store: for code that comes back, and for rows that do.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use flowstone::GcOptions;
use flowstone::core::StoreSettings;
use flowstone_tests::{Guest, Project};

use crate::{NOTHING, project};

/// Collects all but what rows use and what the last runs used.
fn collect(project: &Project, runs: u32) {
    let (mut engine, _) = project.open().expect("the flow opens");
    let options = GcOptions {
        settings: StoreSettings {
            bytes_max: None,
            keep: Some(Duration::ZERO),
            keep_runs: Some(runs),
        },
        ..GcOptions::default()
    };
    let stop = AtomicBool::new(false);
    let collected = engine.gc(None, &options, &stop, &mut |_| {});
    assert!(collected.expect("it can be collected").report.finished);
}

#[test]
fn results_that_rows_used_until_the_last_run_are_kept_for_code_that_comes_back() {
    let mut project = project();
    for number in 0..5 {
        project.write("other.md", format!("{number}\n"));
        project.run();
    }
    project.guest.weight = 1;
    project.run();
    collect(&project, 3);
    project.guest = Guest::default();
    assert_eq!(project.run().calls, NOTHING);
}

#[test]
fn results_of_a_row_that_went_are_kept_for_a_row_that_comes_back() {
    let project = project();
    project.run();
    for number in 0..3 {
        project.write("other.md", format!("{number}\n"));
        project.run();
    }
    project.remove("a.md");
    project.run();
    collect(&project, 2);
    project.write("a.md", "one\ntwo\n");
    assert_eq!(project.run().calls, NOTHING);
}
