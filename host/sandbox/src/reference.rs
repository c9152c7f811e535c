//! Tests that values cross the boundary as wasmtime's own dynamic `Val` has them: the same function is called both
//! ways, with values of random types, and must get and give the same.

use std::fmt::Write as _;
use std::sync::Arc;

use flowstone_core::{Case, Field, Type, Value};
use wasmtime::Store;
use wasmtime::component::Val;

use crate::clock::Deadline;
use crate::host::Host;
use crate::{Limits, Sandbox, SandboxConfig, World};

/// A memory, and an allocator that only moves on.
const ALLOCATOR: &str = r#"
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 16384))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and
            (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
            (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))))
        (memory.copy (local.get $at) (local.get $old)
            (select (local.get $size) (local.get $old_size)
                (i32.lt_u (local.get $size) (local.get $old_size))))
        (local.get $at))
"#;

/// `SplitMix64`: enough to choose test cases, and the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn random_type(dice: &mut Dice, depth: usize) -> Type {
    let scalars = [
        Type::Bool,
        Type::S8,
        Type::U8,
        Type::S16,
        Type::U16,
        Type::S32,
        Type::U32,
        Type::S64,
        Type::U64,
        Type::F32,
        Type::F64,
        Type::Char,
        Type::String,
    ];
    let choice = dice.below(if depth == 0 { 13 } else { 22 });
    if let Some(scalar) = scalars.get(choice) {
        return scalar.clone();
    }
    let maybe =
        |dice: &mut Dice| (dice.below(3) > 0).then(|| Arc::new(random_type(dice, depth - 1)));
    let count = 1 + dice.below(4);
    match choice {
        13 | 14 => Type::list(random_type(dice, depth - 1)),
        15 => Type::option(random_type(dice, depth - 1)),
        16 => Type::Result {
            ok: maybe(dice),
            err: maybe(dice),
        },
        17 => Type::Tuple((0..count).map(|_| random_type(dice, depth - 1)).collect()),
        18 => Type::Record(
            (0..count)
                .map(|n| Field {
                    name: format!("f{n}").into(),
                    ty: random_type(dice, depth - 1),
                })
                .collect(),
        ),
        19 => Type::Variant(
            (0..count)
                .map(|n| Case {
                    name: format!("c{n}").into(),
                    ty: maybe(dice).map(|ty| (*ty).clone()),
                })
                .collect(),
        ),
        20 => Type::Enum(
            (0..[2, 5, 300][dice.below(3)])
                .map(|n| format!("e{n}").into())
                .collect(),
        ),
        _ => Type::Flags(
            (0..[1, 9, 17, 32][dice.below(4)])
                .map(|n| format!("b{n}").into())
                .collect(),
        ),
    }
}

fn random_value(dice: &mut Dice, ty: &Type) -> Value {
    let random = dice.next();
    let mut inner = |ty: &Arc<Type>| Arc::new(random_value(dice, ty));
    match ty {
        Type::Bool => Value::Bool(random.is_multiple_of(2)),
        Type::S8 => Value::S8(random as i8),
        Type::U8 => Value::U8(random as u8),
        Type::S16 => Value::S16(random as i16),
        Type::U16 => Value::U16(random as u16),
        Type::S32 => Value::S32(random as i32),
        Type::U32 => Value::U32(random as u32),
        Type::S64 => Value::S64(random as i64),
        Type::U64 => Value::U64(random),
        Type::F32 => Value::F32(random as i32 as f32 / 8.0),
        Type::F64 => Value::F64(random as i64 as f64 / 8.0),
        Type::Char => Value::Char(char::from_u32(random as u32 % 0x11_0000).unwrap_or('x')),
        Type::String => Value::str(["", "a", "Grüße, 世界", "🦀\0\n"][random as usize % 4]),
        Type::List(element) => {
            let len = [0, 1, 3, 40][random as usize % 4];
            match (&**element, element.number_width()) {
                (Type::U8, _) => Value::bytes((0..len).map(|n| n as u8).collect::<Vec<_>>()),
                (Type::F32 | Type::F64, Some(width)) => {
                    Value::Packed((0..len * width).map(|n| (n % 0x3f) as u8).collect())
                }
                (_, Some(width)) => {
                    Value::Packed((0..len * width).map(|n| (n * 37) as u8).collect())
                }
                (_, None) => Value::List(
                    (0..len.min(5))
                        .map(|_| random_value(dice, element))
                        .collect(),
                ),
            }
        }
        Type::Option(ty) => Value::Option((!random.is_multiple_of(3)).then(|| inner(ty))),
        Type::Result { ok, .. } if random.is_multiple_of(2) => {
            Value::Result(Ok(ok.as_ref().map(inner)))
        }
        Type::Result { err, .. } => Value::Result(Err(err.as_ref().map(inner))),
        Type::Tuple(types) => Value::Tuple(types.iter().map(|ty| random_value(dice, ty)).collect()),
        Type::Record(fields) => Value::Record(
            fields
                .iter()
                .map(|field| random_value(dice, &field.ty))
                .collect(),
        ),
        Type::Variant(cases) => {
            let case = random as usize % cases.len();
            Value::Variant(
                case as u32,
                cases[case]
                    .ty
                    .as_ref()
                    .map(|ty| Arc::new(random_value(dice, ty))),
            )
        }
        Type::Enum(names) => Value::Enum((random % names.len() as u64) as u32),
        Type::Flags(names) => Value::Flags((random % (1u64 << names.len())) as u32),
    }
}

