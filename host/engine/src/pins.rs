//! Pins: names that stand for a transform's code in its keys, so that a change of the code keeps its results.
//!
//! Here is what the store knows of a pin besides its results: who uses it, whose results were adopted, and what came of
//! comparing them with the code. A pin stands while there is such an entry; without one its results are collected.

mod adopt;
mod align;
mod codes;
mod error;
mod list;
mod rekey;
mod relocate;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;

use serde::{Deserialize, Serialize};

use flowstone_core::{CodeId, Maker, Recipe, RecipeRecord, RunId};
use flowstone_store::{Snapshot, StoreError, Writer};

pub use self::adopt::AdoptReport;
pub(crate) use self::adopt::{named_pin, refuse_fold};
pub(crate) use self::align::align;
pub(crate) use self::codes::same_code;
pub use self::codes::{EarlierCode, PinSource};
pub use self::error::PinError;
pub use self::list::{PinAdoption, PinCode, PinReport, PinVerified};
pub use self::relocate::{DropReport, MoveReport};
use self::users::PinUser;
pub(crate) use self::users::note_uses;
use crate::books::{get, put};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::overrides::find;
use crate::recipe::recipe;

/// The names of the entries of pins begin with this.
const PREFIX: &str = "pin/";

/// A pin, as the store knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PinEntry {
    /// The flow that used it last.
    pub(crate) flow: String,
    /// The transform that did.
    pub(crate) transform: String,
    /// The function, as WIT.
    pub(crate) signature: String,
    /// All transforms that name it.
    #[serde(default)]
    pub(crate) users: Vec<PinUser>,
    /// Whose results were adopted.
    #[serde(default)]
    pub(crate) adoptions: Vec<Adoption>,
    /// What the last comparison with the code came to.
    #[serde(default)]
    pub(crate) verified: Option<Verified>,
    /// The pin whose results are being moved here: until that is done, both stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moved_from: Option<String>,
}

/// Results of one code that were adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Adoption {
    #[serde(flatten)]
    pub(crate) report: PinAdoption,
    /// The code.
    pub(crate) maker: Maker,
    /// The recipe of the results without a pin: where they go when the pin is dropped.
    pub(crate) origin: Recipe,
}

/// What comparing the results of a pin with its code came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verified {
    #[serde(flatten)]
    pub(crate) report: PinVerified,
    /// The code that was called.
    pub(crate) maker: Maker,
}

impl PinEntry {
    pub(crate) fn new(flow: &str, transform: &str, record: &RecipeRecord) -> Self {
        let user = PinUser {
            number: 0,
            flow: flow.to_owned(),
            transform: transform.to_owned(),
            function: record.maker.function.clone(),
        };
        Self {
            users: Some(user)
                .filter(|user| !user.flow.is_empty())
                .into_iter()
                .collect(),
            flow: flow.to_owned(),
            transform: transform.to_owned(),
            signature: record.recipe.function.to_string(),
            adoptions: Vec::new(),
            verified: None,
            moved_from: None,
        }
    }

    /// Takes over who used the pin last.
    fn show(&mut self, user: &Self) {
        self.flow.clone_from(&user.flow);
        self.transform.clone_from(&user.transform);
        self.signature.clone_from(&user.signature);
    }
}

/// The pin of this name, where it stands.
pub(crate) fn read(snapshot: &Snapshot, name: &str) -> Result<Option<PinEntry>, StoreError> {
    get(snapshot, &format!("{PREFIX}{name}"))
}

/// All pins that stand, by name.
pub(crate) fn all(snapshot: &Snapshot) -> Result<Vec<(String, PinEntry)>, StoreError> {
    let found = snapshot.meta_prefix(PREFIX)?.into_iter();
    let pins = found.filter_map(|(name, bytes)| {
        let name = name.strip_prefix(PREFIX)?.to_owned();
        Some((name, serde_json::from_slice(&bytes).ok()?))
    });
    Ok(pins.collect())
}

pub(crate) fn write(
    writer: &mut Writer<'_>,
    name: &str,
    entry: &PinEntry,
) -> Result<(), StoreError> {
    put(writer, &format!("{PREFIX}{name}"), entry)
}

fn remove(writer: &mut Writer<'_>, name: &str) -> Result<(), StoreError> {
    writer.remove_meta(&format!("{PREFIX}{name}"))
}

