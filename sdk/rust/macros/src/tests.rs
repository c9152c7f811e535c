//! What the macro says of modules that cannot be plugins, and the WIT of those that can.

use std::fmt::Write as _;
use std::str::FromStr as _;

use proc_macro2::TokenStream;

use crate::module;

/// Asserts a snapshot, without the source that it came of: that is in the snapshot.
macro_rules! assert_said {
    ($said:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($said);
        });
    };
}

/// What the compiler would show: the line, and below it a mark and the message.
fn said(source: &str) -> String {
    said_with("", source)
}

fn said_with(arguments: &str, source: &str) -> String {
    let tokens = |text: &str| TokenStream::from_str(text).expect("it is made of Rust's words");
    let errors = match crate::made(tokens(arguments), tokens(source)) {
        Ok(_) => return "no error\n".to_owned(),
        Err(errors) => errors,
    };
    errors.into_iter().fold(String::new(), |mut said, error| {
        let (start, end) = (error.span().start(), error.span().end());
        let text = if arguments.is_empty() {
            source
        } else {
            arguments
        };
        let line = text.lines().nth(start.line - 1).unwrap_or_default();
        let width = if end.line == start.line {
            end.column - start.column
        } else {
            1
        };
        let (blank, mark) = (" ".repeat(start.column), "^".repeat(width.max(1)));
        let _ = writeln!(said, "  {line}\n  {blank}{mark} {error}");
        said
    })
}

/// The message for each of these functions, as the only one of a module.
fn functions(functions: &[&str]) -> String {
    functions
        .iter()
        .map(|function| said(&format!("mod m {{\n{function}\n}}")))
        .collect::<Vec<_>>()
        .join("\n")
}

fn modules(modules: &[&str]) -> String {
    modules
        .iter()
        .map(|module| said(module))
        .collect::<Vec<_>>()
        .join("\n")
}

fn wit(source: &str) -> String {
    let module = syn::parse_str(source).expect("it is a module");
    let plugin = module::read(&module, None).expect("it is a plugin");
    let mut resolve = wit_parser::Resolve::default();
    let text = plugin.with_packages();
    let package = resolve
        .push_str("plugin.wit", &text)
        .unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    resolve
        .select_world(&[package], None)
        .expect("it has one world");
    plugin.to_string()
}

#[test]
fn functions_that_are_more_than_plain_are_refused_where_they_are() {
    assert_said!(functions(&[
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
    ]));
}

#[test]
fn types_that_wit_does_not_have_are_named_with_what_to_use() {
    assert_said!(functions(&[
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
    ]));
}

#[test]
fn structs_and_enums_that_are_no_records_or_variants_are_refused() {
    assert_said!(modules(&[
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
    ]));
}

#[test]
fn what_is_no_module_and_what_else_is_said_to_the_macro_is_refused() {
    let package = |arguments: &str| said_with(arguments, "mod m { pub fn f() {} }");
    let said = [
        said("pub fn f() {}"),
        said("struct S;"),
        said("mod m;"),
        package("package = \"text\""),
        package("package = \"acme:text@1\""),
        package("package = \"Acme:text\""),
        package("name = \"acme:text\""),
        package("package"),
    ];
    assert_said!(said.join("\n"));
    assert_eq!(
        package("package = \"acme:text-tools@0.10.2\""),
        "no error\n"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let said = said(
        "mod m {\n    pub async fn f(a: usize) -> u128 { 0 }\n    pub fn g(b: HashMap<u8, u8>) {}\n}",
    );
    assert_said!(said);
}

#[test]
fn the_wit_has_the_names_types_and_comments_of_the_module() {
    assert_said!(wit(r#"
        /// Texts.
        ///
        /// In any language.
        mod text {
            /// A part.
            pub struct Section { /// Its heading.
                pub heading: String, pub list: Option<Vec<f32>>, pub kind: Kind }
            /// Which one.
            pub enum Kind { /// First.
                Top, SubSection }
            pub enum Value { None, Text(String), Pair((i64, char)), Of(Kind) }
            /// Not used by any function, so it may be anything.
            pub struct Private(usize);
            type Words = Vec<String>;

            /// Counts words.
            /// All of them.
            pub fn word_count(text: &str, r#type: Option<&str>) -> u32 { 0 }
            pub fn sections(content: String, max_chars: u32) -> Result<Vec<Section>, flowstone_sdk::Failure> { todo!() }
            pub fn values(_words: Words, bytes: &[u8]) -> Vec<(Value,)> { todo!() }
            pub fn check() -> Result<(), ()> { Ok(()) }
            pub fn other() -> std::result::Result<u8, ()> { Ok(0) }
            pub fn nothing(flag: bool) -> () {}
            fn private(any: usize) {}
            pub(crate) fn inner(any: usize) {}
        }
        "#));
}

#[test]
fn words_of_wit_can_be_names() {
    let wit = wit(
        "mod import { pub struct List { pub func: u8 } pub enum Record { Use, Char(u8) } \
                   pub fn export(list: List, result: Record) {} }",
    );
    assert!(wit.contains("world %import"), "{wit}");
    assert!(
        wit.contains("%export: func(%list: %list, %result: %record)"),
        "{wit}"
    );
}

#[test]
fn every_word_of_wit_can_be_a_name() {
    for word in crate::names::WIT_WORDS {
        let name = crate::names::rust(word).replace('-', "_");
        let source = format!("mod {name} {{ pub fn {name}({name}: u32) {{}} }}");
        assert!(wit(&source).contains("func("), "{source}");
    }
}