/// Defines a type in component text, and gives the name it has there.
fn define(ty: &Type, text: &mut String, count: &mut usize) -> String {
    let mut part = |ty: &Type| define(ty, text, count);
    let (body, named) = match ty {
        Type::List(element) => (format!("(list {})", part(element)), false),
        Type::Option(inner) => (format!("(option {})", part(inner)), false),
        Type::Result { ok, err } => {
            let ok = ok.as_ref().map_or_else(String::new, |ty| part(ty));
            let err = err
                .as_ref()
                .map_or_else(String::new, |ty| format!("(error {})", part(ty)));
            (format!("(result {ok} {err})"), false)
        }
        Type::Tuple(types) => (
            format!(
                "(tuple {})",
                types.iter().map(part).collect::<Vec<_>>().join(" ")
            ),
            false,
        ),
        Type::Record(fields) => {
            let fields = fields
                .iter()
                .map(|field| format!("(field \"{}\" {})", field.name, part(&field.ty)));
            (
                format!("(record {})", fields.collect::<Vec<_>>().join(" ")),
                true,
            )
        }
        Type::Variant(cases) => {
            let cases = cases.iter().map(|case| {
                format!(
                    "(case \"{}\" {})",
                    case.name,
                    case.ty.as_ref().map_or_else(String::new, &mut part)
                )
            });
            (
                format!("(variant {})", cases.collect::<Vec<_>>().join(" ")),
                true,
            )
        }
        Type::Enum(names) => (format!("(enum {})", quoted(names)), true),
        Type::Flags(names) => (format!("(flags {})", quoted(names)), true),
        scalar => return scalar.to_string(),
    };
    *count += 1;
    let _ = writeln!(text, "(type $t{count} {body})");
    if !named {
        return format!("$t{count}");
    }
    let _ = writeln!(text, "(export $e{count} \"t{count}\" (type $t{count}))");
    format!("$e{count}")
}

fn quoted(names: &[Arc<str>]) -> String {
    names
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(" ")
}

