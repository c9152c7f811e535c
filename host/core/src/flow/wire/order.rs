//! The order of transforms: each after those whose results it needs.

use super::{Node, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::plan::{Argument, ColumnKind, ColumnRef};

impl Wiring<'_> {
    /// A topological order of the transforms, those of the file where there is a choice.
    pub(super) fn order_of_transforms(
        &self,
        arguments: &[Vec<Argument>],
    ) -> Result<Vec<usize>, Diagnostic> {
        let nodes = &self.nodes;
        let needs: Vec<Vec<usize>> = (0..nodes.len())
            .map(|index| self.needed_by(index, &arguments[index]))
            .collect();
        let mut file: Vec<usize> = (0..nodes.len()).collect();
        file.sort_by_key(|&index| nodes[index].decl.name.span.start);
        let mut order = Vec::with_capacity(nodes.len());
        let mut done = vec![false; nodes.len()];
        while order.len() < nodes.len() {
            let ready = file
                .iter()
                .copied()
                .find(|&index| !done[index] && needs[index].iter().all(|&need| done[need]));
            let Some(ready) = ready else {
                return Err(circle(nodes, &needs, &done));
            };
            done[ready] = true;
            order.push(ready);
        }
        Ok(order)
    }

    fn needed_by(&self, index: usize, arguments: &[Argument]) -> Vec<usize> {
        let columns = arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) => Some(column),
            Argument::Literal(_) => None,
        });
        // What is looked up is looked for by columns of the row.
        let behind = |column: &ColumnRef| match column.kind {
            ColumnKind::Lookup(lookup) => self.lookups[lookup].keys.clone(),
            _ => vec![column.clone()],
        };
        let columns = columns.flat_map(behind);
        let mut needs: Vec<usize> = columns
            .filter_map(|column| column.kind.transform())
            .collect();
        // The transform that makes the collection; those further up are needed by it in turn.
        let mut nodes = self.nodes.iter();
        let collection = self.nodes[index].collection;
        needs.extend(nodes.position(|node| node.makes.is_some() && node.makes == collection));
        needs
    }
}

fn circle(nodes: &[Node<'_>], needs: &[Vec<usize>], done: &[bool]) -> Diagnostic {
    let start = done
        .iter()
        .position(|done| !done)
        .expect("a circle leaves transforms over");
    let mut path = vec![start];
    let repeated = loop {
        let last = path[path.len() - 1];
        let next = *needs[last]
            .iter()
            .find(|&&need| !done[need])
            .expect("what is left over needs what is left over");
        if let Some(position) = path.iter().position(|&seen| seen == next) {
            break position;
        }
        path.push(next);
    };
    path.drain(..repeated);
    path.push(path[0]);
    let names: Vec<&str> = path
        .iter()
        .map(|&index| &*nodes[index].decl.name.value)
        .collect();
    let message = format!(
        "transforms depend on each other in a circle: {}",
        names.join(" -> ")
    );
    Diagnostic::at(&nodes[path[0]].decl.name.span, message)
        .help("each of these needs the result of the next")
}
