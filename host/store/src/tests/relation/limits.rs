//! How long keys may be: as long for a reader as for a row, and as long in a fold as in its relation.

use tempfile::TempDir;

use super::{in_memory, lookup, member, step};
use crate::tests::{head, lineage, write};
use crate::{CollectionId, KEY_BYTES_MAX, StoreError, TargetId, member_key};

const RELATION: TargetId = TargetId(u32::MAX);
const PAGES: CollectionId = CollectionId(1);

#[test]
fn whatever_row_there_can_be_can_look_up_be_due_and_be_gathered() {
    let dir = TempDir::new().unwrap();
    let store = in_memory(&dir);
    let row = vec![7; KEY_BYTES_MAX];
    // A group of zeros takes two bytes for each.
    let (group, element) = (vec![0; 1000], vec![7; KEY_BYTES_MAX - 2002]);
    let key = member_key(&group, &element);
    assert_eq!(key.len(), KEY_BYTES_MAX);
    write(&store, |writer| {
        writer.put_row(PAGES, &row, &head(1), &lineage(1))?;
        writer.put_reader(&lookup(RELATION.0, 1), PAGES, &row, true)?;
        writer.make_readers_due(&lookup(RELATION.0, 1))?;
        writer.put_row(PAGES, &key, &head(1), &lineage(1))?;
        writer.put_due(PAGES, &key)?;
        writer.put_member(RELATION, &key, Some(&member(1)))?;
        writer.put_step((RELATION, &group, 255), &element, Some(&step(1)))?;
        writer.put_change((RELATION, &group, 255), &element, true)
    })
    .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.is_due(PAGES, &row).unwrap());
    let members = snapshot.members(RELATION, &group, b"").unwrap();
    let members: Vec<_> = members.map(Result::unwrap).collect();
    assert_eq!(members, [(element, member(1))]);
}

#[test]
fn keys_that_are_too_long_are_told_and_nothing_is_written() {
    let dir = TempDir::new().unwrap();
    let store = in_memory(&dir);
    let long = vec![7; KEY_BYTES_MAX + 1];
    // With how a group ends.
    let element = &long[2..];
    let member_key = member_key(b"", &long[1..]);
    let place = (RELATION, &b"x"[..], 3);
    let refused = [
        write(&store, |writer| {
            writer.put_member(RELATION, &member_key, None).map(drop)
        }),
        write(&store, |writer| writer.put_due(PAGES, &long)),
        write(&store, |writer| {
            writer.put_reader(&lookup(1, 1), PAGES, &long, true)
        }),
        write(&store, |writer| {
            writer.put_step(place, element, Some(&step(1))).map(drop)
        }),
        write(&store, |writer| writer.put_change(place, element, true)),
    ];
    for result in refused {
        let Err(StoreError::TooLong {
            bytes, bytes_max, ..
        }) = result
        else {
            panic!("{result:?}")
        };
        assert!(bytes > bytes_max && bytes_max == KEY_BYTES_MAX, "{bytes}");
    }
    assert_eq!(super::dump_keys(&store), []);
}
