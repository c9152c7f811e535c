//! Surveying: the calls of one transform for the rows as they are now, found out without making any.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone_core::{CacheMode, Fingerprint, MemoKey, RunId, Stage, Transform, Value};

use crate::batch::{Batch, Cell, Halt, Item};
use crate::books::Books;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::overrides::{depth, find, find_fold};
use crate::relation::noun;
use crate::scan::{Found, Gathered, diff};
use crate::stage::StageRun;

/// A row as people name it: `guide.md` for a row of a source, `guide.md#3` for one below it, `guide.md#3.0` for one
/// further down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowName {
    /// The key of the root row.
    pub key: String,
    /// Its positions in the lists from the top down; empty for the root row itself.
    pub index: Vec<u32>,
}

impl RowName {
    /// The row that `text` names, `depth` lists below a root row; none where it names no such row.
    pub fn parse(text: &str, depth: usize) -> Option<Self> {
        if depth == 0 {
            return Some(Self {
                key: text.to_owned(),
                index: Vec::new(),
            });
        }
        let (key, index) = text.rsplit_once('#')?;
        let index: Vec<u32> = index
            .split('.')
            .map(|position| position.parse().ok())
            .collect::<Option<_>>()?;
        (index.len() == depth).then(|| Self {
            key: key.to_owned(),
            index,
        })
    }
}

impl std::fmt::Display for RowName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        let mut separator = '#';
        for position in &self.index {
            write!(f, "{separator}{position}")?;
            separator = '.';
        }
        Ok(())
    }
}

/// One row of the transform that is surveyed.
pub(crate) struct Surveyed<'b, 'r> {
    pub(crate) batch: &'b mut Batch<'r>,
    /// The transform, by its position in the stage.
    pub(crate) transform: usize,
    pub(crate) row: usize,
}

impl Surveyed<'_, '_> {
    fn collection(&self) -> usize {
        self.batch.run.stage.transforms[self.transform].collection
    }

    /// The row's name.
    pub(crate) fn name(&self) -> RowName {
        self.batch.name(self.collection(), self.row)
    }

    /// The fingerprints of the arguments that count; none when one of them is not there, or not known without a call.
    pub(crate) fn prints(&self) -> Result<Option<Vec<Fingerprint>>, Halt> {
        Ok(self.batch.argument_prints(self.transform, self.row)?.ok())
    }

    /// The key of the call; none when an argument is not there, or not known without a call.
    pub(crate) fn key(&self) -> Result<Option<MemoKey>, Halt> {
        let recipe = self.batch.run.transforms[self.transform].recipe;
        Ok(self.prints()?.map(|prints| recipe.key(prints)))
    }

    /// The arguments, literals among them; or why one of them is not to be had.
    pub(crate) fn arguments(&mut self) -> Result<Result<Vec<Value>, String>, Halt> {
        let values = self.batch.arguments(self.transform, self.row)?;
        Ok(values.map_err(|failure| failure.reason))
    }

    /// Why the key is not known.
    pub(crate) fn obstacle(&self) -> &'static str {
        match self.batch.argument_prints(self.transform, self.row) {
            Ok(Err(Cell::Absent)) => "a result that it needs is none",
            Ok(Err(Cell::Failed)) => "a result that it needs has failed",
            _ => "a result that it needs is not remembered: run the flow first",
        }
    }
}

impl Engine {
    /// Hands every row of the transform `name`, or only one of them, to `visit`. Nothing is called, nothing written.
    pub(crate) fn survey(
        &self,
        flow: &Flow,
        name: &str,
        only: Option<&RowName>,
        stop: &AtomicBool,
        visit: &mut dyn FnMut(&mut Surveyed<'_, '_>) -> Result<ControlFlow<()>, Halt>,
    ) -> Result<(), Error> {
        let only = only.map_or(Only::Any, Only::Row);
        self.survey_rows(flow, name, only, stop, visit)
    }

    fn survey_rows(
        &self,
        flow: &Flow,
        name: &str,
        only: Only<'_>,
        stop: &AtomicBool,
        visit: &mut dyn FnMut(&mut Surveyed<'_, '_>) -> Result<ControlFlow<()>, Halt>,
    ) -> Result<(), Error> {
        self.with_stage(flow, name, stop, |run, transform| {
            batches(run, transform, only, visit)
        })
    }

