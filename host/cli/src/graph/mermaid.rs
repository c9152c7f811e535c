//! The graph in Mermaid, for pages that draw it themselves.

use std::fmt::Write as _;

use super::escape;
use super::{Graph, NodeKind, Status};

/// A flow in Mermaid.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    let _ = writeln!(text, "  %% {}", escape::mermaid(&graph.title()));
    for (index, node) in graph.nodes.iter().enumerate() {
        let (open, close) = match node.kind {
            NodeKind::Source => ("([", "])"),
            NodeKind::Reduce | NodeKind::Union | NodeKind::State => ("[[", "]]"),
            NodeKind::Transform => ("[", "]"),
            NodeKind::Target => ("[(", ")]"),
        };
        let lines: Vec<String> = node
            .lines()
            .iter()
            .map(|line| escape::mermaid(line))
            .collect();
        let _ = writeln!(
            text,
            "  n{index}{open}\"{}\"{close}:::{}",
            lines.join("<br/>"),
            node.status.name()
        );
    }
    for edge in &graph.edges {
        let labels = edge.labels(&graph.nodes[edge.from]);
        let labels: Vec<String> = labels.iter().map(|label| escape::mermaid(label)).collect();
        let arrow = if labels.is_empty() {
            "-.->".to_owned()
        } else {
            format!("-->|\"{}\"|", labels.join("<br/>"))
        };
        let _ = writeln!(text, "  n{} {arrow} n{}", edge.from, edge.to);
    }
    for status in [
        Status::None,
        Status::Unchanged,
        Status::Reused,
        Status::Worked,
        Status::Failed,
    ] {
        let (fill, stroke) = status.colors();
        let name = status.name();
        if graph.nodes.iter().any(|node| node.status == status) {
            let _ = writeln!(
                text,
                "  classDef {name} fill:{fill},stroke:{stroke},color:#1f2328"
            );
        }
    }
    text
}
