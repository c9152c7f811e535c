//! The outline of a Markdown page: its headings, and where its blocks start.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// A heading longer than this is cut: every section below it repeats it in its path.
const HEADING_CHARS_MAX: usize = 200;

/// A heading at the top level of the page. One inside a quotation or a list item is part of that block.
#[derive(Debug)]
pub(crate) struct Heading {
    /// 1 to 6.
    pub(crate) level: u8,
    /// Plain text: no emphasis, links or code marks.
    pub(crate) text: String,
    /// Its source, the underline of a setext heading included.
    pub(crate) source: Range<usize>,
}

/// What the parser found, in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) headings: Vec<Heading>,
    /// Byte offsets of the blocks that start a line: paragraphs, lists and their items, tables and their rows ...
    pub(crate) blocks: Vec<usize>,
}

impl Outline {
    /// Parses `page`: `CommonMark` with tables, footnotes, task lists, strikethrough and heading attributes.
    pub(crate) fn of(page: &str) -> Self {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_HEADING_ATTRIBUTES;
        let mut outline = Self::default();
        let mut depth = 0usize;
        let mut open: Option<Heading> = None;
        let mut line_end = 0;
        for (event, source) in Parser::new_ext(page, options).into_offset_iter() {
            match event {
                Event::Start(tag) => {
                    if let Tag::Heading { level, .. } = tag
                        && depth == 0
                    {
                        open = Some(Heading {
                            level: level as u8,
                            text: String::new(),
                            source: source.clone(),
                        });
                    }
                    if is_block(&tag) && (source.start >= line_end) {
                        outline.blocks.push(source.start);
                        line_end = end_of_line(page, source.start);
                    }
                    depth += 1;
                }
                Event::End(tag) => {
                    depth = depth.saturating_sub(1);
                    if matches!(tag, TagEnd::Heading(_))
                        && depth == 0
                        && let Some(mut heading) = open.take()
                    {
                        heading.text = one_line(&heading.text);
                        outline.headings.push(heading);
                    }
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut open {
                        heading.text.push_str(&text);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some(heading) = &mut open {
                        heading.text.push(' ');
                    }
                }
                _ => {}
            }
        }
        outline
    }
}

/// The length of a YAML (`---`) or TOML (`+++`) block at the very start of a page, as site builders use it. To the Markdown
/// parser it would be a rule and a setext heading.
pub(crate) fn front_matter_len(page: &str) -> usize {
    let mut lines = page.split_inclusive('\n');
    let Some(first) = lines.next() else { return 0 };
    let fence = first.trim_end();
    if fence != "---" && fence != "+++" {
        return 0;
    }
    let mut len = first.len();
    for (number, line) in lines.enumerate() {
        len += line.len();
        let line = line.trim_end();
        if number == 0 && line.is_empty() {
            return 0;
        }
        if line == fence || (fence == "---" && line == "...") {
            return len;
        }
    }
    0
}

fn is_block(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Paragraph
            | Tag::BlockQuote(_)
            | Tag::CodeBlock(_)
            | Tag::HtmlBlock
            | Tag::List(_)
            | Tag::Item
            | Tag::FootnoteDefinition(_)
            | Tag::Table(_)
            | Tag::TableRow
            | Tag::Heading { .. }
    )
}

fn end_of_line(page: &str, from: usize) -> usize {
    page.get(from..)
        .and_then(|rest| rest.find('\n'))
        .map_or(page.len(), |n| from + n + 1)
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(HEADING_CHARS_MAX * 4));
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if let Some((end, _)) = line.char_indices().nth(HEADING_CHARS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{HEADING_CHARS_MAX, Outline, front_matter_len};

    fn headings(page: &str) -> Vec<(u8, String)> {
        Outline::of(page)
            .headings
            .into_iter()
            .map(|h| (h.level, h.text))
            .collect()
    }

    #[test]
    fn atx_and_setext_headings_are_found() {
        assert_eq!(
            headings("# One #\n\nTwo\n===\n\nThree\nmore\n---\n\n###### Six"),
            [(1, "One"), (1, "Two"), (2, "Three more"), (6, "Six")]
                .map(|(level, text)| (level, text.to_owned()))
        );
    }

    #[test]
    fn heading_text_is_plain() {
        assert_eq!(
            headings("## The `run` *verb* [here](x) ![icon](y) &amp; \\# {#id}")[0].1,
            "The run verb here icon & #"
        );
    }

    #[test]
    fn what_only_looks_like_a_heading_is_none() {
        assert!(
            headings("```sh\n# no\n```\n\n    # no\n\n#no\n\n- # in a list\n\n> # quoted")
                .is_empty()
        );
    }

    #[test]
    fn a_very_long_heading_is_cut() {
        let found = headings(&format!("# {}", "x".repeat(9999)));
        assert_eq!(found[0].1.chars().count(), HEADING_CHARS_MAX + 1);
    }

    #[test]
    fn blocks_are_those_that_start_a_line() {
        let page = "para\nmore\n\n- one\n- two\n\n```\na\n\nb\n```\n";
        let starts: Vec<&str> = Outline::of(page)
            .blocks
            .iter()
            .map(|&at| page[at..].lines().next().unwrap())
            .collect();
        assert_eq!(starts, ["para", "- one", "- two", "```"]);
    }

    #[test]
    fn front_matter_stands_only_at_the_start() {
        assert_eq!(front_matter_len("---\na: 1\n---\ntext"), 13);
        assert_eq!(front_matter_len("+++\r\na = 1\r\n+++"), 15);
        assert_eq!(front_matter_len("---\na: 1\n...\n"), 13);
        assert_eq!(front_matter_len("---\n\nrule, then text\n---\n"), 0);
        assert_eq!(front_matter_len("---\nnever closed"), 0);
        assert_eq!(front_matter_len("text\n---\na\n---\n"), 0);
        assert_eq!(front_matter_len(""), 0);
    }
}
