//! Reusing: what is remembered, whether it may be used, and why a call is made where it may not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flowstone_core::{CacheMode, MemoKey};
use flowstone_store::{MemoRecord, RowState, Why};

use super::{Batch, Halt};
use crate::answer::Answer;
use crate::calls::Called;

/// What the store has for some keys.
pub(super) struct Recalled {
    /// The answers that may be used.
    pub(super) answers: Vec<Option<Called>>,
    /// Whether there is one that is too old to be used.
    pub(super) expired: Vec<bool>,
}

impl Batch<'_> {
    /// What the store remembers of sorted `keys`. A result whose rows cannot be told any more, since the store has lost
    /// the value, is as good as not remembered.
    pub(super) fn recall(&self, index: usize, keys: &[MemoKey]) -> Result<Recalled, Halt> {
        let typed = &self.run.transforms[index].typed;
        let mut recalled = Recalled {
            answers: Vec::with_capacity(keys.len()),
            expired: Vec::with_capacity(keys.len()),
        };
        for record in self.snapshot.memos(keys)? {
            let usable = record
                .as_ref()
                .is_some_and(|record| self.may_reuse(index, record));
            recalled.expired.push(record.is_some() && !usable);
            let record = record.filter(|_| usable);
            let answer = record.map(|record| Answer::of_outcome(record.outcome, typed));
            let whole = match &answer {
                Some(Answer::Value(remembered)) if typed.parts_per_row() > 0 => {
                    remembered.parts(typed, &self.snapshot)?.is_some()
                }
                _ => true,
            };
            let answer = answer.filter(|_| whole);
            recalled
                .answers
                .push(answer.map(|answer| Ok(Arc::new(answer))));
        }
        Ok(recalled)
    }

    fn may_reuse(&self, index: usize, record: &MemoRecord) -> bool {
        let prepared = &self.run.transforms[index];
        match prepared.mode {
            // What this run has made is as new as it gets.
            CacheMode::Recompute => !self.run.dry && record.run == self.run.run,
            _ => record.run >= prepared.fresh_since,
        }
    }

    /// Why the calls for the keys at `mine` are made; `wanted` says which rows want them.
    pub(super) fn reasons(
        &self,
        index: usize,
        (keys, expired): (&[MemoKey], &[bool]),
        mine: &[usize],
        wanted: &[(MemoKey, usize)],
    ) -> Vec<Why> {
        let recompute = self.run.transforms[index].mode == CacheMode::Recompute;
        let collection = self.run.stage.transforms[index].collection;
        let mut before: HashMap<usize, HashSet<MemoKey>> = HashMap::new();
        let mut known = |root: usize, key: &MemoKey| {
            let root_row = &self.roots[root];
            let done = |head: &flowstone_store::RowHead| head.state == RowState::Done;
            // What failed without being remembered is not missing.
            if !root_row.item.head.as_ref().is_some_and(done) {
                return false;
            }
            let calls = before
                .entry(root)
                .or_insert_with(|| root_row.lineage.calls.iter().map(|call| call.key).collect());
            calls.contains(key)
        };
        let why = |&at: &usize| {
            let key = &keys[at];
            let first = wanted.partition_point(|(other, _)| other < key);
            let row = wanted.get(first).map(|(_, row)| *row);
            let root = row.map(|row| self.rows[collection][row].root);
            match root {
                _ if recompute => Why::Recompute,
                _ if expired[at] => Why::Expired,
                Some(root) if self.roots[root].item.head.is_none() => Why::NewRow,
                Some(root) if known(root, key) => Why::Removed,
                _ => Why::New,
            }
        };
        mine.iter().map(why).collect()
    }
}
