//! HTML transforms: title, readable text, headings, links.
//!
//! This file is only the WIT face of the plugin (`wit/world.wit`). Behind it, a page goes through four modules: `tokens`
//! (html5gum, the WHATWG tokenizer) feeds `reader`, which keeps the open elements in a `stack` by the `rules` of tree
//! construction that matter to text, and writes into a `flow` (white space, blocks); `document` answers from the result.

mod document;
mod flag;
mod flow;
mod reader;
mod rules;
mod scan;
mod stack;
mod tags;
mod tokens;

pub use document::{Heading, Link, Page, Section};

use document::Document;

/// The text of the `title` element, on one line; empty when there is none.
///
/// ```
/// assert_eq!(html::title("<title>A &amp;\n B</title>"), "A & B");
/// ```
pub fn title(content: &str) -> String {
    tokens::title(content)
}

/// The main text, a blank line between blocks.
///
/// ```
/// let page = "<nav>Menu</nav><main><h1>Hi</h1><p>One<br>two <b>th</b>ree</main>";
/// assert_eq!(html::readable(page), "Hi\n\nOne\ntwo three");
/// ```
pub fn readable(content: &str) -> String {
    Document::read(content).readable()
}

/// The headings of the readable text, in order.
pub fn headings(content: &str) -> Vec<Heading> {
    Document::read(content).headings()
}

/// The links (`a` with an `href`) of the whole page, in order.
///
/// ```
/// let found = html::links("<nav><a href=/>Home<img></a></nav>");
/// assert_eq!((found[0].href.as_str(), found[0].text.as_str()), ("/", "Home"));
/// ```
pub fn links(content: &str) -> Vec<Link> {
    Document::read(content).links()
}

/// Title, readable text, headings and links in one parse.
pub fn page(content: &str) -> Page {
    Document::read(content).page()
}

/// The readable text, split at its headings.
///
/// What stands before the first heading is a section of level 0, left out when blank; a heading with nothing below keeps
/// its section.
pub fn sections(content: &str) -> Vec<Section> {
    Document::read(content).sections()
}

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
    wit_bindgen::generate!({ world: "html", path: "wit" });
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
    fn title(content: String) -> String {
        title(&content)
    }

    fn readable(content: String) -> String {
        readable(&content)
    }

    fn headings(content: String) -> Vec<world::Heading> {
        headings(&content).into_iter().map(Into::into).collect()
    }

    fn links(content: String) -> Vec<world::Link> {
        links(&content).into_iter().map(Into::into).collect()
    }

    fn page(content: String) -> world::Page {
        let page = page(&content);
        world::Page {
            title: page.title,
            text: page.text,
            words: page.words,
            headings: page.headings.into_iter().map(Into::into).collect(),
            links: page.links.into_iter().map(Into::into).collect(),
        }
    }

    fn sections(content: String) -> Vec<world::Section> {
        sections(&content).into_iter().map(Into::into).collect()
    }
}

impl From<Heading> for world::Heading {
    fn from(heading: Heading) -> Self {
        Self {
            level: heading.level,
            text: heading.text,
            anchor: heading.anchor,
        }
    }
}

impl From<Link> for world::Link {
    fn from(link: Link) -> Self {
        Self {
            href: link.href,
            text: link.text,
        }
    }
}

impl From<Section> for world::Section {
    fn from(section: Section) -> Self {
        Self {
            ordinal: section.ordinal,
            level: section.level,
            heading: section.heading,
            anchor: section.anchor,
            text: section.text,
            words: section.words,
        }
    }
}
