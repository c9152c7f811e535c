//! A component with a world of its own, in records, variants, enums, flags, results, tuples and options, and with functions of
//! one name in two interfaces: called directly, and used in a flow. It is written four times, and does the same each time.
//! The tools are installed on first use; `FLOWSTONE_TEST_LANGUAGES=off` leaves these tests out.

use std::fs;

use flowstone::FailureKind;
use flowstone_tests::Project;
use rusqlite::types::Value;

use crate::build::{build, built, write};
use crate::guest::Guest;
use crate::support::{assert_seen, calls_of_run, languages_are_off, regex_of_folder};

const WORLD: (&str, &str) = ("mirror/wit/world.wit", include_str!("mirror/world.wit"));

/// A plugin in C that gives back what it is given.
pub(crate) const C: [(&str, &str); 3] = [
    WORLD,
    (
        "mirror/plugin.toml",
        "name = 'mirror'\nflags = ['-std=c17', '-Wall', '-Wextra', '-Werror']",
    ),
    ("mirror/src/mirror.c", include_str!("mirror/mirror.c")),
];

/// The same in Go.
pub(crate) const GO: [(&str, &str); 3] = [
    WORLD,
    ("mirror/go.mod", "module local/mirror\n\ngo 1.24\n"),
    ("mirror/mirror.go", include_str!("mirror/mirror.go")),
];

/// The same in Python.
const PYTHON: [(&str, &str); 3] = [
    WORLD,
    (
        "mirror/pyproject.toml",
        "[project]\nname = \"mirror\"\n[tool.flowstone]\nmodule = \"mirror\"\n",
    ),
    ("mirror/mirror.py", include_str!("mirror/mirror.py")),
];

/// The same in JavaScript.
const JAVASCRIPT: [(&str, &str); 3] = [
    WORLD,
    ("mirror/package.json", "{\"main\": \"mirror.js\"}"),
    ("mirror/mirror.js", include_str!("mirror/mirror.js")),
];

const AREA: &str = "local:mirror/shapes@1.2.0#area";
const SIZE: &str = "local:mirror/sizes@1.2.0#area";

/// Calls, and what comes back.
const CALLS: [(&[&str], &str); 21] = [
    (&[AREA, "circle(2.0)"], "ok(12)"),
    (&[AREA, "nothing"], "err(\"shape 0 has no area\")"),
    (&[SIZE, "path([{x: 1.0, y: 2.0}])"], "some(1)"),
    (&[SIZE, "nothing"], "none"),
    (
        &[
            "turn",
            "{id: 1, outcome: ok(circle(1.5)), checked: ok, marks: {bold}, color: none, initial: 'é', ratio: 0.25, \
             offset: (-1, 300, -70000), shapes: [(\"a\", nothing), (\"b\", named((\"c\", 7)))], bytes: [0, 255], \
             samples: [0.5, -inf]}",
        ],
        "{id: 2, outcome: ok(circle(1.5)), checked: err, marks: {wide}, initial: 'é', ratio: -0.5, \
         offset: (1, -300, 70000), shapes: [(\"b\", named((\"c\", 7))), (\"a\", nothing)], bytes: [0, 255], \
         samples: [0.5, -inf]}",
    ),
    (
        &[
            "turn",
            "{id: 7, outcome: err(\"lost\"), checked: err, marks: {}, color: some(green-blue), initial: 'x', ratio: 3, \
             offset: (100, 0, 1), shapes: [], bytes: [], samples: []}",
        ],
        "{id: 8, outcome: err(\"lost\"), checked: ok, marks: {bold, wide}, color: some(green-blue), initial: 'x', \
         ratio: -6, offset: (-100, 0, -1), shapes: [], bytes: [], samples: []}",
    ),
    (
        &[
            "scalars", "200", "-300", "0.5", "true", "'é'", "\"xyz\"", "[1, 2]",
        ],
        "138.5",
    ),
    (
        &[
            "scalars",
            "0",
            "-9007199254740991",
            "0.0",
            "false",
            "'a'",
            "\"\"",
            "[]",
        ],
        "9007199254740894",
    ),
    (
        &["maybe", "some(3)", "none", "(4, \"ab\")", "ok(100)"],
        "[some({x: 3, y: 106}), none]",
    ),
    (
        &["maybe", "none", "some(\"\")", "(0, \"\")", "err(\"x\")"],
        "[some({x: 7, y: 0}), none]",
    ),
    (
        &[
            "add",
            "[nothing, circle(1.0), path([{x: 1.0, y: 2.0}, {x: 3.0, y: 4.0}]), named((\"n\", 5))]",
            "{wide}",
            "green-blue",
        ],
        "[nothing, circle(1), path([{x: 1, y: 2}, {x: 3, y: 4}]), named((\"n\", 5)), named((\"2\", 1))]",
    ),
    (&["add", "[]", "{bold, wide}", "red"], "[named((\"3\", 0))]"),
    (&["some", "\"\""], "none"),
    (&["some", "\"größer\""], "some(\"größer\")"),
    (&["nothing", "\"\""], "ok"),
    (&["nothing", "\"why not\""], "err(\"why not\")"),
    (&["bare", "\"a\""], "ok(\"a\")"),
    (&["bare", "\"\""], "err"),
    (
        &["nested", "[[\"a\", \"b\"], [], [\"c\"]]"],
        "(3, [[97], [98], [99]])",
    ),
    (
        &["columns", "[none, some({x: 3.0, y: 1.0})]"],
        "ok(some([3]))",
    ),
    (&["columns", "[none]"], "ok(none)"),
];

