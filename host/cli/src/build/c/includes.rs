//! The files that a source includes, as the compiler lists them or stumbles over them.

use std::path::{Path, PathBuf};

/// The files in a dependency file of make: `object: file file \`, with `\ ` for a space.
pub(super) fn listed(text: &str) -> Vec<String> {
    let joined = text
        .replace("\\\r\n", " ")
        .replace("\\\n", " ")
        .replace("\\ ", "\0");
    let list = joined
        .split_once(": ")
        .map(|(_, list)| list)
        .unwrap_or_default();
    list.split_whitespace()
        .map(|file| file.replace('\0', " "))
        .collect()
}

/// The files that messages of the compiler are about, or were included from: `FILE:LINE:COLUMN: error: …`.
pub(super) fn in_messages(said: &str) -> Vec<&str> {
    let file = |line: &'_ str| -> Option<usize> {
        let after = line.match_indices(':').find(|(at, _)| {
            let rest = &line[at + 1..];
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            digits > 0 && rest[digits..].starts_with([':', ','])
        });
        after.map(|(at, _)| at)
    };
    said.lines()
        .map(|line| {
            let line = line.trim_start();
            ["In file included from ", "from "]
                .iter()
                .find_map(|start| line.strip_prefix(start))
                .unwrap_or(line)
        })
        .filter_map(|line| file(line).map(|end| &line[..end]))
        .collect()
}

/// The files that a source includes by their names, without those that macros stand for.
pub(super) fn named(source: &str) -> impl Iterator<Item = &str> {
    const DIRECTIVES: [&str; 4] = ["include_next", "include", "import", "embed"];
    source.lines().filter_map(|line| {
        let directive = line.trim_start().strip_prefix('#')?.trim_start();
        let is = |name: &&str| directive.strip_prefix(*name);
        let file = DIRECTIVES.iter().find_map(is)?.trim_start();
        let (open, file) = (file.chars().next()?, file.get(1..)?);
        let close = match open {
            '"' => '"',
            '<' => '>',
            _ => return None,
        };
        file.split_once(close).map(|(file, _)| file)
    })
}

/// Where a file is, if it can be found: `path` begins in `folder`.
pub(super) fn place(folder: &Path, path: &str) -> Option<PathBuf> {
    folder.join(path).canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_includes_is_read_from_its_list() {
        let text = "0.o: src/a.c gen/a.h \\\n  include/my\\ own.h\n";
        assert_eq!(listed(text), ["src/a.c", "gen/a.h", "include/my own.h"]);
        assert_eq!(listed(""), [""; 0]);
    }

    #[test]
    fn the_files_that_a_source_names_are_found() {
        let source = "#include <stdio.h>\nint x; // #include \"no\"\n  #  include_next\t\"a b.h\" // b\n\
            #embed \"/dev/zero\"\n#import\"c\"\n#include MACRO\n#include\n#include ä\n#include \"open\n#define A\n";
        let found: Vec<_> = named(source).collect();
        assert_eq!(found, ["stdio.h", "a b.h", "/dev/zero", "c"]);
    }

    #[test]
    fn the_files_that_messages_are_about_are_found() {
        let said = "In file included from src/a.c:1:\n                 from src/b.h:12:\n\
            /etc/x.cnf:2:3: error: invalid preprocessing directive\n    2 | # a: b:1:2\n      |   ^\n\
            zig: error: no input files\n";
        assert_eq!(in_messages(said)[..3], ["src/a.c", "src/b.h", "/etc/x.cnf"]);
    }
}
