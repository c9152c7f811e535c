//! After any history of edits, deletions, renames, changes of code and flow, and interruptions, the targets are those of
//! a fresh build.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use flowstone::core::StoreSettings;
use flowstone::{CacheOptions, Event, GcOptions, Overrides};
use flowstone_tests::{FLOW, Project};
use proptest::prelude::*;

/// Something that happens to a project between two runs.
#[derive(Clone, Debug)]
enum Step {
    Write(u8, String),
    Remove(u8),
    Rename(u8, u8),
    Code(u32, u32),
    Flow(u8),
    LoseTarget,
    LoseStore,
    /// What no row uses is collected, but for what so many last runs used.
    Collect(u32),
    /// Later runs look up and remember otherwise.
    Cache(u8),
    /// A run with a result that is given for the first line of a file.
    Give(u8, u32),
    /// A run that is stopped at its n-th event.
    Interrupt(usize),
    Run,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Lines are distinct within a file, since they are part of the key.
    let text = prop::collection::btree_set("[a-d]{1,3}|\\?x|![a-b]", 0..5)
        .prop_map(|lines: BTreeSet<String>| lines.into_iter().collect::<Vec<_>>().join("\n"));
    let file = 0..6u8;
    prop::collection::vec(
        prop_oneof![
            6 => (file.clone(), text).prop_map(|(file, text)| Step::Write(file, text)),
            2 => file.clone().prop_map(Step::Remove),
            2 => (file.clone(), file).prop_map(|(from, to)| Step::Rename(from, to)),
            2 => (0..3u32, 0..2u32).prop_map(|(weight, detour)| Step::Code(weight, detour)),
            2 => (0..12u8).prop_map(Step::Flow),
            2 => (0..3u32).prop_map(Step::Collect),
            1 => (0..4u8).prop_map(Step::Cache),
            1 => (0..6u8, 0..9u32).prop_map(|(file, value)| Step::Give(file, value)),
            1 => Just(Step::LoseTarget),
            1 => Just(Step::LoseStore),
            3 => (0..12usize).prop_map(Step::Interrupt),
            4 => Just(Step::Run),
        ],
        1..14,
    )
}

fn name(file: u8) -> String {
    // Names whose order as paths is not their order as text with folders first.
    ["a.md", "a/b.md", "a-b.md", "a/c/d.md", "z.md", "é.md"][usize::from(file)].to_owned()
}

/// The flow with rows that fail left out, since what is kept of them hangs on history.
fn flow(variant: u8) -> String {
    let flow = FLOW.replace("root = \"docs\"", "root = \"docs\"\non-error = \"drop\"");
    match variant {
        0 => flow,
        1 => flow.replace(
            "weight = \"weight\" }",
            "weight = \"weight\", again = \"line\" }",
        ),
        2 => flow.replace("sample.weigh", "sample.vet"),
        3 => scaled(&flow, 2),
        4 => scaled(&flow, 3),
        5 => flow.replace("component =", "identity = \"component\"\ncomponent ="),
        6 => flow.replace(
            "sample.weigh\"",
            "sample.weigh\"\ncache = { mode = \"recompute\" }",
        ),
        7 => flow.replace("key = [\"path\", \"line\"]", "key = [\"line\", \"path\"]"),
        8 => batched(&flow, "weigh", 2),
        9 => batched(&flow, "weigh", 64),
        10 => batched(&flow, "vet", 3),
        _ => batched(
            &flow.replace("sample.lines\"", "lists.lines\"\nbatch = true"),
            "weigh",
            3,
        ),
    }
}

/// The flow with its last call for many rows at once.
fn batched(flow: &str, function: &str, rows: u8) -> String {
    let call = format!("lists.{function}\"\nbatch = {{ rows = {rows} }}");
    let plugin = "[plugin.lists]\ncomponent = \"lists.wasm\"\n";
    flow.replace("sample.weigh\"", &call) + plugin
}

/// The flow with a literal argument.
fn scaled(flow: &str, times: u32) -> String {
    let call = format!("sample.scale\"\nwith = {{ times = {times} }}");
    flow.replace("sample.weigh\"", &call)
}

fn interrupted_run(project: &Project, at: usize) {
    let (engine, flow) = project.open().expect("the flow opens");
    let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let observer = |_: &Event<'_>| {
        if seen.fetch_add(1, Ordering::Relaxed) == at {
            stop.store(true, Ordering::Relaxed);
        }
    };
    engine
        .run(&flow, &project.options, &stop, &observer)
        .expect("an interruption is no error");
}

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
    engine
        .gc(None, &options, &AtomicBool::new(false), &mut |_| {})
        .expect("a store can be collected at any time");
}

fn cache(variant: u8) -> CacheOptions {
    CacheOptions {
        refresh: variant == 1,
        no_cache: variant == 2,
        disable: (variant == 3)
            .then(|| "weight".to_owned())
            .into_iter()
            .collect(),
        ..CacheOptions::default()
    }
}

/// A run with a given result, where the flow and the files have a place for it.
fn give(project: &mut Project, file: u8, value: u32) {
    let mut overrides = Overrides::default();
    let line = format!(
        "{{\"key\": \"{}\", \"index\": [0], \"value\": {value}}}",
        name(file)
    );
    let (engine, flow) = project.open().expect("the flow opens");
    let fits = overrides.add(flow.plan(), "weight", "given.jsonl", &line);
    drop((engine, flow));
    if fits.is_ok() {
        project.options.overrides = overrides;
        // There may be no such file.
        drop(project.try_run());
        project.options.overrides = Overrides::default();
    }
}

fn apply(project: &mut Project, step: &Step) {
    match step {
        Step::Write(file, text) => drop(project.write(&name(*file), text)),
        Step::Remove(file) => drop(std::fs::remove_file(project.path("docs").join(name(*file)))),
        Step::Rename(from, to) => {
            let docs = project.path("docs");
            let to = docs.join(name(*to));
            std::fs::create_dir_all(to.parent().expect("files lie in folders"))
                .expect("folders can be made");
            drop(std::fs::rename(docs.join(name(*from)), to));
        }
        Step::Code(weight, detour) => {
            project.guest.weight = *weight;
            project.guest.detour = *detour;
        }
        Step::Flow(variant) => project.flow = flow(*variant),
        Step::LoseTarget => drop(std::fs::remove_dir_all(project.path("out"))),
        Step::LoseStore => drop(std::fs::remove_dir_all(project.path(".flowstone"))),
        Step::Collect(runs) => collect(project, *runs),
        Step::Cache(options) => project.options.cache = cache(*options),
        Step::Give(file, value) => give(project, *file, *value),
        Step::Interrupt(at) => interrupted_run(project, *at),
        Step::Run => drop(project.run()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_like_a_fresh_build(history in steps()) {
        let mut project = Project::new();
        project.options.allow_deletes = true;
        project.flow = flow(0);
        for step in &history {
            apply(&mut project, step);
        }
        let outcome = project.run();
        prop_assert_eq!(project.rows(), project.fresh_rows(), "{:?}", outcome.report);
        // And then it stays: but for calls that trap, which are tried again.
        let again = project.run();
        prop_assert_eq!(again.report.targets["index"].inserted, 0);
        prop_assert_eq!(again.report.targets["index"].updated, 0);
        prop_assert_eq!(again.report.targets["index"].deleted, 0);
        prop_assert_eq!(again.report.failures, outcome.report.failures);
    }
}
