//! A component small enough to be made anew for every test, with knobs that stand for edits of its source.

/// The knobs of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Added to every weight: code that gives other results.
    pub weight: u32,
    /// Work without effect: code that gives the same results.
    pub detour: u32,
}

/// The component's binary. Its functions:
///
/// ```wit
/// /// The lines that are not empty.
/// lines: func(content: string) -> list<string>;
/// /// The sum of the bytes, plus the knob. Traps on a line that begins with `!`, never ends on one with `~`.
/// weigh: func(line: string) -> u32;
/// /// The line itself. Err on a line that begins with `?`.
/// vet: func(line: string) -> result<string, string>;
/// /// The line, none where it begins with `#`.
/// keep: func(line: string) -> option<string>;
/// /// The length of the line in bytes, so many times.
/// scale: func(line: string, times: u32) -> u32;
/// ```
///
/// # Panics
///
/// When the text below is no component.
pub fn guest(knobs: Guest) -> Vec<u8> {
    wat::parse_str(guest_text(knobs)).expect("the guest is a component")
}

/// The component's text, for edits that no knob stands for.
pub fn guest_text(knobs: Guest) -> String {
    TEMPLATE
        .replace("ALLOC", ALLOC)
        .replace("STARTS", STARTS)
        .replace("WEIGHT", &knobs.weight.to_string())
        .replace(
            "DETOUR",
            &"(drop (i32.const 7)) ".repeat(knobs.detour as usize),
        )
}

/// Hands out memory, growing it where it has to, from the global `$top` on.
pub(crate) const ALLOC: &str = r"(func $alloc (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq
              (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))
              (i32.const -1))
          (then unreachable)))
      (local.get $at))";

/// Whether a text begins with a character.
pub(crate) const STARTS: &str = r"(func $starts (param $text i32) (param $len i32) (param $with i32) (result i32)
      (if (result i32) (i32.eqz (local.get $len))
        (then (i32.const 0))
        (else (i32.eq (i32.load8_u (local.get $text)) (local.get $with)))))";

const TEMPLATE: &str = r#"
(component
  (core module $m
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    ALLOC
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
    (func (export "lines") (param $text i32) (param $len i32) (result i32)
      (local $end i32) (local $at i32) (local $start i32) (local $count i32) (local $list i32) (local $out i32)
      (local.set $end (i32.add (local.get $text) (local.get $len)))
      ;; There are at most half as many lines as bytes, and one more.
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
      (local.set $out (call $alloc (i32.const 8)))
      (i32.store (local.get $out) (local.get $list))
      (i32.store offset=4 (local.get $out) (local.get $count))
      (local.get $out))
    STARTS
    (func (export "weigh") (param $text i32) (param $len i32) (result i32)
      (local $sum i32)
      DETOUR
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
      (local.get $sum))
    (func $tagged (param $tag i32) (param $text i32) (param $len i32) (result i32)
      (local $out i32)
      (local.set $out (call $alloc (i32.const 12)))
      (i32.store8 (local.get $out) (local.get $tag))
      (i32.store offset=4 (local.get $out) (local.get $text))
      (i32.store offset=8 (local.get $out) (local.get $len))
      (local.get $out))
    (func (export "vet") (param $text i32) (param $len i32) (result i32)
      (call $tagged
        (call $starts (local.get $text) (local.get $len) (i32.const 63)) (local.get $text) (local.get $len)))
    (func (export "scale") (param $text i32) (param $len i32) (param $times i32) (result i32)
      (i32.mul (local.get $len) (local.get $times)))
    (func (export "keep") (param $text i32) (param $len i32) (result i32)
      (call $tagged
        (i32.eqz (call $starts (local.get $text) (local.get $len) (i32.const 35)))
        (local.get $text) (local.get $len))))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "lines") (param "content" string) (result (list string))
    (canon lift (core func $i "lines") (memory $memory) (realloc $realloc)))
  (func (export "weigh") (param "line" string) (result u32)
    (canon lift (core func $i "weigh") (memory $memory) (realloc $realloc)))
  (func (export "vet") (param "line" string) (result (result string (error string)))
    (canon lift (core func $i "vet") (memory $memory) (realloc $realloc)))
  (func (export "scale") (param "line" string) (param "times" u32) (result u32)
    (canon lift (core func $i "scale") (memory $memory) (realloc $realloc)))
  (func (export "keep") (param "line" string) (result (option string))
    (canon lift (core func $i "keep") (memory $memory) (realloc $realloc))))
"#;
