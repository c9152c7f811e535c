//! Calls that fail, each in its own way; the host goes on.

mod common;

use std::time::{Duration, Instant};

use common::{call, call_with, limits, load, one_function, sandbox};
use flowstone_core::Value;
use flowstone_sandbox::{CallError, FailureKind, Limits, Plugin, Sandbox, SandboxConfig};

/// The failure of `f`, called without arguments.
fn failure(core: &str, limits: &Limits) -> CallError {
    let plugin = load(&one_function("", core));
    call_with(&plugin, "f", &[], limits).expect_err("a failure")
}

#[track_caller]
fn check(failed: &CallError, kind: FailureKind, reason: &str) {
    assert_eq!((failed.kind, &*failed.reason), (kind, reason));
}

#[test]
fn traps_tell_what_and_where() {
    let limits = Limits::default();
    let failed = failure(
        r#"(func $inner unreachable) (func $f (export "f") call $inner)"#,
        &limits,
    );
    check(
        &failed,
        FailureKind::Trap,
        "the plugin trapped: wasm `unreachable` instruction executed, in `inner` < `f`",
    );
    let failed = failure(
        r#"(func $f (export "f") (drop (i32.div_u (i32.const 1) (i32.const 0))))"#,
        &limits,
    );
    check(
        &failed,
        FailureKind::Trap,
        "the plugin trapped: integer divide by zero, in `f`",
    );
    let failed = failure(
        r#"(func $f (export "f") (drop (i32.load (i32.const -8))))"#,
        &limits,
    );
    check(
        &failed,
        FailureKind::Trap,
        "the plugin trapped: out of bounds memory access, in `f`",
    );
}

