//! Calling: the calls that a batch has to make, in parallel, and what is to be remembered of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flowstone_core::{Fingerprint, InstanceMode, MemoKey, Value};
use flowstone_sandbox::{CallError, Callable, Limits, Output, Row};
use flowstone_store::{MemoRecord, Why};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Batch, Halt};
use crate::answer::{self, Again, Answer, Returned};
use crate::calls::Called;
use crate::error::Error;
use crate::event::Event;
use crate::stage::StageRun;

/// One row that has to be called for.
pub(super) struct Job {
    pub(super) key: MemoKey,
    pub(super) arguments: Vec<Value>,
    /// The fingerprints of the arguments that count.
    pub(super) prints: Vec<Fingerprint>,
    /// What the function is told of the row.
    pub(super) told: Option<Row>,
    pub(super) root: usize,
    pub(super) why: Why,
}

/// What a call gave for a row.
pub(super) struct Made {
    pub(super) key: MemoKey,
    pub(super) called: Called,
    pub(super) record: Option<MemoRecord>,
    pub(super) object: Option<(Fingerprint, Vec<u8>)>,
}

/// What came of calling once for a row.
pub(super) enum Tried {
    Made(Made),
    Again(Again),
}

/// All of what was tried. An error says more than the interruption that it caused elsewhere.
pub(super) fn together<P>(parts: Vec<Result<P, Halt>>) -> Result<Vec<Tried>, Halt>
where
    P: IntoIterator<Item = Tried>,
{
    let mut all = Vec::with_capacity(parts.len());
    let mut halted = None;
    for part in parts {
        match (part, &halted) {
            (Ok(tried), _) => all.extend(tried),
            (Err(Halt::Interrupted), Some(_)) => {}
            (Err(halt), _) => halted = Some(halt),
        }
    }
    halted.map_or(Ok(all), Err)
}

/// What a call returned, and how long it took.
pub(super) type Invoked = (Result<Value, CallError>, Duration);

/// The calls of one transform for some rows.
pub(super) struct Caller<'a> {
    pub(super) batch: &'a Batch<'a>,
    pub(super) run: &'a StageRun<'a>,
    /// The transform, by its position in the stage.
    pub(super) index: usize,
    /// When it was known that they have to be made.
    pub(super) known: Instant,
}

impl Batch<'_> {
    /// Calls for each of these rows, in parallel; nothing is looked up, nothing will be remembered.
    pub(super) fn call_rows(
        &mut self,
        index: usize,
        wanted: &[(MemoKey, usize)],
        called: &mut [Option<Called>],
    ) -> Result<(), Halt> {
        let collection = self.run.stage.transforms[index].collection;
        let (mut jobs, mut places) = (Vec::new(), Vec::new());
        for (at, (key, row)) in wanted.iter().enumerate() {
            match self.arguments(index, *row)? {
                Ok(arguments) => {
                    places.push(at);
                    jobs.push(Job {
                        key: *key,
                        arguments,
                        prints: self.argument_prints(index, *row)?.unwrap_or_default(),
                        told: self.in_hand(index, *row),
                        root: self.rows[collection][*row].root,
                        why: Why::New,
                    });
                }
                Err(failure) => called[at] = Some(Err(failure.reason.into())),
            }
        }
        for (at, made) in places.into_iter().zip(self.make_calls(index, &jobs)?) {
            called[at] = Some(made.called);
        }
        Ok(())
    }
}

