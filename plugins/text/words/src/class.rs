//! The class of one character, as far as word borders go.
//!
//! The standard library knows alphanumerics. It does not know marks that are not alphabetic (accents, viramas, vowel
//! points), so their ranges stand here, made from the general categories Mn, Mc and Me of the Unicode character database;
//! what lies between two of them in one range is alphabetic or unassigned and never looked up.

/// What a character does at a word border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Starts or continues a word.
    Letter,
    /// Is a word of its own.
    Ideograph,
    /// Continues a word but starts none.
    Mark,
    /// Continues a word when a letter follows.
    Apostrophe,
    /// Ends a word.
    Other,
}

impl Class {
    pub(crate) fn of_ascii(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Self::Letter,
            b'\'' => Self::Apostrophe,
            _ => Self::Other,
        }
    }

    pub(crate) fn of(c: char) -> Self {
        match c {
            '\'' | '\u{2019}' | '\u{ff07}' => Self::Apostrophe,
            // Soft hyphen, zero-width joiners, and the kana signs that lengthen or voice what precedes them.
            '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{30fc}' | '\u{ff70}' | '\u{ff9e}'
            | '\u{ff9f}' => Self::Mark,
            _ if is_ideograph(c) => Self::Ideograph,
            _ if c.is_alphanumeric() => Self::Letter,
            _ if is_mark(c) => Self::Mark,
            _ => Self::Other,
        }
    }
}

/// Whether `c` is a CJK ideograph or a kana: a word of its own, with a border on both sides.
///
/// ```
/// assert!(words::is_ideograph('漢') && words::is_ideograph('か'));
/// assert!(!words::is_ideograph('k') && !words::is_ideograph('한'));
/// ```
pub fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}' | '\u{3038}'..='\u{303c}'
        | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fd}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff6f}' | '\u{ff71}'..='\u{ff9d}' | '\u{1aff0}'..='\u{1b16f}'
        | '\u{20000}'..='\u{323af}')
        && c.is_alphanumeric()
}

fn is_mark(c: char) -> bool {
    let code = c as u32;
    let after = MARKS.partition_point(|&(first, _)| first <= code);
    after > 0 && MARKS.get(after - 1).is_some_and(|&(_, last)| code <= last)
}

