//! Instances that are kept: what a plugin remembers of a call shows in the next one, and the limits of a call still hold.

mod common;

use common::load;
use flowstone_core::Value;
use flowstone_sandbox::{CallError, FailureKind, Limits, Plugin};

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
        let called = kept.call("next", &[]).expect("it is exported");
        assert_eq!(called, Ok(Some(Value::U32(number))));
    }
    assert!(kept.call("last", &[]).is_none());
    let mut other = plugin.keep(&Limits::default(), [0; 32]).expect("it starts");
    assert_eq!(other.call("next", &[]), Some(Ok(Some(Value::U32(1)))));
}

#[test]
fn each_call_has_its_time_and_all_have_their_memory_together() {
    let plugin = plugin();
    let few = Limits {
        time_ms_max: 50,
        memory_bytes_max: 3 << 16,
        ..Limits::default()
    };
    let kind = |called: Option<Result<Option<Value>, CallError>>| {
        called.map(|called| called.map_err(|error| error.kind))
    };
    let mut kept = plugin.keep(&few, [0; 32]).expect("it starts");
    assert_eq!(kind(kept.call("fill", &[])), Some(Ok(Some(Value::U32(1)))));
    assert_eq!(kind(kept.call("fill", &[])), Some(Ok(Some(Value::U32(2)))));
    assert_eq!(
        kind(kept.call("fill", &[])),
        Some(Err(FailureKind::OutOfMemory))
    );
    let mut kept = plugin.keep(&few, [0; 32]).expect("it starts");
    assert_eq!(kind(kept.call("next", &[])), Some(Ok(Some(Value::U32(1)))));
    assert_eq!(
        kind(kept.call("stay", &[])),
        Some(Err(FailureKind::Timeout))
    );
}
