//! A lineage as a tree of lines, short where there are very many.

use flowstone::core::printable;
use flowstone::{CallResult, LineageColumn, LineageGraph, LineageNode};

use crate::output::{Paint, Style};

/// So many branches of one node are shown.
const BRANCHES_MAX: usize = 12;

/// So many characters of a result are shown.
const RESULT_CHARS_MAX: usize = 60;

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

/// A graph as a tree, from its first node on. What is met again is not unfolded again. `failure` stands with the source
/// row.
pub(super) fn tree(graph: &LineageGraph, failure: Option<&str>, all: bool, paint: Paint) -> String {
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
    failure: Option<&str>,
    paint: Paint,
) -> Vec<Line> {
    let is_source = matches!(graph.nodes[node], LineageNode::Source { .. });
    let failure = failure.filter(|_| is_source);
    let mut lines: Vec<Line> = failure
        .map(|reason| Line::Failure(one_line(reason)))
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

/// What is taken of a node: `heading ← path, text: `.
fn label(takes: &[LineageColumn], giver: &LineageNode, paint: Paint) -> String {
    if takes.is_empty() {
        return String::new();
    }
    let taken = taken(takes, giver).join(", ");
    format!("{}: ", paint.text(Style::Cyan, &taken))
}

/// What is taken of a node, each in a word or two.
pub(super) fn taken(takes: &[LineageColumn], giver: &LineageNode) -> Vec<String> {
    let name = match giver {
        LineageNode::Source { name, .. } | LineageNode::Target { name, .. } => name,
        LineageNode::Row { collection, .. } => collection,
        LineageNode::Call { transform, .. } => transform,
    };
    let short = |taken: &LineageColumn| {
        let column = taken
            .column
            .strip_prefix(&**name)
            .and_then(|rest| rest.strip_prefix('.'));
        let column = column.unwrap_or(&taken.column);
        if taken.name == column {
            printable(&taken.name, &[])
        } else {
            printable(&format!("{} ← {column}", taken.name), &[])
        }
    };
    takes.iter().map(short).collect()
}

fn node_text(node: &LineageNode, paint: Paint) -> String {
    let bold = |text: &str| paint.text(Style::Bold, &printable(text, &[]));
    let dim = |text: String| paint.text(Style::Dim, &text);
    match node {
        LineageNode::Source { name, key, content } => {
            let content = content
                .as_deref()
                .map(|content| dim(format!(" (content {})", short(content))));
            format!(
                "source {} {}{}",
                bold(name),
                printable(key, &[]),
                content.unwrap_or_default()
            )
        }
        LineageNode::Row { collection, index } => {
            format!("row {} {}", bold(collection), position(index))
        }
        LineageNode::Target { name, key } => {
            format!("target {} {}", bold(name), printable(key, &[]))
        }
        LineageNode::Call {
            transform,
            key,
            result,
            literals,
        } => {
            let literals = literals.iter();
            let literals: Vec<String> = literals
                .map(|(name, value)| format!(", {name} = {}", cut(value)))
                .collect();
            let what = match key {
                Some(key) => format!(
                    " {} → {}",
                    dim(format!("(memo {})", short(key))),
                    result_text(result)
                ),
                None => dim(", not known which".to_owned()),
            };
            format!(
                "call {}{}{what}",
                bold(transform),
                printable(&literals.concat(), &[])
            )
        }
    }
}

/// The positions of a row below its root row: `#3`, `#3.0`.
pub(super) fn position(index: &[u32]) -> String {
    let positions: Vec<String> = index.iter().map(u32::to_string).collect();
    format!("#{}", positions.join("."))
}

/// What came of a call, in a few words.
pub(super) fn result_text(result: &CallResult) -> String {
    match result {
        CallResult::Value(value) => printable(&cut(value), &[]),
        CallResult::Long(fingerprint) => format!("a long value, {}", short(fingerprint)),
        CallResult::Rows(1) => "1 row".to_owned(),
        CallResult::Rows(rows) => format!("{rows} rows"),
        CallResult::Nothing => "none".to_owned(),
        CallResult::Failed(reason) => format!("failed: {}", cut(&one_line(reason))),
        CallResult::Lost => "not remembered".to_owned(),
    }
}

/// The first twelve digits: enough to tell two apart by eye.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn one_line(text: &str) -> String {
    printable(text.lines().next().unwrap_or_default(), &[])
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(RESULT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::LineageEdge;
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

    fn shown(graph: &LineageGraph, failure: Option<&str>) -> String {
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
        assert_eq!(
            shown(&graph, Some("it is too long\nmuch too long")),
            expected
        );
    }

    #[test]
    fn results_are_short_and_harmless() {
        let text = |result| result_text(&result);
        assert_eq!(
            text(CallResult::Value("\"a\u{1b}b\"".to_owned())),
            "\"a\\u{1b}b\""
        );
        let long = text(CallResult::Value("é".repeat(100)));
        assert_eq!(long, format!("{}…", "é".repeat(60)));
        assert_eq!(text(CallResult::Rows(1)), "1 row");
        assert_eq!(text(CallResult::Nothing), "none");
        assert_eq!(text(CallResult::Failed("no\nway".to_owned())), "failed: no");
        assert_eq!(text(CallResult::Lost), "not remembered");
        let print = "0123456789abcdef".to_owned();
        assert_eq!(text(CallResult::Long(print)), "a long value, 0123456789ab");
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
