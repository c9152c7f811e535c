//! Bytes that are not what was written: they are no record, and cost no more than they are long.

use flowstone_core::{Interface, RecipeRecord};
use proptest::prelude::*;

use super::golden::{bytes, fingerprint, intent, lineage, memo};
use crate::codec::{Record, decode};
use crate::encoding::{
    BuildRecord, ChangeRecord, CompiledRecord, Nothing, ObjectRecord, OwnerRecord,
};
use crate::{
    Intent, Lineage, Member, MemoRecord, RowHead, Step, Stored, Usage, member_key, split_member_key,
};

fn member() -> Member {
    Member {
        columns: vec![
            (fingerprint(0xaa), b"hi".to_vec()),
            (fingerprint(0xbb), Vec::new()),
        ],
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
    check(&member(), 0);
    check(&ChangeRecord { structure: true }, 0);
    assert!(decode::<Lineage>(&[bytes(&lineage(None)), vec![0]].concat()).is_none());
    assert!(decode::<MemoRecord>(&[bytes(&memo(Stored::Object)), vec![0]].concat()).is_none());
    assert!(decode::<Member>(&[bytes(&member()), vec![0]].concat()).is_none());
    assert!(decode::<ChangeRecord>(&[1, 0]).is_none());
    assert!(
        decode::<ChangeRecord>(&[2]).is_none(),
        "it came or went, or not"
    );
    assert!(decode::<Nothing>(&[0]).is_none());
    assert!(decode::<Step>(&[0; 31]).is_none());
    assert!(decode::<Step>(&[0; 32]).is_some());
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
    assert!(decode::<Member>(&count).is_none());
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

fn bytes_with_zeros() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop::sample::select(&[0_u8, 1, 255][..]), 0..4)
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
        check::<Member>(&input);
        check::<Step>(&input);
        check::<ChangeRecord>(&input);
        check::<Nothing>(&input);
    }

    #[test]
    fn what_splits_into_a_group_and_a_member_is_their_key(
        input in proptest::collection::vec(prop::sample::select(&[0_u8, 1, 7, 254, 255][..]), 0..12),
    ) {
        if let Some((group, member)) = split_member_key(&input) {
            prop_assert_eq!(member_key(&group, member), input);
        }
    }

    #[test]
    fn groups_sort_as_their_bytes_and_none_begins_another(
        a in (bytes_with_zeros(), bytes_with_zeros()),
        b in (bytes_with_zeros(), bytes_with_zeros()),
    ) {
        let keys = [&a, &b].map(|(group, member)| member_key(group, member));
        prop_assert_eq!(split_member_key(&keys[0]), Some((a.0.clone(), &*a.1)));
        prop_assert_eq!(keys[0].cmp(&keys[1]), a.cmp(&b));
        prop_assert_eq!(keys[0].starts_with(&member_key(&b.0, b"")), a.0 == b.0);
    }
}
