//! Text transforms: sections, chunks, words, tokens, `SimHash`.
//!
//! The module `text` is the plugin; each transform has a module of its own in plain Rust.

mod borders;
mod chunks;
mod markdown;
mod sections;
mod simhash;
mod tokens;

pub use text::*;

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
    /// then words. Fails when `max-chars` is 0.
