//! Go packages between a component's exports and the functions that an author writes.
//!
//! ```text
//! gen/
//!   component/main.go         the program: nothing but the exports
//!   wit_exports/              from and to the canonical ABI
//!   export_wit_world/         hands each call on to the function of that name in the plugin's own package
//!   wit_world/, NS_PKG_FACE/  the types, and the functions that are imported
//!   wit/types, wit/runtime    option, result, tuples; memory
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;

use wit_bindgen_core::wit_parser::{Resolve, WorldItem, WorldKey};
use wit_bindgen_go::{Format, Opts};

use crate::build::world::PluginWorld;
use crate::failure::Failure;

/// Where generated packages expect what they build on.
const REMOTE: &str = "go.bytecodealliance.org/pkg/wit/";

/// The body of a function that is yet to be written.
const STUB: &str = "panic(\"not implemented\")";

/// What generated packages build on, and what makes a result of a value and an error.
const SUPPORT: [(&str, &str); 6] = [
    ("wit/types/of.go", include_str!("wit/types/of.go")),
    ("wit/types/option.go", include_str!("wit/types/option.go")),
    ("wit/types/result.go", include_str!("wit/types/result.go")),
    ("wit/types/tuple.go", include_str!("wit/types/tuple.go")),
    ("wit/types/unit.go", include_str!("wit/types/unit.go")),
    (
        "wit/runtime/runtime.go",
        include_str!("wit/runtime/runtime.go"),
    ),
];

/// A declaration of a function without a body, in a package that needs no other: then the Go compiler takes it.
const NO_BODIES: &str = "// Lets this package be compiled for this machine too, where functions of a host have no body.\n";

/// The bindings of a world.
pub(super) struct Bindings {
    /// Their files by their paths below `gen/`.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The functions that the plugin's own package has to have.
    pub(super) wanted: Vec<String>,
}

impl Bindings {
    /// Makes those of a plugin whose own package is `module`.
    pub(super) fn of(world: &PluginWorld<'_>, module: &str) -> Result<Self, Failure> {
        let options = Opts {
            format: Format::False,
            generate_stubs: true,
            pkg_name: Some(format!("{module}/gen")),
            ..Opts::default()
        };
        let (mut files, mut wanted) = (Vec::new(), Vec::new());
        for (path, bytes) in world.generate(options.build())? {
            let text =
                String::from_utf8_lossy(&bytes).replace(REMOTE, &format!("{module}/gen/wit/"));
            let text = match path
                .strip_prefix("export_")
                .and_then(|rest| rest.strip_suffix("/wit_bindings.go"))
            {
                Some(package) => {
                    let interface = interface_of(world, package);
                    hand_on(&text, module, interface.as_deref(), &mut wanted)
                }
                None => text,
            };
            files.push((path, text.into_bytes()));
        }
        let main =
            format!("package main\n\nimport _ \"{module}/gen/wit_exports\"\n\nfunc main() {{}}\n");
        files.push(("component/main.go".to_owned(), main.into_bytes()));
        files.push(("wit/runtime/empty.s".to_owned(), NO_BODIES.into()));
        files.extend(SUPPORT.map(|(path, text)| (path.to_owned(), text.into())));
        Ok(Self { files, wanted })
    }
}

/// The functions for people, with the imports of the packages that they name.
pub(super) fn wanted(functions: &[String], module: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut packages = BTreeSet::new();
    for function in functions {
        for (at, _) in function.match_indices('.') {
            let before = &function[..at];
            packages.insert(&before[before.rfind(|c| !word(c)).map_or(0, |at| at + 1)..]);
        }
    }
    let imports = packages.into_iter().map(|package| match package {
        "witTypes" => format!("import witTypes \"{module}/gen/wit/types\""),
        package => format!("import \"{module}/gen/{package}\""),
    });
    let lines: Vec<_> = imports.chain(functions.iter().cloned()).collect();
    lines.join("\n")
}

/// The exported interface whose functions a generated package has; none is the world itself.
fn interface_of(world: &PluginWorld<'_>, package: &str) -> Option<String> {
    let resolve = world.resolve();
    world.world().exports.iter().find_map(|(key, item)| {
        let interface = matches!(item, WorldItem::Interface { .. });
        (interface && names(resolve, key).iter().any(|name| name == package)).then(|| match key {
            WorldKey::Name(name) => name.clone(),
            WorldKey::Interface(id) => resolve.interfaces[*id].name.clone().unwrap_or_default(),
        })
    })
}

