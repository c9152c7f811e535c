//! What reading any part of a module needs: faults that are gathered, names that are taken, comments.

use std::collections::BTreeMap;

use syn::{Attribute, Error, Expr, Ident, Lit, Meta, Result};

/// What is wrong, as far as it was read.
#[derive(Default)]
pub(crate) struct Faults(Option<Error>);

impl Faults {
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn end(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Names that are taken, in WIT's form, and by what.
#[derive(Default)]
pub(crate) struct Taken(BTreeMap<String, String>);

impl Taken {
    pub(crate) fn take(&mut self, what: &str, ident: &Ident, name: &str) -> Result<()> {
        match self.0.insert(name.to_owned(), ident.to_string()) {
            Some(before) => {
                let message = format!(
                    "this {what} is `{name}` in WIT, and so is `{before}`: rename one of them"
                );
                Err(Error::new(ident.span(), message))
            }
            None => Ok(()),
        }
    }
}

/// Refuses what is only there in some builds: the macro cannot know in which.
pub(crate) fn unconditional(attributes: &[Attribute]) -> Result<()> {
    match attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("cfg"))
    {
        Some(cfg) => Err(Error::new_spanned(
            cfg,
            "a plugin's interface is the same in every build: leave `cfg` out here",
        )),
        None => Ok(()),
    }
}

/// The lines of the doc comments.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<String> {
    let texts = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
    let lines = |text: String| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
    texts.flat_map(lines).collect()
}
