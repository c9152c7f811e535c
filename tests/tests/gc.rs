//! Collections between runs: what is kept for how long, and that a run after one comes to the same.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flowstone::core::StoreSettings;
use flowstone::{Collection, Event, GcOptions};
use flowstone_tests::{Guest, Project};
use proptest::prelude::*;

const NOTHING: &[&str] = &[];

fn project() -> Project {
    let mut project = Project::new();
    // Each build is other code for all functions.
    let plugin = "[plugin.sample]\n";
    let identity = format!("{plugin}identity = \"component\"\n");
    project.flow = project.flow.replace(plugin, &identity);
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    project
}

/// Keeps what rows use and what is pinned, and nothing else.
fn strict() -> GcOptions {
    GcOptions {
        settings: StoreSettings {
            bytes_max: None,
            keep: Some(Duration::ZERO),
            keep_runs: Some(0),
        },
        ..GcOptions::default()
    }
}

fn gc(project: &Project, options: &GcOptions) -> Collection {
    let (mut engine, flow) = project.open().expect("the flow opens");
    let collection = engine.gc(
        Some(&flow),
        options,
        &AtomicBool::new(false),
        &mut |progress| assert!(progress.done <= progress.total),
    );
    collection.expect("it can be collected")
}

fn build(project: &mut Project, weight: u32) {
    project.guest = Guest { weight, detour: 0 };
}

const CALLS: [&str; 5] = [
    "line a.md",
    "line b.md",
    "weight a.md",
    "weight a.md",
    "weight b.md",
];

#[test]
fn code_that_comes_back_calls_nothing_until_its_results_are_collected() {
    let mut project = project();
    project.run();
    build(&mut project, 1);
    assert_eq!(project.run().calls, CALLS);
    // As it is by default: everything here is young.
    let collected = gc(&project, &GcOptions::default());
    assert_eq!(collected.report.removed, 0);
    assert_eq!((collected.report.in_use, collected.report.recent), (5, 5));
    build(&mut project, 0);
    assert_eq!(project.run().calls, NOTHING);

    let collected = gc(&project, &strict());
    assert_eq!((collected.report.kept, collected.report.removed), (5, 5));
    // The code of the other build went with its results, and so did what says what the stage was then.
    assert_eq!(
        (
            collected.report.recipes_removed,
            collected.report.builds_removed
        ),
        (2, 1)
    );
    assert_eq!(collected.stages_removed, 1);
    project.write("a.md", "one\ntwo\n");
    assert_eq!(project.run().calls, NOTHING);
    build(&mut project, 1);
    assert_eq!(project.run().calls, CALLS);
}

#[test]
fn a_trial_run_tells_the_same_and_changes_nothing() {
    let mut project = project();
    project.run();
    build(&mut project, 1);
    project.run();
    let trial = GcOptions {
        dry_run: true,
        ..strict()
    };
    let expected = gc(&project, &trial);
    assert_eq!(gc(&project, &trial).report, expected.report);
    let collected = gc(&project, &strict());
    assert_eq!(collected.report, expected.report);
    assert_eq!(collected.stages_removed, expected.stages_removed);
    assert!(expected.compaction.is_none() && collected.compaction.is_some());
}

#[test]
fn what_one_of_the_last_runs_used_is_kept_whatever_its_age() {
    let mut project = project();
    project.run();
    build(&mut project, 1);
    project.run();
    let keep_runs = |runs| GcOptions {
        settings: StoreSettings {
            keep_runs: Some(runs),
            ..strict().settings
        },
        ..strict()
    };
    // The second run was the last in which rows had used the results of the first.
    assert_eq!(gc(&project, &keep_runs(1)).report.removed, 0);
    project.run();
    assert_eq!(gc(&project, &keep_runs(2)).report.removed, 0);
    let report = gc(&project, &keep_runs(1)).report;
    assert_eq!((report.removed, report.runs_removed), (5, 1));
}

#[test]
fn results_of_a_pin_are_kept_as_long_as_it_stands() {
    let mut project = project();
    let call = "call = \"sample.weigh\"\n";
    let pinned = format!("{call}cache = {{ pin = \"weights\" }}\n");
    let plain = project.flow.clone();
    project.flow = plain.replace(call, &pinned);
    project.run();
    project.remove("a.md").run();
    // Three results of `weight`, of which a row uses one; `line` has no pin.
    let report = gc(&project, &strict()).report;
    assert_eq!((report.in_use, report.pinned, report.removed), (2, 2, 1));
    project.write("a.md", "one\ntwo\n");
    assert_eq!(project.run().calls, ["line a.md"]);

    project.flow = plain;
    project.remove("a.md").run();
    let report = gc(&project, &strict()).report;
    assert_eq!(report.pinned, 3, "the flow uses it no more, but it stands");
    let (engine, flow) = project.open().expect("the flow opens");
    let dropped = engine.drop_pin("weights", &AtomicBool::new(false));
    assert_eq!(dropped.expect("it can be dropped").pin, "weights");
    drop((engine, flow));
    let report = gc(&project, &strict()).report;
    assert_eq!((report.in_use, report.pinned), (report.kept, 0));
}

