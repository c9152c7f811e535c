//! The calls of a root row: those that its present version makes, and those of the former one that it does not.

use flowstone_core::{Fingerprint, MemoKey};
use flowstone_store::{CallRecord, Lineage};
use rustc_hash::FxHashSet;

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

    /// The calls of the row's former version that the present one does not make. That they were in use until now is
    /// noted, so that they are not taken for results that nobody used since they were made.
    pub(super) fn replaced(
        &mut self,
        calls: &[CallRecord],
        before: &[CallRecord],
        former: Option<Fingerprint>,
    ) -> Result<Vec<CallRecord>, Halt> {
        let Some(former) = former.filter(|_| calls != before) else {
            return Ok(Vec::new());
        };
        let made: FxHashSet<MemoKey> = calls.iter().map(|call| call.key).collect();
        let gone: Vec<CallRecord> = before
            .iter()
            .filter(|call| !made.contains(&call.key))
            .copied()
            .collect();
        self.note_left(&gone);
        let run = self.run;
        if former == run.fingerprint {
            return Ok(gone);
        }
        let gone = gone.into_iter();
        Ok(run
            .former
            .translate(run.stage, &former, gone, &self.snapshot)?)
    }

    /// Notes that calls were in use until now.
    pub(super) fn note_left(&mut self, calls: &[CallRecord]) {
        self.reused.extend(calls.iter().map(|call| (call.key, 0)));
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
        && a.lookups == b.lookups
}
