//! Every table of the database, in one place.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `memo` | the first half of the memo key | number (`u64`) of the entry |
//! | `entry` | number, in the order of writing | the memo key, [`MemoRecord`](crate::MemoRecord) |
//! | `object` | the first half of the fingerprint | number (`u64`) of the blob |
//! | `blob` | number, in the order of writing | the fingerprint; the bytes, or how many are in the file under `objects/` |
//! | `head` | collection (`u32`, big-endian), row key | [`RowHead`](crate::RowHead) |
//! | `lineage` | as `head` | [`Lineage`](crate::Lineage) |
//! | `owner` | target (`u32`, big-endian), 0 and the target row's key, or 1 and its hash | [`Owner`](crate::Owner), and the key where only its hash is in the table's key |
//! | `relation` | relation (`u32`, big-endian), the group ended by 0 1, the member's key | [`Member`](crate::Member) |
//! | `reader` | relation, the hash asked for, collection (`u32`, big-endian), row key | nothing: the row looked that up |
//! | `due` | as `head` | nothing: the row is to be looked at, whatever its source says |
//! | `step` | as `relation`, with a level (`u8`) before the member's key | [`Step`](crate::Step) |
//! | `change` | as `step` | whether a member came or went (`u8`), or is another |
//! | `intent` | batch | [`Intent`](crate::Intent) |
//! | `interface` | component digest | JSON text |
//! | `compiled` | component digest, compatibility | length and hashes of the code |
//! | `run` | run | JSON text |
//! | `recipe` | recipe | JSON text |
//! | `usage` | the first half of the memo key | [`Usage`](crate::Usage) |
//! | `functions` | component digest | version of the digests (`u32`), JSON text |
//! | `build` | component digest | length and hash of the file under `builds/` |
//! | `mark`, `mark-object`, `mark-recipe`, `mark-component`, `mark-type` | halves of hashes, or recipes | what is to be kept: there only during a collection or a verification |
//! | `meta` | name | the caller's bytes; `format` and what begins with `store/` are the store's own |
//!
//! Every value but marks and the numbers in `memo` and `object` ends in a checksum ([`crate::codec::seal`]) that covers
//! the table's tag, the key and the value. What lies in two tables is described in [`crate::log`].
//! A row's record is split in two, so that the scan over a collection that every run makes reads only small ones.

use flowstone_core::MemoKey;
use redb::{Key, TableDefinition, Value};

use crate::record::{CollectionId, LookupRecord, TargetId};

/// What redb stores in every table.
pub(crate) type Bytes = &'static [u8];

/// The key of a table whose keys are hashes.
pub(crate) type Hash = &'static [u8; 32];

/// The key of a table whose keys are halves of hashes: enough to tell keys apart, and twice as many fit on a page.
pub(crate) type Half = &'static [u8; 16];

pub(crate) type HalfBytes = [u8; 16];

/// A table, and the byte that stands for it in checksums.
pub(crate) struct TableSpec<K: Key + 'static, V: Value + 'static = Bytes> {
    pub(crate) definition: TableDefinition<'static, K, V>,
    pub(crate) name: &'static str,
    pub(crate) tag: u8,
}

impl<K: Key + 'static, V: Value + 'static> TableSpec<K, V> {
    pub(crate) const fn new(name: &'static str, tag: u8) -> Self {
        Self {
            definition: TableDefinition::new(name),
            name,
            tag,
        }
    }
}

/// Two tables: records in the order in which they were written, and which number the record of a hash has.
pub(crate) struct LogSpec {
    /// Numbers by halves of hashes. No checksum covers them, so that its tag stands for nothing.
    pub(crate) index: TableSpec<Half, u64>,
    pub(crate) records: TableSpec<u64>,
    /// The name of the meta entry that holds the number of the next record.
    pub(crate) next_entry: &'static str,
    /// The name of the meta entry that holds the number from which on records may have no entry in the index. Without
    /// it, they have.
    pub(crate) deferred_entry: &'static str,
}

/// What stands for `meta` in checksums.
pub(crate) const META_TAG: u8 = 10;

pub(crate) const MEMO: LogSpec = LogSpec {
    index: TableSpec::new("memo", 0),
    records: TableSpec::new("entry", 1),
    next_entry: "store/next-entry",
    deferred_entry: "store/deferred-entry",
};
pub(crate) const OBJECT: LogSpec = LogSpec {
    index: TableSpec::new("object", 0),
    records: TableSpec::new("blob", 2),
    next_entry: "store/next-blob",
    deferred_entry: "store/deferred-blob",
};
pub(crate) const HEAD: TableSpec<Bytes> = TableSpec::new("head", 3);
pub(crate) const LINEAGE: TableSpec<Bytes> = TableSpec::new("lineage", 4);
pub(crate) const OWNER: TableSpec<Bytes> = TableSpec::new("owner", 5);
pub(crate) const INTENT: TableSpec<u64> = TableSpec::new("intent", 6);
pub(crate) const INTERFACE: TableSpec<Hash> = TableSpec::new("interface", 7);
pub(crate) const COMPILED: TableSpec<Bytes> = TableSpec::new("compiled", 8);
pub(crate) const RUN: TableSpec<u64> = TableSpec::new("run", 9);
pub(crate) const META: TableSpec<&'static str> = TableSpec::new("meta", META_TAG);
pub(crate) const RECIPE: TableSpec<u32> = TableSpec::new("recipe", 11);
pub(crate) const USAGE: TableSpec<Half> = TableSpec::new("usage", 12);
pub(crate) const FUNCTIONS: TableSpec<Hash> = TableSpec::new("functions", 13);
pub(crate) const BUILD: TableSpec<Hash> = TableSpec::new("build", 14);

