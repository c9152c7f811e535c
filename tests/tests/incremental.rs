//! What a change asks for, and nothing else: every test lists the calls that ran, and so also those that did not.

use std::sync::atomic::{AtomicBool, Ordering};

use flowstone::core::RunId;
use flowstone::{Error, Event, TargetCounts};
use flowstone_tests::{Guest, Project};

fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n")
        .write("deep/c.md", "four\n\nfive");
    project
}

const NOTHING: &[&str] = &[];

#[test]
fn the_first_run_calls_everything_and_fills_the_table() {
    let project = project();
    let outcome = project.run();
    assert_eq!(outcome.report.run, RunId(1));
    assert_eq!(
        outcome.calls,
        [
            "line a.md",
            "line b.md",
            "line deep/c.md",
            "weight a.md",
            "weight a.md",
            "weight b.md",
            "weight deep/c.md",
            "weight deep/c.md",
        ]
    );
    assert_eq!(
        project.rows(),
        [
            "a.md|one|322",
            "a.md|two|346",
            "b.md|three|536",
            "deep/c.md|five|426",
            "deep/c.md|four|444",
        ]
    );
    assert_eq!(outcome.report.sources["page"].added, 3);
    assert_eq!(outcome.report.targets["index"].inserted, 5);
    assert_eq!(outcome.report.failures, 0);
}

#[test]
fn a_run_without_a_change_calls_nothing_and_writes_nothing() {
    let project = project();
    project.run();
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.sources["page"].unchanged, 3);
    assert_eq!(
        outcome.report.targets["index"],
        TargetCounts {
            unchanged: 5,
            ..TargetCounts::default()
        }
    );
}

#[test]
fn an_edited_file_calls_only_for_its_new_lines() {
    let project = project();
    project.run();
    project.write("a.md", "one\nzwei\n");
    let outcome = project.run();
    assert_eq!(outcome.calls, ["line a.md", "weight a.md"]);
    let counts = TargetCounts {
        inserted: 1,
        deleted: 1,
        unchanged: 4,
        ..TargetCounts::default()
    };
    assert_eq!(outcome.report.targets["index"], counts);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_removed_file_takes_its_rows_along() {
    let project = project();
    project.run();
    project.remove("deep/c.md");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.sources["page"].removed, 1);
    assert_eq!(outcome.report.targets["index"].deleted, 2);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_renamed_file_moves_its_rows_without_a_call() {
    let project = project();
    project.run();
    project.rename("a.md", "z.md");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_copied_or_touched_file_calls_nothing() {
    let project = project();
    project.run();
    project
        .write("copy.md", "one\ntwo\n")
        .write("b.md", "three\n");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.sources["page"].changed, 0);
    assert_eq!(outcome.report.targets["index"].inserted, 2);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn changed_code_with_equal_results_writes_nothing() {
    let mut project = project();
    project.run();
    project.guest.detour = 1;
    let outcome = project.run();
    assert_eq!(outcome.report.transforms["line"].called, 0);
    assert_eq!(outcome.report.transforms["weight"].called, 5);
    assert_eq!(
        outcome.report.targets["index"],
        TargetCounts {
            unchanged: 5,
            ..TargetCounts::default()
        }
    );
}

#[test]
fn changed_code_with_other_results_updates_the_rows_and_a_revert_calls_nothing() {
    let mut project = project();
    project.run();
    let before = project.rows();
    project.guest.weight = 1000;
    let outcome = project.run();
    assert_eq!(outcome.report.targets["index"].updated, 5);
    assert_eq!(project.rows(), project.fresh_rows());
    project.guest = Guest::default();
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.targets["index"].updated, 5);
    assert_eq!(project.rows(), before);
}

#[test]
fn renaming_flow_plugin_transform_and_target_calls_nothing_and_writes_nothing() {
    let mut project = project();
    project.run();
    project.flow = project
        .flow
        .replace("name = \"lines\"", "name = \"renamed\"")
        .replace("sample", "other")
        .replace("component = \"other.wasm\"", "component = \"sample.wasm\"")
        .replace("transform.weight", "transform.mass")
        .replace("weight = \"weight\"", "weight = \"mass\"")
        .replace("target.index", "target.table");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(
        outcome.report.targets["table"],
        TargetCounts {
            unchanged: 5,
            ..TargetCounts::default()
        }
    );
}

#[test]
fn a_column_added_to_the_target_is_filled_without_a_call() {
    let mut project = project();
    project.run();
    project.flow = project.flow.replace(
        "weight = \"weight\" }",
        "weight = \"weight\", again = \"line\" }",
    );
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.targets["index"].updated, 5);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_removed_target_is_emptied_and_taken_away() {
    let mut project = project();
    project.run();
    let start = project
        .flow
        .find("[target.index]")
        .expect("the flow has a target");
    project.flow.truncate(start);
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), NOTHING);
}

