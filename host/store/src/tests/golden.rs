//! The byte form of one record of each kind. A change here is a new format: raise `FORMAT`, and read the old one.

use std::fmt::Write as _;

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, FunctionDigest, Grant, Interface,
    LiteralArgument, Maker, MemoKey, Param, Recipe, RecipeRecord, RunId, Type,
};
use proptest::prelude::*;

use crate::codec::{Record, decode, seal, unseal};
use crate::encoding::{
    BuildRecord, CompiledRecord, FunctionsRecord, ObjectRecord, OwnerRecord, Raw,
};
use crate::{
    CallRecord, CollectionId, Intent, IntentRow, Lineage, LookupRecord, Member, MemoRecord,
    Outcome, Owner, RecipeId, RowHead, RowState, Stored, TargetId, TargetRow, Usage, Why,
};

fn bytes(record: &impl Record) -> Vec<u8> {
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

fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::from_bytes([byte; 32])
}

fn memo(stored: Stored) -> MemoRecord {
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

fn lineage(failure: Option<String>) -> Lineage {
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

fn intent() -> Intent {
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
        (bytes(&ChangeRecord { structure: true }), "01"),
        (bytes(&Nothing), ""),
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

#[test]
fn the_checksum_keeps_its_recipe() {
    let mut value = b"body".to_vec();
    seal(3, b"key", &mut value);
    let input = b"\x03\x03\0\0\0\0\0\0\0keybody";
    assert_eq!(
        value,
        [&b"body"[..], &blake3::hash(input).as_bytes()[..8]].concat()
    );
    assert_eq!(unseal(3, b"key", &value), Some(&b"body"[..]));
    assert_eq!(unseal(4, b"key", &value), None);
    assert_eq!(unseal(3, b"kez", &value), None);
    assert_eq!(unseal(3, b"ke", &[b"y", &*value].concat()), None);
    for index in 0..value.len() {
        let mut changed = value.clone();
        changed[index] ^= 0x10;
        assert_eq!(unseal(3, b"key", &changed), None);
        assert_eq!(unseal(3, b"key", &value[..index]), None);
    }
}

#[test]
fn a_record_cut_short_or_prolonged_is_no_record() {
    fn check<R: Record>(whole: &R, at_least: usize) {
        let whole = bytes(whole);
        assert!(decode::<R>(&whole).is_some());
        for len in at_least..whole.len() {
            assert!(
                decode::<R>(&whole[..len]).is_none(),
                "{len} of {} bytes",
                whole.len()
            );
        }
    }
    check(&memo(Stored::Inline(b"hi".to_vec())), 0);
    check(&lineage(Some("no".into())), 0);
    check(&intent(), 0);
    assert!(decode::<Lineage>(&[bytes(&lineage(None)), vec![0]].concat()).is_none());
    assert!(decode::<MemoRecord>(&[bytes(&memo(Stored::Object)), vec![0]].concat()).is_none());
    let mut head = vec![0; 65 + 64];
    assert!(decode::<RowHead>(&head).is_some());
    head.push(0);
    assert!(decode::<RowHead>(&head).is_none(), "the hint is too long");
}

#[test]
fn numbers_have_one_byte_form() {
    for (form, number) in [
        (&[0_u8][..], Some(0)),
        (&[0x80, 0], None),
        (&[0x80, 1], Some(128)),
        (&[0x80], None),
    ] {
        let memo = decode::<MemoRecord>(&[form, &[0, 0, 0, 0, 2, 0]].concat());
        assert_eq!(memo.map(|memo| memo.cost_ns), number);
    }
    let beyond = [&[0xff; 9][..], &[2, 0, 0, 0, 0, 2, 0]].concat();
    assert_eq!(decode::<MemoRecord>(&beyond), None);
    // The number of a recipe has 32 bits, and there are seven reasons.
    for (recipe, why, fits) in [
        (&[0xff, 0xff, 0xff, 0xff, 0x0f][..], 5, true),
        (&[0xff, 0xff, 0xff, 0xff, 0x1f], 5, false),
        (&[0], 6, true),
        (&[0], 7, false),
    ] {
        let form = [&[0, 0], recipe, &[why, 0, 3]].concat();
        assert_eq!(decode::<MemoRecord>(&form).is_some(), fits);
    }
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    let count = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(decode::<Lineage>(&count).is_none());
    assert!(decode::<Intent>(&count).is_none());
}

#[test]
fn types_nested_without_end_are_no_record() {
    let deep = format!(
        r#"{{"functions":[{{"name":"f","params":[],"result":{}"U8"{},"docs":null}}],"unsupported":[],"imports":[]}}"#,
        r#"{"List":"#.repeat(1_000_000),
        "}".repeat(1_000_000)
    );
    assert!(decode::<Interface>(deep.as_bytes()).is_none());
    let recipe = String::from_utf8(bytes(&super::recipe(1))).unwrap();
    let deeper = recipe.replace(
        r#""U32""#,
        &format!(
            r#"{}"U8"{}"#,
            r#"{"List":"#.repeat(1_000_000),
            "}".repeat(1_000_000)
        ),
    );
    assert!(decode::<RecipeRecord>(recipe.as_bytes()).is_some());
    assert!(decode::<RecipeRecord>(deeper.as_bytes()).is_none());
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(input in proptest::collection::vec(0_u8..4, 0..120)) {
        fn check<R: Record>(input: &[u8]) {
            if let Some(record) = decode::<R>(input) {
                assert_eq!(bytes(&record), input);
            }
        }
        check::<MemoRecord>(&input);
        check::<RowHead>(&input);
        check::<Lineage>(&input);
        check::<Intent>(&input);
        check::<OwnerRecord<'_>>(&input);
        check::<ObjectRecord<'_>>(&input);
        check::<CompiledRecord>(&input);
        check::<BuildRecord>(&input);
        check::<Usage>(&input);
    }
}
