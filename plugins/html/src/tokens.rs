//! html5gum's tokens, handed to the [`Reader`] without a copy where it does not need one.

use crate::reader::Reader;
use crate::scan::Bytes;
use html5gum::{Emitter, Error, State, Tokenizer};

/// Longest attribute name of [`Field`], with one byte to spare so that a longer name matches none.
const NAME_BYTES_MAX: usize = "aria-hidden".len() + 1;

/// Reads a whole page.
pub(crate) fn read(content: &str) -> Reader {
    let mut reader = Reader::new();
    let emitter = Tokens::new(&mut reader, |_| false);
    Tokenizer::new_with_emitter(Bytes::new(content), emitter).for_each(drop);
    reader
}

/// Reads a page as far as its title.
pub(crate) fn title(content: &str) -> String {
    let mut reader = Reader::new();
    let emitter = Tokens::new(&mut reader, Reader::has_title);
    let _ = Tokenizer::new_with_emitter(Bytes::new(content), emitter).next();
    reader.into_title()
}

/// The attributes that say something about text.
#[derive(Clone, Copy, Debug)]
enum Field {
    Href,
    Id,
    Role,
    Hidden,
    AriaHidden,
}

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"href" => Some(Self::Href),
            b"id" => Some(Self::Id),
            b"role" => Some(Self::Role),
            b"hidden" => Some(Self::Hidden),
            b"aria-hidden" => Some(Self::AriaHidden),
            _ => None,
        }
    }
}

/// The attributes of one start tag, with references decoded. Of two with one name the first counts.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    values: [Vec<u8>; Field::AriaHidden as usize + 1],
    present: [bool; Field::AriaHidden as usize + 1],
}

impl Attributes {
    pub(crate) fn href(&self) -> Option<&[u8]> {
        self.get(Field::Href)
    }

    pub(crate) fn id(&self) -> Option<&[u8]> {
        self.get(Field::Id)
    }

    pub(crate) fn role(&self) -> Option<&[u8]> {
        self.get(Field::Role)
    }

    /// Whether the element is taken off the page (`hidden`) or is there for the eye alone (`aria-hidden`).
    pub(crate) fn hidden(&self) -> bool {
        self.get(Field::Hidden)
            .is_some_and(|value| !value.eq_ignore_ascii_case(b"until-found"))
            || self.get(Field::AriaHidden) == Some(b"true")
    }

    fn get(&self, field: Field) -> Option<&[u8]> {
        self.present[field as usize].then(|| self.values[field as usize].as_slice())
    }

    fn clear(&mut self) {
        for (value, present) in self.values.iter_mut().zip(&mut self.present) {
            if std::mem::take(present) {
                value.clear();
            }
        }
    }
}

/// Where the tokenizer stands in the attributes of a tag.
#[derive(Debug)]
enum Writing {
    Name,
    /// The value of an attribute that matters.
    Value(Field),
    /// Nothing that matters.
    Nothing,
}

/// The emitter: collects one tag at a time.
struct Tokens<'a> {
    reader: &'a mut Reader,
    /// When to give the iterator a token, so that it may stop.
    done: fn(&Reader) -> bool,
    name: Vec<u8>,
    is_end: bool,
    self_closing: bool,
    last_start: Vec<u8>,
    attributes: Attributes,
    attribute_name: Vec<u8>,
    writing: Writing,
}

impl<'a> Tokens<'a> {
    fn new(reader: &'a mut Reader, done: fn(&Reader) -> bool) -> Self {
        Self {
            reader,
            done,
            name: Vec::new(),
            is_end: false,
            self_closing: false,
            last_start: Vec::new(),
            attributes: Attributes::default(),
            attribute_name: Vec::with_capacity(NAME_BYTES_MAX),
            writing: Writing::Nothing,
        }
    }

    fn init_tag(&mut self, is_end: bool) {
        self.name.clear();
        self.is_end = is_end;
        self.self_closing = false;
        self.attributes.clear();
        self.writing = Writing::Nothing;
    }

