//! Code for some functions of a component: less is compiled, and a call does what it does otherwise.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use common::program::Program;
use common::{Dice, call, limits, sandbox, wasm};
use flowstone_core::Value;
use flowstone_sandbox::{CallError, Extent, LoadError, Output, Plugin};

fn only(functions: &[&str]) -> Extent {
    Extent::Only(functions.iter().map(|name| (*name).to_owned()).collect())
}

/// Two functions: `small`, and `large`, which needs a hundred others. A start function sets what both give.
fn two() -> Vec<u8> {
    let mut functions = String::new();
    for number in 0..100 {
        let body = "i32.const 3 i32.mul i32.const 5 i32.rotl ".repeat(20);
        let _ = writeln!(
            functions,
            "(func $f{number} (param i32) (result i32)
                local.get 0 i32.const {number} i32.add {body})"
        );
    }
    let mut calls = String::new();
    for number in 0..100 {
        let _ = write!(calls, "call $f{number} ");
    }
    wasm(&format!(
        r#"(component
            (core module $m
                (global $g (mut i32) (i32.const 0))
                {functions}
                (func $init (global.set $g (i32.const 7)))
                (start $init)
                (func (export "small") (result i32) global.get $g)
                (func (export "large") (result i32) global.get $g {calls}))
            (core instance $i (instantiate $m))
            (func (export "small") (result u32) (canon lift (core func $i "small")))
            (func (export "large") (result u32) (canon lift (core func $i "large"))))"#
    ))
}

fn value(plugin: &Plugin, function: &str) -> Option<Value> {
    call(plugin, function, &[]).expect("a result").value
}

#[test]
fn what_a_function_does_not_reach_is_not_compiled() {
    let (sandbox, bytes) = (sandbox(), two());
    let all = sandbox.load(&bytes).expect("a plugin");
    let small = sandbox.load_for(&bytes, &only(&["small"]));
    let small = small.expect("a plugin");
    assert_eq!(small.extent(), &only(&["small"]));
    assert_eq!(
        (small.digest(), small.interface()),
        (all.digest(), all.interface())
    );
    assert_eq!(value(&small, "small"), Some(Value::U32(7)));
    assert_eq!(value(&all, "small"), Some(Value::U32(7)));
    assert!(small.function("large").is_none(), "its code is not there");
    let bytes_of = |plugin: &Plugin| plugin.compiled().expect("code").len();
    assert!(bytes_of(&small) < bytes_of(&all) / 2);
}

#[test]
fn where_most_is_needed_all_is_compiled() {
    let (sandbox, bytes) = (sandbox(), two());
    for functions in [&["large"][..], &["large", "small"]] {
        let plugin = sandbox
            .load_for(&bytes, &only(functions))
            .expect("a plugin");
        assert_eq!(plugin.extent(), &Extent::All);
        assert_eq!(value(&plugin, "small"), Some(Value::U32(7)));
    }
    // Of a function that is not there nothing is known.
    let plugin = sandbox
        .load_for(&bytes, &only(&["other"]))
        .expect("a plugin");
    assert_eq!(plugin.extent(), &Extent::All);
}

#[test]
fn code_that_was_kept_is_for_the_functions_that_it_was_compiled_for() {
    let (sandbox, bytes) = (sandbox(), two());
    let small = sandbox
        .load_for(&bytes, &only(&["small"]))
        .expect("a plugin");
    let none = sandbox.load_for(&bytes, &only(&[])).expect("a plugin");
    for part in [&small, &none] {
        let code = part.compiled().expect("code");
        let refused = sandbox.load_compiled(&bytes, &Extent::All, &code, &blake3::hash(&code));
        assert!(matches!(refused, Err(LoadError::Stale(_))));
    }
    let code = small.compiled().expect("code");
    let hash = blake3::hash(&code);
    let load = |extent: &Extent| sandbox.load_compiled(&bytes, extent, &code, &hash);
    let again = load(small.extent()).expect("the same plugin");
    assert_eq!(value(&again, "small"), Some(Value::U32(7)));
    assert!(again.function("large").is_none());
    for other in [
        Extent::All,
        only(&["large"]),
        only(&["large", "small"]),
        only(&[]),
    ] {
        assert!(
            matches!(load(&other), Err(LoadError::Stale(_))),
            "{other:?}"
        );
    }
}

#[test]
fn labels_tell_extents_apart() {
    assert_eq!(Extent::All.label(), None);
    let extents = [
        only(&[]),
        only(&["ab"]),
        only(&["a", "b"]),
        only(&["a"]),
        only(&["b"]),
    ];
    let labels: BTreeSet<String> = extents.iter().filter_map(Extent::label).collect();
    assert_eq!(labels.len(), extents.len());
    assert!(labels.iter().all(|label| label.len() == 16));
}

#[test]
fn a_component_is_described_without_its_code() {
    let (sandbox, bytes) = (sandbox(), two());
    let all = sandbox.load(&bytes).expect("a plugin");
    assert_eq!(
        &sandbox.describe(&bytes).expect("a description"),
        all.interface()
    );

    // A body that is not valid is refused in the same words, although it is not compiled.
    let broken = wasm(
        r#"(component
            (core module $m (func (export "f") (result i32) i64.const 1))
            (core instance $i (instantiate $m))
            (func (export "f") (result u32) (canon lift (core func $i "f"))))"#,
    );
    let refused = sandbox
        .describe(&broken)
        .err()
        .map(|error| error.to_string());
    let said = sandbox.load(&broken).err().map(|error| error.to_string());
    assert_eq!(refused, said);
    let refused = refused.unwrap_or_default();
    assert!(refused.contains("type mismatch"), "{refused}");
}

/// What a call came to, without what depends on a limit.
fn outcome(called: Result<Output, CallError>) -> Result<Option<Value>, String> {
    match called {
        Ok(output) => Ok(output.value),
        Err(error) => Err(format!("{:?}", error.kind)),
    }
}

#[test]
fn a_call_does_what_it_does_with_all_code() {
    let (sandbox, mut reduced) = (sandbox(), 0);
    let limits = limits(|limits| limits.time_ms_max = 50);
    for seed in 0..150 {
        let bytes = wasm(&Program::roll(&mut Dice(seed)).text(&mut Dice(0)));
        let all = sandbox.load(&bytes).expect("a plugin");
        for function in &all.interface().functions {
            let part = sandbox
                .load_for(&bytes, &only(&[&function.name]))
                .expect("a plugin");
            if part.extent() == &Extent::All {
                continue;
            }
            reduced += 1;
            for input in [0, 1, 6, 35, 1000, 0xffff_fff0] {
                let arguments: Vec<Value> =
                    function.params.iter().map(|_| Value::U32(input)).collect();
                let run = |plugin: &Plugin| {
                    let callable = plugin.function(&function.name).expect("a function");
                    outcome(callable.call(&arguments, &limits, [0; 32]))
                };
                assert_eq!(run(&part), run(&all), "seed {seed}, {}", function.name);
            }
        }
    }
    assert!(
        reduced > 50,
        "only {reduced} of the functions could do with less"
    );
}
