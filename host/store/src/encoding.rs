//! The byte forms of all records (format 1, golden-tested), and the records that callers do not see.

use std::borrow::Cow;

use flowstone_core::{Fingerprint, Interface, MemoKey, RunId};

use crate::codec::{Input, Record, put_bytes, put_list, put_varint};
use crate::record::{
    CallRecord, CollectionId, HINT_BYTES_MAX, Intent, IntentRow, Lineage, MemoRecord, Outcome,
    Owner, RowHead, RowState, Stored, TargetId, TargetRow,
};

fn fingerprint(input: &mut Input<'_>) -> Option<Fingerprint> {
    input.array().map(Fingerprint::from_bytes)
}

fn put_fingerprint(out: &mut Vec<u8>, fingerprint: &Fingerprint) {
    out.extend_from_slice(fingerprint.as_bytes());
}

const OUTCOME_INLINE: u8 = 0;
const OUTCOME_OBJECT: u8 = 1;
const OUTCOME_FAILED: u8 = 2;
const OUTCOME_NOTHING: u8 = 3;

impl Record for MemoRecord {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.cost_ns);
        put_varint(out, self.run.0);
        match &self.outcome {
            Outcome::Value {
                fingerprint,
                parts,
                stored,
            } => {
                out.push(if matches!(stored, Stored::Object) {
                    OUTCOME_OBJECT
                } else {
                    OUTCOME_INLINE
                });
                put_fingerprint(out, fingerprint);
                put_list(out, parts, put_fingerprint);
                if let Stored::Inline(bytes) = stored {
                    put_bytes(out, bytes);
                }
            }
            Outcome::Nothing => out.push(OUTCOME_NOTHING),
            Outcome::Failed { reason } => {
                out.push(OUTCOME_FAILED);
                put_bytes(out, reason.as_bytes());
            }
        }
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let cost_ns = input.varint()?;
        let run = RunId(input.varint()?);
        let outcome = match input.u8()? {
            OUTCOME_NOTHING => Outcome::Nothing,
            OUTCOME_FAILED => Outcome::Failed {
                reason: input.text()?,
            },
            form @ (OUTCOME_INLINE | OUTCOME_OBJECT) => Outcome::Value {
                fingerprint: fingerprint(input)?,
                parts: input.list(32, fingerprint)?,
                stored: if form == OUTCOME_OBJECT {
                    Stored::Object
                } else {
                    Stored::Inline(input.bytes()?.to_vec())
                },
            },
            _ => return None,
        };
        Some(Self {
            outcome,
            cost_ns,
            run,
        })
    }
}

impl Record for RowHead {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.state {
            RowState::Done => 0,
            RowState::Failed { retry: false } => 1,
            RowState::Failed { retry: true } => 2,
        });
        put_fingerprint(out, &self.content);
        put_fingerprint(out, &self.flow);
        out.extend_from_slice(&self.hint);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let state = match input.u8()? {
            0 => RowState::Done,
            1 => RowState::Failed { retry: false },
            2 => RowState::Failed { retry: true },
            _ => return None,
        };
        let (content, flow) = (fingerprint(input)?, fingerprint(input)?);
        let hint = input.rest();
        (hint.len() <= HINT_BYTES_MAX).then(|| Self {
            hint: hint.to_vec(),
            content,
            flow,
            state,
        })
    }
}

impl Record for Lineage {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.shape.is_some()));
        self.shape
            .iter()
            .for_each(|shape| put_fingerprint(out, shape));
        put_list(out, &self.columns, put_fingerprint);
        put_list(out, &self.calls, |out, call| {
            out.extend_from_slice(&call.transform.to_le_bytes());
            out.extend_from_slice(call.key.as_bytes());
        });
        put_targets(out, &self.targets);
        out.push(u8::from(self.failure.is_some()));
        if let Some(failure) = &self.failure {
            put_bytes(out, failure.as_bytes());
        }
        out.push(u8::from(self.good));
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            shape: match input.u8()? {
                0 => None,
                1 => Some(fingerprint(input)?),
                _ => return None,
            },
            columns: input.list(32, fingerprint)?,
            calls: input.list(34, call)?,
            targets: targets(input)?,
            failure: match input.u8()? {
                0 => None,
                1 => Some(input.text()?),
                _ => return None,
            },
            good: match input.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}

