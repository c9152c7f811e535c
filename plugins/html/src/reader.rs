//! Reads a page: the rules of tree construction that matter to text, with no tree.
//!
//! After WHATWG HTML, section 13.2.6: implied end tags, scopes, tables, select, SVG and `MathML` with their ways back to HTML.
//! Not followed, since it makes no text better: foster parenting (text between table rows stays where it stands) and frames.

use crate::document::{Block, Document, Link, Region};
use crate::flag;
use crate::flow::{Flow, Gap, Mark, to_string};
use crate::rules;
use crate::stack::{Scope, Stack};
use crate::tags::{BLOCK, BREAKOUT, SPACED, TABLE_PART, Tag, VOID};
use crate::tokens::Attributes;
use html5gum::State;

/// A heading being read.
struct OpenHeading {
    /// Index of its element.
    element: usize,
    level: u8,
    anchor: String,
}

/// A link being read. It goes on until it is ended by name or the next one starts: the standard opens it again in every block
/// that follows, where it makes many links of what was written as one.
struct OpenLink {
    /// Index of its element, which may be closed by now.
    element: usize,
    href: String,
    /// Where it starts in the readable text.
    mark: Mark,
}

/// The title, of which only the first counts.
enum Title {
    None,
    Open(usize),
    Done(String),
}

