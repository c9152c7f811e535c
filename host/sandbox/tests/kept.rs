//! Instances that are kept: what a plugin remembers of a call shows in the next one, and the limits of a call still hold.

mod common;

use common::load;
use flowstone_core::Value;
use flowstone_sandbox::{Callable, FailureKind, Kept, Limits, Plugin};

/// `next` counts its calls. `stay` never ends; `fill` takes a page of memory each time.
fn plugin() -> Plugin {
    load(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (global $calls (mut i32) (i32.const 0))
                (func (export "next") (result i32)
                    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                    (global.get $calls))
                (func (export "stay") (loop $ever (br $ever)))
                (func (export "fill") (result i32) (memory.grow (i32.const 1))))
            (core instance $i (instantiate $m))
            (func (export "next") (result u32) (canon lift (core func $i "next")))
            (func (export "stay") (canon lift (core func $i "stay")))
            (func (export "fill") (result u32) (canon lift (core func $i "fill"))))"#,
    )
}

#[test]
fn a_kept_instance_remembers_and_a_fresh_one_does_not() {
    let plugin = plugin();
    let next = plugin.function("next").expect("it is exported");
    for _ in 0..2 {
        let output = next
            .call(&[], &Limits::default(), [0; 32])
            .expect("it gives a number");
        assert_eq!(output.value, Some(Value::U32(1)));
    }
    let mut kept = plugin.keep(&Limits::default(), [0; 32]).expect("it starts");
    for number in 1..4 {
        let called = kept.call(&next, &[], [0; 32]);
        assert_eq!(
            called.map(|output| output.value),
            Ok(Some(Value::U32(number)))
        );
    }
    let mut other = next.keep(&Limits::default(), [0; 32]).expect("it starts");
    let called = other.call(&next, &[], [0; 32]);
    assert_eq!(called.map(|output| output.value), Ok(Some(Value::U32(1))));
}

#[test]
fn another_plugins_function_is_refused() {
    let (plugin, other) = (plugin(), load("(component)"));
    let next = plugin.function("next").expect("it is exported");
    let mut kept = other.keep(&Limits::default(), [0; 32]).expect("it starts");
    let refused = kept.call(&next, &[], [0; 32]).expect_err("it is another's");
    assert_eq!(refused.kind, FailureKind::Host);
}

#[test]
fn each_call_has_its_time_and_all_have_their_memory_together() {
    let plugin = plugin();
    let few = Limits {
        time_ms_max: 50,
        memory_bytes_max: 3 << 16,
        ..Limits::default()
    };
    let [next, stay, fill] =
        ["next", "stay", "fill"].map(|name| plugin.function(name).expect("it is exported"));
    let call = |kept: &mut Kept<'_>, function: &Callable| {
        let called = kept.call(function, &[], [0; 32]);
        called
            .map(|output| output.value)
            .map_err(|error| error.kind)
    };
    let mut kept = plugin.keep(&few, [0; 32]).expect("it starts");
    assert_eq!(call(&mut kept, &fill), Ok(Some(Value::U32(1))));
    assert_eq!(call(&mut kept, &fill), Ok(Some(Value::U32(2))));
    assert_eq!(call(&mut kept, &fill), Err(FailureKind::OutOfMemory));
    let mut kept = plugin.keep(&few, [0; 32]).expect("it starts");
    assert_eq!(call(&mut kept, &next), Ok(Some(Value::U32(1))));
    assert_eq!(call(&mut kept, &stay), Err(FailureKind::Timeout));
}

#[test]
fn small_results_and_wrong_arguments_are_told_as_in_a_fresh_instance() {
    let plugin = load(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "list") (param i32) (result i32)
                    (i32.store (i32.const 0) (i32.const 16))
                    (i32.store (i32.const 4) (local.get 0))
                    (i32.const 0)))
            (core instance $i (instantiate $m))
            (func (export "list") (param "count" u32) (result (list u8))
                (canon lift (core func $i "list") (memory (core memory $i "memory")))))"#,
    );
    let tiny = Limits {
        result_bytes_max: 1000,
        ..Limits::default()
    };
    let list = plugin.function("list").expect("it is exported");
    let failed = |args: &[Value]| {
        let mut kept = plugin.keep(&tiny, [0; 32]).expect("it starts");
        let kept = kept.call(&list, args, [0; 32]).expect_err("it fails");
        let fresh = list.call(args, &tiny, [0; 32]).expect_err("it fails");
        assert_eq!((kept.kind, &kept.reason), (fresh.kind, &fresh.reason));
        kept
    };
    let large = failed(&[Value::U32(1000)]);
    assert_eq!(large.kind, FailureKind::ResultTooLarge);
    let wrong = failed(&[Value::Bool(true)]);
    assert_eq!(wrong.reason, "the argument `count` of `list` is no u32");
    let none = failed(&[]);
    assert_eq!(none.reason, "`list` takes 1 arguments, not 0");
}
