//! Write flowstone plugins in Rust: plain functions, and one line to export them.
//!
//! ```
//! /// Counts things in texts.
//! #[flowstone_sdk::plugin]
//! mod text {
//!     /// A heading and what stands below it.
//!     #[derive(Debug, PartialEq)]
//!     pub struct Section {
//!         pub heading: String,
//!         pub lines: u32,
//!     }
//!
//!     /// Counts the words.
//!     pub fn word_count(text: &str) -> u32 {
//!         text.split_whitespace().count() as u32
//!     }
//!
//!     /// Splits a text at the lines that begin with `#`.
//!     pub fn sections(content: &str) -> Result<Vec<Section>, String> {
//!         let mut sections: Vec<Section> = Vec::new();
//!         for line in content.lines() {
//!             match (line.strip_prefix('#'), sections.last_mut()) {
//!                 (Some(heading), _) => {
//!                     let heading = heading.trim().to_owned();
//!                     sections.push(Section { heading, lines: 0 });
//!                 }
//!                 (None, Some(section)) => section.lines += 1,
//!                 (None, None) => return Err("the text begins without a heading".to_owned()),
//!             }
//!         }
//!         Ok(sections)
//!     }
//! }
//!
//! // Natively they are functions like any other.
//! assert_eq!(text::word_count("to be or not"), 4);
//! assert_eq!(text::sections("# A\none\n").unwrap()[0].lines, 1);
//! assert!(text::WIT.contains("export word-count: func(text: string) -> u32;"));
//! ```
//!
//! Built for `wasm32-wasip2` (`flowstone build`), this is a component that exports `word-count` and `sections`, with
//! their doc comments. `README.md` beside this crate shows which types there are and how a first plugin is made.

#![deny(unsafe_code)]

mod failure;
#[cfg(target_family = "wasm")]
mod host;
pub mod log;
mod row;

pub use failure::Failure;
pub use flowstone_sdk_macros::plugin;
pub use row::{Row, row};

/// What the code that the macro writes needs.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use wit_bindgen;

    /// The types of `flowstone:plugin/types`.
    pub mod types {
        pub use crate::Failure;
    }
}
