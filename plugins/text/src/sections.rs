//! A Markdown page, split at its headings.

use crate::Section;
use crate::borders::{Borders, Rank};
use crate::markdown::{Heading, Outline, front_matter_len};
use std::fmt;

/// Why a page cannot be split as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionError {
    /// A section of no characters is none.
    NoSize,
}

impl fmt::Display for SectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSize => write!(f, "max-chars must be at least 1"),
        }
    }
}

impl std::error::Error for SectionError {}

/// Splits a Markdown page at its headings.
///
/// What stands before the first heading is a section of level 0, left out when blank. A heading with nothing below
/// keeps its section, with an empty text. A text of more than `max_chars` characters (Unicode scalar values) becomes several
/// sections with the same heading, cut at blocks where it can be, else at sentences, else at words, else where it is full.
/// Front matter (`---` or `+++` at the very start) is no text.
///
/// # Errors
///
/// [`SectionError::NoSize`] when `max_chars` is 0.
pub(crate) fn sections(content: &str, max_chars: u32) -> Result<Vec<Section>, SectionError> {
    if max_chars == 0 {
        return Err(SectionError::NoSize);
    }
    let page = content.strip_prefix('\u{feff}').unwrap_or(content);
    let page = page.get(front_matter_len(page)..).unwrap_or_default();
    let outline = Outline::of(page);
    let mut writer = Writer {
        page,
        blocks: &outline.blocks,
        max_chars: max_chars as usize,
        sections: Vec::new(),
    };
    let end_of = |next: Option<&Heading>| next.map_or(page.len(), |heading| heading.source.start);
    writer.write(None, "", 0, end_of(outline.headings.first()));
    let mut path = Path::default();
    for (n, heading) in outline.headings.iter().enumerate() {
        let end = end_of(outline.headings.get(n + 1));
        let path = path.down_to(heading);
        writer.write(Some(heading), &path, heading.source.end, end);
    }
    Ok(writer.sections)
}

/// The headings above the current place, outermost first.
#[derive(Default)]
struct Path<'a> {
    headings: Vec<&'a Heading>,
}

impl<'a> Path<'a> {
    fn down_to(&mut self, heading: &'a Heading) -> String {
        self.headings.retain(|above| above.level < heading.level);
        self.headings.push(heading);
        let names: Vec<&str> = self
            .headings
            .iter()
            .map(|heading| heading.text.as_str())
            .filter(|text| !text.is_empty())
            .collect();
        names.join(" > ")
    }
}

struct Writer<'a> {
    page: &'a str,
    /// Starts of blocks not yet passed.
    blocks: &'a [usize],
    max_chars: usize,
    sections: Vec<Section>,
}

impl Writer<'_> {
    /// Writes the sections for the source `start..end` below `heading`.
    fn write(&mut self, heading: Option<&Heading>, path: &str, start: usize, end: usize) {
        let source = self.page.get(start..end).unwrap_or_default();
        let text = trim(source);
        let blocks = self.take_blocks(start, end, source.len() - trim_start(source).len());
        if text.is_empty() {
            if heading.is_some() {
                self.push(heading, path, "");
            }
        } else if text.len() <= self.max_chars || text.chars().count() <= self.max_chars {
            self.push(heading, path, text);
        } else {
            for part in split(text, &blocks, self.max_chars) {
                self.push(heading, path, part);
            }
        }
    }

    fn push(&mut self, heading: Option<&Heading>, path: &str, text: &str) {
        self.sections.push(Section {
            ordinal: self.sections.len() as u32,
            level: heading.map_or(0, |heading| heading.level),
            heading: heading.map_or_else(String::new, |heading| heading.text.clone()),
            path: path.to_owned(),
            text: text.to_owned(),
        });
    }

    /// The blocks that start in `start..end`, as offsets into the text that is left when `trimmed` bytes are cut off it.
    fn take_blocks(&mut self, start: usize, end: usize, trimmed: usize) -> Vec<usize> {
        let passed = self.blocks.partition_point(|&block| block < end);
        let (here, rest) = self.blocks.split_at(passed);
        self.blocks = rest;
        here.iter()
            .filter_map(|block| block.checked_sub(start + trimmed))
            .collect()
    }
}

/// Splits `text` into parts of at most `max_chars` characters, none of them blank.
fn split<'a>(text: &'a str, blocks: &[usize], max_chars: usize) -> Vec<&'a str> {
    let borders = Borders::of_markdown(text, blocks);
    let mut parts = Vec::new();
    let mut start = 0;
    while start < borders.chars() {
        let end = part_end(&borders, start, max_chars);
        let part = trim(
            text.get(borders.offset(start)..borders.offset(end))
                .unwrap_or_default(),
        );
        if !part.is_empty() {
            parts.push(part);
        }
        start = end;
    }
    parts
}

/// The last of the best borders in reach.
fn part_end(borders: &Borders, start: usize, max_chars: usize) -> usize {
    let full = start.saturating_add(max_chars);
    if full >= borders.chars() {
        return borders.chars();
    }
    let (mut end, mut best) = (full, Rank::None);
    for position in (start + 1..=full).rev() {
        let rank = borders.rank(position);
        if rank > best {
            (end, best) = (position, rank);
            if best == Rank::Paragraph {
                break;
            }
        }
    }
    end
}

/// Cuts blank lines and trailing space, and the indentation of the first line unless it is that of a code block.
fn trim(source: &str) -> &str {
    trim_start(source).trim_end()
}

