//! Listing: the entries in the order that is asked for, a bounded number of them in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use flowstone_core::MemoKey;

use super::entries::{CacheEntry, CacheTotals, Entries, Entry, Summary};
use super::filter::CacheFilter;
use crate::engine::Engine;
use crate::error::Error;
use crate::recipe::Recipes;

/// So many entries are sorted at once. More take another pass over all of them.
const PAGE_MAX: usize = 250_000;

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheSort {
    /// The largest values.
    #[default]
    Size,
    /// The oldest entries.
    Age,
    /// Those that saved most time.
    Saved,
    /// Those reused most often.
    Hits,
    /// Those whose calls took longest.
    Cost,
}

/// What listing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CacheListing {
    /// How many entries were handed out.
    pub shown: u64,
    /// What all entries that fit come to.
    pub totals: CacheTotals,
}

/// The place of an entry in the order: the largest figure first, and by key where figures are equal.
type Rank = (Reverse<u64>, MemoKey);

impl Engine {
    /// Hands the entries that fit `filter` to `visit`, sorted: the first `limit` of them, or all.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or `stop` was set.
    pub fn cache_list(
        &self,
        filter: &CacheFilter,
        sort: CacheSort,
        limit: Option<u64>,
        stop: &AtomicBool,
        visit: &mut dyn FnMut(CacheEntry) -> ControlFlow<()>,
    ) -> Result<CacheListing, Error> {
        let snapshot = self.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let entries = Entries::new(&snapshot, &recipes, filter, stop)?;
        list(&entries, sort, limit, PAGE_MAX, visit)
    }
}

pub(super) fn list(
    entries: &Entries<'_>,
    sort: CacheSort,
    limit: Option<u64>,
    page_max: usize,
    visit: &mut dyn FnMut(CacheEntry) -> ControlFlow<()>,
) -> Result<CacheListing, Error> {
    let mut listing = CacheListing::default();
    let mut after = None;
    loop {
        let left = limit.map_or(u64::MAX, |limit| limit - listing.shown);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(page_max);
        let (page, totals) = page(entries, sort, after, room)?;
        listing.totals = totals;
        let full = page.len() == room;
        after = page.last().map(|ranked| ranked.rank);
        for ranked in page {
            listing.shown += 1;
            if visit(ranked.entry.to_report()).is_break() {
                return Ok(listing);
            }
        }
        if !full || limit.is_some_and(|limit| limit == listing.shown) {
            return Ok(listing);
        }
    }
}

/// The first entries after `after`, in order, and what all come to.
fn page<'a>(
    entries: &Entries<'a>,
    sort: CacheSort,
    after: Option<Rank>,
    room: usize,
) -> Result<(Vec<Ranked<'a>>, CacheTotals), Error> {
    let mut totals = CacheTotals::default();
    // Its greatest is the one that comes last.
    let mut heap: BinaryHeap<Ranked<'a>> = BinaryHeap::new();
    entries.visit(&mut |entry| {
        totals.add(&entry);
        let rank = (Reverse(figure(&entry, sort)), entry.key);
        let has_place = heap.len() < room || heap.peek().is_some_and(|worst| rank < worst.rank);
        if after.is_some_and(|after| rank <= after) || !has_place {
            return Ok(());
        }
        if heap.len() == room {
            heap.pop();
        }
        heap.push(Ranked {
            rank,
            entry: entry.summary(),
        });
        Ok(())
    })?;
    Ok((heap.into_sorted_vec(), totals))
}

fn figure(entry: &Entry<'_>, sort: CacheSort) -> u64 {
    match sort {
        CacheSort::Size => entry.bytes,
        CacheSort::Age => entry.age.least_s(),
        CacheSort::Saved => entry.saved_ns(),
        CacheSort::Hits => entry.hits,
        CacheSort::Cost => entry.record.cost_ns,
    }
}

/// An entry with its place in the order, by which alone it is compared.
struct Ranked<'a> {
    rank: Rank,
    entry: Summary<'a>,
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
