//! Showing a difference: what is stored, and what the call gives now.

use serde::Serialize;

use flowstone_core::Value;
use flowstone_store::{Snapshot, StoreError};

use crate::answer::{Answer, Typed};
use crate::compared::{Compared, text};

/// A stored result and what its call gives now, as text for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The row, as people name it.
    pub row: String,
    /// The memo key.
    pub key: String,
    /// Which part of the values is shown, such as `[3].text`; empty where it is the whole.
    pub part: String,
    /// The stored value.
    pub stored: String,
    /// What the call gave now.
    pub now: String,
    /// How many characters of both are equal.
    pub equal_characters: usize,
}

/// Shows how `now` differs from `stored`.
pub(super) fn difference(
    (row, key): (String, String),
    (stored, now): (&Answer, &Answer),
    typed: &Typed,
    snapshot: &Snapshot,
) -> Result<Difference, StoreError> {
    let ty = &typed.shape.value;
    let compared = match (
        value(stored, typed, snapshot)?,
        value(now, typed, snapshot)?,
    ) {
        (Some(a), Some(b)) => Compared::values(a, b, ty),
        (a, b) => {
            let words = |answer: &Answer, value: Option<&Value>| match (answer, value) {
                (_, Some(value)) => text(value, ty),
                (Answer::Value(_), None) => "a value that the store has lost".to_owned(),
                (Answer::Nothing, None) => "none".to_owned(),
                (Answer::Failed(reason), None) => format!("err: {reason}"),
            };
            Compared::texts(&words(stored, a), &words(now, b))
        }
    };
    Ok(Difference {
        row,
        key,
        part: compared.part,
        stored: compared.first,
        now: compared.second,
        equal_characters: compared.equal_characters,
    })
}

fn value<'a>(
    answer: &'a Answer,
    typed: &Typed,
    snapshot: &Snapshot,
) -> Result<Option<&'a Value>, StoreError> {
    match answer {
        Answer::Value(remembered) => remembered.value(typed, snapshot),
        _ => Ok(None),
    }
}
