//! Lineage across stages: up to the rows that a row was made of, down to those that were made of it.

use std::collections::BTreeSet;

use flowstone::{LineageGraph, LineageNode, LineageReport};
use flowstone_tests::Project;

use crate::{LINES, MEETING, project, target};

/// Lines are joined per head; a union of the lines looks up what came of them; all of it goes on to one text and to lengths.
fn meeting() -> Project {
    let flow = format!(
        r#"{LINES}{MEETING}
[transform.so-far]
call = "sample.running"
each = "line"
from = {{ lines = "line" }}
state = true
{}{}{}{}"#,
        target(
            "joined",
            "joined",
            r#""head""#,
            r#"head = "joined.head", text = "joined""#
        ),
        target(
            "paired",
            "reader",
            r#""line""#,
            r#"line = "reader.line", text = "paired""#
        ),
        target("told", "told", r#""text""#, r#"text = "told""#),
        target(
            "length",
            "so-far",
            r#""line""#,
            r#"line = "so-far.line", length = "so-far""#
        ),
    );
    project(&flow)
}

fn up(project: &Project, target: &str, key: &str) -> LineageReport {
    let (engine, flow) = project.open().expect("the flow opens");
    let report = engine.lineage_of_target(&flow, target, key);
    report.unwrap_or_else(|error| panic!("{target} {key}: {error}"))
}

fn down(project: &Project, source: &str, key: &str) -> LineageReport {
    let (engine, flow) = project.open().expect("the flow opens");
    let report = engine.lineage_of_source(&flow, source, key);
    report.unwrap_or_else(|error| panic!("{source} {key}: {error}"))
}

fn shown(node: &LineageNode) -> String {
    match node {
        LineageNode::Source { name, key, .. } => format!("source {name} {key}"),
        LineageNode::Gathered { by, name, key, .. } => format!("{by} {name} {key}"),
        LineageNode::Member {
            collection,
            key,
            index,
        } => format!("member {collection} {key} {index:?}"),
        LineageNode::More { collection, rows } => format!("{rows} more of {collection}"),
        LineageNode::Row { collection, index } => format!("row {collection} {index:?}"),
        LineageNode::Call { transform, key, .. } => {
            let known = if key.is_some() { "" } else { " unknown" };
            format!("call {transform}{known}")
        }
        LineageNode::Target { name, key } => format!("target {name} {key}"),
    }
}

/// The nodes that a node leads to, sorted.
fn below(graph: &LineageGraph, node: &str) -> Vec<String> {
    let edges = graph.edges.iter();
    let from = edges.filter(|edge| shown(&graph.nodes[edge.from]) == node);
    let to: BTreeSet<String> = from.map(|edge| shown(&graph.nodes[edge.to])).collect();
    to.into_iter().collect()
}

/// All nodes can be reached from the first one.
fn is_whole(graph: &LineageGraph) -> bool {
    let mut met = vec![false; graph.nodes.len()];
    let mut open = vec![0];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut met[node], true) {
            let edges = graph.edges.iter().filter(|edge| edge.from == node);
            open.extend(edges.map(|edge| edge.to));
        }
    }
    met.into_iter().all(|met| met)
}

fn small() -> Project {
    let project = meeting();
    project.write("a.txt", "x 1\ny 2\n").write("b.txt", "x 3\n");
    project.run();
    project
}

#[test]
fn a_group_came_from_its_members_and_these_from_their_sources() {
    let project = small();
    let report = up(&project, "joined", "x");
    assert!(report.certain && is_whole(&report.graph), "{report:?}");
    assert_eq!((&*report.source, &*report.key), ("joined", "x"));
    assert_eq!(
        below(&report.graph, "target joined head=x"),
        ["call joined", "reduce joined x"]
    );
    assert_eq!(
        below(&report.graph, "reduce joined x"),
        ["member line a.txt [0]", "member line b.txt [0]"]
    );
    assert_eq!(
        below(&report.graph, "member line b.txt [0]"),
        ["call head", "row line [0]"]
    );
    let sources = report.graph.nodes.iter().map(shown);
    let sources: Vec<_> = sources.filter(|node| node.starts_with("source")).collect();
    assert_eq!(sources, ["source page a.txt", "source page b.txt"]);
}

