//! The byte forms of the records that callers see (format 5, golden-tested). Those that only the store sees are in
//! `inner`.

mod inner;
mod relation;

use flowstone_core::{Fingerprint, MemoKey, RunId};

use crate::codec::{Input, Record, put_bytes, put_list, put_varint};
use crate::record::{
    CallRecord, CollectionId, HINT_BYTES_MAX, Intent, IntentRow, Lineage, LookupRecord, MemoRecord,
    Outcome, RecipeId, RowHead, RowState, Stored, TargetId, TargetRow, Usage, Why,
};

pub(crate) use relation::{ChangeRecord, Nothing};

pub(crate) use inner::{
    BuildRecord, CompiledRecord, FunctionsRecord, ObjectRecord, OwnerRecord, Raw,
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
        put_varint(out, u64::from(self.recipe.0));
        out.push(self.why as u8);
        put_list(out, &self.arguments, put_fingerprint);
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
        let recipe = RecipeId(u32::try_from(input.varint()?).ok()?);
        let why = why(input.u8()?)?;
        let arguments = input.list(32, fingerprint)?;
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
            recipe,
            arguments,
            why,
        })
    }
}

fn why(byte: u8) -> Option<Why> {
    const ALL: [Why; 7] = [
        Why::New,
        Why::Recompute,
        Why::Removed,
        Why::Expired,
        Why::Put,
        Why::Imported,
        Why::NewRow,
    ];
    ALL.into_iter().find(|why| *why as u8 == byte)
}

impl Record for Usage {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.run.0);
        put_varint(out, self.reused);
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            run: RunId(input.varint()?),
            reused: input.varint()?,
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
        put_varint(out, self.run.0);
        put_list(out, &self.calls, put_call);
        put_list(out, &self.replaced, put_call);
        put_targets(out, &self.targets);
        out.push(u8::from(self.failure.is_some()));
        if let Some(failure) = &self.failure {
            put_bytes(out, failure.as_bytes());
        }
        out.push(u8::from(self.good));
        put_list(out, &self.lookups, |out, lookup| {
            out.extend_from_slice(&lookup.relation.0.to_le_bytes());
            out.extend_from_slice(&lookup.key);
        });
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            shape: match input.u8()? {
                0 => None,
                1 => Some(fingerprint(input)?),
                _ => return None,
            },
            columns: input.list(32, fingerprint)?,
            run: RunId(input.varint()?),
            calls: input.list(34, call)?,
            replaced: input.list(34, call)?,
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
            lookups: input.list(20, |input| {
                Some(LookupRecord {
                    relation: TargetId(input.u32()?),
                    key: input.array()?,
                })
            })?,
        })
    }
}

fn put_call(out: &mut Vec<u8>, call: &CallRecord) {
    out.extend_from_slice(&call.transform.to_le_bytes());
    out.extend_from_slice(call.key.as_bytes());
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
