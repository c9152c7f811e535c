//! Instances: fresh for each call, from many threads, pooled or not; and compiled code that is kept.

mod common;

use common::{Dice, call, call_with, limits, load, one_function, wasm};
use flowstone_core::Value;
use flowstone_sandbox::{Extent, FailureKind, Limits, LoadError, Sandbox, SandboxConfig};

const COUNTER: &str = r#"(global $count (mut i32) (i32.const 0))
    (func (export "f") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store (i32.const 100) (i32.add (i32.load (i32.const 100)) (i32.const 1)))
        (i32.add (global.get $count) (i32.load (i32.const 100))))"#;

#[test]
fn no_state_is_left_between_calls() {
    let plugin = load(&one_function("(result u32)", COUNTER));
    for _ in 0..20 {
        assert_eq!(
            call(&plugin, "f", &[]).expect("a result").value,
            Some(Value::U32(2))
        );
    }
}

#[test]
fn no_state_is_left_where_memory_is_reused() {
    // Dirties 8 MiB, and says whether any of them was dirty before.
    let plugin = load(&one_function(
        "(result u32)",
        r#"(func (export "f") (result i32) (local $at i32) (local $seen i32)
            (drop (memory.grow (i32.const 126)))
            (loop $next
                (local.set $seen (i32.or (local.get $seen) (i32.load (local.get $at))))
                (i32.store (local.get $at) (i32.const -1))
                (local.set $at (i32.add (local.get $at) (i32.const 1024)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 8388608))))
            (local.get $seen))"#,
    ));
    for _ in 0..10 {
        let output = call(&plugin, "f", &[]).expect("a result");
        assert_eq!(output.value, Some(Value::U32(0)));
        assert_eq!(output.memory_bytes_peak, 128 * 65536);
    }
}

fn sandbox(threads: usize, pooling: bool) -> Sandbox {
    let mut config = SandboxConfig::for_threads(threads);
    config.pooling = pooling;
    let sandbox = Sandbox::new(config).expect("a sandbox");
    assert_eq!(sandbox.is_pooling(), pooling);
    sandbox
}

#[test]
fn calls_from_many_threads_wait_for_their_turn() {
    let bytes = wasm(&one_function(
        r#"(param "n" u64) (param "bad" bool) (result u64)"#,
        r#"(func (export "f") (param i64 i32) (result i64)
            (if (local.get 1) (then unreachable)) (i64.mul (local.get 0) (i64.const 3)))"#,
    ));
    for pooling in [true, false] {
        // Fewer turns than threads: the pool has no room for more calls at a time.
        let plugin = sandbox(2, pooling).load(&bytes).expect("a plugin");
        let f = plugin.function("f").expect("the function");
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let f = f.clone();
                scope.spawn(move || {
                    for n in 0..150 {
                        let (n, bad) = (n * 10 + thread, n % 7 == 0);
                        let outcome = f.call(
                            &[Value::U64(n), Value::Bool(bad)],
                            &Limits::default(),
                            [0; 32],
                        );
                        match outcome {
                            Ok(output) => {
                                assert_eq!((output.value, bad), (Some(Value::U64(n * 3)), false));
                            }
                            Err(failed) => {
                                assert_eq!((failed.kind, bad), (FailureKind::Trap, true));
                            }
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn the_time_limit_holds_on_all_threads_and_after_rest() {
    let bytes = wasm(&one_function("", r#"(func (export "f") (loop (br 0)))"#));
    let plugin = sandbox(3, true).load(&bytes).expect("a plugin");
    let limits = limits(|limits| limits.time_ms_max = 30);
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let failed = call_with(&plugin, "f", &[], &limits).expect_err("a failure");
                    assert_eq!(failed.kind, FailureKind::Timeout);
                });
            }
        });
    }
}

#[test]
fn a_plugin_outlives_its_sandbox_value() {
    let plugin = sandbox(1, false)
        .load(&wasm(&one_function("(result u32)", COUNTER)))
        .expect("a plugin");
    assert_eq!(
        call(&plugin, "f", &[]).expect("a result").value,
        Some(Value::U32(2))
    );
}

#[test]
fn without_address_space_memory_is_taken_on_demand() {
    // More than a process can address.
    let sandbox = Sandbox::new(SandboxConfig::for_threads(1 << 20)).expect("a sandbox");
    assert!(!sandbox.is_pooling());
    let plugin = sandbox
        .load(&wasm(&one_function("(result u32)", COUNTER)))
        .expect("a plugin");
    assert_eq!(
        call(&plugin, "f", &[]).expect("a result").value,
        Some(Value::U32(2))
    );
}

#[test]
fn compiled_code_is_loaded_again() {
    let bytes = wasm(&one_function("(result u32)", COUNTER));
    let (first, second) = (sandbox(1, true), sandbox(1, true));
    assert_eq!(first.compatibility(), second.compatibility());
    assert_eq!(first.compatibility().len(), 32);
    let compiled = first.load(&bytes).expect("a plugin");
    let (interface, digest, code) = (
        compiled.interface(),
        compiled.digest(),
        compiled.compiled().expect("code"),
    );
    let plugin = second
        .load_compiled(&bytes, &Extent::All, &code, &blake3::hash(&code))
        .expect("the same plugin");
    assert_eq!((plugin.interface(), plugin.digest()), (interface, digest));
    assert_eq!(
        call(&plugin, "f", &[]).expect("a result").value,
        Some(Value::U32(2))
    );
}

#[test]
fn compiled_code_that_was_changed_is_refused() {
    let sandbox = common::sandbox();
    let bytes = wasm(&one_function("(result u32)", COUNTER));
    let code = sandbox
        .load(&bytes)
        .expect("a plugin")
        .compiled()
        .expect("code");
    let expected = blake3::hash(&code);
    let mut dice = Dice(3);
    for _ in 0..50 {
        let mut tampered = code.clone();
        tampered[dice.below(code.len())] ^= 1 << dice.below(8);
        assert!(matches!(
            sandbox.load_compiled(&bytes, &Extent::All, &tampered, &expected),
            Err(LoadError::Tampered)
        ));
    }
    for end in [0, 7, 39, 40, code.len() - 1] {
        assert!(matches!(
            sandbox.load_compiled(&bytes, &Extent::All, &code[..end], &expected),
            Err(LoadError::Tampered)
        ));
    }
}

#[test]
fn compiled_code_of_another_component_or_engine_is_stale() {
    let sandbox = common::sandbox();
    let (one, two) = (
        wasm(&one_function("(result u32)", COUNTER)),
        wasm("(component)"),
    );
    let code = sandbox
        .load(&one)
        .expect("a plugin")
        .compiled()
        .expect("code");
    let refused = sandbox.load_compiled(&two, &Extent::All, &code, &blake3::hash(&code));
    assert!(matches!(refused, Err(LoadError::Stale(_))));

    // The header fits, but what follows is no code of this engine.
    let other = [&code[..72], b"\x7fELF of another time".as_slice()].concat();
    let refused = sandbox.load_compiled(&one, &Extent::All, &other, &blake3::hash(&other));
    assert!(matches!(refused, Err(LoadError::Stale(_))));
}
