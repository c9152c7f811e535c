//! The nodes of a lineage in words: what they are, and what is taken of them.

use flowstone::core::printable;
use flowstone::{CallResult, LineageColumn, LineageNode};

use crate::output::{Paint, Style};

/// So many characters of a result are shown.
const RESULT_CHARS_MAX: usize = 60;

/// What is taken of a node: `heading ← path, text: `.
pub(super) fn label(takes: &[LineageColumn], giver: &LineageNode, paint: Paint) -> String {
    if takes.is_empty() {
        return String::new();
    }
    let taken = taken(takes, giver).join(", ");
    format!("{}: ", paint.text(Style::Cyan, &taken))
}

/// What is taken of a node, each in a word or two.
pub(super) fn taken(takes: &[LineageColumn], giver: &LineageNode) -> Vec<String> {
    let name = match giver {
        LineageNode::Source { name, .. }
        | LineageNode::Gathered { name, .. }
        | LineageNode::Target { name, .. } => name,
        LineageNode::Row { collection, .. }
        | LineageNode::Member { collection, .. }
        | LineageNode::More { collection, .. } => collection,
        LineageNode::Call { transform, .. } => transform,
    };
    let short = |taken: &LineageColumn| {
        let column = taken
            .column
            .strip_prefix(&**name)
            .and_then(|rest| rest.strip_prefix('.'));
        let column = column.unwrap_or(&taken.column);
        if taken.name == column {
            printable(&taken.name, &[])
        } else {
            printable(&format!("{} ← {column}", taken.name), &[])
        }
    };
    takes.iter().map(short).collect()
}

pub(super) fn node_text(node: &LineageNode, paint: Paint) -> String {
    let bold = |text: &str| paint.text(Style::Bold, &printable(text, &[]));
    let dim = |text: String| paint.text(Style::Dim, &text);
    let root = |kind: &str, name: &str, key: &str, content: Option<&str>| {
        let content = content.map(|content| dim(format!(" (content {})", short(content))));
        let (key, content) = (printable(key, &[]), content.unwrap_or_default());
        format!("{kind} {} {key}{content}", bold(name))
    };
    match node {
        LineageNode::Source { name, key, content } => root("source", name, key, content.as_deref()),
        LineageNode::Gathered {
            by,
            name,
            key,
            content,
        } => root(by, name, key, content.as_deref()),
        LineageNode::Member {
            collection,
            key,
            index,
        } => format!(
            "row {} {}",
            bold(collection),
            printable(&member(key, index), &[])
        ),
        LineageNode::More { collection, rows } => {
            format!("{rows} more of {}", printable(collection, &[]))
        }
        LineageNode::Row { collection, index } => {
            format!("row {} {}", bold(collection), position(index))
        }
        LineageNode::Target { name, key } => {
            format!("target {} {}", bold(name), printable(key, &[]))
        }
        LineageNode::Call {
            transform,
            key,
            result,
            literals,
        } => {
            let literals = literals.iter();
            let literals: Vec<String> = literals
                .map(|(name, value)| format!(", {name} = {}", cut(value)))
                .collect();
            let what = match key {
                Some(key) => format!(
                    " {} → {}",
                    dim(format!("(memo {})", short(key))),
                    result_text(result)
                ),
                None => dim(", not known which".to_owned()),
            };
            format!(
                "call {}{}{what}",
                bold(transform),
                printable(&literals.concat(), &[])
            )
        }
    }
}

/// The positions of a row below its root row: `#3`, `#3.0`.
pub(super) fn position(index: &[u32]) -> String {
    let positions: Vec<String> = index.iter().map(u32::to_string).collect();
    format!("#{}", positions.join("."))
}

/// A row of another collection: `a.md`, `a.md#3`.
pub(super) fn member(key: &str, index: &[u32]) -> String {
    match index {
        [] => key.to_owned(),
        index => format!("{key}{}", position(index)),
    }
}

/// What came of a call, in a few words.
pub(super) fn result_text(result: &CallResult) -> String {
    match result {
        CallResult::Value(value) => printable(&cut(value), &[]),
        CallResult::Long(fingerprint) => format!("a long value, {}", short(fingerprint)),
        CallResult::Rows(1) => "1 row".to_owned(),
        CallResult::Rows(rows) => format!("{rows} rows"),
        CallResult::Nothing => "none".to_owned(),
        CallResult::Failed(reason) => format!("failed: {}", cut(&one_line(reason))),
        CallResult::Lost => "not remembered".to_owned(),
    }
}

/// The first twelve digits: enough to tell two apart by eye.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

pub(super) fn one_line(text: &str) -> String {
    printable(text.lines().next().unwrap_or_default(), &[])
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(RESULT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_short_and_harmless() {
        let text = |result| result_text(&result);
        assert_eq!(
            text(CallResult::Value("\"a\u{1b}b\"".to_owned())),
            "\"a\\u{1b}b\""
        );
        let long = text(CallResult::Value("é".repeat(100)));
        assert_eq!(long, format!("{}…", "é".repeat(60)));
        assert_eq!(text(CallResult::Rows(1)), "1 row");
        assert_eq!(text(CallResult::Nothing), "none");
        assert_eq!(text(CallResult::Failed("no\nway".to_owned())), "failed: no");
        assert_eq!(text(CallResult::Lost), "not remembered");
        let print = "0123456789abcdef".to_owned();
        assert_eq!(text(CallResult::Long(print)), "a long value, 0123456789ab");
    }
}
