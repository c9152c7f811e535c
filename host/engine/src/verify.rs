//! Verifying: stored results beside what calling gives now.
//!
//! ```text
//! stored results under the present keys ── survey of the present rows ──> those that are reached ──> a sample, or all
//!   sample ── second survey, for the arguments ──> calls, in parallel ──> equal, different, failed
//! ```
//!
//! `verify` calls the code that made a result, which should give it again; `pin verify` calls the present code, which
//! the pin says gives the same.

mod bound;
mod check;
mod code;
mod compare;
mod fold;
mod sample;
mod shown;
mod stored;

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use flowstone_core::{CacheMode, Fold, RecipeRecord, Stage, Transform};

use self::check::Check;
use self::code::Codes;
pub(crate) use self::compare::same_outcome;
use self::fold::FoldCheck;
pub use self::shown::Difference;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::Observer;
use crate::overrides::{find, find_fold};
use crate::pins::{PinEntry, PinError, PinVerified, Verified, named_pin, read, refuse_fold, write};
use crate::recipe::recipe;
use crate::run::now_s;

/// Which stored results are compared, and what of them is reported.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// How many results of each transform; none for all that the present rows reach.
    pub sample: Option<u64>,
    /// What chooses the sample: equal seeds choose equal samples of equal stores.
    pub seed: u64,
    /// How many differences of each transform are shown.
    pub differences_max: usize,
}

/// What comparing stored results with calls came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyReport {
    /// The flow's name.
    pub flow: String,
    /// What chose the sample; none when all results were to be compared.
    pub seed: Option<u64>,
    /// Per transform, in the order in which they run.
    pub transforms: Vec<VerifiedTransform>,
    /// Whether it was interrupted: what is reported is what was found until then.
    pub interrupted: bool,
}

/// What came of the results of one transform.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifiedTransform {
    /// The transform's name.
    pub name: String,
    /// The pin whose results they are.
    pub pin: Option<String>,
    /// Why nothing was compared.
    pub left_out: Option<String>,
    /// How many results the store has under the present keys, but for those that were put by hand or whose code is not
    /// at hand.
    pub stored: u64,
    /// Those of them whose inputs the present rows do not have.
    pub unreachable: u64,
    /// Results that were put by hand: no code has made them.
    pub put: u64,
    /// Results whose code is not at hand.
    pub without_code: Vec<MissingCode>,
    /// How many calls gave something to compare.
    pub compared: u64,
    /// How many results are as they are stored.
    pub equal: u64,
    /// How many are others.
    pub different: u64,
    /// How many calls gave no result: a trap, a limit.
    pub failed: u64,
    /// Whether every result was compared that the present rows reach.
    pub complete: bool,
    /// With 95 % confidence, no larger share of the results that are reached differs; none when nothing was compared, all
    /// were, or it was interrupted.
    pub share_max: Option<f64>,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// Of what is combined: how many of those that are different are neighbours which come to another value when the
    /// later two are put together first.
    pub not_associative: u64,
    /// The first of these. As stored is shown what comes of the earlier two first.
    pub orders: Vec<Difference>,
    /// The first failed calls.
    pub failures: Vec<FailedCall>,
}

/// Code that made results and is not at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingCode {
    /// The digest of its component.
    pub component: String,
    /// The exported function's full name.
    pub function: String,
    /// Why it is not at hand.
    pub reason: String,
    /// How many results of it there are.
    pub results: u64,
}

/// A call that gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedCall {
    /// The row, as people name it.
    pub row: String,
    /// The memo key.
    pub key: String,
    /// Why it gave none.
    pub reason: String,
}

impl VerifiedTransform {
    /// Whether every call that was made gave what is stored.
    pub fn is_sound(&self) -> bool {
        self.different == 0 && self.failed == 0
    }
}

impl Engine {
    /// Compares results of a pin with what the present code of the transform `name` gives, for a sample of the inputs that
    /// the present rows have, or for all of them. What it came to is kept with the pin, unless it was interrupted.
    ///
    /// # Errors
    ///
    /// [`PinError`] when the flow names no pin for the transform, or its results hang on more than their arguments; when
    /// the store or the source fails.
    pub fn verify_pin(
        &self,
        flow: &Flow,
        name: &str,
        options: &VerifyOptions,
        stop: &AtomicBool,
        observer: &dyn Observer,
    ) -> Result<VerifyReport, Error> {
        refuse_fold(flow, name)?;
        let (stage, transform) = find(&flow.plan, name)?;
        let pin = named_pin(transform)?;
        if let Some(reason) = incomparable(stage, transform) {
            let transform = transform.name.clone();
            return Err(PinError::NotComparable { transform, reason }.into());
        }
        let present = recipe(flow, stage, transform);
        let codes = Codes::present(self, &present)?;
        let check = Check {
            engine: self,
            flow,
            transform,
            options,
            stop,
            observer,
        };
        let (verified, interrupted) = check.check(&codes)?;
        let report = VerifyReport {
            flow: flow.plan.name.clone(),
            seed: options.seed_of_sample(),
            transforms: vec![verified],
            interrupted,
        };
        if !interrupted {
            self.keep_proof(
                flow,
                pin,
                &present,
                (&report.transforms[0], options),
                transform,
            )?;
        }
        Ok(report)
    }

