//! How a run is done: what is looked up, what is called whatever is remembered, what is given.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use flowstone_core::{CacheMode, Plan, Stage, Transform, suggest};

use crate::error::Error;
use crate::overrides::Overrides;

/// How a run is done.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Whether to go on where more than half of a source's rows are gone.
    pub allow_deletes: bool,
    /// Whether every round over all rows first compares what the targets hold with what was written to them, and puts
    /// right what differs.
    pub verify_targets: bool,
    /// Whether somebody listens closely: events then carry the keys of rows.
    pub observed: bool,
    /// What is looked up and remembered in this run, besides what the flow says.
    pub cache: CacheOptions,
    /// Results that are given.
    pub overrides: Overrides,
}

/// What is looked up and remembered in one run, besides what the flow says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheOptions {
    /// The transforms that are called and remembered, whatever is remembered of them.
    pub recompute: BTreeSet<String>,
    /// The transforms that are called, and neither looked up nor remembered.
    pub disable: BTreeSet<String>,
    /// Whether all transforms are called and remembered.
    pub refresh: bool,
    /// Whether all transforms are called, and none is looked up or remembered.
    pub no_cache: bool,
}

impl CacheOptions {
    /// Whether they leave everything to the flow.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The mode of a transform in this run.
    pub(crate) fn mode(&self, transform: &Transform) -> CacheMode {
        self.mode_of(&transform.name, transform.cache.mode)
    }

    /// The mode in this run of what has this name and this mode in the flow.
    pub(crate) fn mode_of(&self, name: &str, mode: CacheMode) -> CacheMode {
        match mode {
            CacheMode::Ignore => CacheMode::Ignore,
            _ if self.no_cache || self.disable.contains(name) => CacheMode::Disable,
            CacheMode::Disable => CacheMode::Disable,
            _ if self.refresh || self.recompute.contains(name) => CacheMode::Recompute,
            mode => mode,
        }
    }

    /// Whether a run works on every row of a stage, also on those in which nothing changed.
    pub(crate) fn work_on_all(&self, stage: &Stage) -> bool {
        stage.transforms.iter().any(|transform| {
            let modes = [CacheMode::Recompute, CacheMode::Disable];
            let ages = transform.cache.age_max.is_some();
            ages || modes.contains(&self.mode(transform)) || self.ask_for(transform)
        })
    }

    /// Whether they ask for calls of a transform, also for rows in which nothing changed.
    fn ask_for(&self, transform: &Transform) -> bool {
        let named = |names: &BTreeSet<String>| names.contains(&transform.name);
        self.no_cache || self.refresh || named(&self.disable) || named(&self.recompute)
    }

    /// Checks that the flow has every transform that is named.
    pub(crate) fn check(&self, plan: &Plan) -> Result<(), Error> {
        let names = || {
            let transforms = plan.stages.iter().flat_map(|stage| &stage.transforms);
            let gathers = plan
                .stages
                .iter()
                .filter_map(|stage| stage.source.gather.as_ref());
            let folds = gathers.filter_map(|gather| gather.fold.as_ref());
            let folds = folds.map(|fold| &*fold.name);
            transforms.map(|transform| &*transform.name).chain(folds)
        };
        for name in self.recompute.iter().chain(&self.disable) {
            if names().all(|known| known != name) {
                let help = suggest(name, names());
                return Err(Error::NotFound(format!(
                    "the flow has no transform `{name}`: {help}"
                )));
            }
        }
        Ok(())
    }
}
