//! Explaining: why the last run that worked on a row called a transform, or did not.

mod fold;
mod values;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::relation::display_key;
use flowstone_core::{CacheMode, MemoKey, RecipeRecord, RunId};
use flowstone_store::{CallRecord, CollectionId, Lineage, MemoRecord, RowHead, Snapshot, Why};

use crate::books::Books;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::former::Former;
use crate::named::{find_row, rows_like};
use crate::overrides::{find, find_fold};
use crate::reason::{ArgumentColumn, Cause, FormerCalls, argument_columns};
use crate::recipe::{Recipes, recipe};
use crate::report::RunReport;
use crate::run::CacheOptions;
use crate::survey::RowName;

/// Why a transform was called, or not, by the run that last worked on each row.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The transform's name.
    pub transform: String,
    /// The newest run of the flow.
    pub run: Option<RunId>,
    /// Rows of the source that this run did not work on, since nothing of theirs had changed.
    pub untouched_rows: u64,
    /// Its calls and reuses by what they came to, with the most frequent first.
    pub groups: Vec<ExplainedGroup>,
    /// The calls of the row that was asked for; none when no row was.
    pub calls: Vec<ExplainedCall>,
}

/// Calls with the same explanation.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedGroup {
    /// Whether they were called, or reused.
    pub called: bool,
    /// The explanation in words.
    pub why: String,
    /// How many.
    pub calls: u64,
    /// The first root rows of them, for people.
    pub rows: Vec<String>,
    /// Whether there are more rows.
    pub more: bool,
}

/// One call, explained.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCall {
    /// The memo key.
    pub key: String,
    /// The run that worked on the row.
    pub run: RunId,
    /// Whether that run made the call, for this row or for another one with the same arguments.
    pub called: bool,
    /// The run that made the result; none where it is not in the store.
    pub made_by: Option<RunId>,
    /// The causes of the call.
    pub causes: Vec<Cause>,
    /// The explanation in words.
    pub why: String,
    /// The former and the present value of arguments that changed, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ChangedValue>,
}

/// An argument that changed.
#[derive(Clone, Debug, Serialize)]
pub struct ChangedValue {
    /// The column.
    pub column: String,
    /// The former value as WAVE text; none where the store does not keep it.
    pub from: Option<String>,
    /// The present value; none where it is not to be had.
    pub to: Option<String>,
}

/// So many rows are named for each explanation.
const ROWS_NAMED_MAX: usize = 3;

/// So many explanations are told apart.
const GROUPS_MAX: usize = 1000;

impl Engine {
    /// Says why the last run called the transform `name` or used what it remembered: for all rows, or call by call for
    /// the row that `key` names.
    ///
    /// `values` asks for the values of arguments that changed.
    ///
    /// # Errors
    ///
    /// When the flow has no such transform, or no run has worked on such a row.
    pub fn explain(
        &self,
        flow: &Flow,
        name: &str,
        key: Option<&str>,
        values: bool,
        stop: &AtomicBool,
    ) -> Result<Explanation, Error> {
        let snapshot = self.store.snapshot()?;
        let books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        if let Some((stage, fold)) = find_fold(&flow.plan, name) {
            return self.explain_fold(flow, (stage, fold), (&books, &snapshot), key);
        }
        let (stage, transform) = find(&flow.plan, name)?;
        let position = stage.transforms.iter().position(|other| other == transform);
        let never = || Error::NotFound("no run of this flow has been made yet".to_owned());
        let last = self.last_run(flow)?;
        let position = position.ok_or(Error::Internal("a transform is not in its stage"))?;
        let options = last
            .as_ref()
            .map_or_else(CacheOptions::default, |last| last.cache.clone());
        let explainer = Explainer {
            snapshot: &snapshot,
            recipes: Recipes::with(&snapshot, flow)?,
            flow,
            stage,
            transform: position,
            columns: argument_columns(stage, position),
            mode: options.mode(transform),
            always: options.work_on_all(stage),
            now: recipe(flow, stage, transform),
            former: Former::default(),
            last,
            collection: books.source(&stage.source.name).ok_or_else(never)?,
        };
        let mut explanation = Explanation {
            transform: transform.name.clone(),
            run: explainer.last.as_ref().map(|last| last.run),
            untouched_rows: 0,
            groups: Vec::new(),
            calls: Vec::new(),
        };
        match key {
            None => explainer.all(&mut explanation)?,
            Some(key) => {
                let (root, only) = self.named(&explainer, flow, key, stop)?;
                explanation.calls = explainer.row(&root, only.as_ref())?;
                if values {
                    self.add_values(&explainer, &root, &mut explanation.calls, stop)?;
                }
            }
        }
        for call in &mut explanation.calls {
            self.add_functions(&mut call.causes)?;
        }
        Ok(explanation)
    }

