//! Folds: what is made of the members of a group, in steps that are kept, so that one changed member asks for few calls.
//!
//! A relation's changes are noted as its rows are written. Before the rows of the gathered stage are looked at, the fold
//! takes these changes up: it makes the steps anew that hang on them, and the rows whose result is another are due.

mod combine;
mod element;
mod state;
mod verify;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use flowstone_connect::RowError;
use flowstone_core::{
    CacheMode, Fingerprint, Fold, FoldKind, LiteralArgument, RecipeRecord, RunId, StateArgument,
    Type, Value, fingerprint, to_wave,
};
use flowstone_sandbox::{Callable, World};
use flowstone_store::{
    ChangedElement, CollectionId, Snapshot, StoreError, TargetId, Writer, split_member_key,
};

pub(crate) use self::element::Element;
pub(crate) use self::verify::{Checked, Place, Verdict};
use crate::answer::said;
use crate::batch::Halt;
use crate::books::{get, put};
use crate::chunks::Chunks;
use crate::error::Error;
use crate::event::Event;
use crate::execute::watch;
use crate::meter::Meter;
use crate::recipe::recipe_of;
use crate::relation::display_key;
use crate::run::{standing, unsettle};
use crate::stage::{PluginCode, StageRun};

/// The level that holds what a combined group came to.
const RESULT: u8 = u8::MAX;

/// The level that holds which element a combined group came to, and of which level: that element is in no chunk.
const ROOT: u8 = u8::MAX - 1;

/// So many changes are taken up at once.
const CHANGES_MAX: usize = 4096;

/// A fold made ready.
pub(crate) struct PreparedFold<'a> {
    pub(crate) plan: &'a Fold,
    pub(crate) code: &'a PluginCode,
    pub(crate) record: RecipeRecord,
    /// What the steps that are kept must have been made with.
    recipe: Fingerprint,
    /// Whether its steps are made anew in this run, whatever is kept.
    anew: bool,
    relation: TargetId,
    /// The types of the relation's columns.
    types: Vec<Type>,
    result: (Type, Fingerprint),
    pub(crate) meter: Meter,
    callable: OnceLock<Callable>,
}

/// The steps of a fold that are kept were made with this.
pub(crate) fn recipe_entry(relation: TargetId) -> String {
    format!("fold/{:08x}", relation.0)
}

/// The run that last made all steps of a fold.
pub(crate) fn renewed(
    snapshot: &Snapshot,
    relation: TargetId,
) -> Result<Option<RunId>, StoreError> {
    let known: Option<(String, u64)> = get(snapshot, &recipe_entry(relation))?;
    Ok(known.map(|(_, run)| RunId(run)))
}

impl<'a> PreparedFold<'a> {
    pub(crate) fn new(
        plan: &'a Fold,
        code: &'a PluginCode,
        mode: CacheMode,
        (relation, types): (TargetId, Vec<Type>),
    ) -> Self {
        let record = fold_recipe(plan, code);
        let ty = plan.result().clone();
        let print = ty.fingerprint();
        Self {
            plan,
            code,
            recipe: identity(plan, &record),
            record,
            anew: mode != CacheMode::Default,
            relation,
            types,
            result: (ty, print),
            meter: Meter::default(),
            callable: OnceLock::new(),
        }
    }
}

/// The recipe of a fold's calls.
pub(crate) fn fold_recipe(plan: &Fold, code: &PluginCode) -> RecipeRecord {
    let pin = plan.cache.pin.as_deref();
    recipe_of(&plan.function, pin, literals(plan), code)
}

/// What decides what the steps come to, but for the members.
fn identity(plan: &Fold, record: &RecipeRecord) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 recipe of a fold");
    hasher.update(record.recipe.key().as_bytes());
    hasher.update(format!("{:?}", plan.kind).as_bytes());
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}

fn literals(plan: &Fold) -> Vec<LiteralArgument> {
    let FoldKind::State { arguments, .. } = &plan.kind else {
        return Vec::new();
    };
    let params = (0..).zip(arguments.iter().zip(&plan.function.params));
    let literal = params.filter_map(|(position, (argument, param))| match argument {
        StateArgument::Literal(value) => Some(LiteralArgument {
            position,
            fingerprint: fingerprint(value, &param.ty, &param.ty.fingerprint()),
            text: to_wave(value, &param.ty),
        }),
        StateArgument::State | StateArgument::Members(_) => None,
    });
    literal.collect()
}

/// A fold at work on a relation.
pub(crate) struct Folding<'s> {
    run: &'s StageRun<'s>,
    fold: &'s PreparedFold<'s>,
    /// What has failed in this run and is left to the next.
    later: Mutex<HashSet<ElementAt>>,
}

impl<'s> Folding<'s> {
    /// The fold of a stage, if it has one.
    pub(crate) fn of(run: &'s StageRun<'s>) -> Option<Self> {
        let fold = run.fold.as_ref()?;
        Some(Self {
            run,
            fold,
            later: Mutex::default(),
        })
    }

    /// Takes up all changes of the relation. What has been done stays when this is interrupted.
    pub(crate) fn work(&self) -> Result<(), Halt> {
        thread::scope(|scope| {
            let (_working, ended) = bounded::<()>(0);
            scope.spawn(move || watch(self.run, &ended));
            self.renew()?;
            while self.take_up()?.is_continue() {}
            Ok(())
        })
    }

    /// Takes up some changes.
    fn take_up(&self) -> Result<Flow, Halt> {
        if self.run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        match &self.fold.plan.kind {
            FoldKind::Combine { column, .. } => self.combine(*column),
            FoldKind::State { .. } => self.advance(),
        }
    }

