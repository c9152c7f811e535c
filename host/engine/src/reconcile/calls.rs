//! The calls of a root row: those that its present version makes, and those of the former one that it does not.

use std::collections::HashSet;

use flowstone_core::{Fingerprint, MemoKey};
use flowstone_store::{CallRecord, Lineage};

use crate::batch::{Batch, Halt};

impl Batch<'_> {
    /// The calls whose results a root row used, sorted.
    pub(super) fn calls_of(&mut self, root: usize) -> Vec<CallRecord> {
        let calls = &mut self.roots[root].calls;
        calls.sort_unstable();
        calls.dedup();
        let record = |(transform, key): (u16, MemoKey)| CallRecord { transform, key };
        calls.drain(..).map(record).collect()
    }

    /// The calls of the row's former version that the present one does not make.
    pub(super) fn replaced(
        &self,
        calls: &[CallRecord],
        before: &[CallRecord],
        former: Option<Fingerprint>,
    ) -> Result<Vec<CallRecord>, Halt> {
        let Some(former) = former else {
            return Ok(Vec::new());
        };
        let made: HashSet<MemoKey> = calls.iter().map(|call| call.key).collect();
        let gone = before
            .iter()
            .filter(|call| !made.contains(&call.key))
            .copied();
        let run = self.run;
        if former == run.fingerprint {
            return Ok(gone.collect());
        }
        Ok(run
            .former
            .translate(run.stage, &former, gone, &self.snapshot)?)
    }
}

/// Whether two lineages say the same, whenever they were written.
pub(super) fn is_same(a: &Lineage, b: &Lineage) -> bool {
    a.shape == b.shape
        && a.columns == b.columns
        && a.calls == b.calls
        && a.targets == b.targets
        && a.failure == b.failure
        && a.good == b.good
}