/// The calls that rows use.
pub(crate) const USED: TableSpec<Half> = TableSpec::new("mark", 15);
/// The objects of entries that are kept for now: the highest rank of such an entry, and how many have it.
pub(crate) const OBJECT_MARK: TableSpec<Half> = TableSpec::new("mark-object", 16);
/// The recipes of entries that stay.
pub(crate) const RECIPE_MARK: TableSpec<u32> = TableSpec::new("mark-recipe", 17);
/// The components of recipes that stay.
pub(crate) const COMPONENT_MARK: TableSpec<Half> = TableSpec::new("mark-component", 18);
/// Of each object that an entry needs: the number of a recipe whose results have its type.
pub(crate) const TYPE_MARK: TableSpec<Half> = TableSpec::new("mark-type", 19);

pub(crate) const MEMBER: TableSpec<Bytes> = TableSpec::new("relation", 20);
pub(crate) const READER: TableSpec<Bytes> = TableSpec::new("reader", 21);
pub(crate) const DUE: TableSpec<Bytes> = TableSpec::new("due", 22);
pub(crate) const STEP: TableSpec<Bytes> = TableSpec::new("step", 23);
pub(crate) const CHANGE: TableSpec<Bytes> = TableSpec::new("change", 24);

/// The part of a hash that stands for it in keys.
pub(crate) fn half(hash: &[u8; 32]) -> HalfBytes {
    let (half, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    *half
}

/// The key of a memo entry in `usage`.
pub(crate) fn usage_key(key: &MemoKey) -> HalfBytes {
    half(key.as_bytes())
}

/// The longest target row key that is part of the table's key; of a longer one the hash is. redb repeats keys in its
/// inner pages, so long ones make lookups slow.
const OWNER_KEY_BYTES_MAX: usize = 256;

const OWNER_KEY_WHOLE: u8 = 0;
const OWNER_KEY_HASHED: u8 = 1;

/// The key of a row in `head` and `lineage`.
pub(crate) fn row_key(collection: CollectionId, key: &[u8]) -> Vec<u8> {
    [&collection.0.to_be_bytes(), key].concat()
}

/// How a group ends in a key. A zero byte in it is written 0 255, so that no group is the beginning of another and groups
/// sort as their bytes do.
const GROUP_END: [u8; 2] = [0, 1];

/// The key of a row of a relation: the group that it belongs to, and what tells it apart there.
pub fn member_key(group: &[u8], member: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(group.len() + GROUP_END.len() + member.len());
    for &byte in group {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&GROUP_END);
    key.extend_from_slice(member);
    key
}

/// The group and the member of a [`member_key`]; `None` where it is no such key.
pub fn split_member_key(key: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = key;
    let mut group = Vec::new();
    loop {
        match rest {
            [0, 1, rest @ ..] => return Some((group, rest)),
            [0, 0xff, after @ ..] => {
                group.push(0);
                rest = after;
            }
            [0, ..] | [] => return None,
            [byte, after @ ..] => {
                group.push(*byte);
                rest = after;
            }
        }
    }
}

/// What the keys of a group's members begin with, with the relation before it.
pub(crate) fn group_key(relation: TargetId, group: &[u8]) -> Vec<u8> {
    [&relation.0.to_be_bytes()[..], &member_key(group, &[])].concat()
}

/// The group and the rest, out of a key that begins with a relation; `None` where it is no such key.
pub(crate) fn split_group(table_key: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    split_member_key(table_key.get(size_of::<u32>()..)?)
}

/// What the keys of a group's elements on a level begin with, in `step` and `change`.
pub(crate) fn level_key(relation: TargetId, group: &[u8], level: u8) -> Vec<u8> {
    let mut key = group_key(relation, group);
    key.push(level);
    key
}

/// What the keys of those who looked something up begin with.
pub(crate) fn readers_key(lookup: &LookupRecord) -> Vec<u8> {
    [&lookup.relation.0.to_be_bytes()[..], &lookup.key].concat()
}

/// The key of a target row in `owner`, and the part of the target row's key that belongs in the value.
pub(crate) fn owner_key(target: TargetId, key: &[u8]) -> (Vec<u8>, &[u8]) {
    let target = target.0.to_be_bytes();
    if key.len() <= OWNER_KEY_BYTES_MAX {
        ([&target[..], &[OWNER_KEY_WHOLE], key].concat(), &[])
    } else {
        (
            [
                &target[..],
                &[OWNER_KEY_HASHED],
                blake3::hash(key).as_bytes(),
            ]
            .concat(),
            key,
        )
    }
}

/// The target row's key, out of a key of `owner` and what is in the value; `None` where it is no such key.
pub(crate) fn target_key(table_key: &[u8], long_key: Vec<u8>) -> Option<Vec<u8>> {
    match table_key.get(size_of::<u32>()..)?.split_first()? {
        (&OWNER_KEY_WHOLE, key) => Some(key.to_vec()),
        (&OWNER_KEY_HASHED, _) => Some(long_key),
        _ => None,
    }
}
