//! What the engine keeps in the store besides rows: which number stands for which flow, source and target.
//!
//! A flow is known by its name, or by its file when it was renamed. A source is known by its flow and name. A target is
//! known by its flow, place and key columns: its name in the flow does not count.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use flowstone_connect::target_place;
use flowstone_core::{Fingerprint, Plan, RELATION, Stage, TargetSpec};
use flowstone_store::{CollectionId, Snapshot, Store, StoreError, TargetId, Writer};

use crate::engine::FlowPlace;
use crate::error::Error;

/// A flow, as the store knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FlowEntry {
    name: String,
    file: String,
}

/// A source, as the store knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SourceEntry {
    flow: u32,
    name: String,
    kind: String,
}

/// A target, as the store knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetEntry {
    pub(crate) flow: u32,
    /// Its name in the flow when it was last opened.
    pub(crate) name: String,
    pub(crate) spec: TargetSpec,
    /// What the target itself knows it by.
    pub(crate) token: String,
    /// The last batch that was settled.
    pub(crate) batch: u64,
    /// Batches that a run which was cut off may have written to it.
    #[serde(default)]
    pub(crate) unsettled: Vec<u64>,
    /// Raised whenever its columns change, so that its rows are written anew, also when they change back.
    #[serde(default)]
    pub(crate) layout: u32,
    /// How many rows it holds.
    pub(crate) rows: u64,
    /// Whether what was written to it is lost: there is nothing left to update or to delete.
    pub(crate) void: bool,
}

/// The numbers that stand for a flow, its sources and its targets in a store.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    pub(crate) flow: u32,
    /// The sources of the flow, also those that it no longer has: name and kind by number.
    pub(crate) sources: BTreeMap<CollectionId, (String, String)>,
    /// All targets of the store.
    pub(crate) targets: BTreeMap<TargetId, TargetEntry>,
    /// The last batch that was settled.
    pub(crate) batch: u64,
    /// The targets as they were last written.
    written: BTreeMap<TargetId, TargetEntry>,
    new_flow: bool,
    file: String,
}

const BATCH: &str = "batch";

/// The names of the entries with the names of a stage's transforms begin with this.
pub(crate) const STAGE_PREFIX: &str = "stage/";

impl Books {
    /// Reads the books for the flow `name` in `file`. Numbers that are not there yet are made up, not written.
    pub(crate) fn read(snapshot: &Snapshot, name: &str, place: &FlowPlace) -> Result<Self, Error> {
        let file = place.file.as_str();
        let flows: Vec<(u32, FlowEntry)> = entries(snapshot, "flow/")?;
        let known = flows
            .iter()
            .find(|(_, flow)| flow.name == name && flow.file == file)
            .or_else(|| flows.iter().find(|(_, flow)| flow.file == file))
            .or_else(|| {
                // The file was renamed or moved. Where it is still there, this is a copy: another flow.
                let gone = |flow: &FlowEntry| !place.base.join(&flow.file).exists();
                flows
                    .iter()
                    .find(|(_, flow)| flow.name == name && gone(flow))
            });
        let (flow, new_flow) = match known {
            Some((number, flow)) => (*number, flow.name != name || flow.file != file),
            None => (next(&flows), true),
        };
        let sources: Vec<(u32, SourceEntry)> = entries(snapshot, "source/")?;
        let targets: Vec<(u32, TargetEntry)> = entries(snapshot, "target/")?;
        let targets: BTreeMap<TargetId, TargetEntry> = targets
            .into_iter()
            .map(|(number, target)| (TargetId(number), target))
            .collect();
        let batch = match snapshot.meta(BATCH)? {
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            None => 0,
        };
        Ok(Self {
            flow,
            sources: sources
                .into_iter()
                .filter(|(_, source)| source.flow == flow)
                .map(|(number, source)| (CollectionId(number), (source.name, source.kind)))
                .collect(),
            written: targets.clone(),
            targets,
            batch,
            new_flow,
            file: file.to_owned(),
        })
    }

