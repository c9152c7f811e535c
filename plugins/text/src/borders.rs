//! Where a text may be cut: the borders between words, sentences and paragraphs.

use words::is_ideograph;

/// How good a place to cut is, from worst to best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Inside a word.
    #[default]
    None,
    Word,
    Sentence,
    Paragraph,
}

/// What lies before one character.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Byte offset of the character.
    offset: u32,
    rank: Rank,
    space: bool,
}

impl Place {
    /// Inside a word.
    fn within(offset: usize) -> Self {
        Self {
            offset: offset as u32,
            rank: Rank::None,
            space: false,
        }
    }
}

/// How many ASCII letters and digits a text begins with.
fn plain(text: &[u8]) -> usize {
    let plain = text.iter().take_while(|byte| byte.is_ascii_alphanumeric());
    plain.count()
}

/// The borders of a text, by character. Positions run from 0 to [`Borders::chars`], inclusive.
pub(crate) struct Borders {
    places: Vec<Place>,
}

impl Borders {
    /// The borders of plain text: a blank line is a paragraph border.
    pub(crate) fn of_text(text: &str) -> Self {
        Self::scan(text, Rank::Paragraph)
    }

    /// The borders of Markdown source: paragraph borders are the starts of blocks (byte offsets, ascending). A blank line
    /// is a lesser border, for it may stand in a fenced code block.
    pub(crate) fn of_markdown(text: &str, blocks: &[usize]) -> Self {
        let mut borders = Self::scan(text, Rank::Sentence);
        let mut places = borders.places.iter_mut();
        for &block in blocks {
            if let Some(place) = places.find(|place| place.offset as usize >= block) {
                place.rank = Rank::Paragraph;
            }
        }
        borders
    }

    /// The number of characters.
    pub(crate) fn chars(&self) -> usize {
        self.places.len() - 1
    }

    /// The byte offset of a position.
    pub(crate) fn offset(&self, position: usize) -> usize {
        self.places[position].offset as usize
    }

    /// How good it is to cut at a position.
    pub(crate) fn rank(&self, position: usize) -> Rank {
        self.places[position].rank
    }

    /// Whether a part may well begin at a position: at a border, and not with white space.
    pub(crate) fn starts_word(&self, position: usize) -> bool {
        let place = self.places[position];
        place.rank > Rank::None && !place.space
    }

    fn scan(text: &str, blank_line: Rank) -> Self {
        let mut places = Vec::with_capacity(text.len() + 1);
        let mut scan = Scan {
            blank_line,
            ..Scan::default()
        };
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            scan.character(&mut places, at, c);
            at += c.len_utf8();
            if c.is_ascii_alphanumeric() {
                // The rest of the word: nothing changes, and most characters are that.
                let end = at + plain(&text.as_bytes()[at..]);
                places.extend((at..end).map(Place::within));
                at = end;
            }
        }
        places.push(Place {
            offset: text.len() as u32,
            rank: Rank::Paragraph,
            space: false,
        });
        Self { places }
    }
}

/// How the last characters that are no space end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stop {
    #[default]
    No,
    /// A full stop: ends a sentence unless a lower-case letter follows (`e.g. this`).
    Dot,
    /// `!`, `?` or `…`: ends a sentence when space follows.
    Mark,
    /// `。` and its kin: ends a sentence with no space needed.
    Wide,
}

#[derive(Default)]
struct Scan {
    blank_line: Rank,
    stop: Stop,
    /// Position of the first white space since the last other character.
    space_from: Option<usize>,
    newlines: u32,
    last: char,
}

impl Scan {
    fn character(&mut self, places: &mut Vec<Place>, offset: usize, c: char) {
        let space = c.is_whitespace();
        let rank = if space {
            self.space_from.get_or_insert(places.len());
            self.newlines += u32::from(c == '\n');
            Rank::None
        } else {
            let rank = self.rank_before(places, c);
            self.remember(c);
            rank
        };
        places.push(Place {
            offset: offset as u32,
            rank,
            space,
        });
    }

