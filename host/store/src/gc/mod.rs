//! Collecting what nothing needs any more: mark and sweep on disk, in chunks of bounded size.
//!
//! ```text
//! mark     lineage              -> marks of the calls that rows use
//! rank     memo, usage, marks   -> what each entry is kept for; marks of the objects of those that are
//! plan     sizes, and where there is too much: which entries go although they are young
//! sweep    memo, usage          entries nobody needs; marks of the recipes of the others
//!                               (where the size does not matter, this is one with `rank`)
//! objects  object               those without a mark, and their files
//! records  entry, blob          those that `memo` and `object` do not lead to any more, in the order in which they lie
//! recipes, code, runs           what no entry, no pin and no caller names
//! files    objects/ builds/ aot/  files without a record
//! ```
//!
//! Each chunk is a write transaction of its own, and leaves in the store where to go on. A collection that was cut off
//! goes on there, unless something was written in between: every transaction that could make the marks untrue removes
//! that entry, and so the collection begins anew. Whatever is removed is at worst a miss, never a wrong answer.

mod code;
mod components;
mod entries;
mod files;
mod limits;
mod mark;
mod marks;
mod objects;
mod plan;
mod rank;
mod state;
mod strays;
mod sweep;

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use flowstone_core::{ComponentDigest, RunId};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::record::RecipeId;
use crate::slots::{Session, Tables};
use crate::store::Store;
use state::State;

pub(crate) use code::{build_file, compiled_file};
pub(crate) use components::all_files;
pub(crate) use files::PARTS;
pub(crate) use limits::GcLimits;
pub(crate) use plan::measure_tables;
pub(crate) use state::STATE_ENTRY;

/// How often a collection begins anew because of what others write, before it is left to the next one.
const RESTARTS_MAX: u32 = 4;

/// What a collection keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcPolicy {
    /// Entries that this run or a later one made or reused are kept.
    pub used_since: RunId,
    /// Records of this run and of later ones are kept, and always that of the newest.
    pub runs_since: RunId,
    /// How large the store may be. Where it is larger, the entries least recently used go, whatever their age, until it
    /// is a tenth smaller than this; those that rows use or pins hold never go.
    pub bytes_max: Option<u64>,
    /// The recipes whose entries are kept.
    pub pinned: BTreeSet<RecipeId>,
    /// The recipes that are kept although no entry may have them.
    pub live_recipes: BTreeSet<RecipeId>,
    /// The components of which everything is kept although no recipe may name them.
    pub live_components: BTreeSet<ComponentDigest>,
    /// Whether to find out what a collection would do, and change nothing.
    pub dry_run: bool,
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Whether it came to its end: not when it was stopped, or when others wrote all the time.
    pub finished: bool,
    /// Whether it went on with one that was cut off. All figures are those of both.
    pub resumed: bool,
    /// The memo entries there were.
    pub entries: u64,
    /// Those that stay.
    pub kept: u64,
    /// Those that go.
    pub removed: u64,
    /// Of those that stay: the ones that rows use.
    pub in_use: u64,
    /// Of those that stay: the ones that only a pin holds.
    pub pinned: u64,
    /// Of those that stay: the ones that are only young.
    pub recent: u64,
    /// Of those that go: the ones that are too old.
    pub expired: u64,
    /// Of those that go: the ones that are young, but too much.
    pub evicted_for_size: u64,
    /// Of those that go: the ones whose records are damaged.
    pub damaged: u64,
    /// The objects there were.
    pub objects: u64,
    /// Those that go.
    pub objects_removed: u64,
    /// The recipes that go.
    pub recipes_removed: u64,
    /// The kept binaries of components that go.
    pub builds_removed: u64,
    /// The compiled components that go.
    pub compiled_removed: u64,
    /// The descriptions of components, and of the digests of their functions, that go.
    pub descriptions_removed: u64,
    /// The records of runs that go.
    pub runs_removed: u64,
    /// The counts of use that go because their entries are not there.
    pub usage_removed: u64,
    /// The files that go because no record names them.
    pub orphans_removed: u64,
    /// How large the store was: what its records take in the database, and its files.
    pub bytes_before: u64,
    /// How much of that goes. What it takes of the database can be used again, and is given back by
    /// [`Store::compact`].
    pub bytes_removed: u64,
    /// How much stays.
    pub bytes_after: u64,
    /// Whether that is more than it may be: the rest is in use, or pinned.
    pub over_max: bool,
}

/// What a collection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GcPhase {
    /// Marking what rows use.
    Mark,
    /// Finding what each entry is kept for.
    Rank,
    /// Measuring.
    Plan,
    /// Removing entries.
    Sweep,
    /// Removing objects.
    Objects,
    /// Removing the records of entries that are gone.
    EntryRecords,
    /// Removing the records of objects that are gone.
    ObjectRecords,
    /// Removing recipes.
    Recipes,
    /// Removing binaries of components.
    Builds,
    /// Removing compiled components.
    Compiled,
    /// Removing descriptions of components.
    Interfaces,
    /// Removing digests of functions.
    Functions,
    /// Removing records of runs.
    Runs,
    /// Removing files that no record names.
    Files,
}

/// How far a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcProgress {
    /// What it is doing.
    pub phase: GcPhase,
    /// How many records of this phase are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// What every part of a collection needs.
#[derive(Clone, Copy)]
struct Job<'a> {
    policy: &'a GcPolicy,
    limits: GcLimits,
    stop: &'a AtomicBool,
}

impl Job<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// How a collection, or a step of it, ended.
enum Ended<T> {
    /// As it should.
    Well(T),
    /// Because it was stopped.
    Stopped,
    /// Because somebody wrote what makes the marks untrue.
    Disturbed,
}

