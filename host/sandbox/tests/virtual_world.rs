//! The world of a plugin: clocks, random numbers, environment, streams, sockets and messages.

mod common;

use std::time::{Duration, Instant};

use common::{call, call_with, guest, limits, lower};
use flowstone_core::Value;
use flowstone_sandbox::{FailureKind, Limits, LogLevel, Plugin};

fn clock() -> Plugin {
    let imports = format!(
        r#"(import "wasi:io/poll@0.2.0" (instance $poll
                (export "pollable" (type $p (sub resource)))
                (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))
                (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))
                (export "[method]pollable.block" (func (param "self" (borrow $p))))))
           (alias export $poll "pollable" (type $pollable))
           (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (alias outer 1 $pollable (type $p))
                (export "pollable" (type $q (eq $p)))
                (export "now" (func (result u64)))
                (export "resolution" (func (result u64)))
                (export "subscribe-instant" (func (param "when" u64) (result (own $q))))
                (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
           {} {} {} {} {} {} (core func $drop (canon resource.drop $pollable))"#,
        lower("now", "clock", "now"),
        lower("instant", "clock", "subscribe-instant"),
        lower("duration", "clock", "subscribe-duration"),
        lower("block", "poll", "[method]pollable.block"),
        lower("ready", "poll", "[method]pollable.ready"),
        lower("poll", "poll", "poll"),
    );
    guest(
        &imports,
        r#"(export "now" (func $now)) (export "instant" (func $instant)) (export "duration" (func $duration))
           (export "block" (func $block)) (export "ready" (func $ready)) (export "poll" (func $poll))
           (export "drop" (func $drop))"#,
        r#"(param "how" u32) (result u64)"#,
        r#"(import "w" "now" (func $now (result i64)))
           (import "w" "instant" (func $instant (param i64) (result i32)))
           (import "w" "duration" (func $duration (param i64) (result i32)))
           (import "w" "block" (func $block (param i32)))
           (import "w" "ready" (func $ready (param i32) (result i32)))
           (import "w" "poll" (func $poll (param i32 i32 i32)))
           (import "w" "drop" (func $drop (param i32)))
           (func (export "f") (param $how i32) (result i64) (local $p i32)
                (if (i32.eq (local.get $how) (i32.const 0)) (then
                    (local.set $p (call $duration (i64.const 3600000000000)))
                    (call $block (local.get $p))))
                (if (i32.eq (local.get $how) (i32.const 1)) (then
                    (local.set $p (call $instant (i64.const -1)))
                    (if (i32.eqz (call $ready (local.get $p))) (then unreachable))))
                (if (i32.eq (local.get $how) (i32.const 2)) (then
                    (i32.store (i32.const 64) (call $duration (i64.const -1)))
                    (i32.store (i32.const 68) (call $instant (i64.const 5)))
                    (call $poll (i32.const 64) (i32.const 2) (i32.const 72))
                    (if (i32.ne (i32.load (i32.const 76)) (i32.const 2)) (then unreachable))
                    (call $drop (i32.load (i32.const 64)))
                    (local.set $p (i32.load (i32.const 68)))))
                (if (i32.eq (local.get $how) (i32.const 3)) (then
                    (loop (drop (call $instant (i64.const 5))) (br 0))))
                (if (i32.eq (local.get $how) (i32.const 4)) (then
                    (loop (call $drop (call $instant (i64.const 5))) (br 0))))
                (call $drop (local.get $p))
                (call $now))"#,
    )
}

