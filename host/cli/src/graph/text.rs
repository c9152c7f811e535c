//! How wide text is, without a font at hand: the widths of Helvetica, which its many look-alikes share, rounded up.

use unicode_width::UnicodeWidthChar;

/// Other fonts that a viewer may put in place are wider than Helvetica.
const MARGIN: f64 = 1.06;

/// How wide a text is drawn, in the unit of the font's `size`.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size * MARGIN
}

/// The text, cut with an ellipsis where it would be wider than `width_max`.
pub(crate) fn fitted(text: &str, size: f64, width_max: f64) -> String {
    let limit = width_max / (size * MARGIN);
    let (mut used, mut kept) = (0.0, 0);
    for (at, c) in text.char_indices() {
        used += em(c);
        if used > limit {
            return format!("{}…", text[..kept].trim_end());
        }
        if used + em('…') <= limit {
            kept = at + c.len_utf8();
        }
    }
    text.to_owned()
}

/// The width of a character in ems.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' => 0.222,
        '|' => 0.26,
        'f' | 't' | 'I' | ' ' | '.' | ',' | ':' | ';' | '!' | '/' | '\\' | '[' | ']' => 0.278,
        'r' | '-' | '(' | ')' | '{' | '}' | '`' | '·' => 0.334,
        '"' => 0.355,
        '*' => 0.389,
        '^' => 0.469,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' => 0.5,
        '+' | '<' | '>' | '=' | '~' | '−' => 0.584,
        'F' | 'L' | 'T' | 'Z' => 0.611,
        'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' | '&' => 0.667,
        'w' | 'C' | 'D' | 'H' | 'N' | 'R' | 'U' => 0.722,
        'G' | 'O' | 'Q' => 0.778,
        'm' | 'M' => 0.833,
        '%' => 0.889,
        'W' => 0.944,
        '←' | '→' | '…' => 1.0,
        '@' => 1.015,
        _ if c.is_ascii() => 0.556,
        // Combining marks have no width of their own; ideographs and pictures fill a square.
        _ => match c.width() {
            Some(0) | None => 0.0,
            Some(1) => 0.65,
            Some(_) => 1.05,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_fits_stays_as_it_is() {
        assert_eq!(fitted("section", 14.0, 100.0), "section");
        assert_eq!(fitted("", 14.0, 0.0), "");
    }

    #[test]
    fn text_that_is_cut_fits() {
        for text in [
            "a name that nobody would want to draw in full",
            "WWWWWWWWWW",
            "日本語日本語日本語",
        ] {
            let cut = fitted(text, 12.0, 60.0);
            assert!(cut.ends_with('…') && cut.chars().count() > 2, "{cut}");
            assert!(width(&cut, 12.0) <= 60.0, "{cut}");
        }
    }

    #[test]
    fn wide_characters_are_wider_than_marks() {
        assert!(width("日", 10.0) > width("m", 10.0));
        assert!(width("e\u{301}", 10.0) - width("e", 10.0) < 0.01);
    }
}
