//! The maps and sets that relations are compared with, and the operations on both.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{ELEMENTS, GROUPS, LEVELS, LOOKUPS, NUMBERS, Place, lookup, member, step};
use crate::codec::Record;
use crate::{
    ChangedElement, CollectionId, Member, MemberChange, Snapshot, Step, Store, StoreError,
    TargetId, Writer, member_key,
};

type Bytes = &'static [u8];

/// A collection and the key of a row.
type Row = (u32, Vec<u8>);

/// A relation, a group and a level.
type Level = (u32, Bytes, u8);

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Member(u32, Bytes, Bytes, Option<u8>),
    Due(u32, Bytes),
    RemoveDue(u32, Bytes),
    ClearDue(u32),
    Reader((u32, u64), u32, Bytes, bool),
    MakeReadersDue(u32, u64),
    Step(Level, Bytes, Option<u8>),
    ClearSteps(u32, Bytes, u8),
    ClearAllSteps(u32),
    Change(Level, Bytes, bool),
    RemoveChange(Level, Bytes),
    ClearChanges(Level, Bytes, Bytes),
    ClearRelation(u32),
}

fn on((relation, group, level): Level) -> (TargetId, Bytes, u8) {
    (TargetId(relation), group, level)
}

fn place((relation, group, level): Level, element: Bytes) -> Place {
    (relation, group.to_vec(), level, element.to_vec())
}

impl Operation {
    /// What the store tells of it.
    pub(super) fn on_store(
        &self,
        writer: &mut Writer<'_>,
    ) -> Result<Option<MemberChange>, StoreError> {
        match *self {
            Self::Member(relation, group, key, row) => {
                let (key, row) = (member_key(group, key), row.map(member));
                let told = writer.put_member(TargetId(relation), &key, row.as_ref());
                return told.map(Some);
            }
            Self::Step(level, element, value) => {
                let value = value.map(step);
                let told = writer.put_step(on(level), element, value.as_ref());
                return told.map(Some);
            }
            Self::Due(collection, key) => writer.put_due(CollectionId(collection), key),
            Self::RemoveDue(collection, key) => writer.remove_due(CollectionId(collection), key),
            Self::ClearDue(collection) => writer.clear_due(CollectionId(collection)),
            Self::Reader((relation, number), collection, key, reads) => {
                let lookup = lookup(relation, number);
                writer.put_reader(&lookup, CollectionId(collection), key, reads)
            }
            Self::MakeReadersDue(relation, number) => {
                writer.make_readers_due(&lookup(relation, number))
            }
            Self::ClearSteps(relation, group, level) => {
                writer.clear_steps(TargetId(relation), group, level)
            }
            Self::ClearAllSteps(relation) => writer.clear_all_steps(TargetId(relation)),
            Self::Change(level, element, structure) => {
                writer.put_change(on(level), element, structure)
            }
            Self::RemoveChange(level, element) => writer.remove_change(on(level), element),
            Self::ClearChanges(level, from, to) => writer.clear_changes(on(level), from, to),
            Self::ClearRelation(relation) => writer.clear_relation(TargetId(relation)),
        }?;
        Ok(None)
    }

