//! Putting results under other keys: entry by entry as the store lists them, in transactions of bounded size.

use std::collections::HashMap;

use flowstone_core::{Fingerprint, KeyRecipe, MemoKey, Recipe, RecipeRecord, RunId};
use flowstone_store::{MemoRecord, Outcome, RecipeId, Snapshot, Store, StoreError, Stored};

use super::align::order;
use crate::error::Error;
use crate::recipe::Recipes;
use crate::verify::same_outcome;

/// So many results go into one transaction.
const ENTRIES_MAX: usize = 4096;

/// And so many bytes of their records.
const BYTES_MAX: usize = 8 << 20;

/// What a record takes besides its lists, roughly.
const RECORD_BYTES: usize = 256;

/// How far it goes at a time.
pub(super) struct Pace<'a> {
    /// So many results go into one transaction.
    pub(super) entries_max: usize,
    /// Whether to end now; asked between transactions.
    pub(super) stopped: &'a dyn Fn() -> bool,
}

impl<'a> Pace<'a> {
    pub(super) fn new(stopped: &'a dyn Fn() -> bool) -> Self {
        Self {
            entries_max: ENTRIES_MAX,
            stopped,
        }
    }

    fn go_on(&self, number: usize) -> bool {
        !number.is_multiple_of(self.entries_max) || !(self.stopped)()
    }
}

/// The results under a recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many there are.
    pub(super) entries: u64,
    /// The last run that made one.
    pub(super) last_run: RunId,
}

/// How many results the store has under each recipe.
pub(super) fn count_entries(
    snapshot: &Snapshot,
    pace: &Pace<'_>,
) -> Result<HashMap<RecipeId, Tally>, Error> {
    let mut tallies: HashMap<RecipeId, Tally> = HashMap::new();
    for (number, entry) in snapshot.memo_entries()?.enumerate() {
        if !pace.go_on(number) {
            return Err(Error::Interrupted);
        }
        let (_, record) = entry?;
        let tally = tallies.entry(record.recipe).or_default();
        tally.entries += 1;
        tally.last_run = tally.last_run.max(record.run);
    }
    Ok(tallies)
}

/// Where the results under a recipe go.
pub(super) struct Way {
    from: KeyRecipe,
    to: KeyRecipe,
    recipe: RecipeId,
    /// Where in the old order each argument of the new one is; none where the order stays.
    order: Option<Vec<usize>>,
}

impl Way {
    /// From the keys of `from` to those of `to`, which gets a number where it has none.
    pub(super) fn new(
        store: &Store,
        recipes: &mut Recipes,
        from: &Recipe,
        to: RecipeRecord,
    ) -> Result<Self, StoreError> {
        let key = to.recipe.key();
        let order = order(from, &to.recipe);
        let recipe = match recipes.id(&to) {
            Some(known) => known,
            None => recipes.register(store, to)?,
        };
        Ok(Self {
            from: from.key(),
            to: key,
            recipe,
            order,
        })
    }

    /// The arguments in the order of the new recipe; none where they are not as many as the old one has.
    fn arguments(&self, old: Vec<Fingerprint>) -> Option<Vec<Fingerprint>> {
        match &self.order {
            None => Some(old),
            Some(order) if order.len() != old.len() => None,
            Some(order) => order.iter().map(|at| old.get(*at).copied()).collect(),
        }
    }
}

/// What came of the results under a recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Those that were put under their new keys.
    pub(super) put: u64,
    /// Those whose new keys had the same result already.
    pub(super) there: u64,
    /// Those whose new keys had another result, which stays.
    pub(super) other: u64,
}

/// Puts the results under these recipes under other keys. `take_away` says whether they leave their old ones.
///
/// Cut off anywhere, doing it again does the rest.
pub(super) fn rekey(
    store: &Store,
    ways: &HashMap<RecipeId, Way>,
    take_away: bool,
    pace: &Pace<'_>,
) -> Result<HashMap<RecipeId, Moved>, Error> {
    let mut moved = HashMap::new();
    if ways.is_empty() {
        return Ok(moved);
    }
    let snapshot = store.snapshot()?;
    let mut work = Work {
        store,
        snapshot: &snapshot,
        take_away,
        last_run: snapshot.last_run()?.unwrap_or_default(),
        entries: Vec::new(),
        bytes: 0,
    };
    for (number, entry) in snapshot.memo_entries()?.enumerate() {
        if !pace.go_on(number) {
            work.flush(&mut moved)?;
            return Err(Error::Interrupted);
        }
        let (key, record) = entry?;
        let Some(way) = ways.get(&record.recipe) else {
            continue;
        };
        // An entry that is not under the key of its own recipe and arguments says nothing that could be trusted.
        if way.from.key(record.arguments.iter().copied()) != key {
            continue;
        }
        work.add(key, record, way);
        if work.entries.len() >= pace.entries_max || work.bytes >= BYTES_MAX {
            work.flush(&mut moved)?;
        }
    }
    work.flush(&mut moved)?;
    Ok(moved)
}

/// A result on its way.
struct Entry {
    to: MemoKey,
    from: MemoKey,
    /// The recipe that it had.
    recipe: RecipeId,
    record: MemoRecord,
}

/// The transaction that is being gathered.
struct Work<'a> {
    store: &'a Store,
    snapshot: &'a Snapshot,
    take_away: bool,
    last_run: RunId,
    entries: Vec<Entry>,
    bytes: usize,
}

impl Work<'_> {
    fn add(&mut self, from: MemoKey, record: MemoRecord, way: &Way) {
        let Some(arguments) = way.arguments(record.arguments) else {
            return;
        };
        let recipe = record.recipe;
        let record = MemoRecord {
            recipe: way.recipe,
            arguments,
            ..record
        };
        self.bytes += size(&record);
        self.entries.push(Entry {
            to: way.to.key(record.arguments.iter().copied()),
            from,
            recipe,
            record,
        });
    }

    fn flush(&mut self, moved: &mut HashMap<RecipeId, Moved>) -> Result<(), Error> {
        self.bytes = 0;
        let mut entries = std::mem::take(&mut self.entries);
        // Looking them up is fastest in the order of their keys.
        entries.sort_unstable_by_key(|entry| entry.to);
        let (snapshot, take_away, last_run) = (self.snapshot, self.take_away, self.last_run);
        self.store.write(|writer| {
            for entry in &entries {
                let count = moved.entry(entry.recipe).or_default();
                match writer.memo(&entry.to)? {
                    None => {
                        writer.put_memo(&entry.to, &entry.record)?;
                        count.put += 1;
                    }
                    Some(there) if same_outcome(&there.outcome, &entry.record.outcome) => {
                        count.there += 1;
                    }
                    Some(_) => count.other += 1,
                }
                // Rows still name its old key, and a collection goes by the keys: until they name the new one, that it
                // counts as used just now is what keeps it.
                let mut reused = 0;
                if take_away {
                    reused = snapshot.usage(&entry.from)?.map_or(0, |usage| usage.reused);
                }
                writer.add_usage(&entry.to, last_run, reused)?;
                if take_away {
                    writer.remove_memo(&entry.from)?;
                }
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }
}

fn size(record: &MemoRecord) -> usize {
    let lists = match &record.outcome {
        Outcome::Value { parts, stored, .. } => {
            let inline = match stored {
                Stored::Inline(bytes) => bytes.len(),
                Stored::Object => 0,
            };
            parts.len() * 32 + inline
        }
        Outcome::Failed { reason } => reason.len(),
        Outcome::Nothing => 0,
    };
    RECORD_BYTES + record.arguments.len() * 32 + lists
}
