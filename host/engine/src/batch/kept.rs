//! Calls that share an instance, where the flow says that they may.
//!
//! An instance is kept for some calls of one transform, then dropped. What it does is not believed blindly: a call that
//! fails in it is made again in a fresh one, whose answer counts; and of every instance the last result is compared with
//! that of a fresh one before any of its results is used.

use flowstone_core::{InstanceMode, Type, Value, encode};
use flowstone_sandbox::{FailureKind, Kept};
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::Halt;
use super::call::{Caller, Invoked, Job, Tried};
use crate::error::Error;

/// So many calls share an instance, at most: what a plugin leaks of its memory in each stays small.
const CALLS_MAX: usize = 512;

/// So few calls are not spread over threads: each instance costs one more call, for the comparison.
const CALLS_MIN: usize = 16;

impl Caller<'_> {
    /// Calls once for each of these rows, in parallel, in a few instances.
    pub(super) fn call_kept(&self, jobs: &[&Job]) -> Vec<Result<Tried, Halt>> {
        debug_assert_eq!(
            self.run.stage.transforms[self.index].instance,
            InstanceMode::Kept
        );
        let threads = self.run.pool.current_num_threads().max(1);
        let each = jobs.len().div_ceil(threads).clamp(CALLS_MIN, CALLS_MAX);
        let call = |jobs: &[&Job]| match self.call_in_one(jobs) {
            Ok(tried) => tried.into_iter().map(Ok).collect(),
            Err(halt) => vec![Err(halt)],
        };
        (self.run.pool).install(|| jobs.par_chunks(each).flat_map_iter(call).collect())
    }

    /// Calls for these rows in one instance, but for those that fail in it.
    fn call_in_one(&self, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        let mut kept = None;
        let mut invoked = Vec::with_capacity(jobs.len());
        // The last call that had others before it in its instance.
        let mut last = None;
        for (at, job) in jobs.iter().enumerate() {
            self.will_call(job);
            let is_first = kept.is_none();
            let (mut returned, mut time) = self.call_here(job, &mut kept)?;
            if returned.is_err() {
                // Another instance, after this one has given back its turn.
                kept = None;
                if !is_first {
                    (returned, time) = self.call_fresh(job)?;
                }
            } else if !is_first {
                last = Some(at);
            }
            invoked.push((returned, time));
        }
        drop(kept);
        if let Some((job, (Ok(value), _))) = last.map(|at| (jobs[at], &invoked[at])) {
            self.compare(job, value)?;
        }
        let tried = jobs.iter().zip(invoked).map(|(job, (returned, time))| {
            self.tried(job, returned.map_err(|error| error.reason), time)
        });
        Ok(tried.collect())
    }

    /// Calls for a row in this instance, or in a new one where there is none yet.
    fn call_here<'k>(&'k self, job: &Job, kept: &mut Option<Kept<'k>>) -> Result<Invoked, Halt> {
        let callable = self.run.callable(self.index)?;
        let world = self.run.world(self.index, &job.prints, job.told.clone());
        self.invoke(1, |_, limits| {
            let instance = match kept {
                Some(instance) => instance,
                None => kept.insert(callable.keep(limits, world.clone())?),
            };
            instance.call(callable, &job.arguments, world)
        })
    }

    /// Calls for a row once more, in a fresh instance: the result must be the same.
    fn compare(&self, job: &Job, value: &Value) -> Result<(), Halt> {
        let callable = self.run.callable(self.index)?;
        let limits = self.run.transforms[self.index].limits;
        let world = self.run.world(self.index, &job.prints, job.told.clone());
        let again = callable.call(&job.arguments, limits, world);
        let is_same = match (&again, &callable.function().result) {
            (Ok(output), Some(ty)) => {
                (output.value.as_ref()).is_some_and(|again| bytes(again, ty) == bytes(value, ty))
            }
            // That says nothing of what it would have given.
            (Err(error), _) => matches!(error.kind, FailureKind::Timeout | FailureKind::Host),
            (Ok(_), None) => true,
        };
        if is_same {
            return Ok(());
        }
        if self.run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let transform = &self.run.stage.transforms[self.index];
        let key = self.run.label(&self.batch.roots[job.root].item.key);
        let transform = transform.name.clone();
        Err(Error::HangsOnCallsBefore { transform, key }.into())
    }
}

fn bytes(value: &Value, ty: &Type) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, ty, &mut bytes);
    bytes
}
