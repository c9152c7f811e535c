//! What cargo made a component of: the files that it names, and the manifests and settings that count for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that `artifact`, built from `folder`, was made of. None where cargo did not say.
pub(super) fn inputs(artifact: &Path, folder: &Path) -> Option<BTreeSet<PathBuf>> {
    let listed = fs::read_to_string(artifact.with_extension("d")).ok()?;
    let listed = dep_info(&listed, folder);
    let manifests = listed.iter().filter_map(|file| manifest_above(file));
    let mut inputs: BTreeSet<_> = manifests.collect();
    inputs.extend(listed);
    inputs.extend(settings_above(folder));
    Some(inputs)
}

/// The files in a dep-info file of cargo: `artifact: file file`, with `\ ` for a space.
fn dep_info(text: &str, folder: &Path) -> Vec<PathBuf> {
    let Some((_, list)) = text.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let mut files = vec![String::new()];
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, files.last_mut()) {
            ('\\', Some(file)) if characters.peek() == Some(&' ') => file.extend(characters.next()),
            (' ', _) => files.push(String::new()),
            (character, Some(file)) => file.push(character),
            (_, None) => {}
        }
    }
    files.retain(|file| !file.is_empty());
    files.into_iter().map(|file| folder.join(file)).collect()
}

/// The manifest of the package that a file belongs to.
fn manifest_above(file: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .map(|folder| folder.join("Cargo.toml"))
        .find(|manifest| manifest.is_file())
}

/// What changes a build from outside of the package: manifests, lock files and settings of the folders above, also
/// those that are not there yet.
fn settings_above(folder: &Path) -> Vec<PathBuf> {
    const NAMES: [&str; 5] = [
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
        "rust-toolchain.toml",
        "rust-toolchain",
    ];
    folder
        .ancestors()
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_names_counts_with_its_manifests_and_the_settings_above() {
        let root = tempfile::tempdir().expect("a folder for the test");
        let path = |name: &str| root.path().join(name);
        for folder in ["plugin/src", "shared/src", "out"] {
            fs::create_dir_all(path(folder)).expect("it can be made");
        }
        for file in ["plugin/Cargo.toml", "shared/Cargo.toml"] {
            fs::write(path(file), "[package]").expect("it can be written to");
        }
        let (library, shared) = (path("plugin/src/lib.rs"), path("shared/src/lib.rs"));
        let list = format!("x.wasm: {} {}\n", library.display(), shared.display());
        fs::write(path("out/x.d"), list).expect("it can be written to");
        let inputs = inputs(&path("out/x.wasm"), &path("plugin")).expect("cargo said it");
        for input in [
            library,
            shared,
            path("shared/Cargo.toml"),
            path("Cargo.lock"),
            path("rust-toolchain.toml"),
            path("plugin/.cargo/config.toml"),
        ] {
            assert!(inputs.contains(&input), "{}", input.display());
        }
        assert_eq!(super::inputs(&path("out/y.wasm"), &path("plugin")), None);
    }

    #[test]
    fn spaces_in_dep_info_are_escaped() {
        let files = dep_info("/t/a.wasm: /a\\ b/lib.rs src/c.rs\n", Path::new("/p"));
        assert_eq!(
            files,
            [PathBuf::from("/a b/lib.rs"), PathBuf::from("/p/src/c.rs")]
        );
    }
}
