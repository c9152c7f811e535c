//! Removing results by hand. A row that needs one again has it called again; a row that nobody touches keeps what was made
//! of it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use flowstone_core::MemoKey;
use flowstone_store::Why;

use super::entries::{Entries, Entry, names};
use super::filter::CacheFilter;
use super::key::Asked;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::recipe::Recipes;

/// So many entries are removed in one transaction.
const ENTRIES_AT_ONCE: usize = 10_000;

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RemoveReport {
    /// How many entries.
    pub entries: u64,
    /// The bytes of their values. Those of objects are given back when the store is collected.
    pub bytes: u64,
    /// How many of the entries some row uses.
    pub in_use: u64,
    /// How many rows the next run looks at again, since they use a result that was put there by hand.
    pub rows: u64,
    /// By function and code.
    pub groups: Vec<RemovedGroup>,
}

/// The entries of one function and code.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RemovedGroup {
    /// The function.
    pub function: String,
    /// What stands for its code.
    pub code: String,
    /// How many entries.
    pub entries: u64,
    /// The bytes of their values.
    pub bytes: u64,
}

impl Engine {
    /// Removes the entries that fit `filter`; with `dry_run` it only says which.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written, or `stop` was set. What was removed by then stays removed.
    pub fn cache_remove(
        &self,
        filter: &CacheFilter,
        dry_run: bool,
        stop: &AtomicBool,
    ) -> Result<RemoveReport, Error> {
        let snapshot = self.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let mut entries = Entries::new(&snapshot, &recipes, filter, stop)?;
        entries.with_use = true;
        self.remove(&entries, None, dry_run, stop)
    }

    /// Removes what is remembered of the transform `name` for `key`: a row, or at least eight digits of a memo key.
    ///
    /// # Errors
    ///
    /// When there is no such transform or row, or the store cannot be read or written.
    pub fn cache_remove_one(
        &self,
        flow: &Flow,
        name: &str,
        key: &str,
        dry_run: bool,
        stop: &AtomicBool,
    ) -> Result<RemoveReport, Error> {
        let snapshot = self.store.snapshot()?;
        let asked = Asked::new(flow, name, &snapshot)?;
        let meant = self.meant(&asked, &snapshot, key, stop)?;
        let mut entries = Entries::new(&snapshot, &asked.recipes, &CacheFilter::default(), stop)?;
        entries.with_use = true;
        self.remove(&entries, Some(meant.key), dry_run, stop)
    }

    fn remove(
        &self,
        entries: &Entries<'_>,
        only: Option<MemoKey>,
        dry_run: bool,
        stop: &AtomicBool,
    ) -> Result<RemoveReport, Error> {
        let mut removing = Removing::default();
        let mut remove = |entry: Entry<'_>| {
            removing.count(&entry);
            if dry_run {
                return Ok(());
            }
            if entry.record.why == Why::Put {
                // What the code gives is to take its place again.
                let snapshot = self.store.snapshot()?;
                removing.report.rows += self.look_again(&snapshot, &entry.key, stop)?;
            }
            removing.keys.push(entry.key);
            if removing.keys.len() >= ENTRIES_AT_ONCE {
                self.remove_keys(&mut removing.keys)?;
            }
            Ok(())
        };
        match only {
            Some(key) => entries.visit_one(&key, &mut remove)?,
            None => entries.visit(&mut remove)?,
        }
        self.remove_keys(&mut removing.keys)?;
        removing.report.groups = removing.groups.into_values().collect();
        Ok(removing.report)
    }

    fn remove_keys(&self, keys: &mut Vec<MemoKey>) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        self.store
            .write(|writer| keys.drain(..).try_for_each(|key| writer.remove_memo(&key)))?;
        Ok(())
    }
}

#[derive(Default)]
struct Removing {
    report: RemoveReport,
    groups: BTreeMap<(String, String), RemovedGroup>,
    keys: Vec<MemoKey>,
}

impl Removing {
    fn count(&mut self, entry: &Entry<'_>) {
        let (function, code) = names(entry.recipe);
        let group = (self.groups.entry((function.clone(), code.clone()))).or_default();
        (group.function, group.code) = (function, code);
        group.entries += 1;
        group.bytes += entry.bytes;
        self.report.entries += 1;
        self.report.bytes += entry.bytes;
        self.report.in_use += u64::from(entry.in_use);
    }
}
