//! What the compiler says of modules that cannot be plugins: the line, a mark below it, and the message.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;

/// Asserts a snapshot, without the source that it came of: that is in the snapshot.
macro_rules! assert_said {
    ($said:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($said);
        });
    };
}

/// The macro, built for the compiler to load.
static MACRO: LazyLock<PathBuf> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Message {
        target: Option<Target>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let built = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--lib", "--locked", "--message-format=json"])
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| {
            let target = message.target.as_ref();
            target.is_some_and(|target| target.name == "flowstone_sdk_macros")
        })
        .find_map(|message| message.filenames.into_iter().next())
        .expect("cargo says where it is")
});

/// What the compiler says.
#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    /// Of the compiler's own errors.
    code: Option<serde::de::IgnoredAny>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    byte_start: usize,
    text: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    highlight_start: usize,
    highlight_end: usize,
}

/// What the macro says of this source, compiled as a file called after the test.
fn said(name: &str, source: &str) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.rs"));
    std::fs::write(&file, source).expect("the folder for tests takes files");
    let compiled = Command::new("rustc")
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "--error-format=json",
            "-o",
        ])
        .arg(file.with_extension("rmeta"))
        .arg("--extern")
        .arg(format!("flowstone_sdk={}", MACRO.display()))
        .arg(&file)
        .output()
        .expect("the compiler runs");
    let mut messages = String::from_utf8_lossy(&compiled.stderr)
        .lines()
        .map(|line| serde_json::from_str::<Diagnostic>(line).expect("the compiler says JSON"))
        .filter(|said| said.level == "error" && said.code.is_none() && !said.spans.is_empty())
        .collect::<Vec<_>>();
    messages.sort_by_key(|message| message.spans[0].byte_start);
    messages.iter().map(shown).collect()
}

fn shown(said: &Diagnostic) -> String {
    let line = &said.spans[0].text[0];
    let blank = " ".repeat(line.highlight_start - 1);
    let mark = "^".repeat(line.highlight_end - line.highlight_start);
    format!("{}\n{blank}{mark} {}\n\n", line.text, said.message)
}

/// What it says of modules with one of these functions each.
fn functions(name: &str, functions: &[&str]) -> String {
    let sources = functions
        .iter()
        .map(|function| format!("mod m {{\n{function}\n}}"));
    modules(name, &sources.collect::<Vec<_>>())
}

fn modules(name: &str, modules: &[impl AsRef<str>]) -> String {
    said(
        name,
        &modules.iter().fold(String::new(), |mut source, module| {
            let _ = writeln!(source, "#[flowstone_sdk::plugin]\n{}", module.as_ref());
            source
        }),
    )
}

#[test]
fn functions_that_are_more_than_plain_are_refused_where_they_are() {
    assert_said!(functions(
        "functions",
        &[
            "pub async fn f(text: String) -> u32 { 0 }",
            "pub unsafe fn f() {}",
            "pub extern \"C\" fn f() {}",
            "pub fn f<T: Into<String>>(text: T) -> u32 { 0 }",
            "pub fn f<const N: u32>() -> u32 { N }",
            "pub fn f(&self) -> u32 { 0 }",
            "#[cfg(feature = \"x\")]\npub fn f() {}",
            "pub fn f((a, b): (u32, u32)) -> u32 { a }",
            "pub fn f(_: u32) {}",
            "pub fn größe() {}",
            "pub fn part_1() {}",
            "pub fn f(a_b: u32, aB: u32) {}",
            "pub fn a_b() {}\npub fn aB() {}",
            "fn f() {}",
            "pub mod inner { pub fn f() {} }\npub fn g() {}",
        ]
    ));
}

#[test]
fn types_that_wit_does_not_have_are_named_with_what_to_use() {
    assert_said!(functions(
        "types",
        &[
            "pub fn f(map: std::collections::HashMap<String, f32>) {}",
            "pub fn f() -> BTreeMap<u32, Vec<u8>> { todo!() }",
            "pub fn f(set: Vec<HashSet<String>>) {}",
            "pub fn f(n: usize) -> isize { 0 }",
            "pub fn f(n: u128) {}",
            "pub fn f(text: Box<str>, shared: Arc<Vec<u8>>) {}",
            "pub fn f(text: Cow<'static, str>, path: &Path) {}",
            "pub fn f(text: &mut String) {}",
            "pub fn f(words: Vec<&str>) -> &str { \"\" }",
            "pub fn f(words: &[&str], slices: Vec<&[u8]>) {}",
            "pub fn f(numbers: [f32; 3], rest: &[u8; 4]) {}",
            "pub fn f(text: impl AsRef<str>) -> impl Iterator<Item = u32> { todo!() }",
            "pub fn f(call: fn(u32) -> u32, any: Box<dyn Fn()>, pointer: *const u8) {}",
            "pub fn f(nothing: (), never: Vec<()>) -> ! { loop {} }",
            "pub fn f(wait: Duration, at: SystemTime) {}",
            "pub fn f() -> Result<u32> { todo!() }",
            "pub fn f() -> anyhow::Result<Vec<u32>> { todo!() }",
            "pub fn f() -> Result<u32, anyhow::Error> { todo!() }",
            "pub fn f() -> Result<u32, Box<dyn std::error::Error>> { todo!() }",
            "pub fn f(page: super::Page) -> Section { todo!() }",
            "pub fn f(list: Vec) -> Option { todo!() }",
            "pub fn f(tree: &dyn Tree, slice: Box<[u8]>) {}",
        ]
    ));
}