fn call(input: &mut Input<'_>) -> Option<CallRecord> {
    Some(CallRecord {
        transform: u16::from_le_bytes(input.array()?),
        key: MemoKey::from_bytes(input.array()?),
    })
}

/// The target, two hashes, and the lengths of the key and of the origin.
const TARGET_ROW_BYTES_MIN: usize = 4 + 16 + 16 + 1 + 1;

fn put_targets(out: &mut Vec<u8>, targets: &[TargetRow]) {
    put_list(out, targets, |out, row| {
        out.extend_from_slice(&row.target.0.to_le_bytes());
        out.extend_from_slice(&row.id);
        out.extend_from_slice(&row.fingerprint);
        put_bytes(out, &row.key);
        put_list(out, &row.origin, |out, index| {
            put_varint(out, u64::from(*index));
        });
    });
}

fn targets(input: &mut Input<'_>) -> Option<Vec<TargetRow>> {
    input.list(TARGET_ROW_BYTES_MIN, |input| {
        Some(TargetRow {
            target: TargetId(input.u32()?),
            id: input.array()?,
            fingerprint: input.array()?,
            key: input.bytes()?.to_vec(),
            origin: input.list(1, |input| u32::try_from(input.varint()?).ok())?,
        })
    })
}

impl Record for Intent {
    fn write(&self, out: &mut Vec<u8>) {
        put_list(out, &self.rows, |out, row| {
            out.extend_from_slice(&row.collection.0.to_le_bytes());
            put_bytes(out, &row.key);
            put_targets(out, &row.targets);
        });
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let rows = input.list(4 + 1 + 1, |input| {
            Some(IntentRow {
                collection: CollectionId(input.u32()?),
                key: input.bytes()?.to_vec(),
                targets: targets(input)?,
            })
        })?;
        Some(Self { rows })
    }
}

/// An owner as stored: with the target row's key where the table's key holds only the hash of it.
pub(crate) struct OwnerRecord<'a> {
    pub(crate) owner: Cow<'a, Owner>,
    pub(crate) long_key: Cow<'a, [u8]>,
}

impl Record for OwnerRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.owner.collection.0.to_le_bytes());
        put_bytes(out, &self.owner.row);
        out.extend_from_slice(&self.long_key);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let collection = CollectionId(input.u32()?);
        let row = input.bytes()?.to_vec();
        Some(Self {
            owner: Cow::Owned(Owner { collection, row }),
            long_key: input.rest().to_vec().into(),
        })
    }
}

/// JSON, because types nest: its parser bounds the depth, so that no bytes can exhaust the stack.
impl Record for Interface {
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self)
            .expect("an interface holds texts, lists and enums, which JSON can hold");
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        serde_json::from_slice(input.rest()).ok()
    }
}

/// How an object is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ObjectRecord<'a> {
    /// In the record.
    Inline(Cow<'a, [u8]>),
    /// In a file of so many bytes.
    File(u64),
}

impl Record for ObjectRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Inline(bytes) => {
                out.push(0);
                out.extend_from_slice(bytes);
            }
            Self::File(len) => {
                out.push(1);
                out.extend_from_slice(&len.to_le_bytes());
            }
        }
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        match input.u8()? {
            0 => Some(Self::Inline(input.rest().to_vec().into())),
            1 => input.u64().map(Self::File),
            _ => None,
        }
    }
}

/// What the file with compiled code must hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompiledRecord {
    pub(crate) len: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) keyed_hash: [u8; 32],
}

impl Record for CompiledRecord {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.keyed_hash);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            len: input.u64()?,
            hash: input.array()?,
            keyed_hash: input.array()?,
        })
    }
}

/// What is stored as it is: the JSON of a run, a meta entry.
pub(crate) struct Raw<'a>(pub(crate) Cow<'a, [u8]>);

impl Record for Raw<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self(input.rest().to_vec().into()))
    }
}
