//! Recovering: what a run that was cut off has left becomes the lineage of its rows, trusted for deleting only.

use std::collections::BTreeSet;

use flowstone_core::{Fingerprint, REDUCE, RELATION, STATE, UNION};
use flowstone_store::{
    CollectionId, IntentRow, Lineage, RowHead, RowState, StoreError, TargetId, Writer,
};

use crate::books::Books;
use crate::engine::{Engine, FlowPlace};
use crate::error::Error;

impl Engine {
    /// Takes up the intents of a run that was cut off. Nothing is called or written to a target: the rows in question
    /// are looked at again, and none of their target rows is trusted to be there.
    pub(crate) fn recover(&self, place: &FlowPlace) -> Result<(), Error> {
        let snapshot = self.store.snapshot()?;
        let intents = snapshot.intents()?;
        if intents.is_empty() {
            return Ok(());
        }
        let mut books = Books::read(&snapshot, "", place)?;
        let batches: Vec<u64> = intents.iter().map(|(batch, _)| *batch).collect();
        books.batch = books
            .batch
            .max(batches.iter().copied().max().unwrap_or_default());
        for entry in books.targets.values_mut() {
            // What is published is written with the settlement: there is nothing to be unsure of.
            if entry.spec.kind == RELATION {
                continue;
            }
            entry.unsettled.extend(&batches);
        }
        let ids: Vec<TargetId> = books.targets.keys().copied().collect();
        let gathered: BTreeSet<CollectionId> = (books.sources.iter())
            .filter(|(_, (_, kind))| [REDUCE, UNION, STATE].contains(&&**kind))
            .map(|(id, _)| *id)
            .collect();
        self.store.write(|writer| {
            for (batch, intent) in &intents {
                for row in &intent.rows {
                    let (head, lineage) = recovered(writer, row)?;
                    writer.put_row(row.collection, &row.key, &head, &lineage)?;
                    if gathered.contains(&row.collection) {
                        writer.put_due(row.collection, &row.key)?;
                    }
                }
                writer.clear_intent(*batch)?;
            }
            ids.iter()
                .try_for_each(|id| books.put_target(writer, *id))?;
            books.put_batch(writer)
        })?;
        self.recount(&mut books, &ids)
    }

    /// Counts the rows of the targets from the claims: what the batches that were cut off did to the counts is lost.
    fn recount(&self, books: &mut Books, ids: &[TargetId]) -> Result<(), Error> {
        let snapshot = self.store.snapshot()?;
        for (id, entry) in &mut books.targets {
            entry.rows = 0;
            for owned in snapshot.owned(*id)? {
                owned?;
                entry.rows += 1;
            }
        }
        self.store
            .write(|writer| ids.iter().try_for_each(|id| books.put_target(writer, *id)))?;
        Ok(())
    }
}

fn recovered(writer: &mut Writer<'_>, row: &IntentRow) -> Result<(RowHead, Lineage), StoreError> {
    let zero = Fingerprint::from_bytes([0; 32]);
    let known = writer.row(row.collection, &row.key)?;
    let (content, flow) = known.map_or((zero, zero), |head| (head.content, head.flow));
    let head = RowHead {
        hint: Vec::new(),
        content,
        flow,
        state: RowState::Failed { retry: true },
    };
    let lineage = writer
        .lineage(row.collection, &row.key)?
        .unwrap_or_default();
    let lineage = Lineage {
        targets: row.targets.clone(),
        good: false,
        ..lineage
    };
    Ok((head, lineage))
}
