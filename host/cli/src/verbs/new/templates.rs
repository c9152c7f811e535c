//! The files of something new, as they lie in `sdk/`: real ones that build as they are, but for the names in them.

use std::path::Path;

use crate::args::NewLanguage;
use crate::failure::{Failure, Kind};

/// A file to write.
#[derive(Debug)]
pub(super) struct File {
    /// Its path below the folder.
    pub(super) path: String,
    /// What is in it.
    pub(super) text: String,
}

/// Files by their paths.
type Template = [(&'static str, &'static str)];

macro_rules! template {
    ($folder:literal, $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../../sdk/", $folder, "/template/", $path)))),+]
    };
}

const RUST: &Template = template!(
    "rust",
    "Cargo.toml",
    "src/lib.rs",
    "cases.toml",
    "README.md",
    ".gitignore",
);

const PYTHON: &Template = template!(
    "python",
    "pyproject.toml",
    "wit/world.wit",
    "app.py",
    "cases.toml",
    "README.md",
    ".gitignore",
);

const JAVASCRIPT: &Template = template!(
    "javascript",
    "package.json",
    "wit/world.wit",
    "plugin.js",
    "cases.toml",
    "README.md",
    ".gitignore",
);

const TYPESCRIPT: &Template = template!(
    "typescript",
    "package.json",
    "tsconfig.json",
    "wit/world.wit",
    "plugin.ts",
    "cases.toml",
    "README.md",
    ".gitignore",
);

const C: &Template = template!(
    "c",
    "plugin.toml",
    "wit/world.wit",
    "src/plugin.c",
    "cases.toml",
    "README.md",
    ".gitignore",
);

const GO: &Template = template!(
    "go",
    "go.mod",
    "wit/world.wit",
    "plugin.go",
    "plugin_test.go",
    "cases.toml",
    "README.md",
    ".gitignore",
);

const FLOW: &Template = template!(
    "flow",
    "flow.toml",
    "texts/harbour.md",
    "texts/mill.md",
    "texts/orchard.md",
    "README.md",
    ".gitignore",
);

/// Where the template in Rust finds the SDK: beside itself.
const RUST_SDK_PLACE: &str = r#"{ path = ".." }"#;

/// Where a plugin elsewhere finds it: in the checkout that this program was built from.
///
/// # Errors
///
/// When that is gone. The SDK is in no registry, so whatever has its name there is somebody else's.
fn rust_sdk(folder: &Path) -> Result<String, Failure> {
    match folder.canonicalize() {
        Ok(path) if path.join("Cargo.toml").is_file() => Ok(format!(
            r#"{{ path = "{}" }}"#,
            in_quotes(&path.to_string_lossy())
        )),
        _ => Err(Failure::new(
            Kind::NotFound,
            format!(
                "the SDK for Rust is not where this flowstone was built: `{}`",
                folder.display()
            ),
        )
        .hint("build flowstone from a checkout that stays where it is; its plugins take the SDK from there")
        .hint("or write it in another language: `--lang python`, say")),
    }
}

/// What stands between the quotes of a TOML file for a text.
pub(super) fn in_quotes(text: &str) -> String {
    // The escapes of JSON are those of TOML too.
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The files of a plugin.
///
/// # Errors
///
/// When what they are to be built with is not there.
pub(super) fn plugin(language: NewLanguage, name: &str) -> Result<Vec<File>, Failure> {
    let template = match language {
        NewLanguage::Rust => RUST,
        NewLanguage::Python => PYTHON,
        NewLanguage::Javascript => JAVASCRIPT,
        NewLanguage::Typescript => TYPESCRIPT,
        NewLanguage::C => C,
        NewLanguage::Go => GO,
    };
    let sdk = match language {
        NewLanguage::Rust => {
            rust_sdk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/rust"))?
        }
        _ => String::new(),
    };
    let names = [
        ("plugin-name", name),
        ("plugin_name", &name.replace('-', "_")),
        (RUST_SDK_PLACE, &sdk),
    ];
    Ok(named(template, &names))
}

/// The files of a flow, with these in the place of the words before them.
pub(super) fn flow(names: &[(&str, &str)]) -> Vec<File> {
    named(FLOW, names)
}

fn named(template: &Template, names: &[(&str, &str)]) -> Vec<File> {
    let put_in = |text: &str| {
        names.iter().fold(text.to_owned(), |text, (word, name)| {
            text.replace(word, name)
        })
    };
    let file = |(path, text): &(&str, &str)| File {
        path: put_in(path),
        text: put_in(text),
    };
    template.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::fs;
    use std::path::PathBuf;

    /// The files of a folder that are no results of builds, by their paths below it.
    fn files_of(folder: &Path, below: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder.join(below)).expect("a folder of the project") {
            let path = below.join(entry.expect("it can be read").file_name());
            let made = ["target", "gen", ".flowstone", "node_modules", "Cargo.lock"];
            if made.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if folder.join(&path).is_dir() {
                files.extend(files_of(folder, &path));
            } else {
                files.push(path);
            }
        }
        files.sort();
        files
    }

    #[test]
    fn no_file_of_a_template_is_left_out() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
        let templates = [
            ("rust", RUST),
            ("python", PYTHON),
            ("javascript", JAVASCRIPT),
            ("typescript", TYPESCRIPT),
            ("c", C),
            ("go", GO),
            ("flow", FLOW),
        ];
        for (folder, template) in templates {
            let mut taken: Vec<_> = template
                .iter()
                .map(|(path, _)| PathBuf::from(path))
                .collect();
            taken.sort();
            let there = files_of(&sdk.join(folder).join("template"), Path::new(""));
            assert_eq!(taken, there, "sdk/{folder}/template");
        }
    }

    #[test]
    fn names_are_put_in_everywhere() {
        for &language in NewLanguage::value_variants() {
            for file in plugin(language, "word-count").expect("the SDK is there") {
                let all = format!("{}\n{}", file.path, file.text);
                assert!(
                    !["plugin-name", "plugin_name", RUST_SDK_PLACE]
                        .iter()
                        .any(|word| all.contains(word)),
                    "{all}"
                );
            }
        }
    }

    #[test]
    fn without_the_sdk_no_stranger_s_crate_is_named() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for gone in [folder.path().join("sdk/rust"), folder.path().to_owned()] {
            let failure = rust_sdk(&gone).expect_err("it is not there");
            assert!(failure.hints[0].contains("checkout"), "{:?}", failure.hints);
        }
        fs::write(folder.path().join("Cargo.toml"), "").expect("it can be written");
        let place = folder.path().canonicalize().expect("it is there");
        assert_eq!(
            rust_sdk(folder.path()).expect("it is there"),
            format!("{{ path = \"{}\" }}", place.display())
        );
    }

    #[test]
    fn a_text_does_not_end_its_quotes() {
        assert_eq!(in_quotes(r#"a"b\c"#), r#"a\"b\\c"#);
    }
}
