//! Text as it is laid out: white space collapsed, blocks apart.

use std::ops::Range;

/// What is owed before the next character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    #[default]
    None,
    Space,
    Line,
    /// A blank line.
    Paragraph,
}

impl Gap {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Space => b" ",
            Self::Line => b"\n",
            Self::Paragraph => b"\n\n",
        }
    }
}

/// A buffer of runs of text. In a run, white space is collapsed and there is none at either end.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    bytes: Vec<u8>,
    /// Where the current run starts.
    start: usize,
    gap: Gap,
}

/// A place in the current run to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    start: usize,
    len: usize,
    gap: Gap,
}

impl Flow {
    /// Whether the current run has no text yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.start
    }

    /// Adds text. White space in it is the least of gaps.
    pub(crate) fn push(&mut self, mut text: &[u8]) {
        while let Some(skipped) = text.iter().position(|&byte| !is_space(byte)) {
            if skipped > 0 {
                self.gap(Gap::Space);
            }
            text = &text[skipped..];
            let len = tidy_len(text);
            self.flush_gap();
            self.bytes.extend_from_slice(&text[..len]);
            text = &text[len..];
        }
        if !text.is_empty() {
            self.gap(Gap::Space);
        }
    }

    /// Adds text as it is, but for line breaks before the first of a run.
    pub(crate) fn push_raw(&mut self, mut text: &[u8]) {
        if self.is_empty() {
            text = &text[text.iter().take_while(|&&byte| byte == b'\n').count()..];
        }
        if text.first() == Some(&b'\n') {
            self.gap = Gap::None;
        }
        if !text.is_empty() {
            self.flush_gap();
            self.bytes.extend_from_slice(text);
        }
    }

    /// Separates what follows from what was, by at least this much.
    pub(crate) fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// A line break in the text. The second in a row makes a blank line.
    pub(crate) fn line_break(&mut self) {
        self.gap = if self.gap >= Gap::Line {
            Gap::Paragraph
        } else {
            Gap::Line
        };
    }

    /// Separates lines of preformatted text, if it has not done so itself.
    pub(crate) fn fresh_line(&mut self) {
        if !self.is_empty() && self.bytes.last() != Some(&b'\n') {
            self.gap(Gap::Line);
        }
    }

    /// Ends the run; none if it has no text.
    pub(crate) fn end(&mut self) -> Option<Range<usize>> {
        let run = self.bytes.get(self.start..).unwrap_or_default();
        let range = self.start..self.start + run.trim_ascii_end().len();
        self.start = self.bytes.len();
        self.gap = Gap::None;
        (!range.is_empty()).then_some(range)
    }

    /// The current place.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            start: self.start,
            len: self.bytes.len(),
            gap: self.gap,
        }
    }

    /// What was written since `mark`; none if it was in another run.
    pub(crate) fn since(&self, mark: Mark) -> Option<&[u8]> {
        if mark.start != self.start {
            return None;
        }
        self.bytes.get(mark.len..)
    }

    /// Takes back what was written since `mark`.
    pub(crate) fn go_back(&mut self, mark: Mark) {
        if mark.start == self.start {
            self.bytes.truncate(mark.len);
            self.gap = self.gap.max(mark.gap);
        }
    }

    /// Ends the run and takes it out of the buffer.
    pub(crate) fn take(&mut self) -> String {
        let text = self
            .end()
            .and_then(|range| self.bytes.get(range))
            .map_or_else(String::new, to_string);
        self.bytes.clear();
        self.start = 0;
        text
    }

    /// All that was written; ranges from [`Flow::end`] point into it.
    pub(crate) fn into_text(self) -> String {
        into_string(self.bytes)
    }

    fn flush_gap(&mut self) {
        if self.gap != Gap::None {
            if !self.is_empty() {
                self.bytes.extend_from_slice(self.gap.as_bytes());
            }
            self.gap = Gap::None;
        }
    }
}

/// The text of bytes that came from a string, cut only at tags and white space.
pub(crate) fn to_string(bytes: &[u8]) -> String {
    into_string(bytes.to_vec())
}

/// The same without a copy.
fn into_string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// White space as HTML has it; a no-break space is a character.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')
}

/// How much of `text`, which starts with no space, can be copied as it is: single spaces between words are fine.
fn tidy_len(text: &[u8]) -> usize {
    let mut len = 0;
    while let Some(&byte) = text.get(len) {
        if is_space(byte) {
            let single = byte == b' ' && text.get(len + 1).is_some_and(|&next| !is_space(next));
            if !single {
                break;
            }
        }
        len += 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::{Flow, Gap};
    use proptest::prelude::*;

    fn pushed(parts: &[&str]) -> String {
        let mut flow = Flow::default();
        for part in parts {
            flow.push(part.as_bytes());
        }
        flow.take()
    }

    #[test]
    fn white_space_collapses_across_pushes() {
        assert_eq!(pushed(&[" a  b", "\n", " ", "c", "d ", " "]), "a b cd");
        assert_eq!(pushed(&["\t", ""]), "");
        assert_eq!(pushed(&["a\u{a0} b"]), "a\u{a0} b");
    }

    #[test]
    fn the_greatest_gap_wins() {
        let mut flow = Flow::default();
        flow.push(b"a ");
        flow.line_break();
        flow.push(b" b");
        flow.line_break();
        flow.push(b"\n");
        flow.line_break();
        flow.line_break();
        flow.push(b"c");
        assert_eq!(flow.take(), "a\nb\n\nc");
    }

    #[test]
    fn raw_text_keeps_its_space() {
        let mut flow = Flow::default();
        flow.push_raw(b"\n\n  a\n");
        flow.push_raw(b"\n   b\n\n");
        assert_eq!(flow.take(), "  a\n\n   b");
    }

    #[test]
    fn a_fresh_line_is_not_doubled() {
        let mut flow = Flow::default();
        flow.push_raw(b"a");
        flow.fresh_line();
        flow.push_raw(b"\nb\n");
        flow.fresh_line();
        flow.push_raw(b"c");
        flow.fresh_line();
        flow.push_raw(b"d");
        assert_eq!(flow.take(), "a\nb\nc\nd");
    }

    #[test]
    fn one_can_go_back_within_a_run_only() {
        let mut flow = Flow::default();
        flow.push(b"a ");
        let mark = flow.mark();
        flow.push(b"x");
        assert_eq!(flow.since(mark), Some(&b" x"[..]));
        flow.go_back(mark);
        flow.push(b"b");
        assert_eq!(flow.end(), Some(0..3));
        assert_eq!(flow.since(mark), None);
        flow.gap(Gap::Line);
        assert_eq!(flow.end(), None);
        assert_eq!(flow.into_text(), "a b");
    }

    proptest! {
        #[test]
        fn pushing_is_splitting_at_white_space(parts in prop::collection::vec("[a \n\té]{0,6}", 0..8)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let whole = parts.concat();
            prop_assert_eq!(pushed(&parts), whole.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}