impl Caller<'_> {
    /// Calls once for each of these rows, in parallel: for each alone, or for many at once.
    pub(super) fn call(&self, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        if let Some(lists) = &self.run.transforms[self.index].lists {
            return self.call_lists(lists, jobs);
        }
        let instance = self.run.stage.transforms[self.index].instance;
        match jobs {
            [job] => Ok(vec![self.call_one(job)?]),
            jobs if instance == InstanceMode::Kept => self.call_kept(jobs),
            jobs => {
                let call = |job: &&Job| self.call_one(job).map(Some);
                together((self.run.pool).install(|| jobs.par_iter().map(call).collect()))
            }
        }
    }

    fn call_one(&self, job: &Job) -> Result<Tried, Halt> {
        self.will_call(job);
        let (returned, time) = self.call_fresh(job)?;
        let returned = returned.map_err(|error| error.reason);
        Ok(self.tried(job, returned, time))
    }

    /// Calls for a row in an instance of its own.
    pub(super) fn call_fresh(&self, job: &Job) -> Result<Invoked, Halt> {
        let world = self.run.world(self.index, &job.prints, job.told.clone());
        self.invoke(1, |callable, limits| {
            callable.call(&job.arguments, limits, world)
        })
    }

    /// Tells that the function is about to be called for a row.
    pub(super) fn will_call(&self, job: &Job) {
        let run = self.run;
        let key = if run.observed {
            run.label(&self.batch.roots[job.root].item.key)
        } else {
            String::new()
        };
        run.observer.event(&Event::WillCall {
            transform: &run.stage.transforms[self.index].name,
            key: &key,
        });
    }

    /// One call, for so many rows.
    pub(super) fn invoke(
        &self,
        rows: usize,
        call: impl FnOnce(&Callable, &Limits) -> Result<Output, CallError>,
    ) -> Result<Invoked, Halt> {
        let (run, index) = (self.run, self.index);
        if run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let callable = run.callable(index)?;
        let limits = run.transforms[index].limits;
        let start = Instant::now();
        let queued = start.saturating_duration_since(self.known);
        let outcome = call(callable, limits);
        let time = start.elapsed();
        if outcome.is_err() && run.stop.is_set() {
            // It may have been ended for that: nothing can be said of the call.
            return Err(Halt::Interrupted);
        }
        run.counters.transforms[index].call(rows, time, queued);
        let log = match &outcome {
            Ok(output) => &output.log,
            Err(error) => &error.log,
        };
        run.observer.event(&Event::Called {
            transform: &run.stage.transforms[index].name,
            rows: rows as u64,
            queued,
            time,
            log,
        });
        let returned =
            match outcome {
                Ok(output) => Ok((output.value)
                    .ok_or(Error::Internal("a function without a result was called"))?),
                Err(error) => Err(error),
            };
        Ok((returned, time))
    }

    /// What a row gets of what a call returned for it, or of the reason why it returned nothing. `cost` is what the row
    /// took.
    pub(super) fn tried(
        &self,
        job: &Job,
        returned: Result<Value, String>,
        cost: Duration,
    ) -> Tried {
        let prepared = &self.run.transforms[self.index];
        let value = match returned {
            Ok(value) => value,
            Err(reason) => return Tried::Made(self.made(job, Err(reason))),
        };
        let (answer, encoding) = match Answer::of_call(value, &prepared.typed) {
            Returned::Answer(answer, encoding) => (answer, encoding),
            Returned::Again(again) => return Tried::Again(again),
        };
        let record = prepared.remembers().then(|| MemoRecord {
            outcome: answer.outcome(),
            cost_ns: cost.as_nanos() as u64,
            run: self.run.run,
            recipe: prepared.recipe_id,
            arguments: job.prints.clone(),
            why: job.why,
        });
        let object = match (&answer, encoding) {
            (Answer::Value(remembered), Some(encoding)) if prepared.remembers() => {
                Some((remembered.fingerprint, encoding))
            }
            _ => None,
        };
        Tried::Made(Made {
            record,
            object,
            ..self.made(job, Ok(answer))
        })
    }

    /// The end of calling for a row: whoever waits for the same call gets what came of it.
    pub(super) fn made(&self, job: &Job, outcome: Result<Answer, String>) -> Made {
        let run = self.run;
        let called: Called = match outcome {
            Ok(answer) => Ok(Arc::new(answer)),
            Err(reason) => Err(answer::said(reason).into()),
        };
        run.counters.transforms[self.index]
            .called
            .fetch_add(1, Ordering::Relaxed);
        if run.transforms[self.index].remembers() {
            run.calls.finish(job.key, called.clone());
        }
        Made {
            key: job.key,
            called,
            record: None,
            object: None,
        }
    }
}
