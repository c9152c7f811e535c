//! The words of verbs that take `[FLOW] NAME [KEY]`: which of them is the flow.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::EngineArgs;
use crate::failure::{Failure, Kind};
use crate::settings::FlowSettings;

/// Words of which the first may be a flow.
#[derive(Debug, Args)]
pub(crate) struct WordArgs {
    /// What it is about; before that the flow, if it is not `flow.toml`
    #[arg(value_name = "[FLOW] WORDS", required = true)]
    pub(crate) words: Vec<String>,
    /// The flow file or its folder, as an option
    #[arg(long = "flow", value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

impl WordArgs {
    /// The flow's settings, and the words but the flow. `usage` names them: so many that stand there at least, and so
    /// many that may.
    pub(crate) fn split(
        &self,
        usage: &[&str],
        least: usize,
    ) -> Result<(FlowSettings, &[String]), Failure> {
        let (flow, words) = split(&self.words, self.flow.as_deref(), usage, least)?;
        Ok((FlowSettings::of(flow, &self.engine)?, words))
    }
}

/// The flow and the other words: as [`WordArgs::split`].
pub(crate) fn split<'a>(
    words: &'a [String],
    flow: Option<&'a Path>,
    usage: &[&str],
    least: usize,
) -> Result<(Option<&'a Path>, &'a [String]), Failure> {
    let counts = least..=usage.len();
    let (flow, rest) = match words.split_first() {
        // One word more than there is room for can only be the flow.
        Some((first, rest)) if flow.is_none() => {
            let must = words.len() > usage.len();
            let may = counts.contains(&rest.len()) && is_flow(Path::new(first));
            if must || may {
                (Some(Path::new(first)), rest)
            } else {
                (None, words)
            }
        }
        _ => (flow, words),
    };
    if counts.contains(&rest.len()) {
        return Ok((flow, rest));
    }
    let shown: Vec<String> = (usage.iter().enumerate())
        .map(|(at, name)| match at {
            at if at < least => (*name).to_owned(),
            _ => format!("[{name}]"),
        })
        .collect();
    let message = format!(
        "`[FLOW] {}` are other words than these {}",
        shown.join(" "),
        words.len()
    );
    Err(Failure::new(Kind::Usage, message).hint("a key with blanks in it goes into quotes"))
}

/// The flow that comes before any number of words, where there is one, and the words but the flow.
pub(crate) fn before<'a>(
    words: &'a [String],
    flow: Option<&'a Path>,
) -> (Option<&'a Path>, &'a [String]) {
    match words.split_first() {
        Some((first, rest)) if flow.is_none() && is_flow(Path::new(first)) => {
            (Some(Path::new(first)), rest)
        }
        _ => (flow, words),
    }
}

/// Whether there is a flow file at this path.
fn is_flow(path: &Path) -> bool {
    path.join("flow.toml").is_file()
        || path.extension().is_some_and(|end| end == "toml") && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_word_too_many_is_the_flow() {
        let words = words("other words guide.md");
        let (flow, rest) = split(&words, None, &["TRANSFORM", "KEY"], 1).expect("they fit");
        assert_eq!(flow, Some(Path::new("other")));
        assert_eq!(rest, ["words", "guide.md"]);
    }

    #[test]
    fn a_word_that_is_no_flow_file_is_none() {
        let words = words("words guide.md");
        let (flow, rest) = split(&words, None, &["TRANSFORM", "KEY"], 1).expect("they fit");
        assert_eq!(flow, None);
        assert_eq!(rest.len(), 2);
    }

    #[test]
    fn too_few_words_are_an_error() {
        let words = words("words");
        assert!(split(&words, None, &["TRANSFORM", "KEY"], 2).is_err());
    }
}
