//! What is real when it is granted: clocks, sleeping and random numbers. What is not granted stays virtual.

mod common;

use std::time::{Duration, Instant, SystemTime};

use common::{guest, guest_text, limits, load, lower, wasm};
use flowstone_core::Value;
use flowstone_sandbox::{FailureKind, Limits, Plugin, Sandbox, SandboxConfig, World};

/// `f` gives the wall clock in seconds and nanoseconds, and the monotonic clock before and after a sleep of
/// `sleep` nanoseconds.
fn sleeper() -> String {
    let imports = format!(
        r#"(import "wasi:clocks/wall-clock@0.2.0" (instance $wall
                (type $t (record (field "seconds" u64) (field "nanoseconds" u32)))
                (export "datetime" (type $d (eq $t)))
                (export "now" (func (result $d)))))
           (import "wasi:io/poll@0.2.0" (instance $poll
                (export "pollable" (type $p (sub resource)))
                (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))
                (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))))
           (alias export $poll "pollable" (type $pollable))
           (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (alias outer 1 $pollable (type $p))
                (export "pollable" (type $q (eq $p)))
                (export "now" (func (result u64)))
                (export "subscribe-instant" (func (param "when" u64) (result (own $q))))
                (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
           {} {} {} {} {} {}"#,
        lower("wall", "wall", "now"),
        lower("now", "clock", "now"),
        lower("instant", "clock", "subscribe-instant"),
        lower("duration", "clock", "subscribe-duration"),
        lower("ready", "poll", "[method]pollable.ready"),
        lower("poll", "poll", "poll"),
    );
    guest_text(
        &imports,
        r#"(export "wall" (func $wall)) (export "now" (func $now)) (export "instant" (func $instant))
           (export "duration" (func $duration)) (export "ready" (func $ready)) (export "poll" (func $poll))"#,
        r#"(param "sleep" u64) (result (list u64))"#,
        r#"(import "w" "wall" (func $wall (param i32)))
           (import "w" "now" (func $now (result i64)))
           (import "w" "instant" (func $instant (param i64) (result i32)))
           (import "w" "duration" (func $duration (param i64) (result i32)))
           (import "w" "ready" (func $ready (param i32) (result i32)))
           (import "w" "poll" (func $poll (param i32 i32 i32)))
           (func (export "f") (param $sleep i64) (result i32)
                (call $wall (i32.const 1024))
                (i64.store (i32.const 1032) (i64.load32_u (i32.const 1032)))
                (i64.store (i32.const 1040) (call $now))
                ;; The first never comes, so the answer of `poll` is the second alone.
                (i32.store (i32.const 600) (call $instant (i64.const -1)))
                (i32.store (i32.const 604) (call $duration (local.get $sleep)))
                (call $poll (i32.const 600) (i32.const 2) (i32.const 608))
                (i64.store (i32.const 1048) (call $now))
                (i64.store (i32.const 1056) (i64.load32_u (i32.load (i32.const 608))))
                (i64.store (i32.const 1064) (i64.extend_i32_u (call $ready (i32.load (i32.const 600)))))
                (i32.store (i32.const 512) (i32.const 1024))
                (i32.store (i32.const 516) (i32.const 6))
                (i32.const 512))"#,
    )
}

fn numbers(value: Option<Value>) -> Vec<u64> {
    let Some(Value::Packed(bytes)) = value else {
        panic!("numbers")
    };
    bytes
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight")))
        .collect()
}

#[test]
fn a_granted_clock_is_the_real_one_and_sleeping_takes_its_time() {
    let sleep = Duration::from_millis(30);
    let before = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let started = Instant::now();
    let output = load(&sleeper())
        .function("f")
        .expect("f")
        .call(
            &[Value::U64(sleep.as_nanos() as u64)],
            &Limits::default(),
            World::default().with_clock(true),
        )
        .expect("a result");
    let elapsed = started.elapsed();
    let [seconds, nanoseconds, began, woke, which, never] = numbers(output.value)[..] else {
        panic!("six numbers")
    };
    let wall = Duration::new(seconds, nanoseconds as u32);
    assert!(before <= wall && wall <= before + elapsed + Duration::from_secs(1));
    let slept = Duration::from_nanos(woke - began);
    assert!(sleep <= slept && slept <= elapsed, "{slept:?}");
    assert_eq!((which, never), (1, 0), "only the sleep is over");
}

#[test]
fn sleeping_meets_the_time_limit() {
    let started = Instant::now();
    let failed = load(&sleeper())
        .function("f")
        .expect("f")
        .call(
            &[Value::U64(u64::MAX)],
            &limits(|limits| limits.time_ms_max = 50),
            World::default().with_clock(true),
        )
        .expect_err("a failure");
    assert_eq!(failed.kind, FailureKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_interrupt_ends_a_sleeping_call() {
    // Its own sandbox: an interrupt ends all calls of one.
    let sandbox = Sandbox::new(SandboxConfig {
        pooling: false,
        ..SandboxConfig::for_threads(1)
    })
    .expect("a sandbox");
    let plugin = sandbox.load(&wasm(&sleeper())).expect("a plugin");
    let failed = std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            plugin.function("f").expect("f").call(
                &[Value::U64(u64::MAX)],
                &limits(|limits| limits.time_ms_max = 600_000),
                World::default().with_clock(true),
            )
        });
        // An interrupt before the call began does not count for it.
        while !call.is_finished() {
            sandbox.interrupt();
            std::thread::yield_now();
        }
        call.join().expect("no panic").expect_err("a failure")
    });
    assert_eq!(failed.kind, FailureKind::Timeout);
}

