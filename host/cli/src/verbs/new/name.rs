//! Names of what is made. One name serves in WIT, in flows, and in every language that a plugin can be written in.

use heck::ToKebabCase;

use crate::failure::{Failure, Kind};

/// So long may a name be.
const LENGTH_MAX: usize = 64;

/// Words that WIT, a language or its build tool keeps for itself, of those that are names otherwise. Go takes a package
/// `vendor` for a folder of others, and cargo none for one that it depends on.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "abstract", "alignas", "alignof", "alloc", "and", "arguments", "as", "asm", "assert", "async",
    "auto", "await", "become", "bool", "borrow", "box", "break", "case", "catch", "chan", "char",
    "class", "const", "constexpr", "constructor", "continue", "core", "crate", "debugger", "def",
    "default", "defer", "del", "delete", "do", "double", "dyn", "elif", "else", "enum",
    "error-context", "eval", "except", "export", "extends", "extern", "f128", "f16", "f32", "f64",
    "fallthrough", "false", "final", "finally", "flags", "float", "flowstone-sdk", "fn", "for", "from", "func",
    "function", "future", "gen", "global", "go", "goto", "i128", "i16", "i32", "i64", "i8", "if",
    "impl", "implements", "import", "in", "include", "init", "inline", "instanceof", "int",
    "interface", "is", "isize", "lambda", "let", "list", "long", "loop", "macro", "main", "map",
    "match", "mod", "move", "mut", "new", "node", "none", "nonlocal", "not", "null", "nullptr",
    "option", "or", "override", "own", "package", "pass", "priv", "private", "proc-macro",
    "protected", "pub", "public", "raise", "range", "record", "ref", "register", "resource",
    "restrict", "result", "return", "s16", "s32", "s64", "s8", "select", "self", "short", "signed",
    "sizeof", "static", "std", "str", "stream", "string", "struct", "super", "switch", "test",
    "tests", "this", "thread-local", "throw", "trait", "true", "try", "tuple", "type", "typedef",
    "typeof", "u128", "u16", "u32", "u64", "u8", "undefined", "union", "unsafe", "unsigned",
    "unsized", "use", "usize", "var", "variant", "vendor", "virtual", "void", "volatile", "where", "while",
    "with", "world", "yield",
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
    fn every_word_of_wit_and_of_the_languages_is_refused() {
        assert!(RESERVED.is_sorted());
        for word in RESERVED {
            assert!(is_kebab_case(word), "{word} is no name anyway");
            let failure = check(word).expect_err(word);
            assert!(failure.message.ends_with("keeps for itself"), "{word}");
            assert_eq!(failure.hints, [format!("such as `{word}-plugin`")]);
        }
        for word in "where while unsafe true try typeof unsized virtual yield with tests u8 u16 u32 u64 s8 s16 s32 s64 \
            f32 f64 error-context def class lambda function new typedef sizeof chan defer"
            .split(' ')
            .filter(|word| !word.is_empty())
        {
            assert!(check(word).is_err(), "{word}");
        }
    }
}
