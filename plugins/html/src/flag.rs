//! What holds for the content of an open element, as bits that go with it on the stack.

use crate::tags::{self, Tag};
use crate::tokens::Attributes;

/// Not part of the readable text.
pub(crate) const SKIP: u16 = 1;
/// Not part of any text.
pub(crate) const DEAD: u16 = 1 << 1;
/// Skipped as the header of a main part: its headings are read all the same.
pub(crate) const HEADER: u16 = 1 << 2;
/// White space is kept.
pub(crate) const PRE: u16 = 1 << 3;
/// In `main`.
pub(crate) const MAIN: u16 = 1 << 4;
/// In `article`.
pub(crate) const ARTICLE: u16 = 1 << 5;
/// SVG or `MathML`, and no place where HTML may stand.
pub(crate) const FOREIGN: u16 = 1 << 6;
/// The element stands apart from what follows.
pub(crate) const BLOCK: u16 = 1 << 7;
/// The element is separated from what follows.
pub(crate) const SPACED: u16 = 1 << 8;
/// The element bounds scopes, and with them a link that was left open inside.
pub(crate) const BOUND: u16 = 1 << 9;

/// What says in which part of the page text stands.
pub(crate) const REGION: u16 = MAIN | ARTICLE;

/// What passes to the elements inside: all but the last three.
pub(crate) const INHERITED: u16 = BLOCK - 1;

/// The flags of an HTML element that is opened in one with the flags `around`.
pub(crate) fn of_content(around: u16, tag: Tag, attributes: &Attributes) -> u16 {
    let mut flags = around & INHERITED;
    for (prop, flag) in [
        (tags::BLOCK, BLOCK),
        (tags::SPACED, SPACED),
        (tags::PRE, PRE),
        (tags::DEAD, DEAD),
        (tags::BOUND, BOUND),
    ] {
        if tag.has(prop) {
            flags |= flag;
        }
    }
    match tag {
        Tag::Main => flags |= MAIN,
        Tag::Article => flags |= ARTICLE,
        Tag::Svg | Tag::Math => flags |= FOREIGN,
        _ => {}
    }
    let mut skip = tag.has(tags::SKIP) || attributes.hidden();
    match attributes.role() {
        Some(b"main") => flags |= MAIN,
        Some(b"navigation" | b"banner" | b"contentinfo" | b"complementary" | b"search") => {
            skip = true;
        }
        _ => {}
    }
    if tag.heading_level().is_some() && flags & HEADER != 0 && !skip {
        flags &= !(SKIP | HEADER);
    } else if tag == Tag::Header && flags & REGION != 0 && flags & SKIP == 0 && !attributes.hidden()
    {
        flags |= SKIP | HEADER;
    } else if skip {
        flags = (flags | SKIP) & !HEADER;
    }
    flags
}