fn every_type_goes_in_and_out(files: &[(&str, &str)]) {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    write(&project, files);
    let guest = Guest::of(&project, "mirror");
    let mut functions = guest.functions();
    functions.sort_unstable();
    let all = [
        "add", "bare", "columns", AREA, SIZE, "maybe", "nested", "nothing", "scalars", "some",
        "turn",
    ];
    assert_eq!(functions, all, "and nothing that a tool left");
    for (call, answer) in CALLS {
        let (name, arguments) = call.split_first().expect("a function");
        assert_eq!(
            guest.answer(name, arguments),
            answer,
            "{name} {arguments:?}"
        );
    }
    let logged = guest.call(AREA, &["circle(1.0)"]).expect("it has an area");
    let logged: Vec<_> = logged.log.iter().map(ToString::to_string).collect();
    assert_eq!(logged, ["info: a circle"]);
    let trapped = guest.call("some", &["\"trap\""]).expect_err("it traps");
    let said = |text: &str| trapped.log.iter().any(|line| line.text.contains(text));
    assert!(said("so it goes"), "{:?}", trapped.log);
    assert_eq!(trapped.kind, FailureKind::Trap, "{}", trapped.reason);
}

#[test]
fn every_type_goes_in_and_out_of_c() {
    every_type_goes_in_and_out(&C);
}

#[test]
fn every_type_goes_in_and_out_of_go() {
    every_type_goes_in_and_out(&GO);
}

#[test]
fn every_type_goes_in_and_out_of_python() {
    every_type_goes_in_and_out(&PYTHON);
}

#[test]
fn every_type_goes_in_and_out_of_javascript() {
    every_type_goes_in_and_out(&JAVASCRIPT);
}

/// The rows of a table, as the database shows them.
fn rows(project: &Project, query: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(project.path("out/mirror.db"));
    let database = database.expect("it is a database");
    let mut statement = database.prepare(query).expect("the table is there");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let columns = (0..columns).map(|column| {
            Ok(match row.get::<_, Value>(column)? {
                Value::Null => "null".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => format!("{number:?}"),
                Value::Text(text) => text,
                Value::Blob(bytes) => format!("{bytes:?}"),
            })
        });
        columns.collect::<Result<Vec<_>, _>>()
    });
    let rows = rows.expect("it can be asked");
    rows.map(|row| row.expect("they are values").join(" | "))
        .collect()
}

