//! Listing: the pins of a store, whose results they hold, and how far these are known to be right.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use flowstone_core::{Maker, RunId};
use flowstone_store::RecipeId;

use super::rekey::{Pace, Tally, count_entries};
use super::{PinEntry, all, pin_of};
use crate::engine::Engine;
use crate::error::Error;
use crate::recipe::Recipes;

/// A pin of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinReport {
    /// Its name.
    pub name: String,
    /// The flow that used it last; empty where none did.
    pub flow: String,
    /// The transform that did.
    pub transform: String,
    /// The function, as WIT.
    pub signature: String,
    /// How many results it has.
    pub entries: u64,
    /// The code that made them, the newest first.
    pub codes: Vec<PinCode>,
    /// Whose results were adopted, in the order in which they were.
    pub adopted: Vec<PinAdoption>,
    /// What the last comparison with code came to.
    pub verified: Option<PinVerified>,
}

/// Code that made results of a pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinCode {
    /// The digest of the component.
    pub component: String,
    /// The exported function's full name.
    pub function: String,
    /// How many results of it the pin has.
    pub entries: u64,
    /// The last run that made one.
    pub last_run: RunId,
}

/// Results that a pin adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinAdoption {
    /// The digest of the component that made them.
    pub component: String,
    /// The exported function's full name.
    pub function: String,
    /// How many there were.
    pub entries: u64,
    /// The last run before it.
    pub run: RunId,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// What comparing the results of a pin with code came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinVerified {
    /// How many results were compared.
    pub compared: u64,
    /// How many the pin had.
    pub of: u64,
    /// How many of those that were compared were others.
    pub different: u64,
    /// How many calls gave no result.
    pub failed: u64,
    /// How many could not be compared, since their inputs were not at hand.
    pub unreachable: u64,
    /// What chose the sample; none when all were compared.
    pub seed: Option<u64>,
    /// The last run before it.
    pub run: RunId,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The digest of the component that was called.
    pub component: String,
    /// The exported function's full name.
    pub function: String,
}

impl Engine {
    /// The pins of the store, by name.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn pins(&self, stop: &AtomicBool) -> Result<Vec<PinReport>, Error> {
        let snapshot = self.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let stopped = || stop.load(Ordering::Relaxed);
        let tallies = count_entries(&snapshot, &Pace::new(&stopped))?;
        let mut pins: BTreeMap<String, Option<PinEntry>> = BTreeMap::new();
        for (name, entry) in all(&snapshot)? {
            pins.insert(name, Some(entry));
        }
        // Results that came from another store may have a pin that nobody here has used yet.
        for (id, record) in recipes.iter() {
            if let Some(name) = pin_of(&record.recipe)
                && tallies.contains_key(id)
                && !pins.contains_key(name)
            {
                pins.insert(name.to_owned(), None);
            }
        }
        let report = |(name, entry): (String, Option<PinEntry>)| {
            let codes = codes_of(&recipes, &tallies, &name);
            report(name, entry, codes)
        };
        Ok(pins.into_iter().map(report).collect())
    }
}

fn report(name: String, entry: Option<PinEntry>, codes: Vec<PinCode>) -> PinReport {
    let entries = codes.iter().map(|code| code.entries).sum();
    let mut report = PinReport {
        name,
        flow: String::new(),
        transform: String::new(),
        signature: String::new(),
        entries,
        codes,
        adopted: Vec::new(),
        verified: None,
    };
    if let Some(entry) = entry {
        report.flow = entry.flow;
        report.transform = entry.transform;
        report.signature = entry.signature;
        let adopted = entry.adoptions.into_iter().map(|adoption| adoption.report);
        report.adopted = adopted.filter(|adopted| adopted.entries > 0).collect();
        report.verified = entry.verified.map(|verified| verified.report);
    }
    report
}

/// The code that made the results of a pin, the newest first.
pub(super) fn codes_of(
    recipes: &Recipes,
    tallies: &HashMap<RecipeId, Tally>,
    pin: &str,
) -> Vec<PinCode> {
    let mut codes: Vec<PinCode> = Vec::new();
    let pinned = recipes.iter();
    let pinned = pinned.filter(|(_, record)| pin_of(&record.recipe) == Some(pin));
    for (id, record) in pinned {
        let Some(tally) = tallies.get(id) else {
            continue;
        };
        let Maker {
            component,
            function,
            ..
        } = &record.maker;
        let component = component.to_string();
        let same = |code: &&mut PinCode| code.component == component && code.function == *function;
        if let Some(code) = codes.iter_mut().find(same) {
            code.entries += tally.entries;
            code.last_run = code.last_run.max(tally.last_run);
        } else {
            codes.push(PinCode {
                component,
                function: function.clone(),
                entries: tally.entries,
                last_run: tally.last_run,
            });
        }
    }
    codes.sort_by_key(|code| std::cmp::Reverse(code.last_run));
    codes
}
