//! Lineage: where a target row came from, and what a source row became.

use std::collections::BTreeMap;

use flowstone_connect::{display_key, target_keys};
use flowstone_store::{CollectionId, Snapshot};

use crate::books::{Books, stage_names};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::report::{LineageCall, LineageReport, LineageTarget};

impl Engine {
    /// Where the row `key` of the target `name` came from.
    ///
    /// # Errors
    ///
    /// When the flow has no such target, the key is none of its, or no run has written such a row.
    pub fn lineage_of_target(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
    ) -> Result<LineageReport, Error> {
        let snapshot = self.store.snapshot()?;
        let books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        let targets = || flow.plan.stages.iter().flat_map(|stage| &stage.targets);
        let target = targets()
            .find(|target| target.name == name)
            .ok_or_else(|| {
                let help = flowstone_core::suggest(name, targets().map(|target| &*target.name));
                Error::NotFound(format!("the flow has no target `{name}`: {help}"))
            })?;
        let never = || Error::NotFound(format!("no run has written to target `{name}` yet"));
        let id = books.target(&target.spec).ok_or_else(never)?;
        let keys = target_keys(&target.spec).map_err(|error| Error::Target {
            target: name.to_owned(),
            error: error.into(),
        })?;
        let bytes = keys
            .parse_key(key)
            .map_err(|error| Error::NotFound(error.to_string()))?;
        let owner = snapshot.owner(id, &bytes)?.ok_or_else(|| {
            Error::NotFound(format!(
                "target `{name}` has no row with the key {}",
                keys.display_key(&bytes)
            ))
        })?;
        let mut report = report(&books, &snapshot, owner.collection, &owner.row)?;
        report
            .targets
            .retain(|row| row.target == name && row.key == keys.display_key(&bytes));
        Ok(report)
    }

    /// What became of the row `key` of the source `name`.
    ///
    /// # Errors
    ///
    /// When the flow has no such source, or no run has seen such a row.
    pub fn lineage_of_source(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
    ) -> Result<LineageReport, Error> {
        let snapshot = self.store.snapshot()?;
        let books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        let stages = &flow.plan.stages;
        let stage = stages
            .iter()
            .find(|stage| stage.source.name == name)
            .ok_or_else(|| {
                let help =
                    flowstone_core::suggest(name, stages.iter().map(|stage| &*stage.source.name));
                Error::NotFound(format!("the flow has no source `{name}`: {help}"))
            })?;
        let never = || {
            Error::NotFound(format!(
                "source `{name}` has no row `{key}` in the last run"
            ))
        };
        let collection = books.source(name).ok_or_else(never)?;
        let mut bytes = key.as_bytes().to_vec();
        if snapshot.row(collection, &bytes)?.is_none() {
            // The key is not the text itself: it is one that looks like this to people.
            let shown = |found: &[u8]| display_key(&stage.source.kind, found) == key;
            let mut rows = snapshot.rows(collection)?;
            bytes = loop {
                let (found, _) = rows.next().transpose()?.ok_or_else(never)?;
                if shown(&found) {
                    break found;
                }
            };
        }
        report(&books, &snapshot, collection, &bytes)
    }
}

/// What the store knows of a root row.
fn report(
    books: &Books,
    snapshot: &Snapshot,
    collection: CollectionId,
    key: &[u8],
) -> Result<LineageReport, Error> {
    let (source, kind) = books.sources.get(&collection).cloned().unwrap_or_default();
    let gone = || {
        Error::NotFound(format!(
            "the row `{}` of source `{source}` is gone",
            display_key(&kind, key)
        ))
    };
    let head = snapshot.row(collection, key)?.ok_or_else(gone)?;
    let lineage = snapshot.lineage(collection, key)?.unwrap_or_default();
    let names = stage_names(snapshot, &head.flow)?;
    let calls = lineage.calls.iter().map(|call| LineageCall {
        transform: names
            .get(usize::from(call.transform))
            .cloned()
            .unwrap_or_else(|| "?".to_owned()),
        key: call.key.to_string(),
    });
    let calls = calls.collect();
    let mut targets = Vec::with_capacity(lineage.targets.len());
    let mut keys = BTreeMap::new();
    for row in &lineage.targets {
        let Some(entry) = books.targets.get(&row.target) else {
            continue;
        };
        let keys = keys
            .entry(row.target)
            .or_insert_with(|| target_keys(&entry.spec));
        targets.push(LineageTarget {
            target: entry.name.clone(),
            key: keys
                .as_ref()
                .map_or_else(|_| "?".to_owned(), |keys| keys.display_key(&row.key)),
            origin: row.origin.clone(),
        });
    }
    targets.sort_by(|a, b| (&a.target, &a.origin).cmp(&(&b.target, &b.origin)));
    Ok(LineageReport {
        key: display_key(&kind, key),
        source,
        content: (!lineage.columns.is_empty()).then(|| head.content.to_string()),
        failure: lineage.failure,
        calls,
        targets,
    })
}
