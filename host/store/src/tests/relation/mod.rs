//! Relations, readers, due rows and folds against maps in memory: any operations, committed or given up.

mod damage;
mod limits;
mod model;

use std::ops::Range;

use redb::{ReadableDatabase, ReadableTable};

use self::model::{Model, Operation, operations};
use super::crash::{empty_image, open as crash_open};
use super::disk::Disk;
use super::{fingerprint, hash};
use crate::read::check;
use crate::tables::{CHANGE, DUE, MEMBER, READER, STEP};
use crate::{LookupRecord, Member, Step, Store, StoreError, TargetId, Writer};

/// Relations and collections: two neighbours, with nothing behind the second.
const NUMBERS: [u32; 3] = [7, u32::MAX - 1, u32::MAX];

/// Groups and the keys of rows: some begin others, and some hold what ends a group or what follows a zero byte.
const GROUPS: [&[u8]; 8] = [
    b"", b"\0", b"\0\x01", b"\0\xff", b"\x01", b"a", b"a\0", b"\xff",
];

/// The keys of members and elements.
const ELEMENTS: [&[u8]; 6] = [b"", b"\0", b"\0\x01a", b"a", b"\xff", b"\xff\xff"];

const LEVELS: [u8; 3] = [0, 1, 255];

const LOOKUPS: Range<u64> = 0..3;

/// The relation, the group, the level and the key of an element.
type Place = (u32, Vec<u8>, u8, Vec<u8>);

fn member(number: u8) -> Member {
    let columns = (0..number % 3).map(|column| {
        let number = u64::from(number + column);
        (fingerprint(number), vec![b'x'; number as usize])
    });
    Member {
        columns: columns.collect(),
    }
}

fn step(number: u8) -> Step {
    Step {
        fingerprint: fingerprint(number.into()),
        bytes: vec![b'y'; number.into()],
    }
}

fn lookup(relation: u32, number: u64) -> LookupRecord {
    LookupRecord {
        relation: TargetId(relation),
        key: *hash(number).first_chunk().unwrap(),
    }
}

/// The name of the table, the key and what is stored.
pub(super) type RawRecord = (&'static str, Vec<u8>, Vec<u8>);

/// All records of relations.
pub(super) fn dump_relations(store: &Store) -> Result<Vec<RawRecord>, StoreError> {
    const READING: &str = "reading all of a table";
    let place = &*store.place;
    place.guarded(|| {
        let transaction = store.database().begin_read();
        let transaction = transaction.map_err(|error| place.redb(READING, error))?;
        let mut records = Vec::new();
        for spec in [&MEMBER, &READER, &DUE, &STEP, &CHANGE] {
            let table = transaction.open_table(spec.definition);
            let table = table.map_err(|error| place.redb(READING, error))?;
            let entries = table.iter().map_err(|error| place.redb(READING, error))?;
            for entry in entries {
                let (key, stored) = entry.map_err(|error| place.redb(READING, error))?;
                check(place, spec, &key.value(), stored.value())?;
                records.push((spec.name, key.value().to_vec(), stored.value().to_vec()));
            }
        }
        Ok(records)
    })
}

fn dump_keys(store: &Store) -> Vec<(&'static str, Vec<u8>)> {
    let records = dump_relations(store).unwrap();
    let keys = records.into_iter().map(|(table, key, _)| (table, key));
    keys.collect()
}

/// The same, with what a transaction has written.
fn written_keys(writer: &mut Writer<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let keys = writer.collect(|tables, session, _| {
        let mut keys = Vec::new();
        for (name, slot) in [
            (MEMBER.name, &mut tables.member),
            (READER.name, &mut tables.reader),
            (DUE.name, &mut tables.due),
            (STEP.name, &mut tables.step),
            (CHANGE.name, &mut tables.change),
        ] {
            for entry in slot.open(session)?.iter().unwrap() {
                keys.push((name, entry.unwrap().0.value().to_vec()));
            }
        }
        Ok(keys)
    });
    keys.unwrap()
}

/// A store whose database lies in memory.
fn in_memory(dir: &tempfile::TempDir) -> Store {
    crash_open(dir, Disk::with(&empty_image(dir), None)).unwrap()
}

/// Why a transaction is given up.
#[derive(Debug)]
struct GivenUp;

impl From<StoreError> for GivenUp {
    fn from(error: StoreError) -> Self {
        panic!("{error}")
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 32, ..Default::default() })]

    #[test]
    fn relations_are_maps_and_sets(
        transactions in proptest::collection::vec((operations(), proptest::bool::weighted(0.8)), 1..6)
    ) {
        let dir = tempfile::TempDir::new().unwrap();
        let store = in_memory(&dir);
        let mut model = Model::default();
        for (operations, commit) in transactions {
            let mut next = model.clone();
            let done: Result<(), GivenUp> = store.write(|writer| {
                for operation in &operations {
                    let told = operation.on_store(writer)?;
                    assert_eq!(told, operation.on_model(&mut next), "{operation:?}");
                }
                if commit { Ok(()) } else { Err(GivenUp) }
            });
            assert_eq!(done.is_ok(), commit);
            if commit {
                model = next;
            }
            assert_eq!(dump_keys(&store), model.keys());
        }
        model.assert_is(&store);
    }
}

/// The kinds of operations that clear a range, each on a store that is full: what lies next to the range stays.
#[test]
fn what_is_cleared_is_all_of_its_range_and_nothing_beside_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = in_memory(&dir);
    let mut full = Model::default();
    let done: Result<(), GivenUp> = store.write(|writer| {
        for operation in model::everything() {
            operation.on_store(writer)?;
            operation.on_model(&mut full);
        }
        Ok(())
    });
    done.unwrap();
    full.assert_is(&store);
    for number in NUMBERS {
        let mut all = vec![
            Operation::ClearRelation(number),
            Operation::ClearAllSteps(number),
            Operation::ClearDue(number),
        ];
        for group in GROUPS {
            all.extend(LEVELS.map(|level| Operation::ClearSteps(number, group, level)));
            all.extend(
                LEVELS.map(|level| {
                    Operation::ClearChanges((number, group, level), b"\0\x01", b"\xff")
                }),
            );
            all.push(Operation::ClearChanges((number, group, 255), b"", b""));
        }
        for operation in all {
            let mut left = full.clone();
            operation.on_model(&mut left);
            assert_ne!(left, full, "{operation:?} clears something");
            let undone: Result<(), GivenUp> = store.write(|writer| {
                operation.on_store(writer)?;
                assert_eq!(written_keys(writer), left.keys(), "{operation:?}");
                Err(GivenUp)
            });
            undone.unwrap_err();
        }
    }
}
