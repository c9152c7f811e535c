//! Stages: the wired flow is cut by sources, and its transforms are put in an order in which they can run.

use super::{Node, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::plan::{
    Argument, Collection, ColumnKind, ColumnRef, SourcePlan, Stage, TargetPlan, Transform,
};

impl Wiring<'_> {
    /// Splits the flow into stages and renumbers positions from the whole flow to the stage.
    pub(super) fn stages(
        &self,
        order: &[usize],
        arguments: &[Vec<Argument>],
        targets: &[(usize, TargetPlan)],
    ) -> Vec<Stage> {
        let roots =
            (0..self.collections.len()).filter(|&index| self.collections[index].parent.is_none());
        roots
            .map(|root| self.stage(root, order, arguments, targets))
            .collect()
    }

    pub(super) fn stage(
        &self,
        root: usize,
        order: &[usize],
        arguments: &[Vec<Argument>],
        targets: &[(usize, TargetPlan)],
    ) -> Stage {
        let in_stage = |collection: usize| self.lineage(collection).last() == Some(root);
        let collections: Vec<usize> = (0..self.collections.len())
            .filter(|&index| in_stage(index))
            .collect();
        let nodes: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&index| self.nodes[index].collection.is_some_and(in_stage))
            .collect();
        let collection_at = |index: usize| {
            collections
                .iter()
                .position(|&other| other == index)
                .expect("a stage holds the collections it refers to")
        };
        let node_at = |index: usize| {
            nodes
                .iter()
                .position(|&other| other == index)
                .expect("a stage holds its transforms")
        };
        let column = |column: &ColumnRef| ColumnRef {
            collection: collection_at(column.collection),
            kind: match column.kind {
                ColumnKind::Result(node) => ColumnKind::Result(node_at(node)),
                ColumnKind::ResultField(node, field) => {
                    ColumnKind::ResultField(node_at(node), field)
                }
                other => other,
            },
            ty: column.ty.clone(),
        };
        let transforms = nodes.iter().map(|&index| {
            let node = &self.nodes[index];
            Transform {
                name: node.decl.name.value.clone(),
                plugin: node.plugin.to_owned(),
                function: Self::row_function(node, &arguments[index]),
                batch: node.decl.batch,
                collection: collection_at(
                    node.collection
                        .expect("only placed transforms are in a stage"),
                ),
                makes: node.makes.map(collection_at),
                arguments: arguments[index]
                    .iter()
                    .map(|argument| match argument {
                        Argument::Literal(value) => Argument::Literal(value.clone()),
                        Argument::Column(reference) => Argument::Column(column(reference)),
                    })
                    .collect(),
                result: node
                    .result
                    .clone()
                    .expect("a flow without errors has all results"),
                cache: node.decl.cache.clone(),
                grants: node.decl.grants,
            }
        });
        let targets = targets
            .iter()
            .filter(|(collection, _)| in_stage(*collection))
            .map(|(collection, target)| TargetPlan {
                collection: collection_at(*collection),
                columns: target.columns.iter().map(column).collect(),
                ..target.clone()
            });
        let rows = &self.collections[root];
        Stage {
            source: SourcePlan {
                name: rows.name.to_owned(),
                kind: rows.source.kind.value.clone(),
                options: rows.source.options.clone(),
                columns: rows.columns.clone(),
                on_error: rows.source.on_error,
            },
            transforms: transforms.collect(),
            targets: targets.collect(),
            collections: collections
                .iter()
                .map(|&index| Collection {
                    name: self.collections[index].name.to_owned(),
                    parent: self.collections[index].parent.map(collection_at),
                    row: self.collections[index].row.clone(),
                })
                .collect(),
        }
    }
}

/// A topological order of the transforms, those of the file where there is a choice.
pub(super) fn order(
    nodes: &[Node<'_>],
    arguments: &[Vec<Argument>],
) -> Result<Vec<usize>, Diagnostic> {
    let needs: Vec<Vec<usize>> = (0..nodes.len())
        .map(|index| needed_by(index, nodes, &arguments[index]))
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    let mut done = vec![false; nodes.len()];
    while order.len() < nodes.len() {
        let ready = (0..nodes.len())
            .find(|&index| !done[index] && needs[index].iter().all(|&need| done[need]));
        let Some(ready) = ready else {
            return Err(cycle(nodes, &needs, &done));
        };
        done[ready] = true;
        order.push(ready);
    }
    Ok(order)
}

fn needed_by(index: usize, nodes: &[Node<'_>], arguments: &[Argument]) -> Vec<usize> {
    let mut needs = Vec::new();
    for argument in arguments {
        if let Argument::Column(ColumnRef {
            kind: ColumnKind::Result(n) | ColumnKind::ResultField(n, _),
            ..
        }) = argument
        {
            needs.push(*n);
        }
    }
    // The transform that makes the collection; those further up are needed by it in turn.
    needs.extend(
        nodes
            .iter()
            .position(|node| node.makes.is_some() && node.makes == nodes[index].collection),
    );
    needs
}

fn cycle(nodes: &[Node<'_>], needs: &[Vec<usize>], done: &[bool]) -> Diagnostic {
    let start = done
        .iter()
        .position(|done| !done)
        .expect("a cycle leaves transforms over");
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