#[test]
fn a_store_that_is_too_large_loses_what_no_row_uses_and_no_more() {
    let mut project = project();
    project.run();
    build(&mut project, 1);
    project.run();
    let small = GcOptions {
        settings: StoreSettings {
            bytes_max: Some(1),
            ..StoreSettings::default()
        },
        ..GcOptions::default()
    };
    let report = gc(&project, &small).report;
    assert_eq!((report.in_use, report.evicted_for_size), (5, 5));
    assert!(report.over_max);
    assert_eq!(project.run().calls, NOTHING);
}

#[test]
fn a_run_collects_by_itself_only_where_something_changed_and_there_may_be_a_gain() {
    let mut project = project();
    let run = |project: &Project| -> Option<Collection> {
        let (mut engine, flow) = project.open().expect("the flow opens");
        let stop = AtomicBool::new(false);
        let report = engine
            .run(&flow, &project.options, &stop, &|_: &Event<'_>| {})
            .expect("the run ends well");
        engine
            .gc_if_due(&flow, &report, &stop, &mut |_| {})
            .expect("it can be collected")
    };
    assert!(
        run(&project).is_none(),
        "the first run has nothing to compare with"
    );
    build(&mut project, 1);
    assert!(run(&project).is_none(), "the store is small, and young");
    project.flow.push_str("\n[store]\nmax-size = \"1KiB\"\n");
    assert!(run(&project).is_none(), "nothing changed");
    build(&mut project, 2);
    let collected = run(&project).expect("it is too large");
    assert_eq!(
        (collected.report.in_use, collected.report.evicted_for_size),
        (5, 10)
    );
    assert!(collected.report.over_max);
    // It is still too large, but what it holds is in use.
    build(&mut project, 3);
    assert!(run(&project).is_none());
}

#[test]
fn a_collection_that_is_stopped_goes_on_the_next_time() {
    let mut project = project();
    project.run();
    build(&mut project, 1);
    project.run();
    let stop = AtomicBool::new(false);
    let (mut engine, flow) = project.open().expect("the flow opens");
    let first = engine.gc(Some(&flow), &strict(), &stop, &mut |_| {
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!first.expect("stopping is no error").report.finished);
    drop((engine, flow));
    let second = gc(&project, &strict());
    assert!(second.report.finished && second.report.resumed);
    assert_eq!(second.report.removed, 5);
}

/// Something that happens to a project.
#[derive(Clone, Debug)]
enum Step {
    Write(u8, String),
    Remove(u8),
    Code(u32),
    Run,
    Collect { runs: u32, stop_after: Option<u32> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = prop::collection::btree_set("[a-d]{1,3}", 0..5)
        .prop_map(|lines: BTreeSet<String>| lines.into_iter().collect::<Vec<_>>().join("\n"));
    let stop_after = prop::option::of(0..10_u32);
    prop::collection::vec(
        prop_oneof![
            4 => (0..4_u8, text).prop_map(|(file, text)| Step::Write(file, text)),
            1 => (0..4_u8).prop_map(Step::Remove),
            2 => (0..3_u32).prop_map(Step::Code),
            4 => Just(Step::Run),
            4 => (0..3_u32, stop_after)
                .prop_map(|(runs, stop_after)| Step::Collect { runs, stop_after }),
        ],
        1..16,
    )
}

fn apply(project: &mut Project, step: &Step) {
    let name = |file: &u8| format!("{file}.md");
    match step {
        Step::Write(file, text) => drop(project.write(&name(file), text)),
        Step::Remove(file) => drop(std::fs::remove_file(project.path("docs").join(name(file)))),
        Step::Code(weight) => build(project, *weight),
        Step::Run => drop(project.run()),
        Step::Collect { runs, stop_after } => {
            let (mut engine, flow) = project.open().expect("the flow opens");
            let mut options = strict();
            options.settings.keep_runs = Some(*runs);
            let (stop, mut seen) = (AtomicBool::new(*stop_after == Some(0)), 0);
            let collected = engine.gc(Some(&flow), &options, &stop, &mut |_| {
                seen += 1;
                stop.store(*stop_after == Some(seen), Ordering::Relaxed);
            });
            collected.expect("it can be collected");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_collected_runs_come_to_the_same(steps in steps()) {
        let mut project = project();
        for step in &steps {
            apply(&mut project, step);
        }
        project.run();
        prop_assert_eq!(project.rows(), project.fresh_rows());
        // What rows use was never collected: once more with everything touched, and nothing is called.
        gc(&project, &strict());
        for entry in std::fs::read_dir(project.path("docs")).expect("the folder is there") {
            let path = entry.expect("the folder can be listed").path();
            let text = std::fs::read(&path).expect("the file is there");
            std::fs::write(&path, text).expect("the project takes files");
        }
        prop_assert_eq!(project.run().calls, NOTHING);
        prop_assert_eq!(project.rows(), project.fresh_rows());
    }
}
