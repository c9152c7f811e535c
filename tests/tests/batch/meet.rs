//! Batches where rows meet: what is looked up is listed, and what is combined is made many rows at once.

use flowstone_tests::{Project, lists_guest};

use crate::{items, lines, run, weight, write};

const TARGET: &str = r#"
[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
"#;

const START: &str = r#"
name = "items"

[plugin.sample]
component = "sample.wasm"

[source.item]
kind = "csv"
path = "docs/items.csv"
key = "id"
"#;

fn project(steps: &str, target: &str) -> Project {
    let mut project = items(&lines(0));
    project.component = Some(lists_guest(0));
    project.flow = format!("{START}{steps}{TARGET}{target}");
    project
}

/// The sum of what the items weigh.
fn sum() -> Project {
    let reduce = r#"
[reduce.total]
call = "sample.weigh"
over = "item"
by = []
combine = "sample.sum"
batch = { rows = 4 }
"#;
    let target = r#"rows = "total"
key = ["total"]
columns = { total = "total" }
"#;
    project(reduce, target)
}

#[test]
fn what_is_combined_is_made_of_many_rows_at_once() {
    let project = sum();
    let mut lines = lines(8);
    write(&project, &lines);
    let total = |lines: &[String]| lines.iter().map(|line| weight(line)).sum::<u32>();
    let first = run(&project);
    assert_eq!(project.rows(), [total(&lines).to_string()]);
    let counts = &first.report.transforms["total"];
    assert_eq!((counts.called, counts.calls), (8, 2));
    let combined = &first.report.transforms["total.combine"];
    assert_eq!((combined.called, combined.calls), (7, 7));
    assert_eq!(combined.rows_per_call.max, 1);
    assert!(combined.latency.p50 > 0.0);
    // One row, and the steps of the tree that hang on it.
    "other".clone_into(&mut lines[5]);
    write(&project, &lines);
    let second = run(&project);
    assert_eq!(second.report.transforms["total"].called, 1);
    assert_eq!(project.rows(), [total(&lines).to_string()]);
}

#[test]
fn a_fold_that_skips_fails_its_group_and_says_why() {
    let project = sum();
    write(&project, &["a", "", "b"]);
    let report = run(&project).report;
    assert_eq!(report.failures, 1);
    let reason = &report.failed[0].reason;
    assert!(reason.contains("it returned `skip`"), "{reason}");
    assert!(report.transforms["total.combine"].failed > 0);
    // It is known: the next run calls nothing.
    assert_eq!(run(&project).calls, [0; 0]);
    write(&project, &["a", "c", "b"]);
    assert_eq!(run(&project).report.failures, 0);
    assert_eq!(project.rows(), [weight("acb").to_string()]);
}

#[test]
fn what_is_looked_up_is_listed_for_the_rows_of_a_batch() {
    let steps = r#"
[source.name]
kind = "csv"
path = "docs/names.csv"
key = "id"

[transform.length]
call = "sample.found"
each = "item"
batch = true
lookup = { found = { in = "name", key = "item.line", take = "name" } }
"#;
    let target = r#"rows = "item"
key = ["id"]
columns = { id = "item.id", length = "length" }
"#;
    let project = project(steps, target);
    project.write("names.csv", "id,name\nx,long\ny,longer\n");
    write(&project, &["x", "y", "z", "x"]);
    let first = run(&project);
    assert_eq!(project.rows(), ["0000|4", "0001|6", "0002|1000", "0003|4"]);
    // Rows that found the same are one row of the call.
    assert_eq!(first.calls, [3]);
    project.write("names.csv", "id,name\nx,long\ny,short\nz,longest\n");
    let second = run(&project);
    assert_eq!(project.rows(), ["0000|4", "0001|5", "0002|7", "0003|4"]);
    assert_eq!((second.calls, second.rows.len()), (vec![2], 2));
}
