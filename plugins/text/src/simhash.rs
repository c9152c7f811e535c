//! `SimHash`: a fingerprint that near-duplicates nearly share.
//!
//! After M. Charikar, "Similarity estimation techniques from rounding algorithms" (STOC 2002). The features are the
//! 3-grams of the tokens, each as often as it occurs; a text of one or two tokens is one shorter gram. Hashes are fixed, for
//! results must not differ between machines or releases:
//!
//! - a token: FNV-1a (64 bit) of its UTF-8, then the finaliser;
//! - a gram: FNV-1a of its tokens' hashes as little-endian bytes, then the finaliser;
//! - the finaliser: `fmix64` of `MurmurHash3`, since the upper bits of FNV-1a alone mix badly on short input.

use crate::tokens::token;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
const GRAM: usize = 3;

/// The 64-bit `SimHash` of `text`; 0 when it has no words.
///
/// Two texts are near-duplicates when the hashes differ in few bits, `(a ^ b).count_ones()`; 3 is a usual bound for
/// pages (Manku et al., WWW 2007). Texts of a few words differ in many bits for a single changed word.
pub(crate) fn simhash(text: &str) -> u64 {
    let mut ballot = Ballot::default();
    let mut recent = [0u64; GRAM];
    let mut tokens = 0usize;
    for word in words::words(text) {
        recent.rotate_left(1);
        recent[GRAM - 1] = token_hash(word);
        tokens += 1;
        if tokens >= GRAM {
            ballot.add(gram_hash(&recent));
        }
    }
    if (1..GRAM).contains(&tokens) {
        ballot.add(gram_hash(&recent[GRAM - tokens..]));
    }
    ballot.majority()
}

fn token_hash(word: &str) -> u64 {
    if word.is_ascii() {
        return finalise(fnv1a(word.bytes().map(|b| b.to_ascii_lowercase())));
    }
    finalise(fnv1a(token(word).bytes()))
}

fn gram_hash(tokens: &[u64]) -> u64 {
    finalise(fnv1a(tokens.iter().flat_map(|hash| hash.to_le_bytes())))
}

fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(FNV_OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
    })
}

fn finalise(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// 64 counters side by side: bit `b` of `planes[p]` is bit `p` of the number of hashes that had bit `b` set. Adding a
/// hash is a ripple-carry addition on all counters at once.
#[derive(Default)]
struct Ballot {
    planes: [u64; 32],
    hashes: u32,
}

impl Ballot {
    fn add(&mut self, hash: u64) {
        self.hashes += 1;
        let mut carry = hash;
        for plane in &mut self.planes {
            if carry == 0 {
                break;
            }
            (*plane, carry) = (*plane ^ carry, *plane & carry);
        }
    }

    /// The bits that more than half of the hashes had set.
    fn majority(&self) -> u64 {
        (0..64).fold(0, |bits, bit| {
            let set = self
                .planes
                .iter()
                .rev()
                .fold(0u64, |n, plane| n << 1 | (plane >> bit & 1));
            bits | u64::from(set * 2 > u64::from(self.hashes)) << bit
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{finalise, fnv1a, simhash};
    use proptest::prelude::*;

    /// `SimHash` as the paper writes it: one signed counter per bit.
    fn plain(text: &str) -> u64 {
        let hash_of = |bytes: &[u8]| finalise(fnv1a(bytes.iter().copied()));
        let tokens: Vec<Vec<u8>> = crate::tokens(text)
            .iter()
            .map(|t| hash_of(t.as_bytes()).to_le_bytes().to_vec())
            .collect();
        let mut counters = [0i64; 64];
        let width = tokens.len().clamp(1, 3);
        for gram in tokens.windows(width) {
            let hash = hash_of(&gram.concat());
            for (bit, counter) in counters.iter_mut().enumerate() {
                *counter += if hash >> bit & 1 == 1 { 1 } else { -1 };
            }
        }
        (0..64)
            .filter(|&bit| counters[bit] > 0)
            .fold(0, |all, bit| all | 1 << bit)
    }

    fn page(replace: Option<&str>) -> String {
        (0..400)
            .map(|n| {
                let word = if n == 200 {
                    replace.map_or_else(|| format!("word{}", n * n % 97), str::to_owned)
                } else {
                    format!("word{}", n * n % 97)
                };
                word + if n % 11 == 10 { ".\n" } else { " " }
            })
            .collect()
    }

    #[test]
    fn fnv1a_gives_the_published_values() {
        assert_eq!(fnv1a(b"".iter().copied()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a".iter().copied()), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn hashes_are_fixed_for_ever() {
        assert_eq!(simhash(""), 0);
        assert_eq!(simhash("… — !"), 0);
        assert_eq!(simhash("one"), 0x7e81_8b5d_c5c6_a50b);
        assert_eq!(simhash("The quick brown fox"), 0x4126_6001_0130_8041);
    }

    #[test]
    fn case_and_punctuation_do_not_count() {
        assert_eq!(
            simhash("Hello, brave new WORLD"),
            simhash("hello brave — new; world!")
        );
        assert_ne!(
            simhash("a b c d"),
            simhash("d c b a"),
            "the order of words does"
        );
    }

    #[test]
    fn near_duplicates_differ_in_few_bits() {
        let (base, edited) = (simhash(&page(None)), simhash(&page(Some("changed"))));
        assert!((base ^ edited).count_ones() <= 6);
        let other: Vec<String> = (0..400).map(|n| format!("term{}", n * 31 % 101)).collect();
        assert!((base ^ simhash(&other.join(" "))).count_ones() >= 16);
    }

    proptest! {
        #[test]
        fn the_sliced_counters_agree_with_plain_ones(text in "([a-cA-C' .漢é]{0,4}){0,60}") {
            prop_assert_eq!(simhash(&text), plain(&text));
        }
    }
}
