//! Executing: the rows of a stage go in batches to the workers, and from them to the committer.
//!
//! ```text
//! producer --(batches, as the memory budget allows)--> workers --(evaluated)--> committer
//! ```

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use flowstone_connect::source_may_hang;
use flowstone_core::Stage;

use crate::batch::{Batch, Halt, Item};
use crate::budget::{Budget, Permit};
use crate::commit::{Committer, Evaluated};
use crate::engine::EngineConfig;
use crate::error::Error;
use crate::stage::StageRun;

/// How the work is cut and spread.
pub(crate) struct Spread {
    pub(crate) threads: usize,
    /// The most rows in a batch.
    pub(crate) rows_max: usize,
    /// The most bytes of source rows in a batch, unless one row alone has more.
    pub(crate) bytes_max: u64,
    /// Into how many calls at least the rows of a batch are put, where calls take many rows.
    pub(crate) parts: usize,
    pub(crate) budget: Arc<Budget>,
    /// How many rows are committed together, about.
    pub(crate) commit_rows: usize,
}

impl Spread {
    /// Batches large enough to be worth a transaction, and to fill the calls of batched transforms; small enough to keep
    /// every thread busy.
    pub(crate) fn new(stage: &Stage, config: &EngineConfig, pending: u64) -> Self {
        let (threads, memory_bytes_max) = (config.threads, config.memory_bytes_max);
        let workers = threads.max(1) as u64;
        let share = pending / (workers * 4);
        let call = u64::from(stage.batch_rows().unwrap_or(0));
        let rows_max = share
            .clamp(16, 256)
            .max(call.min(pending.div_ceil(workers)));
        let batches = pending.div_ceil(rows_max).max(1);
        Self {
            threads,
            rows_max: rows_max as usize,
            bytes_max: (memory_bytes_max / 32).min(stage.batch_bytes().max(8 << 20)),
            // With fewer batches than threads, each has several threads to itself.
            parts: workers.div_ceil(batches) as usize,
            budget: Budget::new(memory_bytes_max),
            commit_rows: config.commit_rows,
        }
    }
}

/// A batch on its way to a worker.
struct Work {
    items: Vec<Item>,
    permit: Permit,
}

/// What a batch costs beyond its source rows: the same again as arguments, as results and on the way to the targets.
const COST_FACTOR: u64 = 3;

/// How often it is looked whether the run is to stop.
pub(crate) const STOP_CHECK: Duration = Duration::from_millis(20);

/// What one commit takes besides rows, about: results, and the part of the memory budget.
const COMMIT_MEMOS: usize = 16_384;
const COMMIT_SHARE: f64 = 0.125;

/// So long what was evaluated may wait for more: in all, and for one batch.
const COMMIT_WAIT: Duration = Duration::from_millis(250);
const COMMIT_PAUSE: Duration = Duration::from_millis(10);

/// What is counted for a row besides its bytes.
const ROW_BYTES: u64 = 1024;

/// So many micro-batches may wait for rows that are to be tried again while others are worked on.
const WAITING_MAX: usize = 16;

/// Runs a stage over the rows that `produce` hands out. Everything evaluated has been committed when this returns.
pub(crate) fn execute(
    run: &StageRun<'_>,
    stage: usize,
    spread: &Spread,
    committer: &mut Committer<'_>,
    produce: impl FnOnce(&mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let (work_out, work_in) = bounded::<Work>(spread.threads);
    let (done_out, done_in) = bounded::<Evaluated>(1);
    run.counters.parts.store(spread.parts, Ordering::Relaxed);
    let may_wait = run
        .transforms
        .iter()
        .any(|transform| transform.typed.row_failure);
    let workers = spread.threads + if may_wait { WAITING_MAX } else { 0 };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                let (work_in, done_out) = (work_in.clone(), done_out.clone());
                scope.spawn(move || work(run, stage, &work_in, &done_out))
            })
            .collect();
        drop((work_in, done_out));
        let commits = scope.spawn(|| commit(run, committer, &done_in, spread.commit_rows));
        let (_working, ended) = bounded::<()>(0);
        scope.spawn(move || watch(run, &ended));
        let produced = send_batches(spread, &work_out, produce);
        if produced.is_err() {
            run.stop.failed.store(true, Ordering::Relaxed);
        }
        drop(work_out);
        let mut outcomes = vec![produced];
        for worker in workers {
            outcomes.push(worker.join().unwrap_or(Err(PANICKED)));
        }
        outcomes.push(commits.join().unwrap_or(Err(PANICKED)));
        // An error says more than the interruption that it caused elsewhere.
        let mut halts: Vec<Halt> = outcomes.into_iter().filter_map(Result::err).collect();
        halts.sort_by_key(|halt| matches!(halt, Halt::Interrupted));
        halts.into_iter().next().map_or(Ok(()), Err)
    })
}

