//! What a pass over the rows of a stage found: how many there are, and what has to be looked at.

use std::collections::BTreeSet;

use flowstone_store::{RowHead, RowState};

use crate::batch::Item;
use crate::commit::FAILED_LISTED_MAX;

/// What the first pass over a source found.
#[derive(Default)]
pub(crate) struct Found {
    /// The rows that the source lists.
    pub(crate) rows: u64,
    /// The rows that the store knows.
    pub(crate) known: u64,
    /// The known rows that are gone.
    pub(crate) removed: u64,
    /// The known rows that are not listed and yet stay as they are, since it is not known whether they are gone.
    pub(crate) spared: u64,
    /// How many rows that the source lists have no key that is known for sure, where the target rows of rows that fail are
    /// kept. Each of them may be one of those that are not listed.
    pub(crate) unkeyed: u64,
    /// The rows that have to be looked at, gone ones among them.
    pub(crate) pending: u64,
    /// The rows that are failed and have not changed since.
    pub(crate) failed: u64,
    /// The rows that were failed before they were looked at; counted only where some rows alone are looked at.
    pub(crate) known_failed: u64,
    /// The keys of the first of them.
    pub(crate) failed_keys: Vec<Vec<u8>>,
    /// The rows, as people see them, for which results are given.
    pub(crate) given: BTreeSet<String>,
    /// The rows that have to be looked at, unless they are too many to keep.
    pub(crate) kept: Option<Vec<Item>>,
    /// How they were found.
    pub(crate) pass: Pass,
}

impl Found {
    /// The listed rows that need not be looked at.
    pub(crate) fn settled(&self) -> u64 {
        (self.rows + self.removed).saturating_sub(self.pending)
    }

    /// Counts a row that stays as it is, if it is failed.
    pub(crate) fn note_failed(&mut self, key: Vec<u8>, head: &RowHead) {
        if head.state != RowState::Done {
            self.failed += 1;
            if self.failed_keys.len() < FAILED_LISTED_MAX {
                self.failed_keys.push(key);
            }
        }
    }

    /// What a run would do about rows of a source that are not listed, where it is not just to remove what came of them.
    pub(crate) fn note(&self, source: &str) -> Option<String> {
        if self.is_mass_delete() {
            return Some(format!(
                "{} of the {} rows of source `{source}` are gone: a run asks for `--allow-deletes`",
                self.removed, self.known
            ));
        }
        (self.spared > 0).then(|| {
            format!(
                "{} of the {} rows of source `{source}` are not found, but rows without a readable key are, so they stay",
                self.spared, self.known
            )
        })
    }

    /// Whether so many rows are gone that it may be a mistake: more than half of more than ten.
    pub(crate) fn is_mass_delete(&self) -> bool {
        self.known > 10 && self.removed * 2 > self.known
    }
}

/// Which rows a pass over a stage looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pass {
    /// All that are not as the last run left them.
    #[default]
    Whole,
    /// Those that are due for the sake of other rows.
    Due,
}