    pub(super) fn on_model(&self, model: &mut Model) -> Option<MemberChange> {
        match *self {
            Self::Member(relation, group, key, row) => {
                let place = (relation, group.to_vec(), key.to_vec());
                return Some(replace(&mut model.members, place, row.map(member)));
            }
            Self::Step(level, element, value) => {
                let place = place(level, element);
                return Some(replace(&mut model.steps, place, value.map(step)));
            }
            Self::Due(collection, key) => {
                model.due.insert((collection, key.to_vec()));
            }
            Self::RemoveDue(collection, key) => {
                model.due.remove(&(collection, key.to_vec()));
            }
            Self::ClearDue(collection) => model.due.retain(|due| due.0 != collection),
            Self::Reader((relation, number), collection, key, reads) => {
                let (hash, row) = (lookup(relation, number).key, (collection, key.to_vec()));
                let reader = (relation, hash, row);
                if reads {
                    model.readers.insert(reader);
                } else {
                    model.readers.remove(&reader);
                }
            }
            Self::MakeReadersDue(relation, number) => {
                let hash = lookup(relation, number).key;
                let readers = model.readers.iter();
                let due = readers.filter(|reader| (reader.0, reader.1) == (relation, hash));
                model.due.extend(due.map(|reader| reader.2.clone()));
            }
            Self::ClearSteps(relation, group, from) => {
                let goes =
                    |place: &Place| (place.0, &*place.1) == (relation, group) && place.2 >= from;
                model.steps.retain(|place, _| !goes(place));
            }
            Self::ClearAllSteps(relation) => model.clear_fold(relation),
            Self::Change(level, element, structure) => {
                *model.changes.entry(place(level, element)).or_default() |= structure;
            }
            Self::RemoveChange(level, element) => {
                model.changes.remove(&place(level, element));
            }
            Self::ClearChanges((relation, group, level), from, to) => {
                let goes = |place: &Place| {
                    (place.0, &*place.1, place.2) == (relation, group, level)
                        && *place.3 >= *from
                        && (to.is_empty() || *place.3 < *to)
                };
                model.changes.retain(|place, _| !goes(place));
            }
            Self::ClearRelation(relation) => {
                model.clear_fold(relation);
                model.members.retain(|place, _| place.0 != relation);
                model.readers.retain(|reader| reader.0 != relation);
            }
        }
        None
    }
}

fn replace<K: Ord, R: PartialEq>(
    map: &mut BTreeMap<K, R>,
    key: K,
    value: Option<R>,
) -> MemberChange {
    let known = map.remove(&key);
    let change = match (&known, &value) {
        (Some(known), Some(value)) if known != value => MemberChange::Changed,
        (None, Some(_)) | (Some(_), None) => MemberChange::Structure,
        _ => MemberChange::Same,
    };
    map.extend(value.map(|value| (key, value)));
    change
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    members: BTreeMap<(u32, Vec<u8>, Vec<u8>), Member>,
    due: BTreeSet<Row>,
    readers: BTreeSet<(u32, [u8; 16], Row)>,
    steps: BTreeMap<Place, Step>,
    changes: BTreeMap<Place, bool>,
}

/// A group as in a key, byte by byte.
fn escaped(group: &[u8]) -> Vec<u8> {
    let escaped = group.iter().flat_map(|byte| match byte {
        0 => vec![0, 255],
        byte => vec![*byte],
    });
    escaped.chain([0, 1]).collect()
}

/// How many bytes a record takes, with its checksum.
fn stored_bytes(record: &impl Record) -> u64 {
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    bytes.len() as u64 + 8
}

impl Model {
    fn clear_fold(&mut self, relation: u32) {
        self.steps.retain(|place, _| place.0 != relation);
        self.changes.retain(|place, _| place.0 != relation);
    }

    /// The keys of all records, by table.
    pub(super) fn keys(&self) -> Vec<(&'static str, Vec<u8>)> {
        let element = |(relation, group, level, element): &Place| {
            [
                &relation.to_be_bytes()[..],
                &escaped(group),
                &[*level],
                element,
            ]
            .concat()
        };
        let row = |(collection, key): &Row| [&collection.to_be_bytes()[..], key].concat();
        let members = self.members.keys().map(|(relation, group, member)| {
            let key = [&relation.to_be_bytes()[..], &escaped(group), member].concat();
            ("relation", key)
        });
        let readers = self.readers.iter().map(|(relation, hash, reader)| {
            let key = [&relation.to_be_bytes()[..], hash, &row(reader)].concat();
            ("reader", key)
        });
        members
            .chain(readers)
            .chain(self.due.iter().map(|due| ("due", row(due))))
            .chain(self.steps.keys().map(|place| ("step", element(place))))
            .chain(self.changes.keys().map(|place| ("change", element(place))))
            .collect()
    }

