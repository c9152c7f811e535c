//! What a plugin says about itself: functions, types, docs, and what it imports.

mod common;

use common::{ALLOCATOR, call, load, try_load, wasm};
use flowstone_core::Value;
use flowstone_sandbox::LoadError;

#[test]
fn all_plain_types_are_described() {
    let plugin = load(&format!(
        r#"(component
            (core module $m {ALLOCATOR} (func (export "f") (param i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (type $r (record (field "id" u32) (field "body" (list u8))))
            (export $rec "rec" (type $r))
            (type $v (variant (case "none") (case "some-text" string)))
            (export $var "var" (type $v))
            (type $e (enum "red" "green"))
            (export $en "en" (type $e))
            (type $f (flags "read" "write"))
            (export $fl "fl" (type $f))
            (type $t (tuple bool s8 u8 s16 u16 s32 u32 s64 u64 f32 f64 char string))
            (func (export "all")
                (param "scalars" $t) (param "rec" $rec) (param "var" $var) (param "en" $en) (param "fl" $fl)
                (param "maybe" (option (list f32)))
                (result (result (list $rec) (error string)))
                (canon lift (core func $i "f")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    ));
    let [function] = &plugin.interface().functions[..] else {
        panic!("one function")
    };
    assert_eq!(
        function.to_string(),
        "all: func(scalars: tuple<bool, s8, u8, s16, u16, s32, u32, s64, u64, f32, f64, char, string>, \
         rec: record { id: u32, body: list<u8> }, var: variant { none, some-text(string) }, \
         en: enum { red, green }, fl: flags { read, write }, maybe: option<list<f32>>) \
         -> result<list<record { id: u32, body: list<u8> }>, string>"
    );
    assert_eq!(plugin.interface().unsupported, []);
    assert_eq!(plugin.interface().imports, [""; 0]);
}

const INTERFACES: &str = r#"(component
    (core module $m (func (export "f") (result i32) i32.const 7))
    (core instance $i (instantiate $m))
    (func $f (result u32) (canon lift (core func $i "f")))
    (instance $stats (export "mean" (func $f)) (export "max" (func $f)))
    (instance $other (export "max" (func $f)))
    (export "acme:text/stats@0.1.0" (instance $stats))
    (export "acme:text/other" (instance $other))
    (export "count" (func $f)))"#;

#[test]
fn functions_of_interfaces_have_the_interface_in_their_name() {
    let plugin = load(INTERFACES);
    let names = plugin
        .interface()
        .functions
        .iter()
        .map(|function| function.name.as_str())
        .collect::<Vec<_>>();
    assert_eq!(
        names,
        [
            "acme:text/stats@0.1.0#mean",
            "acme:text/stats@0.1.0#max",
            "acme:text/other#max",
            "count"
        ]
    );
    for name in ["mean", "acme:text/other#max", "count"] {
        let output = call(&plugin, name, &[]).expect("a call");
        assert_eq!(output.value, Some(Value::U32(7)), "{name}");
    }
    assert!(
        plugin.function("max").is_none(),
        "two functions have that short name"
    );
    assert!(plugin.function("none").is_none());
}

#[test]
fn doc_comments_are_read_where_there_are_some() {
    let docs = r#"\01{\"worlds\":{\"text\":{\"func_exports\":{\"count\":\"Counts words.\"}}},\"interfaces\":{\"stats\":{\"funcs\":{\"mean\":{\"docs\":\"The mean.\"}}}}}"#;
    let text = INTERFACES.replacen(
        "(component",
        &format!("(component (@custom \"package-docs\" \"{docs}\")"),
        1,
    );
    let interface = load(&text).interface().clone();
    let docs = |name: &str| {
        interface
            .function(name)
            .and_then(|function| function.docs.clone())
    };
    assert_eq!(docs("count").as_deref(), Some("Counts words."));
    assert_eq!(docs("mean").as_deref(), Some("The mean."));
    assert_eq!(docs("acme:text/other#max"), None);
}

#[test]
fn functions_with_other_types_are_listed_with_the_reason() {
    let deep = (1..70)
        .map(|n| format!("(type $d{n} (tuple $d{}))", n - 1))
        .collect::<Vec<_>>()
        .join(
            "
",
        );
    let wide = (1..15)
        .map(|n| format!("(type $w{n} (tuple $w{0} $w{0}))", n - 1))
        .collect::<Vec<_>>()
        .join(
            "
",
        );
    let plugin = load(&format!(
        r#"(component
            (core module $m {ALLOCATOR}
                (func (export "one") (param i32) unreachable)
                (func (export "two") (param i32 i32) unreachable))
            (core instance $i (instantiate $m))
            (type $r (resource (rep i32)))
            (export $res "thing" (type $r))
            (type $d0 (tuple u8)) {deep}
            (type $w0 (tuple u8)) {wide}
            (func (export "make") (param "x" (own $res)) (canon lift (core func $i "one")))
            (func (export "deep") (param "x" $d69) (canon lift (core func $i "one")))
            (func (export "wide") (param "x" (list $w14)) (canon lift (core func $i "two")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (func (export "fine") (param "x" u32) (canon lift (core func $i "one"))))"#
    ));
    let reasons = plugin
        .interface()
        .unsupported
        .iter()
        .map(|function| format!("{}: {}", function.name, function.reason));
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [
            "make: its parameter `x` has a resource in it; take and return plain values, such as a record",
            "deep: its parameter `x` has a type nested deeper than 64; flatten it",
            "wide: its parameter `x` has a type of more than 10000 parts when written out; make it smaller",
        ]
    );
    assert_eq!(plugin.interface().functions.len(), 1);
    assert!(plugin.function("make").is_none());
}

#[test]
fn every_missing_import_is_named_with_advice() {
    let error = try_load(
        r#"(component
            (import "wasi:cli/environment@0.2.3" (instance))
            (import "wasi:http/incoming-handler@0.2.0" (instance))
            (import "wasi:http/types@0.3.0" (instance))
            (import "wasi:tls/types@0.2.0-draft" (instance))
            (import "wasi:cli/environment@0.3.0" (instance))
            (import "wasi:keyvalue/store@0.2.0-draft" (instance))
            (import "acme:store/blobs@1.0.0" (instance))
            (import "flowstone:plugin/log@0.9.0" (instance))
            (import "flowstone:plugin/time-machine@0.1.0" (instance))
            (import "helper" (func)))"#,
    );
    let Err(error @ LoadError::MissingImports(_)) = error else {
        panic!("missing imports")
    };
    let compose = "compose the component with one that does (`wac plug`), or pass what it gives as a parameter";
    assert_eq!(
        error.to_string(),
        format!(
            "the component imports what plugins are not given:
  wasi:http/incoming-handler@0.2.0: plugins answer no requests: they are called for rows
  wasi:http/types@0.3.0: this is WASI 0.3.0, plugins are given WASI 0.2: build it for the target wasm32-wasip2
  wasi:tls/types@0.2.0-draft: it is not offered: a plugin reaches the hosts that a flow grants it (`grants = {{ network = [\"host:port\"] }}`) through wasi:http and wasi:sockets; or fetch the data with a source and pass it as a parameter
  wasi:cli/environment@0.3.0: this is WASI 0.3.0, plugins are given WASI 0.2: build it for the target wasm32-wasip2
  wasi:keyvalue/store@0.2.0-draft: plugins have no access to services: pass what they give as a parameter (for messages there is flowstone:plugin/log@0.1.0)
  acme:store/blobs@1.0.0: nobody provides it here; {compose}
  flowstone:plugin/log@0.9.0: this flowstone offers version 0.1.0: build against its WIT, or use a newer flowstone
  flowstone:plugin/time-machine@0.1.0: this flowstone does not offer it: use a newer one, or build against its WIT
  helper: the world imports this by itself; plugins are given functions only through WASI 0.2 and flowstone:plugin; compose the component with one that provides it (`wac plug`), or pass what it gives as a parameter"
        )
    );
}

#[test]
fn an_import_of_types_alone_needs_nobody_to_offer_it() {
    let types = |also: &str| {
        format!(
            r#"(component
                (import "acme:shop/types@1.0.0" (instance
                    (type $price (record (field "cents" u32)))
                    (export "price" (type (eq $price)))
                    {also}))
                (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
                (core instance $i (instantiate $m))
                (func (export "fine") (param "x" u32) (result u32) (canon lift (core func $i "f"))))"#
        )
    };
    let plugin = load(&types(""));
    assert_eq!(plugin.interface().imports, ["acme:shop/types@1.0.0"]);
    let output = call(&plugin, "fine", &[Value::U32(3)]);
    assert_eq!(output.expect("it can be called").value, Some(Value::U32(3)));
    for also in [
        "(export \"f\" (func))",
        "(export \"r\" (type (sub resource)))",
    ] {
        let error = try_load(&types(also));
        assert!(matches!(error, Err(LoadError::MissingImports(_))), "{also}");
    }
}

#[test]
fn an_import_of_another_shape_is_refused() {
    let error = try_load(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "get-arguments" (func (result u32))))))"#,
    );
    let Err(LoadError::ImportMismatch(reason)) = error else {
        panic!("a mismatch")
    };
    assert!(
        reason.contains("wasi:cli/environment@0.2.0") && reason.contains("get-arguments"),
        "{reason}"
    );
}

