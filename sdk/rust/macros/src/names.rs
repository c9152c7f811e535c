//! Names on both sides: those of Rust, and those of WIT, which are in kebab case.
//!
//! wit-bindgen writes code with the names that it makes of the WIT's. Where that code names something of the author's
//! (fields and cases), the name has to come back as it was.

use heck::{ToKebabCase, ToSnakeCase, ToUpperCamelCase};
use syn::ext::IdentExt as _;
use syn::{Error, Ident, Result};

/// The words that a name in WIT may only be with a `%` before it.
pub(crate) const WIT_WORDS: [&str; 43] = [
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// The words that a name in Rust may not be; wit-bindgen puts a `_` behind them.
const RUST_WORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in",
    "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The name in kebab case.
pub(crate) fn kebab(ident: &Ident) -> Result<String> {
    let name = ident.unraw().to_string();
    let kebab = name.to_kebab_case();
    if !kebab.is_ascii() {
        return Err(Error::new(
            ident.span(),
            format!(
                "`{name}` cannot be a name in WIT: only the letters a to z and digits can; rename it"
            ),
        ));
    }
    let starts_well = |part: &str| part.starts_with(|first: char| first.is_ascii_lowercase());
    if !kebab.split('-').all(starts_well) {
        let joined = kebab.split('-').collect::<Vec<_>>();
        let hint = joined.iter().skip(1).any(|part| !starts_well(part)) && starts_well(joined[0]);
        let instead = if hint {
            format!("; write `{}`", without_lonely_digits(&kebab))
        } else {
            "; begin it with a letter".to_owned()
        };
        return Err(Error::new(
            ident.span(),
            format!(
                "`{name}` cannot be a name in WIT: each word of a name begins with a letter{instead}"
            ),
        ));
    }
    Ok(kebab)
}

/// `part-1` as `part1`.
fn without_lonely_digits(kebab: &str) -> String {
    let mut joined = String::new();
    for part in kebab.split('-') {
        if !joined.is_empty() && part.starts_with(|first: char| first.is_ascii_lowercase()) {
            joined.push('_');
        }
        joined.push_str(part);
    }
    joined
}

/// The name of a field in kebab case, from which wit-bindgen makes the same field again.
pub(crate) fn field(ident: &Ident) -> Result<String> {
    comes_back(ident, "field", rust)
}

/// The name of a case in kebab case, from which wit-bindgen makes the same case again.
pub(crate) fn case(ident: &Ident) -> Result<String> {
    comes_back(ident, "case", str::to_upper_camel_case)
}

fn comes_back(ident: &Ident, what: &str, back: impl Fn(&str) -> String) -> Result<String> {
    let kebab = kebab(ident)?;
    let rust = back(&kebab);
    if *ident != rust {
        return Err(Error::new(
            ident.span(),
            format!(
                "this {what} is `{kebab}` in WIT, and that is `{rust}` in Rust: write `{rust}`"
            ),
        ));
    }
    Ok(kebab)
}

/// What wit-bindgen calls a function or a field.
pub(crate) fn rust(kebab: &str) -> String {
    if RUST_WORDS.contains(&kebab) {
        format!("{kebab}_")
    } else {
        kebab.to_snake_case()
    }
}

/// The name as WIT text.
pub(crate) fn wit(kebab: &str) -> String {
    if WIT_WORDS.contains(&kebab) {
        format!("%{kebab}")
    } else {
        kebab.to_owned()
    }
}
