//! A component whose functions take many rows at once, and one whose failures say what is to be done about them.

use crate::guest::{ALLOC, STARTS};

/// The component's binary. `weight` is added to every weight. Its functions:
///
/// ```wit
/// /// The lines of each text that are not empty.
/// lines: func(content: list<string>) -> list<list<string>>;
/// /// The sum of the bytes of each. Traps where a line begins with `!`, never ends where one does with `~`, returns one
/// /// element too few where one does with `-`.
/// weigh: func(line: list<string>) -> list<u32>;
/// /// The line itself. Err where it begins with `?`.
/// vet: func(line: list<string>) -> list<result<string, string>>;
/// /// The line, none where it begins with `#`.
/// keep: func(line: list<string>) -> list<option<string>>;
/// /// The length in bytes, so many times.
/// scale: func(line: list<string>, times: u32) -> list<u32>;
/// /// One random number for all.
/// roll: func(line: list<string>) -> list<u64>;
/// /// The line. Where it begins with `?` it is invalid, with `#` skipped; with `@` it is to be tried again until the time
/// /// that follows, in milliseconds since 1970; with `>` always, after the milliseconds that follow.
/// judge: func(line: string) -> result<string, failure>;
/// judge-all: func(line: list<string>) -> list<result<string, failure>>;
/// /// The length in bytes of what was found, a thousand where nothing was.
/// found: func(found: list<option<string>>) -> list<u32>;
/// /// The sum. It is `skip` where one of them is nothing.
/// sum: func(a: u32, b: u32) -> result<u32, failure>;
/// ```
///
/// # Panics
///
/// When the text below is no component.
pub fn lists_guest(weight: u32) -> Vec<u8> {
    let text = TEMPLATE
        .replace("ALLOC", ALLOC)
        .replace("STARTS", STARTS)
        .replace("WEIGHT", &weight.to_string());
    wat::parse_str(text).expect("the guest is a component")
}

