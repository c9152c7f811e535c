//! Calls that share an instance, where the flow says that they may.
//!
//! An instance is kept for some calls of one transform, then dropped. What it does is not believed blindly: a call that
//! fails in it is made again in a fresh one, whose answer counts; and of every instance the last result is compared with
//! that of a fresh one before any of its results is used.

use flowstone_core::{Value, is_same};
use flowstone_sandbox::Kept;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::Halt;
use super::call::{Caller, Invoked, Job, Tried, together};
use crate::error::Error;

/// So many calls share an instance, at most: what a plugin leaks of its memory in each stays small.
const CALLS_MAX: usize = 512;

/// So few calls are not spread over threads: each instance costs one more call, for the comparison.
const CALLS_MIN: usize = 4;

impl Caller<'_> {
    /// Calls once for each of these rows, in parallel, in a few instances.
    pub(super) fn call_kept(&self, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        let threads = self.run.pool.current_num_threads().max(1);
        let each = jobs.len().div_ceil(threads).clamp(CALLS_MIN, CALLS_MAX);
        let call = |jobs: &[&Job]| self.call_in_turn(jobs);
        together((self.run.pool).install(|| jobs.par_chunks(each).map(call).collect()))
    }

    /// Calls for these rows one after the other, in a new instance after each call that fails.
    fn call_in_turn(&self, jobs: &[&Job]) -> Result<Vec<Tried>, Halt> {
        let mut invoked = Vec::with_capacity(jobs.len());
        while invoked.len() < jobs.len() {
            invoked.extend(self.call_in_one(&jobs[invoked.len()..])?);
        }
        let tried = jobs.iter().zip(invoked).map(|(job, (returned, time))| {
            self.tried(job, returned.map_err(|error| error.reason), time)
        });
        Ok(tried.collect())
    }

    /// Calls for the first of these rows in one instance, up to the first that fails in it.
    fn call_in_one(&self, jobs: &[&Job]) -> Result<Vec<Invoked>, Halt> {
        let (mut kept, mut invoked) = (None, Vec::new());
        let mut is_whole = true;
        for job in jobs {
            self.will_call(job);
            let (returned, time) = self.call_here(job, &mut kept)?;
            is_whole = returned.is_ok();
            invoked.push((returned, time));
            if !is_whole {
                break;
            }
        }
        // It has a turn, which the next calls need.
        drop(kept);
        let good = invoked.len() - usize::from(!is_whole);
        // The first call is that of a fresh instance, whatever came of it.
        if let Some(last) = good.checked_sub(1).filter(|last| *last > 0)
            && let Ok(value) = &invoked[last].0
            && !self.gives_again(jobs[last], value)?
        {
            let again = jobs.iter().take(invoked.len());
            return again.map(|job| self.call_fresh(job)).collect();
        }
        if !is_whole && good > 0 {
            invoked[good] = self.call_fresh(jobs[good])?;
        }
        Ok(invoked)
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

    /// Whether a fresh instance gives this value for a row as well. Not where it fails: that says nothing of the value, but
    /// nothing for it either.
    fn gives_again(&self, job: &Job, value: &Value) -> Result<bool, Halt> {
        let callable = self.run.callable(self.index)?;
        let limits = self.run.transforms[self.index].limits;
        let world = self.run.world(self.index, &job.prints, job.told.clone());
        let Ok(output) = callable.call(&job.arguments, limits, world) else {
            if self.run.stop.is_set() {
                return Err(Halt::Interrupted);
            }
            return Ok(false);
        };
        let ty = callable.function().result.as_ref();
        let compared = output.value.as_ref().zip(ty);
        if compared.is_some_and(|(again, ty)| is_same(again, value, ty)) {
            return Ok(true);
        }
        let transform = self.run.stage.transforms[self.index].name.clone();
        let key = self.run.label(&self.batch.roots[job.root].item.key);
        Err(Error::HangsOnCallsBefore { transform, key }.into())
    }
}
