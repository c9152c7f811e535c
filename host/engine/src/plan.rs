//! Planning: what a run would do and why, found out without calling anything and without writing anything.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use flowstone_core::{CacheMode, MemoKey, RunId, Stage};
use flowstone_store::{CallRecord, RowHead, RowState};

use crate::batch::{Batch, Halt, Item};
use crate::books::Books;
use crate::cache::is_due;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::Event;
use crate::reason::{Cause, FormerCalls, argument_columns, words};
use crate::recipe::Recipes;
use crate::report::{PlanReport, PlannedRow, Reason, SourceCounts, TransformPlan};
use crate::run::{CacheOptions, pass_of, standing};
use crate::scan::{Found, Gathered, Pass, go_over, hand_out, scan};
use crate::stage::StageRun;
use std::ops::ControlFlow;

/// So many rows are listed.
const ROWS_LISTED_MAX: usize = 100;

impl Engine {
    /// Says what a run of the flow with these options would do, per transform and row, and why.
    ///
    /// Rows that hang on a result which only a call can give are counted as undecided.
    ///
    /// # Errors
    ///
    /// When the store or a source fails as a whole.
    pub fn plan(
        &self,
        flow: &Flow,
        cache: &CacheOptions,
        stop: &AtomicBool,
    ) -> Result<PlanReport, Error> {
        cache.check(&flow.plan)?;
        let snapshot = self.store.snapshot()?;
        let mut books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        let observer = |_: &Event<'_>| {};
        let mut shared = self.shared(RunId(0), stop, &observer)?;
        shared.dry = true;
        shared.options.cache = cache.clone();
        shared.recipes.trees.add(&flow.granted);
        let mut report = PlanReport {
            flow: flow.plan.name.clone(),
            sources: BTreeMap::new(),
            transforms: Vec::new(),
            rows: Vec::new(),
            notes: notes(&books, flow, &snapshot)?,
        };
        books.decide(&flow.plan);
        let mut open = vec![false; flow.plan.stages.len()];
        for (index, stage) in flow.plan.stages.iter().enumerate() {
            let run = self.stage_run(flow, stage, &books, &shared)?;
            let waits = note_waiting(stage, &open, &mut report.notes);
            let mut planning = Planning::new(&run, &shared.recipes, &mut report);
            match planning.stage() {
                Ok(()) => {
                    open[index] = waits || planning.worked > 0;
                    planning.finish(flow);
                }
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Interrupted) => return Ok(report),
            }
        }
        for transform in &mut report.transforms {
            transform.pin = self.pin_state(flow, &transform.name)?;
        }
        Ok(report)
    }
}

/// What a run would do beyond calls.
fn notes(
    books: &Books,
    flow: &Flow,
    snapshot: &flowstone_store::Snapshot,
) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    if !snapshot.intents()?.is_empty() {
        notes.push("the last run was cut off; its unfinished rows are done again".to_owned());
    }
    for target in flow.plan.stages.iter().flat_map(|stage| &stage.targets) {
        if books.target(&target.spec).is_none() {
            notes.push(format!(
                "target `{}` is new and is filled from the start",
                target.name
            ));
        }
    }
    for (name, _) in books.sources.values() {
        if flow
            .plan
            .stages
            .iter()
            .all(|stage| stage.source.name != *name)
        {
            notes.push(format!(
                "source `{name}` is no longer in the flow; what came of it is removed"
            ));
        }
    }
    Ok(notes)
}

/// Notes what of a stage hangs on stages in which there is something to do; whether there is any. `open` says which these
/// are.
fn note_waiting(stage: &Stage, open: &[bool], notes: &mut Vec<String>) -> bool {
    let mut waits = false;
    if let Some(gather) = &stage.source.gather {
        let from = gather.from.iter();
        let from = from.filter(|from| open[from.relation.stage]);
        let from: Vec<String> = from.map(|from| format!("`{}`", from.name)).collect();
        if !from.is_empty() {
            waits = true;
            notes.push(format!(
                "`{}` is made of rows of {}: what is to be done for it shows when these have been worked on",
                stage.source.name,
                from.join(", ")
            ));
        }
    }
    for lookup in &stage.lookups {
        if open[lookup.relation.stage] {
            waits = true;
            notes.push(format!(
                "rows of `{}` look up `{}` in `{}`: those that find something else then are worked on again",
                stage.source.name,
                lookup.name,
                lookup.within
            ));
        }
    }
    waits
}

