//! What the store keeps of granted files: the trees as they were last looked at, so that unchanged files are not read, and
//! the last few that runs were granted, so that it can be told what changed.

use std::collections::BTreeMap;

use flowstone_connect::GrantedTree;
use flowstone_core::Fingerprint;
use flowstone_store::{Snapshot, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::Granted;

/// The names of the entries with the latest trees of a flow file begin with this.
const LATEST: &str = "granted/";
/// The names of the entries with the trees that runs were granted begin with this.
const USED: &str = "granted-before/";

/// So many versions of a path are kept to compare with.
const USED_MAX: usize = 3;
/// What is compared later has no more entries than this: the record is read whenever calls are explained.
const USED_ENTRIES_MAX: usize = 10_000;

/// The trees that runs were granted, by path, the newest first.
#[derive(Default, Serialize, Deserialize)]
struct Used(BTreeMap<String, Vec<GrantedTree>>);

fn entry(prefix: &str, file: &str) -> String {
    // The name of a file may be longer than that of an entry.
    format!("{prefix}{}", blake3::hash(file.as_bytes()).to_hex())
}

/// The trees as they were last looked at, by path. What cannot be read is only a loss of time.
pub(super) fn read_latest(
    snapshot: &Snapshot,
    file: &str,
) -> Result<BTreeMap<String, GrantedTree>, StoreError> {
    let bytes = snapshot.meta(&entry(LATEST, file))?;
    Ok(bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default())
}

/// Keeps the trees where they are others than `before`.
pub(super) fn put_latest(
    store: &Store,
    file: &str,
    before: &BTreeMap<String, GrantedTree>,
    now: &BTreeMap<&str, &GrantedTree>,
) -> Result<(), StoreError> {
    let before = before.iter().map(|(path, tree)| (path.as_str(), tree));
    if before.eq(now.iter().map(|(path, tree)| (*path, *tree))) {
        return Ok(());
    }
    let Ok(bytes) = serde_json::to_vec(now) else {
        return Ok(());
    };
    store.write(|writer| writer.put_meta(&entry(LATEST, file), &bytes))
}

/// Forgets the trees of a flow file that grants nothing any more.
pub(super) fn remove_latest(store: &Store, file: &str) -> Result<(), StoreError> {
    let name = entry(LATEST, file);
    if store.snapshot()?.meta(&name)?.is_none() {
        return Ok(());
    }
    store.write(|writer| writer.remove_meta(&name))
}

/// Keeps the trees that a run is granted, to compare later ones with.
pub(crate) fn keep_used(store: &Store, file: &str, granted: &Granted) -> Result<(), StoreError> {
    let name = entry(USED, file);
    let known = store.snapshot()?.meta(&name)?;
    if known.is_none() && granted.paths.is_empty() {
        return Ok(());
    }
    let mut used: Used = known
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut is_new = false;
    used.0.retain(|path, _| {
        let stays = granted.paths.contains_key(path);
        is_new |= !stays;
        stays
    });
    for (path, granted) in &granted.paths {
        let versions = used.0.entry(path.clone()).or_default();
        let digest = granted.digest;
        if versions.first().map(GrantedTree::digest) == Some(digest)
            || granted.tree.entries.len() > USED_ENTRIES_MAX
        {
            continue;
        }
        is_new = true;
        versions.retain(|tree| tree.digest() != digest);
        versions.insert(0, GrantedTree::clone(&granted.tree));
        versions.truncate(USED_MAX);
    }
    if !is_new {
        return Ok(());
    }
    if used.0.is_empty() {
        return store.write(|writer| writer.remove_meta(&name));
    }
    let Ok(bytes) = serde_json::to_vec(&used) else {
        return Ok(());
    };
    store.write(|writer| writer.put_meta(&name, &bytes))
}

/// Granted trees by their digests: what is known of the content that keys stand for.
#[derive(Default)]
pub(crate) struct Trees(BTreeMap<Fingerprint, GrantedTree>);

impl Trees {
    pub(crate) fn read(snapshot: &Snapshot) -> Result<Self, StoreError> {
        let mut trees = BTreeMap::new();
        for (_, bytes) in snapshot.meta_prefix(USED)? {
            let used: Used = serde_json::from_slice(&bytes).unwrap_or_default();
            let versions = used.0.into_values().flatten();
            trees.extend(versions.map(|tree| (tree.digest(), tree)));
        }
        Ok(Self(trees))
    }

    /// Adds what a flow is granted now.
    pub(crate) fn add(&mut self, granted: &Granted) {
        for granted in granted.paths.values() {
            let tree = GrantedTree::clone(&granted.tree);
            self.0.insert(granted.digest, tree);
        }
    }

    /// How one tree differs from another, in a few words; none where one of them is not known.
    pub(crate) fn difference(&self, from: Fingerprint, to: Fingerprint) -> Option<String> {
        let (from, to) = (self.0.get(&from)?, self.0.get(&to)?);
        Some(to.difference(from))
    }
}
