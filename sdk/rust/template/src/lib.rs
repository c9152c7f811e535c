//! The plugin `plugin-name`: every public function of the module below can be a step of a flow.

pub use self::plugin_name::*;

/// What the plugin offers.
#[flowstone_sdk::plugin]
pub mod plugin_name {
    /// How many words a text has.
    pub fn count(text: &str) -> u32 {
        text.split_whitespace().count() as u32
    }

    /// The first words of a text. Fails when it has none.
    pub fn summary(text: &str, words: u32) -> Result<String, String> {
        let first: Vec<&str> = text.split_whitespace().take(words as usize).collect();
        if first.is_empty() {
            // A reason for the person who runs the flow: the row fails with it.
            return Err("there are no words".to_owned());
        }
        Ok(first.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        assert_eq!(count("one two  three"), 3);
    }

    #[test]
    fn a_summary_has_the_first_words() {
        assert_eq!(summary("one two three", 2), Ok("one two".to_owned()));
        assert!(summary(" ", 2).is_err());
    }
}
