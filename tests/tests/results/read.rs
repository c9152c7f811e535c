//! Reading, counting and removing what is remembered.

use flowstone::core::{Type, Value};
use flowstone::{CacheFilter, CachedOutcome, Error, GivenValue, Why};
use flowstone_tests::{Guest, Project};

use crate::{NEVER, NOTHING, by_component, entries, get, open, project, put, value, with};

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
    assert_eq!((found.run.0, found.why, found.hits), (1, Why::NewRow, 0));
    assert_eq!(found.arguments.len(), 1);
    let by_key = get(&project, "line", &found.key[..8]).expect("it is remembered");
    assert_eq!((by_key.key, by_key.row), (found.key, None));
}

#[test]
fn what_is_not_there_is_named() {
    let project = project();
    let says = |key: &str, words: &str| match get(&project, "weight", key) {
        Err(Error::NotFound(text)) => assert!(text.contains(words), "{text}"),
        other => panic!("{other:?}"),
    };
    says("a.md#0", "`line` is not remembered for `a.md`");
    project.run();
    says("a.md", "names no row");
    says("a.md#2", "`line` gave `a.md` no position 2");
    says("c.md#0", "source `page` has no row `c.md`");
    let of_line = get(&project, "line", "a.md").expect("it is remembered").key;
    says(&of_line[..12], "does not call");
    says("0123456789", "begins with");
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
fn what_a_run_would_not_use_is_read_all_the_same() {
    let mut project = project();
    let call = "call = \"sample.lines\"\n";
    let recompute = format!("{call}cache = {{ mode = \"recompute\" }}\n");
    project.flow = project.flow.replace(call, &recompute);
    project.run();
    assert_eq!(value(&project, "weight", "a.md#1"), Value::U32(346));
    put(&project, "a.md#1", GivenValue::Wave("7")).expect("it fits");
    assert_eq!(project.run().calls, ["line a.md", "line b.md"]);
    assert!(project.rows().contains(&"a.md|two|7".to_owned()));
}

#[test]
fn filters_tell_what_is_removed() {
    let mut project = by_component();
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
