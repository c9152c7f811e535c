//! Elements: the values that a fold works with, or why there is none, and the steps that keep them.

use std::sync::Arc;

use flowstone_core::{Fingerprint, RowFailure, Type, Value, decode, encode};
use flowstone_store::Step;

use crate::answer::{error_text, said};

/// A value of a fold, or why there is none.
#[derive(Clone, Debug)]
pub(crate) enum Element {
    Value {
        value: Value,
    },
    Failed {
        reason: String,
        /// Whether it may go well the next time, although nothing changes.
        retry: bool,
    },
}

const VALUE: u8 = 0;
const FAILED: u8 = 1;
const FAILED_FOR_NOW: u8 = 2;

impl Element {
    /// What a function returned; `fallible` is what its err carries, where it returns a `result`.
    pub(super) fn of_call(returned: Value, fallible: Option<Option<&Type>>) -> Self {
        match (returned, fallible) {
            (Value::Result(Ok(Some(value))), Some(_)) => Element::Value {
                value: Arc::unwrap_or_clone(value),
            },
            (Value::Result(Err(payload)), Some(err)) => Self::of_err(payload.as_deref(), err),
            (value, _) => Element::Value { value },
        }
    }

    fn of_err(payload: Option<&Value>, ty: Option<&Type>) -> Self {
        let failure = payload.filter(|_| ty.is_some_and(RowFailure::is_type));
        let (reason, retry) = match failure.and_then(RowFailure::of) {
            Some(RowFailure::Invalid(reason)) => (said(reason.to_string()), false),
            // Other groups need not wait for it.
            Some(RowFailure::RetryAfter(_, reason)) => (
                said(format!(
                    "it asks to be tried again, which the next run does: {reason}"
                )),
                true,
            ),
            Some(RowFailure::Skip) => (
                "it returned `skip`, but what follows needs a value: `skip` is for transforms of single rows"
                    .to_owned(),
                false,
            ),
            None => (error_text(payload, ty), false),
        };
        Element::Failed { reason, retry }
    }

    /// What a step keeps; none where that is no value of the type.
    pub(super) fn of_step(step: &Step, ty: &Type) -> Option<Self> {
        let (tag, bytes) = step.bytes.split_first()?;
        match *tag {
            VALUE => decode(bytes, ty).ok().map(|value| Element::Value { value }),
            tag @ (FAILED | FAILED_FOR_NOW) => Some(Element::Failed {
                reason: String::from_utf8_lossy(bytes).into_owned(),
                retry: tag == FAILED_FOR_NOW,
            }),
            _ => None,
        }
    }

    /// The step that keeps it.
    pub(super) fn step(&self, (ty, type_print): &(Type, Fingerprint)) -> Step {
        match self {
            Element::Value { value } => {
                let mut bytes = vec![VALUE];
                encode(value, ty, &mut bytes);
                let print = blake3::keyed_hash(type_print.as_bytes(), &bytes[1..]);
                Step {
                    fingerprint: Fingerprint::from_bytes(*print.as_bytes()),
                    bytes,
                }
            }
            Element::Failed { reason, retry } => {
                let tag = if *retry { FAILED_FOR_NOW } else { FAILED };
                Step {
                    fingerprint: Fingerprint::from_bytes([0; 32]),
                    bytes: [&[tag], reason.as_bytes()].concat(),
                }
            }
        }
    }

    pub(super) fn is_value(&self) -> bool {
        matches!(self, Element::Value { .. })
    }

    /// Whether it is to be made again in the next run.
    pub(super) fn is_retried(&self) -> bool {
        matches!(self, Element::Failed { retry: true, .. })
    }
}

/// How high an element stands, by its key alone: half of them stand one level higher than the rest, half of those two, and
/// so on. The elements that stand higher than a level begin its chunks.
pub(super) fn height(key: &[u8]) -> u8 {
    if key.is_empty() {
        return HEIGHT_MAX;
    }
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 border of a fold");
    hasher.update(key);
    let hash = hasher.finalize();
    let (head, _) = hash
        .as_bytes()
        .split_first_chunk()
        .expect("a hash has 32 bytes");
    (u64::from_le_bytes(*head).trailing_zeros() as u8).min(HEIGHT_MAX)
}

/// On this level, all elements are one chunk.
pub(super) const HEIGHT_MAX: u8 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone_core::Case;

    /// What comes of an err of the failure type.
    fn failed(case: u32, payload: Option<Value>) -> (String, bool) {
        let pair = Type::Tuple([Type::U64, Type::String].into());
        let cases = [
            ("invalid", Some(Type::String)),
            ("retry-after", Some(pair)),
            ("skip", None),
        ];
        let cases = cases.map(|(name, ty)| Case {
            name: name.into(),
            ty,
        });
        let err = Value::Variant(case, payload.map(Arc::new));
        let returned = Value::Result(Err(Some(Arc::new(err))));
        match Element::of_call(returned, Some(Some(&Type::Variant(cases.into())))) {
            Element::Failed { reason, retry } => (reason, retry),
            Element::Value { value } => panic!("it is a value: {value:?}"),
        }
    }

    #[test]
    fn failures_say_whether_the_next_run_tries_again() {
        let reason = |text: &str| Some(Value::str(text));
        assert_eq!(
            failed(0, reason("too long")),
            ("too long".to_owned(), false)
        );
        let later = Value::Tuple([Value::U64(50), Value::str("busy")].into());
        let (reason, retry) = failed(1, Some(later));
        assert!(reason.ends_with("busy") && retry, "{reason}");
        let (reason, retry) = failed(2, None);
        assert!(reason.contains("`skip`") && !retry, "{reason}");
    }

    #[test]
    fn a_result_that_is_combined_is_a_value() {
        let err = Value::Result(Err(None));
        let made = Element::of_call(err.clone(), None);
        assert!(matches!(made, Element::Value { value } if value == err));
    }
}
