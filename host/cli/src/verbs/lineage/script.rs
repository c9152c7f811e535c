//! A lineage in DOT. Arrows go the way of the data, whichever end was asked for.

use flowstone::{CallResult, LineageGraph, LineageNode};

use super::nodes::{member, position, result_text, short, taken};
use super::tree::Branches;
use crate::graph::{Dot, Status};

/// A graph in DOT: of the first branches of every node, or of all.
pub(super) fn dot(graph: &LineageGraph, downward: bool, all: bool) -> String {
    let branches = Branches::of(graph, all);
    let mut dot = Dot::new("lineage");
    let mut met = vec![false; graph.nodes.len()];
    let mut open = vec![0];
    while let Some(node) = open.pop() {
        if std::mem::replace(&mut met[node], true) {
            continue;
        }
        let (lines, status) = shown(&graph.nodes[node]);
        dot.node(&format!("n{node}"), &lines, status);
        for &edge in branches.shown[node].iter().rev() {
            open.push(graph.edges[edge].to);
        }
    }
    for node in (0..graph.nodes.len()).filter(|&node| met[node]) {
        for &edge in &branches.shown[node] {
            let edge = &graph.edges[edge];
            let labels = taken(&edge.takes, &graph.nodes[edge.to]);
            let (from, to) = if downward {
                (edge.from, edge.to)
            } else {
                (edge.to, edge.from)
            };
            dot.edge(&format!("n{from}"), &format!("n{to}"), &labels, false);
        }
        if branches.hidden[node] > 0 {
            let more = format!("m{node}");
            dot.node(
                &more,
                &[format!("… {} more", branches.hidden[node])],
                Status::None,
            );
            dot.edge(&format!("n{node}"), &more, &[], true);
        }
    }
    dot.finish()
}

fn shown(node: &LineageNode) -> (Vec<String>, Status) {
    match node {
        LineageNode::Source { name, key, content } => {
            (root("source", name, key, content.as_deref()), Status::None)
        }
        LineageNode::Gathered {
            by,
            name,
            key,
            content,
        } => (root(by, name, key, content.as_deref()), Status::None),
        LineageNode::Member {
            collection,
            key,
            index,
        } => (
            vec![format!("row {collection}"), member(key, index)],
            Status::None,
        ),
        LineageNode::More { collection, rows } => (
            vec![format!("{rows} more"), format!("of {collection}")],
            Status::None,
        ),
        LineageNode::Row { collection, index } => (
            vec![format!("{collection} {}", position(index))],
            Status::None,
        ),
        LineageNode::Target { name, key } => {
            (vec![format!("target {name}"), key.clone()], Status::None)
        }
        LineageNode::Call {
            transform,
            key,
            result,
            ..
        } => {
            let failed = matches!(result, CallResult::Failed(_));
            let memo = key.as_deref().map_or("not known which".to_owned(), |key| {
                format!("memo {}", short(key))
            });
            let lines = vec![format!("call {transform}"), memo, result_text(result)];
            (
                lines,
                if failed {
                    Status::Failed
                } else {
                    Status::Worked
                },
            )
        }
    }
}

fn root(kind: &str, name: &str, key: &str, content: Option<&str>) -> Vec<String> {
    let content = content.map(|content| format!("content {}", short(content)));
    let lines = [format!("{kind} {name}"), key.to_owned()];
    lines.into_iter().chain(content).collect()
}
