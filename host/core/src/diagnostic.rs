//! What is wrong with a flow file, and where: for libraries a value, for people a message with a place.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong with a flow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where: a byte range of the flow file. None when the fault has no one place.
    pub span: Option<Range<usize>>,
    /// What to say at that place, if the message does not say it.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault at a place.
    pub fn at(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span.clone()),
            label: None,
            help: None,
        }
    }

    /// The same with a text at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The line and the column of the place, both from 1; columns count characters.
    pub fn position(&self, text: &str) -> Option<(usize, usize)> {
        let start = self.span.as_ref()?.start;
        let before = text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        Some((line, before[line_start..].chars().count() + 1))
    }
}

/// Everything that is wrong with a flow file, in the order of the places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FlowErrors(pub Vec<Diagnostic>);

impl fmt::Display for FlowErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&diagnostic.message)?;
        }
        Ok(())
    }
}

/// The candidate that `name` may be a misspelling of.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let nearest = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().min(length) / 3)
        .min();
    nearest.map(|(_, nearest)| nearest)
}

/// Advice when `name` is none of `candidates`: the nearest of them, or all.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    const LISTED_MAX: usize = 24;
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    candidates.sort_unstable();
    candidates.dedup();
    let nearest = nearest(name, candidates.iter().copied());
    let mut text =
        nearest.map_or_else(String::new, |nearest| format!("did you mean `{nearest}`? "));
    if candidates.is_empty() {
        text.push_str("there is none");
    } else {
        let listed: Vec<String> = candidates
            .iter()
            .take(LISTED_MAX)
            .map(|name| format!("`{name}`"))
            .collect();
        text.push_str(if candidates.len() == 1 {
            "there is only "
        } else {
            "there are "
        });
        text.push_str(&listed.join(", "));
        if candidates.len() > LISTED_MAX {
            text.push_str(" and others");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_all_are_listed() {
        assert_eq!(
            suggest("txt", ["text", "heading"]),
            "did you mean `text`? there are `heading`, `text`"
        );
        assert_eq!(suggest("zzzzzz", ["text"]), "there is only `text`");
        assert_eq!(suggest("x", []), "there is none");
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "a = 1\nbü = 2\n";
        assert_eq!(Diagnostic::at(&(6..7), "x").position(text), Some((2, 1)));
        assert_eq!(Diagnostic::at(&(9..10), "x").position(text), Some((2, 3)));
    }
}