#[test]
fn sleeping_returns_at_once_and_the_clock_stands_still() {
    let plugin = clock();
    let started = Instant::now();
    for how in 0..3 {
        let output = call(&plugin, "f", &[Value::U32(how)])
            .unwrap_or_else(|failed| panic!("{how}: {failed:?}"));
        assert_eq!(output.value, Some(Value::U64(1)));
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn handles_without_end_are_ended() {
    let failed = call(&clock(), "f", &[Value::U32(3)]).expect_err("a failure");
    assert_eq!(failed.kind, FailureKind::Trap);
}

#[test]
fn host_calls_without_end_meet_the_time_limit() {
    let failed = call_with(
        &clock(),
        "f",
        &[Value::U32(4)],
        &limits(|limits| limits.time_ms_max = 50),
    );
    assert_eq!(failed.expect_err("a failure").kind, FailureKind::Timeout);
}

#[test]
fn random_numbers_follow_from_the_seed() {
    let imports = format!(
        r#"(import "wasi:random/random@0.2.0" (instance $r
                (export "get-random-u64" (func (result u64)))
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
           (import "wasi:random/insecure@0.2.0" (instance $n (export "get-insecure-random-u64" (func (result u64)))))
           (import "wasi:random/insecure-seed@0.2.0" (instance $s (export "insecure-seed" (func (result (tuple u64 u64))))))
           {} {} {} {}"#,
        lower("random", "r", "get-random-u64"),
        lower("bytes", "r", "get-random-bytes"),
        lower("insecure", "n", "get-insecure-random-u64"),
        lower("seed", "s", "insecure-seed"),
    );
    let plugin = guest(
        &imports,
        r#"(export "random" (func $random)) (export "bytes" (func $bytes)) (export "insecure" (func $insecure))
           (export "seed" (func $seed))"#,
        "(result (list u64))",
        r#"(import "w" "random" (func $random (result i64)))
           (import "w" "bytes" (func $bytes (param i64 i32)))
           (import "w" "insecure" (func $insecure (result i64)))
           (import "w" "seed" (func $seed (param i32)))
           (func (export "f") (result i32)
                (i64.store (i32.const 1024) (call $random))
                (i64.store (i32.const 1032) (call $random))
                (i64.store (i32.const 1040) (call $insecure))
                (call $seed (i32.const 1048))
                (call $bytes (i64.const 8) (i32.const 512))
                (i64.store (i32.const 1064) (i64.load (i32.load (i32.const 512))))
                (i32.store (i32.const 512) (i32.const 1024))
                (i32.store (i32.const 516) (i32.const 6))
                (i32.const 512))"#,
    );
    let numbers = |seed: u8| {
        let output = plugin
            .function("f")
            .expect("f")
            .call(&[], &Limits::default(), [seed; 32])
            .expect("a result");
        let Some(Value::Packed(bytes)) = output.value else {
            panic!("numbers")
        };
        bytes
            .chunks_exact(8)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    let first = numbers(1);
    assert_eq!(first, numbers(1));
    let mut all = [first, numbers(2)].concat();
    all.sort();
    all.dedup();
    assert_eq!(
        all.len(),
        12,
        "no two numbers are equal, within a seed or between two"
    );
}

#[test]
fn the_wall_clock_stands_at_the_epoch() {
    let imports = format!(
        r#"(import "wasi:clocks/wall-clock@0.2.0" (instance $c
                (type $t (record (field "seconds" u64) (field "nanoseconds" u32)))
                (export "datetime" (type $d (eq $t)))
                (export "now" (func (result $d)))))
           {}"#,
        lower("now", "c", "now"),
    );
    let plugin = guest(
        &imports,
        r#"(export "now" (func $now))"#,
        "(result (tuple u64 u32))",
        r#"(import "w" "now" (func $now (param i32)))
           (func (export "f") (result i32) (call $now (i32.const 512)) (i32.const 512))"#,
    );
    let output = call(&plugin, "f", &[]).expect("a result");
    assert_eq!(
        output.value,
        Some(Value::Tuple([Value::U64(0), Value::U32(0)].into()))
    );
}

#[test]
fn environment_arguments_and_folders_are_empty() {
    let imports = format!(
        r#"(import "wasi:cli/environment@0.2.0" (instance $e
                (export "get-environment" (func (result (list (tuple string string)))))
                (export "get-arguments" (func (result (list string))))
                (export "initial-cwd" (func (result (option string))))))
           (import "wasi:filesystem/types@0.2.0" (instance $types (export "descriptor" (type (sub resource)))))
           (alias export $types "descriptor" (type $descriptor))
           (import "wasi:filesystem/preopens@0.2.0" (instance $p
                (alias outer 1 $descriptor (type $d))
                (export "descriptor" (type $e (eq $d)))
                (export "get-directories" (func (result (list (tuple (own $e) string)))))))
           {} {} {} {}"#,
        lower("env", "e", "get-environment"),
        lower("args", "e", "get-arguments"),
        lower("cwd", "e", "initial-cwd"),
        lower("dirs", "p", "get-directories"),
    );
    let plugin = guest(
        &imports,
        r#"(export "env" (func $env)) (export "args" (func $args)) (export "cwd" (func $cwd)) (export "dirs" (func $dirs))"#,
        "(result u32)",
        r#"(import "w" "env" (func $env (param i32)))
           (import "w" "args" (func $args (param i32)))
           (import "w" "cwd" (func $cwd (param i32)))
           (import "w" "dirs" (func $dirs (param i32)))
           (func (export "f") (result i32)
                (call $env (i32.const 512)) (call $args (i32.const 520))
                (call $cwd (i32.const 528)) (call $dirs (i32.const 544))
                (i32.add
                    (i32.add (i32.load (i32.const 516)) (i32.load (i32.const 524)))
                    (i32.add (i32.load8_u (i32.const 528)) (i32.load (i32.const 548)))))"#,
    );
    assert_eq!(
        call(&plugin, "f", &[]).expect("a result").value,
        Some(Value::U32(0))
    );
}