    /// The number of a source, if the store knows it.
    pub(crate) fn source(&self, name: &str) -> Option<CollectionId> {
        self.sources
            .iter()
            .find(|(_, (known, _))| known == name)
            .map(|(id, _)| *id)
    }

    /// The number of a target that is not lost, if the store knows it.
    pub(crate) fn target(&self, spec: &TargetSpec) -> Option<TargetId> {
        let same = |entry: &TargetEntry| {
            entry.flow == self.flow
                && !entry.void
                && same_place(&entry.spec, spec)
                && same_key(&entry.spec, spec)
        };
        self.targets
            .iter()
            .find(|(_, entry)| same(entry))
            .map(|(id, _)| *id)
    }

    /// Declares the targets lost that stand in the place of `spec`, and makes up a new number and token for it.
    pub(crate) fn replace_target(&mut self, name: &str, spec: &TargetSpec) -> TargetId {
        for entry in self.targets.values_mut() {
            if entry.flow == self.flow && same_place(&entry.spec, spec) {
                entry.void = true;
            }
        }
        // Never a number that was given before, also where the record of that is lost: rows that were written under it
        // would be taken for done.
        let id = loop {
            let id = TargetId(random() as u32);
            if id.0 != 0 && !self.targets.contains_key(&id) {
                break id;
            }
        };
        self.targets.insert(
            id,
            TargetEntry {
                flow: self.flow,
                name: name.to_owned(),
                spec: spec.clone(),
                token: token(),
                batch: 0,
                unsettled: Vec::new(),
                layout: 0,
                rows: 0,
                void: false,
            },
        );
        id
    }

    /// Finds the number of every target of the plan, or makes one up, and notes where columns changed. Nothing is written.
    pub(crate) fn decide(&mut self, plan: &Plan) {
        for target in plan.stages.iter().flat_map(Stage::outputs) {
            let Some(id) = self.target(&target.spec) else {
                self.replace_target(&target.name, &target.spec);
                continue;
            };
            if let Some(entry) = self.targets.get_mut(&id) {
                entry.layout += u32::from(entry.spec.columns != target.spec.columns);
                entry.name.clone_from(&target.name);
                entry.spec = target.spec.clone();
            }
        }
    }

    /// Writes the books at the start of a run, with numbers for all sources of the plan.
    pub(crate) fn open(&mut self, store: &Store, plan: &Plan) -> Result<(), Error> {
        let snapshot = store.snapshot()?;
        let known: Vec<(u32, SourceEntry)> = entries(&snapshot, "source/")?;
        let mut free = next(&known);
        let mut fresh = Vec::new();
        for stage in &plan.stages {
            let (name, kind) = (stage.source.name.clone(), stage.source.kind.clone());
            if let Some(id) = self.source(&name) {
                let known = self.sources.insert(id, (name.clone(), kind.clone()));
                if known.is_some_and(|(_, known)| known != kind) {
                    let flow = self.flow;
                    fresh.push((id.0, SourceEntry { flow, name, kind }));
                }
            } else {
                self.sources
                    .insert(CollectionId(free), (name.clone(), kind.clone()));
                fresh.push((
                    free,
                    SourceEntry {
                        flow: self.flow,
                        name,
                        kind,
                    },
                ));
                free += 1;
            }
        }
        if fresh.is_empty() && !self.new_flow {
            return Ok(());
        }
        self.new_flow = false;
        store.write(|writer| {
            let flow = FlowEntry {
                name: plan.name.clone(),
                file: self.file.clone(),
            };
            put(writer, &format!("flow/{:08x}", self.flow), &flow)?;
            for (number, source) in &fresh {
                put(writer, &format!("source/{number:08x}"), source)?;
            }
            Ok(())
        })
    }