    /// The newest run of a flow.
    fn last_run(&self, flow: &Flow) -> Result<Option<RunReport>, Error> {
        let mut runs = self.runs(Some((&flow.plan.name, &flow.place)))?;
        runs.next().transpose()
    }

    /// The root row that `key` means, and the call of the row below it where `key` names one.
    fn named(
        &self,
        explainer: &Explainer<'_>,
        flow: &Flow,
        key: &str,
        stop: &AtomicBool,
    ) -> Result<(Vec<u8>, Option<MemoKey>), Error> {
        if let Some(root) = explainer.find_root(key)? {
            return Ok((root, None));
        }
        let name = &explainer.stage.transforms[explainer.transform].name;
        let row: RowName = Self::row_name(flow, name, key)?;
        let gone = |help: &str| {
            let message = format!("no run has worked on a row `{key}` of `{name}`{help}");
            Error::NotFound(message)
        };
        let Some(root) = explainer.find_root(&row.key)? else {
            return Err(gone(&explainer.roots_like(&row.key)?));
        };
        let mut found = None;
        self.survey(flow, name, Some(&row), stop, &mut |surveyed| {
            found = surveyed.key()?;
            Ok(std::ops::ControlFlow::Break(()))
        })?;
        Ok((root, Some(found.ok_or_else(|| gone(""))?)))
    }
}

/// What is at hand while a transform is explained.
struct Explainer<'a> {
    snapshot: &'a Snapshot,
    recipes: Recipes,
    flow: &'a Flow,
    stage: &'a flowstone_core::Stage,
    transform: usize,
    /// The recipe of the flow as it is now.
    now: RecipeRecord,
    former: Former,
    /// The columns that the arguments come from.
    columns: Vec<ArgumentColumn>,
    /// The newest run of the flow.
    last: Option<RunReport>,
    /// The mode of the transform in that run.
    mode: CacheMode,
    /// Whether that run worked on every row, also on those in which nothing changed.
    always: bool,
    collection: CollectionId,
}

