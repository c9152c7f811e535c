//! The byte form of one record of each kind. A change here is a new format: raise `FORMAT`, and read the old one.

use std::fmt::Write as _;

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, FunctionDigest, Grant, Interface,
    LiteralArgument, Maker, MemoKey, Param, Recipe, RecipeRecord, RunId, Type,
};

use crate::codec::{Record, decode, seal, unseal};
use crate::encoding::{
    BuildRecord, ChangeRecord, CompiledRecord, FunctionsRecord, Nothing, ObjectRecord, OwnerRecord,
    Raw,
};
use crate::tables::{META_TAG, level_key, readers_key, row_key};
use crate::{
    CallRecord, CollectionId, Intent, IntentRow, Lineage, LookupRecord, Member, MemoRecord,
    Outcome, Owner, RecipeId, RowHead, RowState, Step, Stored, TargetId, TargetRow, Usage, Why,
    member_key,
};

pub(super) fn bytes(record: &impl Record) -> Vec<u8> {
    let mut out = Vec::new();
    record.write(&mut out);
    out
}

/// Hexadecimal, with 32 (16) equal bytes as `XXx32` (`XXx16`).
fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let run = [32, 16]
            .into_iter()
            .find(|&run| rest.len() >= run && rest[..run].iter().all(|byte| *byte == first));
        match run {
            Some(run) => write!(out, "{first:02x}x{run} ").unwrap(),
            None => write!(out, "{first:02x}").unwrap(),
        }
        rest = &rest[run.unwrap_or(1)..];
    }
    out.trim_end().to_owned()
}

pub(super) fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::from_bytes([byte; 32])
}

pub(super) fn memo(stored: Stored) -> MemoRecord {
    let outcome = Outcome::Value {
        fingerprint: fingerprint(0xaa),
        parts: vec![fingerprint(0xbb)],
        stored,
    };
    MemoRecord {
        outcome,
        cost_ns: 300,
        run: RunId(5),
        recipe: RecipeId(200),
        arguments: vec![fingerprint(0x77), fingerprint(0x88)],
        why: Why::Recompute,
    }
}

fn target_row() -> TargetRow {
    TargetRow {
        target: TargetId(2),
        id: [0x11; 16],
        key: b"k".to_vec(),
        fingerprint: [0x22; 16],
        origin: vec![0, 200],
    }
}

pub(super) fn lineage(failure: Option<String>) -> Lineage {
    Lineage {
        columns: vec![fingerprint(0xcc)],
        calls: vec![CallRecord {
            transform: 0x0102,
            key: MemoKey::from_bytes([0xdd; 32]),
        }],
        run: RunId(6),
        replaced: vec![CallRecord {
            transform: 3,
            key: MemoKey::from_bytes([0xff; 32]),
        }],
        shape: Some(fingerprint(0xee)),
        good: true,
        targets: vec![target_row()],
        failure,
        lookups: vec![LookupRecord {
            relation: TargetId(4),
            key: [0x33; 16],
        }],
    }
}

pub(super) fn intent() -> Intent {
    Intent {
        rows: vec![IntentRow {
            collection: CollectionId(1),
            key: b"a".to_vec(),
            targets: vec![target_row()],
        }],
    }
}