    /// Where the steps that are kept are of other code, or are not to be used, drops them: every member is a change then.
    fn renew(&self) -> Result<(), Halt> {
        let (store, relation) = (self.run.store, self.fold.relation);
        let name = recipe_entry(relation);
        let now = Some((self.fold.recipe.to_string(), self.run.run.0));
        let known: Option<(String, u64)> = get(&store.snapshot()?, &name)?;
        let same = |known: &(String, u64)| known.0 == self.fold.recipe.to_string();
        // What this run has made is as new as it gets.
        let fresh = |known: &(String, u64)| !self.fold.anew || known.1 == self.run.run.0;
        if known.is_some_and(|known| same(&known) && fresh(&known)) {
            return Ok(());
        }
        let before = standing(self.run)?;
        store.write(|writer| {
            writer.remove_meta(&name)?;
            // Groups that are gone by now are noted nowhere any more: all rows have to be looked at.
            unsettle(writer, self.run.collection, before)?;
            writer.clear_all_steps(relation)
        })?;
        let mut rows = Chunks::new(
            store,
            |(key, _): &(Vec<u8>, u64)| key,
            |snapshot, after| match after {
                None => snapshot.published(relation),
                Some(after) => snapshot.published_after(relation, after),
            },
        )
        .peekable();
        while rows.peek().is_some() {
            if self.run.stop.is_set() {
                return Err(Halt::Interrupted);
            }
            store.write(|writer| {
                for row in rows.by_ref().take(CHANGES_MAX) {
                    let (key, _) = row?;
                    if let Some((group, member)) = split_member_key(&key) {
                        writer.put_change((relation, &group, 0), member, true)?;
                    }
                }
                Ok::<_, StoreError>(())
            })?;
        }
        store.write(|writer| put(writer, &name, &now))?;
        Ok(())
    }

    /// One call of the fold's function.
    fn call(&self, group: &[u8], arguments: &[Value], seed: [u8; 32]) -> Result<Element, Halt> {
        let (run, fold) = (self.run, self.fold);
        if run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let callable = self.callable()?;
        let label = if run.observed {
            display_key(flowstone_core::REDUCE, group)
        } else {
            String::new()
        };
        let name = &*fold.plan.name;
        run.observer.event(&Event::WillCall {
            transform: name,
            key: &label,
        });
        let start = Instant::now();
        let outcome = callable.call(arguments, &fold.code.limits, World::seeded(seed));
        let time = start.elapsed();
        if outcome.is_err() && run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let meter = &fold.meter;
        meter.called.fetch_add(1, Ordering::Relaxed);
        meter.call(1, time, Duration::ZERO);
        let log = match &outcome {
            Ok(output) => &output.log,
            Err(error) => &error.log,
        };
        run.observer.event(&Event::Called {
            transform: name,
            rows: 1,
            queued: Duration::ZERO,
            time,
            log,
        });
        let made = match outcome {
            Ok(output) => {
                let returned = output
                    .value
                    .ok_or(Error::Internal("a function without a result was called"))?;
                Element::of_call(returned, fold.plan.fallible())
            }
            Err(error) => Element::Failed {
                reason: said(error.reason),
                retry: true,
            },
        };
        if matches!(made, Element::Failed { .. }) {
            meter.failed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(made)
    }

    // A panic in another thread leaves the set whole.
    fn later(&self) -> MutexGuard<'_, HashSet<ElementAt>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn callable(&self) -> Result<&Callable, Error> {
        let fold = self.fold;
        if fold.callable.get().is_none() {
            let plugin = fold
                .code
                .load(self.run.sandbox, self.run.store, self.run.observer)?;
            let function = plugin.function(&fold.plan.function.name);
            let function =
                function.ok_or(Error::Internal("a function is gone from its component"))?;
            let _ = fold.callable.set(function);
        }
        fold.callable
            .get()
            .ok_or(Error::Internal("a function was not kept"))
    }

    /// The collection whose rows follow from the fold.
    fn collection(&self) -> CollectionId {
        self.run.collection
    }

    fn write<R>(
        &self,
        work: impl FnOnce(&mut Writer<'_>) -> Result<R, StoreError>,
    ) -> Result<R, Halt> {
        Ok(self.run.store.write(work)?)
    }
}

/// What a fold came to for a row: none where the gathered stage has no such row any more.
pub(crate) fn result(
    snapshot: &Snapshot,
    relation: TargetId,
    fold: &Fold,
    key: &[u8],
) -> Result<Option<Value>, RowError> {
    let lost = |error: StoreError| RowError::Failed {
        reason: error.to_string(),
        retry: true,
    };
    let step = match &fold.kind {
        FoldKind::Combine { .. } => snapshot.step((relation, key, RESULT), &[]),
        FoldKind::State { .. } => match split_member_key(key) {
            Some((group, member)) => snapshot.step((relation, &group, state::OUTPUTS), member),
            None => return Err(RowError::Vanished),
        },
    };
    let Some(step) = step.map_err(lost)? else {
        return Err(RowError::Failed {
            reason: format!("`{}` has not come to a result yet", fold.name),
            retry: true,
        });
    };
    match Element::of_step(&step, fold.result()) {
        Some(Element::Value { value, .. }) => Ok(Some(value)),
        Some(Element::Failed { reason, retry }) => Err(RowError::Failed {
            reason: format!("{}: {reason}", fold.name),
            retry,
        }),
        None => Err(RowError::Failed {
            reason: format!("what `{}` came to cannot be read", fold.name),
            retry: true,
        }),
    }
}

/// An element: its group, its level and its key.
type ElementAt = (Vec<u8>, u8, Vec<u8>);

fn place(change: &ChangedElement) -> ElementAt {
    (change.group.clone(), change.level, change.element.clone())
}

/// Whether there may be more to do.
type Flow = ControlFlow<()>;