#[test]
fn the_clock_stands_still_when_only_random_numbers_are_granted() {
    let output = load(&sleeper())
        .function("f")
        .expect("f")
        .call(
            &[Value::U64(u64::MAX)],
            &Limits::default(),
            World::seeded([7; 32]).with_random(true),
        )
        .expect("a result");
    assert_eq!(numbers(output.value)[..4], [0, 0, 1, 1]);
}

/// `f` gives two secure numbers, two insecure ones, and the seed for hash maps twice.
fn gambler() -> Plugin {
    let imports = format!(
        r#"(import "wasi:random/random@0.2.0" (instance $r
                (export "get-random-u64" (func (result u64)))
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
           (import "wasi:random/insecure@0.2.0" (instance $n
                (export "get-insecure-random-u64" (func (result u64)))
                (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))))
           (import "wasi:random/insecure-seed@0.2.0" (instance $s (export "insecure-seed" (func (result (tuple u64 u64))))))
           {} {} {} {} {}"#,
        lower("word", "r", "get-random-u64"),
        lower("bytes", "r", "get-random-bytes"),
        lower("insecure", "n", "get-insecure-random-u64"),
        lower("more", "n", "get-insecure-random-bytes"),
        lower("seed", "s", "insecure-seed"),
    );
    guest(
        &imports,
        r#"(export "word" (func $word)) (export "bytes" (func $bytes)) (export "insecure" (func $insecure))
           (export "more" (func $more)) (export "seed" (func $seed))"#,
        "(result (list u64))",
        r#"(import "w" "word" (func $word (result i64)))
           (import "w" "bytes" (func $bytes (param i64 i32)))
           (import "w" "insecure" (func $insecure (result i64)))
           (import "w" "more" (func $more (param i64 i32)))
           (import "w" "seed" (func $seed (param i32)))
           (func (export "f") (result i32)
                (i64.store (i32.const 1024) (call $word))
                (call $bytes (i64.const 8) (i32.const 512))
                (i64.store (i32.const 1032) (i64.load (i32.load (i32.const 512))))
                (i64.store (i32.const 1040) (call $insecure))
                (call $more (i64.const 8) (i32.const 512))
                (i64.store (i32.const 1048) (i64.load (i32.load (i32.const 512))))
                (call $seed (i32.const 1056))
                (call $seed (i32.const 1072))
                (i32.store (i32.const 512) (i32.const 1024))
                (i32.store (i32.const 516) (i32.const 8))
                (i32.const 512))"#,
    )
}

#[test]
fn random_numbers_of_a_kept_instance_are_those_of_a_fresh_one() {
    let plugin = gambler();
    let f = plugin.function("f").expect("f");
    let mut kept = f.keep(&Limits::default(), [1; 32]).expect("it starts");
    for seed in [[1; 32], [2; 32], [1; 32]] {
        let fresh = f.call(&[], &Limits::default(), seed).expect("a result");
        let again = kept.call(&f, &[], seed).expect("a result");
        assert_eq!(numbers(again.value), numbers(fresh.value));
    }
}

/// What was drawn when the instance began is not drawn a second time.
#[test]
fn the_first_call_of_a_kept_instance_is_that_of_a_fresh_one() {
    let imports = format!(
        r#"(import "wasi:random/random@0.2.0" (instance $r (export "get-random-u64" (func (result u64))))) {}"#,
        lower("word", "r", "get-random-u64"),
    );
    let plugin = guest(
        &imports,
        r#"(export "word" (func $word))"#,
        "(result (list u64))",
        r#"(import "w" "word" (func $word (result i64)))
           (func $begin (i64.store (i32.const 1024) (call $word)))
           (start $begin)
           (func (export "f") (result i32)
                (i64.store (i32.const 1032) (call $word))
                (i32.store (i32.const 512) (i32.const 1024))
                (i32.store (i32.const 516) (i32.const 2))
                (i32.const 512))"#,
    );
    let f = plugin.function("f").expect("f");
    let fresh = f.call(&[], &Limits::default(), [1; 32]).expect("a result");
    let mut kept = f.keep(&Limits::default(), [1; 32]).expect("it starts");
    let first = kept.call(&f, &[], [1; 32]).expect("a result");
    assert_eq!(numbers(first.value), numbers(fresh.value));
}

#[test]
fn granted_random_numbers_are_new_in_every_call() {
    let plugin = gambler();
    let draw = |world: World| {
        let output = plugin
            .function("f")
            .expect("f")
            .call(&[], &Limits::default(), world);
        numbers(output.expect("a result").value)
    };
    let seeded = World::seeded([1; 32]);
    let virtual_numbers = draw(seeded.clone());
    assert_eq!(virtual_numbers, draw(seeded.clone().with_clock(true)));

    let mut all = virtual_numbers;
    for _ in 0..2 {
        let drawn = draw(seeded.clone().with_random(true));
        assert_eq!(drawn[4..6], drawn[6..8], "one seed for hash maps in a call");
        all.extend(drawn);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 3 * 6, "no two numbers are equal");
}

#[test]
fn http_is_offered_in_any_version_of_wasi_0_2() {
    for version in ["0.2.0", "0.2.12", "0.2.99"] {
        let plugin = load(&format!(
            r#"(component
                (import "wasi:http/types@{version}" (instance
                    (export "fields" (type $fields (sub resource)))
                    (export "[constructor]fields" (func (result (own $fields)))))))"#
        ));
        assert_eq!(
            plugin.interface().imports,
            [format!("wasi:http/types@{version}")]
        );
    }
}
