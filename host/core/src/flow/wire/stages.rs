//! Stages: the wired flow is cut by roots, and positions in the whole flow become positions in a stage.

use super::{Gathering, Origin, Published, Step, Wiring};
use crate::flow::connectors::{Column, OptionValue, Options, TargetSpec};
use crate::flow::declaration::OnError;
use crate::flow::gather::{
    self, Gather, Lookup, REDUCE, RELATION, Reader, Relation, RelationRef, STATE, UNION,
};
use crate::flow::plan::{
    Argument, Collection, ColumnKind, ColumnRef, SourcePlan, Stage, TargetPlan, Transform,
};

/// What a stage holds, by positions in the whole flow.
struct Members {
    collections: Vec<usize>,
    nodes: Vec<usize>,
    lookups: Vec<usize>,
}

/// Where every relation stands in the plan, and what reads it.
struct Relations<'r> {
    places: Vec<RelationRef>,
    roots: &'r [usize],
}

impl Wiring<'_> {
    /// Splits the flow into stages: one for each of `roots`, in that order.
    pub(super) fn stages(
        &self,
        roots: &[usize],
        order: &[usize],
        arguments: &[Vec<Argument>],
        targets: &[(usize, TargetPlan)],
    ) -> Vec<Stage> {
        let relations = self.relation_places(roots);
        let stages = roots.iter().map(|&root| {
            let members = self.members(root, order);
            let targets = targets
                .iter()
                .filter(|(collection, _)| self.root(*collection) == root)
                .map(|(collection, target)| TargetPlan {
                    collection: members.collection(*collection),
                    columns: target.columns.iter().map(|it| members.column(it)).collect(),
                    ..target.clone()
                });
            Stage {
                source: self.source_plan(root, &relations),
                collections: self.stage_collections(&members),
                transforms: self.stage_transforms(&members, arguments),
                lookups: self.stage_lookups(&members, &relations),
                targets: targets.collect(),
                relations: self.stage_relations(root, &members, &relations),
            }
        });
        stages.collect()
    }

    fn members(&self, root: usize, order: &[usize]) -> Members {
        let in_stage = |collection: usize| self.root(collection) == root;
        let collections = 0..self.collections.len();
        let nodes = order.iter().copied();
        let lookups = 0..self.lookups.len();
        Members {
            collections: collections.filter(|&index| in_stage(index)).collect(),
            nodes: nodes
                .filter(|&index| self.nodes[index].collection.is_some_and(in_stage))
                .collect(),
            lookups: lookups
                .filter(|&index| in_stage(self.lookups[index].collection))
                .collect(),
        }
    }

    fn stage_collections(&self, members: &Members) -> Vec<Collection> {
        let collections = members.collections.iter().map(|&index| {
            let rows = &self.collections[index];
            Collection {
                name: rows.name.clone(),
                parent: rows.parent.map(|parent| members.collection(parent)),
                row: rows.row.clone(),
            }
        });
        collections.collect()
    }

    fn stage_transforms(&self, members: &Members, arguments: &[Vec<Argument>]) -> Vec<Transform> {
        let transforms = members.nodes.iter().map(|&index| {
            let node = &self.nodes[index];
            let bound = arguments[index].iter().map(|argument| match argument {
                Argument::Literal(value) => Argument::Literal(value.clone()),
                Argument::Column(column) => Argument::Column(members.column(column)),
            });
            let collection = node.collection;
            Transform {
                name: node.decl.name.value.clone(),
                plugin: node.plugin.to_owned(),
                function: Self::row_function(node, &arguments[index]),
                batch: node.decl.batch,
                instance: node.decl.instance,
                collection: members
                    .collection(collection.expect("only placed transforms are in a stage")),
                makes: node.makes.map(|makes| members.collection(makes)),
                arguments: bound.collect(),
                result: node
                    .result
                    .clone()
                    .expect("a flow without errors has all results"),
                cache: node.decl.cache.clone(),
                grants: node.decl.grants.clone(),
                tells_row: self.tells_row(node),
            }
        });
        transforms.collect()
    }

    fn stage_lookups(&self, members: &Members, relations: &Relations<'_>) -> Vec<Lookup> {
        let lookups = members.lookups.iter().map(|&index| {
            let lookup = &self.lookups[index];
            Lookup {
                collection: members.collection(lookup.collection),
                keys: lookup.keys.iter().map(|key| members.column(key)).collect(),
                relation: relations.places[lookup.relation.relation],
                ..lookup.clone()
            }
        });
        lookups.collect()
    }

    fn stage_relations(
        &self,
        root: usize,
        members: &Members,
        relations: &Relations<'_>,
    ) -> Vec<Relation> {
        let published = self.relations.iter();
        let published = published.filter(|relation| self.root(relation.collection) == root);
        let published = published.map(|relation| Relation {
            rows: relation.plan(members, self.publisher(relation)),
            reader: match relation.reader {
                Some(reader) => Reader::Stage(relations.stage(reader)),
                None => Reader::Lookup,
            },
        });
        published.collect()
    }

    /// Where each relation comes to stand: among those of its stage in the order in which they were found.
    fn relation_places<'r>(&self, roots: &'r [usize]) -> Relations<'r> {
        let mut relations = Relations {
            places: Vec::with_capacity(self.relations.len()),
            roots,
        };
        let mut counts = vec![0; roots.len()];
        for published in &self.relations {
            let stage = relations.stage(self.root(published.collection));
            relations.places.push(RelationRef {
                stage,
                relation: counts[stage],
            });
            counts[stage] += 1;
        }
        relations
    }

    fn source_plan(&self, root: usize, relations: &Relations<'_>) -> SourcePlan {
        let rows = &self.collections[root];
        let (kind, options, gather) = match rows.origin {
            Some(Origin::Source(decl)) => (&*decl.kind.value, decl.options.clone(), None),
            Some(Origin::Gather(at)) => {
                let gathering = &self.gathers[at];
                let kind = match gathering.step {
                    Step::Reduce(_) => REDUCE,
                    Step::Union(_) => UNION,
                    Step::State(_) => STATE,
                };
                let gather = self.gather(gathering, relations);
                (kind, Options::new(), Some(gather))
            }
            None => unreachable!("a collection without a parent is a root"),
        };
        SourcePlan {
            name: self.stage_name(root).to_owned(),
            kind: kind.to_owned(),
            options,
            columns: rows.columns.clone(),
            on_error: self.on_error(root),
            gather,
        }
    }

    /// What becomes of a failed row's target rows. Of a row that has state, what its collection says.
    fn on_error(&self, root: usize) -> OnError {
        match self.collections[root].origin {
            Some(Origin::Source(decl)) => decl.on_error,
            Some(Origin::Gather(at)) => match self.gathers[at].step {
                Step::Reduce(decl) => decl.on_error,
                Step::Union(decl) => decl.on_error,
                Step::State(_) => {
                    let each = self.gathers[at].feeds.first();
                    each.map_or(OnError::Keep, |each| {
                        self.on_error(self.root(each.collection))
                    })
                }
            },
            None => OnError::Keep,
        }
    }

    /// What tells a collection from others, by name and by how its rows are keyed: rows of another one are other rows, also
    /// where their keys are the same.
    fn publisher(&self, relation: &Published) -> String {
        let root = self.root(relation.collection);
        let kind = match self.collections[root].origin {
            Some(Origin::Source(source)) => &*source.kind.value,
            Some(Origin::Gather(at)) => self.gathers[at].step.noun(),
            None => "",
        };
        let name = |collection: usize| &self.collections[collection].name;
        format!("{} of {kind} {}", name(relation.collection), name(root))
    }

    fn gather(&self, gathering: &Gathering<'_>, relations: &Relations<'_>) -> Gather {
        let from = gathering.feeds.iter().map(|feed| gather::Origin {
            name: self.collections[feed.collection].name.clone(),
            relation: relations.places[feed
                .relation
                .expect("a flow without errors has all relations")],
        });
        Gather {
            from: from.collect(),
            columns: self.collections[gathering.root].gathered.clone(),
            fold: gathering.fold.clone(),
        }
    }
}