const TEMPLATE: &str = r#"
(component
  (import "flowstone:plugin/types@0.1.0" (instance $types
    (type $v (variant (case "invalid" string) (case "retry-after" (tuple u64 string)) (case "skip")))
    (export "failure" (type (eq $v)))))
  (alias export $types "failure" (type $failure))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $t (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $d (eq $t)))
    (export "now" (func (result $d)))))
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
  (core module $memory
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    ALLOC
    (export "alloc" (func $alloc))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3))))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $memory))
  (alias core export $m "realloc" (core func $realloc))
  (core func $now (canon lower (func $wall "now") (memory $memory)))
  (core func $roll (canon lower (func $random "get-random-u64")))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "m" "alloc" (func $alloc (param i32) (result i32)))
    (import "w" "now" (func $now (param i32)))
    (import "w" "roll" (func $roll (result i64)))
    STARTS
    (func $pair (param $text i32) (param $len i32) (param $out i32)
      (i32.store (local.get $out) (local.get $text))
      (i32.store offset=4 (local.get $out) (local.get $len)))
    (func $list (param $items i32) (param $count i32) (result i32)
      (local $out i32)
      (local.set $out (call $alloc (i32.const 8)))
      (call $pair (local.get $items) (local.get $count) (local.get $out))
      (local.get $out))

    (func $lines (param $text i32) (param $len i32) (param $out i32)
      (local $end i32) (local $at i32) (local $start i32) (local $count i32) (local $list i32)
      (local.set $end (i32.add (local.get $text) (local.get $len)))
      ;; There are at most half as many lines as bytes, and one more.
      (local.set $list (call $alloc (i32.add (i32.mul (local.get $len) (i32.const 4)) (i32.const 8))))
      (local.set $at (local.get $text))
      (local.set $start (local.get $text))
      (block $done
        (loop $next
          (if (if (result i32) (i32.eq (local.get $at) (local.get $end))
                (then (i32.const 1))
                (else (i32.eq (i32.load8_u (local.get $at)) (i32.const 10))))
            (then
              (if (i32.gt_u (local.get $at) (local.get $start))
                (then
                  (call $pair (local.get $start) (i32.sub (local.get $at) (local.get $start))
                    (i32.add (local.get $list) (i32.mul (local.get $count) (i32.const 8))))
                  (local.set $count (i32.add (local.get $count) (i32.const 1)))))
              (local.set $start (i32.add (local.get $at) (i32.const 1)))))
          (br_if $done (i32.eq (local.get $at) (local.get $end)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (call $pair (local.get $list) (local.get $count) (local.get $out)))

    (func $weigh (param $text i32) (param $len i32) (param $out i32)
      (local $sum i32)
      (if (call $starts (local.get $text) (local.get $len) (i32.const 33)) (then unreachable))
      (if (call $starts (local.get $text) (local.get $len) (i32.const 126)) (then (loop $ever (br $ever))))
      (local.set $sum (i32.const WEIGHT))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $len)))
          (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $text))))
          (local.set $text (i32.add (local.get $text) (i32.const 1)))
          (local.set $len (i32.sub (local.get $len) (i32.const 1)))
          (br $next)))
      (i32.store (local.get $out) (local.get $sum)))

    (func $tagged (param $tag i32) (param $text i32) (param $len i32) (param $out i32)
      (i32.store8 (local.get $out) (local.get $tag))
      (call $pair (local.get $text) (local.get $len) (i32.add (local.get $out) (i32.const 4))))

    ;; The number in a text after its first character.
    (func $number (param $text i32) (param $len i32) (result i64)
      (local $number i64)
      (block $done
        (loop $next
          (local.set $text (i32.add (local.get $text) (i32.const 1)))
          (local.set $len (i32.sub (local.get $len) (i32.const 1)))
          (br_if $done (i32.le_s (local.get $len) (i32.const 0)))
          (local.set $number (i64.add
            (i64.mul (local.get $number) (i64.const 10))
            (i64.extend_i32_u (i32.sub (i32.load8_u (local.get $text)) (i32.const 48)))))
          (br $next)))
      (local.get $number))
    (func $milliseconds (result i64)
      (call $now (i32.const 64))
      (i64.add
        (i64.mul (i64.load (i32.const 64)) (i64.const 1000))
        (i64.extend_i32_u (i32.div_u (i32.load (i32.const 72)) (i32.const 1000000)))))
    ;; A result: its tag, then at 8 the text; or at 8 the tag of a failure, then at 16 what it carries.
    (func $failed (param $tag i32) (param $out i32)
      (i32.store8 (local.get $out) (i32.const 1))
      (i32.store8 offset=8 (local.get $out) (local.get $tag)))
    (func $again (param $after i64) (param $text i32) (param $len i32) (param $out i32)
      (call $failed (i32.const 1) (local.get $out))
      (i64.store offset=16 (local.get $out) (local.get $after))
      (call $pair (local.get $text) (local.get $len) (i32.add (local.get $out) (i32.const 24))))
    (func $judge (param $text i32) (param $len i32) (param $out i32)
      (local $left i64)
      (if (call $starts (local.get $text) (local.get $len) (i32.const 33)) (then unreachable))
      (if (call $starts (local.get $text) (local.get $len) (i32.const 63))
        (then
          (call $failed (i32.const 0) (local.get $out))
          (call $pair (local.get $text) (local.get $len) (i32.add (local.get $out) (i32.const 16)))
          return))
      (if (call $starts (local.get $text) (local.get $len) (i32.const 35))
        (then (call $failed (i32.const 2) (local.get $out)) return))
      (if (call $starts (local.get $text) (local.get $len) (i32.const 62))
        (then
          (call $again
            (call $number (local.get $text) (local.get $len))
            (local.get $text) (local.get $len) (local.get $out))
          return))
      (if (call $starts (local.get $text) (local.get $len) (i32.const 64))
        (then
          (local.set $left (i64.sub (call $number (local.get $text) (local.get $len)) (call $milliseconds)))
          (if (i64.gt_s (local.get $left) (i64.const 0))
            (then
              (call $again (local.get $left) (local.get $text) (local.get $len) (local.get $out))
              return))))
      (i32.store8 (local.get $out) (i32.const 0))
      (call $pair (local.get $text) (local.get $len) (i32.add (local.get $out) (i32.const 8))))
    (func (export "judge") (param $text i32) (param $len i32) (result i32)
      (local $out i32)
      (local.set $out (call $alloc (i32.const 32)))
      (call $judge (local.get $text) (local.get $len) (local.get $out))
      (local.get $out))

    ;; What one of the functions above makes of every text, in elements of so many bytes.
    (func $each (param $texts i32) (param $count i32) (param $what i32) (param $size i32) (result i32)
      (local $at i32) (local $items i32) (local $text i32) (local $len i32) (local $out i32) (local $less i32)
      (local.set $items (call $alloc (i32.mul (local.get $count) (local.get $size))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $at) (local.get $count)))
          (local.set $text (i32.load (i32.add (local.get $texts) (i32.mul (local.get $at) (i32.const 8)))))
          (local.set $len (i32.load offset=4 (i32.add (local.get $texts) (i32.mul (local.get $at) (i32.const 8)))))
          (local.set $out (i32.add (local.get $items) (i32.mul (local.get $at) (local.get $size))))
          (if (call $starts (local.get $text) (local.get $len) (i32.const 45))
            (then (local.set $less (i32.const 1))))
          (if (i32.eq (local.get $what) (i32.const 0))
            (then (call $lines (local.get $text) (local.get $len) (local.get $out))))
          (if (i32.eq (local.get $what) (i32.const 1))
            (then (call $weigh (local.get $text) (local.get $len) (local.get $out))))
          (if (i32.eq (local.get $what) (i32.const 2))
            (then (call $tagged
              (call $starts (local.get $text) (local.get $len) (i32.const 63))
              (local.get $text) (local.get $len) (local.get $out))))
          (if (i32.eq (local.get $what) (i32.const 3))
            (then (call $tagged
              (i32.eqz (call $starts (local.get $text) (local.get $len) (i32.const 35)))
              (local.get $text) (local.get $len) (local.get $out))))
          (if (i32.eq (local.get $what) (i32.const 4))
            (then (call $judge (local.get $text) (local.get $len) (local.get $out))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (call $list (local.get $items) (i32.sub (local.get $count) (local.get $less))))
    (func (export "lines") (param i32 i32) (result i32)
      (call $each (local.get 0) (local.get 1) (i32.const 0) (i32.const 8)))
    (func (export "weigh") (param i32 i32) (result i32)
      (call $each (local.get 0) (local.get 1) (i32.const 1) (i32.const 4)))
    (func (export "vet") (param i32 i32) (result i32)
      (call $each (local.get 0) (local.get 1) (i32.const 2) (i32.const 12)))
    (func (export "keep") (param i32 i32) (result i32)
      (call $each (local.get 0) (local.get 1) (i32.const 3) (i32.const 12)))
    (func (export "judge-all") (param i32 i32) (result i32)
      (call $each (local.get 0) (local.get 1) (i32.const 4) (i32.const 32)))
    (func (export "scale") (param $texts i32) (param $count i32) (param $times i32) (result i32)
      (local $at i32) (local $items i32)
      (local.set $items (call $alloc (i32.mul (local.get $count) (i32.const 4))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $at) (local.get $count)))
          (i32.store (i32.add (local.get $items) (i32.mul (local.get $at) (i32.const 4)))
            (i32.mul
              (i32.load offset=4 (i32.add (local.get $texts) (i32.mul (local.get $at) (i32.const 8))))
              (local.get $times)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (call $list (local.get $items) (local.get $count)))
    (func (export "found") (param $found i32) (param $count i32) (result i32)
      (local $at i32) (local $items i32) (local $one i32)
      (local.set $items (call $alloc (i32.mul (local.get $count) (i32.const 4))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $at) (local.get $count)))
          (local.set $one (i32.add (local.get $found) (i32.mul (local.get $at) (i32.const 12))))
          (i32.store (i32.add (local.get $items) (i32.mul (local.get $at) (i32.const 4)))
            (if (result i32) (i32.load8_u (local.get $one))
              (then (i32.load offset=8 (local.get $one)))
              (else (i32.const 1000))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (call $list (local.get $items) (local.get $count)))
    (func (export "sum") (param $a i32) (param $b i32) (result i32)
      (local $out i32)
      (local.set $out (call $alloc (i32.const 32)))
      (if (i32.and (i32.ne (local.get $a) (i32.const 0)) (i32.ne (local.get $b) (i32.const 0)))
        (then
          (i32.store8 (local.get $out) (i32.const 0))
          (i32.store offset=8 (local.get $out) (i32.add (local.get $a) (local.get $b))))
        (else (call $failed (i32.const 2) (local.get $out))))
      (local.get $out))
    (func (export "roll") (param $texts i32) (param $count i32) (result i32)
      (local $at i32) (local $items i32) (local $random i64)
      (local.set $random (call $roll))
      (local.set $items (call $alloc (i32.mul (local.get $count) (i32.const 8))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $at) (local.get $count)))
          (i64.store (i32.add (local.get $items) (i32.mul (local.get $at) (i32.const 8))) (local.get $random))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (call $list (local.get $items) (local.get $count))))
  (core instance $i (instantiate $code
    (with "m" (instance $m))
    (with "w" (instance (export "now" (func $now)) (export "roll" (func $roll))))))
  (func (export "lines") (param "content" (list string)) (result (list (list string)))
    (canon lift (core func $i "lines") (memory $memory) (realloc $realloc)))
  (func (export "weigh") (param "line" (list string)) (result (list u32))
    (canon lift (core func $i "weigh") (memory $memory) (realloc $realloc)))
  (func (export "vet") (param "line" (list string)) (result (list (result string (error string))))
    (canon lift (core func $i "vet") (memory $memory) (realloc $realloc)))
  (func (export "keep") (param "line" (list string)) (result (list (option string)))
    (canon lift (core func $i "keep") (memory $memory) (realloc $realloc)))
  (func (export "scale") (param "line" (list string)) (param "times" u32) (result (list u32))
    (canon lift (core func $i "scale") (memory $memory) (realloc $realloc)))
  (func (export "found") (param "found" (list (option string))) (result (list u32))
    (canon lift (core func $i "found") (memory $memory) (realloc $realloc)))
  (func (export "sum") (param "a" u32) (param "b" u32) (result (result u32 (error $failure)))
    (canon lift (core func $i "sum") (memory $memory) (realloc $realloc)))
  (func (export "roll") (param "line" (list string)) (result (list u64))
    (canon lift (core func $i "roll") (memory $memory) (realloc $realloc)))
  (func (export "judge") (param "line" string) (result (result string (error $failure)))
    (canon lift (core func $i "judge") (memory $memory) (realloc $realloc)))
  (func (export "judge-all") (param "line" (list string)) (result (list (result string (error $failure))))
    (canon lift (core func $i "judge-all") (memory $memory) (realloc $realloc))))
"#;
