//! Text from outside, made fit for a terminal.

/// Whether a character does something to a terminal, or to the text around it, instead of being shown: a control
/// character, one that breaks lines, sets the direction of text, or is not seen at all.
///
/// The joiners that emoji and some scripts need are none.
pub fn is_unprintable(c: char) -> bool {
    // Only the first kind are control characters to Rust: the others are "format" and "separator" to Unicode.
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}')
}

/// The text with its [unprintable](is_unprintable) characters escaped, but for those in `kept`: no name and no plugin can
/// play tricks on a terminal.
pub fn printable(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) && !kept.contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_trick_a_terminal_is_escaped() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}\n", &['\n']),
            "a\\u{1b}[31m\\u{202e}\n"
        );
        assert_eq!(printable("a\nb", &[]), "a\\nb");
        for c in
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202d}\u{2028}\u{2066}\u{2069}\u{feff}\u{9b}".chars()
        {
            assert_eq!(
                printable(&c.to_string(), &['\n']),
                c.escape_default().to_string()
            );
        }
    }

    #[test]
    fn what_scripts_and_emoji_need_is_let_be() {
        let text = "\u{6cc}\u{200c}\u{6a9} \u{1f469}\u{200d}\u{1f680} \u{5d0}é\u{301}";
        assert_eq!(printable(text, &[]), text);
    }
}
