//! The doc comments of the functions, as WIT tools keep them: the section `package-docs` of wit-parser.
//!
//! What becomes of the comments in the WIT itself is up to the linker, and those there are today drop them.

use std::fmt::Write as _;

use crate::model::Plugin;

/// The version of the section's format that this is.
const VERSION: char = '\u{1}';

/// What the section holds.
pub(crate) fn section(plugin: &Plugin) -> Vec<u8> {
    let documented = plugin
        .functions
        .iter()
        .filter(|function| !function.docs.is_empty());
    let functions = documented
        .map(|function| {
            let lines = function
                .docs
                .iter()
                .map(|line| line.trim())
                .collect::<Vec<_>>();
            format!("{}:{}", json(&function.name), json(&lines.join("\n")))
        })
        .collect::<Vec<_>>();
    let world = json(&plugin.world);
    let functions = functions.join(",");
    format!("{VERSION}{{\"worlds\":{{{world}:{{\"func_exports\":{{{functions}}}}}}}}}").into_bytes()
}

/// A text as JSON has it.
fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            // Writing to a string cannot fail.
            control if control.is_control() => drop(write!(json, "\\u{:04x}", control as u32)),
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
}
