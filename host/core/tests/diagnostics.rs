//! What a person is told when a flow is wrong: the message, the place, and what to do. One snapshot per message.

mod kinds;

use std::collections::BTreeMap;
use std::time::Duration;

use flowstone_core::{
    Argument, BatchSettings, Case, FlowErrors, FlowFile, Interface, Plan, Type,
    UnsupportedFunction, Value,
};
use kinds::{Kinds, function};

fn interfaces() -> BTreeMap<String, Interface> {
    let section = Type::record([
        ("heading", Type::String),
        ("text", Type::String),
        ("level", Type::U8),
    ]);
    let sections = Type::Result {
        ok: Some(Type::list(section.clone()).into()),
        err: Some(Type::String.into()),
    };
    let mode = Type::Enum(["fast".into(), "exact".into()].into());
    let shape = Type::Variant(
        [
            Case {
                name: "all".into(),
                ty: None,
            },
            Case {
                name: "first".into(),
                ty: Some(Type::U32),
            },
        ]
        .into(),
    );
    let at = Type::record([("line", Type::U16), ("near", Type::option(Type::F32))]);
    let text = Interface {
        functions: vec![
            function(
                "sections",
                &[("content", Type::String), ("max-chars", Type::U32)],
                Some(sections),
            ),
            function("word-count", &[("text", Type::String)], Some(Type::U32)),
            function("twice", &[("number", Type::U32)], Some(Type::U32)),
            function("info", &[("content", Type::String)], Some(section)),
            function(
                "both",
                &[("left", Type::U32), ("right", Type::U32)],
                Some(Type::U32),
            ),
            function(
                "tune",
                &[("text", Type::String), ("mode", mode), ("take", shape)],
                Some(Type::String),
            ),
            function("hash", &[("content", Type::bytes())], Some(Type::U64)),
            function("log", &[("text", Type::String)], None),
            function(
                "vet",
                &[("text", Type::String)],
                Some(Type::Result {
                    ok: None,
                    err: Some(Type::String.into()),
                }),
            ),
            function(
                "place",
                &[
                    ("at", at),
                    ("sign", Type::Char),
                    ("marks", Type::Flags(["bold".into(), "wide".into()].into())),
                ],
                Some(Type::String),
            ),
            function(
                "settle",
                &[
                    ("text", Type::String),
                    (
                        "last",
                        Type::Result {
                            ok: None,
                            err: Some(Type::U32.into()),
                        },
                    ),
                ],
                Some(Type::String),
            ),
            function(
                "counts",
                &[("text", Type::list(Type::String)), ("scale", Type::U32)],
                Some(Type::list(Type::option(Type::U32))),
            ),
            function(
                "splits",
                &[("text", Type::list(Type::String))],
                Some(Type::list(Type::Result {
                    ok: Some(Type::list(Type::String).into()),
                    err: Some(Type::String.into()),
                })),
            ),
        ],
        unsupported: vec![UnsupportedFunction {
            name: "open".to_owned(),
            reason: "its parameter `file` is a resource; pass the bytes instead".to_owned(),
        }],
        imports: Vec::new(),
    };
    BTreeMap::from([("text".to_owned(), text)])
}

fn wire(text: &str) -> Result<Plan, FlowErrors> {
    FlowFile::parse(text, &BTreeMap::new())?.wire(&interfaces(), &Kinds)
}

fn told(text: &str) -> String {
    kinds::told(text, wire(text))
}

const HEAD: &str = r#"name = "handbook"
[plugin.text]
component = "text.wasm"
[source.page]
kind = "files"
root = "docs"
[transform.section]
call = "text.sections"
each = "page"
rows = true
with = { max-chars = 1200 }
"#;

/// A good flow, with more at its end.
fn with(more: &str) -> String {
    format!("{HEAD}{more}")
}

const WORDS: &str = "[transform.words]\ncall = \"text.word-count\"\neach = \"section\"\n";

const INDEX: &str = r#"[target.index]
kind = "sqlite"
rows = "section"
key = ["path", "heading"]
columns = { path = "page.path", heading = "section.heading", words = "words" }
"#;

fn settle(last: &str) -> String {
    format!(
        "[transform.a]\ncall = \"text.settle\"\neach = \"section\"\nwith = {{ last = {last} }}\n"
    )
}

#[test]
fn a_literal_can_be_either_side_of_a_result() {
    for (last, value) in [
        ("\"ok\"", Value::Result(Ok(None))),
        (
            "{ err = 7 }",
            Value::Result(Err(Some(Value::U32(7).into()))),
        ),
    ] {
        let plan = wire(&with(&settle(last))).expect("the flow is right");
        let transforms = &plan.stages[0].transforms;
        let transform = transforms.iter().find(|transform| transform.name == "a");
        let arguments = &transform.expect("it is there").arguments;
        let given = arguments
            .iter()
            .any(|argument| matches!(argument, Argument::Literal(given) if *given == value));
        assert!(given, "{last}: {arguments:?}");
    }
}

