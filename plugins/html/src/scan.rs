//! The tokenizer's input: bytes of a string, searched eight at a time.

use html5gum::Reader;
use std::convert::Infallible;

/// Reads a page for html5gum. Its own string reader looks at one byte at a time, which costs half of the parse.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(content: &'a str) -> Self {
        Self {
            rest: content.as_bytes(),
        }
    }
}

impl Reader for Bytes<'_> {
    type Error = Infallible;

    #[inline]
    fn read_byte(&mut self) -> Result<Option<u8>, Infallible> {
        Ok(self.rest.split_off_first().copied())
    }

    #[inline]
    fn try_read_string(&mut self, wanted: &[u8], case_sensitive: bool) -> Result<bool, Infallible> {
        // Character references are tried one name after the other, a hundred per `&lt;`: look at one byte before all.
        match (self.rest.first(), wanted.first()) {
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
            _ => return Ok(wanted.is_empty()),
        }
        let Some((head, rest)) = self.rest.split_at_checked(wanted.len()) else {
            return Ok(false);
        };
        let found = if case_sensitive {
            head == wanted
        } else {
            head.eq_ignore_ascii_case(wanted)
        };
        if found {
            self.rest = rest;
        }
        Ok(found)
    }

    #[inline]
    fn read_until<'b>(
        &'b mut self,
        needles: &[u8],
        _: &'b mut [u8; 4],
    ) -> Result<Option<&'b [u8]>, Infallible> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        // A needle at once is handed over alone, else what comes before the next one.
        let len = find(needles, self.rest).unwrap_or(self.rest.len()).max(1);
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(Some(head))
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first place in `hay` with one of `needles`.
#[inline]
fn find(needles: &[u8], hay: &[u8]) -> Option<usize> {
    // With more needles (names of tags and attributes) the runs are short, and eight comparisons per word do not pay.
    if needles.len() > 4 {
        return hay.iter().position(|byte| needles.contains(byte));
    }
    let (words, tail) = hay.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The classic zero-byte test. It may also mark bytes above a real hit, never below the first one.
        let mut hits = 0;
        for &needle in needles {
            let differs = word ^ (ONES * u64::from(needle));
            hits |= differs.wrapping_sub(ONES) & !differs;
        }
        hits &= HIGHS;
        if hits != 0 {
            return Some(n * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    let done = hay.len() - tail.len();
    tail.iter()
        .position(|byte| needles.contains(byte))
        .map(|n| done + n)
}

#[cfg(test)]
mod tests {
    use super::{Bytes, find};
    use html5gum::Reader;
    use proptest::prelude::*;

    #[test]
    fn strings_are_read_whole_or_not_at_all() {
        let mut bytes = Bytes::new("DOCtype");
        assert_eq!(bytes.try_read_string(b"doctypes", false), Ok(false));
        assert_eq!(bytes.try_read_string(b"doc", true), Ok(false));
        assert_eq!(bytes.try_read_string(b"doc", false), Ok(true));
        assert_eq!(bytes.read_byte(), Ok(Some(b't')));
        assert_eq!(bytes.try_read_string(b"ype", true), Ok(true));
        assert_eq!(bytes.read_byte(), Ok(None));
    }

    #[test]
    fn a_needle_comes_alone() {
        let mut bytes = Bytes::new("ab<<c");
        let mut next = || {
            bytes
                .read_until(b"<", &mut [0; 4])
                .unwrap()
                .map(<[u8]>::to_vec)
        };
        let parts = [next(), next(), next(), next(), next()];
        assert_eq!(
            parts.map(|part| part.map(|b| String::from_utf8(b).unwrap())),
            [
                Some("ab".into()),
                Some("<".into()),
                Some("<".into()),
                Some("c".into()),
                None
            ]
        );
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            hay in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4, 0x7eu8..0x83], 0..64),
            needles in prop::collection::vec(prop_oneof![0u8..4, 0x7eu8..0x83], 1..7),
        ) {
            prop_assert_eq!(find(&needles, &hay), hay.iter().position(|b| needles.contains(b)));
        }
    }
}