/// The rows that the flow makes of the orders, whatever language the plugin is in.
fn assert_orders(project: &Project) {
    let parcel = "SELECT name, id, outcome, checked, marks, color, initial, ratio, offset, bytes, samples FROM orders ORDER BY 1";
    assert_eq!(
        rows(project, parcel),
        [
            r#"a | 2 | {"ok":{"path":[{"x":1.5,"y":-2.0}]}} | {"err":null} | ["wide"] | green-blue | é | -0.5 | [-1,2,-3] | [0, 255] | [0, 0, 0, 0, 0, 0, 224, 63]"#,
            r#"b | 3 | {"err":"lost"} | {"ok":null} | ["bold","wide"] | null | x | -6.0 | [100,0,-7] | [1, 2] | []"#,
        ]
    );
    assert_eq!(
        rows(
            project,
            "SELECT shapes, turned, surface, lists FROM orders WHERE name = 'a'"
        ),
        [concat!(
            r#"[["q",{"circle":1.0}],["p","nothing"]] | "#,
            r#"{"id":2,"outcome":{"ok":{"path":[{"x":1.5,"y":-2.0}]}},"checked":{"err":null},"marks":["wide"],"#,
            r#""color":"green-blue","initial":"é","ratio":-0.5,"offset":[-1,2,-3],"#,
            r#""shapes":[["q",{"circle":1.0}],["p","nothing"]],"bytes":"00ff","samples":[0.5]} | "#,
            r#"12.0 | [3,["61","62","63"]]"#,
        )]
    );
    // What is none makes no row.
    assert_eq!(
        rows(project, "SELECT * FROM corners"),
        [r#"a | 1 | [3, 0, 0, 0] | [{"x":3.0,"y":107.0},null]"#]
    );
    assert_eq!(
        rows(project, "SELECT * FROM added"),
        [r#"a | {"path":[{"x":1.0,"y":2.0},{"x":3.0,"y":4.0}]} | 2"#]
    );
    assert_eq!(
        rows(project, "SELECT * FROM sums ORDER BY 1"),
        ["0 | -107.0", "200 | 138.5"]
    );
    let note = fs::read_to_string(project.path("out/notes/a.txt"));
    assert_eq!(note.expect("it is written"), "größer");
    assert!(!project.path("out/notes/b.txt").exists());
}

#[test]
fn a_flow_is_the_same_whatever_the_plugin_is_written_in() {
    if languages_are_off() {
        return;
    }
    for files in [&C, &GO, &PYTHON, &JAVASCRIPT] {
        let project = Project::new();
        write(&project, files);
        write(
            &project,
            &[
                ("flow.toml", include_str!("mirror/flow.toml")),
                ("orders.jsonl", include_str!("mirror/orders.jsonl")),
                (
                    "readings.csv",
                    "a,b,c,d,e,f\n200,-300,0.5,true,é,xyz\n0,7,1,false,a,\n",
                ),
            ],
        );
        built(&project, &["mirror", "--output", "mirror.wasm"]);
        let first = calls_of_run(&project);
        assert_eq!((first["turned"], first["rim"]), (2, 3), "{first:?}");
        assert_orders(&project);
        assert!(calls_of_run(&project).is_empty());

        // Another build of the same, and one value in a value: what reads it is called.
        built(&project, &["mirror", "--output", "mirror.wasm"]);
        let orders = include_str!("mirror/orders.jsonl").replace("\"bold\"", "\"wide\"");
        fs::write(project.path("orders.jsonl"), orders).expect("the project takes files");
        let calls = calls_of_run(&project).into_iter().collect::<Vec<_>>();
        assert_eq!(calls, [("turned".to_owned(), 1)]);
        let marks = rows(&project, "SELECT marks FROM orders ORDER BY name");
        assert_eq!(marks, [r#"["bold"]"#, r#"["bold","wide"]"#]);
    }
}

#[test]
fn a_name_that_two_interfaces_have_is_said_in_full() {
    if languages_are_off() {
        return;
    }
    let project = Project::new();
    write(&project, &C);
    let output = build(&project, &["mirror", "--output", "mirror.wasm"]);
    assert_eq!(output.status.code(), Some(0));
    let flow = include_str!("mirror/flow.toml");
    for (name, call) in [
        ("short", "area"),
        ("without_version", "local:mirror/shapes#area"),
    ] {
        write(&project, &[("flow.toml", &flow.replace(AREA, call))]);
        assert_seen!(&project, &*format!("foreign_name_{name}"), &["check"]);
        assert_seen!(
            &project,
            &*format!("foreign_name_{name}_called"),
            &["call", "mirror.wasm", call, "nothing"]
        );
    }
}