#[test]
fn the_flow_of_the_design_is_wired() {
    let plan = wire(&with(&format!("{WORDS}{INDEX}"))).expect("the flow is right");
    let stage = &plan.stages[0];
    let names: Vec<&str> = stage
        .transforms
        .iter()
        .map(|transform| &*transform.name)
        .collect();
    assert_eq!(names, ["section", "words"]);
    let arguments: Vec<String> = stage.transforms[1]
        .columns()
        .map(|column| stage.column_path(column))
        .collect();
    assert_eq!(arguments, ["section.text"]);
    let columns: Vec<String> = stage.targets[0]
        .columns
        .iter()
        .map(|column| stage.column_path(column))
        .collect();
    assert_eq!(columns, ["page.path", "section.heading", "words"]);
    assert_eq!(stage.targets[0].spec.key, [0, 1]);
    let source: Vec<&str> = stage
        .source
        .columns
        .iter()
        .map(|column| &*column.name)
        .collect();
    assert_eq!(source, ["content", "path"]);
}

#[test]
fn one_column_can_be_read_as_text_and_as_bytes() {
    let more = "[transform.sum]\ncall = \"text.hash\"\neach = \"page\"\n";
    let plan = wire(&with(more)).expect("the flow is right");
    let types: Vec<String> = plan.stages[0]
        .source
        .columns
        .iter()
        .map(|column| column.ty.to_string())
        .collect();
    assert_eq!(types, ["string", "list<u8>"]);
}

#[test]
fn a_field_of_a_result_is_a_column() {
    let more = "[transform.about]\ncall = \"text.info\"\neach = \"page\"\n\
                [transform.words]\ncall = \"text.word-count\"\neach = \"page\"\nfrom = { text = \"about.text\" }\n";
    let plan = wire(&with(more)).expect("the flow is right");
    let stage = &plan.stages[0];
    let words = stage
        .transforms
        .iter()
        .find(|transform| transform.name == "words")
        .expect("it is there");
    let column = words.columns().next().expect("it has an argument");
    assert_eq!(stage.column_path(column), "about.text");
}

const COUNTS: &str =
    "[transform.counts]\ncall = \"text.counts\"\neach = \"section\"\nwith = { scale = 2 }\n";

#[test]
fn a_batched_transform_takes_columns_of_the_elements_of_its_lists() {
    let batch = "batch = { rows = 500, bytes = \"1MiB\", wait = \"5ms\" }\n";
    let plan = wire(&with(&format!("{COUNTS}{batch}"))).expect("the flow is right");
    let stage = &plan.stages[0];
    let counts = &stage.transforms[1];
    let settings = BatchSettings {
        rows_max: 500,
        bytes_max: 1 << 20,
        wait: Duration::from_millis(5),
    };
    assert_eq!(counts.batch, Some(settings));
    assert_eq!(
        counts.function.to_string(),
        "counts: func(text: string, scale: u32) -> option<u32>"
    );
    assert_eq!(counts.arguments[1], Argument::Literal(Value::U32(2)));
    let columns: Vec<String> = (counts.columns())
        .map(|column| stage.column_path(column))
        .collect();
    assert_eq!(columns, ["section.text"]);
    assert_eq!(
        (&counts.result.value, counts.result.optional),
        (&Type::U32, true)
    );
}

#[test]
fn batches_have_defaults_and_can_be_switched_off() {
    let plan = wire(&with(&format!("{COUNTS}batch = true\n"))).expect("the flow is right");
    let batch = plan.stages[0].transforms[1].batch;
    assert_eq!(batch, Some(BatchSettings::default()));
    let plan = wire(&with(&format!("{WORDS}batch = false\n"))).expect("the flow is right");
    assert_eq!(plan.stages[0].transforms[1].batch, None);
}

#[test]
fn a_batched_transform_can_make_rows() {
    let more =
        "[transform.part]\ncall = \"text.splits\"\neach = \"section\"\nrows = true\nbatch = true\n";
    let plan = wire(&with(more)).expect("the flow is right");
    let stage = &plan.stages[0];
    assert_eq!(stage.collections[2].row, Some(Type::String));
    assert_eq!(stage.transforms[1].makes, Some(2));
}

#[test]
fn transforms_run_after_those_that_they_need_whatever_the_order_of_the_file() {
    let more = "[transform.again]\ncall = \"text.twice\"\neach = \"section\"\nfrom = { number = \"words\" }\n";
    let plan = wire(&with(&format!("{more}{WORDS}"))).expect("the flow is right");
    let names: Vec<&str> = plan.stages[0]
        .transforms
        .iter()
        .map(|transform| &*transform.name)
        .collect();
    assert_eq!(names, ["section", "words", "again"]);
}