#[test]
fn an_endless_loop_meets_the_time_limit() {
    let started = Instant::now();
    let failed = failure(
        r#"(func $f (export "f") (loop (br 0)))"#,
        &limits(|limits| limits.time_ms_max = 50),
    );
    check(
        &failed,
        FailureKind::Timeout,
        "the plugin took longer than its time limit of 50 ms, in `f`",
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_endless_start_function_meets_the_time_limit() {
    let failed = failure(
        r#"(func $s (loop (br 0))) (start $s) (func (export "f"))"#,
        &limits(|limits| limits.time_ms_max = 50),
    );
    check(
        &failed,
        FailureKind::Timeout,
        "the plugin took longer than its time limit of 50 ms, in `s`",
    );
}

#[test]
fn an_endless_allocator_meets_the_time_limit() {
    let plugin = load(
        r#"(component
            (core module $m (memory (export "memory") 1) (func (export "f") (param i32 i32))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable))
            (core instance $i (instantiate $m))
            (func (export "f") (param "text" string) (canon lift (core func $i "f")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#,
    );
    let failed = call_with(
        &plugin,
        "f",
        &[Value::str("x")],
        &limits(|limits| limits.time_ms_max = 50),
    );
    assert_eq!(failed.expect_err("a failure").kind, FailureKind::Timeout);
}

const HOG: &str = r#"(func (export "f") (loop (drop (memory.grow (i32.const 16))) (br 0)))"#;

#[test]
fn memory_ends_at_its_limit() {
    let failed = failure(HOG, &limits(|limits| limits.memory_bytes_max = 64 << 20));
    check(
        &failed,
        FailureKind::OutOfMemory,
        "the plugin ran out of memory: it needs 64.1 MiB of memory, more than its limit of 64 MiB: \
         raise the memory limit of the plugin, or give it less at a time",
    );
}

#[test]
fn memory_ends_at_the_limit_of_the_sandbox() {
    for pooling in [true, false] {
        let mut config = SandboxConfig::for_threads(1);
        config.memory_bytes_max = 8 << 20;
        config.pooling = pooling;
        let sandbox = Sandbox::new(config).expect("a sandbox");
        let plugin = sandbox
            .load(&common::wasm(&one_function("", HOG)))
            .expect("a plugin");
        let failed = call(&plugin, "f", &[]).expect_err("a failure");
        assert_eq!(failed.kind, FailureKind::OutOfMemory);
        assert!(
            failed.reason.contains("more than its limit of 8 MiB"),
            "{}",
            failed.reason
        );
    }
}

#[test]
fn a_first_memory_over_the_limit_is_out_of_memory() {
    let failed = failure(
        r#"(func (export "f"))"#,
        &limits(|limits| limits.memory_bytes_max = 65536),
    );
    assert_eq!(failed.kind, FailureKind::OutOfMemory);
    assert!(
        failed
            .reason
            .contains("it needs 128 KiB of memory, more than its limit of 64 KiB"),
        "{}",
        failed.reason
    );
}

#[test]
fn a_module_may_reach_its_own_memory_limit() {
    let plugin = load(
        r#"(component
            (core module $m (memory 1 2) (func (export "f") (result i32) (memory.grow (i32.const 5))))
            (core instance $i (instantiate $m))
            (func (export "f") (result s32) (canon lift (core func $i "f"))))"#,
    );
    assert_eq!(
        call(&plugin, "f", &[]).expect("a result").value,
        Some(Value::S32(-1))
    );
}

#[test]
fn tables_end_at_their_limit() {
    let failed = failure(
        r#"(table $t 1 funcref)
           (func (export "f") (loop (drop (table.grow $t (ref.null func) (i32.const 10000))) (br 0)))"#,
        &Limits::default(),
    );
    assert_eq!(failed.kind, FailureKind::OutOfMemory);
    assert!(
        failed
            .reason
            .contains("more than the 131072 that a plugin may have"),
        "{}",
        failed.reason
    );
}

#[test]
fn deep_recursion_is_a_stack_overflow() {
    let failed = failure(r#"(func $f (export "f") call $f)"#, &Limits::default());
    check(
        &failed,
        FailureKind::StackOverflow,
        "the plugin used up its stack, most likely by endless recursion, in `f`",
    );
}

/// A function that returns a list: its address and length, after growing the memory to that.
fn list(ty: &str, len: u32, fill: &str) -> Plugin {
    load(&one_function(
        &format!("(result {ty})"),
        &format!(
            r#"(func (export "f") (result i32)
                (drop (memory.grow (i32.const 1024)))
                {fill}
                (i32.store (i32.const 512) (i32.const 1024))
                (i32.store (i32.const 516) (i32.const {len}))
                (i32.const 512))"#
        ),
    ))
}

#[test]
fn results_end_at_their_limit() {
    let too_large =
        "the plugin's result is larger than its limit of 1 MiB: return less, or raise the limit";
    let small = limits(|limits| limits.result_bytes_max = 1 << 20);
    for (ty, len) in [
        ("(list u8)", 2 << 20),
        ("string", 2 << 20),
        ("(list f64)", 1 << 18),
        ("(list bool)", 100_000),
    ] {
        let failed = call_with(&list(ty, len, ""), "f", &[], &small).expect_err("a failure");
        check(&failed, FailureKind::ResultTooLarge, too_large);
    }
    // The default takes what wasmtime's own default does not.
    let output = call(&list("(list bool)", 8_000_000, ""), "f", &[]).expect("a result");
    assert!(matches!(output.value, Some(Value::List(items)) if items.len() == 8_000_000));
    // Small limits, below what imports need, hold too.
    let tiny = limits(|limits| limits.result_bytes_max = 1000);
    let failed = call_with(&list("(list u8)", 1000, ""), "f", &[], &tiny).expect_err("a failure");
    assert_eq!(failed.kind, FailureKind::ResultTooLarge);
    assert!(call_with(&list("(list u8)", 900, ""), "f", &[], &tiny).is_ok());
}

#[test]
fn a_result_that_names_the_same_bytes_many_times_is_bounded() {
    // 100 000 lists of 1 MiB each, all the same bytes.
    let fill = "(local $n i32) (local.set $n (i32.const 0))
        (loop $next
            (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $n) (i32.const 8))) (i32.const 0))
            (i32.store (i32.add (i32.const 1028) (i32.mul (local.get $n) (i32.const 8))) (i32.const 1048576))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 100000))))";
    let text = list("(list (list u8))", 100_000, "");
    drop(text);
    let plugin = load(&one_function(
        "(result (list (list u8)))",
        &format!(
            r#"(func (export "f") (result i32) {}
                (i32.store (i32.const 512) (i32.const 1024))
                (i32.store (i32.const 516) (i32.const 100000))
                (i32.const 512))"#,
            fill.replacen(
                "(local.set $n (i32.const 0))",
                "(drop (memory.grow (i32.const 1024)))",
                1
            )
        ),
    ));
    let failed = call(&plugin, "f", &[]).expect_err("a failure");
    assert_eq!(failed.kind, FailureKind::ResultTooLarge);
}

