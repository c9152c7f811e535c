//! The entries of the cache: going through all that fit what is asked for, in the order of their keys.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use flowstone_core::{MemoKey, RecipeRecord, RunId};
use flowstone_store::{MemoRecord, Outcome, RecipeId, Snapshot, StoreError, Stored, Why};

use super::filter::CacheFilter;
use super::in_use::InUse;
use crate::books::collections;
use crate::error::Error;
use crate::recipe::Recipes;
use crate::run::{now_s, started};

/// An entry of the cache, for people and `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CacheEntry {
    /// The memo key.
    pub key: String,
    /// The function that made it.
    pub function: String,
    /// What stands for its code in the key.
    pub code: String,
    /// The digest of the component that made it.
    pub component: Option<String>,
    /// `value`, `none` or `failed`.
    pub outcome: &'static str,
    /// How many bytes its value has; those of the reason, where it failed.
    pub bytes: u64,
    /// How long ago the run began that made it; none where that is not known: the run's record may have been collected.
    pub age_seconds: Option<u64>,
    /// The run that made it.
    pub run: RunId,
    /// For how many rows it was reused.
    pub hits: u64,
    /// How long the call took.
    pub cost_seconds: f64,
    /// How much time it has saved.
    pub saved_seconds: f64,
    /// Why it was made.
    pub why: Why,
}

/// What many entries come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CacheTotals {
    /// How many.
    pub entries: u64,
    /// The bytes of their values. One that several entries share counts for each.
    pub bytes: u64,
    /// For how many rows they were reused.
    pub hits: u64,
    /// How long their calls took.
    pub cost_seconds: f64,
    /// How much time they have saved.
    pub saved_seconds: f64,
}

impl CacheTotals {
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.hits = self.hits.saturating_add(entry.hits);
        self.cost_seconds += entry.record.cost_ns as f64 / 1e9;
        self.saved_seconds += entry.saved_ns() as f64 / 1e9;
    }
}

/// An entry while all are gone through.
pub(super) struct Entry<'a> {
    pub(super) key: MemoKey,
    pub(super) record: MemoRecord,
    /// Its recipe; none where the store has lost that.
    pub(super) recipe: Option<&'a RecipeRecord>,
    pub(super) bytes: u64,
    pub(super) hits: u64,
    /// How long ago its run began.
    pub(super) age: Age,
    /// Whether some row uses it; only where that was asked for.
    pub(super) in_use: bool,
}

/// What is listed of an entry, without its value.
#[derive(Clone, Copy)]
pub(super) struct Summary<'a> {
    pub(super) key: MemoKey,
    recipe: Option<&'a RecipeRecord>,
    outcome: &'static str,
    bytes: u64,
    hits: u64,
    age_s: Option<u64>,
    cost_ns: u64,
    run: RunId,
    why: Why,
}

impl<'a> Entry<'a> {
    pub(super) fn saved_ns(&self) -> u64 {
        self.hits.saturating_mul(self.record.cost_ns)
    }

    /// What is kept outside of its record.
    pub(super) fn object_bytes(&self) -> u64 {
        match &self.record.outcome {
            Outcome::Value {
                stored: Stored::Object,
                ..
            } => self.bytes,
            _ => 0,
        }
    }

    pub(super) fn summary(&self) -> Summary<'a> {
        Summary {
            key: self.key,
            recipe: self.recipe,
            outcome: match &self.record.outcome {
                Outcome::Value { .. } => "value",
                Outcome::Nothing => "none",
                Outcome::Failed { .. } => "failed",
            },
            bytes: self.bytes,
            hits: self.hits,
            age_s: self.age.known_s(),
            cost_ns: self.record.cost_ns,
            run: self.record.run,
            why: self.record.why,
        }
    }
}

impl Summary<'_> {
    pub(super) fn to_report(self) -> CacheEntry {
        let (function, code) = names(self.recipe);
        CacheEntry {
            key: self.key.to_string(),
            function,
            code,
            component: (self.recipe).map(|recipe| recipe.maker.component.to_string()),
            outcome: self.outcome,
            bytes: self.bytes,
            age_seconds: self.age_s,
            run: self.run,
            hits: self.hits,
            cost_seconds: self.cost_ns as f64 / 1e9,
            saved_seconds: self.hits.saturating_mul(self.cost_ns) as f64 / 1e9,
            why: self.why,
        }
    }
}

/// The function of a recipe, and what stands for its code.
pub(super) fn names(recipe: Option<&RecipeRecord>) -> (String, String) {
    recipe.map_or_else(
        || ("?".to_owned(), "?".to_owned()),
        |recipe| {
            (
                recipe.maker.function.clone(),
                recipe.recipe.code.to_string(),
            )
        },
    )
}

