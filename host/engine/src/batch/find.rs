//! Finding the answers for the keys of a transform: remembered, made by another batch, or called now.

use std::sync::atomic::Ordering;

use flowstone_core::MemoKey;

use super::call::Job;
use super::reuse::Recalled;
use super::{Batch, Halt};
use crate::calls::{Called, Claim};
use crate::error::Error;
use crate::event::Event;

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
                match run.seats.leave(|| run.calls.wait(&keys[at])) {
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
                            told: self.in_hand(index, row),
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
        for made in self.make_calls(index, &jobs)? {
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
