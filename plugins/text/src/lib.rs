//! Text transforms: sections, chunks, words, tokens, `SimHash`.
//!
//! The module `text` is the plugin; each transform has a module of its own in plain Rust.

mod borders;
mod chunks;
mod markdown;
mod sections;
mod simhash;
mod tokens;

pub use self::text::*;

/// Transforms of plain text and Markdown: splitting, counting, near-duplicate fingerprints.
#[flowstone_sdk::plugin(package = "flowstone:text@0.1.0")]
pub mod text {
    use crate::{chunks as chunk, sections as section, simhash as hash, tokens as token};

    /// A part of a Markdown page.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Section {
        /// Place in the page, from 0.
        pub ordinal: u32,
        /// Level of the heading, 1 to 6; 0 for what stands before the first heading.
        pub level: u8,
        /// The heading as plain text; empty before the first heading.
        pub heading: String,
        /// The headings from the outermost down to this one, as in `Guide > Install > Linux`.
        pub path: String,
        /// The Markdown source below the heading.
        pub text: String,
    }

    /// A part of a text.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Chunk {
        /// Place in the text, from 0.
        pub ordinal: u32,
        /// Where it starts in the text, in bytes of UTF-8.
        pub start: u32,
        /// The part itself, unchanged.
        pub text: String,
    }

    /// Splits a Markdown page at its headings, and a section of more than `max-chars` characters at paragraphs, sentences,
    /// then words.
    ///
    /// # Errors
    ///
    /// When `max-chars` is 0.
    pub fn sections(content: &str, max_chars: u32) -> Result<Vec<Section>, String> {
        section::sections(content, max_chars).map_err(|error| error.to_string())
    }

    /// Splits a text into parts of at most `size` characters that share about `overlap` characters with the part before.
    ///
    /// # Errors
    ///
    /// When `overlap` is not smaller than `size`.
    pub fn chunks(text: &str, size: u32, overlap: u32) -> Result<Vec<Chunk>, String> {
        let parts = chunk::chunks(text, size, overlap).map_err(|error| error.to_string())?;
        let owned = |part: chunk::Chunk<'_>| Chunk {
            ordinal: part.ordinal,
            start: part.start,
            text: part.text.to_owned(),
        };
        Ok(parts.into_iter().map(owned).collect())
    }

    /// Counts the words, in any language.
    pub fn word_count(text: &str) -> u32 {
        words::count(text)
    }

    /// Lists the words in lower case.
    pub fn tokens(text: &str) -> Vec<String> {
        token::tokens(text)
    }

    /// A 64-bit `SimHash` of the word triples: near-duplicates differ in few bits. 0 for a text without words.
    pub fn simhash(text: &str) -> i64 {
        hash::simhash(text).cast_signed()
    }
}
