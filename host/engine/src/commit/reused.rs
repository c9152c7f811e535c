//! What a run reuses: counted while it goes on, and noted in the store now and then.

use flowstone_core::MemoKey;

use super::Committer;
use crate::error::Error;

/// So many results may wait for a note of their use.
const REUSED_KEPT_MAX: usize = 100_000;

impl Committer<'_> {
    /// Counts the rows for which results were reused.
    pub(super) fn keep_reused(&mut self, reused: Vec<(MemoKey, u64)>) -> Result<(), Error> {
        for (key, rows) in reused {
            *self.reused.entry(key).or_default() += rows;
        }
        if self.reused.len() >= REUSED_KEPT_MAX {
            self.note_reused()?;
        }
        Ok(())
    }

    /// Notes in the store what was reused.
    pub(super) fn note_reused(&mut self) -> Result<(), Error> {
        if self.reused.is_empty() {
            return Ok(());
        }
        let (reused, run) = (std::mem::take(&mut self.reused), self.run);
        self.store.write(|writer| {
            reused
                .iter()
                .try_for_each(|(key, rows)| writer.add_usage(key, run, *rows))
        })?;
        Ok(())
    }
}
