//! Elements: the values that a fold works with, or why there is none, and the steps that keep them.

use std::sync::Arc;

use flowstone_core::{Fingerprint, Type, Value, decode, encode, to_json};
use flowstone_store::Step;

use crate::answer::said;

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
    /// What a function returned, whose result may be a `result`.
    pub(super) fn of_call(returned: Value, ty: Option<&Type>) -> Self {
        let err = match ty {
            Some(Type::Result { err, .. }) => err.as_deref(),
            _ => return Element::Value { value: returned },
        };
        match returned {
            Value::Result(Ok(Some(value))) => Element::Value {
                value: Arc::unwrap_or_clone(value),
            },
            Value::Result(Err(payload)) => Element::Failed {
                reason: said(match (payload.as_deref(), err) {
                    (Some(Value::Str(text)), _) => text.to_string(),
                    (Some(value), Some(ty)) => to_json(value, ty).to_string(),
                    _ => "the function returned an error without a reason".to_owned(),
                }),
                retry: false,
            },
            value => Element::Value { value },
        }
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
