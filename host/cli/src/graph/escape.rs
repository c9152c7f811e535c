//! Text made safe for each of the three languages. Names come from flow files, stores and data: none may end a label, begin
//! a tag or a directive, or carry a control character.

use std::fmt::Write as _;

/// Text between tags and in quoted attributes of XML.
pub(crate) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Text inside a quoted string of DOT: neither the end of the string, nor an escape sequence, nor an entity.
pub(crate) fn dot(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '&' => escaped.push_str("&amp;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Text inside a quoted label of Mermaid. What could be a tag, an entity, a directive or Markdown goes as a number, since
/// labels are all of these things at once.
pub(crate) fn mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        // Markdown takes a digit and a dot, a plus or a minus for a list, but only at the beginning.
        let harmless = c.is_alphanumeric()
            || matches!(c, ' ' | ',' | '(' | ')' | '/' | '←' | '·' | '…' | '−')
            || matches!(c, '-' | '.' | '=' | '+') && !escaped.is_empty() && !is_number(&escaped)
            // A time of day; after a letter it could begin the name of an icon.
            || c == ':' && escaped.ends_with(|before: char| before.is_ascii_digit());
        if harmless {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}

fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit())
}

/// The text without control characters, and without the two that no XML may hold.
fn plain(text: &str) -> String {
    flowstone::core::printable(text, &[]).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_has_no_tags_left() {
        assert_eq!(
            xml("<script>\"a\" & 'b'</script>\0\u{ffff}"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;\\u{0}\u{fffd}"
        );
    }

    #[test]
    fn dot_strings_do_not_end_early() {
        assert_eq!(dot("a\"];b\\"), "a\\\"];b\\\\");
        assert_eq!(dot("\\N &lt;\n"), "\\\\N &amp;lt;\\\\n");
    }

    #[test]
    fn mermaid_labels_hold_nothing_but_text() {
        assert_eq!(mermaid("words ← text"), "words ← text");
        assert_eq!(mermaid("max-chars = 12.5"), "max-chars = 12.5");
        assert_eq!(mermaid("a\"]"), "a#34;#93;");
        assert_eq!(mermaid("%%{init}"), "#37;#37;#123;init#125;");
        assert_eq!(mermaid("<b>#35;`"), "#60;b#62;#35;35#59;#96;");
        assert_eq!(mermaid("1. one"), "1#46; one");
        assert_eq!(mermaid("- one"), "#45; one");
        assert_eq!(mermaid("12:30 fa:fa-x"), "12:30 fa#58;fa-x");
    }
}
