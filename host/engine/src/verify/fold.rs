//! Checking a fold: steps that it keeps are sampled, made once more, and counted; and so are neighbours, put together both
//! ways.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::thread;

use crossbeam_channel::bounded;
use flowstone_core::{MemoKey, ResultShape, Type};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::bound::share_max;
use super::check::{CALLS_MAX, FAILURES_LISTED_MAX};
use super::sample::Sample;
use super::shown::difference;
use super::{FailedCall, VerifiedTransform, VerifyOptions};
use crate::answer::{Answer, Typed};
use crate::batch::Halt;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::execute::watch;
use crate::fold::{Checked, Element, Folding, Place, Verdict};
use crate::stage::StageRun;

/// The comparison of one fold's steps.
pub(super) struct FoldCheck<'a> {
    pub(super) engine: &'a Engine,
    pub(super) flow: &'a Flow,
    /// The fold's name.
    pub(super) name: &'a str,
    pub(super) options: &'a VerifyOptions,
    pub(super) stop: &'a AtomicBool,
    pub(super) observer: &'a dyn Observer,
}

impl FoldCheck<'_> {
    /// What it came to, and whether it was interrupted.
    pub(super) fn check(&self, pin: Option<&str>) -> Result<(VerifiedTransform, bool), Error> {
        let mut report = VerifiedTransform {
            name: self.name.to_owned(),
            pin: pin.map(str::to_owned),
            ..VerifiedTransform::default()
        };
        let work = |run: &StageRun<'_>| self.work(run, &mut report);
        let outcome =
            (self.engine).with_fold(self.flow, self.name, (self.stop, self.observer), work);
        let interrupted = match outcome {
            Ok(()) => false,
            Err(Error::Interrupted) => true,
            Err(error) => return Err(error),
        };
        report.complete = !interrupted
            && report.left_out.is_none()
            && report.compared + report.failed == report.stored;
        // What was found until an interruption is no random sample.
        if !report.complete && !interrupted {
            report.share_max = share_max(report.compared, report.different);
        }
        Ok((report, interrupted))
    }

    fn work(&self, run: &StageRun<'_>, report: &mut VerifiedTransform) -> Result<(), Halt> {
        let folding = Folding::of(run).ok_or(Error::Internal("a stage has lost its fold"))?;
        if let Some(reason) = folding.uncheckable()? {
            report.left_out = Some(reason.to_owned());
            return Ok(());
        }
        let mut sample = self.sample(&folding, report)?;
        let results = (sample.as_ref()).map_or(report.stored, |sample| sample.len() as u64);
        self.observer.event(&Event::VerifyStarted {
            transform: self.name,
            results,
        });
        let mut places = Vec::new();
        folding.places(&mut |place| {
            if let Some(sample) = &mut sample
                && !sample.remove(&place.key())
            {
                return Ok(ControlFlow::Continue(()));
            }
            places.push(place);
            if places.len() >= CALLS_MAX {
                self.make(run, &folding, &mut places, report)?;
            }
            Ok(match &sample {
                Some(sample) if sample.is_empty() => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        })?;
        self.make(run, &folding, &mut places, report)
    }

    /// Counts the places, and draws some of them where not all are asked for.
    fn sample(
        &self,
        folding: &Folding<'_>,
        report: &mut VerifiedTransform,
    ) -> Result<Option<HashSet<MemoKey>>, Halt> {
        let size = self.options.sample;
        let size = size.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let mut sample = size.map(|size| Sample::new(self.options.seed, size));
        folding.places(&mut |place| {
            report.stored += 1;
            if let Some(sample) = &mut sample {
                sample.offer(place.key());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sample.map(Sample::keys))
    }

    /// Checks some places on the engine's threads.
    fn make(
        &self,
        run: &StageRun<'_>,
        folding: &Folding<'_>,
        places: &mut Vec<Place>,
        report: &mut VerifiedTransform,
    ) -> Result<(), Halt> {
        let places = std::mem::take(places);
        let checked: Vec<Result<Checked, Halt>> = thread::scope(|scope| {
            // Dropped on the way out, which ends the watch.
            let (_working, ended) = bounded::<()>(0);
            scope.spawn(move || watch(run, &ended));
            let check = |place: &Place| folding.check(place);
            run.pool.install(|| places.par_iter().map(check).collect())
        });
        for (place, checked) in places.iter().zip(checked) {
            self.count(run, place, checked?, report)?;
        }
        Ok(())
    }

    fn count(
        &self,
        run: &StageRun<'_>,
        place: &Place,
        checked: Checked,
        report: &mut VerifiedTransform,
    ) -> Result<(), Halt> {
        let equal = matches!(checked.verdict, Verdict::Equal);
        let (row, key) = (checked.name, place.key().to_string());
        match checked.verdict {
            // A group that failed has nothing that could be compared.
            Verdict::Nothing => {
                report.stored = report.stored.saturating_sub(1);
                return Ok(());
            }
            Verdict::Equal => report.equal += 1,
            Verdict::Different { stored, now, ty } => {
                report.different += 1;
                report.not_associative += u64::from(checked.is_order);
                let shown = if checked.is_order {
                    &mut report.orders
                } else {
                    &mut report.differences
                };
                if shown.len() < self.options.differences_max {
                    let typed = typed(ty);
                    let (stored, now) = (answer(stored, &typed), answer(now, &typed));
                    let snapshot = run.store.snapshot()?;
                    shown.push(difference((row, key), (&stored, &now), &typed, &snapshot)?);
                }
            }
            Verdict::Failed(reason) => {
                report.failed += 1;
                if report.failures.len() < FAILURES_LISTED_MAX {
                    report.failures.push(FailedCall { row, key, reason });
                }
            }
        }
        report.compared = report.equal + report.different;
        self.observer.event(&Event::ResultCompared {
            transform: self.name,
            equal,
        });
        Ok(())
    }
}

fn typed(value: Type) -> Typed {
    let shape = ResultShape {
        fallible: None,
        optional: false,
        value,
    };
    Typed::new(shape, false)
}

fn answer(element: Element, typed: &Typed) -> Answer {
    match element {
        Element::Value { value } => Answer::of_value(value, typed).0,
        Element::Failed { reason, .. } => Answer::Failed(reason),
    }
}
