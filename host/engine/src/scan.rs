//! Diffing: what the source lists now, merged with what the store knows, both in key order.

mod found;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use flowstone_connect::{Entry, Hint, is_own_key};
use flowstone_core::OnError;
use flowstone_store::{RowHead, RowState, Snapshot, StoreError};

pub(crate) use self::found::{Found, Pass};
use crate::batch::{Halt, Item};
use crate::chunks::Chunks;
use crate::commit::FAILED_LISTED_MAX;
use crate::error::Error;
use crate::execute::watched;
use crate::stage::StageRun;

/// So many bytes of rows that have to be looked at are kept from the first pass, keys and hints; with more of them, later
/// passes list again.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// What a kept row takes besides its key, roughly.
const ITEM_BYTES: usize = 320;

/// Goes over the rows once: counts everything, and keeps what has to be looked at while that is not too much.
pub(crate) fn scan(run: &StageRun<'_>, pass: Pass) -> Result<Found, Halt> {
    let mut found = Found {
        kept: Some(Vec::new()),
        pass,
        ..Found::default()
    };
    let mut pending = 0;
    let (mut kept, mut bytes) = (Some(Vec::new()), 0);
    go_over(run, &mut found, |item| {
        pending += 1;
        if let Some(items) = &mut kept {
            bytes += ITEM_BYTES + 2 * item.key.len();
            items.push(item);
            if bytes > KEPT_BYTES_MAX {
                kept = None;
            }
        }
        ControlFlow::Continue(())
    })?;
    found.pending = pending;
    found.kept = kept;
    Ok(found)
}

/// Hands the rows that a pass looks at to `visit`, in key order. Which pass it is, `found` says.
pub(crate) fn go_over(
    run: &StageRun<'_>,
    found: &mut Found,
    visit: impl FnMut(Item) -> ControlFlow<()>,
) -> Result<(), Halt> {
    match found.pass {
        Pass::Whole => diff(run, found, visit),
        Pass::Due => go_over_due(run, found, visit),
    }
}

/// So many rows of a source outside of the store are asked for one by one; for more of them it is listed.
const FOUND_SINGLY_MAX: usize = 4;

/// Hands every row that is due to `visit`, in key order.
fn go_over_due(
    run: &StageRun<'_>,
    found: &mut Found,
    mut visit: impl FnMut(Item) -> ControlFlow<()>,
) -> Result<(), Halt> {
    let is_gathered = run.stage.source.gather.is_some();
    let snapshot = run.store.snapshot()?;
    let first = snapshot.due(run.collection)?.take(FOUND_SINGLY_MAX + 1);
    let few = first.count() <= FOUND_SINGLY_MAX;
    drop(snapshot);
    let mut due = Chunks::new(run.store, Vec::as_slice, |snapshot, after| match after {
        None => snapshot.due(run.collection),
        Some(after) => snapshot.due_after(run.collection, after),
    })
    .peekable();
    if is_gathered || few {
        for key in due {
            let snapshot = run.view.of(run.store)?;
            let item = find(run, &snapshot, &key?, found, true)?;
            if let Some(item) = item
                && visit(item).is_break()
            {
                break;
            }
        }
        return Ok(());
    }
    let mut stale = Vec::new();
    merge(run, found, &mut visit, |key| {
        while let Some(next) = due.next_if(|next| next.as_ref().is_ok_and(|next| **next < *key)) {
            stale.push(next?);
        }
        let is_next = due.next_if(|next| next.as_ref().map_or(true, |next| *next == *key));
        Ok(is_next.transpose()?.map(|_| true))
    })?;
    for key in due {
        stale.push(key?);
    }
    // They are neither listed nor known: that they are due has to be forgotten.
    for key in stale {
        if visit(forgotten(key)).is_break() {
            break;
        }
    }
    Ok(())
}

/// A row that came and went before it was looked at.
fn forgotten(key: Vec<u8>) -> Item {
    Item {
        key,
        entry: None,
        head: None,
        same_version: false,
        due: true,
    }
}

/// Hands every row that has to be looked at to `visit`, in key order.
pub(crate) fn diff(
    run: &StageRun<'_>,
    found: &mut Found,
    visit: impl FnMut(Item) -> ControlFlow<()>,
) -> Result<(), Halt> {
    let is_gathered = run.stage.source.gather.is_some();
    // A run takes up rows that are due for what they look up by themselves; a plan looks at everything once.
    let asks = is_gathered || (run.dry && !run.lookups.is_empty());
    merge(run, found, visit, |key| {
        // What is gathered is as it was, unless it is due.
        Ok(Some(
            asks && run.view.of(run.store)?.is_due(run.collection, key)?,
        ))
    })
}