/// What a root row did before, as far as it concerns a transform.
struct Former {
    /// The root row in its batch, and the transform.
    of: (usize, usize),
    /// The keys of all its calls.
    keys: HashSet<MemoKey>,
    /// Those of the transform.
    calls: FormerCalls,
}

/// The counts of one transform while its stage is planned.
#[derive(Default)]
struct Tally {
    calls: u64,
    undecided: u64,
    reasons: BTreeMap<String, u64>,
}

struct Planning<'a> {
    run: &'a StageRun<'a>,
    recipes: &'a Recipes,
    report: &'a mut PlanReport,
    tallies: Vec<Tally>,
    counts: SourceCounts,
    /// How many rows are to be worked on.
    worked: u64,
    /// Whether only the rows were looked at that are due.
    is_due_only: bool,
    seen: HashSet<MemoKey>,
    /// Of the root row and transform looked at last.
    former: Option<Former>,
}

impl<'a> Planning<'a> {
    fn new(run: &'a StageRun<'a>, recipes: &'a Recipes, report: &'a mut PlanReport) -> Self {
        let tallies = run
            .stage
            .transforms
            .iter()
            .map(|_| Tally::default())
            .collect();
        Self {
            run,
            recipes,
            report,
            tallies,
            counts: SourceCounts::default(),
            worked: 0,
            is_due_only: false,
            seen: HashSet::new(),
            former: None,
        }
    }