    /// The rank of the border before `c`, which is no space. The space run before it gets the same rank at its start, so
    /// that a part may end there when the run itself does not fit.
    fn rank_before(&self, places: &mut [Place], c: char) -> Rank {
        let Some(space_from) = self.space_from else {
            return self.rank_without_space(c);
        };
        let sentence = match self.stop {
            Stop::No => false,
            Stop::Dot => !c.is_lowercase(),
            Stop::Mark | Stop::Wide => true,
        };
        let rank = if self.newlines > 1 {
            self.blank_line
        } else if sentence {
            Rank::Sentence
        } else {
            Rank::Word
        };
        if let Some(place) = places.get_mut(space_from) {
            place.rank = rank;
        }
        rank
    }

    fn rank_without_space(&self, c: char) -> Rank {
        if c.is_ascii() && self.last.is_ascii() {
            return Rank::None;
        }
        if self.stop == Stop::Wide && !is_closer(c) && stop_of(c) == Stop::No {
            return Rank::Sentence;
        }
        let before_ideograph = is_ideograph(c) && !is_opener(self.last) && self.last != '\0';
        let after_ideograph = is_ideograph(self.last) && (c.is_alphanumeric() || is_opener(c));
        if before_ideograph || after_ideograph {
            Rank::Word
        } else {
            Rank::None
        }
    }

    fn remember(&mut self, c: char) {
        match stop_of(c) {
            Stop::No if is_closer(c) => {}
            stop => self.stop = stop,
        }
        self.space_from = None;
        self.newlines = 0;
        self.last = c;
    }
}

fn stop_of(c: char) -> Stop {
    match c {
        '.' => Stop::Dot,
        '!' | '?' | '…' | '؟' | '۔' | '।' | '॥' => Stop::Mark,
        '。' | '！' | '？' | '．' | '｡' => Stop::Wide,
        _ => Stop::No,
    }
}

fn is_closer(c: char) -> bool {
    matches!(
        c,
        ')' | ']'
            | '}'
            | '"'
            | '\''
            | '*'
            | '_'
            | '`'
            | '’'
            | '”'
            | '»'
            | '›'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
            | '〕'
    )
}

fn is_opener(c: char) -> bool {
    matches!(
        c,
        '(' | '[' | '{' | '‘' | '“' | '«' | '‹' | '「' | '『' | '（' | '【' | '《' | '〈' | '〔'
    )
}

#[cfg(test)]
mod tests {
    use super::{Borders, Rank};

    /// The text with `|`, `/` and `#` before each word, sentence and paragraph that follows.
    fn marked(borders: &Borders, text: &str) -> String {
        text.chars()
            .enumerate()
            .flat_map(|(position, c)| {
                let mark = match borders.rank(position) {
                    _ if !borders.starts_word(position) => None,
                    Rank::None => None,
                    Rank::Word => Some('|'),
                    Rank::Sentence => Some('/'),
                    Rank::Paragraph => Some('#'),
                };
                mark.into_iter().chain([c])
            })
            .collect()
    }

    fn of_text(text: &str) -> String {
        marked(&Borders::of_text(text), text)
    }

    #[test]
    fn sentences_end_at_stops_before_space() {
        assert_eq!(of_text("One two. Three? Four"), "One |two. /Three? /Four");
        assert_eq!(of_text("v1.2 is out"), "v1.2 |is |out");
        assert_eq!(of_text("He said \"No.\" Then"), "He |said |\"No.\" /Then");
    }

    #[test]
    fn a_full_stop_before_a_small_letter_is_an_abbreviation() {
        assert_eq!(of_text("some, e.g. this. Yes"), "some, |e.g. |this. /Yes");
    }

    #[test]
    fn blank_lines_are_paragraph_borders() {
        assert_eq!(of_text("a\nb\n\nc"), "a\n|b\n\n#c");
        let text = "a\n\nb\n\nc";
        assert_eq!(
            marked(&Borders::of_markdown(text, &[6]), text),
            "a\n\n/b\n\n#c"
        );
    }

    #[test]
    fn ideographs_need_no_space() {
        assert_eq!(
            of_text("東京は「暑い」。でもAB好き"),
            "東|京|は|「暑|い」。/で|も|AB|好|き"
        );
    }

    #[test]
    fn a_border_stands_on_both_sides_of_space() {
        let borders = Borders::of_text("a.  B");
        assert_eq!(borders.rank(2), Rank::Sentence);
        assert!(!borders.starts_word(2));
        assert_eq!(borders.rank(4), Rank::Sentence);
        assert!(borders.starts_word(4));
        assert_eq!(borders.rank(3), Rank::None);
    }
}
