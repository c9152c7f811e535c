//! A lineage as a tree of lines, short where there are very many.

use flowstone::{LineageGraph, LineageNode};

use super::nodes::{label, node_text, one_line};
use crate::output::{Paint, Style};

/// So many branches of one node are shown.
const BRANCHES_MAX: usize = 12;

/// The branches of every node, those that are left out counted.
pub(super) struct Branches {
    /// The edges that are shown, by the node that they start at.
    pub(super) shown: Vec<Vec<usize>>,
    /// How many are not.
    pub(super) hidden: Vec<usize>,
}

impl Branches {
    /// The branches of a graph: all of them, or so many that a person can take them in.
    pub(super) fn of(graph: &LineageGraph, all: bool) -> Self {
        let mut shown = vec![Vec::new(); graph.nodes.len()];
        for (index, edge) in graph.edges.iter().enumerate() {
            shown[edge.from].push(index);
        }
        let mut hidden = vec![0; graph.nodes.len()];
        for (edges, hidden) in shown.iter_mut().zip(&mut hidden) {
            // A line that says that there is one more takes as much room as that one.
            if !all && edges.len() > BRANCHES_MAX + 1 {
                *hidden = edges.len() - BRANCHES_MAX;
                edges.truncate(BRANCHES_MAX);
            }
        }
        Self { shown, hidden }
    }
}

/// What stands on a line.
enum Line {
    /// A node, and what the one above it takes of it.
    Node(usize, String),
    /// So many more nodes.
    More(usize),
    /// Why the row has failed.
    Failure(String),
}

/// Why a root row has failed.
#[derive(Clone, Copy)]
pub(super) struct Failed<'a> {
    pub(super) source: &'a str,
    pub(super) key: &'a str,
    pub(super) reason: &'a str,
}

impl Failed<'_> {
    fn is_of(&self, node: &LineageNode) -> bool {
        match node {
            LineageNode::Source { name, key, .. } | LineageNode::Gathered { name, key, .. } => {
                name == self.source && key == self.key
            }
            _ => false,
        }
    }
}

/// A graph as a tree, from its first node on. What is met again is not unfolded again. `failure` stands with its row.
pub(super) fn tree(
    graph: &LineageGraph,
    failure: Option<Failed<'_>>,
    all: bool,
    paint: Paint,
) -> String {
    let branches = Branches::of(graph, all);
    let mut met = vec![false; graph.nodes.len()];
    let mut text = String::new();
    // A stack instead of recursion: a chain of transforms may be long. An item has the lines drawn beside it, and the
    // branch that leads to it.
    let mut open = vec![(String::new(), "", Line::Node(0, String::new()))];
    while let Some((beside, branch, line)) = open.pop() {
        text.push_str(&beside);
        text.push_str(branch);
        match line {
            Line::More(count) => {
                let more = format!("… {count} more; `--all` shows everything");
                text.push_str(&paint.text(Style::Dim, &more));
            }
            Line::Failure(reason) => {
                text.push_str(&paint.text(Style::Red, "failed:"));
                text.push(' ');
                text.push_str(&reason);
            }
            Line::Node(node, label) => {
                text.push_str(&label);
                text.push_str(&node_text(&graph.nodes[node], paint));
                let below = lines_below(graph, &branches, node, failure, paint);
                if std::mem::replace(&mut met[node], true) {
                    if !below.is_empty() {
                        text.push_str(&paint.text(Style::Dim, ", as above"));
                    }
                } else {
                    let beside = match branch {
                        "" => String::new(),
                        "└─ " => format!("{beside}   "),
                        _ => format!("{beside}│  "),
                    };
                    let count = below.len();
                    let below = below.into_iter().enumerate().rev();
                    open.extend(below.map(|(index, line)| {
                        let branch = if index + 1 == count {
                            "└─ "
                        } else {
                            "├─ "
                        };
                        (beside.clone(), branch, line)
                    }));
                }
            }
        }
        text.push('\n');
    }
    text
}

