//! Names of what is made. One name serves in WIT, in flows, and in every language that a plugin can be written in.

use heck::ToKebabCase;

use crate::failure::{Failure, Kind};

/// So long may a name be.
const LENGTH_MAX: usize = 64;

/// Words that a language, its build tool or WIT keeps for itself, of those that are names otherwise.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "bool",
    "borrow",
    "box",
    "break",
    "case",
    "chan",
    "char",
    "const",
    "constructor",
    "continue",
    "core",
    "crate",
    "default",
    "defer",
    "do",
    "dyn",
    "else",
    "enum",
    "export",
    "extern",
    "fallthrough",
    "false",
    "final",
    "flags",
    "fn",
    "for",
    "from",
    "func",
    "future",
    "gen",
    "go",
    "goto",
    "if",
    "impl",
    "import",
    "in",
    "include",
    "interface",
    "let",
    "list",
    "loop",
    "macro",
    "main",
    "map",
    "match",
    "mod",
    "move",
    "mut",
    "node",
    "option",
    "override",
    "own",
    "package",
    "priv",
    "pub",
    "range",
    "record",
    "ref",
    "resource",
    "result",
    "return",
    "select",
    "self",
    "static",
    "std",
    "stream",
    "string",
    "struct",
    "super",
    "switch",
    "test",
    "trait",
    "tuple",
    "type",
    "use",
    "variant",
    "world",
];

/// Sees to it that a name can be one.
///
/// # Errors
///
/// When it is none, with one that is near it.
pub(super) fn check(name: &str) -> Result<(), Failure> {
    let what = if name.len() > LENGTH_MAX {
        format!("has more than {LENGTH_MAX} letters")
    } else if !is_kebab_case(name) {
        "is not made of words in small letters with `-` between them".to_owned()
    } else if RESERVED.contains(&name) {
        "is a word that a language keeps for itself".to_owned()
    } else {
        return Ok(());
    };
    let failure = Failure::new(Kind::Usage, format!("the name `{name}` {what}"));
    Err(match near(name) {
        Some(near) => failure.hint(format!("such as `{near}`")),
        None => failure.hint("such as `word-count`"),
    })
}

/// Words of letters and digits, each beginning with a letter.
fn is_kebab_case(name: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.split('-').all(word)
}

/// A name that can be one, made of one that cannot.
fn near(name: &str) -> Option<String> {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let mut near = String::new();
    for word in plain.to_kebab_case().split('-') {
        // Digits belong to the word before them.
        if word.starts_with(|c: char| c.is_ascii_lowercase()) && !near.is_empty() {
            near.push('-');
        }
        near.push_str(word);
    }
    let mut near: String = near
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start_matches('-')
        .chars()
        .take(LENGTH_MAX)
        .collect();
    near.truncate(near.trim_end_matches('-').len());
    if RESERVED.contains(&&*near) {
        near.push_str("-plugin");
    }
    (near != name && is_kebab_case(&near)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_in_kebab_case() {
        for name in ["text", "word-count", "utf8-text", "x"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in [
            "", "-", "a--b", "-a", "a-", "2d", "a-2", "Text", "a_b", "ä", "a b", "../x", "list",
            "fn",
        ] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check(&"x".repeat(LENGTH_MAX)).is_ok());
        assert!(check(&"x".repeat(LENGTH_MAX + 1)).is_err());
    }

    #[test]
    fn one_that_is_none_is_mended() {
        for (name, mended) in [
            ("WordCount", Some("word-count")),
            ("word_count", Some("word-count")),
            ("my plugin!", Some("my-plugin")),
            ("text-2", Some("text2")),
            ("3d-text", Some("d-text")),
            ("list", Some("list-plugin")),
            ("äöü", None),
            ("", None),
        ] {
            assert_eq!(near(name).as_deref(), mended, "{name}");
        }
        let long = near(&"abc-".repeat(40)).expect("a shorter one");
        assert!(check(&long).is_ok(), "{long}");
    }

    #[test]
    fn what_is_reserved_is_sorted_and_would_be_a_name() {
        assert!(RESERVED.is_sorted());
        assert!(RESERVED.iter().all(|word| is_kebab_case(word)));
    }
}
