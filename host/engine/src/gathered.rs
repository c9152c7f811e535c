//! Gathered rows: the rows of a stage that come from what other stages publish, as a source.
//!
//! Which of them changed is known from the rows that are due, so their version hints say only that they are there.

use std::sync::{Arc, Mutex, PoisonError};

use flowstone_connect::{ConnectError, Entries, Entry, Hint, RowError, Source};
use flowstone_core::{Gather, GatherColumn, Type, Value, decode};
use flowstone_store::{Member, Snapshot, Store, StoreError, TargetId};

use crate::chunks::Chunks;
use crate::fold;
use crate::relation::origin_of;

/// A source that lists what others publish.
pub(crate) struct Gathered<'a> {
    pub(crate) store: &'a Store,
    pub(crate) gather: &'a Gather,
    /// The numbers of the relations, in the order of their origins.
    pub(crate) relations: Vec<TargetId>,
    /// The types of the relations' columns.
    pub(crate) types: Vec<Vec<Type>>,
    pub(crate) view: Arc<View>,
}

/// A snapshot that is used again while nothing is written: rows are loaded one by one.
#[derive(Default)]
pub(crate) struct View(Mutex<Option<(u64, Arc<Snapshot>)>>);

impl View {
    /// Lets go of the snapshot: while it is there, the space of what is removed cannot be used again.
    pub(crate) fn release(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The snapshot of what the store holds now.
    pub(crate) fn of(&self, store: &Store) -> Result<Arc<Snapshot>, StoreError> {
        // A panic in between leaves an older one at worst, whose version tells.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the snapshot is taken: what is written in between makes it look older than it is.
        let version = store.version();
        if let Some((of, snapshot)) = &*known
            && *of == version
        {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(store.snapshot()?);
        *known = Some((version, Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}

impl Source for Gathered<'_> {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        if self.gather.is_state() {
            let relation = self.relations[0];
            let rows = Chunks::new(self.store, first, move |snapshot, after| match after {
                None => snapshot.published(relation),
                Some(after) => snapshot.published_after(relation, after),
            });
            let entries = rows.map(|row| {
                let (key, bytes) = row.map_err(failed)?;
                Ok(entry(key, bytes))
            });
            return Ok(Entries::new(entries));
        }
        // The keys of a union begin with the origin's name, and the relations are in the order of these.
        let entries = self.relations.iter().flat_map(|relation| {
            Chunks::new(
                self.store,
                |(group, ..): &(Vec<u8>, u64, u64)| group,
                move |snapshot, after| match after {
                    None => snapshot.groups(*relation),
                    Some(after) => snapshot.groups_after(*relation, after),
                },
            )
        });
        let entries = entries.map(|group| {
            let (group, rows, bytes) = group.map_err(failed)?;
            let bytes = if self.asks_for_all() {
                bytes
            } else {
                bytes / rows.max(1)
            };
            Ok(entry(group, bytes))
        });
        Ok(Entries::new(entries))
    }

    fn find(&self, key: &[u8]) -> Result<Option<Entry>, ConnectError> {
        let snapshot = self.view.of(self.store).map_err(failed)?;
        let Some(position) = self.position(key) else {
            return Ok(None);
        };
        let relation = self.relations[position];
        if self.gather.is_state() {
            let row = snapshot.member(relation, key).map_err(failed)?;
            return Ok(row.map(|row| entry(key.to_vec(), size(&row))));
        }
        if self.asks_for_all() {
            let group = snapshot.group(relation, key).map_err(failed)?;
            return Ok(group.map(|(_, bytes)| entry(key.to_vec(), bytes)));
        }
        let mut members = snapshot.members(relation, key, &[]).map_err(failed)?;
        let first = members.next().transpose().map_err(failed)?;
        Ok(first.map(|(_, row)| entry(key.to_vec(), size(&row))))
    }

    fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError> {
        let lost = |error: StoreError| retried(error.to_string());
        let snapshot = self.view.of(self.store).map_err(lost)?;
        let position = self.position(&entry.key).ok_or(RowError::Vanished)?;
        let members = self
            .members(&snapshot, position, &entry.key)
            .map_err(lost)?;
        let Some(first) = members.first() else {
            return Err(RowError::Vanished);
        };
        let folded = match &self.gather.fold {
            Some(fold) => fold::result(&snapshot, self.relations[position], fold, &entry.key)?,
            None => None,
        };
        let types = &self.types[position];
        let values = self.gather.columns.iter().map(|column| match column {
            GatherColumn::Group(at) | GatherColumn::Own(at) => value(first, *at, types),
            GatherColumn::Members(at) => {
                let items: Option<Vec<Value>> =
                    (members.iter()).map(|row| value(row, *at, types)).collect();
                Some(Value::list_of(types.get(*at)?, items?))
            }
            GatherColumn::Origin => origin_of(&entry.key).map(Value::str),
            GatherColumn::Folded(None) => folded.clone(),
            GatherColumn::Folded(Some(field)) => match &folded {
                Some(Value::Record(fields)) => fields.get(*field).cloned(),
                _ => None,
            },
        });
        let unreadable = || retried("what was published for it cannot be read".to_owned());
        values.collect::<Option<_>>().ok_or_else(unreadable)
    }
}

impl Gathered<'_> {
    /// Whether a row is made of all members of its group, and not of just one.
    fn asks_for_all(&self) -> bool {
        let is_list = |column: &GatherColumn| matches!(column, GatherColumn::Members(_));
        self.gather.columns.iter().any(is_list)
    }

    /// The relation that a row comes from, by its position.
    fn position(&self, key: &[u8]) -> Option<usize> {
        if self.relations.len() == 1 {
            return Some(0);
        }
        let origin = origin_of(key)?;
        (self.gather.from.iter()).position(|from| from.name == origin)
    }

    /// The members that a row is made of, or just the first where the others are not asked for.
    fn members(
        &self,
        snapshot: &Snapshot,
        position: usize,
        key: &[u8],
    ) -> Result<Vec<Member>, StoreError> {
        let relation = self.relations[position];
        if self.gather.is_state() {
            return Ok(snapshot.member(relation, key)?.into_iter().collect());
        }
        let members = snapshot.members(relation, key, &[])?;
        let members = members.take(if self.asks_for_all() { usize::MAX } else { 1 });
        members.map(|row| row.map(|(_, row)| row)).collect()
    }
}

fn value(row: &Member, at: usize, types: &[Type]) -> Option<Value> {
    let (_, encoding) = row.columns.get(at)?;
    decode(encoding, types.get(at)?).ok()
}

/// A gathered row, as a scan lists it: whether it changed is known elsewhere.
fn entry(key: Vec<u8>, bytes: u64) -> Entry {
    let hint = Hint {
        bytes: vec![1],
        settled: true,
    };
    Entry::new(key, hint, bytes)
}

fn first(row: &(Vec<u8>, u64)) -> &[u8] {
    &row.0
}

fn size(row: &Member) -> u64 {
    let bytes = |(_, encoding): &(_, Vec<u8>)| encoding.len() as u64;
    row.columns.iter().map(bytes).sum()
}

fn failed(error: impl std::fmt::Display) -> ConnectError {
    ConnectError::Gathered(error.to_string())
}

fn retried(reason: String) -> RowError {
    RowError::Failed {
        reason,
        retry: true,
    }
}
