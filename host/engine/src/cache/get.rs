//! Reading one result that is remembered.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use flowstone_core::{Fingerprint, ResultShape, RunId, Type, Value, decode};
use flowstone_store::{MemoRecord, Outcome, Snapshot, Why};

use super::entries::{Ages, names};
use super::key::{Asked, Meant};
use crate::answer::encoding;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::run::now_s;

/// A result that is remembered, and what is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct CacheResult {
    /// The memo key.
    pub key: String,
    /// The row, where it was asked for by that.
    pub row: Option<String>,
    /// The function that made it.
    pub function: String,
    /// What stands for its code in the key.
    pub code: String,
    /// The digest of the component that made it.
    pub component: Option<String>,
    /// The run that made it.
    pub run: RunId,
    /// How long ago that run began; none where that is not known.
    pub age_seconds: Option<u64>,
    /// Why it was made.
    pub why: Why,
    /// For how many rows it was reused.
    pub hits: u64,
    /// How long the call took.
    pub cost_seconds: f64,
    /// The fingerprints of the arguments that are hashed into the key, in order.
    pub arguments: Vec<String>,
    /// What came of the call.
    #[serde(skip)]
    pub outcome: CachedOutcome,
}

/// What came of a call that is remembered.
#[derive(Clone, Debug, PartialEq)]
pub enum CachedOutcome {
    /// A value.
    Value {
        /// The value, without what wraps it in the function's result.
        value: Value,
        /// Its type.
        ty: Type,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// None: there is no row.
    Nothing,
    /// The call failed by its own account.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Engine {
    /// What is remembered of the transform `name` for `key`: a row, or at least eight digits of a memo key. By a memo key
    /// also results of other code are found.
    ///
    /// # Errors
    ///
    /// When there is no such transform, row or entry, or the entry's value is lost.
    pub fn cache_get(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
        stop: &AtomicBool,
    ) -> Result<CacheResult, Error> {
        let snapshot = self.store.snapshot()?;
        let asked = Asked::new(flow, name, &snapshot)?;
        let meant = self.meant(&asked, &snapshot, key, stop)?;
        let Some(record) = &meant.record else {
            return Err(Error::NotFound(asked.remembers_nothing().unwrap_or_else(
                || {
                    let name = &asked.transform.name;
                    let short = meant.key.short();
                    format!("no result of `{name}` is remembered for `{key}` (key {short})")
                },
            )));
        };
        let made_with = asked.recipes.get(record.recipe);
        let result = made_with.map_or(&asked.now, |made_with| made_with);
        let shape = ResultShape::of(result.recipe.function.result.as_ref());
        let shape = shape.ok_or(Error::Internal("a function without a result has one"))?;
        let outcome = outcome(&snapshot, &meant, record, &shape)?;
        let (function, code) = names(made_with);
        Ok(CacheResult {
            key: meant.key.to_string(),
            row: meant.row.as_ref().map(ToString::to_string),
            function,
            code,
            component: made_with.map(|made_with| made_with.maker.component.to_string()),
            run: record.run,
            age_seconds: Ages::new(&snapshot, now_s()).of(record.run)?.known_s(),
            why: record.why,
            hits: snapshot.usage(&meant.key)?.map_or(0, |usage| usage.reused),
            cost_seconds: record.cost_ns as f64 / 1e9,
            arguments: record.arguments.iter().map(ToString::to_string).collect(),
            outcome,
        })
    }
}

fn outcome(
    snapshot: &Snapshot,
    meant: &Meant,
    record: &MemoRecord,
    shape: &ResultShape,
) -> Result<CachedOutcome, Error> {
    let (fingerprint, stored) = match &record.outcome {
        Outcome::Nothing => return Ok(CachedOutcome::Nothing),
        Outcome::Failed { reason } => {
            let reason = reason.clone();
            return Ok(CachedOutcome::Failed { reason });
        }
        Outcome::Value {
            fingerprint,
            stored,
            ..
        } => (*fingerprint, stored),
    };
    let encoding = encoding(snapshot, &fingerprint, stored, &shape.value.fingerprint())?;
    let value = encoding.and_then(|encoding| decode(&encoding, &shape.value).ok());
    let lost = || {
        Error::NotFound(format!(
            "the value of the entry {} is lost or damaged; it is made again when a row needs it",
            meant.key.short()
        ))
    };
    Ok(CachedOutcome::Value {
        value: value.ok_or_else(lost)?,
        ty: shape.value.clone(),
        fingerprint,
    })
}