/// The entries that fit a filter.
pub(super) struct Entries<'a> {
    pub(super) snapshot: &'a Snapshot,
    recipes: HashMap<RecipeId, &'a RecipeRecord>,
    /// The recipes that fit; none where all do, also those that are lost.
    fitting: Option<HashSet<RecipeId>>,
    filter: CacheFilter,
    /// Whether to find out for every entry whether some row uses it.
    pub(super) with_use: bool,
    stop: &'a AtomicBool,
    /// One time for all passes: the order by age must be the same in each.
    now_s: u64,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        recipes: &'a Recipes,
        filter: &CacheFilter,
        stop: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let filter = filter.checked()?;
        let fitting = filter.names_recipes().then(|| {
            let fitting = recipes.iter().filter(|(_, record)| filter.fits(record));
            fitting.map(|(id, _)| *id).collect()
        });
        Ok(Self {
            snapshot,
            recipes: recipes.iter().map(|(id, record)| (*id, record)).collect(),
            fitting,
            with_use: filter.needs_use(),
            filter,
            stop,
            now_s: now_s(),
        })
    }

    /// Hands every entry that fits to `visit`, ascending by key.
    pub(super) fn visit(
        &self,
        visit: &mut dyn FnMut(Entry<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut known = Known::new(self)?;
        for entry in self.snapshot.memo_entries()? {
            let (key, record) = entry?;
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if let Some(entry) = self.entry(key, record, &mut known)? {
                visit(entry)?;
            }
        }
        Ok(())
    }

    /// Hands the entry with this key to `visit`, if it is there and fits.
    pub(super) fn visit_one(
        &self,
        key: &MemoKey,
        visit: &mut dyn FnMut(Entry<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut known = Known::new(self)?;
        if let Some(record) = self.snapshot.memo(key)?
            && let Some(entry) = self.entry(*key, record, &mut known)?
        {
            visit(entry)?;
        }
        Ok(())
    }

    /// The entry, where it fits.
    fn entry(
        &self,
        key: MemoKey,
        record: MemoRecord,
        known: &mut Known<'a>,
    ) -> Result<Option<Entry<'a>>, StoreError> {
        let fits = |fitting: &HashSet<RecipeId>| fitting.contains(&record.recipe);
        if !self.fitting.as_ref().is_none_or(fits) {
            return Ok(None);
        }
        let bytes = self.bytes(&record)?;
        let age = known.ages.of(record.run)?;
        let young = |than: Duration| age.least_s() <= than.as_secs();
        let filter = &self.filter;
        if filter.older_than.is_some_and(young)
            || filter.larger_than.is_some_and(|than| bytes <= than)
        {
            return Ok(None);
        }
        let in_use = self.with_use && known.in_use.holds(&key)?;
        if filter.unused && in_use || filter.in_use && !in_use {
            return Ok(None);
        }
        let usage = self.snapshot.usage(&key)?;
        Ok(Some(Entry {
            recipe: self.recipes.get(&record.recipe).copied(),
            key,
            record,
            bytes,
            hits: usage.map_or(0, |usage| usage.reused),
            age,
            in_use,
        }))
    }

    fn bytes(&self, record: &MemoRecord) -> Result<u64, StoreError> {
        Ok(match &record.outcome {
            Outcome::Nothing => 0,
            Outcome::Failed { reason } => reason.len() as u64,
            Outcome::Value {
                stored: Stored::Inline(bytes),
                ..
            } => bytes.len() as u64,
            Outcome::Value { fingerprint, .. } => {
                self.snapshot.object_bytes(fingerprint)?.unwrap_or(0)
            }
        })
    }
}

/// What is found out on the way.
struct Known<'a> {
    in_use: InUse<'a>,
    ages: Ages<'a>,
}

impl<'a> Known<'a> {
    fn new(entries: &Entries<'a>) -> Result<Self, StoreError> {
        let snapshot = entries.snapshot;
        Ok(Self {
            in_use: InUse::new(snapshot, collections(snapshot)?.into_keys().collect()),
            ages: Ages::new(snapshot, entries.now_s),
        })
    }
}

/// So many runs are remembered at once.
const RUNS_MAX: usize = 1 << 16;

/// How long ago a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// So many seconds.
    Known(u64),
    /// More than so many: its record is gone, and so it was before the oldest one that is there.
    More(u64),
    /// Its record does not say.
    Unknown,
}

impl Age {
    pub(super) fn known_s(self) -> Option<u64> {
        match self {
            Self::Known(age) => Some(age),
            Self::More(_) | Self::Unknown => None,
        }
    }

    /// The fewest seconds that it can be.
    pub(super) fn least_s(self) -> u64 {
        match self {
            Self::Known(age) => age,
            Self::More(age) => age.saturating_add(1),
            Self::Unknown => 0,
        }
    }
}

/// How long ago runs began, by their records.
pub(super) struct Ages<'a> {
    snapshot: &'a Snapshot,
    now_s: u64,
    known: HashMap<RunId, Age>,
    /// The first run that has a record, and how old that is; not looked for yet where there is nothing.
    oldest: Option<(RunId, Age)>,
}

impl<'a> Ages<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, now_s: u64) -> Self {
        Self {
            snapshot,
            now_s,
            known: HashMap::new(),
            oldest: None,
        }
    }

    pub(super) fn of(&mut self, run: RunId) -> Result<Age, StoreError> {
        if let Some(age) = self.known.get(&run) {
            return Ok(*age);
        }
        let age = match self.snapshot.run(run)? {
            Some(record) => self.by(&record),
            None => match self.oldest()? {
                (first, Age::Known(age)) if run < first => Age::More(age),
                _ => Age::Unknown,
            },
        };
        if self.known.len() >= RUNS_MAX {
            self.known.clear();
        }
        self.known.insert(run, age);
        Ok(age)
    }

    fn by(&self, record: &str) -> Age {
        match started(record) {
            0 => Age::Unknown,
            began => Age::Known(self.now_s.saturating_sub(began)),
        }
    }

    fn oldest(&mut self) -> Result<(RunId, Age), StoreError> {
        if let Some(oldest) = self.oldest {
            return Ok(oldest);
        }
        let mut last = None;
        for run in self.snapshot.runs()? {
            last = Some(run?);
        }
        let oldest = last.map_or((RunId(0), Age::Unknown), |(run, record)| {
            (run, self.by(&record))
        });
        self.oldest = Some(oldest);
        Ok(oldest)
    }
}
