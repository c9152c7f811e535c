//! Overlapping parts of a bounded size, for embedding and search.

use crate::borders::{Borders, Rank};
use std::fmt;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    /// Place in the text, from 0.
    pub(crate) ordinal: u32,
    /// Byte offset in the text.
    pub(crate) start: u32,
    /// The part itself: `&whole[start..start + text.len()]`.
    pub(crate) text: &'a str,
}

/// Why a text cannot be split as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// A part of no characters is none.
    NoSize,
    /// The next part would start no later than this one.
    Overlap {
        /// Characters asked for in a part.
        size: u32,
        /// Characters asked for in common.
        overlap: u32,
    },
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSize => write!(f, "size must be at least 1"),
            Self::Overlap { size, overlap } => {
                write!(f, "overlap ({overlap}) must be smaller than size ({size})")
            }
        }
    }
}

impl std::error::Error for ChunkError {}

/// Splits `text` into parts of at most `size` characters (Unicode scalar values).
///
/// A part ends at the last sentence border in its latter half, else at the last word border, else where it is full. The
/// next one starts `overlap` characters before that end, moved forward to the start of a word where there is one. The parts
/// cover the text: none starts after the end of the one before. White space stays with what it follows. An empty text
/// has no parts.
///
/// # Errors
///
/// [`ChunkError`] when `size` is 0 or `overlap` is not smaller.
pub(crate) fn chunks(text: &str, size: u32, overlap: u32) -> Result<Vec<Chunk<'_>>, ChunkError> {
    if size == 0 {
        return Err(ChunkError::NoSize);
    }
    if overlap >= size {
        return Err(ChunkError::Overlap { size, overlap });
    }
    let mut parts = Vec::new();
    if text.is_empty() {
        return Ok(parts);
    }
    let borders = Borders::of_text(text);
    let (size, overlap) = (size as usize, overlap as usize);
    let (mut start, mut end) = (0, 0);
    loop {
        end = chunk_end(&borders, start, end, size);
        let from = borders.offset(start);
        parts.push(Chunk {
            ordinal: parts.len() as u32,
            start: from as u32,
            text: text.get(from..borders.offset(end)).unwrap_or_default(),
        });
        if end == borders.chars() {
            return Ok(parts);
        }
        start = next_start(&borders, start, end, overlap);
    }
}

/// Where the part that begins at `start` ends. Always after `covered`, where the part before ended: else a border that two
/// parts reach would be taken twice and nothing would move on.
fn chunk_end(borders: &Borders, start: usize, covered: usize, size: usize) -> usize {
    let full = start.saturating_add(size);
    if full >= borders.chars() {
        return borders.chars();
    }
    let half = start + size.div_ceil(2);
    let candidates = covered.max(start) + 1..=full;
    let last_at_least = |rank: Rank, lowest: usize| {
        candidates
            .clone()
            .rev()
            .take_while(|&position| position >= lowest)
            .find(|&position| borders.rank(position) >= rank)
    };
    last_at_least(Rank::Sentence, half)
        .or_else(|| last_at_least(Rank::Word, 0))
        .unwrap_or(full)
}

/// Where the part after `start..end` begins: after `start`, and at `end` at the latest.
fn next_start(borders: &Borders, start: usize, end: usize, overlap: usize) -> usize {
    let earliest = end.saturating_sub(overlap).max(start + 1);
    (earliest..=end)
        .find(|&position| borders.starts_word(position))
        .unwrap_or(earliest)
}

#[cfg(test)]
mod tests {
    use super::{ChunkError, chunks};
    use proptest::prelude::*;

    fn parts(text: &str, size: u32, overlap: u32) -> Vec<&str> {
        chunks(text, size, overlap)
            .unwrap()
            .iter()
            .map(|c| c.text)
            .collect()
    }

    #[test]
    fn a_short_text_is_one_part() {
        assert_eq!(parts("Hello there.", 100, 10), ["Hello there."]);
        assert!(parts("", 5, 0).is_empty());
    }

    #[test]
    fn parts_end_at_sentences_in_the_latter_half() {
        assert_eq!(
            parts("One two three. Four five six. Seven.", 20, 0),
            ["One two three. ", "Four five six. ", "Seven."]
        );
    }

    #[test]
    fn else_at_words_else_anywhere() {
        assert_eq!(
            parts("A. bb ccc dddd eeeee", 12, 0),
            ["A. bb ccc ", "dddd eeeee"]
        );
        assert_eq!(parts("abcdefghij", 4, 0), ["abcd", "efgh", "ij"]);
        assert_eq!(parts("ab cdefghij", 4, 0), ["ab ", "cdef", "ghij"]);
    }

    #[test]
    fn the_overlap_starts_at_a_word() {
        assert_eq!(
            parts("one two three four five six", 14, 7),
            ["one two three ", "three four ", "four five six"]
        );
        assert_eq!(parts("abcdefgh", 4, 2), ["abcd", "cdef", "efgh"]);
    }

    #[test]
    fn a_part_may_end_before_space_that_does_not_fit() {
        assert_eq!(
            parts("Hello world. Again", 12, 0),
            ["Hello world.", " Again"]
        );
    }

    #[test]
    fn sizes_count_characters_not_bytes() {
        assert_eq!(parts("éééé", 2, 0), ["éé", "éé"]);
        assert_eq!(
            parts("東京は暑い。大阪も暑い。", 8, 0),
            ["東京は暑い。", "大阪も暑い。"]
        );
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert_eq!(chunks("a", 0, 0), Err(ChunkError::NoSize));
        assert_eq!(
            chunks("a", 4, 4),
            Err(ChunkError::Overlap {
                size: 4,
                overlap: 4
            })
        );
        assert_eq!(
            chunks("a", 4, 5).unwrap_err().to_string(),
            "overlap (5) must be smaller than size (4)"
        );
        assert!(chunks("a", u32::MAX, u32::MAX - 1).is_ok());
    }

    #[test]
    fn a_huge_overlap_still_ends() {
        let text = "One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten.";
        let found = parts(text, 20, 19);
        assert!(found.len() <= text.len());
        assert!(text.ends_with(found[found.len() - 1]));
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "([a-zA-Zé]{1,9}[.!?,]?[ \n]{1,3}){0,40}",
            "[a-c漢字。「」 .\n\u{301}]{0,120}",
        ]
    }

    proptest! {
        #[test]
        fn parts_cover_the_text_within_their_size(text in any_text(), size in 1u32..40, share in 0.0f64..1.0) {
            let overlap = (f64::from(size) * share) as u32;
            let found = chunks(&text, size, overlap.min(size - 1)).unwrap();
            let mut covered = 0;
            for (n, part) in found.iter().enumerate() {
                let start = part.start as usize;
                prop_assert_eq!(part.ordinal as usize, n);
                prop_assert_eq!(text.get(start..start + part.text.len()), Some(part.text));
                prop_assert!((1..=size as usize).contains(&part.text.chars().count()));
                prop_assert!(start <= covered, "a gap before {}", start);
                let shared = text[start..covered].chars().count();
                prop_assert!(shared <= overlap as usize);
                prop_assert!(start + part.text.len() > covered, "no progress");
                covered = start + part.text.len();
            }
            prop_assert_eq!(covered, text.len());
        }

        #[test]
        fn without_overlap_the_parts_join_to_the_text(text in any_text(), size in 1u32..40) {
            prop_assert_eq!(parts(&text, size, 0).concat(), text);
        }
    }
}