fn to_val(value: &Value, ty: &Type) -> Val {
    let boxed = |value: &Option<Arc<Value>>, ty: Option<&Type>| {
        value
            .as_ref()
            .map(|value| Box::new(to_val(value, ty.expect("a payload has a type"))))
    };
    match (value, ty) {
        (Value::Bool(v), _) => Val::Bool(*v),
        (Value::S8(v), _) => Val::S8(*v),
        (Value::U8(v), _) => Val::U8(*v),
        (Value::S16(v), _) => Val::S16(*v),
        (Value::U16(v), _) => Val::U16(*v),
        (Value::S32(v), _) => Val::S32(*v),
        (Value::U32(v), _) => Val::U32(*v),
        (Value::S64(v), _) => Val::S64(*v),
        (Value::U64(v), _) => Val::U64(*v),
        (Value::F32(v), _) => Val::Float32(*v),
        (Value::F64(v), _) => Val::Float64(*v),
        (Value::Char(v), _) => Val::Char(*v),
        (Value::Str(v), _) => Val::String(v.to_string()),
        (Value::Bytes(bytes), _) => Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect()),
        (Value::Packed(bytes), Type::List(element)) => {
            let width = element.number_width().expect("packed elements are numbers");
            Val::List(
                bytes
                    .chunks_exact(width)
                    .map(|bytes| number_to_val(bytes, element))
                    .collect(),
            )
        }
        (Value::List(items), Type::List(element)) => {
            Val::List(items.iter().map(|item| to_val(item, element)).collect())
        }
        (Value::Record(items), Type::Record(fields)) => Val::Record(
            items
                .iter()
                .zip(fields.iter())
                .map(|(item, field)| (field.name.to_string(), to_val(item, &field.ty)))
                .collect(),
        ),
        (Value::Tuple(items), Type::Tuple(types)) => Val::Tuple(
            items
                .iter()
                .zip(types.iter())
                .map(|(item, ty)| to_val(item, ty))
                .collect(),
        ),
        (Value::Variant(case, payload), Type::Variant(cases)) => {
            let case = &cases[*case as usize];
            Val::Variant(case.name.to_string(), boxed(payload, case.ty.as_ref()))
        }
        (Value::Enum(case), Type::Enum(names)) => Val::Enum(names[*case as usize].to_string()),
        (Value::Flags(bits), Type::Flags(names)) => Val::Flags(
            names
                .iter()
                .enumerate()
                .filter(|(n, _)| bits >> n & 1 == 1)
                .map(|(_, name)| name.to_string())
                .collect(),
        ),
        (Value::Option(inner), Type::Option(ty)) => Val::Option(boxed(inner, Some(ty))),
        (Value::Result(Ok(inner)), Type::Result { ok, .. }) => {
            Val::Result(Ok(boxed(inner, ok.as_deref())))
        }
        (Value::Result(Err(inner)), Type::Result { err, .. }) => {
            Val::Result(Err(boxed(inner, err.as_deref())))
        }
        (value, ty) => panic!("{value:?} is not of type {ty}"),
    }
}

fn number_to_val(bytes: &[u8], ty: &Type) -> Val {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    match ty {
        Type::S8 => Val::S8(bits as i8),
        Type::S16 => Val::S16(bits as i16),
        Type::U16 => Val::U16(bits as u16),
        Type::S32 => Val::S32(bits as i32),
        Type::U32 => Val::U32(bits as u32),
        Type::S64 => Val::S64(bits as i64),
        Type::U64 => Val::U64(bits),
        Type::F32 => Val::Float32(f32::from_bits(bits as u32)),
        Type::F64 => Val::Float64(f64::from_bits(bits)),
        ty => panic!("{ty} is no number"),
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig::for_threads(1)).expect("a sandbox")
}

/// Calls `f` of a component in text both ways.
fn both_ways(sandbox: &Sandbox, text: &str, args: &[(Value, Type)], result: &Type) -> (Value, Val) {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let plugin = sandbox
        .load(&bytes)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let function = plugin.function("f").expect("the function");
    assert_eq!(
        function.function().result.as_ref(),
        Some(result),
        "the description of the result"
    );
    for (param, (_, ty)) in function.function().params.iter().zip(args) {
        assert_eq!(param.ty, *ty, "the description of a parameter");
    }
    let values = args
        .iter()
        .map(|(value, _)| value.clone())
        .collect::<Vec<_>>();
    let ours = function
        .call(&values, &Limits::default(), [0; 32])
        .expect("the call")
        .value
        .expect("a result");

    let limits = Limits::default();
    let deadline = Deadline::new(&limits, &Arc::default(), false);
    let mut store = Store::new(
        sandbox.engine(),
        Host::new(&limits, World::default(), deadline, &Arc::default()),
    );
    store.set_epoch_deadline(1_000_000);
    let component = wasmtime::component::Component::from_binary(sandbox.engine(), &bytes)
        .expect("the component");
    let instance = sandbox
        .linker()
        .instantiate(&mut store, &component)
        .expect("the instance");
    let f = instance.get_func(&mut store, "f").expect("the function");
    let vals = args
        .iter()
        .map(|(value, ty)| to_val(value, ty))
        .collect::<Vec<_>>();
    let mut theirs = [Val::Bool(false)];
    f.call(&mut store, &vals, &mut theirs)
        .expect("the dynamic call");
    let [theirs] = theirs;
    (ours, theirs)
}

