//! The digests of functions: what counts for one, and what does not.

mod common;

use common::digests::{bodies, changed, digests, two};

#[test]
fn a_sibling_does_not_count() {
    let before = bodies("", "i32.const 1", "i32.const 2");
    assert_eq!(
        changed(&before, &bodies("", "i32.const 1", "i32.const 3")),
        "g"
    );
    let added = bodies(
        "(func (result i64) i64.const 5)",
        "i32.const 1",
        "i32.const 2",
    );
    assert_eq!(changed(&before, &added), "");
    let reordered = two(r#"(func (export "g") (result i32) i32.const 2)
           (func (export "f") (result i32) i32.const 1)"#);
    assert_eq!(changed(&before, &reordered), "");
}

#[test]
fn the_name_of_a_function_does_not_count() {
    let text = bodies("", "i32.const 1", "i32.const 1");
    let both = digests(&text);
    assert_eq!(both["f"], both["g"]);
    let renamed = digests(
        &text
            .replace(r#"export "f""#, r#"export "h""#)
            .replace(r#"$i "f""#, r#"$i "h""#),
    );
    assert_eq!(renamed["h"], both["f"]);
}

#[test]
fn names_of_parameters_do_not_count_and_types_do() {
    let text = |param: &str| {
        format!(
            r#"(component
                (core module $m (func (export "f") (param i32) (result i32) local.get 0))
                (core instance $i (instantiate $m))
                (func (export "f") (param {param}) (result u32) (canon lift (core func $i "f"))))"#
        )
    };
    assert_eq!(changed(&text(r#""a" u32"#), &text(r#""b" u32"#)), "");
    assert_eq!(changed(&text(r#""a" u32"#), &text(r#""a" u16"#)), "f");
}

#[test]
fn a_callee_counts_for_all_that_reach_it() {
    let text = |constant: u32| {
        bodies(
            &format!(
                "(func $far (result i32) i32.const {constant})
                 (func $near (result i32) call $far)
                 (func $other (result i32) i32.const 7)"
            ),
            "call $near",
            "call $other",
        )
    };
    assert_eq!(changed(&text(1), &text(2)), "f");
}

#[test]
fn a_cycle_of_calls_counts_whole() {
    let text = |constant: u32| {
        bodies(
            &format!(
                "(func $even (param i32) (result i32)
                    (if (result i32) (local.get 0)
                        (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const {constant}))))
                 (func $odd (param i32) (result i32)
                    (if (result i32) (local.get 0)
                        (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))"
            ),
            "(call $odd (i32.const 5))",
            "i32.const 9",
        )
    };
    assert_eq!(changed(&text(1), &text(2)), "f");
}

#[test]
fn which_of_two_functions_is_called_counts() {
    let rest = "(func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2)";
    let text = |f: &str| bodies(rest, f, "i32.const 0");
    assert_eq!(
        changed(
            &text("(i32.sub (call $a) (call $b))"),
            &text("(i32.sub (call $b) (call $a))")
        ),
        "f"
    );
}

#[test]
fn data_counts_for_those_that_use_the_memory() {
    let text = |memory: &str| bodies(memory, "(i32.load (i32.const 0))", "i32.const 2");
    let before = text(r#"(memory 1) (data (i32.const 0) "abcd")"#);
    for after in [
        r#"(memory 1) (data (i32.const 0) "abce")"#,
        r#"(memory 1) (data (i32.const 1) "abcd")"#,
        r#"(memory 1 1) (data (i32.const 0) "abcd")"#,
        r#"(memory 2) (data (i32.const 0) "abcd")"#,
        r#"(memory 1) (data (i32.const 0) "abcd") (data (i32.const 2) "e")"#,
    ] {
        assert_eq!(changed(&before, &text(after)), "f", "{after}");
    }
    // Nobody reads a passive segment.
    let passive = r#"(memory 1) (data (i32.const 0) "abcd") (data "e")"#;
    assert_eq!(changed(&before, &text(passive)), "");
}

#[test]
fn passive_segments_count_for_those_that_read_them() {
    let text = |data: &str| {
        bodies(
            &format!(r#"(memory 1) (data $a "{data}") (data $b "zz")"#),
            "(memory.init $a (i32.const 0) (i32.const 0) (i32.const 2)) (i32.load (i32.const 0))",
            "(memory.init $b (i32.const 0) (i32.const 0) (i32.const 2)) (i32.load (i32.const 0))",
        )
    };
    assert_eq!(changed(&text("ab"), &text("ac")), "f");
}

#[test]
fn two_memories_with_the_same_contents_stay_two() {
    let text = |load: &str| {
        bodies(
            "(memory $a 1) (memory $b 1)",
            &format!("(i32.store $a (i32.const 0) (i32.const 7)) (i32.load {load} (i32.const 0))"),
            "i32.const 0",
        )
    };
    assert_eq!(changed(&text("$a"), &text("$b")), "f");
}

#[test]
fn globals_count_with_their_values() {
    let text = |value: u32, mutable: &str| {
        bodies(
            &format!("(global $other i64 (i64.const 3)) (global $g {mutable} (i32.const {value}))"),
            "global.get $g",
            "i32.const 1",
        )
    };
    assert_eq!(changed(&text(1, "i32"), &text(2, "i32")), "f");
    assert_eq!(changed(&text(1, "i32"), &text(1, "(mut i32)")), "f");
    let reordered = bodies(
        "(global $g i32 (i32.const 1)) (global $other i64 (i64.const 3))",
        "global.get $g",
        "i32.const 1",
    );
    assert_eq!(changed(&text(1, "i32"), &reordered), "");
}

#[test]
fn two_globals_with_the_same_value_stay_two() {
    let text = |get: &str| {
        bodies(
            "(global $a (mut i32) (i32.const 0)) (global $b (mut i32) (i32.const 0))",
            &format!("(global.set $a (i32.const 5)) (global.get {get})"),
            "i32.const 1",
        )
    };
    assert_eq!(changed(&text("$a"), &text("$b")), "f");
}

#[test]
fn what_is_used_again_counts() {
    let rest = "(global $a (mut i32) (i32.const 0)) (global $b (mut i32) (i32.const 0))
        (func $set (global.set $a (i32.const 5))) (func $set-b (global.set $b (i32.const 6)))
        (func $get-a (result i32) global.get $a) (func $get-b (result i32) global.get $b)
        (func $one (result i32) i32.const 1) (func $two (result i32) i32.const 2)";
    let set = "(global.set $a (i32.const 5)) (global.set $b (i32.const 6))";
    for (f, after) in [
        // The third use in a body is that of the first or the second.
        (
            format!("{set} (global.get $a)"),
            format!("{set} (global.get $b)"),
        ),
        (
            "(i32.sub (i32.mul (call $one) (call $two)) (call $one))".to_owned(),
            "(i32.sub (i32.mul (call $one) (call $two)) (call $two))".to_owned(),
        ),
        // What one function sets is what the other gets, or not.
        (
            "call $set call $set-b call $get-a".to_owned(),
            "call $set call $set-b call $get-b".to_owned(),
        ),
    ] {
        let (before, after) = (
            bodies(rest, &f, "i32.const 0"),
            bodies(rest, &after, "i32.const 0"),
        );
        assert_eq!(changed(&before, &after), "f", "{f}");
    }
}

#[test]
fn start_functions_count_for_all() {
    let text = |start: u32| {
        bodies(
            &format!(
                "(global $g (mut i32) (i32.const 0))
                 (func $set (global.set $g (i32.const {start}))) (start $set)"
            ),
            "global.get $g",
            "i32.const 1",
        )
    };
    assert_eq!(changed(&text(1), &text(2)), "f g");
}

#[test]
fn types_count_by_structure() {
    let text = |types: &str| {
        two(&format!(
            r#"{types}
               (func (export "f") (type $a) (block (type $a) (i32.const 1)))
               (func (export "g") (type $a) (call_indirect (type $b) (i32.const 1) (i32.const 1)))
               (table 1 funcref)"#
        ))
    };
    let (a, b) = (
        "(type $a (func (result i32)))",
        "(type $b (func (param i32) (result i32)))",
    );
    let before = text(&format!("{a} {b}"));
    assert_eq!(
        changed(&before, &text(&format!("{b} (type (func)) {a}"))),
        ""
    );
    assert_eq!(
        changed(
            &before,
            &text(&format!(
                "{a} (type $b (func (param i32) (result i32))) (type $c (func (result i32)))"
            ))
        ),
        ""
    );
}

#[test]
fn names_and_other_custom_sections_do_not_count() {
    let text = |name: &str, custom: &str| {
        format!(
            r#"(component {custom}
                (core module $m {custom}
                    (func ${name} (export "f") (param $p{name} i32) (result i32) local.get $p{name}))
                (core instance $i (instantiate $m))
                (func (export "f") (param "a" u32) (result u32) (canon lift (core func $i "f"))))"#
        )
    };
    let before = text("a", "");
    assert_eq!(changed(&before, &text("b", "")), "");
    assert_eq!(
        changed(&before, &text("a", r#"(@custom "producers" "x")"#)),
        ""
    );
}

#[test]
fn locals_and_instructions_count() {
    for (f, after) in [
        ("(local i32) i32.const 1", "(local i64) i32.const 1"),
        (
            "(i32.add (i32.const 1) (i32.const 2))",
            "(i32.sub (i32.const 1) (i32.const 2))",
        ),
        (
            "(block (br 0)) i32.const 1",
            "(block (block (br 1))) i32.const 1",
        ),
        (
            "(block (block (br 0))) i32.const 1",
            "(block (block (br 1))) i32.const 1",
        ),
        (
            "(i32.load offset=4 (i32.const 0))",
            "(i32.load offset=8 (i32.const 0))",
        ),
        ("(i32.load8_u (i32.const 0))", "(i32.load8_s (i32.const 0))"),
        (
            "(select (i32.const 1) (i32.const 2) (i32.const 3))",
            "(select (result i32) (i32.const 1) (i32.const 2) (i32.const 3))",
        ),
        (
            "(i32x4.extract_lane 1 (v128.load32_lane 0 (i32.const 0) (v128.const i32x4 1 2 3 4)))",
            "(i32x4.extract_lane 1 (v128.load32_lane 1 (i32.const 0) (v128.const i32x4 1 2 3 4)))",
        ),
        ("i32.const 1", "unreachable"),
        ("(call $a)", "(return_call $a)"),
    ] {
        let rest = "(memory 1) (func $a (result i32) i32.const 1)";
        let text = |f: &str| bodies(rest, f, "i32.const 0");
        assert_eq!(changed(&text(f), &text(after)), "f", "{f}");
    }
}
