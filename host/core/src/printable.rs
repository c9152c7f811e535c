//! Text from outside, made fit for a terminal.

/// The text with its control characters escaped, but for those in `kept`, and those that reorder what is shown: no name
/// and no plugin can play tricks on a terminal.
pub fn printable(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Direction overrides are no control characters to Rust, but they reorder what a terminal shows.
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if reorders || c.is_control() && !kept.contains(&c) {
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
    }
}