/// Takes the tokens of a page and makes its [`Document`].
pub(crate) struct Reader {
    stack: Stack,
    /// The flags of the innermost element.
    flags: u16,
    /// Whether a line break here is the one that HTML ignores at the start of `pre`.
    after_pre: bool,
    body: Flow,
    region: Region,
    blocks: Vec<Block>,
    heading: Option<OpenHeading>,
    /// The one link or title that is being read.
    line: Flow,
    link: Option<OpenLink>,
    links: Vec<Link>,
    title: Title,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            stack: Stack::new(),
            flags: 0,
            after_pre: false,
            body: Flow::default(),
            region: Region::Body,
            blocks: Vec::new(),
            heading: None,
            line: Flow::default(),
            link: None,
            links: Vec::new(),
            title: Title::None,
        }
    }

    pub(crate) fn has_title(&self) -> bool {
        matches!(self.title, Title::Done(_))
    }

    pub(crate) fn into_title(self) -> String {
        match self.title {
            Title::Done(title) => title,
            _ => String::new(),
        }
    }

    pub(crate) fn into_document(self) -> Document {
        Document {
            title: match self.title {
                Title::Done(title) => title,
                _ => String::new(),
            },
            text: self.body.into_text(),
            blocks: self.blocks,
            links: self.links,
        }
    }

    /// Whether markup here is that of SVG or `MathML`.
    pub(crate) fn in_foreign(&self) -> bool {
        self.flags & flag::FOREIGN != 0
    }

    /// The page is at its end.
    pub(crate) fn finish(&mut self) {
        self.pop_to(0);
        self.end_link();
        self.end_block();
    }

    /// A piece of text.
    pub(crate) fn text(&mut self, mut text: &[u8]) {
        if std::mem::take(&mut self.after_pre) {
            text = text.strip_prefix(b"\n").unwrap_or(text);
        }
        if let Title::Open(_) = self.title {
            self.line.push(text);
            return;
        }
        if self.flags & flag::DEAD != 0 || text == b"\0" {
            return;
        }
        if self.link.is_some() {
            self.line.push(text);
        }
        if self.flags & flag::SKIP != 0 {
            return;
        }
        if self.body.is_empty() {
            self.region = self.current_region();
        }
        if self.flags & flag::PRE != 0 && self.heading.is_none() {
            self.body.push_raw(text);
        } else {
            self.body.push(text);
        }
    }

    /// A start tag. Gives how the tokenizer is to read on, when not as markup.
    pub(crate) fn start_tag(
        &mut self,
        name: &[u8],
        attributes: &Attributes,
        self_closing: bool,
    ) -> Option<State> {
        self.after_pre = false;
        let tag = Tag::of(name);
        if self.in_foreign() {
            if !tag.has(BREAKOUT) {
                self.start_foreign(tag, name, self_closing);
                return None;
            }
            self.leave_foreign();
        }
        if tag.has(TABLE_PART) && self.stack.find_tag(Tag::Table, Scope::Table).is_none() {
            return None;
        }
        let select = self.stack.find_tag(Tag::Select, Scope::Default);
        if let (Tag::Select, Some(index)) = (tag, select) {
            // Meant as an end tag, says the standard.
            self.pop_to(index);
            return None;
        }
        for rule in rules::ENDED_BY_START_TAG {
            if let Some(index) = rule(&self.stack, tag) {
                self.pop_to(index);
            }
        }
        match tag {
            // A page has one of each, whether written or not.
            Tag::Html | Tag::Head | Tag::Body | Tag::Frameset => return None,
            Tag::Br => self.line_break(),
            // Its end tag closes the form, but no element in it: so it is no place on the stack.
            Tag::Form => self.boundary(),
            _ if tag.has(VOID) => self.separate(tag.props()),
            _ => {
                self.open(tag, name, attributes);
                if matches!(tag, Tag::Svg | Tag::Math) && self_closing {
                    self.pop();
                }
                return tag.content();
            }
        }
        None
    }

    /// An end tag.
    pub(crate) fn end_tag(&mut self, name: &[u8]) {
        self.after_pre = false;
        let tag = Tag::of(name);
        let Some(key) = self.stack.known_key(tag, name) else {
            return;
        };
        if self.in_foreign() {
            if matches!(tag, Tag::P | Tag::Br) {
                self.leave_foreign();
            } else if let Some(index) = self.stack.find(key, Scope::Foreign) {
                self.pop_to(index);
                return;
            }
        }
        match tag {
            Tag::Br => self.line_break(),
            Tag::Form => self.boundary(),
            Tag::P if self.stack.find(key, Scope::Button).is_none() => self.boundary(),
            Tag::A => self.end_link_in_scope(),
            _ => {}
        }
        let found = rules::ended_by_end_tag(&self.stack, tag, key);
        if let Some(index) = found {
            self.pop_to(index);
        }
    }

    /// Opens an HTML element.
    fn open(&mut self, tag: Tag, name: &[u8], attributes: &Attributes) {
        let flags = flag::of_content(self.flags, tag, attributes);
        let element = self.stack.len();
        self.separate(tag.props());
        if (flags ^ self.flags) & flag::REGION != 0 {
            // Even in a heading or `pre` that was left open.
            self.end_heading();
            self.end_block();
        }
        if tag == Tag::Title && matches!(self.title, Title::None) && self.flags & flag::DEAD == 0 {
            self.end_link();
            self.title = Title::Open(element);
        }
        if let Some(level) = tag.heading_level()
            && flags & flag::SKIP == 0
        {
            self.end_heading();
            self.end_block();
            self.heading = Some(OpenHeading {
                element,
                level,
                anchor: attributes.id().map_or_else(String::new, to_string),
            });
        }
        if tag == Tag::A {
            self.end_link();
            if let Some(href) = attributes.href()
                && flags & flag::DEAD == 0
            {
                self.link = Some(OpenLink {
                    element,
                    href: to_string(href.trim_ascii()),
                    mark: self.body.mark(),
                });
            }
        }
        self.after_pre = matches!(tag, Tag::Pre | Tag::Listing);
        let key = self.stack.key(tag, name);
        self.stack.push_html(key, tag, flags);
        self.flags = flags;
    }

    /// Opens an SVG or `MathML` element, which a `/>` closes.
    fn start_foreign(&mut self, tag: Tag, name: &[u8], self_closing: bool) {
        if self_closing {
            return;
        }
        let mut flags = self.flags & flag::INHERITED;
        if tag.integrates_html() {
            flags &= !flag::FOREIGN;
        }
        if matches!(
            tag,
            Tag::Annotation | Tag::AnnotationXml | Tag::Script | Tag::Style
        ) {
            flags |= flag::DEAD;
        }
        let key = self.stack.key(tag, name);
        self.stack.push_foreign(key, tag, flags);
        self.flags = flags;
    }

    fn leave_foreign(&mut self) {
        while self.in_foreign() {
            self.pop();
        }
    }

    /// Closes all elements from this index up.
    fn pop_to(&mut self, index: usize) {
        while self.stack.len() > index {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(flags) = self.stack.pop() else {
            return;
        };
        let element = self.stack.len();
        self.flags = self.stack.flags();
        if self
            .heading
            .as_ref()
            .is_some_and(|open| open.element == element)
        {
            self.end_heading();
        }
        if flags & flag::BOUND != 0
            && self
                .link
                .as_ref()
                .is_some_and(|open| open.element > element)
        {
            self.end_link();
        }
        if matches!(self.title, Title::Open(open) if open == element) {
            self.title = Title::Done(self.line.take());
        }
        if (flags ^ self.flags) & flag::REGION != 0 {
            self.end_block();
        } else if flags & flag::BLOCK != 0 {
            self.boundary();
        } else if flags & flag::SPACED != 0 {
            self.gap(Gap::Space);
        }
    }

    fn separate(&mut self, props: u32) {
        if props & BLOCK != 0 {
            self.boundary();
        } else if props & SPACED != 0 {
            self.gap(Gap::Space);
        }
    }

    /// The border of a block: ends the one before, or separates words in what stays on one line.
    fn boundary(&mut self) {
        self.line.gap(Gap::Space);
        if self.flags & flag::SKIP != 0 {
            return;
        }
        if self.heading.is_some() {
            self.body.gap(Gap::Space);
        } else if self.flags & flag::PRE != 0 {
            self.body.fresh_line();
        } else {
            self.end_block();
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.line.gap(Gap::Space);
        if self.flags & flag::SKIP == 0 {
            self.body.gap(gap);
        }
    }

    fn line_break(&mut self) {
        self.line.gap(Gap::Space);
        if self.flags & flag::SKIP != 0 {
            return;
        }
        if self.heading.is_some() {
            self.body.gap(Gap::Space);
        } else if self.flags & flag::PRE != 0 {
            self.body.push_raw(b"\n");
        } else {
            self.body.line_break();
        }
    }

    fn end_block(&mut self) {
        self.push_block(None);
    }

    fn end_heading(&mut self) {
        if let Some(heading) = self.heading.take() {
            self.push_block(Some((heading.level, heading.anchor)));
        }
    }

    fn push_block(&mut self, heading: Option<(u8, String)>) {
        if let Some(text) = self.body.end() {
            self.blocks.push(Block {
                text,
                region: self.region,
                heading,
            });
        }
    }

    /// Ends the link unless it was opened outside of the table or the like that is being read.
    fn end_link_in_scope(&mut self) {
        if self
            .link
            .as_ref()
            .is_some_and(|open| open.element >= self.stack.bound(Scope::Default))
        {
            self.end_link();
        }
    }

    fn end_link(&mut self) {
        let Some(link) = self.link.take() else {
            return;
        };
        if link.href.starts_with('#') && self.body.since(link.mark).is_some_and(is_sign) {
            self.body.go_back(link.mark);
        }
        self.links.push(Link {
            href: link.href,
            text: self.line.take(),
        });
    }

    fn current_region(&self) -> Region {
        if self.flags & flag::MAIN != 0 {
            Region::Main
        } else if self.flags & flag::ARTICLE != 0 {
            Region::Article
        } else {
            Region::Body
        }
    }
}

/// Whether a link into its own page shows only a sign, as those that documentation tools put beside headings (`§`, `¶`, `#`).
/// It is there to be clicked, not to be read.
fn is_sign(text: &[u8]) -> bool {
    const SIGN_BYTES_MAX: usize = 16;
    text.len() <= SIGN_BYTES_MAX && !to_string(text).contains(char::is_alphanumeric)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
