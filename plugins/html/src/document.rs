//! What was read of a page, and the answers made from it.

use crate::tokens;
use std::ops::Range;

/// A heading of the readable text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its text on one line.
    pub text: String,
    /// Its `id`; empty when it has none.
    pub anchor: String,
}

/// A link of the whole page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// As written, without space around it.
    pub href: String,
    /// Its text on one line.
    pub text: String,
}

/// A part of the readable text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Place in the page, from 0.
    pub ordinal: u32,
    /// Level of the heading, 1 to 6; 0 before the first heading.
    pub level: u8,
    /// The heading on one line; empty before the first heading.
    pub heading: String,
    /// The heading's `id`; empty when it has none.
    pub anchor: String,
    /// The readable text below the heading.
    pub text: String,
    /// The number of words in `text`.
    pub words: u32,
}

/// All of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The text of the `title` element.
    pub title: String,
    /// The readable text.
    pub text: String,
    /// The number of words in `text`.
    pub words: u32,
    /// The headings of the readable text.
    pub headings: Vec<Heading>,
    /// The links of the whole page.
    pub links: Vec<Link>,
}

/// Where on the page a block stands; the greatest region that a page has is its main text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Region {
    #[default]
    Body,
    Article,
    Main,
}

/// A paragraph, heading, list item, table row ... with text in it.
#[derive(Debug)]
pub(crate) struct Block {
    /// In the text of the document.
    pub(crate) text: Range<usize>,
    pub(crate) region: Region,
    /// Level and anchor of a heading.
    pub(crate) heading: Option<(u8, String)>,
}

/// A page as read.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) title: String,
    /// The text of all blocks, one after the other.
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) links: Vec<Link>,
}

impl Document {
    pub(crate) fn read(content: &str) -> Self {
        tokens::read(content).into_document()
    }

    pub(crate) fn readable(&self) -> String {
        let mut text = String::new();
        for block in self.main() {
            self.append(&mut text, block);
        }
        text
    }

    pub(crate) fn headings(&self) -> Vec<Heading> {
        self.main()
            .filter_map(|block| {
                let (level, anchor) = block.heading.as_ref()?;
                Some(Heading {
                    level: *level,
                    text: self.text(block).to_owned(),
                    anchor: anchor.clone(),
                })
            })
            .collect()
    }

    pub(crate) fn links(self) -> Vec<Link> {
        self.links
    }

    pub(crate) fn page(self) -> Page {
        let text = self.readable();
        Page {
            words: words::count(&text),
            headings: self.headings(),
            title: self.title,
            links: self.links,
            text,
        }
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        let mut current = Section::new(0, String::new(), String::new());
        for block in self.main() {
            if let Some((level, anchor)) = &block.heading {
                let next = Section::new(*level, self.text(block).to_owned(), anchor.clone());
                std::mem::replace(&mut current, next).close(&mut sections);
            } else {
                self.append(&mut current.text, block);
            }
        }
        current.close(&mut sections);
        sections
    }

    /// The blocks of the main text.
    fn main(&self) -> impl Iterator<Item = &Block> {
        let region = self.blocks.iter().map(|block| block.region).max();
        self.blocks
            .iter()
            .filter(move |block| Some(block.region) == region || region == Some(Region::Body))
    }

    fn text(&self, block: &Block) -> &str {
        self.text.get(block.text.clone()).unwrap_or_default()
    }

    fn append(&self, text: &mut String, block: &Block) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(self.text(block));
    }
}

impl Section {
    fn new(level: u8, heading: String, anchor: String) -> Self {
        Self {
            ordinal: 0,
            level,
            heading,
            anchor,
            text: String::new(),
            words: 0,
        }
    }

    fn close(mut self, sections: &mut Vec<Self>) {
        if self.level == 0 && self.text.is_empty() {
            return;
        }
        self.ordinal = sections.len() as u32;
        self.words = words::count(&self.text);
        sections.push(self);
    }
}

#[cfg(test)]
mod tests {
    use super::{Heading, Section};
    use crate::{headings, page, readable, sections};

    const PAGE: &str = "<!doctype html><title> T &lt;1&gt;\n</title><body>
        <nav><h2>Menu</h2><a href=/>Home</a></nav>
        <p>Intro here.
        <h1 id=one>One</h1><p>A b c.<p>D.
        <h2>Two <em>x</em></h2>
        <h2 id=three>Three</h2><ul><li>e<li>f</ul>";

    #[test]
    fn a_page_holds_what_the_other_functions_give() {
        let page = page(PAGE);
        assert_eq!(page.title, "T <1>");
        assert_eq!(page.title, crate::title(PAGE));
        assert_eq!(page.text, readable(PAGE));
        assert_eq!(page.headings, headings(PAGE));
        assert_eq!(page.links, crate::links(PAGE));
        assert_eq!(page.words, 2 + 1 + 3 + 1 + 2 + 1 + 2);
    }

    #[test]
    fn headings_have_level_text_and_anchor() {
        let heading = |level, text: &str, anchor: &str| Heading {
            level,
            text: text.into(),
            anchor: anchor.into(),
        };
        assert_eq!(
            headings(PAGE),
            [
                heading(1, "One", "one"),
                heading(2, "Two x", ""),
                heading(2, "Three", "three")
            ]
        );
    }

    #[test]
    fn sections_split_the_text_at_headings() {
        let section = |ordinal, level, heading: &str, anchor: &str, text: &str, words| Section {
            ordinal,
            level,
            heading: heading.into(),
            anchor: anchor.into(),
            text: text.into(),
            words,
        };
        assert_eq!(
            sections(PAGE),
            [
                section(0, 0, "", "", "Intro here.", 2),
                section(1, 1, "One", "one", "A b c.\n\nD.", 4),
                section(2, 2, "Two x", "", "", 0),
                section(3, 2, "Three", "three", "e\n\nf", 2),
            ]
        );
    }

    #[test]
    fn a_blank_page_has_nothing() {
        let page = page("");
        assert_eq!(
            (page.title.as_str(), page.text.as_str(), page.words),
            ("", "", 0)
        );
        assert!(page.headings.is_empty() && page.links.is_empty());
        assert!(sections(" <div> </div>").is_empty());
    }

    #[test]
    fn main_is_preferred_to_article_and_article_to_the_rest() {
        assert_eq!(
            readable("a<article>b<main>c</main>d</article>e<main>f</main>"),
            "c\n\nf"
        );
        assert_eq!(readable("a<article>b</article><div>c</div>"), "b");
        assert_eq!(readable("<main> </main><p>a"), "a", "an empty main is none");
        assert_eq!(readable("<div role=main>a</div><p>b"), "a");
    }
}
