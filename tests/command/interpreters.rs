//! Plugins in Python, JavaScript and TypeScript: equal sources give equal components, and their functions run. The tools
//! are installed on first use and the components kept; `FLOWSTONE_TEST_LANGUAGES=off` leaves these tests out.

use std::fs;
use std::path::Path;

use flowstone_tests::Project;

use crate::build::{build, built, write};
use crate::guest::Guest;
use crate::support::{command, languages_are_off};

/// A copy of a plugin of this repository, but for what a build leaves there.
fn copy(project: &Project, plugin: &str, to: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    copy_folder(&root.join(plugin), &project.path(to));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the project takes folders");
    for entry in fs::read_dir(from).expect("the plugin is there") {
        let entry = entry.expect("it is listed");
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if entry.path().is_dir() {
            if !hidden && name != "node_modules" {
                copy_folder(&entry.path(), &to.join(name));
            }
        } else {
            fs::copy(entry.path(), to.join(name)).expect("the project takes files");
        }
    }
}

/// The component of a plugin, built in two folders: it is the same.
fn built_twice(project: &Project, plugin: &str, language: &str) -> Guest {
    copy(project, plugin, "one");
    copy(project, plugin, "deep/down/two");
    let one = built(project, &["one"]);
    let two = built(project, &["deep/down/two", "--output", "two.wasm"]);
    assert_eq!(one["language"], language);
    assert_eq!(
        (&one["digest"], &one["bytes"]),
        (&two["digest"], &two["bytes"])
    );
    Guest::read(project, "two.wasm")
}

#[test]
fn a_plugin_in_python_with_a_package_inside_is_the_same_in_every_folder() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let plugin = built_twice(&project, "plugins/readability", "python");
    assert_eq!(
        plugin.answer(
            "scores",
            &["\"The cat sat on the mat. It was extraordinarily comfortable!\""]
        ),
        "some({words: 10, sentences: 2, syllables: 17, reading-ease: 57.94, grade: 6.42, minutes: 0.04})"
    );
    assert_eq!(plugin.answer("scores", &["\"...\""]), "none");
    assert_eq!(
        plugin.answer("hyphenated", &["\"extraordinary\"", "\"en_US\""]),
        "ok(\"ex-tra-or-di-nary\")"
    );
    assert!(
        plugin
            .answer("syllables", &["\"a\"", "\"xx\""])
            .starts_with("err(\"no dictionary")
    );
}

#[test]
fn a_plugin_in_javascript_with_a_package_inside_is_the_same_in_every_folder() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let plugin = built_twice(&project, "plugins/markdown", "javascript");
    assert_eq!(
        plugin.answer("html", &["\"# A *b*\\n\\n<i>c</i> [d](javascript:e)\""]),
        "\"<h1 id=\\\"a-b\\\">A <em>b</em></h1>\\n<p>&lt;i&gt;c&lt;/i&gt; d</p>\\n\""
    );
    assert_eq!(
        plugin.answer("headings", &["\"# A *b*\\n## A b\""]),
        "[{level: 1, text: \"A b\", anchor: \"a-b\"}, {level: 2, text: \"A b\", anchor: \"a-b-1\"}]"
    );
    assert_eq!(
        plugin.answer("links", &["\"[a](b) <https://c.org>\""]),
        "[{address: \"b\", text: \"a\"}, {address: \"https://c.org\", text: \"https://c.org\"}]"
    );
    assert_eq!(
        plugin.answer("plain", &["\"# T\\n\\n- a\\n- b *c*\""]),
        "\"T\\na\\nb c\""
    );
}

#[test]
fn the_template_in_typescript_runs_in_both_engines() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let quick = built_twice(&project, "sdk/typescript/template", "javascript");
    // The other one can send requests, too.
    edit(&project, "one/package.json", |text| {
        let more = "\"tool\": \"componentize-js\", \"fetch\": true, \"world\"";
        text.replace("\"world\"", more)
    });
    edit(&project, "one/wit/world.wit", |text| {
        let get = "    export get: func(url: string) -> result<string, string>;\n}";
        text.replace('}', get)
    });
    edit(&project, "one/plugin.ts", |text| {
        format!(
            "{text}\nexport async function get(url: string) {{
                try {{ return await (await fetch(url)).text(); }} catch (error) {{ throw `${{error}}`; }}
            }}\n"
        )
    });
    built(&project, &["one", "--output", "spider.wasm"]);
    let spider = Guest::read(&project, "spider.wasm");
    let denied = spider.answer("get", &["\"http://127.0.0.1:1/\""]);
    assert!(denied.contains("while using the host API"), "{denied}");
    for plugin in [quick, spider] {
        assert_eq!(plugin.answer("count", &["\"one two\""]), "2");
        assert_eq!(
            plugin.answer("summary", &["\"\"", "1"]),
            "err(\"there are no words\")"
        );
    }
}

