//! Results at the user's hand, through the engine: what is read, put, removed and moved, and what is called after that and
//! what is not.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone::core::{Type, Value};
use flowstone::{
    CacheEntry, CacheFilter, CacheResult, CacheSort, CachedOutcome, Engine, Error, ExportOptions,
    ExportReport, Flow, GivenValue, ImportReport, PutReport, Why,
};
use flowstone_tests::{Guest, Project};

const NOTHING: &[&str] = &[];

static NEVER: AtomicBool = AtomicBool::new(false);

fn project() -> Project {
    let project = Project::new();
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    project
}

/// The flow with another function behind `weight`, and with `settings` on it.
fn with(project: &mut Project, function: &str, settings: &str) {
    let call = "call = \"sample.weigh\"\n";
    let other = format!("call = \"sample.{function}\"\n{settings}\n");
    project.flow = project.flow.replace(call, &other);
}

fn open(project: &Project) -> (Engine, Flow) {
    project.open().expect("the flow opens")
}

fn get(project: &Project, transform: &str, key: &str) -> Result<CacheResult, Error> {
    let (engine, flow) = open(project);
    engine.cache_get(&flow, transform, key, &NEVER)
}

fn value(project: &Project, transform: &str, key: &str) -> Value {
    match get(project, transform, key)
        .expect("it is remembered")
        .outcome
    {
        CachedOutcome::Value { value, .. } => value,
        other => panic!("{other:?}"),
    }
}

fn put(project: &Project, key: &str, given: GivenValue<'_>) -> Result<PutReport, Error> {
    let (engine, flow) = open(project);
    engine.cache_put(&flow, "weight", key, given, &NEVER)
}

fn entries(project: &Project, filter: &CacheFilter) -> Vec<CacheEntry> {
    let (engine, _flow) = open(project);
    let mut found = Vec::new();
    engine
        .cache_list(filter, CacheSort::Size, None, &NEVER, &mut |entry| {
            found.push(entry);
            ControlFlow::Continue(())
        })
        .expect("it can be listed");
    found
}

fn export(project: &Project, filter: &CacheFilter) -> (Vec<u8>, ExportReport) {
    let (engine, _flow) = open(project);
    let mut archive = Vec::new();
    let options = ExportOptions { builds: true };
    let report = engine.cache_export(filter, options, &mut archive, &NEVER);
    (archive, report.expect("it can be exported"))
}

fn import(project: &Project, archive: &[u8]) -> ImportReport {
    let (engine, _flow) = open(project);
    let report = engine.cache_import(&mut Cursor::new(archive), false, &NEVER);
    report.expect("it is sound")
}

#[test]
fn a_result_is_read_by_its_row_and_by_its_key() {
    let project = project();
    project.run();
    assert_eq!(value(&project, "weight", "a.md#1"), Value::U32(346));
    let found = get(&project, "line", "a.md").expect("it is remembered");
    let lines = ["one", "two"].map(Value::str).to_vec();
    let CachedOutcome::Value {
        value: list, ty, ..
    } = &found.outcome
    else {
        panic!("{found:?}");
    };
    assert_eq!(
        (list, ty),
        (&Value::List(lines.into()), &Type::list(Type::String))
    );
    assert_eq!((found.run.0, found.why, found.hits), (1, Why::New, 0));
    assert_eq!(found.arguments.len(), 1);
    let by_key = get(&project, "line", &found.key[..8]).expect("it is remembered");
    assert_eq!((by_key.key, by_key.row), (found.key, None));
}

