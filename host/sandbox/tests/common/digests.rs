//! Digests of functions, and which of them differ between two components.

use std::collections::BTreeMap;

use flowstone_core::FunctionDigest;
use flowstone_sandbox::function_digests;

use super::{load, wasm};

/// The digests of all functions. Those that can be called are among them, by the same names.
pub(crate) fn digests(text: &str) -> BTreeMap<String, FunctionDigest> {
    let digests = function_digests(&wasm(text)).expect("a component");
    let plugin = load(text);
    for function in &plugin.interface().functions {
        assert!(digests.contains_key(&function.name), "{}", function.name);
    }
    digests
}

/// The names of the functions whose digests differ, with spaces between.
pub(crate) fn changed(before: &str, after: &str) -> String {
    let (before, after) = (digests(before), digests(after));
    assert!(before.keys().eq(after.keys()), "the same functions");
    let changed = before
        .iter()
        .filter(|(name, digest)| after[*name] != **digest);
    let names: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
    names.join(" ")
}

/// A component with `f` and `g`, functions without parameters of one module.
pub(crate) fn two(module: &str) -> String {
    format!(
        r#"(component
            (core module $m {module})
            (core instance $i (instantiate $m))
            (func (export "f") (result u32) (canon lift (core func $i "f")))
            (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
    )
}

/// [`two`] with something else in the module, which `f` and `g` do what they like with.
pub(crate) fn bodies(rest: &str, f: &str, g: &str) -> String {
    two(&format!(
        r#"{rest}
           (func (export "f") (result i32) {f})
           (func (export "g") (result i32) {g})"#
    ))
}