/// A flow with these values for the parameters of `place`.
fn place(at: &str, sign: &str, marks: &str) -> String {
    with(&format!(
        "[transform.a]\ncall = \"text.place\"\neach = \"section\"\nwith = {{ at = {at}, sign = {sign}, marks = {marks} }}\n"
    ))
}

macro_rules! tells {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(stringify!($name), told(&$text));
            });
        }
    )*};
}

tells! {
    not_toml: "name = handbook";
    no_name: "[source.page]\nkind = \"files\"";
    no_source: "name = \"x\"";
    unknown_setting: with("[transform.words]\ncall = \"text.word-count\"\neach = \"section\"\nrow = true\n");
    unknown_table: with("[sink.x]\nkind = \"sqlite\"\n");
    wrong_kind_of_setting: with("[transform.words]\ncall = 3\neach = \"section\"\n");
    plugin_without_origin: "name = \"x\"\n[plugin.p]\n[source.page]\nkind = \"files\"\n";
    plugin_with_two_origins: "name = \"x\"\n[plugin.p]\nsource = \"a\"\ncomponent = \"b\"\n[source.page]\nkind = \"files\"\n";
    bad_limits: "name = \"x\"\n[plugin.p]\nsource = \"a\"\nlimits = { memory = \"lots\", time = \"2\" }\n[source.page]\nkind = \"files\"\n";
    unknown_variable: with("[target.t]\nkind = \"sqlite\"\npath = \"${rot}/x\"\n");
    unknown_source_kind: "name = \"x\"\n[source.page]\nkind = \"file\"\n";
    unknown_source_option: "name = \"x\"\n[source.page]\nkind = \"files\"\nrot = \"docs\"\n";
    bad_on_error: "name = \"x\"\n[source.page]\nkind = \"files\"\non-error = \"stop\"\n";
    call_without_function: with("[transform.words]\ncall = \"text\"\neach = \"section\"\n");
    unknown_plugin: with("[transform.words]\ncall = \"txt.word-count\"\neach = \"section\"\n");
    unknown_function: with("[transform.words]\ncall = \"text.wordcount\"\neach = \"section\"\n");
    unsupported_function: with("[transform.words]\ncall = \"text.open\"\neach = \"section\"\n");
    function_without_result: with("[transform.words]\ncall = \"text.log\"\neach = \"section\"\n");
    granted_path_in_a_granted_folder: with(&format!(
        "{WORDS}grants = {{ read = [\"data\", \"./data/words/en.txt\", \"notes/a\", \"notes\", \"datas\"] }}\n"
    ));
    unknown_collection: with("[transform.words]\ncall = \"text.word-count\"\neach = \"sections\"\n");
    column_as_collection: with(&format!("{WORDS}[transform.more]\ncall = \"text.twice\"\neach = \"words\"\n"));
    collection_of_itself: with("[transform.a]\ncall = \"text.sections\"\neach = \"a\"\nrows = true\n");
    rows_of_no_list: with("[transform.a]\ncall = \"text.info\"\neach = \"page\"\nrows = true\n");
    no_such_column: with("[transform.words]\ncall = \"text.word-count\"\neach = \"section\"\nfrom = { text = \"section.txt\" }\n");
    no_column_of_the_name: with("[transform.more]\ncall = \"text.twice\"\neach = \"section\"\n");
    column_of_another_type: with("[transform.words]\ncall = \"text.word-count\"\neach = \"section\"\nfrom = { text = \"level\" }\n");
    unknown_parameter: with("[transform.words]\ncall = \"text.word-count\"\neach = \"section\"\nwith = { txt = \"a\" }\n");
    parameter_given_twice: with("[transform.words]\ncall = \"text.word-count\"\neach = \"section\"\nwith = { text = \"a\" }\nfrom = { text = \"text\" }\n");
    literal_of_another_type: with("[transform.a]\ncall = \"text.sections\"\neach = \"page\"\nrows = true\nwith = { max-chars = \"many\" }\n");
    literal_without_a_field: place("{ near = 1 }", "\"x\"", "[]");
    literal_of_two_characters: place("{ line = 1 }", "\"xy\"", "[]");
    literal_of_unknown_flags: place("{ line = 1 }", "\"x\"", "[\"bold\", \"thin\"]");
    literal_that_is_no_table: place("3", "\"x\"", "\"bold\"");
    literal_with_payload: with("[transform.a]\ncall = \"text.tune\"\neach = \"section\"\nwith = { mode = \"fast\", take = { all = 3 } }\n");
    function_that_only_fails: with("[transform.a]\ncall = \"text.vet\"\neach = \"section\"\n");
    literal_of_a_result_with_payload: with(&settle("{ ok = 3 }"));
    literal_of_a_result_without_payload: with(&settle("\"err\""));
    literal_of_neither_side: with(&settle("\"failed\""));
    literal_that_is_no_result: with(&settle("3"));
    literal_that_does_not_fit: with("[transform.a]\ncall = \"text.sections\"\neach = \"page\"\nrows = true\nwith = { max-chars = -1 }\n");
    literal_of_unknown_case: with("[transform.a]\ncall = \"text.tune\"\neach = \"section\"\nwith = { mode = \"fsat\", take = { first = 3 } }\n");
    literal_without_payload: with("[transform.a]\ncall = \"text.tune\"\neach = \"section\"\nwith = { mode = \"fast\", take = \"first\" }\n");
    name_taken_by_a_field: with("[transform.text]\ncall = \"text.word-count\"\neach = \"section\"\n");
    name_taken_by_a_source: with("[transform.page]\ncall = \"text.word-count\"\neach = \"section\"\n");
    circle: with("[transform.a]\ncall = \"text.twice\"\neach = \"page\"\nfrom = { number = \"b\" }\n[transform.b]\ncall = \"text.twice\"\neach = \"page\"\nfrom = { number = \"a\" }\n");
    unknown_target_kind: with("[target.t]\nkind = \"sqlight\"\nrows = \"page\"\ncolumns = { path = \"path\" }\n");
    unknown_target_column: with(&format!("{WORDS}{}", INDEX.replace("section.heading\"", "section.headin\"")));
    unknown_key_column: with(&format!("{WORDS}{}", INDEX.replace("\"heading\"]", "\"title\"]")));
    target_without_key: with(&format!("{WORDS}{}", INDEX.replace("key = [\"path\", \"heading\"]\n", "")));
    target_without_columns: with("[target.t]\nkind = \"sqlite\"\nrows = \"page\"\nkey = [\"path\"]\n");
    target_of_unknown_rows: with("[target.t]\nkind = \"sqlite\"\nrows = \"pages\"\nkey = [\"path\"]\ncolumns = { path = \"path\" }\n");
    key_where_it_is_implied: with("[target.t]\nkind = \"files\"\nrows = \"page\"\npath = \"{path}\"\nkey = [\"path\"]\ncolumns = { path = \"path\" }\n");
    two_targets_in_one_place: with(&format!("{WORDS}{INDEX}{}", INDEX.replace("target.index", "target.copy")));
    pin_of_two_functions: with(&format!("{WORDS}cache = {{ pin = \"count-1\" }}\n[transform.about]\ncall = \"text.info\"\neach = \"page\"\ncache = {{ pin = \"count-1\" }}\n"));
    pin_of_one_function: with(&format!("{WORDS}cache = {{ pin = \"count-1\" }}\n{}cache = {{ pin = \"count-1\" }}\n", WORDS.replace("words]", "heads]").replace("\"section\"", "\"section\"\nfrom = { text = \"section.heading\" }")));
    instance_of_another_word: with(&format!("{WORDS}instance = \"shared\"\n"));
    kept_instance_of_a_batch: with(&format!("{COUNTS}batch = true\ninstance = \"kept\"\n"));
    kept_instance_with_real_things: with(&format!("{WORDS}instance = \"kept\"\ngrants = {{ clock = true, random = true }}\ncache = {{ mode = \"disable\" }}\n"));
    batch_of_wrong_settings: with(&format!("{COUNTS}batch = {{ rows = 0, bytes = \"2GiB\", wait = \"2h\", size = 3 }}\n"));
    batch_of_another_kind: with(&format!("{COUNTS}batch = 64\n"));
    batch_of_a_parameter_that_is_no_list: with(&format!("{}batch = true\n", COUNTS.replace("with = { scale = 2 }", "from = { scale = \"level\" }")));
    batch_of_a_result_that_is_no_list: with(&format!("{WORDS}batch = true\n"));
    batch_of_a_column_of_another_type: with(&format!("{COUNTS}from = {{ text = \"level\" }}\nbatch = true\n"));
    batch_without_a_column: with(&format!("{}batch = true\n", COUNTS.replace("scale = 2", "scale = 2, text = [\"a\"]")));
    batch_of_rows_that_are_no_list: with(&format!("{COUNTS}batch = true\nrows = true\n"));
    lists_without_a_batch: with(COUNTS);
    many_errors_at_once: with("[transform.a]\ncall = \"text.nope\"\neach = \"nowhere\"\n[transform.b]\ncall = \"text.twice\"\neach = \"page\"\n");
}
