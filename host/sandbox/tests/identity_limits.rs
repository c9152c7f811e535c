//! What function digests do with hostile components, and where they fall back to the whole component.

mod common;

use std::fmt::Write as _;

use common::digests::{changed, digests};
use common::{Dice, one_function, wasm};
use flowstone_sandbox::{IDENTITY_VERSION, function_digests};

/// The recipe is part of every memo key: when this changes, raise `IDENTITY_VERSION`.
#[test]
fn the_digests_are_the_recorded_ones() {
    let text = r#"(component
        (import "wasi:random/random@0.2.0" (instance $r (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (core module $libc (memory (export "memory") 1 2) (data (i32.const 4) "abc") (data $p "def")
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            (func (export "init") (memory.init $p (i32.const 0) (i32.const 0) (i32.const 1))))
        (core instance $l (instantiate $libc))
        (core func $random (canon lower (func $r "get-random-bytes") (memory (core memory $l "memory")) (realloc (core func $l "realloc"))))
        (core module $m
            (import "l" "memory" (memory 1)) (import "l" "init" (func $init)) (import "l" "random" (func $random (param i64 i32)))
            (type $t (func (param i32) (result i32)))
            (table 4 funcref) (elem (i32.const 1) $h $h) (elem $e funcref (ref.func $h) (ref.null func))
            (global $g (mut i32) (i32.const 5))
            (func $h (type $t) (local.get 0) (block (type $t) (br_if 0 (i32.const 1)) drop (i32.load8_u offset=4 (i32.const 0))))
            (func (export "f") (param i32 i32) (result i32) (local v128 f64)
                (call $random (i64.const 1) (i32.const 0))
                (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))
                (call_indirect (type $t) (global.get $g) (local.get 0)))
            (func (export "g") (result i32) (call_indirect (type $t) (i32.const 7) (i32.const 2)))
            (func (export "h") (param i32 i32 i32 i32 i32 i32 i32 i32) unreachable)
            (func $start call $init) (start $start))
        (core instance $x (export "memory" (memory $l "memory")) (export "init" (func $l "init")) (export "random" (func $random)))
        (core instance $i (instantiate $m (with "l" (instance $x))))
        (type $flags (flags "p" "q")) (export $fl "flags" (type $flags))
        (type $record (record (field "a" (list string)) (field "b" (option (result u8 (error (tuple f32 char)))))))
        (type $variant (variant (case "x" $fl) (case "y")))
        (export $r2 "record" (type $record))
        (export $v2 "variant" (type $variant))
        (func (export "h") (param "a" $r2) (param "b" $v2) (canon lift (core func $i "h")
            (memory (core memory $l "memory")) (realloc (core func $l "realloc"))))
        (func (export "f") (param "text" string) (result (tuple u8 u8)) (canon lift (core func $i "f")
            (memory (core memory $l "memory")) (realloc (core func $l "realloc"))))
        (func (export "g") (result u32) (canon lift (core func $i "g"))))"#;
    let digests = digests(text);
    assert_eq!(IDENTITY_VERSION, 1);
    let recorded: Vec<String> = digests
        .iter()
        .map(|(name, digest)| format!("{name} {digest}"))
        .collect();
    assert_eq!(
        recorded,
        [
            "f 072f086a9c87647ca2ba43d9de9d38fc73cb938598a4a6a1496dc433a329c3b8",
            "g 8a51e53348431b9181bdc68d776e807c3f01043c6a5014ee5bc83df78547322e",
            "h 1f85665e5801e3742f5f32f1a7064a2ec4e231308615f5db54e90a5e0b8b413f",
        ]
    );
}

#[test]
fn what_the_whole_component_stands_for_differs_by_name() {
    // The segment does not fit, so nothing in the component can run, whatever it is.
    let text = |sibling: u32| {
        format!(
            r#"(component
                (core module $m (memory 1) (data (i32.const 65535) "ab")
                    (func (export "f") (result i32) i32.const 1) (func (export "g") (result i32) i32.const {sibling}))
                (core instance $i (instantiate $m))
                (func (export "f") (result u32) (canon lift (core func $i "f")))
                (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
        )
    };
    assert_eq!(changed(&text(1), &text(2)), "f g");
    let both = digests(&text(1));
    assert_ne!(both["f"], both["g"]);
    // With a segment that fits, they are what they are.
    let fits = |sibling| text(sibling).replace("65535", "65534");
    assert_eq!(changed(&fits(1), &fits(2)), "g");
    assert_eq!(changed(&text(1), &fits(1)), "f g");
}

#[test]
fn exports_without_end_are_digested_in_the_end() {
    // 100 functions that call each other, and 40 000 exports that reach all of them.
    let mut module = String::new();
    for at in 0..100 {
        let next = (at + 1) % 100;
        let _ = write!(
            module,
            "(func $f{at} (result i32) (if (i32.const 0) (then (drop (call $f{next})))) (i32.const {at}))"
        );
    }
    let mut exports = String::new();
    for at in 0..40_000 {
        let _ = write!(exports, r#"(export "f{at}" (func $f))"#);
    }
    let text = format!(
        r#"(component
            (core module $m {module} (export "f" (func $f0)))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            {exports})"#
    );
    let digests = function_digests(&wasm(&text)).expect("a component");
    assert_eq!(digests.len(), 40_000);
}

#[test]
fn components_that_double_are_given_up() {
    let mut text = String::from(
        r#"(component $c0 (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $i "f"))))"#,
    );
    for at in 1..40 {
        let inner = at - 1;
        let _ = write!(
            text,
            r#"(component $c{at} (alias outer 1 $c{inner} (component $inner))
                (instance $a (instantiate $inner)) (instance $b (instantiate $inner)) (export "f" (func $b "f")))"#
        );
    }
    let doubling = |sibling: u32| {
        format!(
            r#"(component {text} (instance $i (instantiate $c39)) (export "f" (func $i "f"))
                (core module (func (result i32) i32.const {sibling})))"#
        )
    };
    let digest = |sibling| function_digests(&wasm(&doubling(sibling))).expect("a component")["f"];
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2), "it is that of the whole component");
}

