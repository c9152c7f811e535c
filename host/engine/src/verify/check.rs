//! Checking one transform: its stored results are sampled, called for once more, and counted.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone_core::{Fingerprint, MemoKey, Transform, Value};

use super::bound::share_max;
use super::code::{Code, Codes};
use super::compare::{Calls, Task, Verdict};
use super::sample::Sample;
use super::shown::difference;
use super::stored::Stored;
use super::{FailedCall, MissingCode, VerifiedTransform, VerifyOptions};
use crate::answer::Answer;
use crate::batch::Halt;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::stage::StageRun;
use crate::survey::{Surveyed, rows};

/// So many calls are made at a time.
pub(super) const CALLS_MAX: usize = 256;

/// And so many bytes of arguments.
const BYTES_MAX: usize = 16 << 20;

/// So many failed calls are listed.
pub(super) const FAILURES_LISTED_MAX: usize = 20;

/// The comparison of one transform's results.
pub(super) struct Check<'a> {
    pub(super) engine: &'a Engine,
    pub(super) flow: &'a Flow,
    pub(super) transform: &'a Transform,
    pub(super) options: &'a VerifyOptions,
    pub(super) stop: &'a AtomicBool,
    pub(super) observer: &'a dyn Observer,
}

impl Check<'_> {
    /// What it came to, and whether it was interrupted.
    pub(super) fn check(&self, codes: &Codes) -> Result<(VerifiedTransform, bool), Error> {
        let mut report = VerifiedTransform {
            name: self.transform.name.clone(),
            pin: self.transform.cache.pin.clone(),
            ..VerifiedTransform::default()
        };
        let mut stored = Stored::default();
        let name = &self.transform.name;
        let outcome = self
            .engine
            .with_stage(self.flow, name, self.stop, |run, transform| {
                let calls = Calls {
                    run,
                    transform,
                    codes,
                    observer: self.observer,
                };
                self.work(&calls, &mut stored, &mut report)
            });
        let interrupted = match outcome {
            Ok(()) => false,
            Err(Error::Interrupted) => true,
            Err(error) => return Err(error),
        };
        report.stored = stored.len();
        report.put = stored.put;
        report.unreachable = stored.len() - stored.reachable;
        report.without_code = missing(&stored, codes);
        let done = report.compared + report.failed;
        report.complete = !interrupted && done == stored.reachable;
        // What was found until an interruption is no random sample.
        if !report.complete && !interrupted {
            report.share_max = share_max(report.compared, report.different);
        }
        Ok((report, interrupted))
    }

    fn work(
        &self,
        calls: &Calls<'_>,
        stored: &mut Stored,
        report: &mut VerifiedTransform,
    ) -> Result<(), Halt> {
        let snapshot = self.engine.store.snapshot()?;
        *stored = Stored::read(&snapshot, calls.codes, self.stop)?;
        drop(snapshot);
        let size = self.options.sample.filter(|size| *size < stored.len());
        let sample = match size {
            Some(size) => Some(self.sample(calls.run, calls.transform, stored, size)?),
            None => None,
        };
        let results = (sample.as_ref()).map_or(stored.len(), |sample| sample.len() as u64);
        self.observer.event(&Event::VerifyStarted {
            transform: &self.transform.name,
            results,
        });
        if results == 0 {
            return Ok(());
        }
        let mut gathered = Gathered {
            calls,
            report,
            differences_max: self.options.differences_max,
            tasks: Vec::new(),
            bytes: 0,
        };
        gathered.compare(stored, sample)
    }

    /// Surveys the rows for the keys of a sample.
    fn sample(
        &self,
        run: &StageRun<'_>,
        transform: usize,
        stored: &mut Stored,
        size: u64,
    ) -> Result<HashSet<MemoKey>, Halt> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut sample = Sample::new(self.options.seed, size);
        rows(run, transform, &mut |row| {
            if let Some(key) = row.key()?
                && stored.reach(&key)
            {
                sample.offer(key);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sample.keys())
    }
}

/// The results whose code is not at hand.
fn missing(stored: &Stored, codes: &Codes) -> Vec<MissingCode> {
    let missing = stored.without_code.iter().filter_map(|(recipe, results)| {
        let made = codes.get(*recipe)?;
        let Code::Missing(reason) = &made.code else {
            return None;
        };
        Some(MissingCode {
            component: made.maker.component.to_string(),
            function: made.maker.function.clone(),
            reason: reason.clone(),
            results: *results,
        })
    });
    missing.collect()
}

