//! What the tests share: a sandbox, and guests in component text.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod digests;
pub(crate) mod program;

use std::sync::OnceLock;

use flowstone_core::Value;
use flowstone_sandbox::{CallError, Limits, LoadError, Output, Plugin, Sandbox, SandboxConfig};

/// A memory, and an allocator that only moves on.
pub(crate) const ALLOCATOR: &str = r#"
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 16384))
    (func (export "realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and
            (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
            (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))))
        (local.get $at))
"#;

/// The options of a `canon lift` that go with the allocator, when the module is instantiated as `$i`.
pub(crate) const OPTIONS: &str =
    r#"(memory (core memory $i "memory")) (realloc (core func $i "realloc"))"#;

/// The sandbox of the tests. Making one sets address space aside, so there is one.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(SandboxConfig::for_threads(4)).expect("a sandbox"))
}

pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn try_load(text: &str) -> Result<Plugin, LoadError> {
    sandbox().load(&wasm(text))
}

pub(crate) fn load(text: &str) -> Plugin {
    try_load(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A component with one function `f`: its WIT-like signature in component text, and its core function, exported
/// as `f` of a module that has a memory and an allocator.
pub(crate) fn one_function(signature: &str, core: &str) -> String {
    format!(
        r#"(component
            (core module $m {ALLOCATOR} {core})
            (core instance $i (instantiate $m))
            (func (export "f") {signature} (canon lift (core func $i "f") {OPTIONS})))"#
    )
}

/// A component that imports `imports`, whose core functions are in the instance `w`, and exports `f`.
pub(crate) fn guest_text(imports: &str, core_imports: &str, signature: &str, core: &str) -> String {
    format!(
        r#"(component
            (core module $libc {ALLOCATOR})
            (core instance $i (instantiate $libc))
            {imports}
            (core module $m (import "libc" "memory" (memory 1)) {core})
            (core instance $w {core_imports})
            (core instance $g (instantiate $m (with "libc" (instance $i)) (with "w" (instance $w))))
            (func (export "f") {signature} (canon lift (core func $g "f")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

/// [`guest_text`], loaded.
pub(crate) fn guest(imports: &str, core_imports: &str, signature: &str, core: &str) -> Plugin {
    load(&guest_text(imports, core_imports, signature, core))
}

/// Lowers a function of an imported instance, with memory.
pub(crate) fn lower(name: &str, instance: &str, function: &str) -> String {
    format!(
        r#"(core func ${name} (canon lower (func ${instance} "{function}")
            (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))"#
    )
}

pub(crate) fn call(plugin: &Plugin, name: &str, args: &[Value]) -> Result<Output, CallError> {
    call_with(plugin, name, args, &Limits::default())
}

pub(crate) fn call_with(
    plugin: &Plugin,
    name: &str,
    args: &[Value],
    limits: &Limits,
) -> Result<Output, CallError> {
    plugin
        .function(name)
        .unwrap_or_else(|| panic!("no function {name}"))
        .call(args, limits, [0; 32])
}

/// The limits with something else than the default.
pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// `SplitMix64`: enough to choose test cases, and the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
