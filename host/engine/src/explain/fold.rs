//! Explaining folds: they have no rows of their own, so what is told is how much was called for, and whether all of it.

use flowstone_core::{Fold, FoldKind, Stage};
use flowstone_store::Snapshot;

use super::{ExplainedGroup, Explanation};
use crate::books::Books;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::fold::renewed;

impl Engine {
    /// Says what the last run called a fold for.
    pub(super) fn explain_fold(
        &self,
        flow: &Flow,
        (stage, fold): (&Stage, &Fold),
        (books, snapshot): (&Books, &Snapshot),
        key: Option<&str>,
    ) -> Result<Explanation, Error> {
        let name = &fold.name;
        let (what, of_all) = match fold.kind {
            FoldKind::Combine { .. } => ("partial results", "every partial result"),
            FoldKind::State { .. } => ("batches", "every batch"),
        };
        if key.is_some() {
            return Err(Error::NotFound(format!(
                "`{name}` is called for {what}, which have no keys of their own: `explain {name}` tells of all of them, \
                 `lineage` of the rows of `{}`",
                stage.source.name
            )));
        }
        let last = self.last_run(flow)?;
        let last = last
            .ok_or_else(|| Error::NotFound("no run of this flow has been made yet".to_owned()))?;
        let calls = last.transforms.get(name).map_or(0, |counts| counts.called);
        let relation = stage
            .source
            .gather
            .as_ref()
            .and_then(|gather| gather.from.first());
        let relation = relation.and_then(|from| books.target(&flow.relation(from.relation).spec));
        let is_renewed = match relation {
            Some(relation) => renewed(snapshot, relation)? == Some(last.run),
            None => false,
        };
        let why = match (is_renewed, &fold.kind) {
            (true, _) => format!(
                "{of_all}: there were none yet, its code or what it reads is other, or the run asked for it"
            ),
            (false, FoldKind::Combine { .. }) => {
                format!("{what} that hang on members which changed, came or went")
            }
            (false, FoldKind::State { .. }) => format!(
                "{what} with members that changed, came or went, and those behind them that another state went into"
            ),
        };
        let group = ExplainedGroup {
            called: true,
            why,
            calls,
            rows: Vec::new(),
            more: false,
        };
        Ok(Explanation {
            transform: name.clone(),
            run: Some(last.run),
            untouched_rows: 0,
            groups: (calls > 0).then_some(group).into_iter().collect(),
            calls: Vec::new(),
        })
    }
}