impl Store {
    /// Removes what nothing needs any more. `progress` is called after every chunk; when `stop` is set the collection
    /// ends after one, and the next goes on there.
    ///
    /// Entries stay that rows use, that pins hold, or that are young; then everything that those need. One collection
    /// runs at a time, beside readers; writers take turns with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`]; [`StoreError::Damaged`], also when what rows use cannot be read:
    /// nothing is removed then.
    pub fn gc(
        &self,
        policy: &GcPolicy,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<GcReport, StoreError> {
        self.gc_within(policy, GcLimits::default(), stop, progress)
    }

    pub(crate) fn gc_within(
        &self,
        policy: &GcPolicy,
        limits: GcLimits,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<GcReport, StoreError> {
        let _alone = (self.collection.lock()).unwrap_or_else(PoisonError::into_inner);
        let job = Job {
            policy,
            limits,
            stop,
        };
        let mut report = GcReport::default();
        for _ in 0..=RESTARTS_MAX {
            let mut state = self.begin(&job)?;
            let ended = self.collect(&job, &mut state, progress)?;
            report = state.report(policy);
            match ended {
                Ended::Well(()) => {
                    report.finished = true;
                    return Ok(report);
                }
                Ended::Stopped => return Ok(report),
                Ended::Disturbed => {}
            }
        }
        Ok(report)
    }

    /// Goes on with a collection that was cut off, or begins one.
    fn begin(&self, job: &Job<'_>) -> Result<State, StoreError> {
        // Before the first mark is made: from now on writers tell when they make marks untrue.
        self.place.set_collecting(true);
        self.write(|writer| {
            writer.collect(|tables, session, buffer| {
                if let Some(mut state) = State::read(tables, session, job.policy)? {
                    state.tally.resumed = true;
                    state.put(tables, session, buffer)?;
                    return Ok(state);
                }
                marks::clear(session)?;
                marks::make(tables, session)?;
                let state = State::new(job.policy, tables, session)?;
                state.put(tables, session, buffer)?;
                Ok(state)
            })
        })
    }

    fn collect(
        &self,
        job: &Job<'_>,
        state: &mut State,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<Ended<()>, StoreError> {
        while state.phase != GcPhase::Files {
            if job.is_stopped() {
                return Ok(Ended::Stopped);
            }
            let plan = match state.phase {
                GcPhase::Plan => match self.plan(job, state)? {
                    Some(plan) => Some(plan),
                    None => return Ok(Ended::Stopped),
                },
                _ => None,
            };
            match self.step(job, plan)? {
                Some(after) => *state = after,
                None => return Ok(Ended::Disturbed),
            }
            progress(state.progress());
        }
        let Some(orphans) = self.remove_orphans(job, state, progress)? else {
            return Ok(Ended::Stopped);
        };
        state.tally.orphans = orphans;
        self.finish_collection(job, state)
    }

    /// One chunk, in one transaction; then the files of what it removed. Nothing when the collection was disturbed.
    fn step(&self, job: &Job<'_>, plan: Option<plan::Plan>) -> Result<Option<State>, StoreError> {
        let stepped = self.write(|writer| {
            writer.collect(|tables, session, buffer| {
                let Some(mut state) = State::read(tables, session, job.policy)? else {
                    return Ok(None);
                };
                let mut chunk = Chunk {
                    job: *job,
                    tables,
                    session,
                    garbage: Vec::new(),
                };
                chunk.run(&mut state, plan)?;
                let garbage = chunk.garbage;
                state.put(tables, session, buffer)?;
                Ok(Some((state, garbage)))
            })
        })?;
        Ok(stepped.map(|(state, garbage): (State, Vec<String>)| {
            for name in garbage {
                // One that is left has no record any more, so it is found as such in the end.
                let _ = self.place.dir().remove_file(name);
            }
            state
        }))
    }

    fn finish_collection(&self, job: &Job<'_>, state: &State) -> Result<Ended<()>, StoreError> {
        let undisturbed = self.write(|writer| {
            writer.collect(|tables, session, buffer| {
                if State::read(tables, session, job.policy)?.is_none() {
                    return Ok(false);
                }
                marks::clear(session)?;
                State::remove(tables, session)?;
                if !job.policy.dry_run {
                    state.put_file_bytes(tables, session, buffer)?;
                }
                Ok(true)
            })
        })?;
        self.place.set_collecting(false);
        Ok(if undisturbed {
            Ended::Well(())
        } else {
            Ended::Disturbed
        })
    }
}

/// A chunk being worked on.
struct Chunk<'c, 'txn> {
    job: Job<'c>,
    tables: &'c mut Tables<'txn>,
    session: Session<'txn>,
    /// Files to remove when what this chunk did is on disk.
    garbage: Vec<String>,
}

impl Chunk<'_, '_> {
    fn run(&mut self, state: &mut State, plan: Option<plan::Plan>) -> Result<(), StoreError> {
        match state.phase {
            GcPhase::Mark => self.mark(state),
            GcPhase::Rank => self.rank(state),
            GcPhase::Plan => {
                if let Some(plan) = plan {
                    state.adopt(plan);
                }
                Ok(())
            }
            GcPhase::Sweep => self.sweep(state),
            GcPhase::Objects => self.objects(state),
            GcPhase::EntryRecords => self.entry_records(state),
            GcPhase::ObjectRecords => self.object_records(state),
            GcPhase::Recipes => self.recipes(state),
            GcPhase::Builds => self.builds(state),
            GcPhase::Compiled => self.compiled(state),
            GcPhase::Interfaces => self.interfaces(state),
            GcPhase::Functions => self.functions(state),
            GcPhase::Runs => self.runs(state),
            GcPhase::Files => Ok(()),
        }
    }
}
