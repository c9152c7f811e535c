//! What counts as a word: the one rule that the text and html plugins share.
//!
//! The rule needs no dictionary and no language tag. A word is a run of alphanumeric characters; marks and
//! joiners continue it, and so does an apostrophe between two alphanumerics. Each CJK ideograph and each kana is a word
//! of its own, since those scripts put no space between words. Scripts that do the same without ideographs (Thai, Lao,
//! Khmer) count one word per unbroken run.
#![forbid(unsafe_code)]

mod class;

use class::Class;

pub use class::is_ideograph;

/// The words of `text`, in order, as slices of it.
///
/// ```
/// let found: Vec<&str> = words::words("Don't panic: 漢字 + e\u{301}tude!").collect();
/// assert_eq!(found, ["Don't", "panic", "漢", "字", "e\u{301}tude"]);
/// ```
pub fn words(text: &str) -> Words<'_> {
    Words { text, at: 0 }
}

/// The number of words in `text`.
///
/// ```
/// assert_eq!(words::count("one two, three"), 3);
/// ```
pub fn count(text: &str) -> u32 {
    let found = if text.is_ascii() {
        count_ascii(text.as_bytes())
    } else {
        words(text).count()
    };
    u32::try_from(found).unwrap_or(u32::MAX)
}

/// The number of words in ASCII text: of letters that neither a letter comes before nor an apostrophe that one comes
/// before. Simple enough to be compiled without branches, which nothing could foretell.
fn count_ascii(text: &[u8]) -> usize {
    let (mut found, mut joins, mut letter) = (0, false, false);
    for &byte in text {
        let is_letter = byte.is_ascii_alphanumeric();
        found += usize::from(is_letter && !letter && !joins);
        joins = letter && byte == b'\'';
        letter = is_letter;
    }
    found
}

/// The iterator that [`words`] returns.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    text: &'a str,
    /// Byte offset of the first character not yet looked at.
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (start, first) = self.skip_to_word()?;
        let end = match first {
            Class::Ideograph => self.skip_marks(),
            _ => self.skip_word(),
        };
        self.text.get(start..end)
    }
}

impl Words<'_> {
    /// Moves to just after the first character of the next word; gives that character's offset and class.
    fn skip_to_word(&mut self) -> Option<(usize, Class)> {
        loop {
            self.skip_ascii(|byte| Class::of_ascii(byte) != Class::Letter);
            let start = self.at;
            let class = self.step()?;
            if matches!(class, Class::Letter | Class::Ideograph) {
                return Some((start, class));
            }
        }
    }

    /// Moves over the rest of a word and gives its end.
    fn skip_word(&mut self) -> usize {
        loop {
            self.skip_ascii(|byte| byte.is_ascii_alphanumeric());
            let end = self.at;
            match self.step() {
                Some(Class::Letter | Class::Mark) => {}
                Some(Class::Apostrophe) => {
                    let after = self.at;
                    if self.step() != Some(Class::Letter) {
                        self.at = after;
                        return end;
                    }
                }
                _ => {
                    self.at = end;
                    return end;
                }
            }
        }
    }

    /// Moves over the marks that belong to an ideograph and gives their end.
    fn skip_marks(&mut self) -> usize {
        loop {
            let end = self.at;
            if self.step() != Some(Class::Mark) {
                self.at = end;
                return end;
            }
        }
    }

    /// Moves over ASCII characters, the quick way.
    #[inline]
    fn skip_ascii(&mut self, skips: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest
            .iter()
            .take_while(|&&byte| byte.is_ascii() && skips(byte))
            .count();
    }

    /// Moves over one character.
    fn step(&mut self) -> Option<Class> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte.is_ascii() {
            self.at += 1;
            return Some(Class::of_ascii(byte));
        }
        let c = self.text.get(self.at..)?.chars().next()?;
        self.at += c.len_utf8();
        Some(Class::of(c))
    }
}

#[cfg(test)]
mod tests {
    use super::{count, words};
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<&str> {
        words(text).collect()
    }

    #[test]
    fn punctuation_and_space_separate_words() {
        assert_eq!(
            list("  Hello, world! snake_case x-ray 3.14\n"),
            ["Hello", "world", "snake", "case", "x", "ray", "3", "14"]
        );
        assert_eq!(list(""), [""; 0]);
        assert_eq!(list(" \n\t…—"), [""; 0]);
    }

    #[test]
    fn an_apostrophe_counts_only_inside_a_word() {
        assert_eq!(
            list("don't ‘quoted’ rock’n’roll dogs' 'tis a''b"),
            ["don't", "quoted", "rock’n’roll", "dogs", "tis", "a", "b"]
        );
    }

    #[test]
    fn combining_marks_and_joiners_stay_inside() {
        assert_eq!(list("e\u{301}te\u{301} x"), ["e\u{301}te\u{301}", "x"]);
        assert_eq!(list("हिन्दी शब्द"), ["हिन्दी", "शब्द"]);
        assert_eq!(list("co\u{ad}operate"), ["co\u{ad}operate"]);
        assert_eq!(list("\u{301} a"), ["a"], "a mark alone starts no word");
    }

    #[test]
    fn each_ideograph_and_kana_is_a_word() {
        assert_eq!(list("東京は2020年"), ["東", "京", "は", "2020", "年"]);
        assert_eq!(
            list("コーヒー"),
            ["コー", "ヒー"],
            "the long-vowel sign belongs to the kana before it"
        );
        assert_eq!(list("か\u{3099}葛\u{e0100}"), ["か\u{3099}", "葛\u{e0100}"]);
        assert_eq!(list("한국어 단어"), ["한국어", "단어"]);
    }

    proptest! {
        #[test]
        fn words_are_disjoint_slices_in_order(text in "\\PC{0,80}") {
            let base = text.as_ptr() as usize;
            let mut end = 0;
            for word in words(&text) {
                let start = word.as_ptr() as usize - base;
                prop_assert!(start >= end && !word.is_empty());
                end = start + word.len();
                prop_assert!(word.chars().next().is_some_and(char::is_alphanumeric));
            }
            prop_assert_eq!(count(&text) as usize, words(&text).count());
        }

        #[test]
        fn words_of_ascii_text_are_counted_alike(text in "[a-c'Z0 .]{0,40}") {
            prop_assert_eq!(count(&text) as usize, words(&text).count());
        }

        #[test]
        fn every_alphanumeric_is_in_a_word(text in any::<String>()) {
            let inside: usize = words(&text).map(|w| w.chars().filter(|c| c.is_alphanumeric()).count()).sum();
            // The two long-vowel signs and voicing marks are alphanumeric to Unicode and marks to this rule, so one
            // that stands alone is in no word.
            let loose = |c: &char| !matches!(c, '\u{30fc}' | '\u{ff70}' | '\u{ff9e}' | '\u{ff9f}');
            let all = text.chars().filter(|c| c.is_alphanumeric()).filter(loose).count();
            prop_assert!(inside >= all);
        }
    }
}
