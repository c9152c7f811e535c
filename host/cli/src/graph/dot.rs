//! The graph in DOT, for Graphviz.
//!
//! Boxes are light with dark text and lines are grey, so the picture can be read on white and on black.

use std::fmt::Write as _;

use super::escape;
use super::{Graph, Status};

/// A graph in DOT as it grows.
pub(crate) struct Dot(String);

impl Dot {
    /// A graph that runs from left to right.
    pub(crate) fn new(name: &str) -> Self {
        let mut text = format!("digraph \"{}\" {{\n", escape::dot(name));
        text.push_str("  rankdir=LR\n  bgcolor=transparent\n");
        text.push_str(
            "  node [shape=box style=\"rounded,filled\" fontname=\"Helvetica\" fontsize=11 fillcolor=\"#f6f8fa\" \
             color=\"#8c959f\" fontcolor=\"#1f2328\"]\n",
        );
        text.push_str(
            "  edge [fontname=\"Helvetica\" fontsize=9 color=\"#8c959f\" fontcolor=\"#7d8590\" arrowsize=0.7]\n",
        );
        Self(text)
    }

    /// Adds a box with these lines.
    pub(crate) fn node(&mut self, id: &str, lines: &[String], status: Status) {
        let (fill, stroke) = status.colors();
        let _ = writeln!(
            self.0,
            "  \"{}\" [label=\"{}\" fillcolor=\"{fill}\" color=\"{stroke}\"]",
            escape::dot(id),
            joined(lines)
        );
    }

    /// Adds an arrow with these lines beside it.
    pub(crate) fn edge(&mut self, from: &str, to: &str, lines: &[String], dashed: bool) {
        let style = if dashed { " style=dashed" } else { "" };
        let (from, to) = (escape::dot(from), escape::dot(to));
        let _ = writeln!(
            self.0,
            "  \"{from}\" -> \"{to}\" [label=\"{}\"{style}]",
            joined(lines)
        );
    }

    /// A title below the picture.
    pub(crate) fn title(&mut self, line: &str) {
        let line = escape::dot(line);
        let _ = writeln!(
            self.0,
            "  label=\"{line}\" fontname=\"Helvetica\" fontsize=10 fontcolor=\"#7d8590\""
        );
    }

    /// The whole.
    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

/// The lines as one label, the first in the middle, as Graphviz has it.
fn joined(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| escape::dot(line)).collect();
    lines.join("\\n")
}

/// A flow in DOT.
pub(crate) fn dot(graph: &Graph) -> String {
    let mut dot = Dot::new(&graph.flow);
    dot.title(&graph.title());
    for node in &graph.nodes {
        dot.node(&node.id, &node.lines(), node.status);
    }
    for edge in &graph.edges {
        let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
        let dashed = edge.takes.is_empty();
        dot.edge(&from.id, &to.id, &edge.labels(from), dashed);
    }
    dot.finish()
}