#[test]
fn records_keep_their_byte_form() {
    let head = |state| RowHead {
        hint: vec![1, 2],
        content: fingerprint(0xaa),
        flow: fingerprint(0xbb),
        state,
    };
    let target = "02000000 11x16 22x16 016b0200c801".replace(' ', "");
    let failed = MemoRecord {
        outcome: Outcome::Failed {
            reason: "no".into(),
        },
        cost_ns: 0,
        run: RunId(u64::MAX),
        recipe: RecipeId(u32::MAX),
        arguments: Vec::new(),
        why: Why::Imported,
    };
    let owned_by = Owner {
        collection: CollectionId(1),
        row: b"a".to_vec(),
    };
    let owner = |long_key: &'static [u8]| OwnerRecord {
        owner: std::borrow::Cow::Owned(owned_by.clone()),
        long_key: long_key.into(),
    };
    let golden = [
        (
            bytes(&memo(Stored::Inline(b"hi".to_vec()))),
            "ac0205c801 01 02 77x32 88x32 00 aax32 01 bbx32 026869",
        ),
        (
            bytes(&memo(Stored::Object)),
            "ac0205c801 01 02 77x32 88x32 01 aax32 01 bbx32",
        ),
        (
            bytes(&failed),
            "00ffffffffffffffffff01 ffffffff0f 05 00 02026e6f",
        ),
        (bytes(&head(RowState::Done)), "00 aax32 bbx32 0102"),
        (
            bytes(&head(RowState::Failed { retry: false })),
            "01 aax32 bbx32 0102",
        ),
        (
            bytes(&head(RowState::Failed { retry: true })),
            "02 aax32 bbx32 0102",
        ),
        (
            bytes(&lineage(None)),
            &format!(
                "01 eex32 01 ccx32 06 01 0201 ddx32 01 0300 ffx32 01{target}0001 01 04000000 33x16"
            ),
        ),
        (
            bytes(&lineage(Some("no".into()))),
            &format!(
                "01 eex32 01 ccx32 06 01 0201 ddx32 01 0300 ffx32 01{target}01026e6f01 01 04000000 33x16"
            ),
        ),
        (bytes(&intent()), &format!("0101000000016101{target}")),
        (bytes(&owner(b"")), "010000000161"),
        (bytes(&owner(b"key")), "0100000001616b6579"),
        (bytes(&ObjectRecord::Inline(b"hi"[..].into())), "006869"),
        (bytes(&ObjectRecord::File(258)), "010201000000000000"),
        (
            bytes(&CompiledRecord {
                len: 258,
                hash: [0xaa; 32],
                keyed_hash: [0xbb; 32],
            }),
            "0201000000000000 aax32 bbx32",
        ),
        (
            bytes(&BuildRecord {
                len: 258,
                hash: [0xaa; 32],
            }),
            "0201000000000000 aax32",
        ),
        (
            bytes(&Usage {
                run: RunId(5),
                reused: 300,
            }),
            "05ac02",
        ),
        (bytes(&Raw(b"{}"[..].into())), "7b7d"),
        (
            bytes(&Member {
                columns: vec![(fingerprint(0xaa), b"hi".to_vec())],
            }),
            "01 aax32 026869",
        ),
        (
            bytes(&Step {
                fingerprint: fingerprint(0xbb),
                bytes: b"hi".to_vec(),
            }),
            "bbx32 6869",
        ),
        (bytes(&ChangeRecord { structure: false }), "00"),
        (bytes(&ChangeRecord { structure: true }), "01"),
        (bytes(&Nothing), ""),
    ];
    for (bytes, golden) in golden {
        assert_eq!(hex(&bytes).replace(' ', ""), golden.replace(' ', ""));
    }
}

#[test]
fn the_keys_of_relations_keep_their_byte_form() {
    let relation = TargetId(0x0102_0304);
    let lookup = LookupRecord {
        relation,
        key: [0x33; 16],
    };
    let reader = [
        readers_key(&lookup),
        row_key(CollectionId(0x0506_0708), b"a"),
    ];
    let golden = [
        (member_key(b"", b""), "0001"),
        (member_key(b"ab", b"c"), "61620001 63"),
        (member_key(b"a\0\xff", b"\0"), "6100ffff0001 00"),
        (level_key(relation, b"a", 7), "01020304 610001 07"),
        (reader.concat(), "01020304 33x16 05060708 61"),
    ];
    for (bytes, golden) in golden {
        assert_eq!(hex(&bytes).replace(' ', ""), golden.replace(' ', ""));
    }
}

#[test]
fn interfaces_keep_their_json_form() {
    let interface = Interface {
        functions: vec![Function {
            name: "f".into(),
            params: vec![Param {
                name: "p".into(),
                ty: Type::List(Type::U8.into()),
            }],
            result: Some(Type::Result {
                ok: None,
                err: Some(Type::String.into()),
            }),
            docs: None,
        }],
        unsupported: Vec::new(),
        imports: vec!["i".into()],
    };
    let golden = concat!(
        r#"{"functions":[{"name":"f","params":[{"name":"p","ty":{"List":"U8"}}],"#,
        r#""result":{"Result":{"ok":null,"err":"String"}},"docs":null}],"unsupported":[],"imports":["i"]}"#
    );
    assert_eq!(String::from_utf8(bytes(&interface)).unwrap(), golden);
    assert_eq!(decode::<Interface>(golden.as_bytes()), Some(interface));
}

