//! The cache at hand: what is remembered can be listed, read, set, removed, and moved to other stores.
//!
//! Everything here goes through the store in the order of its keys and keeps no more than a bounded part of it in memory,
//! however much is remembered.

mod archive;
mod dated;
mod entries;
mod export;
mod filter;
mod get;
mod import;
mod in_use;
mod key;
mod list;
mod put;
mod remove;
mod stat;
mod verify;

#[cfg(test)]
mod tests;

use flowstone_core::RecipeRecord;
use flowstone_store::{RecipeId, StoreError, Writer};

pub use self::archive::ArchiveError;
pub use self::entries::{CacheEntry, CacheTotals};
pub use self::export::{ExportOptions, ExportReport};
pub use self::filter::CacheFilter;
pub use self::get::{CacheResult, CachedOutcome};
pub use self::import::ImportReport;
pub use self::list::{CacheListing, CacheSort};
pub(crate) use self::put::is_due;
pub use self::put::{GivenValue, PutReport};
pub use self::remove::{RemoveReport, RemovedGroup};
pub use self::stat::{CacheGroup, CacheStat};

/// Gives a recipe a number.
fn register(writer: &mut Writer<'_>, record: &RecipeRecord) -> Result<RecipeId, StoreError> {
    let id = writer.next_recipe()?;
    writer.put_recipe(id, record)?;
    Ok(id)
}