/// Changes a file of the project.
fn edit(project: &Project, path: &str, change: impl FnOnce(&str) -> String) {
    let path = project.path(path);
    let text = fs::read_to_string(&path).expect("it is there");
    fs::write(path, change(&text)).expect("the project takes files");
}

#[test]
fn the_types_of_a_world_in_python_are_written_for_editors() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    let template = [
        (
            "plug/pyproject.toml",
            include_str!("../../sdk/python/template/pyproject.toml"),
        ),
        (
            "plug/app.py",
            include_str!("../../sdk/python/template/app.py"),
        ),
        (
            "plug/wit/world.wit",
            include_str!("../../sdk/python/template/wit/world.wit"),
        ),
    ];
    write(&project, &template);
    let first = built(&project, &["plug"]);
    let types = project.path("plug/gen/wit_world/__init__.py");
    let text = fs::read_to_string(&types).expect("they are written");
    assert!(
        text.contains("def count(self, text: str) -> int:"),
        "{text}"
    );
    assert!(project.path("plug/gen/componentize_py_types.py").is_file());
    // They are not looked at when nothing else changed, and are no part of the component.
    assert_eq!(built(&project, &["plug"])["built"], false);
    fs::remove_dir_all(project.path("plug/gen")).expect("they are there");
    let again = built(&project, &["plug"]);
    assert_eq!(
        (&again["built"], &again["digest"]),
        (&true.into(), &first["digest"])
    );
    assert_eq!(fs::read_to_string(&types).expect("they are back"), text);

    // A component that is kept needs no Python, and types that cannot be written are no reason not to build it.
    edit(&project, "plug/app.py", str::to_owned);
    let output = command(&project)
        .args(["build", "plug", "--json"])
        .env("PATH", "")
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""));
    fs::remove_dir_all(project.path("plug/gen")).expect("they are there");
    write(&project, &[("plug/gen", "in the way")]);
    let output = build(&project, &["plug"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("there are no new types for editors"),
        "{said}"
    );
    fs::remove_file(project.path("plug/gen")).expect("it is there");
    built(&project, &["plug"]);

    // A package of that name is the author's.
    fs::remove_dir_all(project.path("plug/gen")).expect("they are there");
    write(&project, &[("plug/gen/__init__.py", "")]);
    built(&project, &["plug"]);
    let listed = fs::read_dir(project.path("plug/gen")).expect("it is there");
    assert_eq!(listed.count(), 1);
}

/// A world with one function.
const WORLD: (&str, &str) = (
    "plug/wit/world.wit",
    "package local:plug;\nworld plug { export f: func(a: u32) -> u32; }",
);

#[test]
fn what_the_tools_say_of_a_mistake_is_shown() {
    if languages_are_off() {
        return;
    }
    let said = |files: &[(&str, &str)]| {
        let project = Project::new();
        write(&project, &[WORLD]);
        write(&project, files);
        let output = build(&project, &["plug"]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("plugin `plug`: it does not build"), "{said}");
        assert!(said.lines().count() < 50, "{said}");
        said
    };
    let manifest = ("plug/package.json", "{}");
    let syntax = said(&[
        manifest,
        ("plug/index.ts", "export function f(a: number {}"),
    ]);
    assert!(syntax.contains("index.ts:1:"), "{syntax}");
    let missing = said(&[manifest, ("plug/index.js", "import \"no-such-package\";")]);
    assert!(missing.contains("no-such-package"), "{missing}");
    let thrown = said(&[
        manifest,
        (
            "plug/index.js",
            "export const f = 1; throw new Error(\"at the start\");",
        ),
    ]);
    assert!(thrown.contains("at the start"), "{thrown}");
    let python = said(&[
        ("plug/pyproject.toml", "[project]\nname = \"plug\"\n"),
        (
            "plug/app.py",
            "import wit_world\nraise ValueError(\"at the start\")\n",
        ),
    ]);
    assert!(python.contains("ValueError: at the start"), "{python}");
}

#[test]
fn what_is_no_part_of_a_component_does_not_change_it() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    copy(&project, "sdk/typescript/template", "plug");
    let before = built(&project, &["plug"]);
    write(
        &project,
        &[
            ("plug/README.md", "other"),
            ("plug/cases.toml", ""),
            ("plug/unused.ts", "export const unused = 1;"),
        ],
    );
    let after = built(&project, &["plug"]);
    assert_eq!(
        (&after["built"], &after["digest"]),
        (&true.into(), &before["digest"])
    );
    let source = fs::read_to_string(project.path("plug/plugin.ts")).expect("it is there");
    write(
        &project,
        &[(
            "plug/plugin.ts",
            &source.replace("there are no words", "none"),
        )],
    );
    assert_ne!(built(&project, &["plug"])["digest"], before["digest"]);
}