#[test]
fn a_call_goes_on_to_the_rows_that_it_looked_up() {
    let project = small();
    let report = up(&project, "paired", "y 2");
    assert!(report.certain && is_whole(&report.graph), "{report:?}");
    // The lookup is known: so is the call that had what it found.
    let found = below(&report.graph, "call paired");
    assert_eq!(found, ["call joined", "union reader line/a.txt#1"]);
    assert_eq!(below(&report.graph, "call joined"), ["reduce joined y"]);
    let edge = report.graph.edges.iter().find(|edge| {
        shown(&report.graph.nodes[edge.from]) == "call paired"
            && shown(&report.graph.nodes[edge.to]) == "call joined"
    });
    assert_eq!(edge.map(|edge| &*edge.takes[0].name), Some("found"));
}

#[test]
fn rows_of_folds_came_from_all_that_went_in() {
    let project = small();
    let report = up(&project, "told", "x 1y 2x 3");
    assert!(report.certain && is_whole(&report.graph), "{report:?}");
    // Each is one call of `same`.
    let told = report.graph.nodes.iter().map(shown);
    assert_eq!(told.filter(|node| node == "call told").count(), 3);
    let report = up(&project, "length", "y 2");
    assert!(report.certain && is_whole(&report.graph), "{report:?}");
    let rows = below(&report.graph, "state so-far a.txt#1");
    assert_eq!(rows, ["row line [0]", "row line [1]"], "and none behind it");
}

#[test]
fn a_source_row_became_groups_readers_and_what_these_became() {
    let project = small();
    let report = down(&project, "page", "b.txt");
    assert!(report.certain && is_whole(&report.graph), "{report:?}");
    assert_eq!(
        below(&report.graph, "row line [0]"),
        [
            "call head",
            "call told",
            "reduce joined x",
            "reduce told (all)",
            "state so-far b.txt#0",
            "union reader line/b.txt#0"
        ]
    );
    // The group is looked up by two rows of the union, one of them of another file.
    assert_eq!(
        below(&report.graph, "reduce joined x"),
        [
            "call joined",
            "target joined head=x",
            "union reader line/a.txt#0",
            "union reader line/b.txt#0"
        ]
    );
    assert_eq!(
        below(&report.graph, "union reader line/a.txt#0"),
        ["call paired", "target paired line=x 1"]
    );
    let direct: Vec<_> = report.targets.iter().map(|row| &row.target).collect();
    assert!(direct.is_empty(), "relations are no targets: {direct:?}");
    let group = down(&project, "joined", "y");
    assert_eq!(shown(&group.graph.nodes[0]), "reduce joined y");
}

#[test]
fn what_is_to_be_looked_at_again_is_not_certain() {
    let project = small();
    let (engine, flow) = project.open().expect("the flow opens");
    let given = flowstone::GivenValue::Wave("\"other\"");
    let stop = std::sync::atomic::AtomicBool::new(false);
    engine
        .cache_put(&flow, "joined", "x", given, &stop)
        .expect("it can be put");
    drop((engine, flow));
    // The group is to be looked at again: what is told of it may be of what comes.
    assert!(!up(&project, "joined", "x").certain);
    assert!(up(&project, "joined", "y").certain);
    project.run();
    assert!(up(&project, "joined", "y").certain);
}

#[test]
fn of_many_members_the_first_are_shown_and_the_others_counted() {
    let project = meeting();
    let lines: Vec<String> = (100..350).map(|n| format!("x {n}\n")).collect();
    project.write("a.txt", lines.concat());
    project.run();
    let report = up(&project, "joined", "x");
    assert!(report.certain && is_whole(&report.graph));
    let members = below(&report.graph, "reduce joined x");
    assert_eq!(members.len(), 101);
    assert!(
        members.contains(&"150 more of line".to_owned()),
        "{members:?}"
    );
    let graph = down(&project, "page", "a.txt").graph;
    assert!(is_whole(&graph));
    let readers = below(&graph, "reduce joined x");
    assert!(
        readers.iter().any(|node| node.starts_with("150 more of")),
        "{readers:?}"
    );
}