    fn stage(&mut self) -> Result<(), Halt> {
        let run = self.run;
        let is_gathered = run.stage.source.gather.is_some();
        let standing = standing(run)?;
        let pass = if is_gathered {
            pass_of(run, &standing, true)
        } else {
            Pass::Whole
        };
        let found = scan(run, pass)?;
        self.counts.rows = match pass {
            Pass::Whole => found.rows,
            Pass::Due => standing.rows,
        };
        self.is_due_only = pass == Pass::Due;
        self.counts.removed = found.removed;
        self.counts.kept = found.spared;
        if !is_gathered {
            self.report.notes.extend(found.note(&run.stage.source.name));
        }
        let (mut gathered, mut outcome) = (Gathered::default(), Ok(()));
        let mut visit = |item: Item| {
            if let Some(items) = gathered.add(item) {
                outcome = self.batch(items);
            }
            if outcome.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        if let Some(kept) = found.kept {
            hand_out(kept, &mut visit);
        } else {
            let mut found = Found {
                pass,
                ..Found::default()
            };
            go_over(run, &mut found, visit)?;
        }
        outcome?;
        self.batch(gathered.rest())
    }

    fn batch(&mut self, items: Vec<Item>) -> Result<(), Halt> {
        if items.is_empty() {
            return Ok(());
        }
        let batch = Batch::evaluate(self.run, items)?;
        for root in &batch.roots {
            let why = match (&root.item.head, &root.item.entry) {
                (_, None) => "removed",
                (None, Some(_)) => {
                    self.counts.added += 1;
                    "new"
                }
                (Some(head), Some(_)) if head.content != root.content => {
                    self.counts.changed += 1;
                    "changed"
                }
                (Some(head), Some(_)) if is_due(&head.flow) => "result put by hand",
                (Some(head), Some(_)) if head.flow != self.run.fingerprint => "flow changed",
                (Some(_), Some(_)) if self.run.is_settled(root) => continue,
                (Some(head), Some(_)) if head.state != RowState::Done => "failed before",
                (Some(_), Some(_)) if root.item.due => "what it looks up may be other",
                (Some(_), Some(_)) => "looked at in every run",
            };
            self.worked += 1;
            if self.report.rows.len() < ROWS_LISTED_MAX {
                let source = self.run.stage.source.name.clone();
                let key = self.run.label(&root.item.key);
                self.report.rows.push(PlannedRow {
                    source,
                    key,
                    why: why.to_owned(),
                });
            }
        }
        self.former = None;
        for &(transform, row, key) in &batch.missing {
            // Rows with the same arguments share a call, where results are remembered.
            let shares = self.run.transforms[transform].remembers();
            if shares && !self.seen.insert(key) {
                self.run.counters.transforms[transform]
                    .reused
                    .fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let why = words(&self.why(&batch, transform, row, &key)?);
            let tally = &mut self.tallies[transform];
            tally.calls += 1;
            *tally.reasons.entry(why).or_default() += 1;
        }
        for (transform, tally) in self.tallies.iter_mut().enumerate() {
            tally.undecided += batch.undecided(transform);
        }
        Ok(())
    }

    /// Why a transform would be called for a row.
    fn why(
        &mut self,
        batch: &Batch<'_>,
        transform: usize,
        row: usize,
        key: &MemoKey,
    ) -> Result<Vec<Cause>, Halt> {
        let run = self.run;
        let prepared = &run.transforms[transform];
        if prepared.mode != CacheMode::Default {
            return Ok(vec![Cause::Mode {
                mode: prepared.mode,
            }]);
        }
        let root = batch.rows[run.stage.transforms[transform].collection][row].root;
        let Some(head) = &batch.roots[root].item.head else {
            return Ok(vec![Cause::NewRow]);
        };
        if batch.snapshot.memo(key)?.is_some() {
            return Ok(vec![Cause::Expired]);
        }
        if self
            .former
            .as_ref()
            .is_none_or(|known| known.of != (root, transform))
        {
            let calls = &batch.roots[root].lineage.calls;
            self.former = Some(self.former(batch, (root, transform), head, calls)?);
        }
        let known = self.former.as_ref();
        if known.is_some_and(|known| known.keys.contains(key)) {
            return Ok(vec![match head.state {
                RowState::Done => Cause::Removed,
                RowState::Failed { .. } => Cause::Retried,
            }]);
        }
        let arguments = batch.argument_prints(transform, row)?.unwrap_or_default();
        let columns = argument_columns(run.stage, transform);
        let causes = known.map(|known| {
            let now = &prepared.record;
            known.calls.causes(now, &arguments, self.recipes, &columns)
        });
        Ok(causes.unwrap_or_default())
    }

    /// What a root row did before, as far as it concerns a transform.
    fn former(
        &self,
        batch: &Batch<'_>,
        of: (usize, usize),
        head: &RowHead,
        calls: &[CallRecord],
    ) -> Result<Former, Halt> {
        let (run, transform) = (self.run, of.1);
        let (stage, snapshot) = (run.stage, &batch.snapshot);
        let now = calls.iter().copied();
        let now = run.former.translate(stage, &head.flow, now, snapshot)?;
        let recipes = (self.recipes, &run.transforms[transform].record);
        Ok(Former {
            of,
            keys: calls.iter().map(|call| call.key).collect(),
            calls: FormerCalls::read(snapshot, transform, now.into_iter(), recipes)?,
        })
    }

    fn finish(self, flow: &Flow) {
        let mut counts = self.counts;
        if self.is_due_only {
            counts.rows = (counts.rows + counts.added).saturating_sub(counts.removed);
        }
        counts.unchanged = counts.rows.saturating_sub(counts.added + counts.changed);
        self.report
            .sources
            .insert(self.run.stage.source.name.clone(), counts);
        debug_assert!(
            flow.plan.stages.iter().any(|stage| stage == self.run.stage),
            "a stage of this flow is planned"
        );
        for (index, (transform, tally)) in self
            .run
            .stage
            .transforms
            .iter()
            .zip(self.tallies)
            .enumerate()
        {
            self.report.transforms.push(TransformPlan {
                name: transform.name.clone(),
                calls: tally.calls,
                reused: self.run.counters.transforms[index]
                    .reused
                    .load(Ordering::Relaxed),
                undecided: tally.undecided,
                reasons: tally
                    .reasons
                    .into_iter()
                    .map(|(why, calls)| Reason { why, calls })
                    .collect(),
                pin: None,
            });
        }
    }
}
