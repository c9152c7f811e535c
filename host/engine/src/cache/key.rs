//! The entry that a person means: by the row that it is for, or by the first digits of its key.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone_core::{CacheMode, Fingerprint, MemoKey, RecipeRecord, Stage, Transform};
use flowstone_store::{MemoRecord, Snapshot};

use crate::batch::Cell;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::overrides::find;
use crate::recipe::{Recipes, recipe};
use crate::relation::noun;
use crate::survey::RowName;

/// Fewer digits are taken for the name of a row.
const DIGITS_MIN: usize = 8;

/// So many entries whose keys begin alike are looked at.
const ALIKE_MAX: usize = 1000;

/// A transform of a flow, with what is known of its recipe.
pub(super) struct Asked<'a> {
    pub(super) flow: &'a Flow,
    pub(super) stage: &'a Stage,
    pub(super) transform: &'a Transform,
    /// The recipe of the flow as it is.
    pub(super) now: RecipeRecord,
    pub(super) recipes: Recipes,
}

/// The call that is meant.
pub(super) struct Meant {
    pub(super) key: MemoKey,
    /// The row, where it was named by that.
    pub(super) row: Option<RowName>,
    /// The fingerprints of the arguments that are hashed into the key.
    pub(super) arguments: Vec<Fingerprint>,
    /// What is remembered of it.
    pub(super) record: Option<MemoRecord>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(flow: &'a Flow, name: &str, snapshot: &Snapshot) -> Result<Self, Error> {
        let (stage, transform) = find(&flow.plan, name)?;
        Ok(Self {
            flow,
            stage,
            transform,
            now: recipe(flow, stage, transform),
            recipes: Recipes::read(snapshot)?,
        })
    }

    /// Whether the transform finds this entry as the flow is now.
    pub(super) fn is_present(&self, record: &MemoRecord) -> bool {
        let made_with = self.recipes.get(record.recipe);
        made_with.is_some_and(|made_with| made_with.recipe.key() == self.now.recipe.key())
    }

    /// Whether the entry is of the transform, be it of other code.
    fn is_mine(&self, record: &MemoRecord) -> bool {
        let function = &self.now.maker.function;
        let made_with = self.recipes.get(record.recipe);
        self.is_present(record)
            || made_with.is_some_and(|made_with| made_with.maker.function == *function)
    }

    /// Why the transform remembers nothing, where that is so.
    pub(super) fn remembers_nothing(&self) -> Option<String> {
        let mode = match self.transform.cache.mode {
            CacheMode::Disable => "disable",
            CacheMode::Ignore => "ignore",
            CacheMode::Default | CacheMode::Recompute => return None,
        };
        let name = &self.transform.name;
        Some(format!(
            "transform `{name}` has the mode `{mode}`, which remembers nothing"
        ))
    }
}

impl Engine {
    /// The call that `text` means: a row, or at least eight digits of a key.
    pub(super) fn meant(
        &self,
        asked: &Asked<'_>,
        snapshot: &Snapshot,
        text: &str,
        stop: &AtomicBool,
    ) -> Result<Meant, Error> {
        let is_digit = |c: char| c.is_ascii_hexdigit();
        let digits = (DIGITS_MIN..=64).contains(&text.len()) && text.chars().all(is_digit);
        if !digits {
            return self.meant_row(asked, snapshot, text, stop);
        }
        // A row may look like a key: it is taken for one only where no key begins so.
        match by_digits(asked, snapshot, text)? {
            Some(meant) => Ok(meant),
            None => (self.meant_row(asked, snapshot, text, stop)).map_err(|error| match error {
                Error::NotFound(_) => Error::NotFound(format!(
                    "no entry of `{}` has a key that begins with `{text}`, and no row has that name",
                    asked.transform.name
                )),
                error => error,
            }),
        }
    }

    /// The call for the row that `text` names.
    fn meant_row(
        &self,
        asked: &Asked<'_>,
        snapshot: &Snapshot,
        text: &str,
        stop: &AtomicBool,
    ) -> Result<Meant, Error> {
        let name = &asked.transform.name;
        let row = Self::row_name(asked.flow, name, text)?;
        let mut found = None;
        self.survey(asked.flow, name, Some(&row), stop, &mut |surveyed| {
            found = Some(match surveyed.prints()? {
                Some(prints) => Ok(prints),
                None => Err(surveyed.obstacle()),
            });
            Ok(ControlFlow::Break(()))
        })?;
        let Some(found) = found else {
            return Err(Error::NotFound(self.why_no_row(asked, &row, stop)?));
        };
        let arguments = found.map_err(|why| {
            Error::NotFound(format!(
                "the key of `{name}` for `{row}` is not known: {why}"
            ))
        })?;
        let key = asked.now.recipe.key().key(arguments.iter().copied());
        Ok(Meant {
            record: snapshot.memo(&key)?,
            key,
            row: Some(row),
            arguments,
        })
    }

    /// Why there is no row of this name: going up from it, the first list that is there, or is not, tells.
    fn why_no_row(
        &self,
        asked: &Asked<'_>,
        row: &RowName,
        stop: &AtomicBool,
    ) -> Result<String, Error> {
        let stage = asked.stage;
        let mut collection = asked.transform.collection;
        let mut above = row.clone();
        while let Some(position) = above.index.pop() {
            let mut makers = stage.transforms.iter();
            let maker = makers.find(|transform| transform.makes == Some(collection));
            let maker = maker.ok_or(Error::Internal("nothing makes the rows of a collection"))?;
            let name = &maker.name;
            let mut why = None;
            self.survey(asked.flow, name, Some(&above), stop, &mut |surveyed| {
                why = Some(
                    match &surveyed.batch.cells[surveyed.transform][surveyed.row] {
                        Cell::Ready(_) => format!("`{name}` gave `{above}` no position {position}"),
                        Cell::Unknown => {
                            format!("`{name}` is not remembered for `{above}`: run the flow first")
                        }
                        Cell::Absent | Cell::Failed => {
                            format!("`{name}` has failed, or gave none, for `{above}`")
                        }
                    },
                );
                Ok(ControlFlow::Break(()))
            })?;
            if let Some(why) = why {
                return Ok(format!("there is no row `{row}`: {why}"));
            }
            collection = maker.collection;
        }
        let source = &stage.source;
        Ok(format!(
            "{} `{}` has no row `{}` that can be read",
            noun(&source.kind),
            source.name,
            row.key
        ))
    }
}

/// The one entry of the transform whose key begins with these digits; none where there is no such.
fn by_digits(asked: &Asked<'_>, snapshot: &Snapshot, digits: &str) -> Result<Option<Meant>, Error> {
    let alike = snapshot.memo_prefix(digits, ALIKE_MAX)?;
    let strange = alike.first().map(|(_, record)| record.recipe);
    let mut mine = alike
        .into_iter()
        .filter(|(_, record)| asked.is_mine(record));
    match (mine.next(), mine.next()) {
        (Some((key, record)), None) => Ok(Some(Meant {
            key,
            row: None,
            arguments: record.arguments.clone(),
            record: Some(record),
        })),
        (Some(_), Some(_)) => Err(Error::NotFound(format!(
            "several entries of `{}` have keys that begin with `{digits}`: give more digits",
            asked.transform.name
        ))),
        (None, _) => match strange.and_then(|id| asked.recipes.get(id)) {
            Some(recipe) => Err(Error::NotFound(format!(
                "the entry `{digits}` is a result of `{}`, which transform `{}` does not call",
                recipe.maker.function, asked.transform.name
            ))),
            None => Ok(None),
        },
    }
}
