//! Figures: what the store remembers, by function and code, and what its parts take on disk.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use flowstone_store::StoreSize;

use super::entries::{CacheTotals, Entries, names};
use super::filter::CacheFilter;
use crate::engine::Engine;
use crate::error::Error;
use crate::pins;
use crate::recipe::Recipes;

/// What a store remembers.
#[derive(Clone, Debug, Serialize)]
pub struct CacheStat {
    /// The store's folder.
    pub store: String,
    /// All entries.
    #[serde(flatten)]
    pub totals: CacheTotals,
    /// What of the bytes is in files and records of their own.
    pub object_bytes: u64,
    /// How many entries some row uses.
    pub in_use: u64,
    /// By function and code.
    pub groups: Vec<CacheGroup>,
    /// What the parts of the store take on disk, in bytes.
    pub parts: StoreSize,
    /// How many binaries of components are kept.
    pub builds: u64,
    /// The names of the pins.
    pub pins: Vec<String>,
}

/// The entries of one function and code.
#[derive(Clone, Debug, Serialize)]
pub struct CacheGroup {
    /// The function.
    pub function: String,
    /// What stands for its code.
    pub code: String,
    /// Its entries.
    #[serde(flatten)]
    pub totals: CacheTotals,
    /// What of the bytes is in files and records of their own.
    pub object_bytes: u64,
    /// How many of them some row uses.
    pub in_use: u64,
}

impl Engine {
    /// What the store remembers, and what that takes.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or `stop` was set.
    pub fn cache_stat(&self, stop: &AtomicBool) -> Result<CacheStat, Error> {
        let snapshot = self.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let mut entries = Entries::new(&snapshot, &recipes, &CacheFilter::default(), stop)?;
        entries.with_use = true;
        let mut stat = CacheStat {
            store: self.store.path().display().to_string(),
            totals: CacheTotals::default(),
            object_bytes: 0,
            in_use: 0,
            groups: Vec::new(),
            parts: self.store.size()?,
            builds: snapshot.builds()?,
            pins: pins::all(&snapshot)?
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
        };
        // As many as there are recipes, which all are in memory.
        let mut groups: BTreeMap<(String, String), CacheGroup> = BTreeMap::new();
        entries.visit(&mut |entry| {
            let (function, code) = names(entry.recipe);
            let group = (groups.entry((function.clone(), code.clone()))).or_insert(CacheGroup {
                function,
                code,
                totals: CacheTotals::default(),
                object_bytes: 0,
                in_use: 0,
            });
            stat.totals.add(&entry);
            group.totals.add(&entry);
            stat.object_bytes += entry.object_bytes();
            group.object_bytes += entry.object_bytes();
            stat.in_use += u64::from(entry.in_use);
            group.in_use += u64::from(entry.in_use);
            Ok(())
        })?;
        stat.groups = groups.into_values().collect();
        // The code that rows use comes first.
        let order = |group: &CacheGroup| (group.function.clone(), Reverse(group.in_use));
        stat.groups.sort_by_key(order);
        Ok(stat)
    }
}
