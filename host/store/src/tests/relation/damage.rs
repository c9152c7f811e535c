//! Records of relations that are not what was written: told where they are read, and where a write rests on them.

use tempfile::TempDir;

use super::{dump_relations, lookup, member, step};
use crate::codec::{Record, seal};
use crate::encoding::ChangeRecord;
use crate::tables::{CHANGE, DUE, MEMBER, READER, STEP, level_key, readers_key, row_key};
use crate::tests::damage::{assert_clear, put_raw};
use crate::tests::{open, write};
use crate::{ChangedElement, CollectionId, Snapshot, StoreError, TargetId, Writer, member_key};

const RELATION: TargetId = TargetId(0);
const PAGES: CollectionId = CollectionId(0);
const LEVEL: (TargetId, &[u8], u8) = (RELATION, b"g", 1);

/// A store with one record of each kind, closed.
fn filled() -> TempDir {
    let dir = TempDir::new().unwrap();
    write(&open(&dir), |writer| {
        writer.put_member(RELATION, &member_key(b"g", b"m"), Some(&member(1)))?;
        writer.put_reader(&lookup(0, 1), PAGES, b"a", true)?;
        writer.put_due(PAGES, b"a")?;
        writer.put_step(LEVEL, b"m", Some(&step(1)))?;
        writer.put_change(LEVEL, b"m", false)
    })
    .unwrap();
    dir
}

/// The key of the record of each kind, with the tag of its table.
fn keys() -> [(u8, Vec<u8>); 5] {
    let (relation, group, level) = LEVEL;
    let element = [&level_key(relation, group, level)[..], b"m"].concat();
    let row = row_key(PAGES, b"a");
    let member = [&[0; 4], &member_key(b"g", b"m")[..]].concat();
    [
        (MEMBER.tag, member),
        (
            READER.tag,
            [readers_key(&lookup(0, 1)), row.clone()].concat(),
        ),
        (DUE.tag, row),
        (STEP.tag, element.clone()),
        (CHANGE.tag, element),
    ]
}

fn sealed(tag: u8, key: &[u8], record: &impl Record) -> Vec<u8> {
    let mut value = Vec::new();
    record.write(&mut value);
    seal(tag, key, &mut value);
    value
}

/// The first error of an iterator, after which it is at its end.
fn failure<T: std::fmt::Debug>(
    items: Result<impl Iterator<Item = Result<T, StoreError>>, StoreError>,
) -> StoreError {
    let mut items = items.unwrap();
    let error = items.next().unwrap().unwrap_err();
    assert!(items.next().is_none(), "an iterator ends after an error");
    error
}

/// What reading every record of the store comes to, in each way.
fn read_all(snapshot: &Snapshot) -> Vec<(&'static str, StoreError)> {
    vec![
        (
            "member",
            snapshot
                .member(RELATION, &member_key(b"g", b"m"))
                .unwrap_err(),
        ),
        ("members", failure(snapshot.members(RELATION, b"g", b""))),
        (
            "members before",
            failure(snapshot.members_before(RELATION, b"g", b"z")),
        ),
        ("due", failure(snapshot.due(PAGES))),
        ("is due", snapshot.is_due(PAGES, b"a").unwrap_err()),
        ("step", snapshot.step(LEVEL, b"m").unwrap_err()),
        ("steps", failure(snapshot.steps(LEVEL, b""))),
        ("steps before", failure(snapshot.steps_before(LEVEL, b"z"))),
        ("changes", failure(snapshot.changes(RELATION))),
    ]
}

#[test]
fn a_record_of_a_relation_that_does_not_check_out_is_damage() {
    for fits in [false, true] {
        let dir = filled();
        for ((tag, key), table) in keys().iter().zip([&MEMBER, &READER, &DUE, &STEP, &CHANGE]) {
            // In the second round the checksum fits, but there is no such record.
            let mut value = vec![0xff; 5];
            if fits {
                seal(*tag, key, &mut value);
            }
            put_raw(&dir, table, key, &value);
        }
        let store = open(&dir);
        let snapshot = store.snapshot().unwrap();
        for (what, error) in read_all(&snapshot) {
            assert_clear(&error, what);
        }
        if !fits {
            // These look no further than the checksum.
            assert_clear(&failure(snapshot.published(RELATION)), "published");
            assert_clear(&failure(snapshot.groups(RELATION)), "groups");
            assert_clear(&snapshot.group(RELATION, b"g").unwrap_err(), "group");
            let made_due = write(&store, |writer| writer.make_readers_due(&lookup(0, 1)));
            assert_clear(&made_due.unwrap_err(), "readers");
        }
        let key = member_key(b"g", b"m");
        for row in [None, Some(&member(1))] {
            let put = write(&store, |writer| writer.put_member(RELATION, &key, row));
            assert_clear(&put.unwrap_err(), "put_member");
        }
        for value in [None, Some(&step(1))] {
            let put = write(&store, |writer| writer.put_step(LEVEL, b"m", value));
            assert_clear(&put.unwrap_err(), "put_step");
        }
    }
}