#[test]
fn invalid_results_are_traps() {
    let returned = |signature: &str, core: &str| {
        let failed = call(&load(&one_function(signature, core)), "f", &[]).expect_err("a failure");
        assert_eq!(failed.kind, FailureKind::Trap, "{}", failed.reason);
        failed.reason
    };
    let pair = |at: i64, len: i64| {
        format!(
            r#"(data (i32.const 1024) "ab\ffcd") (func (export "f") (result i32)
                (i32.store (i32.const 512) (i32.const {at})) (i32.store (i32.const 516) (i32.const {len}))
                (i32.const 512))"#
        )
    };
    let constant = |value: i64| format!(r#"(func (export "f") (result i32) (i32.const {value}))"#);
    let cases = [
        (
            "(result string)",
            pair(1024, 5),
            "a string is not UTF-8 after its byte 2",
        ),
        (
            "(result string)",
            pair(-1, 5),
            "a string is outside of memory",
        ),
        (
            "(result (list u32))",
            pair(1024, 1 << 30),
            "a list of 1073741824 elements is outside of memory",
        ),
        (
            "(result (list u32))",
            pair(1025, 1),
            "a list's address is not aligned",
        ),
        (
            "(result (list char))",
            pair(1024, 1),
            "0x63ff6261 is no character",
        ),
        (
            "(result (option string))",
            pair(9, 5),
            "it is case 9 of a type that has 2 cases",
        ),
        (
            "(result (tuple u32 u32))",
            constant(510),
            "the result's address is not aligned",
        ),
        (
            "(result (tuple u32 u32))",
            constant(-8),
            "the result is outside of memory",
        ),
        ("(result char)", constant(0xd800), "0xd800 is no character"),
        (
            "(result (result))",
            constant(2),
            "it is case 2 of a type that has 2 cases",
        ),
    ];
    for (signature, core, reason) in cases {
        assert_eq!(
            returned(signature, &core),
            format!("the plugin returned an invalid result: {reason}")
        );
    }
}

#[test]
fn arguments_that_do_not_fit_are_told() {
    let plugin = load(&one_function(
        r#"(param "bytes" (list u8))"#,
        r#"(func (export "f") (param i32 i32))"#,
    ));
    let small = limits(|limits| limits.memory_bytes_max = 1 << 20);
    let failed =
        call_with(&plugin, "f", &[Value::bytes(vec![0; 2 << 20])], &small).expect_err("a failure");
    check(
        &failed,
        FailureKind::ArgumentTooLarge,
        "the arguments do not fit: they have 2 MiB, and the plugin's memory limit is 1 MiB: \
         raise the limit, or give it less at a time",
    );
    let failed =
        call_with(&plugin, "f", &[Value::bytes(vec![0; 1 << 20])], &small).expect_err("a failure");
    assert_eq!(failed.kind, FailureKind::ArgumentTooLarge);
    assert!(
        failed.reason.contains("more than its limit of 1 MiB"),
        "{}",
        failed.reason
    );
}

#[test]
fn arguments_of_the_wrong_type_are_told() {
    let plugin = load(&one_function(
        r#"(param "count" u32)"#,
        r#"(func (export "f") (param i32))"#,
    ));
    let failed = call(&plugin, "f", &[Value::U64(1)]).expect_err("a failure");
    check(
        &failed,
        FailureKind::ArgumentMismatch,
        "the argument `count` of `f` is no u32",
    );
    let failed = call(&plugin, "f", &[]).expect_err("a failure");
    check(
        &failed,
        FailureKind::ArgumentMismatch,
        "`f` takes 1 arguments, not 0",
    );
}

#[test]
fn after_each_failure_the_next_call_is_fine() {
    let plugin = load(&one_function(
        r#"(param "way" u32) (result u32)"#,
        r#"(func $f (export "f") (param i32) (result i32)
            (if (i32.eq (local.get 0) (i32.const 0)) (then (return (i32.const 42))))
            (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))
            (if (i32.eq (local.get 0) (i32.const 2)) (then (loop (br 0))))
            (if (i32.eq (local.get 0) (i32.const 3)) (then (loop (drop (memory.grow (i32.const 99))) (br 0))))
            (call $f (local.get 0)))"#,
    ));
    let limits = limits(|limits| limits.time_ms_max = 20);
    let kinds = [
        FailureKind::Trap,
        FailureKind::Timeout,
        FailureKind::OutOfMemory,
        FailureKind::StackOverflow,
    ];
    for _ in 0..3 {
        for (way, kind) in kinds.into_iter().enumerate() {
            let failed = call_with(&plugin, "f", &[Value::U32(way as u32 + 1)], &limits)
                .expect_err("a failure");
            assert_eq!(failed.kind, kind);
            let output = call_with(&plugin, "f", &[Value::U32(0)], &limits).expect("a result");
            assert_eq!(output.value, Some(Value::U32(42)));
        }
    }
    assert!(sandbox().is_pooling() || cfg!(not(target_pointer_width = "64")));
}
