//! What cannot be told of a batch without a call.

use super::{Batch, Cell};

impl Batch<'_> {
    /// The rows whose call hangs on a result that is not known yet; the rows that such a list will make count as one.
    pub(crate) fn undecided(&self, transform: usize) -> u64 {
        let count = |index: usize| {
            self.cells[index]
                .iter()
                .filter(|cell| matches!(cell, Cell::Unknown))
                .count() as u64
        };
        let missing = self
            .missing
            .iter()
            .filter(|(index, ..)| *index == transform)
            .count() as u64;
        let mut undecided = count(transform).saturating_sub(missing);
        let mut collection = self.run.stage.transforms[transform].collection;
        while let Some(parent) = self.run.stage.collections[collection].parent {
            undecided += count(self.run.maker(collection));
            collection = parent;
        }
        undecided
    }
}
