//! `flowstone new`: a plugin or a flow to begin with, that builds and runs as it is.

mod flow;
mod folder;
mod name;
mod plugin;
mod templates;

use std::fmt::Write as _;

use serde_json::json;

use crate::args::NewVerb;
use crate::failure::{EXIT_DONE, Failure};
use crate::output::{Output, Style};
use folder::Folder;

/// Makes what was asked for.
pub(crate) fn new(verb: &NewVerb, output: Output) -> Result<u8, Failure> {
    let made = match verb {
        NewVerb::Plugin(args) => plugin::plugin(args)?,
        NewVerb::Flow(args) => flow::flow(args, output)?,
    };
    if output.json {
        output.object(&json!({
            "folder": made.folder.path(),
            "name": made.folder.name(),
            "files": made.files,
            "next": made.next,
        }))?;
    } else {
        output.answer(&made.text(output))?;
    }
    Ok(EXIT_DONE)
}

/// What was made.
struct Made {
    /// What it is, for people.
    what: String,
    folder: Folder,
    /// The files that were written, by their paths below the folder.
    files: Vec<String>,
    /// The commands that one would give next.
    next: Vec<String>,
}

impl Made {
    fn text(&self, output: Output) -> String {
        let path = self.folder.path().display().to_string();
        let mut text = format!(
            "made {} in {}\n",
            self.what,
            output.paint().text(Style::Bold, &path)
        );
        for file in &self.files {
            let _ = writeln!(text, "  {file}");
        }
        text.push_str("\nnext\n");
        if self.folder.path() != std::path::Path::new(".") {
            let _ = writeln!(text, "  cd {}", quoted(&path));
        }
        for command in &self.next {
            let _ = writeln!(text, "  {command}");
        }
        text
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+:@,=".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("a/b-c.d"), "a/b-c.d");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
    }
}
