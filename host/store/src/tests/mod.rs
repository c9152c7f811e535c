//! Tests that need the inside of the crate, and what they share.

mod basic;
mod builds;
mod cache;
mod compiled;
mod crash;
mod damage;
mod decode;
mod disk;
mod gc;
mod golden;
mod history;
mod log;
mod model;
mod objects;
mod relation;
mod speed;
mod verify;

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, Maker, MemoKey, Param, Recipe, RecipeRecord,
    RunId, Type, Value,
};

use crate::{
    CallRecord, Lineage, LookupRecord, MemoRecord, Outcome, RecipeId, RowHead, RowState, Store,
    StoreError, StoreOptions, Stored, TargetId, TargetRow, Why,
};

/// A hash that stands for `number`.
pub(super) fn hash(number: u64) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

pub(super) fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint::from_bytes(hash(number))
}

pub(super) fn memo_key(number: u64) -> MemoKey {
    MemoKey::from_bytes(hash(number))
}

pub(super) fn memo(number: u64) -> MemoRecord {
    MemoRecord {
        outcome: Outcome::Value {
            fingerprint: fingerprint(number),
            parts: vec![fingerprint(number + 1), fingerprint(number + 2)],
            stored: Stored::Inline(number.to_string().into_bytes()),
        },
        cost_ns: number * 1000,
        run: RunId(number),
        recipe: RecipeId(number as u32 % 3),
        arguments: vec![fingerprint(number + 3)],
        why: Why::New,
    }
}

pub(super) fn head(number: u64) -> RowHead {
    RowHead {
        hint: [number.to_le_bytes(); 5].concat(),
        content: fingerprint(number),
        flow: fingerprint(0),
        state: RowState::Done,
    }
}

pub(super) fn target_row(number: u64) -> TargetRow {
    TargetRow {
        target: TargetId(1),
        id: *hash(number).first_chunk().unwrap(),
        key: format!("docs/page-{number}.md#heading").into_bytes(),
        fingerprint: *hash(number + 1).first_chunk().unwrap(),
        origin: vec![number as u32 % 200],
    }
}

pub(super) fn lineage(number: u64) -> Lineage {
    Lineage {
        columns: vec![fingerprint(number)],
        run: RunId(number),
        replaced: vec![CallRecord {
            transform: 7,
            key: memo_key(number * 8 + 9),
        }],
        calls: (0..8)
            .map(|offset| CallRecord {
                transform: offset as u16,
                key: memo_key(number * 8 + offset),
            })
            .collect(),
        shape: Some(fingerprint(number)),
        good: true,
        targets: (0..7)
            .map(|offset| target_row(number * 7 + offset))
            .collect(),
        failure: None,
        lookups: vec![LookupRecord {
            relation: TargetId(number as u32),
            key: *hash(number + 2).first_chunk().unwrap(),
        }],
    }
}

/// A text of so many letters, its encoding, its fingerprint and that of its type.
pub(super) fn text_value(letter: char, len: usize) -> (Vec<u8>, Fingerprint, Fingerprint) {
    let value = Value::Str(letter.to_string().repeat(len).into());
    let ty = Type::String;
    let mut encoding = Vec::new();
    flowstone_core::encode(&value, &ty, &mut encoding);
    let type_fingerprint = ty.fingerprint();
    (
        encoding,
        flowstone_core::fingerprint(&value, &ty, &type_fingerprint),
        type_fingerprint,
    )
}

/// A recipe of a function with one parameter whose type nests.
pub(super) fn recipe(number: u64) -> RecipeRecord {
    let function = format!("f-{number}");
    RecipeRecord {
        recipe: Recipe {
            code: CodeId::Component {
                digest: component(number),
                function: function.clone(),
            },
            function: Function {
                name: function.clone(),
                params: vec![Param {
                    name: "text".into(),
                    ty: Type::list(Type::option(Type::String)),
                }],
                result: Some(Type::U32),
                docs: None,
            },
            literals: Vec::new(),
            grants: Vec::new(),
            ignored: Vec::new(),
            batched: false,
        },
        maker: Maker {
            component: component(number),
            function,
            reachable: None,
        },
    }
}

pub(super) fn component(number: u64) -> ComponentDigest {
    ComponentDigest::from_bytes(hash(number))
}

pub(super) fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), StoreOptions::default()).unwrap()
}

/// [`Store::write`] with the error type that closures cannot infer.
pub(super) fn write<R>(
    store: &Store,
    change: impl FnOnce(&mut crate::Writer<'_>) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    store.write(change)
}