#[test]
fn recipes_and_digests_of_functions_keep_their_json_form() {
    let hashes = |byte: u8| format!("{:?}", [byte; 32]).replace(' ', "");
    let recipe = RecipeRecord {
        recipe: Recipe {
            code: CodeId::Pin { name: "p".into() },
            function: Function {
                name: "f".into(),
                params: Vec::new(),
                result: Some(Type::U32),
                docs: None,
            },
            literals: vec![LiteralArgument {
                position: 1,
                fingerprint: fingerprint(1),
                text: "7".into(),
            }],
            grants: vec![Grant {
                name: "clock".into(),
                fingerprint: fingerprint(2),
            }],
            ignored: vec![3],
            batched: false,
        },
        maker: Maker {
            component: ComponentDigest::from_bytes([3; 32]),
            function: "f".into(),
            reachable: Some(FunctionDigest::from_bytes([4; 32])),
        },
    };
    let golden = format!(
        concat!(
            r#"{{"recipe":{{"code":{{"pin":{{"name":"p"}}}},"#,
            r#""function":{{"name":"f","params":[],"result":"U32","docs":null}},"#,
            r#""literals":[{{"position":1,"fingerprint":{},"text":"7"}}],"#,
            r#""grants":[{{"name":"clock","fingerprint":{}}}],"ignored":[3]}},"#,
            r#""maker":{{"component":{},"function":"f","reachable":{}}}}}"#
        ),
        hashes(1),
        hashes(2),
        hashes(3),
        hashes(4)
    );
    assert_eq!(String::from_utf8(bytes(&recipe)).unwrap(), golden);
    assert_eq!(decode::<RecipeRecord>(golden.as_bytes()), Some(recipe));

    let digests = [("f".to_owned(), FunctionDigest::from_bytes([0xab; 32]))].into();
    let functions = FunctionsRecord {
        version: 258,
        digests: std::borrow::Cow::Borrowed(&digests),
    };
    let golden = [
        &[2, 1, 0, 0][..],
        format!(r#"{{"f":"{}"}}"#, "ab".repeat(32)).as_bytes(),
    ]
    .concat();
    assert_eq!(bytes(&functions), golden);
    assert_eq!(decode::<FunctionsRecord<'_>>(&golden), Some(functions));
    assert!(decode::<FunctionsRecord<'_>>(&golden[..golden.len() - 2]).is_none());
}

/// Whether the checksum finds every change of a record, its key or its table.
fn assert_guards(tag: u8, value: &[u8]) {
    assert_eq!(unseal(tag, b"key", value), Some(&b"body"[..]));
    assert_eq!(unseal(tag + 1, b"key", value), None);
    assert_eq!(unseal(tag, b"kez", value), None);
    assert_eq!(unseal(tag, b"ke", &[b"y", value].concat()), None);
    for index in 0..value.len() {
        let mut changed = value.to_vec();
        changed[index] ^= 0x10;
        assert_eq!(unseal(tag, b"key", &changed), None);
        assert_eq!(unseal(tag, b"key", &value[..index]), None);
    }
}

#[test]
fn the_checksum_keeps_its_recipe() {
    let mut value = b"body".to_vec();
    seal(3, b"key", &mut value);
    assert_eq!(hex(&value[4..]), "679c66596f1720f4");
    assert_guards(3, &value);
}

/// By the form of the first format, in which every version finds the format of a store.
#[test]
fn the_checksum_of_meta_entries_is_that_of_the_first_format() {
    let mut value = b"body".to_vec();
    seal(META_TAG, b"key", &mut value);
    let input = b"\x0a\x03\0\0\0\0\0\0\0keybody";
    let expected = blake3::hash(input);
    assert_eq!(value, [&b"body"[..], &expected.as_bytes()[..8]].concat());
    assert_guards(META_TAG, &value);
}
