//! Modes of transforms and of runs, and results that age.

use flowstone::{CacheOptions, Error};
use flowstone_tests::{Guest, Project};

use crate::{NOTHING, explain, groups, names, project};

/// The flow with `cache` on the transform `weight`.
fn with_cache(project: &mut Project, settings: &str) {
    let call = "call = \"sample.weigh\"\n";
    project.flow = project.flow.replace(call, &format!("{call}{settings}\n"));
}

#[test]
fn recompute_calls_every_row_and_remembers_the_results() {
    let mut project = project();
    with_cache(&mut project, "cache = { mode = \"recompute\" }");
    project.run();
    let weights = ["weight a.md", "weight a.md", "weight b.md"];
    assert_eq!(project.run().calls, weights);
    assert_eq!(
        groups(&explain(&project, "weight", None)),
        ["called 3: mode `recompute`"]
    );
    project.flow = project
        .flow
        .replace("cache = { mode = \"recompute\" }\n", "");
    assert_eq!(project.run().calls, NOTHING);
}

#[test]
fn a_recomputed_result_that_is_another_reaches_the_target() {
    let mut project = project();
    project.run();
    // The code is pinned, so that only a recomputation takes notice of it.
    with_cache(&mut project, "cache = { pin = \"weight\" }");
    project.run();
    project.guest.weight = 1000;
    assert_eq!(project.run().calls, NOTHING);
    let before = project.rows();
    project.options.cache.recompute = names(&["weight"]);
    let outcome = project.run();
    assert_eq!(outcome.calls, ["weight a.md", "weight a.md", "weight b.md"]);
    assert_eq!(outcome.report.targets["index"].updated, 3);
    assert_ne!(project.rows(), before);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn disable_calls_every_row_in_every_run_and_remembers_nothing() {
    let mut project = project();
    project.write("c.md", "one\n");
    with_cache(&mut project, "cache = { mode = \"disable\" }");
    let calls = ["line a.md", "line b.md", "line c.md"];
    let weights = ["weight a.md", "weight a.md", "weight b.md", "weight c.md"];
    assert_eq!(project.run().calls, [&calls[..], &weights].concat());
    assert_eq!(project.run().calls, weights);
    let explained = explain(&project, "weight", None);
    assert_eq!(groups(&explained), ["called 4: mode `disable`"]);
    project.flow = project.flow.replace("cache = { mode = \"disable\" }\n", "");
    project.write("d.md", "two\n");
    // Of the rows that did not change nothing is asked; the new one finds nothing.
    assert_eq!(project.run().calls, ["line d.md", "weight d.md"]);
    assert_eq!(project.rows(), project.fresh_rows());
}

/// A flow whose `weight` takes the length of the line from the column `length`, which may be ignored.
fn ignoring(mode: &str) -> Project {
    let mut project = project();
    project.flow = project.flow.replace(
        "[transform.weight]\ncall = \"sample.weigh\"\neach = \"line\"\n",
        &format!(
            "[transform.times]\ncall = \"sample.weigh\"\neach = \"page\"\nfrom = {{ line = \"page.path\" }}\n\
             cache = {{ mode = \"{mode}\" }}\n\n\
             [transform.weight]\ncall = \"sample.scale\"\neach = \"line\"\n"
        ),
    );
    project
}

#[test]
fn an_ignored_column_does_not_count_in_the_keys_of_what_depends_on_it() {
    let mut project = ignoring("ignore");
    project.run();
    // Other code of the ignored transform gives other values, and is no change for what takes them.
    project.rename("a.md", "z.md");
    let outcome = project.run();
    assert_eq!(outcome.calls, ["times z.md"]);
    project.guest.detour = 1;
    let counted = ignoring("default");
    counted.run();
    counted.rename("a.md", "z.md");
    assert_eq!(
        counted.run().calls,
        ["times z.md", "weight z.md", "weight z.md"]
    );
}

#[test]
fn rows_are_not_run_again_for_the_sake_of_an_ignored_column() {
    let mut project = ignoring("ignore");
    let separate = "[plugin.other]\ncomponent = \"other.wasm\"\n\n[source.page]";
    project.flow = project.flow.replace("[source.page]", separate);
    project.run();
    let other = project.flow.replace(
        "[transform.times]\ncall = \"sample.weigh\"",
        "[transform.times]\ncall = \"other.scale\"\nwith = { times = 3 }",
    );
    project.flow = other;
    assert_eq!(project.run().calls, NOTHING);
}

#[test]
fn a_run_can_refresh_everything_and_say_so() {
    let mut project = project();
    project.run();
    project.options.cache.refresh = true;
    let outcome = project.run();
    assert_eq!(outcome.calls.len(), 5);
    assert_eq!(outcome.report.targets["index"].unchanged, 3);
    project.options.cache = CacheOptions::default();
    assert_eq!(project.run().calls, NOTHING);
}

#[test]
fn a_run_without_a_cache_computes_everything_and_keeps_only_lineage() {
    let mut project = project();
    project.options.cache.no_cache = true;
    assert_eq!(project.run().calls.len(), 5);
    assert_eq!(project.run().calls.len(), 5);
    project.options.cache = CacheOptions::default();
    assert_eq!(
        project.run().calls,
        NOTHING,
        "rows that did not change are left alone"
    );
    project.write("c.md", "one\n");
    assert_eq!(
        project.run().calls,
        ["line c.md", "weight c.md"],
        "nothing was remembered"
    );
    project.remove("a.md");
    assert_eq!(project.run().report.targets["index"].deleted, 2);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn one_run_disables_or_recomputes_by_name_and_refuses_unknown_names() {
    let mut project = project();
    project.run();
    project.options.cache.disable = names(&["line"]);
    assert_eq!(project.run().calls, ["line a.md", "line b.md"]);
    project.options.cache.disable = names(&["lines"]);
    let Err(Error::NotFound(message)) = project.try_run() else {
        panic!("an unknown transform is an error");
    };
    insta::assert_snapshot!(message, @"the flow has no transform `lines`: did you mean `line`? there are `line`, `weight`");
}

#[test]
fn a_plan_with_the_options_of_a_run_says_what_that_run_would_call() {
    let mut project = project();
    project.run();
    project.options.cache.recompute = names(&["weight"]);
    let plan = project.plan();
    let weight = plan
        .transforms
        .iter()
        .find(|transform| transform.name == "weight");
    let weight = weight.expect("it is in the plan");
    assert_eq!(
        (weight.calls, &*weight.reasons[0].why),
        (3, "mode `recompute`")
    );
}

/// A component whose function gives a random number for every line.
const DICE: &str = r#"
(component
  (import "wasi:random/random@0.2.0" (instance $r (export "get-random-u64" (func (result u64)))))
  (alias export $r "get-random-u64" (func $random))
  (core func $roll (canon lower (func $random)))
  (core module $m
    (import "r" "roll" (func $roll (result i64)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "roll") (param i32 i32) (result i32) (i32.wrap_i64 (call $roll))))
  (core instance $i (instantiate $m (with "r" (instance (export "roll" (func $roll))))))
  (func (export "roll") (param "path" string) (result u32)
    (canon lift (core func $i "roll") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
"#;

fn dice(grants: &str, cache: &str) -> Project {
    let mut project = Project::new();
    project.component = Some(wat::parse_str(DICE).expect("it is a component"));
    project.flow = format!(
        r#"
name = "dice"
[plugin.dice]
component = "dice.wasm"
[source.page]
kind = "files"
root = "docs"
[transform.number]
call = "dice.roll"
each = "page"
{grants}
{cache}
[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "page"
key = ["path"]
columns = {{ path = "page.path", number = "number" }}
"#
    );
    project.write("a.md", "one").write("b.md", "two");
    project
}

#[test]
fn random_numbers_are_the_same_in_every_run_unless_they_are_granted() {
    let rolled = |grants, cache| {
        let mut project = dice(grants, cache);
        project.run();
        let first = project.rows();
        project.options.cache.refresh = true;
        project.run();
        (first, project.rows())
    };
    let (first, second) = rolled("", "");
    assert_eq!(first, second);
    let (first, second) = rolled("grants = { random = true }", "cache = { max-age = \"1h\" }");
    assert_ne!(first, second);
}

#[test]
fn what_is_granted_something_real_needs_an_age() {
    let Err(error) = dice("grants = { random = true }", "").try_run() else {
        panic!("a flow without an age is refused");
    };
    insta::assert_snapshot!(error.to_string().lines().next().unwrap_or_default(), @"transform `number` is granted random, so its results hang on more than its arguments");
}

#[test]
fn a_result_is_reused_until_it_is_too_old() {
    let mut project = dice("grants = { random = true }", "cache = { max-age = \"1h\" }");
    assert_eq!(project.run().calls, ["number a.md", "number b.md"]);
    let rows = project.rows();
    assert_eq!(project.run().calls, NOTHING);
    assert_eq!(project.rows(), rows);
    project.flow = project.flow.replace("1h", "0s");
    let plan = project.plan();
    assert_eq!(
        plan.transforms[0].reasons[0].why,
        "the remembered result is older than `max-age`"
    );
    assert_eq!(project.run().calls, ["number a.md", "number b.md"]);
    assert_ne!(project.rows(), rows);
    let explained = explain(&project, "number", None);
    assert_eq!(
        groups(&explained),
        ["called 2: the remembered result is older than `max-age`"]
    );
}

#[test]
fn reverted_code_calls_nothing_the_third_time() {
    let mut project = project();
    project.run();
    project.guest.weight = 9;
    assert_eq!(
        project.run().calls,
        ["weight a.md", "weight a.md", "weight b.md"]
    );
    project.guest = Guest::default();
    assert_eq!(project.run().calls, NOTHING);
    let explained = explain(&project, "weight", None);
    assert_eq!(groups(&explained), ["reused 3: reused: made in run 1"]);
}

#[test]
fn a_run_without_a_cache_calls_ignored_transforms_too() {
    let mut project = ignoring("ignore");
    project.run();
    assert_eq!(project.run().calls, NOTHING);
    project.options.cache.no_cache = true;
    let calls = project.run().calls;
    assert!(calls.contains(&"times a.md".to_owned()), "{calls:?}");
    assert!(calls.contains(&"weight a.md".to_owned()), "{calls:?}");
}
