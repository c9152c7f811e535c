//! A sample of keys: each set of so many keys is as likely as any other, and equal seeds choose equal sets, in whatever
//! order and however often the keys come.
//!
//! Every key has a rank, a hash of it under the seed; those of the lowest ranks are the sample (a bottom-k sample: Cohen and
//! Kaplan, "Summarizing Data using Bottom-k Sketches", 2007).

use std::collections::{BinaryHeap, HashSet};

use flowstone_core::MemoKey;

/// A sample as it is drawn.
pub(super) struct Sample {
    seed: [u8; 32],
    size: usize,
    /// The keys of the lowest ranks so far, the highest of them on top.
    lowest: BinaryHeap<(u64, MemoKey)>,
}

impl Sample {
    /// An empty sample of at most `size` keys.
    pub(super) fn new(seed: u64, size: usize) -> Self {
        Self {
            seed: blake3::derive_key("flowstone 2026 verification sample", &seed.to_le_bytes()),
            size,
            lowest: BinaryHeap::new(),
        }
    }

    /// Offers a key that was not offered before.
    pub(super) fn offer(&mut self, key: MemoKey) {
        let ranked = (self.rank(&key), key);
        if self.lowest.len() < self.size {
            self.lowest.push(ranked);
        } else if let Some(mut highest) = self.lowest.peek_mut()
            && ranked < *highest
        {
            *highest = ranked;
        }
    }

    /// The keys that were drawn.
    pub(super) fn keys(self) -> HashSet<MemoKey> {
        self.lowest.into_iter().map(|(_, key)| key).collect()
    }

    fn rank(&self, key: &MemoKey) -> u64 {
        let hash = blake3::keyed_hash(&self.seed, key.as_bytes());
        let (head, _) = hash
            .as_bytes()
            .split_first_chunk()
            .expect("a hash has 32 bytes");
        u64::from_be_bytes(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, size: usize, keys: impl Iterator<Item = u32>) -> HashSet<MemoKey> {
        let mut sample = Sample::new(seed, size);
        for key in keys {
            sample.offer(key_of(key));
        }
        sample.keys()
    }

    fn key_of(number: u32) -> MemoKey {
        MemoKey::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    #[test]
    fn equal_seeds_draw_equal_samples_in_any_order() {
        let forth = drawn(7, 10, 0..1000);
        assert_eq!(forth.len(), 10);
        assert_eq!(forth, drawn(7, 10, (0..1000).rev()));
        assert_ne!(forth, drawn(8, 10, 0..1000));
        assert_eq!(drawn(7, 10, 0..4).len(), 4);
    }

    #[test]
    fn every_key_is_as_likely_as_any_other() {
        let mut counts = vec![0; 100];
        for seed in 0..2000 {
            let drawn = drawn(seed, 10, 0..100);
            for (number, count) in counts.iter_mut().enumerate() {
                *count += u32::from(drawn.contains(&key_of(number as u32)));
            }
        }
        // 200 are expected of each, with a standard deviation of 13.4.
        let spread = counts.iter().map(|count| count.abs_diff(200)).max();
        assert!(spread < Some(70), "{counts:?}");
    }
}