#[test]
fn values_of_random_types_pass_through_memory_as_they_are() {
    let (sandbox, mut dice) = (sandbox(), Dice(1));
    for _ in 0..150 {
        // With 17 more parts the parameters no longer fit core values: they go through memory, and the function gets
        // and returns their address.
        let inner = random_type(&mut dice, 3);
        let ty = Type::Tuple(
            [inner]
                .into_iter()
                .chain(std::iter::repeat_n(Type::U8, 17))
                .collect(),
        );
        let (mut types, mut count) = (String::new(), 0);
        let name = define(&ty, &mut types, &mut count);
        let text = format!(
            r#"(component {types}
                (core module $m {ALLOCATOR} (func (export "f") (param i32) (result i32) local.get 0))
                (core instance $i (instantiate $m))
                (func (export "f") (param "x" {name}) (result {name})
                    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
        );
        let value = random_value(&mut dice, &ty);
        assert!(value.is_of(&ty), "the test's own values");
        let (ours, theirs) = both_ways(&sandbox, &text, &[(value.clone(), ty.clone())], &ty);
        assert_eq!(ours, value, "{ty}");
        assert_eq!(theirs, to_val(&value, &ty), "{ty}");
    }
}

/// The core types of a value, as the canonical ABI flattens it.
fn flatten(ty: &Type) -> Vec<&'static str> {
    let joined = |cases: Vec<Vec<&'static str>>| {
        let mut flat = vec!["i32"];
        for case in cases {
            for (n, core) in case.into_iter().enumerate() {
                match flat.get(n + 1).copied() {
                    None => flat.push(core),
                    Some(other) if other == core => {}
                    Some("i32" | "f32") if matches!(core, "i32" | "f32") => flat[n + 1] = "i32",
                    Some(_) => flat[n + 1] = "i64",
                }
            }
        }
        flat
    };
    match ty {
        Type::S64 | Type::U64 => vec!["i64"],
        Type::F32 => vec!["f32"],
        Type::F64 => vec!["f64"],
        Type::String | Type::List(_) => vec!["i32", "i32"],
        Type::Tuple(types) => types.iter().flat_map(flatten).collect(),
        Type::Record(fields) => fields.iter().flat_map(|field| flatten(&field.ty)).collect(),
        Type::Option(inner) => joined(vec![flatten(inner)]),
        Type::Result { ok, err } => joined(
            [ok, err]
                .into_iter()
                .map(|ty| ty.as_deref().map_or(vec![], flatten))
                .collect(),
        ),
        Type::Variant(cases) => joined(
            cases
                .iter()
                .map(|case| case.ty.as_ref().map_or(vec![], flatten))
                .collect(),
        ),
        _ => vec!["i32"],
    }
}

