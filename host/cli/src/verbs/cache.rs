//! `flowstone cache`: what is remembered, at the user's hand. Most sub-commands need no more than a store; a flow is opened
//! only where a transform is named.

mod get;
mod list;
mod put;
mod remove;
mod stat;
mod transfer;
mod verify;

use std::path::{Path, PathBuf};

use flowstone::{CacheFilter, Engine, EngineConfig, Flow};

use crate::args::{CacheFilterArgs, CacheVerb, EngineArgs};
use crate::failure::{Failure, Kind};
use crate::opening;
use crate::output::Output;
use crate::settings::{FlowSettings, engine_config, store_alone};

/// Does what was asked of the cache.
pub(crate) fn cache(verb: &CacheVerb, output: Output) -> Result<u8, Failure> {
    match verb {
        CacheVerb::List(args) => list::list(args, output),
        CacheVerb::Stat(args) => stat::stat(args, output),
        CacheVerb::Get(args) => get::get(args, output),
        CacheVerb::Put(args) => put::put(args, output),
        CacheVerb::Rm(args) => remove::remove(args, output),
        CacheVerb::Export(args) => transfer::export(args, output),
        CacheVerb::Import(args) => transfer::import(args, output),
        CacheVerb::Verify(args) => verify::verify(args, output),
    }
}

/// The store that is meant, and how it is worked on.
pub(super) struct Place {
    store: PathBuf,
    engine: EngineConfig,
    /// The flow, where there is one.
    pub(super) flow: Option<FlowSettings>,
}

impl Place {
    /// The store of a flow, or one that is named without a flow.
    pub(super) fn of(flow: Option<&Path>, args: &EngineArgs) -> Result<Self, Failure> {
        if flow.is_none()
            && let Some(store) = store_alone(args.store.as_deref())?
        {
            let mut engine = engine_config();
            engine.memory_bytes_max = args.memory;
            return Ok(Self {
                store,
                engine,
                flow: None,
            });
        }
        let settings = FlowSettings::of(flow, args)?;
        Ok(Self {
            store: settings.store.clone(),
            engine: settings.engine.clone(),
            flow: Some(settings),
        })
    }

    /// The engine on the store, which must be there.
    pub(super) fn open(self) -> Result<Engine, Failure> {
        if !self.store.join("store.redb").is_file() {
            let message = format!("there is no store `{}` yet", self.store.display());
            return Err(Failure::new(Kind::NotFound, message)
                .hint("run the flow first, or name another store with `--store DIR`"));
        }
        self.open_or_make()
    }

    /// The engine on the store, which is made where it is missing.
    fn open_or_make(self) -> Result<Engine, Failure> {
        opening::make_store(&self.store)?;
        Ok(Engine::open(&self.store, self.engine)?)
    }
}

impl CacheFilterArgs {
    /// Whether nothing is asked for.
    fn is_empty(&self) -> bool {
        self.transform.is_empty() && self.filter().is_everything()
    }

    /// What is asked for, but for the transforms.
    fn filter(&self) -> CacheFilter {
        let mut filter = CacheFilter::default();
        filter.function.clone_from(&self.function);
        filter.code.clone_from(&self.code);
        filter.pin.clone_from(&self.pin);
        filter.unused = self.unused;
        filter.in_use = self.in_use;
        filter.older_than = self.older_than;
        filter.larger_than = self.larger_than;
        filter
    }

    /// The engine, and what is asked for.
    fn open(
        &self,
        flow: Option<&Path>,
        args: &EngineArgs,
        output: Output,
    ) -> Result<(Engine, CacheFilter), Failure> {
        if self.transform.is_empty() {
            return Ok((Place::of(flow, args)?.open()?, self.filter()));
        }
        let opened = opening::open(&FlowSettings::of(flow, args)?, output)?;
        let filter = of_transforms(&opened.flow, &self.transform, self.filter())?;
        Ok((opened.engine, filter))
    }
}

/// The filter, with what these transforms find.
fn of_transforms(
    flow: &Flow,
    names: &[String],
    mut filter: CacheFilter,
) -> Result<CacheFilter, Failure> {
    for name in names {
        filter.add_transform(flow, name)?;
    }
    Ok(filter)
}
