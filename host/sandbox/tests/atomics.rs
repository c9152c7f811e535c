//! Atomic instructions, which libraries bring along that were built for threads: there is one thread, so they do what the
//! plain ones do, and nobody waits.

mod common;

use common::digests::{bodies, changed};
use common::{call_with, load, one_function};
use flowstone_core::Value;
use flowstone_sandbox::{FailureKind, Limits};

#[test]
fn they_do_what_plain_instructions_do() {
    let text = one_function(
        "(result u32)",
        r#"(func (export "f") (result i32)
            (i32.atomic.store (i32.const 8) (i32.const 40))
            (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 2)))
            atomic.fence
            (i32.add (memory.atomic.notify (i32.const 8) (i32.const 1)) (i32.atomic.load (i32.const 8))))"#,
    );
    let output = call_with(&load(&text), "f", &[], &Limits::default()).expect("it returns");
    assert_eq!(output.value, Some(Value::U32(42)));
}

#[test]
fn waiting_for_another_thread_is_a_trap() {
    let text = one_function(
        "",
        r#"(func $f (export "f") (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1))))"#,
    );
    let failed = call_with(&load(&text), "f", &[], &Limits::default()).expect_err("a failure");
    assert_eq!(failed.kind, FailureKind::Trap);
    assert_eq!(
        failed.reason,
        "the plugin trapped: atomic wait on non-shared memory, in `f`"
    );
}

#[test]
fn they_count_for_the_digest_and_so_does_the_memory_that_they_are_on() {
    let text = |memory: &str, f: &str| bodies(memory, f, "i32.const 2");
    let add = "(i32.atomic.rmw.add (i32.const 0) (i32.const 1))";
    let before = text("(memory 1)", add);
    for after in [
        text(
            "(memory 1)",
            "(i32.atomic.rmw.sub (i32.const 0) (i32.const 1))",
        ),
        text(
            "(memory 1)",
            "(i32.atomic.rmw.add offset=4 (i32.const 0) (i32.const 1))",
        ),
        text(r#"(memory 1) (data (i32.const 0) "a")"#, add),
    ] {
        assert_eq!(changed(&before, &after), "f", "{after}");
    }
    // What nobody reaches does not count.
    assert_eq!(changed(&before, &text("(memory 1) (memory $b 1)", add)), "");
}