#[test]
fn values_of_random_types_flatten_to_the_same_core_values() {
    let (sandbox, mut dice) = (sandbox(), Dice(2));
    let mut tried = 0;
    while tried < 150 {
        let types = (0..=dice.below(3))
            .map(|_| random_type(&mut dice, 2))
            .collect::<Vec<_>>();
        let core = types.iter().flat_map(flatten).collect::<Vec<_>>();
        if core.len() > 16 {
            continue;
        }
        tried += 1;
        let (mut text, mut count) = (String::new(), 0);
        let params = types
            .iter()
            .map(|ty| define(ty, &mut text, &mut count))
            .collect::<Vec<_>>();
        let params = params
            .iter()
            .enumerate()
            .map(|(n, name)| format!("(param \"p{n}\" {name})"));
        let params = params.collect::<Vec<_>>().join(" ");
        // The function returns its core values as a list<u64>.
        let stores = core.iter().enumerate().map(|(n, core)| {
            let value = match *core {
                "i32" => format!("(i64.extend_i32_u (local.get {n}))"),
                "f32" => format!("(i64.extend_i32_u (i32.reinterpret_f32 (local.get {n})))"),
                "f64" => format!("(i64.reinterpret_f64 (local.get {n}))"),
                _ => format!("(local.get {n})"),
            };
            format!("(i64.store (i32.const {}) {value})", 1024 + 8 * n)
        });
        let body = stores.collect::<Vec<_>>().join("\n");
        let text = format!(
            r#"(component {text}
                (core module $m {ALLOCATOR} (func (export "f") (param {}) (result i32)
                    {body}
                    (i32.store (i32.const 512) (i32.const 1024))
                    (i32.store (i32.const 516) (i32.const {}))
                    (i32.const 512)))
                (core instance $i (instantiate $m))
                (func (export "f") {params} (result (list u64))
                    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#,
            core.join(" "),
            core.len(),
        );
        let args = types
            .iter()
            .map(|ty| (random_value(&mut dice, ty), ty.clone()))
            .collect::<Vec<_>>();
        let result = Type::list(Type::U64);
        let (ours, theirs) = both_ways(&sandbox, &text, &args, &result);
        assert_eq!(to_val(&ours, &result), theirs, "{types:?}");
    }
}

#[test]
fn results_of_one_core_value_are_read_as_they_are() {
    let sandbox = sandbox();
    let pair = Type::Tuple([Type::S16].into_iter().collect());
    let colours = Type::Enum(["red", "green", "blue"].map(Arc::from).into());
    let bits = Type::Flags(["a", "b", "c"].map(Arc::from).into());
    let cases = [
        (Type::Bool, "i32", "7", Value::Bool(true)),
        (Type::S8, "i32", "0xff", Value::S8(-1)),
        (Type::U8, "i32", "0x101", Value::U8(1)),
        (Type::U16, "i32", "-1", Value::U16(65535)),
        (Type::S64, "i64", "-5", Value::S64(-5)),
        (Type::F32, "f32", "1.5", Value::F32(1.5)),
        (Type::F64, "f64", "-0.0", Value::F64(-0.0)),
        (Type::Char, "i32", "0x1f980", Value::Char('🦀')),
        (pair, "i32", "-2", Value::Tuple([Value::S16(-2)].into())),
        (colours, "i32", "2", Value::Enum(2)),
        (bits, "i32", "0xfd", Value::Flags(5)),
        (
            Type::Result {
                ok: None,
                err: None,
            },
            "i32",
            "1",
            Value::Result(Err(None)),
        ),
    ];
    for (ty, core, constant, value) in cases {
        let (mut types, mut count) = (String::new(), 0);
        let name = define(&ty, &mut types, &mut count);
        let text = format!(
            r#"(component {types}
                (core module $m (func (export "f") (result {core}) ({core}.const {constant})))
                (core instance $i (instantiate $m))
                (func (export "f") (result {name}) (canon lift (core func $i "f"))))"#
        );
        let (ours, theirs) = both_ways(&sandbox, &text, &[], &ty);
        assert_eq!(ours, value, "{ty}");
        assert_eq!(theirs, to_val(&value, &ty), "{ty}");
    }
}

#[test]
fn strings_cross_in_every_encoding() {
    let sandbox = sandbox();
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        for text in ["", "plain", "Grüße", "世界 🦀"] {
            let component = format!(
                r#"(component
                    (core module $m {ALLOCATOR} (func (export "f") (param i32 i32) (result i32)
                        (i32.store (i32.const 512) (local.get 0))
                        (i32.store (i32.const 516) (local.get 1))
                        (i32.const 512)))
                    (core instance $i (instantiate $m))
                    (func (export "f") (param "text" string) (result string) (canon lift (core func $i "f")
                        string-encoding={encoding} (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
            );
            let (ours, theirs) = both_ways(
                &sandbox,
                &component,
                &[(Value::str(text), Type::String)],
                &Type::String,
            );
            assert_eq!(ours, Value::str(text), "{encoding}");
            assert_eq!(theirs, Val::String(text.to_owned()), "{encoding}");
        }
    }
}
