//! The digest of a component: what counts for it, and what does not. And what `scan` refuses.

mod common;

use common::{Dice, load, one_function, wasm};
use flowstone_core::ComponentDigest;
use flowstone_sandbox::{LoadError, scan};

fn digest(text: &str) -> ComponentDigest {
    scan(&wasm(text)).expect("a component").digest
}

/// A component with a nested component with a core module, and a place for custom sections at each level.
fn nested(outer: &str, inner: &str, module: &str, instruction: &str) -> String {
    format!(
        r#"(component
            {outer}
            (component $inner
                {inner}
                (core module $m {module} (func (export "f") (result i32) {instruction}))
                (core instance $i (instantiate $m))
                (func (export "f") (result u32) (canon lift (core func $i "f"))))
            (instance $i (instantiate $inner))
            (export "f" (func $i "f")))"#
    )
}

#[test]
fn custom_sections_do_not_count_at_any_level() {
    let plain = digest(&nested("", "", "", "i32.const 1"));
    let long = "x".repeat(300);
    for (outer, inner, module) in [
        (r#"(@custom "producers" "a")"#, "", ""),
        ("", r#"(@custom "note" "a")"#, ""),
        ("", "", r#"(@custom "note" "a")"#),
        ("", "", "(global $named i32 (i32.const 0))"),
    ] {
        let changed = digest(&nested(outer, inner, module, "i32.const 1"));
        assert_eq!(
            changed == plain,
            !module.contains("global"),
            "{outer}{inner}{module}"
        );
    }
    // Long enough that the lengths of the enclosing sections take more bytes.
    let custom = format!(r#"(@custom "note" "{long}")"#);
    assert_eq!(
        digest(&nested(&custom, &custom, &custom, "i32.const 1")),
        plain
    );
}

#[test]
fn names_do_not_count() {
    let named = |name: &str| {
        digest(&format!(
            r"(component (core module $m (func ${name} (result i32) i32.const 1) (func (result i32) call ${name})))"
        ))
    };
    assert_eq!(named("alpha"), named("beta"));
}

#[test]
fn one_instruction_counts() {
    let one = digest(&nested("", "", "", "i32.const 1"));
    assert_ne!(one, digest(&nested("", "", "", "i32.const 2")));
}

#[test]
fn the_order_of_sections_counts() {
    assert_ne!(
        digest("(component (type u8) (core module))"),
        digest("(component (core module) (type u8))")
    );
}

#[test]
fn nesting_counts() {
    assert_ne!(
        digest("(component (component) (component))"),
        digest("(component (component (component)))")
    );
}

/// The recipe is part of every memo key: when this changes, raise its number in `scan.rs`.
#[test]
fn the_digest_is_the_recorded_one() {
    let digest = digest("(component (core module))").to_string();
    assert_eq!(
        digest,
        "700ebcbe85c590f83793321ad6436ea85744394aeee43cddca5ac5d602565e86"
    );
}

#[test]
fn a_plugin_has_the_digest_that_the_scan_gave() {
    let text = one_function(
        "(result u32)",
        r#"(func (export "f") (result i32) i32.const 1)"#,
    );
    assert_eq!(load(&text).digest(), digest(&text));
}

#[test]
fn what_is_no_component_is_refused_with_advice() {
    let message = |bytes: &[u8]| scan(bytes).expect_err("no component").to_string();
    assert_eq!(
        message(&wasm("(module)")),
        "this is a core WebAssembly module, not a component; build it for the target wasm32-wasip2, \
         or make a component of it with `wasm-tools component new`"
    );
    assert_eq!(
        message(b"\n  ;; a comment\n  (component)"),
        "this is WebAssembly text, not a binary; turn it into one with `wasm-tools parse FILE -o FILE.wasm` \
         (or `wat2wasm`, for a core module)"
    );
    assert_eq!(
        message(b""),
        "this is not a WebAssembly component: the file is empty"
    );
    assert_eq!(
        message(b"#!/bin/sh"),
        "this is not a WebAssembly component: it does not start with `\\0asm`"
    );
    assert!(message(b"\0asm\x07\0\x01\0").contains("unknown version [07, 00, 01, 00]"));
    assert!(matches!(
        scan(&vec![0x61; 100 << 20]),
        Err(LoadError::NotWasm(_))
    ));
    assert!(matches!(
        scan(&vec![0; (512 << 20) + 1]),
        Err(LoadError::TooLarge { .. })
    ));
}

#[test]
fn components_nested_too_deeply_are_refused() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..1000 {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        let mut len = bytes.len();
        while len > 0x7f {
            outer.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        outer.push(len as u8);
        outer.append(&mut bytes);
        bytes = outer;
    }
    assert!(matches!(scan(&bytes), Err(LoadError::Malformed { .. })));
}

#[test]
fn damaged_components_are_errors_and_not_panics() {
    let sandbox = common::sandbox();
    let bytes = wasm(&one_function(
        r#"(param "text" string) (result string)"#,
        r#"(func (export "f") (param i32 i32) (result i32)
            (i32.store (i32.const 512) (local.get 0)) (i32.store (i32.const 516) (local.get 1)) (i32.const 512))"#,
    ));
    for end in 0..bytes.len() {
        // Cut between two sections it may still be a component, of which only names or exports are missing.
        if let Ok(plugin) = sandbox.load(&bytes[..end]) {
            let same = plugin.digest() == scan(&bytes).expect("the whole").digest;
            assert_eq!(plugin.interface().functions.len(), usize::from(same));
        }
    }
    let mut dice = Dice(7);
    for _ in 0..2000 {
        let mut damaged = bytes.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(damaged.len());
            damaged[at] ^= 1 << dice.below(8);
        }
        let _ = sandbox.load(&damaged);
    }
}