/// What the package of an interface may be called: with the version where there are several.
fn names(resolve: &Resolve, key: &WorldKey) -> [String; 2] {
    let snake = |text: &str| text.replace(['-', '.', '+'], "_").to_lowercase();
    match key {
        WorldKey::Name(name) => [snake(name), format!("{}_", snake(name))],
        WorldKey::Interface(id) => {
            let interface = &resolve.interfaces[*id];
            let name = snake(interface.name.as_deref().unwrap_or_default());
            let package = interface.package.map(|id| &resolve.packages[id].name);
            let [namespace, own, version] = package.map_or_else(Default::default, |package| {
                let version = package.version.as_ref().map(ToString::to_string);
                [
                    &*package.namespace,
                    &*package.name,
                    version.as_deref().unwrap_or_default(),
                ]
                .map(snake)
            });
            [
                format!("{namespace}_{own}_{name}"),
                format!("{namespace}_{own}_{version}_{name}"),
            ]
        }
    }
}

/// Gives the functions of a generated package a body that calls the one of that name in the plugin's own package. Those
/// of an interface begin with its name there, since two may have a function of one name.
fn hand_on(text: &str, module: &str, interface: Option<&str>, wanted: &mut Vec<String>) -> String {
    let prefix = interface.map(camel).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut signature = None;
    for line in text.lines() {
        if let Some(found) = Signature::parse(line) {
            signature = Some(found);
        }
        match signature.take_if(|_| line.trim() == STUB) {
            Some(signature) => {
                out.push_str(&signature.call(&prefix));
                wanted.push(signature.wanted(&prefix));
            }
            None => out.push_str(line),
        }
        out.push('\n');
        if line.starts_with("import (") {
            let _ = writeln!(out, "plugin \"{module}\"");
        }
    }
    out
}

/// A WIT name as Go has it: `max-chars` as `MaxChars`.
fn camel(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut characters = word.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first
            .into_iter()
            .chain(characters.flat_map(char::to_lowercase))
            .collect::<String>()
    });
    words.collect()
}

/// A function as it is declared: `func Name(_a string, _b []uint8) Result {`.
struct Signature<'a> {
    name: &'a str,
    parameters: Vec<&'a str>,
    result: &'a str,
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let declared = line.strip_prefix("func ")?.strip_suffix('{')?;
        let (name, rest) = declared.split_once('(')?;
        let (parameters, result) = rest.split_at(end_of_group(rest)?);
        Some(Self {
            name,
            parameters: at_commas(parameters),
            result: result[1..].trim(),
        })
    }

    /// The statement that calls the author's function.
    fn call(&self, prefix: &str) -> String {
        let names = self
            .parameters
            .iter()
            .filter_map(|parameter| parameter.split(' ').next());
        let arguments: Vec<_> = names.collect();
        let call = format!("plugin.{prefix}{}({})", self.name, arguments.join(", "));
        match self.fallible() {
            _ if self.result.is_empty() => call,
            Some("witTypes.Unit") => format!("return witTypes.OfError({call})"),
            Some(_) => format!("return witTypes.Of({call})"),
            None => format!("return {call}"),
        }
    }

    /// The type of the result where all goes well, if a text says why it does not.
    fn fallible(&self) -> Option<&'a str> {
        let inside = self
            .result
            .strip_prefix("witTypes.Result[")?
            .strip_suffix(']')?;
        match *at_commas(inside) {
            [ok, "string"] => Some(ok),
            _ => None,
        }
    }

    /// The function as the author writes it.
    fn wanted(&self, prefix: &str) -> String {
        let named = |parameter: &&'a str| parameter.strip_prefix('_').unwrap_or(parameter);
        let parameters: Vec<_> = self.parameters.iter().map(named).collect();
        let result = match self.fallible() {
            Some("witTypes.Unit") => "error".to_owned(),
            Some(ok) => format!("({ok}, error)"),
            None => self.result.to_owned(),
        };
        format!(
            "func {prefix}{}({}) {result}",
            self.name,
            parameters.join(", ")
        )
        .trim_end()
        .to_owned()
    }
}

/// Where the group that is open at the start of a text ends.
fn end_of_group(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| match c {
        '(' | '[' => {
            depth += 1;
            None
        }
        ')' | ']' if depth == 0 => Some(at),
        ')' | ']' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

/// The parts between the commas that are in no group.
fn at_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_shown_with_the_imports_that_they_need() {
        let functions = [
            "func Count(text string) uint32",
            "func Find(a witTypes.Option[local_ty_shapes.Shape]) []wit_world.Point",
        ];
        assert_eq!(
            wanted(&functions.map(str::to_owned), "local/ty"),
            "import \"local/ty/gen/local_ty_shapes\"\nimport witTypes \"local/ty/gen/wit/types\"\n\
             import \"local/ty/gen/wit_world\"\n\
             func Count(text string) uint32\n\
             func Find(a witTypes.Option[local_ty_shapes.Shape]) []wit_world.Point"
        );
        assert_eq!(
            wanted(&functions.map(str::to_owned)[..1], "a"),
            functions[0]
        );
    }
}