    /// Hands the stage of the transform `name`, and its position in it, to `work`: for a survey, or several.
    pub(crate) fn with_stage<R>(
        &self,
        flow: &Flow,
        name: &str,
        stop: &AtomicBool,
        work: impl FnOnce(&StageRun<'_>, usize) -> Result<R, Halt>,
    ) -> Result<R, Error> {
        let (stage, transform) = find(&flow.plan, name)?;
        let position = stage.transforms.iter().position(|other| other == transform);
        let position = position.ok_or(Error::Internal("a transform is not in its stage"))?;
        self.survey_stage(flow, stage, (stop, &|_: &Event<'_>| {}), |run| {
            work(run, position)
        })
    }

    /// As [`Engine::with_stage`], for the stage whose rows follow from the fold `name`.
    pub(crate) fn with_fold<R>(
        &self,
        flow: &Flow,
        name: &str,
        (stop, observer): (&AtomicBool, &dyn Observer),
        work: impl FnOnce(&StageRun<'_>) -> Result<R, Halt>,
    ) -> Result<R, Error> {
        let (stage, _) = find_fold(&flow.plan, name)
            .ok_or(Error::Internal("a fold that is not there was asked for"))?;
        self.survey_stage(flow, stage, (stop, observer), work)
    }

    fn survey_stage<R>(
        &self,
        flow: &Flow,
        stage: &Stage,
        (stop, observer): (&AtomicBool, &dyn Observer),
        work: impl FnOnce(&StageRun<'_>) -> Result<R, Halt>,
    ) -> Result<R, Error> {
        let mut shared = self.shared(RunId(0), stop, observer)?;
        shared.dry = true;
        let mut books = Books::read(&self.store.snapshot()?, &flow.plan.name, &flow.place)?;
        books.decide(&flow.plan);
        let mut run = self.stage_run(flow, stage, &books, &shared)?;
        run.always = true;
        for prepared in &mut run.transforms {
            // What is remembered is asked for, also where a run would not use it.
            prepared.fresh_since = RunId(0);
            if prepared.mode == CacheMode::Recompute {
                prepared.mode = CacheMode::Default;
            }
        }
        match work(&run) {
            Ok(done) => Ok(done),
            Err(Halt::Interrupted) => Err(Error::Interrupted),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    /// As [`Engine::survey`], for the rows below one root row.
    pub(crate) fn survey_root(
        &self,
        flow: &Flow,
        name: &str,
        root: &str,
        stop: &AtomicBool,
        visit: &mut dyn FnMut(&mut Surveyed<'_, '_>) -> Result<ControlFlow<()>, Halt>,
    ) -> Result<(), Error> {
        let only = Only::Root(root);
        self.survey_rows(flow, name, only, stop, visit)
    }

    /// The row of a transform that `text` names.
    pub(crate) fn row_name(flow: &Flow, name: &str, text: &str) -> Result<RowName, Error> {
        let (stage, transform) = find(&flow.plan, name)?;
        row_name(stage, transform, text)
    }
}

/// Which rows are surveyed.
#[derive(Clone, Copy)]
enum Only<'a> {
    Any,
    /// Those below this root row.
    Root(&'a str),
    Row(&'a RowName),
}

impl Only<'_> {
    /// The key of the one root row, where there is only one.
    fn root(&self) -> Option<&str> {
        match self {
            Only::Any => None,
            Only::Root(key) => Some(key),
            Only::Row(row) => Some(&row.key),
        }
    }
}

fn row_name(stage: &Stage, transform: &Transform, text: &str) -> Result<RowName, Error> {
    let depth = depth(stage, transform.collection);
    RowName::parse(text, depth).ok_or_else(|| {
        let positions = vec!["0"; depth].join(".");
        Error::NotFound(format!(
            "`{text}` names no row of `{}`: write the key of the row of {} `{}`, then its position, \
             as in `{text}#{positions}`",
            stage.collections[transform.collection].name,
            noun(&stage.source.kind),
            stage.source.name
        ))
    })
}

/// Hands every row of a transform to `visit`.
pub(crate) fn rows(
    run: &StageRun<'_>,
    transform: usize,
    visit: &mut dyn FnMut(&mut Surveyed<'_, '_>) -> Result<ControlFlow<()>, Halt>,
) -> Result<(), Halt> {
    batches(run, transform, Only::Any, visit)
}

fn batches(
    run: &StageRun<'_>,
    transform: usize,
    only: Only<'_>,
    visit: &mut dyn FnMut(&mut Surveyed<'_, '_>) -> Result<ControlFlow<()>, Halt>,
) -> Result<(), Halt> {
    let mut outcome = Ok(ControlFlow::Continue(()));
    let mut gathered = Gathered::default();
    diff(run, &mut Found::default(), |item| {
        let root = only.root();
        let is_key = |root: &str| item.key == root.as_bytes() || run.label(&item.key) == root;
        let named = root.is_none_or(is_key);
        if !named || item.entry.is_none() {
            return ControlFlow::Continue(());
        }
        if let Some(items) = gathered.add(item) {
            outcome = batch(run, transform, items, only, visit);
        }
        // Only one root row has the key that is asked for.
        match outcome {
            Ok(ControlFlow::Continue(())) if root.is_none() => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    })?;
    let rest = gathered.rest();
    if outcome?.is_continue() && !rest.is_empty() {
        let _ = batch(run, transform, rest, only, visit)?;
    }
    Ok(())
}

fn batch(
    run: &StageRun<'_>,
    transform: usize,
    items: Vec<Item>,
    only: Only<'_>,
    visit: &mut dyn FnMut(&mut Surveyed<'_, '_>) -> Result<ControlFlow<()>, Halt>,
) -> Result<ControlFlow<()>, Halt> {
    let mut batch = Batch::evaluate(run, items)?;
    let collection = run.stage.transforms[transform].collection;
    for row in 0..batch.rows[collection].len() {
        let mut surveyed = Surveyed {
            batch: &mut batch,
            transform,
            row,
        };
        if let Only::Row(row) = only
            && surveyed.name().index != row.index
        {
            continue;
        }
        if visit(&mut surveyed)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
