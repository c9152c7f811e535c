//! Finding the answers for the keys of a transform: remembered, made by another batch, or called now.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use flowstone_core::{Fingerprint, MemoKey, Value};
use flowstone_store::{MemoRecord, Why};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::reuse::Recalled;
use super::{Batch, Halt};
use crate::answer::{self, Answer};
use crate::calls::{Called, Claim};
use crate::error::Error;
use crate::event::Event;
use crate::stage::StageRun;

/// One call that has to be made.
pub(super) struct Job {
    pub(super) key: MemoKey,
    pub(super) arguments: Vec<Value>,
    /// The fingerprints of the arguments that count.
    pub(super) prints: Vec<Fingerprint>,
    pub(super) root: usize,
    pub(super) why: Why,
}

/// What a call gave.
pub(super) struct Made {
    pub(super) key: MemoKey,
    pub(super) called: Called,
    pub(super) record: Option<MemoRecord>,
    pub(super) object: Option<(Fingerprint, Vec<u8>)>,
}

impl Batch<'_> {
    /// The answers for sorted `keys`; `wanted` says which rows want them. None only when nothing may be called.
    pub(super) fn find(
        &mut self,
        index: usize,
        keys: &[MemoKey],
        wanted: &[(MemoKey, usize)],
    ) -> Result<Vec<Option<Called>>, Halt> {
        let run = self.run;
        let Recalled {
            answers: mut found,
            expired,
        } = self.recall(index, keys)?;
        let mut missing: Vec<usize> = (0..keys.len()).filter(|&at| found[at].is_none()).collect();
        if run.dry {
            run.counters.transforms[index]
                .reused
                .fetch_add((wanted.len() - missing.len()) as u64, Ordering::Relaxed);
            return Ok(found);
        }
        let mut called = vec![false; keys.len()];
        while !missing.is_empty() {
            let claims = run
                .calls
                .claim(&missing.iter().map(|&at| keys[at]).collect::<Vec<_>>());
            let mut mine: Vec<usize> = Vec::new();
            let mut running: Vec<usize> = Vec::new();
            for (&at, claim) in missing.iter().zip(claims) {
                match claim {
                    Claim::Mine => {
                        self.claimed.push(keys[at]);
                        mine.push(at);
                    }
                    Claim::Running => running.push(at),
                    Claim::Done(called) => found[at] = Some(called),
                }
            }
            mine = self.recheck(index, keys, mine, &mut found)?;
            for &at in &mine {
                called[at] = true;
            }
            self.call(index, (keys, &expired), &mine, wanted, &mut found)?;
            missing.clear();
            for at in running {
                match run.calls.wait(&keys[at]) {
                    Some(called) => found[at] = Some(called),
                    // Whoever was at it gave up, or the store knows it by now.
                    None => missing.push(at),
                }
            }
        }
        self.count_reused(index, keys, wanted, &called, &found);
        Ok(found)
    }

    /// Whether the former version of a row's root row used the result of a call.
    fn had(&self, index: usize, row: usize, key: &MemoKey) -> bool {
        let collection = self.run.stage.transforms[index].collection;
        let root = &self.roots[self.rows[collection][row].root];
        let this = (index as u16, *key);
        let calls = &root.lineage.calls;
        calls
            .binary_search_by(|call| (call.transform, call.key).cmp(&this))
            .is_ok()
    }

    /// Counts the rows that got a result without a call of their own.
    fn count_reused(
        &mut self,
        index: usize,
        keys: &[MemoKey],
        wanted: &[(MemoKey, usize)],
        called: &[bool],
        found: &[Option<Called>],
    ) {
        let mut reused = 0;
        for (at, rows) in wanted.chunk_by(|a, b| a.0 == b.0).enumerate() {
            reused += rows.len() as u64 - u64::from(called[at]);
            // Rows that go on using what they used are not noted: their lineage tells.
            let news = rows.iter().filter(|(key, row)| !self.had(index, *row, key));
            let news = (news.count() as u64).saturating_sub(u64::from(called[at]));
            if news > 0 && matches!(found[at], Some(Ok(_))) {
                self.reused.push((keys[at], news));
            }
        }
        let run = self.run;
        if reused > 0 {
            run.counters.transforms[index]
                .reused
                .fetch_add(reused, Ordering::Relaxed);
            run.observer.event(&Event::MemoHits {
                transform: &run.stage.transforms[index].name,
                rows: reused,
            });
        }
    }

    /// Another batch may have been committed between this batch's snapshot and its claims: looks once more.
    pub(super) fn recheck(
        &mut self,
        index: usize,
        keys: &[MemoKey],
        mine: Vec<usize>,
        found: &mut [Option<Called>],
    ) -> Result<Vec<usize>, Halt> {
        if mine.is_empty() || self.run.commits.load(Ordering::Acquire) == self.commits {
            return Ok(mine);
        }
        self.commits = self.run.commits.load(Ordering::Acquire);
        self.snapshot = self.run.store.snapshot()?;
        let again = self.recall(index, &mine.iter().map(|&at| keys[at]).collect::<Vec<_>>())?;
        let mut left = Vec::new();
        for (at, answer) in mine.into_iter().zip(again.answers) {
            match answer {
                Some(answer) => {
                    self.run.calls.finish(keys[at], answer.clone());
                    found[at] = Some(answer);
                }
                None => left.push(at),
            }
        }
        Ok(left)
    }

    /// Makes the calls for `keys` at `mine`, in parallel.
    pub(super) fn call(
        &mut self,
        index: usize,
        (keys, expired): (&[MemoKey], &[bool]),
        mine: &[usize],
        wanted: &[(MemoKey, usize)],
        found: &mut [Option<Called>],
    ) -> Result<(), Halt> {
        if mine.is_empty() {
            return Ok(());
        }
        let collection = self.run.stage.transforms[index].collection;
        let reasons = self.reasons(index, (keys, expired), mine, wanted);
        let mut jobs = Vec::with_capacity(mine.len());
        for (&at, why) in mine.iter().zip(reasons) {
            let first = wanted.partition_point(|(key, _)| *key < keys[at]);
            let rows = wanted[first..]
                .iter()
                .take_while(|(key, _)| *key == keys[at]);
            // Any row with this key will do: one of them may have become unreadable.
            let mut failure = None;
            for &(_, row) in rows {
                match self.arguments(index, row)? {
                    Ok(arguments) => {
                        failure = None;
                        jobs.push(Job {
                            key: keys[at],
                            arguments,
                            prints: self.argument_prints(index, row)?.unwrap_or_default(),
                            root: self.rows[collection][row].root,
                            why,
                        });
                        break;
                    }
                    Err(other) => failure = Some(other),
                }
            }
            if let Some(failure) = failure {
                // Another batch may have a row with this key that can be read.
                self.run.calls.forget(&[keys[at]]);
                found[at] = Some(Err(failure.reason.into()));
            }
        }
        for made in self.make_calls(index, jobs) {
            let made = made?;
            let at = keys
                .binary_search(&made.key)
                .map_err(|_| Error::Internal("a call answers another key"))?;
            found[at] = Some(made.called);
            self.memos
                .extend(made.record.map(|record| (made.key, record)));
            self.objects.extend(made.object);
        }
        Ok(())
    }
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
                        root: self.rows[collection][*row].root,
                        why: Why::New,
                    });
                }
                Err(failure) => called[at] = Some(Err(failure.reason.into())),
            }
        }
        for (at, made) in places.into_iter().zip(self.make_calls(index, jobs)) {
            called[at] = Some(made?.called);
        }
        Ok(())
    }

    fn make_calls(&self, index: usize, jobs: Vec<Job>) -> Vec<Result<Made, Halt>> {
        let run = self.run;
        let roots = &self.roots;
        let make = |job: Job| {
            let label = if run.observed {
                run.label(&roots[job.root].item.key)
            } else {
                String::new()
            };
            make_call(run, index, &job, &label)
        };
        if jobs.len() == 1 {
            jobs.into_iter().map(make).collect()
        } else {
            run.pool
                .install(|| jobs.into_par_iter().map(make).collect())
        }
    }
}