    /// Writes the records of the targets that are not as they were last written.
    pub(crate) fn put_targets(&mut self, store: &Store) -> Result<(), Error> {
        let other = |id: &&TargetId| self.written.get(id) != self.targets.get(id);
        let changed: Vec<TargetId> = self.targets.keys().filter(other).copied().collect();
        if !changed.is_empty() {
            store.write(|writer| {
                changed
                    .iter()
                    .try_for_each(|id| self.put_target(writer, *id))
            })?;
            self.written = self.targets.clone();
        }
        Ok(())
    }

    /// Writes the record of a target.
    pub(crate) fn put_target(
        &self,
        writer: &mut Writer<'_>,
        id: TargetId,
    ) -> Result<(), StoreError> {
        match self.targets.get(&id) {
            Some(entry) => put(writer, &format!("target/{:08x}", id.0), entry),
            None => writer.remove_meta(&format!("target/{:08x}", id.0)),
        }
    }

    /// Writes the number of the last settled batch.
    pub(crate) fn put_batch(&self, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        put(writer, BATCH, &self.batch)
    }
}

/// The names of the transforms of a stage, by the stage's fingerprint: lineage refers to them by position.
pub(crate) fn stage_names(
    snapshot: &Snapshot,
    stage: &Fingerprint,
) -> Result<Vec<String>, StoreError> {
    Ok(get(snapshot, &format!("{STAGE_PREFIX}{stage}"))?.unwrap_or_default())
}

/// Writes the names of the transforms of a stage.
pub(crate) fn put_stage_names(
    writer: &mut Writer<'_>,
    stage: &Fingerprint,
    names: &[String],
) -> Result<(), StoreError> {
    put(writer, &format!("{STAGE_PREFIX}{stage}"), &names)
}

/// The collections of all flows that the store knows, each with the kind of its source.
pub(crate) fn collections(
    snapshot: &Snapshot,
) -> Result<BTreeMap<CollectionId, String>, StoreError> {
    let sources: Vec<(u32, SourceEntry)> = entries(snapshot, "source/")?;
    let sources = sources.into_iter();
    Ok(sources
        .map(|(number, source)| (CollectionId(number), source.kind))
        .collect())
}

fn same_place(a: &TargetSpec, b: &TargetSpec) -> bool {
    target_place(a) == target_place(b)
}

/// Whether the rows of both are told apart by the same columns. Those of a relation are read back: its other columns count
/// as well.
fn same_key(a: &TargetSpec, b: &TargetSpec) -> bool {
    if b.kind == RELATION {
        return a.columns == b.columns && a.key == b.key && a.options == b.options;
    }
    let columns = |spec: &TargetSpec| {
        spec.key
            .iter()
            .map(|&at| spec.columns[at].clone())
            .collect::<Vec<_>>()
    };
    columns(a) == columns(b)
}

/// A random number, from the standard library's randomly keyed hasher.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// 32 random hexadecimal digits.
fn token() -> String {
    format!("{:016x}{:016x}", random(), random())
}

fn next<T>(entries: &[(u32, T)]) -> u32 {
    entries
        .iter()
        .map(|(number, _)| number + 1)
        .max()
        .unwrap_or(1)
}

fn entries<T: DeserializeOwned>(
    snapshot: &Snapshot,
    prefix: &str,
) -> Result<Vec<(u32, T)>, StoreError> {
    let found = snapshot
        .meta_prefix(prefix)?
        .into_iter()
        .filter_map(|(name, bytes)| {
            let number = u32::from_str_radix(name.strip_prefix(prefix)?, 16).ok()?;
            Some((number, serde_json::from_slice(&bytes).ok()?))
        });
    Ok(found.collect())
}

/// A meta entry that is JSON; none where there is none, or it is not that.
pub(crate) fn get<T: DeserializeOwned>(
    snapshot: &Snapshot,
    name: &str,
) -> Result<Option<T>, StoreError> {
    Ok(snapshot
        .meta(name)?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Writes a meta entry as JSON.
pub(crate) fn put<T: Serialize>(
    writer: &mut Writer<'_>,
    name: &str,
    value: &T,
) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(value).expect("the books hold only what JSON can hold");
    writer.put_meta(name, &bytes)
}