#[test]
fn a_renamed_source_keeps_all_results() {
    let mut project = project();
    project.run();
    let before = project.rows();
    project.flow = project
        .flow
        .replace("source.page", "source.doc")
        .replace("\"page", "\"doc");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), before);
}

#[test]
fn a_deleted_target_is_filled_anew_without_a_call() {
    let project = project();
    project.run();
    let before = project.rows();
    std::fs::remove_dir_all(project.path("out")).expect("the target is there");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.targets["index"].inserted, 5);
    assert_eq!(project.rows(), before);
}

#[test]
fn a_deleted_store_adopts_its_old_table() {
    let project = project();
    project.run();
    project.remove("b.md");
    std::fs::remove_dir_all(project.path(".flowstone")).expect("the store is there");
    project.run();
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_row_whose_call_traps_keeps_its_last_good_rows_and_is_tried_again() {
    let project = project();
    project.run();
    project.write("a.md", "one\n!boom\nthree\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    assert!(
        outcome.report.failed[0].reason.starts_with("weight: "),
        "{:?}",
        outcome.report.failed
    );
    assert_eq!(project.rows()[..2], ["a.md|one|322", "a.md|two|346"]);
    let outcome = project.run();
    assert_eq!(outcome.calls, ["weight a.md"]);
    assert_eq!(outcome.report.failures, 1);
    project.write("a.md", "one\nthree\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(outcome.calls, ["line a.md"]);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_failing_row_with_on_error_drop_loses_only_what_failed() {
    let mut project = project();
    project.flow = project
        .flow
        .replace("root = \"docs\"", "root = \"docs\"\non-error = \"drop\"");
    project.run();
    project.write("a.md", "one\n!boom\nthree\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    assert_eq!(project.rows()[..2], ["a.md|one|322", "a.md|three|536"]);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn an_err_is_remembered_and_a_file_that_is_not_text_is_not_read_again() {
    let mut project = project();
    project.flow = project.flow.replace("sample.weigh", "sample.vet");
    project
        .write("a.md", "fine\n?bad\n")
        .write("latin.md", b"caf\xe9\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 2);
    assert_eq!(outcome.report.failed[0].reason, "weight: ?bad");
    assert!(
        outcome.report.failed[1].reason.contains("UTF-8"),
        "{:?}",
        outcome.report.failed
    );
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.failures, 2);
}

#[test]
fn a_none_leaves_the_row_out_of_the_target() {
    let mut project = project();
    project.flow = project.flow.replace("sample.weigh", "sample.keep");
    project.write("a.md", "one\n#two\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(project.rows()[..2], ["a.md|one|one", "b.md|three|three"]);
}

#[test]
fn rows_with_the_same_key_fail_with_the_key_in_the_reason() {
    let project = project();
    project.write("a.md", "same\nsame\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    let reason =
        "two of its rows have the same key in target `index`: path = \"a.md\", line = \"same\"";
    assert_eq!(outcome.report.failed[0].reason, reason);
}

#[test]
fn two_files_that_swap_their_target_keys_end_right() {
    let mut project = project();
    project.flow = project
        .flow
        .replace("key = [\"path\", \"line\"]", "key = [\"line\"]");
    project.run();
    project.write("a.md", "three\n").write("b.md", "one\ntwo\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0, "{:?}", outcome.report.failed);
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_key_that_two_files_give_fails_the_second_until_the_first_gives_it_up() {
    let mut project = project();
    project.flow = project
        .flow
        .replace("key = [\"path\", \"line\"]", "key = [\"line\"]");
    project.run();
    project.write("b.md", "one\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    project.write("a.md", "two\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0, "{:?}", outcome.report.failed);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn losing_more_than_half_of_the_rows_stops_before_anything_is_changed() {
    let mut project = project();
    for number in 0..20 {
        project.write(&format!("n{number}.md"), format!("line {number}"));
    }
    project.run();
    let before = project.rows();
    for number in 0..19 {
        project.remove(&format!("n{number}.md"));
    }
    project.write("a.md", "changed");
    match project.try_run() {
        Err(Error::TooManyDeletes {
            removed: 19,
            rows: 23,
            ..
        }) => {}
        other => panic!("{:?}", other.map(|outcome| outcome.report)),
    }
    assert_eq!(project.rows(), before);
    project.options.allow_deletes = true;
    project.run();
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_missing_root_is_an_error_and_deletes_nothing() {
    let project = project();
    project.run();
    let before = project.rows();
    std::fs::rename(project.path("docs"), project.path("gone")).expect("the folder is there");
    assert!(matches!(project.try_run(), Err(Error::Source { .. })));
    assert_eq!(project.rows(), before);
}

#[test]
fn a_plan_tells_what_a_run_then_does() {
    let mut project = project();
    project.run();
    project
        .write("a.md", "one\nzwei\n")
        .write("new.md", "six")
        .remove("b.md");
    let plan = project.plan();
    assert_eq!(plan.sources["page"].added, 1);
    assert_eq!(plan.sources["page"].changed, 1);
    assert_eq!(plan.sources["page"].removed, 1);
    assert_eq!(plan.transforms[0].calls, 2);
    let outcome = project.run();
    assert_eq!(outcome.report.transforms["line"].called, 2);
    project.guest.weight = 5;
    let plan = project.plan();
    assert_eq!(plan.transforms[0].calls, 0);
    assert_eq!(plan.transforms[1].calls, 5);
    assert!(
        plan.transforms[1].reasons[0]
            .why
            .starts_with("code changed from function:"),
        "{plan:?}"
    );
}

#[test]
fn a_row_that_failed_by_its_own_account_stays_failed_when_it_is_touched() {
    let mut project = project();
    project.flow = project.flow.replace("sample.weigh", "sample.vet");
    project.write("a.md", "?bad\n");
    assert_eq!(project.run().report.failures, 1);
    project.write("a.md", "?bad\n");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.failures, 1);
    assert_eq!(outcome.report.failed[0].reason, "weight: ?bad");
    assert_eq!(project.run().report.failed, outcome.report.failed);
}

#[test]
fn a_reason_is_cut_and_its_control_characters_are_shown() {
    let mut project = project();
    project.flow = project.flow.replace("sample.weigh", "sample.vet");
    project.write("a.md", format!("?\u{1b}[31m{}\n", "x".repeat(100_000)));
    let outcome = project.run();
    let reason = &outcome.report.failed[0].reason;
    assert!(
        reason.starts_with("weight: ?\\u{1b}[31mxxx"),
        "{}",
        &reason[..40]
    );
    assert!(reason.len() < 3000);
}

#[test]
fn a_list_can_be_a_column_and_rows_at_once() {
    let mut project = project();
    let both = "[transform.all]\ncall = \"sample.lines\"\neach = \"page\"\n\n[transform.line]";
    project.flow = project.flow.replace("[transform.line]", both);
    let outcome = project.run();
    assert_eq!(
        outcome.report.transforms["all"].called + outcome.report.transforms["line"].called,
        3
    );
    assert_eq!(project.rows().len(), 5);
}

#[test]
fn rows_of_a_list_that_was_a_column_before_survive_the_loss_of_its_object() {
    let mut project = Project::new();
    let lines: Vec<String> = (0..20_000).map(|n| format!("line {n}")).collect();
    let lines = lines.join("\n");
    project.write("long.md", lines);
    let flow = project.flow.clone();
    let start = flow.find("[transform.line]").expect("the flow has it");
    let column = "[transform.line]\ncall = \"sample.lines\"\neach = \"page\"\n";
    project.flow = format!("{}{column}", &flow[..start]);
    project.run();
    std::fs::remove_dir_all(project.path(".flowstone/objects")).expect("there are objects");
    project.flow = flow;
    let outcome = project.run();
    assert_eq!(outcome.report.transforms["line"].called, 1);
    assert_eq!(project.rows().len(), 20_000);
}

#[test]
fn columns_that_change_and_change_back_are_filled_also_when_the_run_between_failed() {
    let mut project = project();
    project.run();
    let before = project.rows();
    let with_weight = project.flow.clone();
    project.flow = project.flow.replace(", weight = \"weight\" }", " }");
    std::fs::rename(project.path("docs"), project.path("gone")).expect("the folder is there");
    assert!(project.try_run().is_err());
    std::fs::rename(project.path("gone"), project.path("docs")).expect("the folder is there");
    project.flow = with_weight;
    project.run();
    assert_eq!(project.rows(), before);
}

#[test]
fn a_key_that_changes_leaves_the_table_alone_until_the_guard_has_passed() {
    let mut project = project();
    for number in 0..20 {
        project.write(&format!("n{number}.md"), format!("line {number}"));
    }
    project.run();
    let before = project.rows();
    for number in 0..19 {
        project.remove(&format!("n{number}.md"));
    }
    project.flow = project
        .flow
        .replace("key = [\"path\", \"line\"]", "key = [\"line\", \"path\"]");
    assert!(matches!(
        project.try_run(),
        Err(Error::TooManyDeletes { .. })
    ));
    assert_eq!(project.rows(), before);
}

#[test]
fn lineage_changes_nothing() {
    let mut project = project();
    project.run();
    let before = project.rows();
    let with_weight = project.flow.clone();
    project.flow = project.flow.replace(", weight = \"weight\" }", " }");
    let (engine, flow) = project.open().expect("the flow opens");
    engine
        .lineage_of_target(&flow, "index", "a.md,one")
        .expect("the row is there");
    drop((engine, flow));
    assert_eq!(project.rows(), before);
    project.flow = with_weight;
    project.run();
    assert_eq!(project.rows(), before);
}

#[test]
fn another_flow_of_the_store_keeps_its_table() {
    let project = project();
    project.run();
    let before = project.rows();
    let (engine, _flow) = project.open().expect("the flow opens");
    // A copy under another name and in another file, with the same target.
    for name in ["lines", "copy"] {
        let text = project
            .flow
            .replace("name = \"lines\"", &format!("name = \"{name}\""));
        std::fs::write(project.path("flow.toml"), &project.flow).expect("the project takes files");
        let outcome = project.run_as(&engine, &text, "copy.toml");
        assert!(matches!(outcome, Err(Error::TargetTaken { .. })), "{name}");
        assert_eq!(project.rows(), before);
    }
}

#[test]
fn two_rows_that_are_written_to_one_file_fail_instead_of_overwriting_each_other() {
    let mut project = project();
    let start = project
        .flow
        .find("[target.index]")
        .expect("the flow has a target");
    project.flow.truncate(start);
    project.flow.push_str(
        "[target.files]\nkind = \"files\"\nroot = \"out\"\nrows = \"line\"\n\
         path = \"{line}{path}\"\ncontent = \"line\"\ncolumns = { line = \"line\", path = \"page.path\" }\n",
    );
    project
        .write("a.md", "x\n")
        .write("b.md", "xa.md\nfine\n")
        .write("deep/c.md", "y\n");
    project.rename("b.md", "aa.md");
    project.write("aa.md", "x\nxa\n").write("a.md", "xa\n");
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1, "{:?}", outcome.report.failed);
    assert!(
        outcome.report.failed[0].reason.contains("same key"),
        "{:?}",
        outcome.report.failed
    );
    assert_eq!(project.run().report.failures, 1);
}

#[test]
fn a_key_that_no_target_can_hold_fails_its_row_alone() {
    let project = project();
    project.write("wide.md", "x".repeat(100_000));
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    assert!(
        outcome.report.failed[0].reason.contains("its key takes"),
        "{:?}",
        outcome.report.failed
    );
    assert_eq!(project.rows().len(), 5);
}

#[test]
fn a_changed_literal_calls_just_its_transform_and_the_plan_says_so() {
    let mut project = project();
    project.flow = project
        .flow
        .replace("sample.weigh\"", "sample.scale\"\nwith = { times = 2 }");
    project.run();
    project.flow = project.flow.replace("times = 2", "times = 3");
    let plan = project.plan();
    assert_eq!(plan.transforms[1].calls, 5);
    assert_eq!(
        plan.transforms[1].reasons[0].why,
        "literal `times` changed from 2 to 3"
    );
    let outcome = project.run();
    assert_eq!(outcome.report.transforms["line"].called, 0);
    assert_eq!(outcome.report.transforms["weight"].called, 5);
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_target_that_moves_away_and_back_is_filled_each_time_without_a_call() {
    let mut project = project();
    project.run();
    let before = project.rows();
    let flow = project.flow.clone();
    project.flow = flow.replace("out/lines.db", "out/other.db");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    let counts = TargetCounts {
        inserted: 5,
        deleted: 5,
        ..TargetCounts::default()
    };
    assert_eq!(outcome.report.targets["index"], counts);
    assert_eq!(project.rows(), NOTHING);
    project.flow = flow;
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(outcome.report.targets["index"], counts);
    assert_eq!(project.rows(), before);
}

#[test]
fn a_run_that_is_stopped_does_not_wait_for_a_call_that_never_ends() {
    let mut project = project();
    project.flow = project.flow.replace(
        "component = \"sample.wasm\"",
        "component = \"sample.wasm\"\nlimits = { time = \"10000h\" }",
    );
    project.write("a.md", "~\n");
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = AtomicBool::new(false);
    let observer = |event: &Event<'_>| {
        if matches!(
            event,
            Event::WillCall {
                transform: "weight",
                key: "a.md"
            }
        ) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let report = engine
        .run(&flow, &project.options, &stop, &observer)
        .expect("stopping is no error");
    assert!(report.interrupted);
    assert_eq!(report.failures, 0);
}

#[test]
fn a_key_that_moves_while_the_target_fails_is_not_deleted_by_the_row_that_had_it() {
    let mut project = Project::new();
    project.flow = project
        .flow
        .replace("key = [\"path\", \"line\"]", "key = [\"line\"]");
    project.write("a.md", "one").write("z.md", "moving");
    for number in 0..40 {
        project.write(&format!("m{number}.md"), format!("line {number}"));
    }
    project.run();
    let sql = |text: &str| {
        let database = rusqlite::Connection::open(project.path("out/lines.db"));
        database
            .and_then(|database| database.execute_batch(text))
            .expect("the table takes it");
    };
    // The batch is in the store, and the target takes nothing of it.
    sql("CREATE TRIGGER boom BEFORE INSERT ON line BEGIN SELECT RAISE(ABORT, 'boom'); END");
    project.write("a.md", "moving").write("z.md", "other");
    assert!(matches!(project.try_run(), Err(Error::Target { .. })));
    sql("DROP TRIGGER boom");
    // The two rows are now in different batches, the one that has the key now before the one that had it.
    for number in 0..40 {
        project.write(&format!("m{number}.md"), format!("new {number}"));
    }
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 0, "{:?}", outcome.report.failed);
    assert_eq!(project.rows(), project.fresh_rows());
    assert_eq!(project.run().report.targets["index"].unchanged, 42);
}

/// A flow over the records of a file instead of files.
fn records(kind: &str, options: &str) -> String {
    format!(
        "name = \"records\"\n[plugin.sample]\ncomponent = \"sample.wasm\"\n\
         [source.item]\nkind = \"{kind}\"\npath = \"docs/items.{kind}\"\n{options}\n\
         [transform.size]\ncall = \"sample.scale\"\neach = \"item\"\nfrom = {{ line = \"item.name\" }}\n\
         [target.index]\nkind = \"sqlite\"\npath = \"out/lines.db\"\ntable = \"line\"\nrows = \"item\"\n\
         key = [\"name\"]\ncolumns = {{ name = \"item.name\", times = \"item.times\", size = \"size\" }}\n"
    )
}

#[test]
fn records_of_a_csv_file_are_rows_typed_by_their_parameters() {
    let mut project = Project::new();
    project.flow = records("csv", "key = \"name\"");
    project.write("items.csv", "name,times\none,2\nthree,3\nbad,many\n");
    let outcome = project.run();
    assert_eq!(project.rows(), ["one|2|6", "three|3|15"]);
    assert_eq!(outcome.report.failures, 1);
    assert!(
        outcome.report.failed[0].reason.contains("many"),
        "{:?}",
        outcome.report.failed
    );
    project.write("items.csv", "name,times\nthree,3\nzero,0\none,4\n");
    let outcome = project.run();
    assert_eq!(outcome.calls, ["size one", "size zero"]);
    assert_eq!(outcome.report.failures, 0);
    assert_eq!(project.rows(), ["one|4|12", "three|3|15", "zero|0|0"]);
    // The same bytes read another way are other values.
    project.flow = records("csv", "key = \"name\"\ndelimiter = \";\"");
    project.write("items.csv", "name;times\na,b;1\n");
    project.run();
    assert_eq!(project.rows(), ["a,b|1|3"]);
}

#[test]
fn records_of_a_jsonl_file_are_rows_by_their_number() {
    let mut project = Project::new();
    project.flow = records("jsonl", "");
    project.write(
        "items.jsonl",
        "{\"name\":\"one\",\"times\":2}\nnot json\n{\"name\":\"three\",\"times\":3}\n",
    );
    let outcome = project.run();
    assert_eq!(project.rows(), ["one|2|6", "three|3|15"]);
    assert_eq!(outcome.report.failures, 1);
    assert_eq!(project.run().calls, NOTHING);
    project.write("items.jsonl", "{\"name\":\"three\",\"times\":3}\n");
    let outcome = project.run();
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(project.rows(), ["three|3|15"]);
}

#[test]
fn a_row_that_makes_more_rows_than_memory_holds_fails_alone() {
    let mut project = project();
    project.config.memory_bytes_max = 1 << 20;
    let lines: Vec<String> = (0..2000).map(|n| format!("line {n}")).collect();
    project.write("many.md", lines.join("\n"));
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    assert!(
        outcome.report.failed[0].reason.contains("--memory"),
        "{:?}",
        outcome.report.failed
    );
    assert_eq!(project.rows().len(), 5);
    project.config.memory_bytes_max = 64 << 20;
    assert_eq!(project.run().report.failures, 0);
    assert_eq!(project.rows().len(), 2005);
}