pub(super) fn make_call(
    run: &StageRun<'_>,
    index: usize,
    job: &Job,
    label: &str,
) -> Result<Made, Halt> {
    if run.stop.is_set() {
        return Err(Halt::Interrupted);
    }
    let transform = &run.stage.transforms[index];
    let prepared = &run.transforms[index];
    let callable = run.callable(index)?;
    run.observer.event(&Event::WillCall {
        transform: &transform.name,
        key: label,
    });
    let start = Instant::now();
    let outcome = callable.call(
        &job.arguments,
        prepared.limits,
        run.world(index, &job.prints),
    );
    let time = start.elapsed();
    if outcome.is_err() && run.stop.is_set() {
        // It may have been ended for that: nothing can be said of the call.
        return Err(Halt::Interrupted);
    }
    let counts = &run.counters.transforms[index];
    counts.called.fetch_add(1, Ordering::Relaxed);
    counts
        .nanoseconds
        .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    let log = match &outcome {
        Ok(output) => &output.log,
        Err(error) => &error.log,
    };
    run.observer.event(&Event::Called {
        transform: &transform.name,
        time,
        log,
    });
    let mut made = Made {
        key: job.key,
        called: Err("".into()),
        record: None,
        object: None,
    };
    match outcome {
        Ok(output) => {
            let value = output
                .value
                .ok_or(Error::Internal("a function without a result was called"))?;
            let (answer, encoding) = Answer::of_call(value, &prepared.typed);
            if prepared.remembers() {
                made.record = Some(MemoRecord {
                    outcome: answer.outcome(),
                    cost_ns: time.as_nanos() as u64,
                    run: run.run,
                    recipe: prepared.recipe_id,
                    arguments: job.prints.clone(),
                    why: job.why,
                });
                if let (Answer::Value(remembered), Some(encoding)) = (&answer, encoding) {
                    made.object = Some((remembered.fingerprint, encoding));
                }
            }
            made.called = Ok(Arc::new(answer));
        }
        Err(error) => made.called = Err(answer::said(error.reason).into()),
    }
    if prepared.remembers() {
        run.calls.finish(job.key, made.called.clone());
    }
    Ok(made)
}
