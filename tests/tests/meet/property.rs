//! Any history of edits, interruptions and changes of code leaves what a fresh build gives, with every step that rows of
//! different collections meet in.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flowstone::Event;
use flowstone_tests::{Project, meeting};
use proptest::prelude::*;

use crate::{project, target};

/// Pages and notes are one; lines without a blank are left out; lines go in batches and look names up; heads are reduced, told, counted; and
/// what comes of that is looked up and reduced again.
fn everything() -> Project {
    let steps = r#"
[source.note]
kind = "files"
root = "docs"
include = ["*.md"]

[source.name]
kind = "csv"
path = "docs/names.csv"
key = "id"

[union.text]
of = ["note", "page"]

[transform.line]
call = "sample.lines"
each = "text"
from = { content = "text.content" }
rows = true

[transform.head]
call = "sample.head"
each = "line"

[transform.weight]
call = "sample.weigh"
each = "line"

[transform.plain]
call = "sample.rows"
each = "line"
from = { lines = "line" }
batch = { rows = 3 }

[transform.named]
call = "sample.pairs"
each = "line"
from = { line = "plain" }
lookup = { found = { in = "name", key = "head", on = "name", take = "id", many = true } }

[reduce.joined]
call = "sample.join"
over = "line"
by = ["head"]
from = { lines = "named" }

[reduce.sum]
call = "sample.total"
over = "line"
by = ["head"]
from = { weights = "weight" }

[reduce.whole]
call = "sample.total"
over = "sum"
by = []
from = { weights = "sum" }

[reduce.told]
call = "sample.same"
over = "line"
by = ["head"]
from = { line = "line" }
combine = "sample.concat"

[transform.so-far]
call = "sample.running"
each = "line"
from = { lines = "named" }
state = { by = ["head"], rows = 3 }

[transform.last]
call = "sample.pair"
each = "so-far"
from = { line = "so-far.line" }
lookup = { found = { in = "joined", key = "so-far.head", take = "joined" } }
"#;
    let targets = [
        target(
            "line",
            "line",
            r#""line", "path""#,
            r#"line = "line", path = "text.path", named = "named", weight = "weight""#,
        ),
        target(
            "joined",
            "joined",
            r#""head""#,
            r#"head = "joined.head", text = "joined""#,
        ),
        target("whole", "whole", r#""sum""#, r#"sum = "whole""#),
        target(
            "told",
            "told",
            r#""head""#,
            r#"head = "told.head", text = "told""#,
        ),
        target(
            "so_far",
            "so-far",
            r#""line", "path""#,
            r#"line = "so-far.line", path = "so-far.path", so_far = "so-far", last = "last""#,
        ),
    ];
    project(&format!("{steps}{}", targets.concat()))
}

const TABLES: [&str; 5] = ["line", "joined", "whole", "told", "so_far"];

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<usize>),
    Remove(usize),
    Rename(usize, usize),
    Names(Vec<(u8, usize)>),
    Code(u32),
    /// Another flow: without a step, or with one that reads something else.
    Flow(usize),
    /// A run that is stopped after so many events.
    Interrupted(usize),
    Run,
}

const FILES: [&str; 5] = ["a.md", "a.txt", "b.txt", "c.md", "d.txt"];
const LINES: [&str; 9] = ["x 1", "y 1", "z", "x two", "! 3", "x 1 ", "y", "q 7", "x 9"];

fn step() -> impl Strategy<Value = Step> {
    let file = 0..FILES.len();
    let lines = prop::collection::vec(0..LINES.len(), 0..5);
    let names = prop::collection::vec((0u8..4, 0..4usize), 0..4);
    prop_oneof![
        5 => (file.clone(), lines).prop_map(|(file, lines)| Step::Write(file, lines)),
        1 => file.clone().prop_map(Step::Remove),
        1 => (file.clone(), file).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => names.prop_map(Step::Names),
        1 => (0u32..3).prop_map(Step::Code),
        1 => (0usize..4).prop_map(Step::Flow),
        2 => (0usize..60).prop_map(Step::Interrupted),
        3 => Just(Step::Run),
    ]
}

fn apply(project: &mut Project, step: &Step) {
    let there = |file: usize| project.path("docs").join(FILES[file]).exists();
    match step {
        Step::Write(file, lines) => {
            // No line twice: it is part of the key of the table.
            let mut seen = BTreeSet::new();
            let lines = lines.iter().filter(|line| seen.insert(**line));
            let text: Vec<&str> = lines.map(|&line| LINES[line]).collect();
            project.write(FILES[*file], text.join("\n"));
        }
        Step::Remove(file) if there(*file) => {
            project.remove(FILES[*file]);
        }
        Step::Rename(from, to) if there(*from) && from != to => {
            project.rename(FILES[*from], FILES[*to]);
        }
        Step::Names(names) => {
            let mut ids = names.clone();
            ids.sort_unstable();
            ids.dedup_by_key(|(id, _)| *id);
            let rows = ids
                .iter()
                .map(|(id, head)| format!("{id},{}\n", ["x", "y", "!", "w"][*head]));
            project.write(
                "names.csv",
                format!("id,name\n{}", rows.collect::<String>()),
            );
        }
        Step::Code(weight) => project.component = Some(meeting(*weight)),
        Step::Flow(which) => project.flow = flow(*which),
        Step::Interrupted(events) => interrupt(project, *events),
        Step::Run => {
            project.run();
        }
        Step::Remove(_) | Step::Rename(..) => {}
    }
}

fn interrupt(project: &Project, events: usize) {
    let (engine, flow) = project.open().unwrap();
    let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let observer = |_: &Event<'_>| {
        if seen.fetch_add(1, Ordering::SeqCst) == events {
            stop.store(true, Ordering::SeqCst);
        }
    };
    engine
        .run(&flow, &project.options, &stop, &observer)
        .unwrap();
}

/// Takes out the lines that no function can stand.
fn mend(project: &Project) {
    for file in FILES {
        let Ok(text) = fs::read_to_string(project.path("docs").join(file)) else {
            continue;
        };
        let good: Vec<&str> = text.lines().filter(|line| !line.starts_with('!')).collect();
        project.write(file, good.join("\n"));
    }
}

/// The flow, or one that differs in a step.
fn flow(which: usize) -> String {
    let whole = everything().flow;
    match which {
        1 => ["[reduce.whole]", "[target.whole]"]
            .iter()
            .fold(whole, |flow, step| {
                let start = flow.find(step).expect("the step is there");
                let end = flow[start + 1..]
                    .find("\n[")
                    .map_or(flow.len(), |end| start + 1 + end);
                format!("{}{}", &flow[..start], &flow[end..])
            }),
        2 => whole.replace(
            "from = { lines = \"named\" }",
            "from = { lines = \"plain\" }",
        ),
        3 => whole.replace("of = [\"note\", \"page\"]", "of = [\"page\"]"),
        _ => whole,
    }
}

fn tables(project: &Project) -> Vec<Vec<String>> {
    TABLES.iter().map(|name| project.table(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_like_a_fresh_build(steps in prop::collection::vec(step(), 1..14)) {
        let mut project = everything();
        project.write("names.csv", "id,name\n1,x\n").write("a.txt", "x 1\ny 1\nx 2");
        for step in &steps {
            apply(&mut project, step);
        }
        // What failed keeps what it had, which a fresh build has not: in the end nothing fails.
        mend(&project);
        let outcome = project.run();
        prop_assert_eq!(outcome.report.failures, 0);
        prop_assert_eq!(project.run().calls, Vec::<String>::new());
        prop_assert_eq!(tables(&project), tables(&project.fresh()));
    }
}