/// Merges what the source lists with what the store knows. `due` says of a key whether it is due, or none where it is not
/// asked for.
fn merge(
    run: &StageRun<'_>,
    found: &mut Found,
    mut visit: impl FnMut(Item) -> ControlFlow<()>,
    mut due: impl FnMut(&[u8]) -> Result<Option<bool>, StoreError>,
) -> Result<(), Halt> {
    let failed = |error| Error::Source {
        source_name: run.stage.source.name.clone(),
        error,
    };
    let mut entries = match watched(run, || run.source.entries()) {
        Err(_) if run.stop.is_set() => return Err(Halt::Interrupted),
        entries => entries.map_err(failed)?,
    };
    if run.stage.source.on_error == OnError::Keep {
        found.unkeyed = entries.unkeyed();
    }
    let mut rows = Chunks::new(
        run.store,
        |(key, _): &(Vec<u8>, RowHead)| key,
        |snapshot, after| match after {
            None => snapshot.rows(run.collection),
            Some(after) => snapshot.rows_after(run.collection, after),
        },
    );
    let mut entry = entries.next().transpose().map_err(failed)?;
    let mut row = rows.next().transpose()?;
    loop {
        if run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        let order = match (&entry, &row) {
            (Some(entry), Some((key, _))) => entry.key.cmp(key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(()),
        };
        let listed = if order.is_le() { entry.take() } else { None };
        let known = if order.is_ge() { row.take() } else { None };
        let key = listed.as_ref().map(|entry| &entry.key);
        let key = key.or(known.as_ref().map(|(key, _)| key));
        let due = match key {
            Some(key) => due(key)?,
            None => None,
        };
        let item = due.and_then(|due| compare(run, listed, known, found, due));
        if let Some(item) = item
            && visit(item).is_break()
        {
            return Ok(());
        }
        if order.is_le() {
            entry = entries.next().transpose().map_err(failed)?;
        }
        if order.is_ge() {
            row = rows.next().transpose()?;
        }
    }
}

/// Compares what the source lists under a key with what the store knows: the row, if it has to be looked at.
fn compare(
    run: &StageRun<'_>,
    listed: Option<Entry>,
    known: Option<(Vec<u8>, RowHead)>,
    found: &mut Found,
    due: bool,
) -> Option<Item> {
    found.rows += u64::from(listed.is_some());
    found.known += u64::from(known.is_some());
    if let Some(entry) = &listed
        && !run.overrides.is_empty()
        && (run.overrides.of_row(&run.stage.source.kind, &entry.key)).is_some()
    {
        found.given.insert(run.label(&entry.key));
    }
    let is_gathered = run.stage.source.gather.is_some();
    if due
        && !is_gathered
        && let Some((key, head)) = &known
    {
        // Whether a row of a source is gone is for the listing to say, which is guarded.
        listed.as_ref()?;
        if head.state != RowState::Done {
            found.known_failed += 1;
            if found.failed_keys.len() < FAILED_LISTED_MAX {
                found.failed_keys.push(key.clone());
            }
        }
    }
    match (listed, known) {
        (Some(entry), Some((key, head))) => {
            let changed = due && is_gathered;
            let same_version = !changed && Hint::proves_unchanged(&head.hint, &entry.hint);
            if same_version && !due && run.is_done(&key, &head) {
                found.note_failed(key, &head);
                return None;
            }
            Some(Item {
                key,
                entry: Some(entry),
                head: Some(head),
                same_version,
                due,
            })
        }
        (Some(entry), None) => Some(Item {
            key: entry.key.clone(),
            entry: Some(entry),
            head: None,
            same_version: false,
            due,
        }),
        // It may be one of those whose keys are not known: it failed then, and is kept.
        (None, Some((key, head))) if found.unkeyed > 0 && is_own_key(&key) => {
            found.spared += 1;
            found.note_failed(key, &head);
            None
        }
        (None, Some((key, head))) => {
            found.removed += 1;
            Some(Item {
                key,
                entry: None,
                head: Some(head),
                same_version: false,
                due,
            })
        }
        (None, None) => None,
    }
}

/// Looks at some rows only, by their keys. What is counted is of these rows.
pub(crate) fn scan_keys(
    run: &StageRun<'_>,
    snapshot: &Snapshot,
    keys: &BTreeSet<Vec<u8>>,
) -> Result<Found, Halt> {
    let mut found = Found::default();
    let mut kept = Vec::new();
    for key in keys {
        if run.stop.is_set() {
            return Err(Halt::Interrupted);
        }
        kept.extend(find(run, snapshot, key, &mut found, false)?);
    }
    found.pending = kept.len() as u64;
    found.kept = Some(kept);
    Ok(found)
}

/// Looks at one row, by its key.
fn find(
    run: &StageRun<'_>,
    snapshot: &Snapshot,
    key: &[u8],
    found: &mut Found,
    due: bool,
) -> Result<Option<Item>, Halt> {
    if run.stop.is_set() {
        return Err(Halt::Interrupted);
    }
    let listed = run.source.find(key).map_err(|error| Error::Source {
        source_name: run.stage.source.name.clone(),
        error,
    })?;
    let head = snapshot.row(run.collection, key)?;
    if !due {
        let failed = |head: &RowHead| head.state != RowState::Done;
        found.known_failed += u64::from(head.as_ref().is_some_and(failed));
    }
    if listed.is_none() && head.is_none() {
        return Ok(due.then(|| forgotten(key.to_vec())));
    }
    let known = head.map(|head| (key.to_vec(), head));
    Ok(compare(run, listed, known, found, due))
}

/// Hands out items until nobody wants more.
pub(crate) fn hand_out(items: Vec<Item>, visit: &mut dyn FnMut(Item) -> ControlFlow<()>) {
    for item in items {
        if visit(item).is_break() {
            return;
        }
    }
}

/// So many rows, and so many bytes of them, are worked through at once where nothing is called.
const GATHERED_ROWS: usize = 256;
const GATHERED_BYTES: u64 = 8 << 20;

/// Rows that are gathered to be worked through without a call.
#[derive(Default)]
pub(crate) struct Gathered {
    items: Vec<Item>,
    bytes: u64,
}

impl Gathered {
    /// Adds a row; when there are enough, hands back all.
    pub(crate) fn add(&mut self, item: Item) -> Option<Vec<Item>> {
        self.bytes += item.entry.as_ref().map_or(0, |entry| entry.size);
        self.items.push(item);
        let is_full = self.items.len() >= GATHERED_ROWS || self.bytes >= GATHERED_BYTES;
        is_full.then(|| std::mem::take(self).items)
    }

    /// The rows that were not handed back.
    pub(crate) fn rest(self) -> Vec<Item> {
        self.items
    }
}