/// Writes its argument to standard output and error, and returns whether reading standard input gave `closed`.
fn writer() -> Plugin {
    let imports = format!(
        r#"(import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
           (alias export $error "error" (type $err))
           (import "wasi:io/streams@0.2.0" (instance $streams
                (alias outer 1 $err (type $e0))
                (export "error" (type $e (eq $e0)))
                (type $se (variant (case "last-operation-failed" (own $e)) (case "closed")))
                (export "stream-error" (type $stream-error (eq $se)))
                (export "output-stream" (type $out (sub resource)))
                (export "input-stream" (type $in (sub resource)))
                (export "[method]output-stream.blocking-write-and-flush"
                    (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))
                (export "[method]input-stream.blocking-read"
                    (func (param "self" (borrow $in)) (param "len" u64) (result (result (list u8) (error $stream-error)))))))
           (alias export $streams "output-stream" (type $output-stream))
           (alias export $streams "input-stream" (type $input-stream))
           (import "wasi:cli/stdout@0.2.0" (instance $stdout
                (alias outer 1 $output-stream (type $o)) (export "output-stream" (type $p (eq $o)))
                (export "get-stdout" (func (result (own $p))))))
           (import "wasi:cli/stderr@0.2.0" (instance $stderr
                (alias outer 1 $output-stream (type $o)) (export "output-stream" (type $p (eq $o)))
                (export "get-stderr" (func (result (own $p))))))
           (import "wasi:cli/stdin@0.2.0" (instance $stdin
                (alias outer 1 $input-stream (type $o)) (export "input-stream" (type $p (eq $o)))
                (export "get-stdin" (func (result (own $p))))))
           (import "flowstone:plugin/log@0.1.0" (instance $log
                (type $l (enum "trace" "debug" "info" "warn" "error")) (export "level" (type $level (eq $l)))
                (export "log" (func (param "level" $level) (param "message" string)))))
           {} {} {} {} {} {}"#,
        lower(
            "write",
            "streams",
            "[method]output-stream.blocking-write-and-flush"
        ),
        lower("read", "streams", "[method]input-stream.blocking-read"),
        lower("stdout", "stdout", "get-stdout"),
        lower("stderr", "stderr", "get-stderr"),
        lower("stdin", "stdin", "get-stdin"),
        lower("log", "log", "log"),
    );
    guest(
        &imports,
        r#"(export "write" (func $write)) (export "read" (func $read)) (export "stdout" (func $stdout))
           (export "stderr" (func $stderr)) (export "stdin" (func $stdin)) (export "log" (func $log))"#,
        r#"(param "text" string) (result bool)"#,
        r#"(import "w" "write" (func $write (param i32 i32 i32 i32)))
           (import "w" "read" (func $read (param i32 i64 i32)))
           (import "w" "stdout" (func $stdout (result i32)))
           (import "w" "stderr" (func $stderr (result i32)))
           (import "w" "stdin" (func $stdin (result i32)))
           (import "w" "log" (func $log (param i32 i32 i32)))
           (func (export "f") (param $at i32) (param $len i32) (result i32)
                (call $write (call $stdout) (local.get $at) (local.get $len) (i32.const 512))
                (call $write (call $stderr) (local.get $at) (local.get $len) (i32.const 512))
                (call $log (i32.const 4) (local.get $at) (local.get $len))
                (call $read (call $stdin) (i64.const 10) (i32.const 512))
                (i32.and (i32.load8_u (i32.const 512)) (i32.load8_u (i32.const 516))))"#,
    )
}

#[test]
fn output_and_messages_go_to_the_log_and_input_is_at_its_end() {
    let output = call(&writer(), "f", &[Value::str("one\ntwo\n")]).expect("a result");
    assert_eq!(output.value, Some(Value::Bool(true)));
    let lines = output
        .log
        .iter()
        .map(|line| (line.level, line.text.as_str()))
        .collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            (LogLevel::Info, "one"),
            (LogLevel::Info, "two"),
            (LogLevel::Warn, "one"),
            (LogLevel::Warn, "two"),
            (LogLevel::Error, "one\ntwo"),
        ]
    );
}

