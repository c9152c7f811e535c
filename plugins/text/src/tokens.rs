//! Words in the form in which they are compared.

/// The words of `text` in lower case, in order, without soft hyphens.
///
/// ```
/// assert_eq!(text::tokens("The QUICK fox's ÉTUDE"), ["the", "quick", "fox's", "étude"]);
/// ```
pub(crate) fn tokens(text: &str) -> Vec<String> {
    words::words(text).map(token).collect()
}

/// The token that `word` stands for.
pub(crate) fn token(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let mut lower = word.to_lowercase();
    lower.retain(|c| c != '\u{ad}');
    lower
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn tokens_are_lower_case_words() {
        assert_eq!(
            tokens("Straße, ΣΊΣΥΦΟΣ & Co\u{ad}Op!"),
            ["straße", "σίσυφος", "coop"]
        );
        assert!(tokens("…").is_empty());
    }

    #[test]
    fn there_are_as_many_tokens_as_words() {
        let text = "It's 東京, 2020; İstanbul — naïve";
        assert_eq!(tokens(text).len(), words::count(text) as usize);
    }
}
