//! The digests of functions that work with resources: those of the host, and those of the component itself.

mod common;

use common::digests::changed;

#[test]
fn resources_of_the_host_count_by_name_also_within_components() {
    let text = |sleep: &str, sibling: u32| {
        format!(
            r#"(component
                (import "wasi:io/poll@0.2.0" (instance $poll
                    (export "pollable" (type $p (sub resource)))
                    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
                (alias export $poll "pollable" (type $pollable))
                (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                    (alias outer 1 $pollable (type $p))
                    (export "pollable" (type $q (eq $p)))
                    (export "now" (func (result u64)))
                    (export "subscribe-instant" (func (param "when" u64) (result (own $q))))
                    (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
                (component $inner
                    (import "poll" (instance $poll
                        (export "pollable" (type $p (sub resource)))
                        (export "[method]pollable.block" (func (param "self" (borrow $p))))))
                    (alias export $poll "pollable" (type $pollable))
                    (import "clock" (instance $clock
                        (alias outer 1 $pollable (type $p))
                        (export "pollable" (type $q (eq $p)))
                        (export "subscribe-instant" (func (param "when" u64) (result (own $q))))
                        (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
                    (core func $block (canon lower (func $poll "[method]pollable.block")))
                    (core func $sleep (canon lower (func $clock "{sleep}")))
                    (core func $drop (canon resource.drop $pollable))
                    (core instance $w (export "block" (func $block)) (export "sleep" (func $sleep)) (export "drop" (func $drop)))
                    (core module $m
                        (import "" "block" (func $block (param i32))) (import "" "sleep" (func $sleep (param i64) (result i32)))
                        (import "" "drop" (func $drop (param i32)))
                        (func (export "f") (result i32) (local i32)
                            (local.set 0 (call $sleep (i64.const 1))) (call $block (local.get 0)) (call $drop (local.get 0))
                            i32.const 1)
                        (func (export "g") (result i32) i32.const {sibling}))
                    (core instance $i (instantiate $m (with "" (instance $w))))
                    (func (export "f") (result u32) (canon lift (core func $i "f")))
                    (func (export "g") (result u32) (canon lift (core func $i "g"))))
                (instance $i (instantiate $inner (with "poll" (instance $poll)) (with "clock" (instance $clock))))
                (alias export $i "f" (func $f))
                (alias export $i "g" (func $g))
                (export "f" (func $f))
                (export "g" (func $g)))"#
        )
    };
    let before = text("subscribe-duration", 1);
    assert_eq!(changed(&before, &text("subscribe-instant", 1)), "f");
    assert_eq!(changed(&before, &text("subscribe-duration", 2)), "g");
}

#[test]
fn resources_of_the_component_itself_take_in_all_of_it() {
    let text = |sibling: u32| {
        format!(
            r#"(component
                (type $r (resource (rep i32)))
                (core func $new (canon resource.new $r))
                (core func $drop (canon resource.drop $r))
                (core instance $w (export "new" (func $new)) (export "drop" (func $drop)))
                (core module $m (import "" "new" (func $new (param i32) (result i32))) (import "" "drop" (func $drop (param i32)))
                    (func (export "f") (result i32) (call $drop (call $new (i32.const 1))) i32.const 1)
                    (func (export "g") (result i32) i32.const {sibling})
                    (func (export "h") (result i32) i32.const 3))
                (core instance $i (instantiate $m (with "" (instance $w))))
                (func (export "f") (result u32) (canon lift (core func $i "f")))
                (func (export "g") (result u32) (canon lift (core func $i "g")))
                (func (export "h") (result u32) (canon lift (core func $i "h"))))"#
        )
    };
    assert_eq!(changed(&text(1), &text(2)), "f g");
}
