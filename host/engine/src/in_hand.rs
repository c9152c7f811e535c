//! The row in hand: what a function that asks for it is told, and how that counts in the keys of its calls.
//!
//! The collection is in the recipe, so that all rows are due when it gets another name; the row's own key is in that of the
//! call.

use flowstone_core::Fingerprint;
use flowstone_sandbox::Row;

use crate::batch::Batch;
use crate::survey::RowName;

/// What stands for the row after the arguments in a key.
pub(crate) fn print_of(key: &str) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 row in hand");
    hasher.update(key.as_bytes());
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}

impl Batch<'_> {
    /// What a transform is told of a row; none where it does not ask.
    pub(crate) fn in_hand(&self, transform: usize, row: usize) -> Option<Row> {
        if !self.run.transforms[transform].record.recipe.tells_row() {
            return None;
        }
        let stage = self.run.stage;
        let collection = stage.transforms[transform].collection;
        Some(Row {
            collection: stage.collections[collection].name.clone(),
            key: self.name(collection, row).to_string(),
        })
    }

    /// The name of a row.
    pub(crate) fn name(&self, collection: usize, row: usize) -> RowName {
        let root = self.rows[collection][row].root;
        RowName {
            key: self.run.label(&self.roots[root].item.key),
            index: self.origin(collection, row),
        }
    }
}