#[test]
fn components_that_are_made_one_in_another_do_not_fill_the_stack() {
    let mut text = String::from(
        r#"(component $c0 (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $i "f"))))"#,
    );
    for at in 1..900 {
        let inner = at - 1;
        let _ = write!(
            text,
            r#"(component $c{at} (alias outer 1 $c{inner} (component $inner))
                (instance $a (instantiate $inner)) (export "f" (func $a "f")))"#
        );
    }
    let deep = format!(
        r#"(component {text} (instance $i (instantiate $c899)) (export "f" (func $i "f")))"#
    );
    let flat = r#"(component (core module $m (func (export "f") (result i32) i32.const 1))
        (core instance $i (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $i "f"))))"#;
    let digest = |text: &str| function_digests(&wasm(text)).expect("a component")["f"];
    assert_eq!(
        digest(&deep),
        digest(flat),
        "the same code, as deep as it may be"
    );
}

#[test]
fn damaged_components_have_no_digests_or_some_but_no_panic() {
    let bytes = wasm(&one_function(
        r#"(param "text" string) (result string)"#,
        r#"(table 4 funcref) (elem (i32.const 1) $g) (data (i32.const 8) "abc") (global $n (mut i32) (i32.const 2))
           (func $g (result i32) (i32.load (global.get $n)))
           (func (export "f") (param i32 i32) (result i32)
            (i32.store (i32.const 512) (local.get 0)) (drop (call_indirect (result i32) (i32.const 1))) (i32.const 512))"#,
    ));
    assert_eq!(function_digests(&bytes).expect("a component").len(), 1);
    for end in 0..bytes.len() {
        let _ = function_digests(&bytes[..end]);
    }
    let mut dice = Dice(11);
    for _ in 0..5000 {
        let mut damaged = bytes.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(damaged.len());
            damaged[at] ^= 1 << dice.below(8);
        }
        let _ = function_digests(&damaged);
    }
}

#[test]
fn what_is_no_component_is_refused() {
    assert!(function_digests(b"").is_err());
    assert!(function_digests(&wasm("(module)")).is_err());
}

#[test]
fn an_instance_that_is_declared_with_less_shows_all_that_it_has() {
    let digests = digests(
        r#"(component
            (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (instance $all (export "f" (func $f)) (export "g" (func $f)))
            (export "a:b/all" (instance $all))
            (export "a:b/some" (instance $all) (instance (export "f" (func (result u32))))))"#,
    );
    let names: Vec<&str> = digests.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["a:b/all#f", "a:b/all#g", "a:b/some#f", "a:b/some#g"]
    );
    assert_eq!(digests["a:b/all#f"], digests["a:b/some#f"]);
}