/// Inclusive ranges, ascending.
#[rustfmt::skip]
const MARKS: &[(u32, u32)] = &[
    (0x0300, 0x0362), (0x0483, 0x0489), (0x0591, 0x05AF), (0x0658, 0x0658), (0x06DF, 0x06E0),
    (0x06EA, 0x06EC), (0x0740, 0x074A), (0x07EB, 0x07F3), (0x07FD, 0x07FD), (0x0818, 0x082D),
    (0x0859, 0x085B), (0x0898, 0x089F), (0x08CA, 0x08E1), (0x08EA, 0x08EF), (0x093C, 0x0954),
    (0x09BC, 0x09CD), (0x09FE, 0x09FE), (0x0A3C, 0x0A4D), (0x0ABC, 0x0ACD), (0x0AFD, 0x0AFF),
    (0x0B3C, 0x0B55), (0x0BCD, 0x0BCD), (0x0C3C, 0x0C4D), (0x0CBC, 0x0CCD), (0x0D3B, 0x0D4D),
    (0x0DCA, 0x0DCA), (0x0E47, 0x0E4E), (0x0EBA, 0x0ECC), (0x0F18, 0x0F19), (0x0F35, 0x0F35),
    (0x0F37, 0x0F37), (0x0F39, 0x0F39), (0x0F3E, 0x0F3F), (0x0F84, 0x0F84), (0x0F86, 0x0F87),
    (0x0FC6, 0x0FC6), (0x1037, 0x103A), (0x135D, 0x135F), (0x1714, 0x1734), (0x17B4, 0x17D3),
    (0x17DD, 0x17DD), (0x180B, 0x180D), (0x180F, 0x180F), (0x1939, 0x193B), (0x1A60, 0x1A7F),
    (0x1AB0, 0x1ACB), (0x1B34, 0x1B44), (0x1B6B, 0x1B73), (0x1BAA, 0x1BAB), (0x1BE6, 0x1BF3),
    (0x1C37, 0x1C37), (0x1CD0, 0x1CD2), (0x1CD4, 0x1CF9), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0),
    (0x2CEF, 0x2CF1), (0x2D7F, 0x2D7F), (0x302A, 0x302F), (0x3099, 0x309A), (0xA66F, 0xA672),
    (0xA67C, 0xA67D), (0xA6F0, 0xA6F1), (0xA806, 0xA806), (0xA82C, 0xA82C), (0xA8C4, 0xA8C4),
    (0xA8E0, 0xA8F1), (0xA92B, 0xA92D), (0xA953, 0xA953), (0xA9B3, 0xA9C0), (0xAABF, 0xAAC1),
    (0xAAF6, 0xAAF6), (0xABEC, 0xABED), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0x101FD, 0x101FD),
    (0x102E0, 0x102E0), (0x10A38, 0x10A3F), (0x10AE5, 0x10AE6), (0x10F46, 0x10F50), (0x10F82, 0x10F85),
    (0x11046, 0x11046), (0x11070, 0x1107F), (0x110B9, 0x110BA), (0x11133, 0x11134), (0x11173, 0x11173),
    (0x111C0, 0x111C0), (0x111C9, 0x111CC), (0x11235, 0x11236), (0x112E9, 0x112EA), (0x1133B, 0x11374),
    (0x11442, 0x11446), (0x1145E, 0x1145E), (0x114C2, 0x114C3), (0x115BF, 0x115C0), (0x1163F, 0x1163F),
    (0x116B6, 0x116B7), (0x1172B, 0x1172B), (0x11839, 0x1183A), (0x1193D, 0x11943), (0x119E0, 0x119E0),
    (0x11A33, 0x11A34), (0x11A47, 0x11A47), (0x11A98, 0x11A99), (0x11C3F, 0x11C3F), (0x11D42, 0x11D45),
    (0x11D97, 0x11D97), (0x16AF0, 0x16AF4), (0x16B30, 0x16B36), (0x16FE4, 0x16FE4), (0x1BC9D, 0x1BC9D),
    (0x1CF00, 0x1CF46), (0x1D165, 0x1D169), (0x1D16D, 0x1D172), (0x1D17B, 0x1D182), (0x1D185, 0x1D18B),
    (0x1D1AA, 0x1D1AD), (0x1D242, 0x1D244), (0x1DA00, 0x1DA36), (0x1DA3B, 0x1DA6C), (0x1DA75, 0x1DA75),
    (0x1DA84, 0x1DA84), (0x1DA9B, 0x1DAAF), (0x1E130, 0x1E136), (0x1E2AE, 0x1E2AE), (0x1E2EC, 0x1E2EF),
    (0x1E8D0, 0x1E8D6), (0x1E944, 0x1E94A), (0xE0100, 0xE01EF),
];

#[cfg(test)]
mod tests {
    use super::{Class, MARKS};

    #[test]
    fn mark_ranges_ascend_and_do_not_meet() {
        assert!(MARKS.iter().all(|&(first, last)| first <= last));
        assert!(MARKS.windows(2).all(|w| w[0].1 < w[1].0));
    }

    #[test]
    fn classes_of_some_characters() {
        for (c, class) in [
            ('é', Class::Letter),
            ('ß', Class::Letter),
            ('٣', Class::Letter),
            ('\u{301}', Class::Mark),
            ('\u{94d}', Class::Mark),
            ('\u{fe0f}', Class::Mark),
            ('字', Class::Ideograph),
            ('ｱ', Class::Ideograph),
            ('’', Class::Apostrophe),
            ('—', Class::Other),
            ('。', Class::Other),
            ('😀', Class::Other),
        ] {
            assert_eq!(Class::of(c), class, "{c:?}");
        }
    }

    #[test]
    fn ascii_has_the_same_classes_on_both_paths() {
        for byte in 0..128u8 {
            assert_eq!(Class::of_ascii(byte), Class::of(char::from(byte)));
        }
    }
}