#[test]
fn structs_and_enums_that_are_no_records_or_variants_are_refused() {
    assert_said!(modules(
        "defined",
        &[
            "mod m {\n    struct Hidden { pub a: u32 }\n    pub fn f() -> Hidden { todo!() }\n}",
            "mod m {\n    pub struct Pair(u32, u32);\n    pub fn f() -> Pair { todo!() }\n}",
            "mod m {\n    pub struct Empty {}\n    pub fn f() -> Empty { todo!() }\n}",
            "mod m {\n    pub struct Half { pub a: u32, b: u32 }\n    pub fn f() -> Half { todo!() }\n}",
            "mod m {\n    pub struct Of<T> { pub a: T }\n    pub fn f() -> Of<u32> { todo!() }\n}",
            "mod m {\n    pub struct Raw { pub r#type: u32, pub last_: u32, pub camelCase: u32 }\n    pub fn f() -> Raw { todo!() }\n}",
            "mod m {\n    pub struct Deep { pub map: HashMap<u8, u8>, pub size: usize }\n    pub fn f() -> Deep { todo!() }\n}",
            "mod m {\n    pub struct Some_ { #[cfg(test)] pub a: u32, pub b: u32 }\n    pub fn f() -> Some_ { todo!() }\n}",
            "mod m {\n    pub enum None_ {}\n    pub fn f() -> None_ { todo!() }\n}",
            "mod m {\n    pub enum Level { Low = 1, High = 2 }\n    pub fn f() -> Level { todo!() }\n}",
            "mod m {\n    pub enum Shape { Line(u32, u32), Dot { x: u32 }, Unit() }\n    pub fn f() -> Shape { todo!() }\n}",
            "mod m {\n    pub enum Kind { HTTPError, Plain }\n    pub fn f() -> Kind { todo!() }\n}",
            "mod m {\n    pub struct Node { pub children: Vec<Node> }\n    pub fn f() -> Node { todo!() }\n}",
            "mod m {\n    pub struct A { pub b: Option<B> }\n    pub struct B { pub a: Vec<A> }\n    pub fn f() -> A { todo!() }\n}",
            "mod m {\n    type Circle = Vec<Circle>;\n    pub fn f() -> Circle { todo!() }\n}",
            "mod m {\n    pub struct AbC { pub a: u32 }\n    pub struct Ab_C { pub a: u32 }\n    pub fn f(a: AbC) -> Ab_C { todo!() }\n}",
        ]
    ));
}

#[test]
fn what_is_no_module_and_what_else_is_said_to_the_macro_is_refused() {
    let uses = [
        "#[flowstone_sdk::plugin]\npub fn f() {}",
        "#[flowstone_sdk::plugin]\nstruct S;",
        "#[flowstone_sdk::plugin(package = \"text\")]\nmod m { pub fn f() {} }",
        "#[flowstone_sdk::plugin(package = \"acme:text@1\")]\nmod m { pub fn f() {} }",
        "#[flowstone_sdk::plugin(package = \"Acme:text\")]\nmod m { pub fn f() {} }",
        "#[flowstone_sdk::plugin(name = \"acme:text\")]\nmod m { pub fn f() {} }",
        "#[flowstone_sdk::plugin(package)]\nmod m { pub fn f() {} }",
    ];
    assert_said!(said("uses", &uses.join("\n")));
}

#[test]
fn a_package_with_a_version_is_taken() {
    let package = "#[flowstone_sdk::plugin(package = \"acme:text-tools@0.10.2\")]";
    assert_eq!(
        said(
            "package",
            &format!("{package}\nmod m {{ pub fn f() {{}} }}")
        ),
        ""
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    assert_said!(modules(
        "everything",
        &[
            "mod m {\n    pub async fn f(a: usize) -> u128 { 0 }\n    pub fn g(b: HashMap<u8, u8>) {}\n}"
        ]
    ));
}