const PANICKED: Halt = Halt::Error(Error::Internal("a thread of the engine panicked"));

fn send_batches(
    spread: &Spread,
    work: &Sender<Work>,
    produce: impl FnOnce(&mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let mut items: Vec<Item> = Vec::new();
    let mut bytes = 0;
    let send = |items: &mut Vec<Item>, bytes: &mut u64| {
        let cost = bytes.saturating_mul(COST_FACTOR) + items.len() as u64 * ROW_BYTES;
        let work_item = Work {
            items: std::mem::take(items),
            permit: spread.budget.take(cost),
        };
        *bytes = 0;
        // Nobody takes work any more only when the workers are gone: their outcome says why.
        if work.send(work_item).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    produce(&mut |item| {
        let size = item.entry.as_ref().map_or(0, |entry| entry.size);
        let full = items.len() >= spread.rows_max || bytes + size > spread.bytes_max;
        if full && !items.is_empty() && send(&mut items, &mut bytes).is_break() {
            return ControlFlow::Break(());
        }
        bytes += size;
        items.push(item);
        ControlFlow::Continue(())
    })?;
    if !items.is_empty() {
        let _ = send(&mut items, &mut bytes);
    }
    Ok(())
}

fn work(
    run: &StageRun<'_>,
    stage: usize,
    work: &Receiver<Work>,
    done: &Sender<Evaluated>,
) -> Result<(), Halt> {
    let mut outcome = Ok(());
    loop {
        // Only so many work at once; those that wait leave their seat to others.
        let _seat = run.seats.take();
        let Ok(Work { items, permit }) = work.recv() else {
            return outcome;
        };
        // After a halt the queue is emptied, so that the producer is not left waiting.
        if outcome.is_err() || run.stop.is_set() {
            outcome = outcome.and(Err(Halt::Interrupted));
            continue;
        }
        let evaluated = catch_unwind(AssertUnwindSafe(|| evaluate(run, stage, items, permit)));
        match evaluated.unwrap_or(Err(PANICKED)) {
            // The committer takes everything until all workers are gone.
            Ok(evaluated) => drop(done.send(evaluated)),
            Err(halt) => {
                if matches!(halt, Halt::Error(_)) {
                    run.stop.failed.store(true, Ordering::Relaxed);
                    run.calls.abort();
                }
                outcome = Err(halt);
            }
        }
    }
}

fn evaluate(
    run: &StageRun<'_>,
    stage: usize,
    items: Vec<Item>,
    mut permit: Permit,
) -> Result<Evaluated, Halt> {
    let mut batch = Batch::evaluate(run, items)?;
    let updates = match batch.reconcile() {
        Ok(updates) => updates,
        Err(halt) => {
            run.calls.forget(&batch.claimed);
            return Err(halt);
        }
    };
    permit.grow(batch.size());
    let Batch {
        memos,
        objects,
        reused,
        claimed,
        ..
    } = batch;
    Ok(Evaluated {
        stage,
        updates,
        memos,
        objects,
        reused,
        claimed,
        permit,
    })
}

/// Does something with a stage's source, and has it ended once the run is to stop, where it may take for ever.
pub(crate) fn watched<T>(run: &StageRun<'_>, work: impl FnOnce() -> T) -> T {
    if !source_may_hang(&run.stage.source.kind) {
        return work();
    }
    thread::scope(|scope| {
        let (_working, ended) = bounded::<()>(0);
        scope.spawn(move || watch(run, &ended));
        work()
    })
}

/// Ends the calls that are running, and what the source is at, once the run is to stop: they may take as long as their limits
/// allow. Again and again, since a call may be just about to begin.
pub(crate) fn watch(run: &StageRun<'_>, ended: &Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(STOP_CHECK) {
        if run.stop.is_set() {
            run.sandbox.interrupt();
            run.source.interrupt();
        }
    }
}

/// Commits what was evaluated, several batches at a time: a transaction writes every page that it touches, and the entries
/// that lead to results are all over theirs.
fn commit(
    run: &StageRun<'_>,
    committer: &mut Committer<'_>,
    done: &Receiver<Evaluated>,
    rows: usize,
) -> Result<(), Halt> {
    let mut outcome = Ok(());
    while let Ok(mut batch) = done.recv() {
        if outcome.is_err() {
            continue;
        }
        gather(&mut batch, done, rows);
        let committed = catch_unwind(AssertUnwindSafe(|| committer.commit(batch)));
        let committed = committed.unwrap_or(Err(Error::Internal("the committer panicked")));
        if let Err(error) = committed {
            run.stop.failed.store(true, Ordering::Relaxed);
            run.calls.abort();
            outcome = Err(Halt::Error(error));
        }
    }
    outcome
}

/// Adds to a batch those that follow it closely, until it is large enough to be committed.
fn gather(batch: &mut Evaluated, done: &Receiver<Evaluated>, rows: usize) {
    let since = Instant::now();
    while batch.updates.len() < rows
        && batch.memos.len() < COMMIT_MEMOS
        && batch.permit.share() < COMMIT_SHARE
        && since.elapsed() < COMMIT_WAIT
    {
        // A short wait: the next batch may itself be waiting for the memory that this one holds.
        match done.recv_timeout(COMMIT_PAUSE) {
            Ok(next) => batch.append(next),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{RowUpdate, UpdateKind};

    /// A batch of so many rows that are gone.
    fn batch(budget: &Arc<Budget>, rows: usize) -> Evaluated {
        let update = |_| RowUpdate {
            key: Vec::new(),
            change: None,
            settles_due: false,
            kind: UpdateKind::Remove {
                targets: Vec::new(),
                lookups: Vec::new(),
            },
        };
        Evaluated {
            stage: 0,
            updates: (0..rows).map(update).collect(),
            memos: Vec::new(),
            objects: Vec::new(),
            reused: Vec::new(),
            claimed: Vec::new(),
            permit: budget.take(100),
        }
    }

    /// How many rows each commit takes of batches of 10 that are all there.
    fn gathered(batches: usize, rows: usize, budget: u64) -> Vec<usize> {
        let budget = Budget::new(budget);
        let (send, done) = bounded(batches);
        for _ in 0..batches {
            send.send(batch(&budget, 10)).expect("it is taken");
        }
        drop(send);
        let mut commits = Vec::new();
        while let Ok(mut first) = done.recv() {
            gather(&mut first, &done, rows);
            commits.push(first.updates.len());
        }
        // All that they held is free again.
        drop(budget.take(u64::MAX));
        commits
    }

    #[test]
    fn batches_are_committed_together_up_to_the_rows_and_the_memory_of_a_commit() {
        assert_eq!(gathered(5, 1000, 1 << 20), [50]);
        assert_eq!(gathered(5, 20, 1 << 20), [20, 20, 10]);
        assert_eq!(gathered(5, 1, 1 << 20), [10; 5]);
        // An eighth of the memory is enough.
        assert_eq!(gathered(5, 1000, 1600), [20, 20, 10]);
        assert_eq!(gathered(5, 1000, 500), [10; 5]);
    }
}
