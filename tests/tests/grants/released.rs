//! Released versions of what the host offers: they stay as they are, and plugins that were built against them run.

use std::fs;
use std::path::{Path, PathBuf};

use flowstone::core::Value;
use flowstone::{Component, Limits};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The versions that were released, as the folders say.
fn released() -> Vec<String> {
    let folders = fs::read_dir(root().join("wit/released")).expect("it is there");
    let names = folders.map(|folder| folder.expect("it is there").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What was released, by its path, with the BLAKE3 of it: it can be added to and not changed.
const RELEASED: [(&str, &str); 2] = [
    (
        "wit/released/0.1.0/plugin.wit",
        "b3063078e7dba3ebdb0a5ae6a8ca66a9a83714848bcfd698f6a53d552ee47c04",
    ),
    (
        "tests/fixtures/0.1.0/row.wat",
        "ade4c814dc4fe1f04890f3a2cd9930f7b47d93502775d451e1ea450da2d7096b",
    ),
];

#[test]
fn what_was_released_is_never_changed() {
    for (path, digest) in RELEASED {
        let content = fs::read(root().join(path)).expect("it is there");
        assert_eq!(blake3::hash(&content).to_hex().as_str(), digest, "{path}");
    }
    for version in released() {
        for folder in ["wit/released", "tests/fixtures"] {
            let folder = format!("{folder}/{version}");
            let files = fs::read_dir(root().join(&folder)).expect("it is there");
            for file in files {
                let name = file.expect("it is there").file_name();
                let path = format!("{folder}/{}", name.to_string_lossy());
                let is_held = RELEASED.iter().any(|(held, _)| *held == path);
                assert!(is_held, "{path} was released: its digest belongs here");
            }
        }
    }
}

#[test]
fn a_released_version_is_what_the_host_offers_under_it() {
    let now = fs::read_to_string(root().join("wit/plugin.wit")).expect("it is there");
    let versions = released();
    assert_eq!(versions[0], "0.1.0");
    for version in versions {
        let place = root()
            .join("wit/released")
            .join(&version)
            .join("plugin.wit");
        let then = fs::read_to_string(place).expect("it is there");
        let package = format!("\npackage flowstone:plugin@{version};\n");
        assert!(then.contains(&package), "{version} holds its own package");
        // What is released under a version is never changed: a change asks for another version.
        if now.contains(&package) {
            assert_eq!(
                now, then,
                "wit/plugin.wit differs from what was released as {version}"
            );
        }
    }
}

#[test]
fn plugins_built_against_a_released_version_load_and_run() {
    for version in released() {
        let folder = root().join("tests/fixtures").join(&version);
        let mut plugins = 0;
        for plugin in fs::read_dir(folder).expect("each version has plugins") {
            let path = plugin.expect("it is there").path();
            let bytes = wat::parse_file(&path).expect("it is a component");
            let component = Component::load(&version, &bytes)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let call = |function: &str, text: &str| {
                let line = Value::str(text);
                let output = component.call(function, &[line], &Limits::default(), [0; 32]);
                output
                    .expect("it has the function")
                    .expect("it gives a result")
            };
            let output = call("place", "one");
            assert_eq!(output.log[0].text, "asked");
            // A call by hand is for no row.
            assert_eq!(output.value, Some(Value::List([].into())));
            assert!(matches!(
                call("vet", "one").value,
                Some(Value::Result(Ok(_)))
            ));
            assert!(matches!(call("vet", "").value, Some(Value::Result(Err(_)))));
            plugins += 1;
        }
        assert!(plugins > 0, "{version} has plugins that prove it");
    }
}