    /// The name of the current attribute is complete.
    fn settle_name(&mut self) {
        if !matches!(self.writing, Writing::Name) {
            return;
        }
        self.writing = Writing::Nothing;
        if let Some(field) = Field::of(&self.attribute_name)
            && !std::mem::replace(&mut self.attributes.present[field as usize], true)
        {
            self.writing = Writing::Value(field);
        }
    }
}

impl Emitter for Tokens<'_> {
    type Token = ();

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start.clear();
        self.last_start.extend_from_slice(name.unwrap_or_default());
    }

    fn emit_eof(&mut self) {
        self.reader.finish();
    }

    fn emit_error(&mut self, _: Error) {}

    #[inline]
    fn should_emit_errors(&mut self) -> bool {
        false
    }

    #[inline]
    fn pop_token(&mut self) -> Option<()> {
        (self.done)(self.reader).then_some(())
    }

    #[inline]
    fn emit_string(&mut self, text: &[u8]) {
        self.reader.text(text);
    }

    fn init_start_tag(&mut self) {
        self.init_tag(false);
    }

    fn init_end_tag(&mut self) {
        self.init_tag(true);
    }

    fn init_comment(&mut self) {}

    fn emit_current_tag(&mut self) -> Option<State> {
        self.settle_name();
        if self.is_end {
            self.last_start.clear();
            self.reader.end_tag(&self.name);
            return None;
        }
        self.last_start.clone_from(&self.name);
        self.reader
            .start_tag(&self.name, &self.attributes, self.self_closing)
    }

    fn emit_current_comment(&mut self) {}

    fn emit_current_doctype(&mut self) {}

    fn set_self_closing(&mut self) {
        self.self_closing = true;
    }

    fn set_force_quirks(&mut self) {}

    fn push_tag_name(&mut self, name: &[u8]) {
        self.name.extend_from_slice(name);
    }

    fn push_comment(&mut self, _: &[u8]) {}

    fn push_doctype_name(&mut self, _: &[u8]) {}

    fn init_doctype(&mut self) {}

    fn init_attribute(&mut self) {
        self.settle_name();
        self.attribute_name.clear();
        self.writing = Writing::Name;
    }

    fn push_attribute_name(&mut self, name: &[u8]) {
        let room = NAME_BYTES_MAX.saturating_sub(self.attribute_name.len());
        self.attribute_name
            .extend_from_slice(&name[..name.len().min(room)]);
    }

    #[inline]
    fn push_attribute_value(&mut self, value: &[u8]) {
        self.settle_name();
        if let Writing::Value(field) = self.writing {
            self.attributes.values[field as usize].extend_from_slice(value);
        }
    }

    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.is_end && !self.last_start.is_empty() && self.last_start == self.name
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.reader.in_foreign()
    }
}

#[cfg(test)]
mod tests {
    use crate::links;

    fn hrefs(content: &str) -> Vec<String> {
        links(content).into_iter().map(|link| link.href).collect()
    }

    #[test]
    fn attributes_are_read_in_every_form() {
        assert_eq!(
            hrefs("<a href=a><a HREF='b'><a x href = \"c d\" y=1><a href><a hrefs=no><a hre=no>"),
            ["a", "b", "c d", ""]
        );
    }

    #[test]
    fn references_in_values_are_decoded() {
        assert_eq!(
            hrefs("<a href='?a=1&amp;b=2&copy=3&eacute;&#x41;'>"),
            ["?a=1&b=2&copy=3éA"]
        );
    }

    #[test]
    fn of_two_attributes_the_first_counts() {
        assert_eq!(hrefs("<a href=one href=two HREF=three>"), ["one"]);
        assert_eq!(hrefs("<a href href=two>"), [""]);
    }

    #[test]
    fn end_tags_have_no_attributes() {
        assert!(hrefs("</a href=x>").is_empty());
    }
}
