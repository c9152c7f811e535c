//! The options of sources and targets: what the flow file says, and how the kinds read it.

use std::time::Duration;

use flowstone_core::{OptionError, OptionValue, Options};

/// Reads the options of one source or target, and refuses those it does not know.
pub(crate) struct OptionReader<'a> {
    options: &'a Options,
}

impl<'a> OptionReader<'a> {
    pub(crate) fn new(options: &'a Options, known: &[&str]) -> Result<Self, OptionError> {
        match options.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(OptionReader { options }),
            Some(name) => Err(OptionError {
                candidates: known.iter().map(|&name| name.to_owned()).collect(),
                ..OptionError::new(name, format!("there is no option `{name}` here"))
            }),
        }
    }

    /// A string that may be left out.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, OptionError> {
        match self.options.get(name) {
            None => Ok(None),
            Some(OptionValue::Str(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(name, "a string", other)),
        }
    }

    /// A string that must be there and not be empty.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, OptionError> {
        match self.text(name)? {
            Some("") => Err(OptionError::new(name, format!("option `{name}` is empty"))),
            Some(text) => Ok(text),
            None => Err(OptionError::new(
                name,
                format!("option `{name}` is missing: it must be a string"),
            )),
        }
    }

    #[cfg(any(feature = "files", feature = "csv"))]
    pub(crate) fn bool(&self, name: &str, default: bool) -> Result<bool, OptionError> {
        match self.options.get(name) {
            None => Ok(default),
            Some(OptionValue::Bool(value)) => Ok(*value),
            Some(other) => Err(wrong_type(name, "true or false", other)),
        }
    }

    /// A list of strings; one string stands for a list of one.
    #[cfg(any(
        feature = "files",
        feature = "csv",
        feature = "jsonl",
        feature = "sqlite"
    ))]
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<&'a str>>, OptionError> {
        match self.options.get(name) {
            None => Ok(None),
            Some(OptionValue::Str(text)) => Ok(Some(vec![text])),
            Some(OptionValue::List(items)) => Ok(Some(items.iter().map(String::as_str).collect())),
            Some(other) => Err(wrong_type(name, "a string or a list of strings", other)),
        }
    }

    /// A number of bytes: an integer, or text such as `64MiB`.
    #[cfg(feature = "files")]
    pub(crate) fn size(&self, name: &str, default: u64) -> Result<u64, OptionError> {
        let expected = "a number of bytes such as 1000000 or \"64MiB\"";
        match self.options.get(name) {
            None => Ok(default),
            Some(OptionValue::Int(bytes)) if *bytes >= 0 => Ok(*bytes as u64),
            Some(OptionValue::Str(text)) => flowstone_core::parse_size(text).ok_or_else(|| {
                OptionError::new(name, format!("option `{name}` must be {expected}"))
            }),
            Some(other) => Err(wrong_type(name, expected, other)),
        }
    }

    /// A span of time such as `2s`, longer than none; nothing where it is left out.
    #[cfg(feature = "files")]
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, OptionError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let duration = flowstone_core::parse_duration(text);
        match duration.filter(|duration| !duration.is_zero()) {
            Some(duration) => Ok(Some(duration)),
            None => Err(OptionError::new(
                name,
                format!("option `{name}` must be a time such as \"2s\""),
            )),
        }
    }
}

fn wrong_type(name: &str, expected: &str, found: &OptionValue) -> OptionError {
    OptionError::new(
        name,
        format!("option `{name}` must be {expected}, not {}", found.noun()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, OptionValue)]) -> Options {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn an_unknown_option_names_itself_and_the_known_ones() {
        let given = options(&[("includes", OptionValue::Bool(true))]);
        let error = OptionReader::new(&given, &["include", "root"])
            .err()
            .unwrap();
        assert_eq!(error.option.as_deref(), Some("includes"));
        assert_eq!(error.candidates, ["include", "root"]);
    }

    #[test]
    fn a_wrong_type_says_what_was_expected_and_found() {
        let given = options(&[("root", OptionValue::Int(3))]);
        let reader = OptionReader::new(&given, &["root"]).unwrap();
        assert_eq!(
            reader.text("root").unwrap_err().message,
            "option `root` must be a string, not an integer"
        );
        assert_eq!(
            reader.required_text("path").unwrap_err().message,
            "option `path` is missing: it must be a string"
        );
    }

    #[test]
    #[cfg(feature = "files")]
    fn a_size_is_a_number_or_has_a_unit() {
        let given = options(&[
            ("a", OptionValue::Int(12)),
            ("b", OptionValue::Str("2MiB".into())),
            ("c", OptionValue::Str("much".into())),
            ("d", OptionValue::Int(-1)),
        ]);
        let reader = OptionReader::new(&given, &["a", "b", "c", "d"]).unwrap();
        assert_eq!(reader.size("a", 0), Ok(12));
        assert_eq!(reader.size("b", 0), Ok(2 << 20));
        assert_eq!(reader.size("e", 7), Ok(7));
        assert!(reader.size("c", 0).is_err());
        assert!(reader.size("d", 0).is_err());
    }
}