/// The recipe that the results of `record`, which has a pin, have without it.
pub(crate) fn origin(record: &RecipeRecord, pin: Option<&PinEntry>) -> Recipe {
    let fallen_back = || Recipe {
        code: record.maker.code(),
        ..record.recipe.clone()
    };
    adopted_from(record, pin)
        .cloned()
        .unwrap_or_else(fallen_back)
}

/// The recipe that results of `record`, which has a pin, had before they were adopted; none where none were.
fn adopted_from<'a>(record: &RecipeRecord, pin: Option<&'a PinEntry>) -> Option<&'a Recipe> {
    let mut adoptions = pin?.adoptions.iter();
    let adopted = adoptions.find(|adoption| {
        adoption.maker == record.maker && align(&adoption.origin, &record.recipe).is_some()
    });
    adopted.map(|adoption| &adoption.origin)
}

/// The name of the pin that stands for the code in a recipe.
pub(crate) fn pin_of(recipe: &Recipe) -> Option<&str> {
    match &recipe.code {
        CodeId::Pin { name } => Some(name),
        _ => None,
    }
}

/// A pin in use: its name, and how far its results are known to be those of the present code.
///
/// Its text for people is `` pinned `word-count-1`, verified 50 of 1,204, run 17 ``.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinState {
    /// The name.
    pub name: String,
    /// The last comparison; none when there was none.
    pub verified: Option<PinProof>,
}

/// What the last comparison of a pin's results with code came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinProof {
    /// How many results were compared.
    pub compared: u64,
    /// How many there were.
    pub of: u64,
    /// How many of those that were compared were others.
    pub different: u64,
    /// How many calls gave no result.
    pub failed: u64,
    /// The last run before the comparison.
    pub run: RunId,
    /// Whether they were compared with the present code.
    pub present_code: bool,
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pinned `{}`, ", self.name)?;
        let Some(proof) = &self.verified else {
            return f.write_str("not verified");
        };
        let (compared, of) = (grouped(proof.compared), grouped(proof.of));
        write!(f, "verified {compared} of {of}")?;
        if proof.different > 0 {
            write!(f, ", {} different", grouped(proof.different))?;
        }
        if proof.failed > 0 {
            write!(f, ", {} failed", grouped(proof.failed))?;
        }
        write!(f, ", run {}", proof.run)?;
        if !proof.present_code {
            f.write_str(", with other code than the present")?;
        }
        Ok(())
    }
}

/// A number with commas: `1,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Engine {
    /// The pin of a flow's transform, and how far its results are known to be those of the present code; none where it
    /// has no pin.
    ///
    /// # Errors
    ///
    /// When the flow has no such transform, or the store cannot be read.
    pub fn pin_state(&self, flow: &Flow, transform: &str) -> Result<Option<PinState>, Error> {
        let (stage, transform) = find(&flow.plan, transform)?;
        let Some(name) = &transform.cache.pin else {
            return Ok(None);
        };
        let present = recipe(flow, stage, transform).maker;
        let entry = read(&self.store.snapshot()?, name)?;
        let proof = |Verified { report, maker }: Verified| PinProof {
            compared: report.compared,
            of: report.of,
            different: report.different,
            failed: report.failed,
            run: report.run,
            present_code: same_code(&maker, &present),
        };
        Ok(Some(PinState {
            name: name.clone(),
            verified: entry.and_then(|entry| entry.verified).map(proof),
        }))
    }
}

#[cfg(test)]
mod shown {
    use super::*;

    #[test]
    fn a_pin_in_use_says_how_far_it_is_proved() {
        let mut state = PinState {
            name: "words-1".to_owned(),
            verified: None,
        };
        assert_eq!(state.to_string(), "pinned `words-1`, not verified");
        let proof = PinProof {
            compared: 50,
            of: 1204,
            different: 0,
            failed: 0,
            run: RunId(17),
            present_code: true,
        };
        state.verified = Some(proof.clone());
        assert_eq!(
            state.to_string(),
            "pinned `words-1`, verified 50 of 1,204, run 17"
        );
        state.verified = Some(PinProof {
            different: 3,
            failed: 1,
            present_code: false,
            ..proof
        });
        assert_eq!(
            state.to_string(),
            "pinned `words-1`, verified 50 of 1,204, 3 different, 1 failed, run 17, with other code than the present"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
