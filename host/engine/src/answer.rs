//! Answers: what a call came to, with the fingerprints that go on from it and the value, loaded only when needed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flowstone_core::{
    Fingerprint, ResultShape, RowFailure, Type, Value, decode, encode, fingerprint, to_json,
};
use flowstone_store::{INLINE_BYTES_MAX, Outcome, Snapshot, StoreError, Stored};

/// What a call came to by its own account. A pure function gives the same answer every time.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A value.
    Value(Remembered),
    /// None: there is no row here.
    Nothing,
    /// The err of its result, for people.
    Failed(String),
}

/// What a function that was called says of a row.
#[derive(Debug)]
pub(crate) enum Returned {
    /// An answer, and its value's encoding where that is to be stored as an object.
    Answer(Answer, Option<Vec<u8>>),
    /// That it is to be called again.
    Again(Again),
}

/// That a function is to be called again for a row: it says nothing that could be remembered.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    pub(crate) after: Duration,
    pub(crate) reason: String,
}

/// A value that is in the store or on its way there.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) fingerprint: Fingerprint,
    /// The fingerprints of the parts, see [`parts`].
    parts: OnceLock<Vec<Fingerprint>>,
    stored: Stored,
    value: OnceLock<Value>,
}

/// A result's type with the fingerprints of its types: made once for each transform.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) shape: ResultShape,
    pub(crate) rows: bool,
    /// Whether an err says what is to be done about it.
    pub(crate) row_failure: bool,
    fingerprint: Fingerprint,
    /// The types of the parts of a record, or of each element of a list of rows.
    part_types: Vec<(Type, Fingerprint)>,
}

impl Typed {
    pub(crate) fn new(shape: ResultShape, rows: bool) -> Self {
        let of = |ty: &Type| (ty.clone(), ty.fingerprint());
        let whole = match &shape.value {
            Type::List(element) if rows => &**element,
            other => other,
        };
        let part_types = match (whole, rows) {
            (Type::Record(fields), _) => fields.iter().map(|field| of(&field.ty)).collect(),
            (element, true) => vec![of(element)],
            (_, false) => Vec::new(),
        };
        Self {
            fingerprint: shape.value.fingerprint(),
            row_failure: shape.has_row_failure(),
            part_types,
            shape,
            rows,
        }
    }

    /// How many parts each element of a list of rows has.
    pub(crate) fn parts_per_row(&self) -> usize {
        self.part_types.len()
    }
}

impl Answer {
    /// Interprets what a function returned for a row.
    pub(crate) fn of_call(returned: Value, typed: &Typed) -> Returned {
        let answer = |answer| Returned::Answer(answer, None);
        let value = match (returned, &typed.shape.fallible) {
            (Value::Result(Err(payload)), Some(ty)) => {
                let failure = payload.as_deref().filter(|_| typed.row_failure);
                return match failure.and_then(RowFailure::of) {
                    Some(RowFailure::Invalid(reason)) => {
                        answer(Answer::Failed(said(reason.to_string())))
                    }
                    Some(RowFailure::RetryAfter(after, reason)) => Returned::Again(Again {
                        after,
                        reason: said(reason.to_string()),
                    }),
                    Some(RowFailure::Skip) => answer(Answer::Nothing),
                    None => answer(Answer::Failed(error_text(payload.as_deref(), ty.as_ref()))),
                };
            }
            (Value::Result(Ok(Some(value))), Some(_)) => Arc::unwrap_or_clone(value),
            (value, _) => value,
        };
        let value = match (value, typed.shape.optional) {
            (Value::Option(None), true) => return answer(Answer::Nothing),
            (Value::Option(Some(value)), true) => Arc::unwrap_or_clone(value),
            (value, _) => value,
        };
        let (answer, encoding) = Self::of_value(value, typed);
        Returned::Answer(answer, encoding)
    }

    /// The answer of a value that is no longer wrapped, and its encoding where that is to be stored as an object.
    pub(crate) fn of_value(value: Value, typed: &Typed) -> (Self, Option<Vec<u8>>) {
        let mut encoding = Vec::new();
        encode(&value, &typed.shape.value, &mut encoding);
        let fingerprint = Fingerprint::from_bytes(
            *blake3::keyed_hash(typed.fingerprint.as_bytes(), &encoding).as_bytes(),
        );
        // A transform that makes rows of the same list needs its parts; one that makes a column does not know them.
        let parts = if typed.part_types.is_empty() {
            OnceLock::new()
        } else {
            OnceLock::from(parts(&value, typed))
        };
        let stored = if encoding.len() <= INLINE_BYTES_MAX {
            Stored::Inline(encoding.clone())
        } else {
            Stored::Object
        };
        let encoding = matches!(stored, Stored::Object).then_some(encoding);
        let remembered = Remembered {
            fingerprint,
            parts,
            stored,
            value: OnceLock::from(value),
        };
        (Answer::Value(remembered), encoding)
    }

    /// What the store remembers.
    pub(crate) fn of_outcome(outcome: Outcome, typed: &Typed) -> Self {
        match outcome {
            Outcome::Failed { reason } => Answer::Failed(reason),
            Outcome::Nothing => Answer::Nothing,
            Outcome::Value {
                fingerprint,
                parts,
                stored,
            } => {
                // Only rows keep the parts of lists. Called for a column before, the parts are made on loading.
                let known = !typed.rows && parts.len() == typed.part_types.len()
                    || typed.rows
                        && !parts.is_empty()
                        && parts.len().is_multiple_of(typed.parts_per_row());
                let parts = if known {
                    OnceLock::from(parts)
                } else {
                    OnceLock::new()
                };
                Answer::Value(Remembered {
                    fingerprint,
                    parts,
                    stored,
                    value: OnceLock::new(),
                })
            }
        }
    }

