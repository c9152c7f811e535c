//! Digests of functions, and which of them differ between two components.

use std::collections::BTreeMap;

use flowstone_core::{Function, FunctionDigest, Type, Value};
use flowstone_sandbox::{Extent, FailureKind, Plugin, function_digests};

use super::{limits, load, sandbox, wasm};

/// The digests of all functions. Those that can be called are among them, by the same names; and what they are digests of
/// is all that a call needs.
pub(crate) fn digests(text: &str) -> BTreeMap<String, FunctionDigest> {
    let digests = function_digests(&wasm(text)).expect("a component");
    let plugin = load(text);
    for function in &plugin.interface().functions {
        assert!(digests.contains_key(&function.name), "{}", function.name);
    }
    what_is_reached_is_enough(text);
    digests
}

/// Calls every function with all of the component's code, and with nothing but what it reaches.
fn what_is_reached_is_enough(text: &str) {
    // So much code that nobody reaches that what is reached is always the smaller part.
    let idle = format!("(core module (func {}))", "nop ".repeat(5000));
    let padded = text
        .trim_end()
        .strip_suffix(')')
        .map(|text| format!("{text}{idle})"));
    let bytes = wasm(&padded.expect("a component"));
    let all = load(text);
    // Some fixtures have thousands of functions.
    for function in all.interface().functions.iter().take(8) {
        let extent = Extent::Only([function.name.clone()].into());
        let part = sandbox().load_for(&bytes, &extent).expect("a plugin");
        let Some(arguments) = function
            .params
            .iter()
            .map(|param| sample(&param.ty))
            .collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        assert_eq!(
            outcome(&part, function, &arguments),
            outcome(&all, function, &arguments),
            "{} in {text}",
            function.name
        );
    }
}

fn sample(ty: &Type) -> Option<Value> {
    match ty {
        Type::U32 => Some(Value::U32(3)),
        Type::U64 => Some(Value::U64(3)),
        Type::String => Some(Value::str("ab")),
        _ => None,
    }
}

/// What two calls came to: in an instance each.
fn outcome(
    plugin: &Plugin,
    function: &Function,
    arguments: &[Value],
) -> Vec<Result<Option<Value>, FailureKind>> {
    let limits = limits(|limits| limits.time_ms_max = 100);
    let callable = plugin.function(&function.name).expect("a function");
    let call = |seed: u8| match callable.call(arguments, &limits, [seed; 32]) {
        Ok(output) => Ok(output.value),
        Err(failed) => Err(failed.kind),
    };
    [0, 1].map(call).into()
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
