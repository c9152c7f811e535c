//! A component whose functions see several rows at once: for reduces, lookups, folds and state.

/// The component's binary. Its functions, besides those of [`guest`](crate::guest) that it needs:
///
/// ```wit
/// lines: func(content: string) -> list<string>;
/// /// What comes before the first blank; none where there is no blank.
/// head: func(line: string) -> option<string>;
/// /// The sum of the bytes, plus the knob. Traps on a line that begins with `!`.
/// weigh: func(line: string) -> u32;
/// /// The sum.
/// total: func(weights: list<u32>) -> u32;
/// /// All of them one after the other, each followed by `;`. Traps where one begins with `!`.
/// join: func(lines: list<string>) -> string;
/// /// The text itself.
/// same: func(line: string) -> string;
/// /// The one after the other: associative, and not commutative.
/// concat: func(a: string, b: string) -> string;
/// /// The first less the second, without an overflow: not associative.
/// minus: func(a: u32, b: u32) -> u32;
/// /// The line and what was found.
/// pair: func(line: string, found: option<string>) -> string;
/// /// The line and all that was found.
/// pairs: func(line: string, found: list<string>) -> string;
/// /// The lengths so far, the state included, up to each line.
/// running: func(state: option<u32>, lines: list<string>) -> tuple<u32, list<u32>>;
/// /// The lines, as they are: a list of rows made of a group.
/// rows: func(lines: list<string>) -> list<string>;
/// ```
///
/// # Panics
///
/// When the text below is no component.
pub fn meeting(weight: u32) -> Vec<u8> {
    let text = TEMPLATE.replace("WEIGHT", &weight.to_string());
    wat::parse_str(text).expect("the guest is a component")
}

