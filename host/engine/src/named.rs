//! Root rows by the keys that people give: the row that is meant, or what to say where there is none.

use flowstone_core::nearest;
use flowstone_store::{CollectionId, Snapshot, StoreError};

use crate::relation::display_key;

/// So many rows are compared with a key that none has.
const COMPARED_MAX: usize = 1000;

/// So many keys are named where none is like the one that was given.
const NAMED_MAX: usize = 3;

/// The key of the row of a collection that people call `key`: the text itself, or what is this text to them.
pub(crate) fn find_row(
    snapshot: &Snapshot,
    collection: CollectionId,
    kind: &str,
    key: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    if snapshot.row(collection, key.as_bytes())?.is_some() {
        return Ok(Some(key.as_bytes().to_vec()));
    }
    for row in snapshot.rows(collection)? {
        let (found, _) = row?;
        if display_key(kind, &found) == key {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Keys that there are, where `key` is none: a clause that follows the message, empty where there are no rows.
pub(crate) fn rows_like(
    snapshot: &Snapshot,
    collection: CollectionId,
    kind: &str,
    key: &str,
) -> Result<String, StoreError> {
    // Keys of files start at the root of their source, and not where the flow file lies.
    let mut below = key;
    while let Some((_, rest)) = below.split_once('/') {
        below = rest;
        if snapshot.row(collection, below.as_bytes())?.is_some() {
            return Ok(format!(": did you mean `{below}`?"));
        }
    }
    let mut keys = Vec::new();
    for row in snapshot.rows(collection)?.take(COMPARED_MAX) {
        keys.push(display_key(kind, &row?.0));
    }
    if let Some(near) = nearest(key, keys.iter().map(String::as_str)) {
        return Ok(format!(": did you mean `{near}`?"));
    }
    let named: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    let first = &named[..named.len().min(NAMED_MAX)];
    Ok(match (first, named.len() > NAMED_MAX) {
        ([], _) => String::new(),
        ([only], _) => format!(": there is only {only}"),
        (first, false) => format!(": there are {}", first.join(", ")),
        (first, true) => format!(": there are {} and others", first.join(", ")),
    })
}