#[test]
fn the_log_ends_at_its_limit() {
    let limits = limits(|limits| limits.log_bytes_max = 10);
    let output = call_with(&writer(), "f", &[Value::str("12345678\n")], &limits).expect("a result");
    let lines = output
        .log
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            "info: 12345678",
            "warn: 1",
            "warn: 17 more bytes of log were dropped: its limit is 10 bytes"
        ]
    );
}

#[test]
fn sockets_are_denied() {
    let imports = format!(
        r#"(import "wasi:sockets/network@0.2.0" (instance $network
                (type $f (enum "ipv4" "ipv6")) (export "ip-address-family" (type (eq $f)))
                (type $e (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
                    "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
                    "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused"
                    "connection-reset" "connection-aborted" "datagram-too-large" "name-unresolvable"
                    "temporary-resolver-failure" "permanent-resolver-failure"))
                (export "error-code" (type (eq $e)))))
           (alias export $network "ip-address-family" (type $family))
           (alias export $network "error-code" (type $code))
           (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
           (import "wasi:sockets/udp@0.2.0" (instance $udp (export "udp-socket" (type (sub resource)))))
           (alias export $tcp "tcp-socket" (type $tcp-socket))
           (alias export $udp "udp-socket" (type $udp-socket))
           (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $make-tcp
                (alias outer 1 $family (type $f0)) (export "ip-address-family" (type $f (eq $f0)))
                (alias outer 1 $code (type $c0)) (export "error-code" (type $c (eq $c0)))
                (alias outer 1 $tcp-socket (type $s0)) (export "tcp-socket" (type $s (eq $s0)))
                (export "create-tcp-socket" (func (param "address-family" $f) (result (result (own $s) (error $c)))))))
           (import "wasi:sockets/udp-create-socket@0.2.0" (instance $make-udp
                (alias outer 1 $family (type $f0)) (export "ip-address-family" (type $f (eq $f0)))
                (alias outer 1 $code (type $c0)) (export "error-code" (type $c (eq $c0)))
                (alias outer 1 $udp-socket (type $s0)) (export "udp-socket" (type $s (eq $s0)))
                (export "create-udp-socket" (func (param "address-family" $f) (result (result (own $s) (error $c)))))))
           {} {}"#,
        lower("tcp", "make-tcp", "create-tcp-socket"),
        lower("udp", "make-udp", "create-udp-socket"),
    );
    let plugin = guest(
        &imports,
        r#"(export "tcp" (func $tcp)) (export "udp" (func $udp))"#,
        "(result (tuple u8 u8 u8 u8))",
        r#"(import "w" "tcp" (func $tcp (param i32 i32)))
           (import "w" "udp" (func $udp (param i32 i32)))
           (func (export "f") (result i32)
                (call $tcp (i32.const 0) (i32.const 520))
                (call $udp (i32.const 1) (i32.const 536))
                (i32.store8 (i32.const 512) (i32.load8_u (i32.const 520)))
                (i32.store8 (i32.const 513) (i32.load8_u (i32.const 524)))
                (i32.store8 (i32.const 514) (i32.load8_u (i32.const 536)))
                (i32.store8 (i32.const 515) (i32.load8_u (i32.const 540)))
                (i32.const 512))"#,
    );
    // Both are `err`, and the code is `access-denied`.
    let denied = Value::Tuple([1, 1, 1, 1].map(Value::U8).into());
    assert_eq!(
        call(&plugin, "f", &[]).expect("a result").value,
        Some(denied)
    );
}

#[test]
fn exit_ends_the_call() {
    let imports = format!(
        r#"(import "wasi:cli/exit@0.2.0" (instance $e (export "exit" (func (param "status" (result)))))) {}"#,
        lower("exit", "e", "exit"),
    );
    let plugin = guest(
        &imports,
        r#"(export "exit" (func $exit))"#,
        r#"(param "status" u32)"#,
        r#"(import "w" "exit" (func $exit (param i32))) (func (export "f") (param i32) (call $exit (local.get 0)))"#,
    );
    for status in 0..2 {
        let failed = call(&plugin, "f", &[Value::U32(status)]).expect_err("a failure");
        assert_eq!(failed.kind, FailureKind::Exit);
        let reason = format!(
            "the plugin ended itself with exit status {status} instead of returning a result"
        );
        assert_eq!(failed.reason, reason);
    }
}