const TEMPLATE: &str = r#"
(component
  (core module $m
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func $alloc (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq
              (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))
              (i32.const -1))
          (then unreachable)))
      (local.get $at))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
    (func $list (param $at i32) (param $len i32) (result i32)
      (local $out i32)
      (local.set $out (call $alloc (i32.const 8)))
      (i32.store (local.get $out) (local.get $at))
      (i32.store offset=4 (local.get $out) (local.get $len))
      (local.get $out))
    (func (export "lines") (param $text i32) (param $len i32) (result i32)
      (local $end i32) (local $at i32) (local $start i32) (local $count i32) (local $list i32)
      (local.set $end (i32.add (local.get $text) (local.get $len)))
      (local.set $list (call $alloc (i32.add (i32.mul (local.get $len) (i32.const 4)) (i32.const 8))))
      (local.set $at (local.get $text))
      (local.set $start (local.get $text))
      (block $done
        (loop $next
          (if (i32.or
                (i32.eq (local.get $at) (local.get $end))
                (i32.eq (i32.load8_u (local.get $at)) (i32.const 10)))
            (then
              (if (i32.gt_u (local.get $at) (local.get $start))
                (then
                  (i32.store (i32.add (local.get $list) (i32.mul (local.get $count) (i32.const 8)))
                    (local.get $start))
                  (i32.store offset=4 (i32.add (local.get $list) (i32.mul (local.get $count) (i32.const 8)))
                    (i32.sub (local.get $at) (local.get $start)))
                  (local.set $count (i32.add (local.get $count) (i32.const 1)))))
              (local.set $start (i32.add (local.get $at) (i32.const 1)))))
          (br_if $done (i32.eq (local.get $at) (local.get $end)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (call $list (local.get $list) (local.get $count)))
    (func $starts (param $text i32) (param $len i32) (param $with i32) (result i32)
      (if (result i32) (i32.eqz (local.get $len))
        (then (i32.const 0))
        (else (i32.eq (i32.load8_u (local.get $text)) (local.get $with)))))
    (func (export "head") (param $text i32) (param $len i32) (result i32)
      (local $out i32) (local $at i32)
      (local.set $out (call $alloc (i32.const 12)))
      (block $none
        (loop $next
          (br_if $none (i32.eq (local.get $at) (local.get $len)))
          (if (i32.eq (i32.load8_u (i32.add (local.get $text) (local.get $at))) (i32.const 32))
            (then
              (i32.store8 (local.get $out) (i32.const 1))
              (i32.store offset=4 (local.get $out) (local.get $text))
              (i32.store offset=8 (local.get $out) (local.get $at))
              (return (local.get $out))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (i32.store8 (local.get $out) (i32.const 0))
      (local.get $out))
    (func (export "weigh") (param $text i32) (param $len i32) (result i32)
      (local $sum i32)
      (if (call $starts (local.get $text) (local.get $len) (i32.const 33)) (then unreachable))
      (local.set $sum (i32.const WEIGHT))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $len)))
          (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $text))))
          (local.set $text (i32.add (local.get $text) (i32.const 1)))
          (local.set $len (i32.sub (local.get $len) (i32.const 1)))
          (br $next)))
      (local.get $sum))
    (func (export "total") (param $at i32) (param $count i32) (result i32)
      (local $sum i32)
      (local.set $sum (i32.const WEIGHT))
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $count)))
          (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next)))
      (local.get $sum))
    ;; All strings of a list after the first bytes at $out, each ended by a semicolon.
    (func $join (param $prefix i32) (param $prefix-len i32) (param $at i32) (param $count i32) (result i32)
      (local $size i32) (local $i i32) (local $out i32) (local $len i32)
      (local.set $size (i32.add (local.get $prefix-len) (local.get $count)))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $i) (local.get $count)))
          (local.set $size (i32.add (local.get $size)
            (i32.load offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8))))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))
      (local.set $out (call $alloc (local.get $size)))
      (memory.copy (local.get $out) (local.get $prefix) (local.get $prefix-len))
      (local.set $size (local.get $prefix-len))
      (local.set $i (i32.const 0))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $i) (local.get $count)))
          (local.set $len (i32.load offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8)))))
          (if (call $starts (i32.load (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8)))) (local.get $len) (i32.const 33))
            (then unreachable))
          (memory.copy (i32.add (local.get $out) (local.get $size))
            (i32.load (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8)))) (local.get $len))
          (local.set $size (i32.add (local.get $size) (local.get $len)))
          (i32.store8 (i32.add (local.get $out) (local.get $size)) (i32.const 59))
          (local.set $size (i32.add (local.get $size) (i32.const 1)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))
      (call $list (local.get $out) (local.get $size)))
    (func (export "join") (param $at i32) (param $count i32) (result i32)
      (call $join (i32.const 0) (i32.const 0) (local.get $at) (local.get $count)))
    (func (export "same") (param $at i32) (param $len i32) (result i32)
      (if (call $starts (local.get $at) (local.get $len) (i32.const 33)) (then unreachable))
      (call $list (local.get $at) (local.get $len)))
    (func $concat (export "concat") (param $a i32) (param $a-len i32) (param $b i32) (param $b-len i32) (result i32)
      (local $out i32)
      (local.set $out (call $alloc (i32.add (local.get $a-len) (local.get $b-len))))
      (memory.copy (local.get $out) (local.get $a) (local.get $a-len))
      (memory.copy (i32.add (local.get $out) (local.get $a-len)) (local.get $b) (local.get $b-len))
      (call $list (local.get $out) (i32.add (local.get $a-len) (local.get $b-len))))
    (func (export "minus") (param $a i32) (param $b i32) (result i32)
      (i32.sub (local.get $a) (local.get $b)))
    (func (export "pair") (param $a i32) (param $a-len i32) (param $some i32) (param $b i32) (param $b-len i32) (result i32)
      (if (result i32) (local.get $some)
        (then (call $concat (local.get $a) (local.get $a-len) (local.get $b) (local.get $b-len)))
        (else (call $list (local.get $a) (local.get $a-len)))))
    (func (export "pairs") (param $a i32) (param $a-len i32) (param $at i32) (param $count i32) (result i32)
      (call $join (local.get $a) (local.get $a-len) (local.get $at) (local.get $count)))
    (func (export "running") (param $some i32) (param $state i32) (param $at i32) (param $count i32) (result i32)
      (local $out i32) (local $list i32) (local $i i32)
      (local.set $out (call $alloc (i32.const 12)))
      (local.set $list (call $alloc (i32.mul (local.get $count) (i32.const 4))))
      (if (i32.eqz (local.get $some)) (then (local.set $state (i32.const WEIGHT))))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $i) (local.get $count)))
          (if (call $starts
                (i32.load (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8))))
                (i32.load offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8)))) (i32.const 33))
            (then unreachable))
          (local.set $state (i32.add (local.get $state)
            (i32.load offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8))))))
          (i32.store (i32.add (local.get $list) (i32.mul (local.get $i) (i32.const 4))) (local.get $state))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))
      (i32.store (local.get $out) (local.get $state))
      (i32.store offset=4 (local.get $out) (local.get $list))
      (i32.store offset=8 (local.get $out) (local.get $count))
      (local.get $out))
    (func (export "rows") (param $at i32) (param $count i32) (result i32)
      (call $list (local.get $at) (local.get $count))))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "lines") (param "content" string) (result (list string))
    (canon lift (core func $i "lines") (memory $memory) (realloc $realloc)))
  (func (export "head") (param "line" string) (result (option string))
    (canon lift (core func $i "head") (memory $memory) (realloc $realloc)))
  (func (export "weigh") (param "line" string) (result u32)
    (canon lift (core func $i "weigh") (memory $memory) (realloc $realloc)))
  (func (export "total") (param "weights" (list u32)) (result u32)
    (canon lift (core func $i "total") (memory $memory) (realloc $realloc)))
  (func (export "join") (param "lines" (list string)) (result string)
    (canon lift (core func $i "join") (memory $memory) (realloc $realloc)))
  (func (export "same") (param "line" string) (result string)
    (canon lift (core func $i "same") (memory $memory) (realloc $realloc)))
  (func (export "concat") (param "a" string) (param "b" string) (result string)
    (canon lift (core func $i "concat") (memory $memory) (realloc $realloc)))
  (func (export "minus") (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $i "minus")))
  (func (export "pair") (param "line" string) (param "found" (option string)) (result string)
    (canon lift (core func $i "pair") (memory $memory) (realloc $realloc)))
  (func (export "pairs") (param "line" string) (param "found" (list string)) (result string)
    (canon lift (core func $i "pairs") (memory $memory) (realloc $realloc)))
  (func (export "running") (param "state" (option u32)) (param "lines" (list string)) (result (tuple u32 (list u32)))
    (canon lift (core func $i "running") (memory $memory) (realloc $realloc)))
  (func (export "rows") (param "lines" (list string)) (result (list string))
    (canon lift (core func $i "rows") (memory $memory) (realloc $realloc))))
"#;
