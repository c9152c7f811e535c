//! Collecting: what the store keeps of what no row uses, by the flow's settings; and when a run does that by itself.

mod due;
mod stages;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use flowstone_core::{ComponentDigest, RunId, StoreSettings};
use flowstone_store::{Compaction, GcPolicy, GcProgress, GcReport, RecipeId, Snapshot, StoreSize};

use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::pins::{self, pin_of};
use crate::recipe::{Recipes, recipe};
use crate::run::{now_s, started};

/// For how long results that nobody uses are kept where the flow does not say.
const KEEP: Duration = Duration::from_hours(30 * 24);

/// What one of so many last runs used is kept where the flow does not say.
const KEEP_RUNS: u32 = 20;

/// The database is compacted by a run itself only where at least this part of it is free.
const FREE_PART: u64 = 2;

/// What a collection is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcOptions {
    /// What is kept; what is not given is as where a flow does not say.
    pub settings: StoreSettings,
    /// Whether to find out what would be removed, and remove nothing.
    pub dry_run: bool,
    /// Whether to leave what becomes free in the database to later runs, and not give it back to the system.
    pub no_compact: bool,
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct Collection {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// What became of the results, and of what they need.
    #[serde(flatten)]
    pub report: GcReport,
    /// How many descriptions of former versions of stages go, which no row is of any more.
    pub stages_removed: u64,
    /// How the database was made smaller, where that was asked for.
    pub compaction: Option<Compaction>,
    /// What the store takes on disk now.
    pub size: StoreSize,
}

impl Engine {
    /// Removes results that no row uses, no pin holds and no run has used for long, and whatever only those need. When
    /// `stop` is set it ends soon, and the next collection goes on there: the report says so.
    ///
    /// What the transforms of `flow` call is kept although there may be no results yet.
    ///
    /// # Errors
    ///
    /// When the store fails, or what rows use cannot be read: nothing is removed then.
    pub fn gc(
        &mut self,
        flow: Option<&Flow>,
        options: &GcOptions,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(GcProgress),
    ) -> Result<Collection, Error> {
        let policy = self.policy(flow, options)?;
        let report = self.store.gc(&policy, stop, progress)?;
        let mut stages_removed = 0;
        let mut compaction = None;
        if report.finished {
            stages_removed = self.retire_stages(options.dry_run)?;
            if !options.dry_run {
                if !options.no_compact {
                    compaction = Some(self.store.compact()?);
                }
                self.note_collection(options.settings.bytes_max)?;
            }
        }
        Ok(Collection {
            dry_run: options.dry_run,
            report,
            stages_removed,
            compaction,
            size: self.store.size()?,
        })
    }

    /// What is kept, in the store's terms.
    fn policy(&self, flow: Option<&Flow>, options: &GcOptions) -> Result<GcPolicy, Error> {
        let snapshot = self.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let since = kept_since(&snapshot, &options.settings, now_s())?;
        let (live_recipes, live_components) = in_flow(flow, &recipes);
        Ok(GcPolicy {
            used_since: since,
            runs_since: since,
            bytes_max: options.settings.bytes_max,
            pinned: pinned(&snapshot, &recipes)?,
            live_recipes,
            live_components,
            dry_run: options.dry_run,
        })
    }
}

/// The first run whose use of a result keeps it: those from there on are young, or among the last.
fn kept_since(snapshot: &Snapshot, settings: &StoreSettings, now_s: u64) -> Result<RunId, Error> {
    let keep = settings.keep.unwrap_or(KEEP).as_secs();
    let runs = settings.keep_runs.unwrap_or(KEEP_RUNS);
    let newest = snapshot.last_run()?.unwrap_or_default();
    let mut since = RunId(newest.0 + 1);
    for (number, record) in (0_u32..).zip(snapshot.runs()?) {
        let (run, record) = record?;
        let is_young = started(&record).saturating_add(keep) > now_s;
        if number >= runs && !is_young {
            break;
        }
        since = run;
    }
    Ok(since)
}

/// The recipes of the pins that stand.
fn pinned(snapshot: &Snapshot, recipes: &Recipes) -> Result<BTreeSet<RecipeId>, Error> {
    let mut names = BTreeSet::new();
    for (name, entry) in pins::all(snapshot)? {
        names.insert(name);
        // What is being moved is held by its former name too until that is done.
        names.extend(entry.moved_from);
    }
    let is_pinned = |record| pin_of(record).is_some_and(|name| names.contains(name));
    let pinned = recipes
        .iter()
        .filter(|(_, record)| is_pinned(&record.recipe));
    Ok(pinned.map(|(id, _)| *id).collect())
}

/// What the transforms of a flow have and call.
fn in_flow(
    flow: Option<&Flow>,
    recipes: &Recipes,
) -> (BTreeSet<RecipeId>, BTreeSet<ComponentDigest>) {
    let Some(flow) = flow else {
        return (BTreeSet::new(), BTreeSet::new());
    };
    let stages = flow.plan.stages.iter();
    let transforms = stages.flat_map(|stage| {
        let transforms = stage.transforms.iter();
        transforms.map(move |transform| (stage, transform))
    });
    let ids =
        transforms.filter_map(|(stage, transform)| recipes.id(&recipe(flow, stage, transform)));
    let components = flow.plugins.values().map(|plugin| plugin.digest);
    (ids.collect(), components.collect())
}
