//! Values of any type survive their encoding, their JSON and their WAVE text, and no bytes break the decoder.

use flowstone_core::{
    Case, Field, Type, Value, check_encoding, decode, encode, fingerprint, from_json, from_wave,
    to_json, to_wave,
};
use proptest::prelude::*;
use std::sync::Arc;

fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::S8),
        Just(Type::U8),
        Just(Type::S16),
        Just(Type::U16),
        Just(Type::S32),
        Just(Type::U32),
        Just(Type::S64),
        Just(Type::U64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        Just(Type::Enum(["red".into(), "green".into()].into())),
        Just(Type::Flags(
            ["read".into(), "write".into(), "run".into()].into()
        )),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let boxed = inner.clone().prop_map(Arc::new);
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_map(Type::option),
            (prop::option::of(boxed.clone()), prop::option::of(boxed))
                .prop_map(|(ok, err)| Type::Result { ok, err }),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|types| Type::Tuple(types.into())),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|types| {
                let fields = types.into_iter().enumerate();
                Type::Record(
                    fields
                        .map(|(n, ty)| Field {
                            name: format!("f{n}").into(),
                            ty,
                        })
                        .collect(),
                )
            }),
            prop::collection::vec(prop::option::of(inner), 1..4).prop_map(|types| {
                let cases = types.into_iter().enumerate();
                Type::Variant(
                    cases
                        .map(|(n, ty)| Case {
                            name: format!("c{n}").into(),
                            ty,
                        })
                        .collect(),
                )
            }),
        ]
    })
}

fn value_of(ty: &Type) -> BoxedStrategy<Value> {
    let payload = |ty: Option<&Type>| -> BoxedStrategy<Option<Arc<Value>>> {
        match ty {
            Some(ty) => value_of(ty).prop_map(|value| Some(Arc::new(value))).boxed(),
            None => Just(None).boxed(),
        }
    };
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::F32 => (-1e6f32..1e6).prop_map(Value::F32).boxed(),
        Type::F64 => (-1e9f64..1e9).prop_map(Value::F64).boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any::<String>().prop_map(Value::str).boxed(),
        Type::Enum(names) => (0..names.len() as u32).prop_map(Value::Enum).boxed(),
        Type::Flags(names) => (0..1u32 << names.len()).prop_map(Value::Flags).boxed(),
        Type::List(element) => {
            let ty = (**element).clone();
            prop::collection::vec(value_of(element), 0..4)
                .prop_map(move |items| Value::list_of(&ty, items))
                .boxed()
        }
        Type::Option(inner) => prop_oneof![
            Just(Value::Option(None)),
            value_of(inner).prop_map(|value| Value::Option(Some(Arc::new(value)))),
        ]
        .boxed(),
        Type::Result { ok, err } => prop_oneof![
            payload(ok.as_deref()).prop_map(|value| Value::Result(Ok(value))),
            payload(err.as_deref()).prop_map(|value| Value::Result(Err(value))),
        ]
        .boxed(),
        Type::Tuple(types) => all(types.iter())
            .prop_map(|items| Value::Tuple(items.into()))
            .boxed(),
        Type::Record(fields) => all(fields.iter().map(|field| &field.ty))
            .prop_map(|items| Value::Record(items.into()))
            .boxed(),
        Type::Variant(cases) => {
            let cases: Vec<_> = cases.iter().map(|case| payload(case.ty.as_ref())).collect();
            (0..cases.len())
                .prop_flat_map(move |case| {
                    cases[case]
                        .clone()
                        .prop_map(move |p| Value::Variant(case as u32, p))
                })
                .boxed()
        }
    }
}

fn all<'a>(types: impl Iterator<Item = &'a Type>) -> BoxedStrategy<Vec<Value>> {
    types.map(value_of).collect::<Vec<_>>().boxed()
}

fn typed() -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(|ty| {
        let value = value_of(&ty);
        (Just(ty), value)
    })
}

/// Whether the JSON form of a type tells none from some(none), or a missing payload from an absent one.
fn is_plain_in_json(ty: &Type) -> bool {
    !ty.to_string().contains("option<option<")
}