#[test]
fn what_is_not_there_is_named() {
    let project = project();
    let text = |key: &str| match get(&project, "weight", key) {
        Err(Error::NotFound(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(
        text("a.md#0").contains("not remembered"),
        "{}",
        text("a.md#0")
    );
    project.run();
    assert!(text("a.md").contains("names no row"), "{}", text("a.md"));
    assert!(
        text("a.md#2").contains("no such position"),
        "{}",
        text("a.md#2")
    );
    assert!(text("c.md#0").contains("no row"), "{}", text("c.md#0"));
    let of_line = get(&project, "line", "a.md").expect("it is remembered").key;
    assert!(
        text(&of_line[..12]).contains("does not call"),
        "{}",
        text(&of_line[..12])
    );
    assert!(
        text("0123456789").contains("begins with"),
        "{}",
        text("0123456789")
    );
}

#[test]
fn nones_and_failures_are_results_too() {
    let mut project = project();
    with(&mut project, "keep", "");
    project.write("a.md", "one\n# two\n");
    project.run();
    let outcome = |project: &Project| {
        get(project, "weight", "a.md#1")
            .expect("it is there")
            .outcome
    };
    assert_eq!(outcome(&project), CachedOutcome::Nothing);
    project.flow = project.flow.replace("sample.keep", "sample.vet");
    project.write("a.md", "one\n?two\n");
    project.run();
    let reason = "?two".to_owned();
    assert_eq!(outcome(&project), CachedOutcome::Failed { reason });
}

#[test]
fn a_result_of_other_code_is_found_by_its_key_alone() {
    let mut project = project();
    project.run();
    let old = get(&project, "weight", "a.md#0").expect("it is remembered");
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    get(&project, "weight", "a.md#0").expect_err("the code is another");
    let found = get(&project, "weight", &old.key).expect("it is still there");
    assert_eq!(found.code, old.code);
    project.run();
    assert_eq!(value(&project, "weight", "a.md#0"), Value::U32(323));
    let error = put(&project, &old.key, GivenValue::Wave("7")).expect_err("no row asks for it");
    assert!(matches!(error, Error::Override { .. }), "{error}");
}

#[test]
fn a_result_that_is_put_reaches_the_target_without_a_call() {
    let project = project();
    project.write("copy.md", "two");
    project.run();
    let report = put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    assert!(report.replaced);
    assert_eq!(report.rows, 2, "the copy shares the call");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    let rows = [
        "a.md|one|322",
        "a.md|two|7",
        "b.md|three|536",
        "copy.md|two|7",
    ];
    assert_eq!(project.rows(), rows);
    assert_eq!(outcome.report.targets["index"].updated, 2);
    let found = get(&project, "weight", "a.md#1").expect("it is remembered");
    assert_eq!((found.why, found.run.0), (Why::Put, 1));
    // Settled: a run without a change does nothing again.
    assert_eq!(project.run().report.targets["index"].updated, 0);
}

#[test]
fn what_is_put_waits_for_its_row() {
    let project = project();
    project.run();
    project.write("b.md", "four\n");
    let missing =
        put(&project, "b.md#0", GivenValue::Wave("7")).expect_err("its list is not known");
    assert!(matches!(missing, Error::NotFound(_)), "{missing}");
    project.run();
    let report = put(&project, "b.md#0", GivenValue::Json("7")).expect("it fits");
    assert_eq!(report.rows, 1);
    project.write("b.md", "five\n");
    project.run();
    project.write("b.md", "four\n");
    assert_eq!(project.run().calls, NOTHING, "both versions are remembered");
    assert!(project.rows().contains(&"b.md|four|7".to_owned()));
}

#[test]
fn a_plan_and_the_lineage_know_of_what_was_put() {
    let project = project();
    project.run();
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    let planned = project.plan().rows;
    let why: Vec<_> = planned.iter().map(|row| (&*row.key, &*row.why)).collect();
    assert_eq!(why, [("a.md", "result put by hand")]);
    let (engine, flow) = open(&project);
    let lineage = engine
        .lineage_of_source(&flow, "page", "a.md")
        .expect("it has lineage");
    let names: Vec<_> = lineage.calls.iter().map(|call| &*call.transform).collect();
    assert_eq!(names, ["line", "weight", "weight"]);
}

#[test]
fn what_is_put_twice_is_what_was_put_last() {
    let project = project();
    project.run();
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    let found = get(&project, "weight", "a.md#1").expect("it is remembered");
    put(&project, &found.key[..10], GivenValue::Wave("8")).expect("it fits");
    assert_eq!(project.run().calls, NOTHING);
    assert!(project.rows().contains(&"a.md|two|8".to_owned()));
}

#[test]
fn a_failure_is_mended_by_putting_a_result() {
    let mut project = project();
    with(&mut project, "vet", "");
    project.run();
    // A good version first, so that the failed row keeps what that made.
    project.write("b.md", "?three\n");
    assert_eq!(project.run().report.failures, 1);
    let report = put(&project, "b.md#0", GivenValue::Wave("3")).expect("a plain word is a string");
    assert_eq!((report.rows, report.outcome), (1, "value"));
    let outcome = project.run();
    assert_eq!((outcome.report.failures, &outcome.calls[..]), (0, &[][..]));
    assert!(
        project.rows().contains(&"b.md|?three|3".to_owned()),
        "{:?}",
        project.rows()
    );
}

#[test]
fn whole_results_can_be_put() {
    let mut project = project();
    with(&mut project, "vet", "");
    project.run();
    let put_wave = |text: &str| put(&project, "b.md#0", GivenValue::Wave(text)).expect("it fits");
    assert_eq!(put_wave("err(\"not today\")").outcome, "failed");
    let outcome = project.run();
    assert_eq!(outcome.report.failed[0].reason, "weight: not today");
    assert_eq!(put_wave("ok(\"yes\")").outcome, "value");
    project.run();
    assert!(project.rows().contains(&"b.md|three|yes".to_owned()));
    project.flow = project.flow.replace("sample.vet", "sample.keep");
    project.run();
    let put_json = |json: &str| put(&project, "b.md#0", GivenValue::Json(json)).expect("it fits");
    assert_eq!(put_json("null").outcome, "none");
    project.run();
    assert_eq!(
        project.rows().len(),
        2,
        "the row has no weight, so it is not there"
    );
    let raw = GivenValue::Raw("größer".as_bytes());
    put(&project, "b.md#0", raw).expect("it is a string");
    project.run();
    assert!(project.rows().contains(&"b.md|three|größer".to_owned()));
}

#[test]
fn a_large_value_is_put_and_read_whole() {
    let mut project = project();
    with(&mut project, "vet", "");
    project.run();
    let text = "long ".repeat(40_000);
    put(&project, "b.md#0", GivenValue::Raw(text.as_bytes())).expect("it fits");
    assert_eq!(value(&project, "weight", "b.md#0"), Value::str(&*text));
    project.run();
    assert!(project.rows().contains(&format!("b.md|three|{text}")));
}

#[test]
fn what_no_run_would_use_is_refused() {
    let mut project = project();
    project.run();
    let flow = project.flow.clone();
    for settings in [
        "cache = { mode = \"disable\" }",
        "cache = { mode = \"recompute\" }",
    ] {
        with(&mut project, "weigh", settings);
        let error = put(&project, "a.md#0", GivenValue::Wave("7")).expect_err("it is of no use");
        assert!(matches!(error, Error::Override { .. }), "{error}");
        project.flow.clone_from(&flow);
    }
    for given in [
        GivenValue::Wave("-1"),
        GivenValue::Json("\"7\""),
        GivenValue::Raw(b"7"),
    ] {
        let error = put(&project, "a.md#0", given).expect_err("it is no u32");
        assert!(matches!(error, Error::Override { .. }), "{error}");
    }
    assert_eq!(project.run().calls, NOTHING);
    assert!(project.rows().contains(&"a.md|one|322".to_owned()));
}

#[test]
fn a_removed_result_is_called_again_when_its_row_is_worked_on() {
    let project = project();
    project.run();
    let (engine, flow) = open(&project);
    let one = |dry_run| engine.cache_remove_one(&flow, "weight", "a.md#0", dry_run, &NEVER);
    let dry = one(true).expect("it is there");
    assert_eq!((dry.entries, dry.in_use, dry.bytes), (1, 1, 4));
    assert_eq!(one(false).expect("it is there"), dry);
    assert_eq!(one(false).expect("it is gone").entries, 0);
    drop(engine);
    assert_eq!(project.run().calls, NOTHING, "nobody touched its row");
    project.write("a.md", "one\n");
    assert_eq!(project.run().calls, ["line a.md", "weight a.md"]);
}

#[test]
fn filters_tell_what_is_removed() {
    let mut project = project();
    project.run();
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    project.run();
    let all = entries(&project, &CacheFilter::default());
    assert_eq!(
        all.len(),
        10,
        "two codes, each with two lists and three weights"
    );
    let mut unused = CacheFilter::default();
    unused.unused = true;
    let old = entries(&project, &unused);
    assert_eq!(old.len(), 5);
    assert!(old.iter().all(|entry| entry.run.0 == 1));
    let mut code = CacheFilter::default();
    code.code = Some(old[0].code.clone());
    code.function = Some("weigh".to_owned());
    assert_eq!(entries(&project, &code).len(), 3);
    let mut large = CacheFilter::default();
    large.larger_than = Some(4);
    assert_eq!(entries(&project, &large).len(), 4, "the lists");
    let mut present = CacheFilter::default();
    let (engine, flow) = open(&project);
    present
        .add_transform(&flow, "weight")
        .expect("there is one");
    let removed = engine
        .cache_remove(&unused, false, &NEVER)
        .expect("they can go");
    assert_eq!(
        (removed.entries, removed.in_use, removed.groups.len()),
        (5, 0, 2)
    );
    let removed = engine
        .cache_remove(&present, false, &NEVER)
        .expect("they can go");
    assert_eq!(
        (removed.entries, removed.in_use, removed.groups.len()),
        (3, 3, 1)
    );
    drop(engine);
    assert_eq!(entries(&project, &CacheFilter::default()).len(), 2);
    let mut wrong = CacheFilter::default();
    wrong.code = Some("xyz".to_owned());
    let (engine, _flow) = open(&project);
    engine
        .cache_remove(&wrong, false, &NEVER)
        .expect_err("no digest begins so");
}

#[test]
fn hits_and_what_they_saved_are_counted() {
    let project = project();
    project.run();
    project.write("copy.md", "one\ntwo\n");
    project.run();
    let (engine, _flow) = open(&project);
    let stat = engine.cache_stat(&NEVER).expect("it can be counted");
    assert_eq!(
        (stat.totals.entries, stat.totals.hits, stat.in_use),
        (5, 3, 5)
    );
    let groups: Vec<_> = stat.groups.iter().collect();
    let counts = groups
        .iter()
        .map(|group| (&*group.function, group.totals.entries));
    assert_eq!(counts.collect::<Vec<_>>(), [("lines", 2), ("weigh", 3)]);
    assert!(stat.totals.saved_seconds > 0.0 && stat.builds == 1 && stat.pins.is_empty());
    assert!(stat.parts.database > 0 && stat.parts.builds > 0);
    drop(engine);
    let hits: u64 = entries(&project, &CacheFilter::default())
        .iter()
        .map(|entry| entry.hits)
        .sum();
    assert_eq!(hits, 3);
}

#[test]
fn another_store_calls_nothing_for_what_it_imports() {
    let here = project();
    here.run();
    let (archive, exported) = export(&here, &CacheFilter::default());
    assert_eq!(
        (exported.results, exported.recipes, exported.builds),
        (5, 2, 1)
    );
    let there = project();
    let report = import(&there, &archive);
    assert_eq!((report.imported, report.present, report.builds), (5, 0, 1));
    let outcome = there.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(there.rows(), here.rows());
    assert_eq!(there.rows().len(), 3);
    assert_eq!(import(&there, &archive).present, 5);
    let found = get(&there, "weight", "a.md#0").expect("it is remembered");
    assert_eq!(found.why, Why::Imported);
}

#[test]
fn results_move_to_a_flow_with_other_names() {
    let here = project();
    here.run();
    let (archive, _) = export(&here, &CacheFilter::default());
    let mut there = project();
    there.flow = there
        .flow
        .replace("name = \"lines\"", "name = \"paragraphs\"")
        .replace("sample.", "guest.")
        .replace("plugin.sample", "plugin.guest")
        .replace("guest.wasm", "sample.wasm")
        .replace("source.page", "source.file")
        .replace("each = \"page\"", "each = \"file\"")
        .replace("page.path", "file.path")
        .replace("[transform.line]", "[transform.paragraph]")
        .replace(
            "each = \"line\"",
            "each = \"paragraph\"\nfrom = { line = \"paragraph\" }",
        )
        .replace("rows = \"line\"", "rows = \"paragraph\"")
        .replace("line = \"line\", weight", "line = \"paragraph\", weight");
    import(&there, &archive);
    assert_eq!(there.run().calls, NOTHING);
    assert_eq!(there.rows(), here.rows());
}

#[test]
fn only_what_rows_use_is_exported_where_that_is_asked_for() {
    let mut project = project();
    project.run();
    project.guest = Guest {
        weight: 1,
        detour: 0,
    };
    project.run();
    let mut in_use = CacheFilter::default();
    in_use.in_use = true;
    assert_eq!(export(&project, &in_use).1.results, 5);
    assert_eq!(export(&project, &CacheFilter::default()).1.results, 10);
}

#[test]
fn pinned_results_are_found_by_their_pin_elsewhere() {
    let mut here = project();
    with(&mut here, "weigh", "cache = { pin = \"weigh-1\" }");
    here.run();
    let mut pinned = CacheFilter::default();
    pinned.pin = Some("weigh-1".to_owned());
    let (archive, exported) = export(&here, &pinned);
    assert_eq!(exported.results, 3);
    let mut there = project();
    with(&mut there, "weigh", "cache = { pin = \"weigh-1\" }");
    there.guest = Guest {
        weight: 0,
        detour: 3,
    };
    import(&there, &archive);
    assert_eq!(there.run().calls, ["line a.md", "line b.md"]);
    assert_eq!(there.rows(), here.rows());
}

#[test]
fn impure_results_stay_where_they_were_made() {
    let mut here = project();
    let settings = "grants = { clock = true }\ncache = { max-age = \"1d\" }";
    with(&mut here, "weigh", settings);
    here.run();
    let (archive, exported) = export(&here, &CacheFilter::default());
    assert_eq!((exported.results, exported.impure), (2, 3));
    let mut there = project();
    with(&mut there, "weigh", settings);
    assert_eq!(import(&there, &archive).imported, 2);
    assert_eq!(
        there.run().calls,
        ["weight a.md", "weight a.md", "weight b.md"]
    );
}