    /// Asks the store in every way there is.
    pub(super) fn assert_is(&self, store: &Store) {
        let snapshot = store.snapshot().unwrap();
        for number in NUMBERS {
            self.assert_relation_is(&snapshot, number);
            let collection = CollectionId(number);
            let due = self.due.iter().filter(|due| due.0 == number);
            let due: Vec<_> = due.map(|due| due.1.clone()).collect();
            assert_eq!(all(snapshot.due(collection)), due);
            for key in ELEMENTS {
                let is_due = snapshot.is_due(collection, key).unwrap();
                assert_eq!(is_due, due.contains(&key.to_vec()));
            }
            for looked_up in LOOKUPS {
                let lookup = lookup(number, looked_up);
                let readers = self.readers.iter();
                let readers = readers.filter(|reader| (reader.0, reader.1) == (number, lookup.key));
                let readers = readers.map(|(_, _, (collection, key))| {
                    let collection = CollectionId(*collection);
                    (collection, key.clone())
                });
                let listed = all(snapshot.readers(&lookup));
                assert_eq!(listed, readers.collect::<Vec<_>>());
            }
        }
    }

    fn assert_relation_is(&self, snapshot: &Snapshot, relation: u32) {
        let id = TargetId(relation);
        let members: Vec<_> = self
            .members
            .iter()
            .filter(|row| row.0.0 == relation)
            .collect();
        let published = members
            .iter()
            .map(|((_, group, member), row)| (member_key(group, member), stored_bytes(*row)));
        assert_eq!(all(snapshot.published(id)), published.collect::<Vec<_>>());
        let mut groups: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
        for ((_, group, _), row) in members {
            let (rows, bytes) = groups.entry(group.clone()).or_default();
            (*rows, *bytes) = (*rows + 1, *bytes + stored_bytes(row));
        }
        let listed = all(snapshot.groups(id)).into_iter();
        let listed: Vec<_> = listed
            .map(|(group, rows, bytes)| (group, (rows, bytes)))
            .collect();
        assert_eq!(listed, groups.clone().into_iter().collect::<Vec<_>>());
        for group in GROUPS {
            assert_eq!(
                snapshot.group(id, group).unwrap(),
                groups.get(group).copied()
            );
            let rows = self
                .members
                .iter()
                .filter(|row| (row.0.0, &*row.0.1) == (relation, group));
            let rows: Vec<_> = rows
                .map(|(place, row)| (place.2.clone(), row.clone()))
                .collect();
            assert_range(
                &rows,
                |from| all(snapshot.members(id, group, from)),
                |before| all(snapshot.members_before(id, group, before)),
                |key| snapshot.member(id, &member_key(group, key)).unwrap(),
            );
            for level in LEVELS {
                let of = (relation, group, level);
                let steps = self
                    .steps
                    .iter()
                    .filter(|step| (step.0.0, &*step.0.1, step.0.2) == of);
                let steps: Vec<_> = steps
                    .map(|(place, step)| (place.3.clone(), step.clone()))
                    .collect();
                assert_range(
                    &steps,
                    |from| all(snapshot.steps(on(of), from)),
                    |before| all(snapshot.steps_before(on(of), before)),
                    |element| snapshot.step(on(of), element).unwrap(),
                );
            }
        }
        let changes = self.changes.iter().filter(|change| change.0.0 == relation);
        let changes = changes.map(|((_, group, level, element), structure)| ChangedElement {
            group: group.clone(),
            level: *level,
            element: element.clone(),
            structure: *structure,
        });
        assert_eq!(all(snapshot.changes(id)), changes.collect::<Vec<_>>());
    }
}

