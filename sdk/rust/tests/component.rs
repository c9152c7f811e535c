//! A plugin with every type that the SDK maps, built as a component and called in the sandbox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use flowstone_core::{from_wave, to_wave};
use flowstone_sandbox::{Limits, Plugin, Row, Sandbox, SandboxConfig, World};

/// The component of `tests/guest`, built where plugins are built.
static GUEST: LazyLock<Plugin> = LazyLock::new(|| {
    let built = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest"))
        .args([
            "build",
            "--release",
            "--target",
            "wasm32-wasip2",
            "--locked",
        ])
        // As plugins are built: what they have in common is compiled once.
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "{said}\n(the target is there after `rustup target add wasm32-wasip2`)"
    );
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let target = target.parent().expect("it is in the target folder");
    let component =
        std::fs::read(target.join("wasm32-wasip2/release/sdk_guest.wasm")).expect("cargo made it");
    let sandbox = Sandbox::new(SandboxConfig::for_threads(1)).expect("there is an engine");
    sandbox.load(&component).expect("it is a plugin")
});

/// The result of a call, all in WAVE text, and the log.
fn call(function: &str, arguments: &[&str]) -> (String, Vec<String>) {
    let callable = GUEST.function(function).expect("it is exported");
    let signature = callable.function().clone();
    assert_eq!(signature.params.len(), arguments.len(), "{signature}");
    let values = signature
        .params
        .iter()
        .zip(arguments)
        .map(|(param, text)| from_wave(text, &param.ty).expect("the argument is of its type"));
    let output = callable
        .call(&values.collect::<Vec<_>>(), &Limits::default(), [0; 32])
        .unwrap_or_else(|error| panic!("{function}: {error}"));
    let result = output
        .value
        .zip(signature.result)
        .map(|(value, ty)| to_wave(&value, &ty));
    (
        result.unwrap_or_default(),
        output.log.iter().map(ToString::to_string).collect(),
    )
}

fn result(function: &str, arguments: &[&str]) -> String {
    call(function, arguments).0
}

#[test]
fn the_component_has_the_functions_and_comments_of_the_module() {
    let interface = GUEST.interface();
    let functions = interface
        .functions
        .iter()
        .map(|function| match &function.docs {
            Some(docs) => format!("/// {}\n{function}", docs.replace('\n', "\n/// ")),
            None => function.to_string(),
        });
    insta::assert_snapshot!(functions.collect::<Vec<_>>().join("\n\n"));
    assert!(interface.unsupported.is_empty());
}

#[test]
fn values_of_every_type_come_in_and_out_as_they_are() {
    let same = [
        (
            "scalars",
            vec![
                "true",
                "255",
                "65535",
                "4294967295",
                "18446744073709551615",
                "-128",
                "-32768",
                "-1",
                "-9",
            ],
        ),
        ("floats", vec!["1.5", "-0.25", "'ß'"]),
    ];
    for (function, arguments) in same {
        assert_eq!(
            result(function, &arguments),
            format!("({})", arguments.join(", "))
        );
    }
    let nested = r#"[none, some(ok((7, "seven"))), some(err(["a", "b"]))]"#;
    assert_eq!(result("nested", &[nested]), nested);
    let record =
        r#"{list: [0, 255], ways: [south-west, north], from: ok({x: 1, y: 2, type: some("t")})}"#;
    assert_eq!(result("import", &[record]), record);
    let record = r#"{list: [], ways: [], from: err("none")}"#;
    assert_eq!(result("import", &[record]), record);
    assert_eq!(result("match", &["1", "2"]), "1");
    assert_eq!(result("nothing", &[]), "");
}

#[test]
fn functions_may_be_called_as_those_of_the_c_library_are() {
    assert_eq!(result("round", &["2.5"]), "3");
    assert_eq!(
        result("pow", &["2.5", "3.5"]),
        2.5_f64.powf(3.5).to_string()
    );
    assert_eq!(result("malloc", &["3"]), "[1, 1, 1]");
    assert_eq!(result("strlen", &[r#""abc""#]), r#"some("abc")"#);
}

#[test]
fn enums_and_variants_keep_their_cases() {
    assert_eq!(
        result("turned", &["[north, south-west, north]"]),
        "[south-west, north, south-west]"
    );
    let shapes = [
        "empty",
        "dot({x: 1, y: 2})",
        "line(({x: 0, y: 0}, {x: 1, y: 1}))",
        "turn(south-west)",
    ];
    let given = format!("[{}]", shapes.join(", "));
    let turned = format!(
        "[{}]",
        shapes.iter().rev().copied().collect::<Vec<_>>().join(", ")
    );
    assert_eq!(result("shapes", &[&given]), turned);
}

#[test]
fn what_is_taken_by_reference_is_handed_over_as_a_value() {
    let arguments = [r#""t""#, "[1, 2]", "[3]", "{x: 4, y: 5}", r#"some("w")"#];
    assert_eq!(result("borrowed", &arguments), r#""t [1, 2] [3] 4 w""#);
    assert_eq!(
        result("borrowed", &[r#""""#, "[]", "[]", "{x: 4, y: 5}", "none"]),
        r#"" [] [] 4""#
    );
    assert_eq!(
        result("maybe-point", &["some({x: 1, y: 2})", "some([1])"]),
        "some({x: 1, y: 2})"
    );
    assert_eq!(
        result("maybe-point", &["some({x: 1, y: 2})", "none"]),
        "none"
    );
    assert_eq!(result("maybe-point", &["none", "some([1])"]), "none");
}

#[test]
fn failures_are_those_that_a_host_knows() {
    assert_eq!(result("parsed", &[r#""12""#]), "ok(12)");
    assert_eq!(result("parsed", &[r#""""#]), "err(skip)");
    assert_eq!(
        result("parsed", &[r#""later""#]),
        r#"err(retry-after((20, "not yet")))"#
    );
    assert_eq!(
        result("parsed", &[r#""x""#]),
        r#"err(invalid("invalid digit found in string"))"#
    );
    assert_eq!(result("checked", &["3"]), "ok");
    assert_eq!(result("checked", &["10"]), r#"err("10 is too much")"#);
    let function = GUEST.function("parsed").expect("it is exported");
    let result = function.function().result.clone().expect("it has one");
    let flowstone_core::Type::Result { err: Some(err), .. } = result else {
        panic!("it is a result")
    };
    assert!(flowstone_core::RowFailure::is_type(&err));
}

#[test]
fn messages_reach_the_log_with_their_levels() {
    let (result, log) = call("say", &[r#""so""#]);
    assert_eq!(result, "2");
    assert_eq!(log, ["info: it is so", "warn: twice so"]);
}

#[test]
fn the_row_in_hand_is_told() {
    let callable = GUEST.function("whose").expect("it is exported");
    let whose = |world: World| {
        let output = callable.call(&[], &Limits::default(), world);
        let value = output.expect("it returns").value.expect("a value");
        to_wave(&value, callable.function().result.as_ref().expect("a type"))
    };
    assert_eq!(whose(World::seeded([0; 32])), "none");
    let mut world = World::seeded([0; 32]);
    world.row = Some(Row {
        collection: "page".to_owned(),
        key: "guide.md#3".to_owned(),
    });
    assert_eq!(whose(world), "some((\"page\", \"guide.md#3\"))");
    assert!(GUEST.interface().asks_row());
}
