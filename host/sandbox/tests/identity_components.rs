//! The digests of functions in components of many modules and components: imports, options, instances, nesting.

mod common;

use common::digests::{changed, digests};

/// A component with `f` and `g`, which return numbers of the functions that they import from the host.
fn importing(interface: &str, import: &str, signature: &str) -> String {
    format!(
        r#"(component
            (import "{interface}" (instance $r (export "{import}" (func {signature}))))
            (core func $import (canon lower (func $r "{import}")))
            (core module $m
                (import "" "import" (func $import (result i64)))
                (func (export "f") (result i64) call $import)
                (func (export "g") (result i64) i64.const 1))
            (core instance $w (export "import" (func $import)))
            (core instance $i (instantiate $m (with "" (instance $w))))
            (func (export "f") (result u64) (canon lift (core func $i "f")))
            (func (export "g") (result u64) (canon lift (core func $i "g"))))"#
    )
}

#[test]
fn imports_count_by_name() {
    let random = importing("wasi:random/random@0.2.0", "get-random-u64", "(result u64)");
    let later = importing("wasi:random/random@0.2.1", "get-random-u64", "(result u64)");
    let insecure = importing(
        "wasi:random/insecure@0.2.0",
        "get-insecure-random-u64",
        "(result u64)",
    );
    let clock = importing("wasi:clocks/monotonic-clock@0.2.0", "now", "(result u64)");
    let resolution = importing(
        "wasi:clocks/monotonic-clock@0.2.0",
        "resolution",
        "(result u64)",
    );
    let all = [&random, &later, &insecure, &clock, &resolution];
    for (at, one) in all.iter().enumerate() {
        for (other_at, other) in all.iter().enumerate() {
            let expected = if at == other_at { "" } else { "f" };
            assert_eq!(changed(one, other), expected);
        }
    }
    // What nobody calls does not count.
    let more = random.replace(
        "(core func $import",
        r#"(import "wasi:random/insecure@0.2.0" (instance $n (export "get-insecure-random-u64" (func (result u64)))))
           (core func (canon lower (func $n "get-insecure-random-u64")))
           (core func $import"#,
    );
    assert_eq!(changed(&random, &more), "");
}

/// `f` returns a string, with every option there is; `g` a number.
fn options(realloc: u32, post_return: &str, encoding: &str, lift: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1) (data (i32.const 0) "\08\00\00\00\02\00\00\00aaaa")
                (global $freed (mut i32) (i32.const 0))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const {realloc})
                (func (export "free") (param i32) {post_return})
                (func (export "f") (param i32 i32) (result i32) i32.const 0)
                (func (export "g") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func (export "f") (param "text" string) (result string) (canon lift (core func $i "f")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")) {encoding} {lift}))
            (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
    )
}

#[test]
fn the_options_of_a_lift_count() {
    let free = r#"(post-return (core func $i "free"))"#;
    let before = options(64, "", "", free);
    for after in [
        options(128, "", "", free),
        options(64, "(global.set $freed (i32.const 1))", "", free),
        options(64, "", "string-encoding=utf16", free),
        options(64, "", "string-encoding=latin1+utf16", free),
        options(64, "", "", ""),
    ] {
        assert_eq!(changed(&before, &after), "f");
    }
    assert_eq!(
        changed(&before, &options(64, "", "string-encoding=utf8", free)),
        ""
    );
}

/// The shape that `wasm-tools component new` makes: the main module calls imports that need its memory through a shim
/// whose table is filled when they are there. The imports come in the order of `slots`.
fn shimmed(slots: &[&str], f: &str) -> String {
    use std::fmt::Write as _;
    let mut parts = [const { String::new() }; 5];
    let [shim, given, lowered, fixed, items] = &mut parts;
    for (slot, import) in slots.iter().enumerate() {
        let _ = write!(
            shim,
            r#"(func (export "{slot}") (type $t) local.get 0 local.get 1 i32.const {slot} call_indirect (type $t))"#
        );
        let _ = write!(given, r#"(export "{import}" (func $s "{slot}"))"#);
        let (interface, name) = import.split_once('#').expect("an interface");
        let short = interface
            .trim_start_matches("wasi:random/")
            .trim_end_matches("@0.2.0");
        let _ = write!(
            lowered,
            r#"(core func $l{slot} (canon lower (func ${short} "{name}") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))"#
        );
        let _ = write!(fixed, r#"(export "{slot}" (func $l{slot}))"#);
        let _ = write!(items, r#"(import "" "{slot}" (func $f{slot} (type $t)))"#);
    }
    let len = slots.len();
    let elements = (0..len).fold(String::new(), |text, slot| text + &format!(" $f{slot}"));
    format!(
        r#"(component
            (import "wasi:random/random@0.2.0" (instance $random (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
            (import "wasi:random/insecure@0.2.0" (instance $insecure (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))))
            (core module $main
                (import "i" "{RANDOM}" (func $random (param i64 i32)))
                (import "i" "{INSECURE}" (func $insecure (param i64 i32)))
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
                (func (export "f") (result i64) (call {f} (i64.const 8) (i32.const 512)) (i64.load (i32.const 1024)))
                (func (export "g") (result i64) (call $insecure (i64.const 8) (i32.const 512)) (i64.load (i32.const 1024))))
            (core module $shim
                (type $t (func (param i64 i32)))
                (table (export "$imports") {len} {len} funcref) {shim})
            (core module $fixup
                (type $t (func (param i64 i32)))
                {items} (import "" "$imports" (table {len} {len} funcref))
                (elem (i32.const 0) func{elements}))
            (core instance $s (instantiate $shim))
            (core instance $given {given})
            (core instance $m (instantiate $main (with "i" (instance $given))))
            {lowered}
            (core instance $fixed (export "$imports" (table $s "$imports")) {fixed})
            (core instance (instantiate $fixup (with "" (instance $fixed))))
            (func (export "f") (result u64) (canon lift (core func $m "f")))
            (func (export "g") (result u64) (canon lift (core func $m "g"))))"#,
        shim = parts[0],
        given = parts[1],
        lowered = parts[2],
        fixed = parts[3],
        items = parts[4],
    )
}

const RANDOM: &str = "wasi:random/random@0.2.0#get-random-bytes";
const INSECURE: &str = "wasi:random/insecure@0.2.0#get-insecure-random-bytes";

#[test]
fn imports_are_found_through_a_shim() {
    let before = shimmed(&[RANDOM, INSECURE], "$random");
    assert_eq!(
        changed(&before, &shimmed(&[RANDOM, INSECURE], "$insecure")),
        "f"
    );
    // The slots of the shim are its own affair.
    assert_eq!(
        changed(&before, &shimmed(&[INSECURE, RANDOM], "$random")),
        ""
    );
    // The wrong import in a slot.
    let swapped = before.replace("func $f0 $f1)", "func $f1 $f0)");
    assert_ne!(swapped, before);
    assert_eq!(changed(&before, &swapped), "f g");
}

/// A component within one, that exports `f` and `g` as an interface. `f` calls the host.
fn nested(f: &str, g: u32, outer: &str) -> String {
    format!(
        r#"(component
            {outer}
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (export "now" (func (result u64))) (export "resolution" (func (result u64)))))
            (component $inner
                (import "host" (instance $host
                    (export "now" (func (result u64))) (export "resolution" (func (result u64)))))
                (core func $import (canon lower (func $host "{f}")))
                (core module $m
                    (import "" "import" (func $import (result i64)))
                    (func (export "f") (result i64) call $import)
                    (func (export "g") (result i64) i64.const {g}))
                (core instance $w (export "import" (func $import)))
                (core instance $i (instantiate $m (with "" (instance $w))))
                (func (export "f") (result u64) (canon lift (core func $i "f")))
                (func (export "g") (result u64) (canon lift (core func $i "g"))))
            (instance $i (instantiate $inner (with "host" (instance $clock))))
            (export "test:nested/api" (instance $i)))"#
    )
}

#[test]
fn functions_of_components_within_are_digested_too() {
    let before = nested("now", 1, "");
    assert_eq!(
        changed(&before, &nested("resolution", 1, "")),
        "test:nested/api#f"
    );
    assert_eq!(changed(&before, &nested("now", 2, "")), "test:nested/api#g");
    let other = r#"(component $other (core module $m (func (export "f"))))"#;
    assert_eq!(changed(&before, &nested("now", 1, other)), "");
    // The same code is the same, wherever it is.
    let flat = importing("wasi:clocks/monotonic-clock@0.2.0", "now", "(result u64)");
    assert_eq!(digests(&flat)["f"], digests(&before)["test:nested/api#f"]);
}

/// A counter as a component, made twice. `f` counts in one and reads `read`, `g` only reads.
fn counters(read: &str) -> String {
    format!(
        r#"(component
            (component $counter
                (core module $m (global $n (mut i32) (i32.const 0))
                    (func (export "add") (global.set $n (i32.add (global.get $n) (i32.const 1))))
                    (func (export "get") (result i32) global.get $n))
                (core instance $i (instantiate $m))
                (func (export "add") (canon lift (core func $i "add")))
                (func (export "get") (result u32) (canon lift (core func $i "get"))))
            (instance $a (instantiate $counter))
            (instance $b (instantiate $counter))
            (core func $add (canon lower (func $a "add")))
            (core func $get-a (canon lower (func $a "get")))
            (core func $get-b (canon lower (func $b "get")))
            (core module $m
                (import "" "add" (func $add)) (import "" "a" (func $a (result i32))) (import "" "b" (func $b (result i32)))
                (func (export "f") (result i32) call $add call {read})
                (func (export "g") (result i32) call {read}))
            (core instance $w (export "add" (func $add)) (export "a" (func $get-a)) (export "b" (func $get-b)))
            (core instance $i (instantiate $m (with "" (instance $w))))
            (func (export "f") (result u32) (canon lift (core func $i "f")))
            (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
    )
}

#[test]
fn two_instances_of_a_component_stay_two() {
    // Alone, one is as good as the other.
    assert_eq!(changed(&counters("$a"), &counters("$b")), "f");
}

#[test]
fn two_instances_of_a_module_stay_two() {
    let text = |read: &str| {
        format!(
            r#"(component
                (core module $m (global $n (mut i32) (i32.const 0))
                    (func (export "add") (global.set $n (i32.add (global.get $n) (i32.const 1))))
                    (func (export "get") (result i32) global.get $n))
                (core instance $a (instantiate $m))
                (core instance $b (instantiate $m))
                (core module $main
                    (import "a" "add" (func $add)) (import "a" "get" (func $a (result i32))) (import "b" "get" (func $b (result i32)))
                    (func (export "f") (result i32) call $add call {read})
                    (func (export "g") (result i32) call {read}))
                (core instance $i (instantiate $main (with "a" (instance $a)) (with "b" (instance $b))))
                (func (export "f") (result u32) (canon lift (core func $i "f")))
                (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
        )
    };
    assert_eq!(changed(&text("$a"), &text("$b")), "f");
}

#[test]
fn what_instances_hand_each_other_counts() {
    let text = |value: u32, offset: u32, data: &str| {
        format!(
            r#"(component
                (core module $env
                    (memory (export "memory") 1) (table (export "table") 4 funcref)
                    (global (export "base") i32 (i32.const {offset}))
                    (global (export "value") i32 (i32.const {value})))
                (core module $m
                    (type $t (func (result i32)))
                    (import "env" "memory" (memory 1)) (import "env" "table" (table 4 funcref))
                    (import "env" "base" (global $base i32)) (import "env" "value" (global $value i32))
                    (data (global.get $base) "{data}")
                    (elem (i32.add (global.get $base) (i32.const 1)) func $one)
                    (func $one (result i32) i32.const 1)
                    (global $at (mut i32) (i32.const 1))
                    (func (export "f") (result i32) (call_indirect (type $t) (global.get $at)))
                    (func (export "g") (result i32) (i32.load (i32.const 1)))
                    (func (export "h") (result i32) global.get $value))
                (core instance $env (instantiate $env))
                (core instance $i (instantiate $m (with "env" (instance $env))))
                (func (export "f") (result u32) (canon lift (core func $i "f")))
                (func (export "g") (result u32) (canon lift (core func $i "g")))
                (func (export "h") (result u32) (canon lift (core func $i "h"))))"#
        )
    };
    assert_eq!(changed(&text(1, 0, "a"), &text(2, 0, "a")), "h");
    assert_eq!(changed(&text(1, 0, "a"), &text(1, 1, "a")), "f g");
    assert_eq!(changed(&text(1, 0, "a"), &text(1, 0, "b")), "g");
}

#[test]
fn start_functions_of_other_instances_count() {
    let text = |start: u32, when: &str| {
        format!(
            r#"(component
                (core module $state (memory (export "memory") 1))
                (core module $begin (import "" "memory" (memory 1))
                    (func $start (i32.store (i32.const 0) (i32.const {start}))) (start $start))
                (core module $data (import "" "memory" (memory 1)) (data (i32.const 0) "\07\00\00\00"))
                (core module $main (import "" "memory" (memory 1))
                    (func (export "f") (result i32) (i32.load (i32.const 0)))
                    (func (export "g") (result i32) i32.const 1))
                (core instance $s (instantiate $state))
                {when}
                (core instance $i (instantiate $main (with "" (instance $s))))
                (func (export "f") (result u32) (canon lift (core func $i "f")))
                (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
        )
    };
    let begin = r#"(core instance (instantiate $begin (with "" (instance $s))))"#;
    let data = r#"(core instance (instantiate $data (with "" (instance $s))))"#;
    let (first, last) = (format!("{begin}{data}"), format!("{data}{begin}"));
    assert_eq!(changed(&text(1, &first), &text(2, &first)), "f g");
    // The one writes over the other.
    assert_eq!(changed(&text(1, &first), &text(1, &last)), "f g");
}

#[test]
fn a_table_that_a_start_function_sees_half_filled_counts_whole() {
    let text = |late: &str| {
        format!(
            r#"(component
                (core module $state (type $t (func (result i32))) (table (export "table") 4 funcref)
                    (global $n (export "n") (mut i32) (i32.const 0))
                    (elem (i32.const 0) func $a)
                    (func $a (result i32) i32.const 1)
                    (func $start (global.set $n (call_indirect (type $t) (global.get $n)))) (start $start))
                (core module $late (import "" "table" (table 4 funcref)) (elem (i32.const 0) func {late})
                    (func $b (result i32) i32.const 2) (func $c (param i32)))
                (core module $main (import "" "n" (global $n (mut i32)))
                    (func (export "f") (result i32) global.get $n))
                (core instance $s (instantiate $state))
                (core instance (instantiate $late (with "" (instance $s))))
                (core instance $i (instantiate $main (with "" (instance $s))))
                (func (export "f") (result u32) (canon lift (core func $i "f"))))"#
        )
    };
    // In the end the table has no function of this signature, or another one; the start function saw `$a`.
    assert_eq!(changed(&text("$b"), &text("$c")), "f");
}
