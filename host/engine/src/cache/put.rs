//! Setting one result by hand: it is remembered as if the call had given it, and the rows that use the call are looked at
//! again by the next run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use flowstone_core::{CacheMode, Fingerprint, MemoKey, Type, Value, from_json, from_wave};
use flowstone_store::{CollectionId, MemoRecord, Outcome, RowHead, Snapshot, StoreError, Why};

use super::dated::Dated;
use super::key::{Asked, Meant};
use super::register;
use crate::answer::{Answer, Returned, Typed};
use crate::books::{collections, put_stage_names, stage_names};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::relation::is_gathered;

/// A result as it is given by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenValue<'a> {
    /// The value, or the whole result of the function, as WAVE text. A text that is no WAVE is a string where one is asked
    /// for.
    Wave(&'a str),
    /// The value as JSON; null is none.
    Json(&'a str),
    /// The bytes of a string or a list of bytes.
    Raw(&'a [u8]),
}

/// What setting a result came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PutReport {
    /// The memo key.
    pub key: String,
    /// The row, where it was named by that.
    pub row: Option<String>,
    /// `value`, `none` or `failed`.
    pub outcome: &'static str,
    /// Whether it took the place of another result.
    pub replaced: bool,
    /// How many rows the next run looks at again for its sake.
    pub rows: u64,
}

impl Engine {
    /// Remembers `given` as the result of the transform `name` for `key`: a row, or at least eight digits of the key of a
    /// result that is remembered.
    ///
    /// # Errors
    ///
    /// When there is no such transform, row or entry, the row's arguments are not known without a call, or the value is
    /// none of the transform's. Nothing is changed then.
    pub fn cache_put(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
        given: GivenValue<'_>,
        stop: &AtomicBool,
    ) -> Result<PutReport, Error> {
        let snapshot = self.store.snapshot()?;
        let asked = Asked::new(flow, name, &snapshot)?;
        let transform = asked.transform;
        let wrong = |message: String| Error::Override {
            place: format!("`{}` for `{key}`", transform.name),
            message,
        };
        if let Some(why) = unused(&asked) {
            return Err(wrong(why));
        }
        let meant = self.meant(&asked, &snapshot, key, stop)?;
        if meant
            .record
            .as_ref()
            .is_some_and(|record| !asked.is_present(record))
        {
            return Err(wrong(
                "this result is of other code, which no row asks for any more: name the row"
                    .to_owned(),
            ));
        }
        let typed = Typed::new(transform.result.clone(), transform.makes.is_some());
        let result = transform.function.result.as_ref();
        let (answer, encoding) = answer(given, result, &typed).map_err(wrong)?;
        let encoding = encoding.as_deref();
        self.put(&asked, &snapshot, &meant, answer.outcome(), encoding, stop)
    }

    fn put(
        &self,
        asked: &Asked<'_>,
        snapshot: &Snapshot,
        meant: &Meant,
        outcome: Outcome,
        encoding: Option<&[u8]>,
        stop: &AtomicBool,
    ) -> Result<PutReport, Error> {
        let code = asked.flow.code(&asked.transform.plugin);
        let known = asked.recipes.id(&asked.now);
        if known.is_none() {
            self.store.put_build(&code.digest, &code.bytes)?;
        }
        // The rows first: killed in between, the next run looks at them and finds nothing new.
        let rows = self.look_again(snapshot, &meant.key, stop)?;
        let report = PutReport {
            key: meant.key.to_string(),
            row: meant.row.as_ref().map(ToString::to_string),
            outcome: match &outcome {
                Outcome::Value { .. } => "value",
                Outcome::Nothing => "none",
                Outcome::Failed { .. } => "failed",
            },
            replaced: meant.record.is_some(),
            rows,
        };
        let dated = Dated::new(snapshot, "put")?;
        self.store.write(|writer| {
            dated.write(writer)?;
            let recipe = known.map_or_else(|| register(writer, &asked.now), Ok)?;
            if let (Outcome::Value { fingerprint, .. }, Some(encoding)) = (&outcome, encoding) {
                writer.put_object(fingerprint, encoding)?;
            }
            let record = MemoRecord {
                outcome,
                // What the call takes is what the result saves.
                cost_ns: meant.record.as_ref().map_or(0, |record| record.cost_ns),
                run: dated.run,
                recipe,
                arguments: meant.arguments.clone(),
                why: Why::Put,
            };
            writer.put_memo(&meant.key, &record)
        })?;
        Ok(report)
    }

    /// Sees to it that the next run looks at the rows again that use a call; how many they are.
    pub(super) fn look_again(
        &self,
        snapshot: &Snapshot,
        key: &MemoKey,
        stop: &AtomicBool,
    ) -> Result<u64, Error> {
        let mut rows = 0;
        let mut due = Vec::new();
        for (collection, kind) in collections(snapshot)? {
            let is_gathered = is_gathered(&kind);
            for row in snapshot.lineages(collection)? {
                let (row, lineage) = row?;
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let uses = lineage.calls.iter().any(|call| call.key == *key);
                // A row that failed and kept what it had does not tell which calls it would have used.
                let may_use = lineage.failure.is_some() && lineage.good;
                if !uses && !may_use {
                    continue;
                }
                if let Some(head) = snapshot.row(collection, &row)? {
                    rows += 1;
                    due.push(UsingRow {
                        collection,
                        is_gathered,
                        key: row,
                        head,
                    });
                }
                if due.len() >= ROWS_AT_ONCE {
                    self.put_due(snapshot, &mut due)?;
                }
            }
        }
        self.put_due(snapshot, &mut due)?;
        Ok(rows)
    }

    fn put_due(&self, snapshot: &Snapshot, rows: &mut Vec<UsingRow>) -> Result<(), StoreError> {
        let rows = std::mem::take(rows);
        self.store.write(|writer| {
            for row in rows {
                let UsingRow {
                    collection,
                    key,
                    mut head,
                    ..
                } = row;
                if row.is_gathered {
                    // Of these a run looks at no head, but at what is due.
                    writer.put_due(collection, &key)?;
                }
                if is_due(&head.flow) {
                    continue;
                }
                // The lineage names its transforms by their positions in the version of the flow that wrote it.
                let names = stage_names(snapshot, &head.flow)?;
                head.flow = due(&head.flow);
                put_stage_names(writer, &head.flow, &names)?;
                writer.put_head(collection, &key, &head)?;
            }
            Ok(())
        })
    }
}

/// A row that uses a call.
struct UsingRow {
    collection: CollectionId,
    /// Whether it comes from other stages.
    is_gathered: bool,
    key: Vec<u8>,
    head: RowHead,
}

/// Why the next run would not use a result that is put, where that is so.
fn unused(asked: &Asked<'_>) -> Option<String> {
    if let Some(why) = asked.remembers_nothing() {
        return Some(why);
    }
    if asked.transform.cache.mode == CacheMode::Recompute {
        let why = "its mode is `recompute`, so the next run would call it anyway";
        return Some(why.to_owned());
    }
    None
}

/// So many rows are written in one transaction.
const ROWS_AT_ONCE: usize = 1000;

/// What the identity of what was done to a row begins with where the row is to be looked at again: no flow has such a one.
const DUE: [u8; 8] = *b"see here";

/// The identity of a former version of a flow, as that of no version.
fn due(flow: &Fingerprint) -> Fingerprint {
    let mut bytes = *flow.as_bytes();
    bytes[..DUE.len()].copy_from_slice(&DUE);
    Fingerprint::from_bytes(bytes)
}

/// Whether a row is to be looked at again because a result was put that it uses.
pub(crate) fn is_due(flow: &Fingerprint) -> bool {
    flow.as_bytes().starts_with(&DUE)
}

/// The answer that is given, and its encoding where that is to be kept as an object.
fn answer(
    given: GivenValue<'_>,
    result: Option<&Type>,
    typed: &Typed,
) -> Result<(Answer, Option<Vec<u8>>), String> {
    let ty = &typed.shape.value;
    let value = match given {
        GivenValue::Wave(text) => return of_wave(text, result, typed),
        GivenValue::Json(text) => {
            let json =
                serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
            if typed.shape.can_be_none() && matches!(json, serde_json::Value::Null) {
                return Ok((Answer::Nothing, None));
            }
            from_json(&json, ty).map_err(|error| format!("the value is no `{ty}`: {error}"))?
        }
        GivenValue::Raw(bytes) if *ty == Type::bytes() => Value::bytes(bytes),
        GivenValue::Raw(bytes) if *ty == Type::String => match std::str::from_utf8(bytes) {
            Ok(text) => Value::str(text),
            Err(_) => return Err("the bytes are not UTF-8 text".to_owned()),
        },
        GivenValue::Raw(_) => {
            return Err(format!("raw bytes are no `{ty}`: give WAVE text or JSON"));
        }
    };
    Ok(Answer::of_value(value, typed))
}

/// The text may be the value, the whole result of the function (`none`, `err("...")`), or the words of a string.
fn of_wave(
    text: &str,
    result: Option<&Type>,
    typed: &Typed,
) -> Result<(Answer, Option<Vec<u8>>), String> {
    let ty = &typed.shape.value;
    let whole = || result.and_then(|result| from_wave(text, result).ok());
    match from_wave(text, ty) {
        Ok(value) => Ok(Answer::of_value(value, typed)),
        Err(error) => match whole() {
            Some(returned) => match Answer::of_call(returned, typed) {
                Returned::Answer(answer, encoding) => Ok((answer, encoding)),
                Returned::Again(_) => {
                    Err("that a call is to be tried again is nothing to remember".to_owned())
                }
            },
            None if typed.shape.can_be_none() && text == "none" => Ok((Answer::Nothing, None)),
            // In quotes it was meant as WAVE, and a mistake there is one.
            None if *ty == Type::String && !text.starts_with('"') => {
                Ok(Answer::of_value(Value::str(Arc::from(text)), typed))
            }
            None => Err(error.to_string()),
        },
    }
}
