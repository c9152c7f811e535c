//! Runs cargo on a plugin's folder and finds the component that it made.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::GUEST;
use crate::failure::{Failure, Kind};

/// Variables that cargo sets for what it runs itself, and that would mislead another cargo below it. What people set
/// stays, such as `CARGO_HOME`, `RUSTUP_TOOLCHAIN` or `CARGO_TARGET_DIR`. `RUSTFLAGS` goes too: it is meant for
/// programs of this machine, and the same sources are to give the same component.
const MISLEADING: [&str; 12] = [
    "CARGO",
    "CARGO_CRATE_NAME",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "RUSTC",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUST_RECURSION_COUNT",
];

/// The same, by how they begin.
const MISLEADING_PREFIXES: [&str; 6] = [
    "CARGO_BIN_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "DEP_",
];

/// A command of the Rust tools, in `folder`.
pub(super) fn tool(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(folder).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(is_misleading) {
            command.env_remove(&variable);
        }
    }
    command
}

fn is_misleading(variable: &str) -> bool {
    MISLEADING.contains(&variable)
        || MISLEADING_PREFIXES
            .iter()
            .any(|start| variable.starts_with(start))
}

/// Builds the plugin; the path of its component.
pub(super) fn build(plugin: &str, folder: &Path) -> Result<PathBuf, Failure> {
    let failed =
        |message: String| Failure::new(Kind::Build, format!("plugin `{plugin}`: {message}"));
    let output = tool("cargo", folder)
        .args(["build", "--release", "--target", GUEST, "--message-format=json-render-diagnostics"])
        // With several units the data moves when a function is added, and with it the code of functions that were left
        // alone: their results would be made anew.
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed("there is no `cargo` to build it with".to_owned())
                .hint("install Rust from https://rustup.rs, or name a built component: `component = \"FILE.wasm\"`"),
            _ => failed(format!("cannot run `cargo`: {error}")),
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(failed("it does not build".to_owned()).detail(without_progress(&said)));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    artifact(&messages, &folder.join("Cargo.toml")).ok_or_else(|| {
        failed(format!(
            "`{}` makes no component",
            folder.join("Cargo.toml").display()
        ))
        .hint("a plugin is a library: `[lib]`, `crate-type = [\"cdylib\"]`")
    })
}

/// What cargo said, without what it did.
fn without_progress(said: &str) -> String {
    const PROGRESS: [&str; 7] = [
        "Compiling ",
        "Blocking ",
        "Updating ",
        "Downloading ",
        "Downloaded ",
        "Locking ",
        "Fresh ",
    ];
    let lines = said.lines().filter(|line| {
        let word = line.trim_start();
        !(line.starts_with("  ") && PROGRESS.iter().any(|progress| word.starts_with(progress)))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    filenames: Option<Vec<PathBuf>>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// The component among cargo's messages: the `.wasm` file of the library of this manifest.
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| {
            message.reason == "compiler-artifact"
                && message.manifest_path.as_deref() == Some(manifest)
        })
        .filter(|message| {
            message
                .target
                .as_ref()
                .is_some_and(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
        })
        .flat_map(|message| message.filenames.unwrap_or_default())
        .find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_that_of_the_packages_own_library() {
        let line = |manifest: &str, kind: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"crate_types":["{kind}"]}},"filenames":["{file}"]}}"#
            )
        };
        let messages = [
            line("/other/Cargo.toml", "cdylib", "/t/other.wasm"),
            line("/p/Cargo.toml", "bin", "/t/tool.wasm"),
            "no JSON at all".to_owned(),
            line("/p/Cargo.toml", "cdylib", "/t/p.wasm"),
        ];
        let found = artifact(&messages.join("\n"), Path::new("/p/Cargo.toml"));
        assert_eq!(found, Some(PathBuf::from("/t/p.wasm")));
        assert_eq!(
            artifact(&messages[..3].join("\n"), Path::new("/p/Cargo.toml")),
            None
        );
    }

    #[test]
    fn what_cargo_sets_goes_and_what_people_set_stays() {
        for variable in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_BIN_EXE_flowstone",
            "RUSTFLAGS",
        ] {
            assert!(is_misleading(variable), "{variable}");
        }
        for variable in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "RUSTUP_TOOLCHAIN",
            "RUSTC_WRAPPER",
        ] {
            assert!(!is_misleading(variable), "{variable}");
        }
    }

    #[test]
    fn of_cargos_words_only_the_errors_are_kept() {
        let said = "   Compiling text v0.1.0\nerror: expected item\n --> src/lib.rs:1:1\n";
        assert_eq!(
            without_progress(said),
            "error: expected item\n --> src/lib.rs:1:1"
        );
    }
}