#[test]
fn features_that_plugins_do_not_have_are_refused_with_advice() {
    let refused = |text: &str| match common::sandbox().load(&wasm(text)) {
        Err(LoadError::Invalid { reason, advice }) => format!("{reason}{advice}"),
        other => panic!("{:?}", other.map(|_| ())),
    };
    let message =
        refused(r#"(component (type $s (stream u8)) (import "f" (func (param "s" $s))))"#);
    assert!(
        message.contains("plugins cannot be asynchronous"),
        "{message}"
    );
    let message = refused("(component (core module (memory i64 1)))");
    assert!(
        message.contains("plugins have 32-bit memories"),
        "{message}"
    );
    for shared in [
        "(component (core module (memory 1 1 shared)))",
        "(component (component (core module (memory 1) (memory 1 1 shared))))",
    ] {
        let message = refused(shared);
        assert!(
            message.contains("it has a shared memory; plugins have one thread"),
            "{message}"
        );
    }
    let flags = (0..33)
        .map(|n| format!("\"b{n}\""))
        .collect::<Vec<_>>()
        .join(" ");
    let message = refused(&format!("(component (type (flags {flags})))"));
    assert!(message.contains("split the flags"), "{message}");
    let message = refused("(component (type (list u8 4)))");
    assert!(message.contains("use plain lists"), "{message}");
    let message = refused(r#"(component (import "f" (func (param "m" (map string u32)))))"#);
    assert!(
        message.contains("use plain lists, of tuples for a map"),
        "{message}"
    );
}