fn all<T>(items: Result<impl Iterator<Item = Result<T, StoreError>>, StoreError>) -> Vec<T> {
    items.unwrap().map(Result::unwrap).collect()
}

/// That the elements of a group are these, from any key on, before any and by any.
fn assert_range<R: Clone + PartialEq + std::fmt::Debug>(
    expected: &[(Vec<u8>, R)],
    from: impl Fn(&[u8]) -> Vec<(Vec<u8>, R)>,
    before: impl Fn(&[u8]) -> Vec<(Vec<u8>, R)>,
    get: impl Fn(&[u8]) -> Option<R>,
) {
    for key in ELEMENTS {
        let (less, rest): (Vec<_>, Vec<_>) =
            (expected.iter().cloned()).partition(|(element, _)| **element < *key);
        assert_eq!(
            get(key),
            rest.first()
                .filter(|row| row.0 == key)
                .map(|row| row.1.clone())
        );
        assert_eq!(from(key), rest);
        assert_eq!(before(key), less.into_iter().rev().collect::<Vec<_>>());
    }
}

/// Operations that write one record of every kind in every place.
pub(super) fn everything() -> Vec<Operation> {
    let mut all = Vec::new();
    for number in NUMBERS {
        all.extend(ELEMENTS.map(|key| Operation::Due(number, key)));
        for collection in NUMBERS {
            all.extend(
                LOOKUPS.map(|asked| Operation::Reader((number, asked), collection, b"a", true)),
            );
        }
        for (group, key) in GROUPS
            .iter()
            .flat_map(|group| ELEMENTS.map(|key| (*group, key)))
        {
            all.push(Operation::Member(number, group, key, Some(1)));
            for level in LEVELS {
                all.push(Operation::Step((number, group, level), key, Some(1)));
                all.push(Operation::Change((number, group, level), key, true));
            }
        }
    }
    all
}

/// One in particular most of the time, so that operations meet in one place.
fn mostly<T: Copy + std::fmt::Debug + 'static>(
    all: &'static [T],
    one: usize,
) -> impl Strategy<Value = T> {
    prop_oneof![3 => Just(all[one]), 1 => prop::sample::select(all)]
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let number = || mostly(&NUMBERS, 2);
    let group = || mostly(&GROUPS, 1);
    let key = || prop::sample::select(&ELEMENTS[..]);
    let asked = || (number(), LOOKUPS);
    let level = || (number(), group(), mostly(&LEVELS, 1));
    let value = || prop::option::weighted(0.7, 0..3_u8);
    let operation = prop_oneof![
        8 => (number(), group(), key(), value()).prop_map(|(r, g, k, v)| Operation::Member(r, g, k, v)),
        2 => (number(), key()).prop_map(|(c, k)| Operation::Due(c, k)),
        1 => (number(), key()).prop_map(|(c, k)| Operation::RemoveDue(c, k)),
        1 => number().prop_map(Operation::ClearDue),
        4 => (asked(), number(), key(), prop::bool::weighted(0.8))
            .prop_map(|(l, c, k, reads)| Operation::Reader(l, c, k, reads)),
        2 => asked().prop_map(|(relation, number)| Operation::MakeReadersDue(relation, number)),
        8 => (level(), key(), value()).prop_map(|(l, k, v)| Operation::Step(l, k, v)),
        2 => level().prop_map(|(r, g, l)| Operation::ClearSteps(r, g, l)),
        1 => number().prop_map(Operation::ClearAllSteps),
        8 => (level(), key(), any::<bool>()).prop_map(|(l, k, s)| Operation::Change(l, k, s)),
        2 => (level(), key()).prop_map(|(l, k)| Operation::RemoveChange(l, k)),
        2 => (level(), key(), key()).prop_map(|(l, from, to)| Operation::ClearChanges(l, from, to)),
        1 => number().prop_map(Operation::ClearRelation),
    ];
    prop::collection::vec(operation, 0..60)
}