/// The call of a row; none where its inputs are known, but no longer at hand.
fn task(
    row: &mut Surveyed<'_, '_>,
    key: MemoKey,
    prints: Vec<Fingerprint>,
) -> Result<Option<Task>, Halt> {
    let Some(record) = row.batch.snapshot.memo(&key)? else {
        return Ok(None);
    };
    let Ok(arguments) = row.arguments()? else {
        return Ok(None);
    };
    Ok(Some(Task {
        key,
        row: row.name(),
        told: row.batch.in_hand(row.transform, row.row),
        prints,
        arguments,
        record,
    }))
}

/// The calls that are made together, as they are gathered.
struct Gathered<'a> {
    calls: &'a Calls<'a>,
    report: &'a mut VerifiedTransform,
    differences_max: usize,
    tasks: Vec<Task>,
    bytes: usize,
}

impl Gathered<'_> {
    /// Surveys the rows for their arguments, and makes the calls of those in the sample, or of all.
    fn compare(
        &mut self,
        stored: &mut Stored,
        mut sample: Option<HashSet<MemoKey>>,
    ) -> Result<(), Halt> {
        let (run, transform) = (self.calls.run, self.calls.transform);
        let recipe = run.transforms[transform].recipe;
        rows(run, transform, &mut |row| {
            let Some(prints) = row.prints()? else {
                return Ok(ControlFlow::Continue(()));
            };
            let key = recipe.key(prints.iter().copied());
            let wanted = match &mut sample {
                Some(sample) => sample.remove(&key),
                None => stored.reach(&key),
            };
            if !wanted {
                return Ok(ControlFlow::Continue(()));
            }
            match task(row, key, prints)? {
                Some(task) => self.add(task)?,
                None => stored.reachable -= 1,
            }
            Ok(match &sample {
                Some(sample) if sample.is_empty() => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        })?;
        self.make()
    }

    fn add(&mut self, task: Task) -> Result<(), Halt> {
        self.bytes += task.arguments.iter().map(Value::size).sum::<usize>();
        self.tasks.push(task);
        if self.tasks.len() >= CALLS_MAX || self.bytes >= BYTES_MAX {
            self.make()?;
        }
        Ok(())
    }

    /// Makes the calls that were gathered. Of those that are cut off the others count still.
    fn make(&mut self) -> Result<(), Halt> {
        self.bytes = 0;
        let tasks = std::mem::take(&mut self.tasks);
        if tasks.is_empty() {
            return Ok(());
        }
        let verdicts = self.calls.compare(&tasks);
        let mut halted = None;
        for (task, verdict) in tasks.into_iter().zip(verdicts) {
            match verdict {
                Ok(verdict) => self.count(task, verdict)?,
                // An error says more than the interruption that it caused elsewhere.
                Err(Halt::Interrupted) => halted = halted.or(Some(Halt::Interrupted)),
                Err(error) => halted = Some(error),
            }
        }
        halted.map_or(Ok(()), Err)
    }

    fn count(&mut self, task: Task, verdict: Verdict) -> Result<(), Halt> {
        let run = self.calls.run;
        let equal = matches!(verdict, Verdict::Equal);
        let named = || (task.row.to_string(), task.key.to_string());
        match verdict {
            Verdict::Equal => self.report.equal += 1,
            Verdict::Different(now) => {
                self.report.different += 1;
                if self.report.differences.len() < self.differences_max {
                    let typed = &run.transforms[self.calls.transform].typed;
                    let snapshot = run.store.snapshot()?;
                    let named = named();
                    let stored = Answer::of_outcome(task.record.outcome, typed);
                    let shown = difference(named, (&stored, &now), typed, &snapshot)?;
                    self.report.differences.push(shown);
                }
            }
            Verdict::Failed(reason) => {
                self.report.failed += 1;
                if self.report.failures.len() < FAILURES_LISTED_MAX {
                    let (row, key) = named();
                    self.report.failures.push(FailedCall { row, key, reason });
                }
            }
        }
        self.report.compared = self.report.equal + self.report.different;
        self.calls.observer.event(&Event::ResultCompared {
            transform: &run.stage.transforms[self.calls.transform].name,
            equal,
        });
        Ok(())
    }
}