    /// Makes stored calls of a flow's transforms once more, of all or of those in `names`, with the code that made their
    /// results, and compares what they give. Of a fold it makes kept steps, and puts neighbours together both ways.
    ///
    /// # Errors
    ///
    /// When the flow has no such transform; when the store or a source fails.
    pub fn verify(
        &self,
        flow: &Flow,
        names: &[String],
        options: &VerifyOptions,
        stop: &AtomicBool,
        observer: &dyn Observer,
    ) -> Result<VerifyReport, Error> {
        let is_fold = |name: &&String| find_fold(&flow.plan, name).is_some();
        let named: Vec<&Transform> = (names.iter().filter(|name| !is_fold(name)))
            .map(|name| find(&flow.plan, name).map(|(_, transform)| transform))
            .collect::<Result<_, _>>()?;
        let mut report = VerifyReport {
            flow: flow.plan.name.clone(),
            seed: options.seed_of_sample(),
            transforms: Vec::new(),
            interrupted: false,
        };
        let checking = Checking {
            engine: self,
            flow,
            options,
            stop,
            observer,
        };
        for stage in &flow.plan.stages {
            let fold = stage.source.gather.as_ref();
            let fold = fold.and_then(|gather| gather.fold.as_ref());
            if let Some(fold) = fold
                && (names.is_empty() || names.contains(&fold.name))
            {
                checking.fold(fold, &mut report)?;
            }
            let is_named = |transform: &&Transform| names.is_empty() || named.contains(transform);
            for transform in stage.transforms.iter().filter(is_named) {
                if !report.interrupted {
                    checking.transform(stage, transform, &mut report)?;
                }
            }
            if report.interrupted {
                break;
            }
        }
        Ok(report)
    }

    /// Keeps with a pin what comparing its results came to.
    fn keep_proof(
        &self,
        flow: &Flow,
        pin: &str,
        present: &RecipeRecord,
        (report, options): (&VerifiedTransform, &VerifyOptions),
        transform: &Transform,
    ) -> Result<(), Error> {
        if report.compared + report.failed == 0 {
            return Ok(());
        }
        let snapshot = self.store.snapshot()?;
        let known = read(&snapshot, pin)?;
        let mut entry =
            known.unwrap_or_else(|| PinEntry::new(&flow.plan.name, &transform.name, present));
        // Of the same code, the comparison that says most stands: one that found a difference, or the largest.
        let stands = entry.verified.as_ref().is_some_and(|before| {
            let found = |different, failed| different + failed > 0;
            let worse = found(before.report.different, before.report.failed);
            let now_found = found(report.different, report.failed);
            before.maker == present.maker
                && before.report.of <= report.stored
                && (worse || before.report.compared > report.compared)
                && !now_found
                && !report.complete
        });
        if stands {
            return Ok(());
        }
        entry.verified = Some(Verified {
            report: PinVerified {
                compared: report.compared,
                of: report.stored,
                different: report.different,
                failed: report.failed,
                unreachable: report.unreachable,
                seed: options.seed_of_sample(),
                run: snapshot.last_run()?.unwrap_or_default(),
                at: now_s(),
                component: present.maker.component.to_string(),
                function: present.maker.function.clone(),
            },
            maker: present.maker.clone(),
        });
        self.store.write(|writer| write(writer, pin, &entry))?;
        Ok(())
    }
}

/// A comparison of what a flow's steps gave.
struct Checking<'a> {
    engine: &'a Engine,
    flow: &'a Flow,
    options: &'a VerifyOptions,
    stop: &'a AtomicBool,
    observer: &'a dyn Observer,
}

impl Checking<'_> {
    fn transform(
        &self,
        stage: &Stage,
        transform: &Transform,
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        if let Some(reason) = incomparable(stage, transform) {
            report.transforms.push(VerifiedTransform {
                name: transform.name.clone(),
                left_out: Some(reason),
                ..VerifiedTransform::default()
            });
            return Ok(());
        }
        let present = recipe(self.flow, stage, transform);
        let codes = Codes::of_makers(self.engine, &present)?;
        let check = Check {
            engine: self.engine,
            flow: self.flow,
            transform,
            options: self.options,
            stop: self.stop,
            observer: self.observer,
        };
        let (verified, interrupted) = check.check(&codes)?;
        report.transforms.push(verified);
        report.interrupted = interrupted;
        Ok(())
    }

    fn fold(&self, fold: &Fold, report: &mut VerifyReport) -> Result<(), Error> {
        let check = FoldCheck {
            engine: self.engine,
            flow: self.flow,
            name: &fold.name,
            options: self.options,
            stop: self.stop,
            observer: self.observer,
        };
        let (verified, interrupted) = check.check(fold.cache.pin.as_deref())?;
        report.transforms.push(verified);
        report.interrupted = interrupted;
        Ok(())
    }
}

impl VerifyOptions {
    fn seed_of_sample(&self) -> Option<u64> {
        self.sample.map(|_| self.seed)
    }
}

/// Why the results of a transform cannot be compared; none where they can.
fn incomparable(stage: &Stage, transform: &Transform) -> Option<String> {
    if transform.grants.is_impure() {
        let grants = transform.grants.impure_names().join(" and ");
        return Some(format!(
            "it is granted {grants}, so its results hang on more than its arguments"
        ));
    }
    if matches!(transform.cache.mode, CacheMode::Disable | CacheMode::Ignore) {
        return Some("its results are not remembered".to_owned());
    }
    let ignored = stage.ignored(transform);
    let param = transform.function.params.get(*ignored.first()? as usize)?;
    Some(format!(
        "its argument `{}` is never remembered, since it comes from a transform of mode `ignore`",
        param.name
    ))
}