impl Published {
    fn plan(&self, members: &Members, publisher: String) -> TargetPlan {
        let columns = self.columns.iter().map(|(name, column)| Column {
            name: name.clone(),
            ty: column.ty.clone(),
        });
        let path = OptionValue::Str(self.name.clone());
        TargetPlan {
            name: self.name.clone(),
            spec: TargetSpec {
                kind: RELATION.to_owned(),
                options: Options::from([
                    ("path".to_owned(), path),
                    ("of".to_owned(), OptionValue::Str(publisher)),
                ]),
                columns: columns.collect(),
                key: (0..self.keys).collect(),
            },
            collection: members.collection(self.collection),
            columns: self
                .columns
                .iter()
                .map(|(_, column)| members.column(column))
                .collect(),
        }
    }
}

impl Relations<'_> {
    /// The position of the stage of a root.
    fn stage(&self, root: usize) -> usize {
        position(self.roots, root)
    }
}

impl Members {
    fn collection(&self, index: usize) -> usize {
        position(&self.collections, index)
    }

    fn column(&self, column: &ColumnRef) -> ColumnRef {
        let node = |index: usize| position(&self.nodes, index);
        ColumnRef {
            collection: self.collection(column.collection),
            kind: match column.kind {
                ColumnKind::Result(index) => ColumnKind::Result(node(index)),
                ColumnKind::ResultField(index, field) => {
                    ColumnKind::ResultField(node(index), field)
                }
                ColumnKind::Lookup(index) => ColumnKind::Lookup(position(&self.lookups, index)),
                other @ (ColumnKind::Source(_) | ColumnKind::Row | ColumnKind::Field(_)) => other,
            },
            ty: column.ty.clone(),
        }
    }
}

fn position(all: &[usize], one: usize) -> usize {
    let mut all = all.iter();
    all.position(|&other| other == one)
        .expect("a stage holds what it refers to")
}
