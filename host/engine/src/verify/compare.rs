//! Comparing: calls made once more, many at a time, and what they give beside what is stored.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use flowstone_core::{Fingerprint, MemoKey, Value};
use flowstone_sandbox::{CallError, Row};
use flowstone_store::{MemoRecord, Outcome};

use super::code::{Code, Codes};
use crate::answer::{Answer, Returned, said};
use crate::batch::Halt;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::execute::watch;
use crate::stage::StageRun;
use crate::survey::RowName;

/// A stored result whose call is to be made once more.
pub(super) struct Task {
    pub(super) key: MemoKey,
    /// The row that it is for, or one of them.
    pub(super) row: RowName,
    pub(super) prints: Vec<Fingerprint>,
    pub(super) arguments: Vec<Value>,
    /// What the function is told of the row.
    pub(super) told: Option<Row>,
    pub(super) record: MemoRecord,
}

/// What came of a call.
pub(super) enum Verdict {
    Equal,
    Different(Answer),
    /// It gave nothing: a trap, a limit.
    Failed(String),
}

/// The calls of a transform.
pub(super) struct Calls<'a> {
    pub(super) run: &'a StageRun<'a>,
    /// The transform, by its position in the stage.
    pub(super) transform: usize,
    pub(super) codes: &'a Codes,
    pub(super) observer: &'a dyn Observer,
}

impl Calls<'_> {
    /// Makes the calls on the engine's threads; for each what came of it, or that it was cut off.
    pub(super) fn compare(&self, tasks: &[Task]) -> Vec<Result<Verdict, Halt>> {
        thread::scope(|scope| {
            // Dropped on the way out, which ends the watch.
            let (_working, ended) = bounded::<()>(0);
            scope.spawn(move || watch(self.run, &ended));
            self.run.pool.install(|| {
                let verdicts = tasks.par_iter().map(|task| self.verdict(task));
                verdicts.collect()
            })
        })
    }

    fn verdict(&self, task: &Task) -> Result<Verdict, Halt> {
        let made = (self.codes.get(task.record.recipe))
            .ok_or(Error::Internal("a result is of no code that is compared"))?;
        Ok(match self.call(&made.code, task)? {
            Ok(answer) if same_outcome(&answer.outcome(), &task.record.outcome) => Verdict::Equal,
            Ok(answer) => Verdict::Different(answer),
            Err(reason) => Verdict::Failed(reason),
        })
    }

    fn call(&self, code: &Code, task: &Task) -> Result<Result<Answer, String>, Halt> {
        let (run, transform) = (self.run, self.transform);
        if run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let prepared = &run.transforms[transform];
        let chosen_arguments;
        let (callable, arguments, lists) = match code {
            Code::Present => {
                let callable = run.callable(transform)?;
                (callable, &task.arguments, prepared.lists.as_ref())
            }
            Code::Kept(kept) => {
                chosen_arguments = kept.chosen(&task.arguments);
                (&kept.callable, &chosen_arguments, kept.lists.as_ref())
            }
            Code::Missing(_) => {
                return Err(Error::Internal("code that is missing was called").into());
            }
        };
        // A row of a batch gives alone what it gave among others.
        let list = lists.map(|lists| lists.arguments(&[&**arguments]));
        let arguments = list.as_ref().unwrap_or(arguments);
        let prints = lists.map_or(&*task.prints, |_| &[]);
        let name = &run.stage.transforms[transform].name;
        self.observer.event(&Event::WillCall {
            transform: name,
            key: &task.row.to_string(),
        });
        let start = Instant::now();
        let outcome = callable.call(
            arguments,
            prepared.limits,
            run.world(transform, prints, task.told.clone()),
        );
        let time = start.elapsed();
        if outcome.is_err() && run.stop.is_set() {
            // It may have been ended for that: nothing can be said of the call.
            return Err(Halt::Interrupted);
        }
        let log = match &outcome {
            Ok(output) => &output.log,
            Err(error) => &error.log,
        };
        self.observer.event(&Event::Called {
            transform: name,
            rows: 1,
            queued: Duration::ZERO,
            time,
            log,
        });
        let value = match outcome {
            Ok(output) => output.value,
            Err(CallError { reason, .. }) => return Ok(Err(said(reason))),
        };
        let value = value.ok_or(Error::Internal("a function without a result was called"))?;
        let value = match lists.map(|lists| lists.results(&value, 1)) {
            None => value,
            Some(Ok(values)) => {
                (values.into_iter().next()).ok_or(Error::Internal("one row came to no result"))?
            }
            Some(Err(reason)) => return Ok(Err(reason)),
        };
        Ok(match Answer::of_call(value, &prepared.typed) {
            Returned::Answer(answer, _) => Ok(answer),
            Returned::Again(again) => Err(format!("it asks to be tried again: {}", again.reason)),
        })
    }
}

/// Whether two calls came to the same.
pub(crate) fn same_outcome(a: &Outcome, b: &Outcome) -> bool {
    match (a, b) {
        (Outcome::Value { fingerprint: a, .. }, Outcome::Value { fingerprint: b, .. }) => a == b,
        (Outcome::Nothing, Outcome::Nothing) => true,
        (Outcome::Failed { reason: a }, Outcome::Failed { reason: b }) => a == b,
        _ => false,
    }
}
