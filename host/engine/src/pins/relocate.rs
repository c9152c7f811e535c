//! Dropping a pin, whose results fall back to the code that made them, and moving them to a pin of another name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use flowstone_core::{CodeId, Recipe, RecipeRecord, is_pin_name};
use flowstone_store::{RecipeId, Snapshot};

use super::error::PinError;
use super::list::{PinCode, codes_of};
use super::rekey::{Moved, Pace, Tally, Way, count_entries, rekey};
use super::{PinEntry, all, origin, pin_of, read, remove, write};
use crate::engine::Engine;
use crate::error::Error;
use crate::recipe::Recipes;

/// What came of the results of a pin that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DropReport {
    /// The pin.
    pub pin: String,
    /// How many results went back to the code that made them.
    pub returned: u64,
    /// How many the code had itself.
    pub already: u64,
    /// The code that has them now.
    pub codes: Vec<PinCode>,
}

/// What was moved to another pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MoveReport {
    /// The former name.
    pub from: String,
    /// The new one.
    pub to: String,
    /// How many results.
    pub entries: u64,
}

impl Engine {
    /// Drops a pin: its results go back under the keys of the code that made them, where nothing is there yet.
    ///
    /// Cut off anywhere, doing it again does the rest.
    ///
    /// # Errors
    ///
    /// [`PinError::Unknown`]; when the store fails.
    pub fn drop_pin(&self, name: &str, stop: &AtomicBool) -> Result<DropReport, Error> {
        self.drop_at_pace(name, &Pace::new(&|| stop.load(Ordering::Relaxed)))
    }

    pub(super) fn drop_at_pace(&self, name: &str, pace: &Pace<'_>) -> Result<DropReport, Error> {
        let snapshot = self.store.snapshot()?;
        let pin = read(&snapshot, name)?;
        let tallies = count_entries(&snapshot, pace)?;
        let mut recipes = Recipes::read(&snapshot)?;
        let pinned = pinned(&recipes, &tallies, name);
        if pin.is_none() && pinned.is_empty() {
            return Err(unknown(&snapshot, name)?.into());
        }
        let codes = codes_of(&recipes, &tallies, name);
        drop(snapshot);
        let ways = self.ways(&mut recipes, &pinned, |record| origin(record, pin.as_ref()))?;
        let moved = rekey(&self.store, &ways, true, pace)?;
        self.store.write(|writer| remove(writer, name))?;
        let sum = |of: fn(&Moved) -> u64| moved.values().map(of).sum::<u64>();
        Ok(DropReport {
            pin: name.to_owned(),
            returned: sum(|moved| moved.put),
            already: sum(|moved| moved.there + moved.other),
            codes,
        })
    }

    /// Gives a pin another name.
    ///
    /// Cut off anywhere, doing it again does the rest.
    ///
    /// # Errors
    ///
    /// [`PinError::Unknown`], [`PinError::Taken`], [`PinError::Name`]; when the store fails.
    pub fn move_pin(&self, old: &str, new: &str, stop: &AtomicBool) -> Result<MoveReport, Error> {
        self.move_at_pace(old, new, &Pace::new(&|| stop.load(Ordering::Relaxed)))
    }

    pub(super) fn move_at_pace(
        &self,
        old: &str,
        new: &str,
        pace: &Pace<'_>,
    ) -> Result<MoveReport, Error> {
        if !is_pin_name(new) {
            return Err(PinError::Name.into());
        }
        let snapshot = self.store.snapshot()?;
        let tallies = count_entries(&snapshot, pace)?;
        let mut recipes = Recipes::read(&snapshot)?;
        let moving = pinned(&recipes, &tallies, old);
        let from = read(&snapshot, old)?;
        if from.is_none() && moving.is_empty() {
            return Err(unknown(&snapshot, old)?.into());
        }
        let begun = match read(&snapshot, new)? {
            Some(there) => there.moved_from.as_deref() == Some(old),
            None => false,
        };
        let has_results = !pinned(&recipes, &tallies, new).is_empty();
        if !begun && (old == new || has_results || read(&snapshot, new)?.is_some()) {
            return Err(PinError::Taken {
                name: new.to_owned(),
            }
            .into());
        }
        drop(snapshot);
        let entry = from.or_else(|| nameless(&recipes, &moving));
        let mut entry = entry.ok_or(Error::Internal("a pin has neither an entry nor results"))?;
        entry.moved_from = Some(old.to_owned());
        self.store.write(|writer| write(writer, new, &entry))?;
        let code = CodeId::Pin {
            name: new.to_owned(),
        };
        let renamed = |record: &RecipeRecord| Recipe {
            code: code.clone(),
            ..record.recipe.clone()
        };
        let ways = self.ways(&mut recipes, &moving, renamed)?;
        let moved = rekey(&self.store, &ways, true, pace)?;
        entry.moved_from = None;
        self.store.write(|writer| {
            write(writer, new, &entry)?;
            remove(writer, old)
        })?;
        Ok(MoveReport {
            from: old.to_owned(),
            to: new.to_owned(),
            entries: moved.values().map(|moved| moved.put + moved.there).sum(),
        })
    }

    /// The ways of the results under these recipes to those that `to` says.
    fn ways(
        &self,
        recipes: &mut Recipes,
        pinned: &[(RecipeId, RecipeRecord)],
        to: impl Fn(&RecipeRecord) -> Recipe,
    ) -> Result<HashMap<RecipeId, Way>, Error> {
        let mut ways = HashMap::new();
        for (id, record) in pinned {
            let to = RecipeRecord {
                recipe: to(record),
                maker: record.maker.clone(),
            };
            ways.insert(*id, Way::new(&self.store, recipes, &record.recipe, to)?);
        }
        Ok(ways)
    }
}

/// The recipes of a pin that have results.
fn pinned(
    recipes: &Recipes,
    tallies: &HashMap<RecipeId, Tally>,
    name: &str,
) -> Vec<(RecipeId, RecipeRecord)> {
    let all = recipes.iter();
    let found =
        all.filter(|(id, record)| pin_of(&record.recipe) == Some(name) && tallies.contains_key(id));
    found.cloned().collect()
}

/// The entry of a pin of which there are only results: they came from another store.
fn nameless(recipes: &Recipes, pinned: &[(RecipeId, RecipeRecord)]) -> Option<PinEntry> {
    let record = recipes.get(pinned.first()?.0)?;
    Some(PinEntry::new("", "", record))
}

fn unknown(snapshot: &Snapshot, name: &str) -> Result<PinError, Error> {
    let pins = all(snapshot)?.into_iter().map(|(name, _)| name).collect();
    Ok(PinError::Unknown {
        name: name.to_owned(),
        pins,
    })
}
