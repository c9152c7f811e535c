//! Descriptions of stages: which names their transforms had. Lineage names transforms by position, so one is needed as
//! long as a row was last dealt with by that version of the stage.

use std::collections::BTreeSet;

use flowstone_core::Fingerprint;

use crate::books::{STAGE_PREFIX, collections};
use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// Removes the descriptions that no row is of; how many they are.
    pub(super) fn retire_stages(&self, dry_run: bool) -> Result<u64, Error> {
        let snapshot = self.store.snapshot()?;
        let known = snapshot.meta_prefix(STAGE_PREFIX)?.into_iter();
        let mut unused: BTreeSet<Fingerprint> = known
            .filter_map(|(name, _)| name.strip_prefix(STAGE_PREFIX)?.parse().ok())
            .collect();
        'rows: for collection in collections(&snapshot)?.into_keys() {
            for row in snapshot.rows(collection)? {
                if unused.is_empty() {
                    break 'rows;
                }
                let (_, head) = row?;
                unused.remove(&head.flow);
            }
        }
        if !unused.is_empty() && !dry_run {
            self.store.write(|writer| {
                (unused.iter())
                    .try_for_each(|stage| writer.remove_meta(&format!("{STAGE_PREFIX}{stage}")))
            })?;
        }
        Ok(unused.len() as u64)
    }
}
