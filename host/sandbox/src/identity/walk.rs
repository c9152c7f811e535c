//! The digest of one function: everything that it can reach, numbered in the order in which it is come upon.

use super::nodes::{Graph, Node};
use super::{IDENTITY_VERSION, Work};

/// Where a node was numbered: by which walk, and as which.
#[derive(Clone, Copy, Default)]
struct Mark {
    walk: u32,
    number: u32,
}

/// Walks the graph from one function after the other.
#[derive(Default)]
pub(super) struct Walker {
    marks: Vec<Mark>,
    walk: u32,
    order: Vec<u32>,
}

impl Walker {
    /// The digest of a component function. Nothing when something that it reaches is not understood, or when the work
    /// is over.
    pub(super) fn digest(
        &mut self,
        graph: &mut Graph<'_, '_>,
        function: u32,
        work: &mut Work,
    ) -> Option<[u8; 32]> {
        self.walk += 1;
        self.order.clear();
        let mut hasher = blake3::Hasher::new_derive_key("flowstone function digest");
        hasher.update(&IDENTITY_VERSION.to_le_bytes());

        // Start functions run before the function, whatever it is, and can change what it finds.
        let starts = graph.linked.core.starts.iter();
        let roots: Vec<Node> = std::iter::once(Node::Component(function))
            .chain(starts.map(|start| Node::Core(*start)))
            .collect();
        let mut text = Vec::new();
        text.extend((roots.len() as u64).to_le_bytes());
        for root in roots {
            let root = graph.number(root);
            text.extend(self.number(root).to_le_bytes());
        }

        let mut at = 0;
        while let Some(node) = self.order.get(at).copied() {
            at += 1;
            let description = graph.describe(node, work)?;
            work.take(1 + description.names.len())?;
            text.extend(description.digest);
            text.extend((description.names.len() as u64).to_le_bytes());
            for name in &description.names {
                text.extend(self.number(*name).to_le_bytes());
            }
            if text.len() >= 1 << 16 {
                hasher.update(&text);
                text.clear();
            }
        }
        hasher.update(&text);
        Some(*hasher.finalize().as_bytes())
    }

    /// What the last walk came upon, by the numbers in the graph.
    pub(super) fn walked(&self) -> &[u32] {
        &self.order
    }

    /// The number of a node in this walk.
    fn number(&mut self, node: u32) -> u32 {
        let at = node as usize;
        if at >= self.marks.len() {
            self.marks.resize(at + 1, Mark::default());
        }
        if self.marks[at].walk != self.walk {
            self.marks[at] = Mark {
                walk: self.walk,
                number: self.order.len() as u32,
            };
            self.order.push(node);
        }
        self.marks[at].number
    }
}