impl Explainer<'_> {
    fn find_root(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let kind = &self.stage.source.kind;
        Ok(find_row(self.snapshot, self.collection, kind, key)?)
    }

    fn roots_like(&self, key: &str) -> Result<String, Error> {
        let kind = &self.stage.source.kind;
        Ok(rows_like(self.snapshot, self.collection, kind, key)?)
    }

    /// The calls of the row `key`, or the one of them that is asked for.
    fn row(&self, key: &[u8], only: Option<&MemoKey>) -> Result<Vec<ExplainedCall>, Error> {
        let (head, lineage) = self.lineage(key)?;
        let calls = self.calls(&head, &lineage)?;
        let calls = calls
            .iter()
            .filter(|call| only.is_none_or(|only| call.key == *only));
        let former = self.former_calls(&lineage)?;
        calls
            .map(|call| self.call(&lineage, &former, call))
            .collect()
    }

    /// The calls of the transform that the former version of a row made.
    fn former_calls(&self, lineage: &Lineage) -> Result<FormerCalls, Error> {
        let replaced = lineage.replaced.iter().copied();
        let recipes = (&self.recipes, &self.now);
        Ok(FormerCalls::read(
            self.snapshot,
            self.transform,
            replaced,
            recipes,
        )?)
    }

    fn lineage(&self, key: &[u8]) -> Result<(RowHead, Lineage), Error> {
        let head = self.snapshot.row(self.collection, key)?;
        let head = head.ok_or_else(|| Error::NotFound("the row is gone".to_owned()))?;
        let lineage = self.snapshot.lineage(self.collection, key)?;
        Ok((head, lineage.unwrap_or_default()))
    }

    /// The calls of the transform that a row made.
    fn calls(&self, head: &RowHead, lineage: &Lineage) -> Result<Vec<CallRecord>, Error> {
        let calls = lineage.calls.iter().copied();
        let calls = self
            .former
            .translate(self.stage, &head.flow, calls, self.snapshot)?;
        let mine = |call: &CallRecord| usize::from(call.transform) == self.transform;
        Ok(calls.into_iter().filter(mine).collect())
    }

    fn call(
        &self,
        lineage: &Lineage,
        former: &FormerCalls,
        call: &CallRecord,
    ) -> Result<ExplainedCall, Error> {
        let mode = self.mode;
        if mode == CacheMode::Disable
            && let Some(last) = &self.last
        {
            // It calls for every row, and leaves no trace of that where nothing else changes.
            return Ok(ExplainedCall {
                key: call.key.to_string(),
                run: last.run,
                called: true,
                made_by: None,
                causes: vec![Cause::Mode { mode }],
                why: Cause::Mode { mode }.to_string(),
                values: Vec::new(),
            });
        }
        let record = self.snapshot.memo(&call.key)?;
        let made_by = record.as_ref().map(|record| record.run);
        // The run that worked on the row last, as far as that can be told.
        let last = self.last.as_ref().filter(|_| self.always);
        let worked_on = last.map_or(lineage.run, |last| last.run);
        let run = made_by.map_or(worked_on, |made_by| made_by.max(worked_on));
        let called = made_by.is_some_and(|made_by| made_by >= worked_on);
        let causes = match &record {
            Some(record) if called => self.causes(former, record),
            _ => Vec::new(),
        };
        let why = match (&record, called) {
            (None, _) => self.not_kept(lineage),
            (Some(record), false) => reused(record),
            (Some(record), true) => match record.why {
                Why::Put => "its result was put there by hand".to_owned(),
                Why::Imported => "its result was imported".to_owned(),
                _ => crate::reason::words(&causes),
            },
        };
        Ok(ExplainedCall {
            key: call.key.to_string(),
            run,
            called: called && !matches!(&record, Some(record) if given(record)),
            made_by,
            causes,
            why,
            values: Vec::new(),
        })
    }

    /// Why a call was made whose result is remembered.
    fn causes(&self, former: &FormerCalls, record: &MemoRecord) -> Vec<Cause> {
        match record.why {
            Why::Recompute => {
                let mode = CacheMode::Recompute;
                vec![Cause::Mode { mode }]
            }
            Why::Expired => vec![Cause::Expired],
            Why::Removed => vec![Cause::Removed],
            Why::Put | Why::Imported => Vec::new(),
            Why::NewRow => vec![Cause::NewRow],
            Why::New => {
                let made_with = self.recipes.get(record.recipe).unwrap_or(&self.now);
                former.causes(made_with, &record.arguments, &self.recipes, &self.columns)
            }
        }
    }

    /// Why there is no result of a call in the store.
    fn not_kept(&self, lineage: &Lineage) -> String {
        let mode = self.mode;
        match (&lineage.failure, mode) {
            (_, CacheMode::Disable | CacheMode::Ignore) => {
                format!("{}, which remembers nothing", Cause::Mode { mode })
            }
            (Some(failure), _) => format!("it failed, and is tried again: {failure}"),
            (None, _) => "its result is no longer in the store".to_owned(),
        }
    }

    /// Explains all rows, summed up.
    fn all(&self, explanation: &mut Explanation) -> Result<(), Error> {
        let mut groups: BTreeMap<(bool, String), ExplainedGroup> = BTreeMap::new();
        for row in self.snapshot.rows(self.collection)? {
            let (key, head) = row?;
            let lineage = self
                .snapshot
                .lineage(self.collection, &key)?
                .unwrap_or_default();
            let mut touched = Some(lineage.run) >= explanation.run;
            let former = self.former_calls(&lineage)?;
            for call in self.calls(&head, &lineage)? {
                let call = self.call(&lineage, &former, &call)?;
                if Some(call.run) < explanation.run {
                    continue;
                }
                touched = true;
                let mut id = (call.called, call.why);
                if groups.len() >= GROUPS_MAX && !groups.contains_key(&id) {
                    "for other reasons".clone_into(&mut id.1);
                }
                let group = groups.entry(id.clone()).or_insert_with(|| ExplainedGroup {
                    called: id.0,
                    why: id.1,
                    calls: 0,
                    rows: Vec::new(),
                    more: false,
                });
                group.calls += 1;
                let label = display_key(&self.stage.source.kind, &key);
                if group.rows.last() != Some(&label) {
                    if group.rows.len() < ROWS_NAMED_MAX {
                        group.rows.push(label);
                    } else {
                        group.more = true;
                    }
                }
            }
            explanation.untouched_rows += u64::from(!touched);
        }
        explanation.groups = groups.into_values().collect();
        (explanation.groups).sort_by_key(|group| (!group.called, std::cmp::Reverse(group.calls)));
        Ok(())
    }
}

fn given(record: &MemoRecord) -> bool {
    matches!(record.why, Why::Put | Why::Imported)
}

fn reused(record: &MemoRecord) -> String {
    let how = match record.why {
        Why::Put => "put there by hand as",
        Why::Imported => "imported as",
        _ => "made in",
    };
    format!("reused: {how} run {}", record.run)
}
