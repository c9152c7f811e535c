//! The WIT of modules that are plugins, as the tools of WIT read it.

use crate::module;

/// Asserts a snapshot, without the source that it came of: that is in the snapshot.
macro_rules! assert_said {
    ($said:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($said);
        });
    };
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
fn the_wit_has_the_names_types_and_comments_of_the_module() {
    assert_said!(wit(r"
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
        "));
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