proptest! {
    #[test]
    fn a_value_survives_its_encoding((ty, value) in typed()) {
        prop_assert!(value.is_of(&ty));
        let mut bytes = Vec::new();
        encode(&value, &ty, &mut bytes);
        let found = decode(&bytes, &ty).expect("what was encoded is decoded");
        prop_assert_eq!(&found, &value);
        let print = ty.fingerprint();
        prop_assert_eq!(fingerprint(&found, &ty, &print), fingerprint(&value, &ty, &print));
        let by_hand = *blake3::keyed_hash(print.as_bytes(), &bytes).as_bytes();
        prop_assert_eq!(*fingerprint(&value, &ty, &print).as_bytes(), by_hand);
    }

    #[test]
    fn a_value_survives_its_wave_text((ty, value) in typed()) {
        let text = to_wave(&value, &ty);
        prop_assert_eq!(from_wave(&text, &ty).expect("what was written is read"), value, "{}", text);
    }

    #[test]
    fn a_value_survives_its_json((ty, value) in typed().prop_filter("one level of option", |(ty, _)| is_plain_in_json(ty))) {
        let json = to_json(&value, &ty);
        prop_assert_eq!(from_json(&json, &ty).expect("what was written is read"), value, "{}", json);
    }

    #[test]
    fn an_encoding_checks_out_when_it_is_what_its_value_is_encoded_to((ty, value) in typed(), flip in any::<(prop::sample::Index, u8)>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode(&value, &ty, &mut bytes);
        prop_assert_eq!(check_encoding(&bytes, &ty), Ok(()));
        prop_assume!(!bytes.is_empty());
        prop_assert!(check_encoding(&bytes[..cut.index(bytes.len())], &ty).is_err());
        let at = flip.0.index(bytes.len());
        bytes[at] ^= flip.1;
        let again = decode(&bytes, &ty).is_ok_and(|value| {
            let mut again = Vec::new();
            encode(&value, &ty, &mut again);
            again == bytes
        });
        prop_assert_eq!(check_encoding(&bytes, &ty).is_ok(), again);
    }

    #[test]
    fn no_bytes_break_the_decoder((ty, value) in typed(), cut in any::<prop::sample::Index>(), flip in any::<(prop::sample::Index, u8)>()) {
        let mut bytes = Vec::new();
        encode(&value, &ty, &mut bytes);
        prop_assume!(!bytes.is_empty());
        prop_assert!(decode(&bytes[..cut.index(bytes.len())], &ty).is_err());
        let at = flip.0.index(bytes.len());
        bytes[at] ^= flip.1;
        if let Ok(value) = decode(&bytes, &ty) {
            prop_assert!(value.is_of(&ty));
        }
        bytes.push(0);
        let _ = decode(&bytes, &ty);
    }
}

#[test]
fn an_odd_nan_does_not_check_out() {
    let odd = 0xfff8_0000_0000_1234u64.to_le_bytes();
    assert!(check_encoding(&odd, &Type::F64).is_err());
    let mut list = 1u32.to_le_bytes().to_vec();
    list.extend(odd);
    assert!(check_encoding(&list, &Type::list(Type::F64)).is_err());
    assert!(check_encoding(&f64::NAN.to_le_bytes(), &Type::F64).is_ok());
}

#[test]
fn all_nans_have_one_fingerprint() {
    let print = Type::F64.fingerprint();
    let odd = f64::from_bits(0xfff8_0000_0000_1234);
    let fingerprints = [odd, f64::NAN].map(|nan| fingerprint(&Value::F64(nan), &Type::F64, &print));
    assert_eq!(fingerprints[0], fingerprints[1]);
}

#[test]
fn a_result_without_a_value_is_also_read_by_its_name() {
    let ty = Type::Result {
        ok: None,
        err: Some(Type::String.into()),
    };
    let read = |json: &str| from_json(&serde_json::from_str(json).expect("it is JSON"), &ty);
    for ok in ["\"ok\"", "{\"ok\": null}"] {
        assert_eq!(read(ok), Ok(Value::Result(Ok(None))), "{ok}");
    }
    for wrong in ["\"err\"", "\"maybe\"", "{\"ok\": 1}", "{}", "null"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