fn lines_below(
    graph: &LineageGraph,
    branches: &Branches,
    node: usize,
    failure: Option<Failed<'_>>,
    paint: Paint,
) -> Vec<Line> {
    let failure = failure.filter(|failed| failed.is_of(&graph.nodes[node]));
    let mut lines: Vec<Line> = failure
        .map(|failed| Line::Failure(one_line(failed.reason)))
        .into_iter()
        .collect();
    lines.extend(branches.shown[node].iter().map(|&edge| {
        let edge = &graph.edges[edge];
        Line::Node(edge.to, label(&edge.takes, &graph.nodes[edge.to], paint))
    }));
    if branches.hidden[node] > 0 {
        lines.push(Line::More(branches.hidden[node]));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{CallResult, LineageColumn, LineageEdge};
    use std::collections::BTreeMap;

    fn source() -> LineageNode {
        LineageNode::Source {
            name: "page".to_owned(),
            key: "a.md".to_owned(),
            content: Some("fedcba9876543210".to_owned()),
        }
    }

    fn call(transform: &str, key: Option<&str>, result: CallResult) -> LineageNode {
        LineageNode::Call {
            transform: transform.to_owned(),
            key: key.map(str::to_owned),
            result,
            literals: BTreeMap::from([("size".to_owned(), "3".to_owned())]),
        }
    }

    fn edge(from: usize, to: usize, takes: &[(&str, &str)]) -> LineageEdge {
        let column = |&(name, column): &(&str, &str)| LineageColumn {
            name: name.to_owned(),
            column: column.to_owned(),
        };
        LineageEdge {
            from,
            to,
            takes: takes.iter().map(column).collect(),
        }
    }

    const TOO_LONG: Failed<'_> = Failed {
        source: "page",
        key: "a.md",
        reason: "it is too long\nmuch too long",
    };

    fn shown(graph: &LineageGraph, failure: Option<Failed<'_>>) -> String {
        tree(graph, failure, false, Paint(false))
    }

    #[test]
    fn what_is_met_again_is_not_unfolded_again() {
        let key = Some("0123456789abcdef");
        let graph = LineageGraph {
            nodes: vec![
                LineageNode::Target {
                    name: "index".to_owned(),
                    key: "path=a.md".to_owned(),
                },
                source(),
                LineageNode::Row {
                    collection: "section".to_owned(),
                    index: vec![2],
                },
                call("section", key, CallResult::Rows(3)),
                call("words", None, CallResult::Lost),
            ],
            edges: vec![
                edge(0, 1, &[("path", "page.path")]),
                edge(
                    0,
                    2,
                    &[("heading", "section.path"), ("text", "section.text")],
                ),
                edge(0, 4, &[("words", "words")]),
                edge(2, 3, &[]),
                edge(3, 1, &[("content", "page.content")]),
                edge(4, 2, &[("text", "section.text")]),
            ],
        };
        let expected = "target index path=a.md\n\
            ├─ path: source page a.md (content fedcba987654)\n\
            │  └─ failed: it is too long\n\
            ├─ heading ← path, text: row section #2\n\
            │  └─ call section, size = 3 (memo 0123456789ab) → 3 rows\n\
            │     └─ content: source page a.md (content fedcba987654), as above\n\
            └─ words: call words, size = 3, not known which\n   \
               └─ text: row section #2, as above\n";
        assert_eq!(shown(&graph, Some(TOO_LONG)), expected);
    }

    #[test]
    fn many_branches_are_folded() {
        let row = |at: u32| LineageNode::Row {
            collection: "line".to_owned(),
            index: vec![at],
        };
        let graph = |count: u32| LineageGraph {
            nodes: std::iter::once(source())
                .chain((0..count).map(row))
                .collect(),
            edges: (1..=count as usize).map(|to| edge(0, to, &[])).collect(),
        };
        assert_eq!(
            shown(&graph(13), None).lines().count(),
            14,
            "one more line says no more"
        );
        let folded = shown(&graph(132), None);
        assert_eq!(folded.lines().count(), 1 + 12 + 1);
        assert!(
            folded.ends_with("└─ … 120 more; `--all` shows everything\n"),
            "{folded}"
        );
        assert_eq!(
            tree(&graph(132), None, true, Paint(false)).lines().count(),
            133
        );
    }

    #[test]
    fn a_long_chain_is_no_reason_to_fall_over() {
        let count = 5000;
        let graph = LineageGraph {
            nodes: (0..count)
                .map(|_| call("step", None, CallResult::Lost))
                .collect(),
            edges: (1..count).map(|to| edge(to - 1, to, &[])).collect(),
        };
        assert_eq!(shown(&graph, None).lines().count(), count);
    }
}
