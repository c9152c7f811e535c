//! Plugins in C and Go: equal components of equal sources, and what a person sees of a mistake. The compilers are installed on first use; `FLOWSTONE_TEST_LANGUAGES=off` leaves these tests out.

use std::fs;
use std::path::Path;

use flowstone_tests::Project;
use serde_json::Value;

use crate::build::{build, built, write};
use crate::foreign::{C, GO};
use crate::guest::Guest;
use crate::support::{command, languages_are_off};

/// What a failing build says.
fn refused(files: &[(&str, &str)]) -> String {
    let project = Project::new();
    write(&project, files);
    let output = build(&project, &["mirror"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

/// The same files but for one.
fn with<'a>(files: &[(&'a str, &'a str)], changed: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    let others = files.iter().filter(|(name, _)| *name != changed.0);
    others.copied().chain([changed]).collect()
}

#[test]
fn equal_sources_in_two_folders_make_equal_components_and_the_next_build_has_nothing_to_do() {
    if languages_are_off() {
        return;
    }
    for files in [&C, &GO] {
        let (one, other) = (Project::new(), Project::new());
        write(&one, files);
        let elsewhere: Vec<_> = files
            .iter()
            .map(|(name, text)| (format!("deep/er/{name}"), *text))
            .collect();
        let elsewhere: Vec<_> = elsewhere
            .iter()
            .map(|(name, text)| (&**name, *text))
            .collect();
        write(&other, &elsewhere);
        let (first, second) = (built(&one, &["mirror"]), built(&other, &["deep/er/mirror"]));
        assert_eq!(first["digest"], second["digest"], "{}", first["language"]);
        let again = built(&one, &["mirror"]);
        assert_eq!(
            (&first["built"], &again["built"]),
            (&true.into(), &false.into()),
            "{first}"
        );
        fs::remove_dir_all(one.path("mirror/gen")).expect("it was made");
        let anew = built(&one, &["mirror"]);
        assert_eq!(
            (&anew["built"], &anew["digest"]),
            (&true.into(), &first["digest"]),
            "{first}"
        );
        assert!(one.path("mirror/gen").is_dir());
    }
}

#[test]
fn what_the_compilers_say_is_shown() {
    if languages_are_off() {
        return;
    }
    let said = refused(&with(
        &C,
        ("mirror/src/mirror.c", "int f(void) { return x; }"),
    ));
    assert!(
        said.contains("src/mirror.c:1:") && said.contains("undeclared identifier 'x'"),
        "{said}"
    );
    let said = refused(&with(&C, ("mirror/src/mirror.c", "")));
    assert!(said.contains("exports_mirror_scalars"), "{said}");
    assert!(
        said.contains("hint: what `wit/` asks for is declared in `gen/`"),
        "{said}"
    );
    let said = refused(&with(
        &GO,
        ("mirror/mirror.go", "package mirror\n\nvar x int = \"\""),
    ));
    assert!(said.contains("mirror.go:3:"), "{said}");
    let said = refused(&with(&GO, ("mirror/mirror.go", "package mirror")));
    assert!(
        said.contains("func Nothing(text string) error"),
        "the functions that are asked for: {said}"
    );
    assert!(
        said.contains(
            "func Scalars(a uint8, b int64, c float32, d bool, e rune, f string, g []uint8) float64"
        ),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn included_files_that_never_end_are_not_read() {
    if languages_are_off() {
        return;
    }
    let said = refused(&with(
        &C,
        ("mirror/src/mirror.c", "#include \"/dev/zero\"\n"),
    ));
    assert!(
        said.contains("`src/mirror.c` includes `/dev/zero`, which is not in its folder"),
        "{said}"
    );
    let project = Project::new();
    write(&project, &C);
    let include = ("mirror/src/mirror.c", "#include \".git/pipe\"\n");
    write(&project, &[include, ("mirror/src/.git/a", "")]);
    let pipe = std::process::Command::new("mkfifo")
        .arg(project.path("mirror/src/.git/pipe"))
        .status();
    assert!(pipe.expect("mkfifo starts").success());
    let output = build(&project, &["mirror"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("includes `.git/pipe`, which is a pipe, a socket or a device"),
        "{said}"
    );
}

#[test]
fn worlds_that_are_none_are_shown_where_they_are_wrong() {
    let said = refused(&with(
        &C,
        (
            "mirror/wit/world.wit",
            "package a:b;\nworld w { export f: fun(); }",
        ),
    ));
    assert!(
        said.contains("wit` is not valid") && said.contains("world.wit:2:"),
        "{said}"
    );
    let said = refused(&with(
        &GO,
        (
            "mirror/wit/world.wit",
            "package a:b; world w { export f: func() -> stream<u8>; }",
        ),
    ));
    assert!(said.contains("has a stream"), "{said}");
    let without = &GO[1..];
    assert!(refused(without).contains("a plugin says in `wit/world.wit` which functions it has"));
}

#[test]
fn manifests_that_lead_out_of_the_folder_or_run_programs_are_refused() {
    for (manifest, reason) in [
        (
            "sources = ['../secret.c']",
            "`../secret.c` is no path below the folder",
        ),
        ("include = ['/etc']", "`/etc` is no path below the folder"),
        (
            "flags = ['-fplugin=./evil.so']",
            "the flag `-fplugin=./evil.so` is not one of those",
        ),
        ("compiler = 'evil'", "unknown field `compiler`"),
    ] {
        let said = refused(&with(&C, ("mirror/plugin.toml", manifest)));
        assert!(said.contains(reason), "{said}");
    }
    let said = refused(&with(&GO, ("mirror/go.mod", "module a\";evil")));
    assert!(said.contains("names no module"), "{said}");
}

#[test]
fn a_stack_that_overflows_ends_the_call() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let world = "package local:deep; world deep { export fill: func(size: u32) -> u32; }";
    let source = "#include \"deep.h\"\n\
        uint32_t exports_deep_fill(uint32_t size) {\n  volatile uint8_t on_the_stack[size];\n  \
        for (uint32_t at = size; at > 0; at -= 4096) on_the_stack[at - 1] = 1;\n  return on_the_stack[size - 1];\n}\n";
    let files = [
        ("deep/wit/world.wit", world),
        ("deep/plugin.toml", "name = 'deep'"),
        ("deep/src/deep.c", source),
    ];
    write(&project, &files);
    let guest = Guest::of(&project, "deep");
    assert_eq!(guest.answer("fill", &["524288"]), "1");
    let reason = guest.answer("fill", &["2097152"]);
    assert!(reason.contains("out of bounds memory access"), "{reason}");
}

#[test]
fn a_source_that_includes_what_is_not_in_its_folder_is_refused() {
    if languages_are_off() {
        return;
    }
    let source = "#include \"../../secret.h\"\n";
    let mut files = with(&C, ("mirror/src/mirror.c", source));
    files.push(("secret.h", "static int secret;"));
    let said = refused(&files);
    assert!(said.contains("which is not in its folder"), "{said}");
}

#[test]
fn nothing_is_shown_of_a_file_elsewhere_that_a_source_includes() {
    if languages_are_off() {
        return;
    }
    for (source, secret) in [
        ("#include \"../../secret.h\"\n", "key: 12 secret 34\n"),
        ("#define F \"../../secret.h\"\n#include F\n", "# secret\n"),
    ] {
        let mut files = with(&C, ("mirror/src/mirror.c", source));
        files.push(("secret.h", secret));
        let said = refused(&files);
        assert!(said.contains("which is not in its folder"), "{said}");
        assert!(!said.contains("34") && !said.contains("# secret"), "{said}");
    }
}

#[test]
fn modules_that_lie_elsewhere_are_refused() {
    if languages_are_off() {
        return;
    }
    let module = "module local/mirror\n\ngo 1.24\n\nrequire example.com/x v0.0.0\n\nreplace example.com/x => PLACE\n";
    let source = |place: &str| {
        let source = format!("{}\nvar _ = x.X\n", include_str!("mirror/mirror.go"));
        let source = source.replacen("import (", "import (\n\t\"example.com/x\"", 1);
        let folder = if place == "./x" { "mirror/x" } else { "outmod" };
        let project = Project::new();
        write(&project, &with(&GO, ("mirror/mirror.go", &source)));
        write(
            &project,
            &[
                ("mirror/go.mod", &*module.replace("PLACE", place)),
                (
                    &*format!("{folder}/go.mod"),
                    "module example.com/x\n\ngo 1.24\n",
                ),
                (&*format!("{folder}/x.go"), "package x\n\nconst X = 1\n"),
            ],
        );
        let output = command(&project)
            .args(["build", "mirror"])
            .output()
            .expect("the command starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (status, said) = source("../outmod");
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("outmod/") && said.contains("which is not in its folder"),
        "{said}"
    );
    let (status, said) = source("./x");
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn the_cases_of_the_plugins_of_this_repository_pass() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    for (plugin, cases) in [("stem", 6), ("keywords", 4)] {
        let output = command(&project)
            .args(["test", "--json"])
            .arg(root.join(plugin))
            .output()
            .expect("the command starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let said: Value = serde_json::from_str(&said).expect("it is JSON");
        assert_eq!(said["passed"], cases, "{said}");
        assert_eq!(said["untested"], serde_json::json!([]), "{said}");
    }
}
