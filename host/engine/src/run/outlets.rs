//! Where the rows of a stage go and what they read: targets and relations, lookups, and what is folded before there are rows.

use flowstone_connect::{reading_options, target_keys};
use flowstone_core::{Fingerprint, Gather, Reader, SourcePlan, Stage, TargetPlan};
use flowstone_store::TargetId;

use super::Shared;
use crate::books::Books;
use crate::engine::Flow;
use crate::error::Error;
use crate::fold::PreparedFold;
use crate::relation::RelationKeys;
use crate::stage::{Outlet, StageLookup, StageTarget, columns_identity};

/// What a stage makes of its rows' members before there are rows.
pub(super) fn fold<'a>(
    flow: &'a Flow,
    stage: &'a Stage,
    books: &Books,
    shared: &Shared<'_>,
) -> Option<PreparedFold<'a>> {
    let gather = stage.source.gather.as_ref()?;
    let fold = gather.fold.as_ref()?;
    let rows = flow.relation(gather.from.first()?.relation);
    let types = rows.columns.iter().map(|column| column.ty.clone());
    let mode = shared.options.cache.mode_of(&fold.name, fold.cache.mode);
    Some(PreparedFold::new(
        fold,
        flow.code(&fold.plugin),
        mode,
        (number(books, rows).0, types.collect()),
    ))
}

/// The targets and relations of a stage, and what each is to the stage's rows.
pub(super) fn outlets(
    flow: &Flow,
    stage: &Stage,
    books: &Books,
) -> Result<(Vec<StageTarget>, Vec<u64>), Error> {
    let all: Vec<&str> = (flow.plan.stages.iter())
        .flat_map(|stage| &stage.targets)
        .map(|target| &*target.name)
        .collect();
    let (mut outlets, mut layouts) = (Vec::new(), Vec::new());
    for (position, target) in stage.outputs().enumerate() {
        let (id, layout) = number(books, target);
        layouts.push(u64::from(id.0) << 32 | u64::from(layout));
        let to = match position.checked_sub(stage.targets.len()) {
            None => Outlet::Target {
                slot: (all.iter().position(|name| *name == target.name)).unwrap_or_default(),
                keys: target_keys(&target.spec).map_err(|error| Error::Target {
                    target: target.name.clone(),
                    error: error.into(),
                })?,
            },
            Some(relation) => {
                let reader = stage.relations[relation].reader;
                let gathers = match reader {
                    Reader::Stage(reader) => &*flow.plan.stages[reader].source.kind,
                    Reader::Lookup => "",
                };
                let origin = &stage.collections[target.collection].name;
                Outlet::Relation(RelationKeys::new(
                    &stage.source.kind,
                    reader,
                    gathers,
                    origin,
                ))
            }
        };
        outlets.push(StageTarget {
            id,
            columns: columns_identity(&target.spec.columns, &layout.to_string()),
            to,
        });
    }
    Ok((outlets, layouts))
}

/// The identity of the columns of a source, and of how they are read.
pub(crate) fn shape(flow: &Flow, source: &SourcePlan, books: &Books) -> Fingerprint {
    let how = match &source.gather {
        Some(gather) => gathering(flow, gather, books),
        None => reading_options(&source.kind, &source.options),
    };
    columns_identity(&source.columns, &how)
}

/// What decides what the columns of a gathered stage hold.
pub(super) fn gathering(flow: &Flow, gather: &Gather, books: &Books) -> String {
    let relations = gather.from.iter().map(|from| {
        let (id, layout) = number(books, flow.relation(from.relation));
        (&from.name, id, layout)
    });
    format!("{:?} {:?}", gather.columns, relations.collect::<Vec<_>>())
}

/// The number of a target, and of its layout.
pub(super) fn number(books: &Books, target: &TargetPlan) -> (TargetId, u32) {
    let id = books.target(&target.spec).unwrap_or(TargetId(0));
    let layout = books.targets.get(&id).map_or(0, |entry| entry.layout);
    (id, layout)
}

/// The lookups of a stage, and what that which is looked in is to the stage's rows.
pub(crate) fn lookups(flow: &Flow, stage: &Stage, books: &Books) -> (Vec<StageLookup>, Vec<u64>) {
    let lookups = stage.lookups.iter().map(|lookup| {
        let rows = flow.relation(lookup.relation);
        let (relation, layout) = number(books, rows);
        let keys = rows.spec.key.len();
        let ty = lookup.ty();
        let this = StageLookup {
            relation,
            keys,
            types: (rows.columns[keys..].iter())
                .map(|column| column.ty.clone())
                .collect(),
            ty: (ty.clone(), ty.fingerprint()),
        };
        (this, u64::from(relation.0) << 32 | u64::from(layout))
    });
    lookups.unzip()
}