fn trim_start(source: &str) -> &str {
    let bare = source.trim_start();
    let space = source.get(..source.len() - bare.len()).unwrap_or_default();
    let indent = space.rfind('\n').map_or(space, |n| &space[n + 1..]);
    if indent.len() < 4 && !indent.contains('\t') {
        return bare;
    }
    source.get(space.len() - indent.len()..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Section, SectionError, sections};
    use proptest::prelude::*;

    fn rows(page: &str, max_chars: u32) -> Vec<(u32, u8, String, String)> {
        sections(page, max_chars)
            .unwrap()
            .into_iter()
            .map(|s| (s.ordinal, s.level, s.path, s.text))
            .collect()
    }

    fn texts(page: &str, max_chars: u32) -> Vec<String> {
        rows(page, max_chars).into_iter().map(|row| row.3).collect()
    }

    fn row(ordinal: u32, level: u8, path: &str, text: &str) -> (u32, u8, String, String) {
        (ordinal, level, path.to_owned(), text.to_owned())
    }

    const GUIDE: &str = "\
Before.

# Guide
Intro *here*.

## Install
### Linux
Run `x`.

```sh
# no heading
```

### Windows
## Use

Title
=====
End.
";

    #[test]
    fn a_page_is_split_at_its_headings() {
        assert_eq!(
            rows(GUIDE, 1000),
            [
                row(0, 0, "", "Before."),
                row(1, 1, "Guide", "Intro *here*."),
                row(2, 2, "Guide > Install", ""),
                row(
                    3,
                    3,
                    "Guide > Install > Linux",
                    "Run `x`.\n\n```sh\n# no heading\n```"
                ),
                row(4, 3, "Guide > Install > Windows", ""),
                row(5, 2, "Guide > Use", ""),
                row(6, 1, "Title", "End."),
            ]
        );
    }

    #[test]
    fn a_section_knows_its_heading() {
        assert_eq!(
            sections("# A\n\n### `C` d\ntext", 10).unwrap()[1],
            Section {
                ordinal: 1,
                level: 3,
                heading: "C d".into(),
                path: "A > C d".into(),
                text: "text".into()
            }
        );
    }

    #[test]
    fn blank_pages_have_no_sections() {
        assert!(rows("", 10).is_empty());
        assert!(rows(" \n\n\t", 10).is_empty());
        assert!(rows("\u{feff}---\ntitle: x\n---\n", 10).is_empty());
    }

    #[test]
    fn front_matter_is_no_text() {
        assert_eq!(
            rows("---\ntitle: x\n---\n# A\nb", 10),
            [row(0, 1, "A", "b")]
        );
    }

    #[test]
    fn long_sections_are_cut_at_the_best_border_in_reach() {
        assert_eq!(
            texts("First para.\n\nSecond one. It goes on.\n\nThird.", 30),
            ["First para.", "Second one. It goes on.", "Third."]
        );
        assert_eq!(
            texts("One two. Three four. Five six.", 22),
            ["One two. Three four.", "Five six."]
        );
        assert_eq!(texts("alpha beta gamma", 11), ["alpha beta", "gamma"]);
        assert_eq!(texts("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn parts_of_a_section_share_heading_and_path() {
        assert_eq!(
            rows("# A\none two three", 8),
            [row(0, 1, "A", "one two"), row(1, 1, "A", "three")]
        );
    }

    #[test]
    fn a_code_block_is_not_cut_at_its_blank_lines_when_it_need_not_be() {
        let page = "Some words here.\n\n```\na\n\nb\n```\n";
        assert_eq!(texts(page, 24), ["Some words here.", "```\na\n\nb\n```"]);
    }

    #[test]
    fn an_indented_code_block_keeps_its_indentation() {
        assert_eq!(
            texts("# A\n\n    code\n    more\n", 99),
            ["    code\n    more"]
        );
        assert_eq!(texts("# A\n\n  text\n", 99), ["text"]);
    }

    #[test]
    fn sizes_count_characters() {
        assert_eq!(texts("éé éé", 5), ["éé éé"]);
        assert_eq!(texts("éé éé", 3), ["éé", "éé"]);
    }

    #[test]
    fn no_size_is_refused() {
        assert_eq!(sections("a", 0), Err(SectionError::NoSize));
    }

    fn squeeze(text: &str) -> String {
        text.split_whitespace().collect()
    }

    proptest! {
        #[test]
        fn sections_stay_in_size_and_lose_no_text(
            page in "((#{1,3} |> |- |    |```)?[a-z*`\\[\\]()é漢.! ]{0,20}\n{1,2}){0,20}",
            max_chars in 1u32..50,
        ) {
            let found = sections(&page, max_chars).unwrap();
            for (n, section) in found.iter().enumerate() {
                prop_assert_eq!(section.ordinal as usize, n);
                prop_assert!(section.text.chars().count() <= max_chars as usize);
                prop_assert!(section.level > 0 || (section.path.is_empty() && !section.text.is_empty()));
            }
            let whole: String = sections(&page, u32::MAX).unwrap().iter().map(|s| squeeze(&s.text)).collect();
            let parts: String = found.iter().map(|s| squeeze(&s.text)).collect();
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn no_input_makes_it_panic(page in any::<String>(), max_chars in any::<u32>()) {
            let _ = sections(&page, max_chars);
        }
    }
}