    /// What is remembered of it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Answer::Failed(reason) => Outcome::Failed {
                reason: reason.clone(),
            },
            Answer::Nothing => Outcome::Nothing,
            Answer::Value(remembered) => Outcome::Value {
                fingerprint: remembered.fingerprint,
                parts: remembered.parts.get().cloned().unwrap_or_default(),
                stored: remembered.stored.clone(),
            },
        }
    }
}

/// The encoding of a remembered value, checked against its fingerprint; none when the store has lost it.
pub(crate) fn encoding(
    snapshot: &Snapshot,
    value: &Fingerprint,
    stored: &Stored,
    type_fingerprint: &Fingerprint,
) -> Result<Option<Vec<u8>>, StoreError> {
    match stored {
        Stored::Inline(bytes) => {
            let found = blake3::keyed_hash(type_fingerprint.as_bytes(), bytes);
            Ok((found == *value.as_bytes()).then(|| bytes.clone()))
        }
        Stored::Object => snapshot.object(value, type_fingerprint),
    }
}

impl Remembered {
    /// The value: at hand, or loaded and checked against its fingerprint. None when the store has lost it.
    pub(crate) fn value(
        &self,
        typed: &Typed,
        snapshot: &Snapshot,
    ) -> Result<Option<&Value>, StoreError> {
        if let Some(value) = self.value.get() {
            return Ok(Some(value));
        }
        let encoding = encoding(
            snapshot,
            &self.fingerprint,
            &self.stored,
            &typed.fingerprint,
        )?;
        let value = encoding.and_then(|bytes| decode(&bytes, &typed.shape.value).ok());
        Ok(value.map(|value| self.value.get_or_init(|| value)))
    }

    /// The fingerprints of the parts: known, or made from the value. None when the store has lost the value.
    pub(crate) fn parts(
        &self,
        typed: &Typed,
        snapshot: &Snapshot,
    ) -> Result<Option<&[Fingerprint]>, StoreError> {
        if self.parts.get().is_none() {
            let Some(value) = self.value(typed, snapshot)? else {
                return Ok(None);
            };
            let _ = self.parts.set(parts(value, typed));
        }
        Ok(self.parts.get().map(Vec::as_slice))
    }

    /// Takes a value that was made anew because the store had lost it.
    pub(crate) fn restore(&self, value: Value) {
        let _ = self.value.set(value);
    }

    /// How many bytes it holds in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        let stored = match &self.stored {
            Stored::Inline(bytes) => bytes.len(),
            Stored::Object => 0,
        };
        self.value.get().map_or(0, Value::size)
            + self.parts.get().map_or(0, |parts| parts.len() * 32)
            + stored
    }
}

/// The fingerprints of a record's fields; of a list of rows those of every element's fields (of the element itself
/// where it is no record), one element after the other; none for anything else.
fn parts(value: &Value, typed: &Typed) -> Vec<Fingerprint> {
    let mut found = Vec::new();
    let mut add = |item: &Value| {
        let fields = match item {
            Value::Record(fields) => &fields[..],
            other => std::slice::from_ref(other),
        };
        for (field, (ty, type_fingerprint)) in fields.iter().zip(&typed.part_types) {
            found.push(fingerprint(field, ty, type_fingerprint));
        }
    };
    match (value, typed.rows) {
        (Value::Record(_), false) => add(value),
        (value, true) => {
            let mut ordinal = 0;
            while let Some(element) = row(value, &typed.shape.value, ordinal) {
                add(&element);
                ordinal += 1;
            }
        }
        _ => {}
    }
    found
}

/// The element of a list at this position, also where the list is packed.
pub(crate) fn row(list: &Value, list_type: &Type, position: usize) -> Option<Value> {
    match (list, list_type) {
        (Value::List(items), _) => items.get(position).cloned(),
        (Value::Bytes(bytes) | Value::Packed(bytes), Type::List(element)) => {
            let width = element.number_width()?;
            let start = position.checked_mul(width)?;
            decode(bytes.get(start..start + width)?, element).ok()
        }
        _ => None,
    }
}

/// So many bytes of a reason are kept: enough for a person, whatever a plugin hands out.
pub(crate) const REASON_BYTES_MAX: usize = 2000;

/// A plugin's words for people: cut where they are longer than anybody reads, and without control characters, which
/// could play tricks on a terminal.
pub(crate) fn said(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text.push('…');
    }
    printable(&text)
}

/// The text with what could play tricks on a terminal escaped, but for line breaks and tabs.
pub fn printable(text: &str) -> String {
    flowstone_core::printable(text, &['\n', '\t'])
}

/// What an err that is no [`RowFailure`] says, for people.
pub(crate) fn error_text(payload: Option<&Value>, ty: Option<&Type>) -> String {
    said(match (payload, ty) {
        (Some(Value::Str(text)), _) => text.to_string(),
        (Some(value), Some(ty)) => to_json(value, ty).to_string(),
        _ => "the function returned an error without a reason".to_owned(),
    })
}
