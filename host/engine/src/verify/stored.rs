//! The stored results that are to be checked: which there are, and which of them the present rows reach.
//!
//! Of each key eight bytes are kept, so a million results take eight megabytes, whatever the number of rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use flowstone_core::MemoKey;
use flowstone_store::{RecipeId, Snapshot, Why};

use super::code::{Code, Codes};
use crate::error::Error;

/// So many results are read before it is looked whether to stop.
const STOP_CHECK: usize = 4096;

/// The stored results of a transform.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// The first eight bytes of their keys, ascending.
    keys: Vec<u64>,
    /// A bit for each: whether a present row has it.
    reached: Vec<u64>,
    /// How many bits are set.
    pub(super) reachable: u64,
    /// Results that were put by hand, which no code has made.
    pub(super) put: u64,
    /// Results whose code is not at hand, by recipe.
    pub(super) without_code: BTreeMap<RecipeId, u64>,
}

impl Stored {
    /// The results under the recipes of `codes`.
    pub(super) fn read(
        snapshot: &Snapshot,
        codes: &Codes,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        let mut stored = Self::default();
        for (number, entry) in snapshot.memo_entries()?.enumerate() {
            if number.is_multiple_of(STOP_CHECK) && stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let (key, record) = entry?;
            match codes.get(record.recipe).map(|made| &made.code) {
                None => {}
                _ if record.why == Why::Put => stored.put += 1,
                Some(Code::Missing(_)) => {
                    *stored.without_code.entry(record.recipe).or_default() += 1;
                }
                // The store lists them in the order of their keys.
                Some(_) => stored.keys.push(head(&key)),
            }
        }
        stored.reached = vec![0; stored.keys.len().div_ceil(64)];
        Ok(stored)
    }

    /// How many there are to check.
    pub(super) fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Notes that a row has the key; whether it is that of a result that no row had before.
    pub(super) fn reach(&mut self, key: &MemoKey) -> bool {
        let Ok(at) = self.keys.binary_search(&head(key)) else {
            return false;
        };
        let (word, bit) = (&mut self.reached[at / 64], 1 << (at % 64));
        let first = *word & bit == 0;
        *word |= bit;
        self.reachable += u64::from(first);
        first
    }
}

fn head(key: &MemoKey) -> u64 {
    let (head, _) = key
        .as_bytes()
        .split_first_chunk()
        .expect("a key has 32 bytes");
    u64::from_be_bytes(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_reached_once() {
        let key = |byte: u8| MemoKey::from_bytes([byte; 32]);
        let mut stored = Stored {
            keys: (0..200).step_by(2).map(|byte| head(&key(byte))).collect(),
            reached: vec![0; 2],
            ..Stored::default()
        };
        assert!(stored.reach(&key(4)));
        assert!(!stored.reach(&key(4)));
        assert!(!stored.reach(&key(5)), "there is no such result");
        assert!(stored.reach(&key(198)) && stored.reach(&key(0)));
        assert_eq!((stored.reachable, stored.len()), (3, 100));
    }
}
