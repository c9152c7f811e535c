//! The digests of functions that call through tables, or do something with tables.

mod common;

use common::digests::{bodies, changed};

/// `f` makes an indirect call of a function of no parameters, `g` one of a function with one.
fn indirect(elements: &str) -> String {
    bodies(
        &format!(
            "(type $none (func (result i32))) (type $one (func (param i32) (result i32)))
             (table 8 8 funcref) {elements}
             (func $a (result i32) i32.const 1)
             (func $b (result i32) i32.const 2)
             (func $c (param i32) (result i32) local.get 0)
             (func $d (param i32) (result i32) i32.const 4)
             (func $e (param i64))
             (global $at (mut i32) (i32.const 0))"
        ),
        "(call_indirect (type $none) (global.get $at))",
        "(call_indirect (type $one) (i32.const 3) (global.get $at))",
    )
}

#[test]
fn an_indirect_call_reaches_what_has_its_signature() {
    let before = indirect("(elem (i32.const 0) $a $c)");
    for (after, expected) in [
        ("(elem (i32.const 0) $b $c)", "f"),
        ("(elem (i32.const 0) $a $d)", "g"),
        ("(elem (i32.const 0) $c $a)", "f g"),
        ("(elem (i32.const 1) $a $c)", "f g"),
        ("(elem (i32.const 0) $a $c $b)", "f"),
        ("(elem (i32.const 0) $a $c $e)", ""),
        ("(elem (i32.const 0) $a) (elem (i32.const 1) $c)", ""),
        ("(elem (i32.const 0) $e $c) (elem (i32.const 0) $a)", ""),
        ("(elem (i32.const 0) $a $c) (elem (i32.const 0) $e)", "f"),
        (
            "(elem (i32.const 0) funcref (ref.func $a) (ref.func $c))",
            "",
        ),
        (
            "(elem (i32.const 0) funcref (ref.null func) (ref.func $c))",
            "f",
        ),
        (
            "(elem funcref (ref.func $b)) (elem (i32.const 0) $a $c)",
            "",
        ),
    ] {
        assert_eq!(changed(&before, &indirect(after)), expected, "{after}");
    }
}

#[test]
fn the_body_of_a_function_in_a_table_counts_for_its_callers() {
    let before = indirect("(elem (i32.const 0) $a $c)");
    assert_eq!(
        changed(&before, &before.replace("i32.const 1)", "i32.const 11)")),
        "f"
    );
    assert_eq!(
        changed(
            &before,
            &before.replace(
                "(func $b (result i32) i32.const 2)",
                "(func $b (result i32) i32.const 3)"
            )
        ),
        ""
    );
}

#[test]
fn instructions_on_a_table_take_in_all_of_it() {
    let text = |elements: &str, f: &str| {
        bodies(
            &format!(
                "(type $none (func (result i32)))
                 (table $t 4 8 funcref) (table $u 4 8 funcref) {elements}
                 (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2) (func $e (param i64))
                 (elem declare func $a $b) (elem $p func $b)"
            ),
            f,
            "i32.const 0",
        )
    };
    let (one, two) = ("(elem (i32.const 0) $a)", "(elem (i32.const 0) $a $e)");
    let call = "(call_indirect $t (type $none) (i32.const 0))";
    for instructions in [
        "(table.set $t (i32.const 1) (ref.func $a))",
        "(drop (table.get $t (i32.const 1)))",
        "(drop (table.size $t))",
        "(drop (table.grow $t (ref.null func) (i32.const 1)))",
        "(table.fill $t (i32.const 1) (ref.null func) (i32.const 1))",
        "(table.copy $t $u (i32.const 1) (i32.const 1) (i32.const 1))",
        "(table.init $t $p (i32.const 1) (i32.const 0) (i32.const 1))",
    ] {
        let f = format!("{instructions} {call}");
        assert_eq!(
            changed(&text(one, &f), &text(two, &f)),
            "f",
            "{instructions}"
        );
        assert_eq!(
            changed(&text(one, call), &text(one, &f)),
            "f",
            "{instructions}"
        );
    }
    assert_eq!(changed(&text(one, call), &text(two, call)), "");
    // Another function from the segment.
    let init = format!("(table.init $t $p (i32.const 0) (i32.const 0) (i32.const 1)) {call}");
    let other = text(one, &init).replace("(elem $p func $b)", "(elem $p func $a)");
    assert_eq!(changed(&text(one, &init), &other), "f");
}

#[test]
fn two_tables_with_the_same_functions_stay_two() {
    let text = |table: &str| {
        bodies(
            "(type $none (func (result i32)))
             (table $t 4 4 funcref) (table $u 4 4 funcref)
             (elem (table $t) (i32.const 0) func $a) (elem (table $u) (i32.const 0) func $a)
             (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2)
             (elem declare func $b)",
            &format!(
                "(table.set $t (i32.const 0) (ref.func $b))
                 (call_indirect {table} (type $none) (i32.const 0))"
            ),
            "i32.const 0",
        )
    };
    assert_eq!(changed(&text("$t"), &text("$u")), "f");
}

#[test]
fn a_known_slot_of_a_table_that_nothing_changes_is_a_call() {
    let text = |elements: &str, slot: u32| {
        bodies(
            &format!(
                "(type $none (func (result i32))) (table 8 8 funcref) {elements}
                 (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2) (func $e (param i64))"
            ),
            &format!("(call_indirect (type $none) (i32.const {slot}))"),
            "i32.const 0",
        )
    };
    let before = text("(elem (i32.const 0) $a $b)", 0);
    assert_eq!(
        changed(&before, &text("(elem (i32.const 0) $e $b $a)", 2)),
        ""
    );
    assert_eq!(changed(&before, &text("(elem (i32.const 0) $a $e)", 0)), "");
    assert_eq!(
        changed(&before, &text("(elem (i32.const 0) $b $a)", 0)),
        "f"
    );
    assert_eq!(
        changed(&before, &text("(elem (i32.const 0) $e $a)", 0)),
        "f"
    );
    assert_eq!(changed(&before, &text("(elem (i32.const 1) $a)", 0)), "f");
}

#[test]
fn a_known_slot_of_a_table_that_something_changes_counts_by_its_number() {
    let text = |slot: u32| {
        bodies(
            "(type $none (func (result i32))) (table 4 4 funcref) (elem (i32.const 0) $a $b)
             (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2)",
            &format!("(call_indirect (type $none) (i32.const {slot}))"),
            "(table.set (i32.const 0) (ref.func $b)) i32.const 0",
        )
    };
    assert_eq!(changed(&text(0), &text(1)), "f");
}