#[test]
fn a_change_that_does_not_check_out_counts_as_one_of_structure() {
    let dir = filled();
    let [.., (_, key)] = keys();
    put_raw(&dir, &CHANGE, &key, &[1; 9]);
    let store = open(&dir);
    write(&store, |writer| writer.put_change(LEVEL, b"m", false)).unwrap();
    let changes = store.snapshot().unwrap().changes(RELATION).unwrap();
    let changed = ChangedElement {
        group: b"g".to_vec(),
        level: 1,
        element: b"m".to_vec(),
        structure: true,
    };
    assert_eq!(changes.map(Result::unwrap).collect::<Vec<_>>(), [changed]);
}

#[test]
fn a_record_moved_to_another_key_or_relation_does_not_check_out() {
    let records = dump_relations(&open(&filled())).unwrap();
    for (at, table) in [&MEMBER, &READER, &DUE, &STEP, &CHANGE]
        .into_iter()
        .enumerate()
    {
        let dir = TempDir::new().unwrap();
        drop(open(&dir));
        let (name, key, stored) = &records[at];
        assert_eq!(*name, table.name);
        let mut moved = key.clone();
        *moved.last_mut().unwrap() ^= 1;
        put_raw(&dir, table, &moved, stored);
        let store = open(&dir);
        assert_clear(&dump_relations(&store).unwrap_err(), name);
        let snapshot = store.snapshot().unwrap();
        let error = match at {
            0 => failure(snapshot.published(RELATION)),
            1 => write(&store, |writer| writer.make_readers_due(&lookup(0, 1))).unwrap_err(),
            2 => failure(snapshot.due(PAGES)),
            3 => failure(snapshot.steps(LEVEL, b"")),
            _ => failure(snapshot.changes(RELATION)),
        };
        assert_clear(&error, name);
    }
}

/// Whoever writes a store by hand can make checksums, and keys that are none.
#[test]
fn keys_that_are_none_are_damage_though_their_records_check_out() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    // No end of the group; a zero byte that is followed by neither of the two; no level.
    for group in [&b"g"[..], b"g\0", b"g\0\x02m"] {
        let key = [&[0; 4], group].concat();
        put_raw(&dir, &MEMBER, &key, &sealed(MEMBER.tag, &key, &member(1)));
    }
    let no_level = [&[0; 4], &member_key(b"g", b"")[..]].concat();
    let change = ChangeRecord { structure: true };
    put_raw(
        &dir,
        &CHANGE,
        &no_level,
        &sealed(CHANGE.tag, &no_level, &change),
    );
    let store = open(&dir);
    let snapshot = store.snapshot().unwrap();
    assert_clear(&failure(snapshot.groups(RELATION)), "groups");
    assert_clear(&failure(snapshot.changes(RELATION)), "changes");
    assert_eq!(snapshot.group(RELATION, b"g").unwrap(), None);
    assert_eq!(snapshot.members(RELATION, b"g", b"").unwrap().count(), 0);
}

#[test]
fn after_damage_nothing_of_the_transaction_is_written() {
    let dir = filled();
    let (_, reader) = &keys()[1];
    put_raw(&dir, &READER, reader, &[1; 9]);
    let store = open(&dir);
    let before = store.snapshot().unwrap().due(PAGES).unwrap().count();
    let both = |writer: &mut Writer<'_>| {
        writer.put_due(PAGES, b"b")?;
        writer.make_readers_due(&lookup(0, 1))
    };
    assert_clear(&write(&store, both).unwrap_err(), "readers");
    let after = store.snapshot().unwrap().due(PAGES).unwrap().count();
    assert_eq!((before, after), (1, 1));
}
