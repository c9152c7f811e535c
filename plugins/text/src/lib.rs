//! Text transforms: sections, chunks, words, tokens, `SimHash`.
//!
//! This file is only the WIT face of the plugin (`wit/world.wit`); each transform has a module of its own in plain Rust.

mod borders;
mod chunks;
mod markdown;
mod sections;
mod simhash;
mod tokens;

pub use chunks::{Chunk, ChunkError, chunks};
pub use sections::{Section, SectionError, sections};
pub use simhash::simhash;
pub use tokens::tokens;
pub use words::count as word_count;

/// What wit-bindgen makes of the world.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
mod world {
    wit_bindgen::generate!({ world: "text", path: "wit" });
    // Not in native builds: two plugins in one test binary would export the same names.
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "exported only from a component")
)]
struct Plugin;

impl world::Guest for Plugin {
    fn sections(content: String, max_chars: u32) -> Result<Vec<world::Section>, String> {
        match sections(&content, max_chars) {
            Ok(found) => Ok(found.into_iter().map(Into::into).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn chunks(text: String, size: u32, overlap: u32) -> Result<Vec<world::Chunk>, String> {
        match chunks(&text, size, overlap) {
            Ok(found) => Ok(found.into_iter().map(Into::into).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn word_count(text: String) -> u32 {
        word_count(&text)
    }

    fn tokens(text: String) -> Vec<String> {
        tokens(&text)
    }

    fn simhash(text: String) -> i64 {
        simhash(&text).cast_signed()
    }
}

impl From<Section> for world::Section {
    fn from(section: Section) -> Self {
        let Section {
            ordinal,
            level,
            heading,
            path,
            text,
        } = section;
        Self {
            ordinal,
            level,
            heading,
            path,
            text,
        }
    }
}

impl From<Chunk<'_>> for world::Chunk {
    fn from(chunk: Chunk<'_>) -> Self {
        Self {
            ordinal: chunk.ordinal,
            start: chunk.start,
            text: chunk.text.to_owned(),
        }
    }
}
