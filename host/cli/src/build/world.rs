//! The world of a plugin whose bindings flowstone makes itself: read from `wit/`, made into source files, and put
//! around the core module that a compiler made of them.

use std::fmt::Display;
use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::wit_parser::{
    Function, PackageId, Resolve, Type, TypeDefKind, World, WorldId, WorldItem,
};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_component::{ComponentEncoder, StringEncoding};

use super::language::Language;
use super::sources::Sources;
use super::{exports, wit};
use crate::failure::{Failure, Kind};

/// What a host offers, for plugins that import it without a copy in their `wit/deps`.
const OFFERED: &str = include_str!("../../../../wit/plugin.wit");

/// What the bindings and the component are made by: other versions make others of the same sources.
pub(super) const MADE_BY: &str =
    "wit-bindgen 0.61.1, wit-component 0.258.3, wasi-preview1-component-adapter-provider 48.0.8";

/// A world, with everything that it names.
pub(super) struct PluginWorld<'a> {
    plugin: &'a str,
    resolve: Resolve,
    id: WorldId,
    /// Whether it names what the host offers, without a copy of that.
    is_offered: bool,
}

impl<'a> PluginWorld<'a> {
    /// Reads the `wit/` of a plugin's folder. Where no world is named, it is the only one there.
    ///
    /// # Errors
    ///
    /// When there is none, when it cannot be read, or when a language cannot have what is in it.
    pub(super) fn read(
        plugin: &'a str,
        folder: &Path,
        name: Option<&str>,
    ) -> Result<Self, Failure> {
        let world = Self::of_tool(plugin, folder, name)?;
        match unsupported(&world.resolve, world.world()) {
            Some(what) => {
                let wit = folder.join("wit");
                Err(world
                    .failed(&format!("`{}` has {what}", wit.display()))
                    .hint("a plugin's functions take and give plain values"))
            }
            None => Ok(world),
        }
    }

    /// Reads it as [`PluginWorld::read`], for a tool that makes the bindings itself and knows what it can have.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read.
    pub(super) fn of_tool(
        plugin: &'a str,
        folder: &Path,
        name: Option<&str>,
    ) -> Result<Self, Failure> {
        let failed = |what: String| Failure::new(Kind::Build, format!("plugin `{plugin}`: {what}"));
        let wit = folder.join("wit");
        if !wit.is_dir() {
            return Err(failed(format!("`{}` is missing", wit.display()))
                .hint("a plugin says in `wit/world.wit` which functions it has"));
        }
        let parsed = parse(&wit)
            .map_err(|error| failed(format!("`{}` is not valid", wit.display())).detail(error))?;
        let id = parsed.resolve.select_world(&[parsed.package], name);
        let id = id.map_err(|error| {
            failed("which world it is of is not clear".to_owned())
                .detail(format!("{error:#}"))
                .hint(name_the_world(folder, name))
        })?;
        Ok(Self {
            plugin,
            resolve: parsed.resolve,
            id,
            is_offered: parsed.is_offered,
        })
    }

    /// Adds what the host offers to the sources of a tool, where the world names it and there is no copy.
    pub(super) fn add_offered(&self, sources: &mut Sources) {
        if self.is_offered {
            sources.add("wit/deps/flowstone-plugin.wit", OFFERED);
        }
    }

    /// A component that a tool made, without what the tool left among the exports.
    pub(super) fn only_exports(&self, component: &[u8]) -> Result<Vec<u8>, Failure> {
        let names = self.exports().into_iter().collect();
        exports::only(component, &names).map_err(|error| self.no_component(&error))
    }

    /// Everything that it imports and exports.
    pub(super) fn world(&self) -> &World {
        &self.resolve.worlds[self.id]
    }

    /// The names of what it exports: functions, and interfaces with their packages.
    pub(super) fn exports(&self) -> Vec<String> {
        let keys = self.world().exports.iter();
        keys.filter(|(_, item)| !matches!(item, WorldItem::Type { .. }))
            .map(|(key, _)| self.resolve.name_world_key(key))
            .collect()
    }

    /// The types and packages that it is made of.
    pub(super) fn resolve(&self) -> &Resolve {
        &self.resolve
    }

    /// The source files that a generator makes of it, by their paths.
    pub(super) fn generate(
        &self,
        mut generator: Box<dyn WorldGenerator>,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let mut files = Files::default();
        // Generators give the types names of their own.
        let mut resolve = self.resolve.clone();
        generator
            .generate(&mut resolve, self.id, &mut files)
            .map_err(|error| {
                self.failed("no bindings can be made of its world")
                    .detail(format!("{error:#}"))
            })?;
        let owned = |(name, bytes): (&str, &[u8])| (name.to_owned(), bytes.to_vec());
        Ok(files.iter().map(owned).collect())
    }

    /// The component of a core module that says nothing of its world yet.
    pub(super) fn component_of(&self, mut module: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let utf8 = StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &self.resolve, self.id, utf8)
            .map_err(|error| self.no_component(&error))?;
        self.component(&module)
    }

    /// The component of a core module that says its world. Where its library speaks WASI 0.1, an adapter is put in.
    pub(super) fn component(&self, module: &[u8]) -> Result<Vec<u8>, Failure> {
        ComponentEncoder::default()
            .validate(true)
            .module(module)
            .and_then(|encoder| {
                encoder.adapter(
                    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
                )
            })
            .and_then(ComponentEncoder::encode)
            .map_err(|error| self.no_component(&error))
    }

    fn no_component(&self, error: &dyn Display) -> Failure {
        self.failed("what was compiled makes no component")
            .detail(format!("{error:#}"))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::new(Kind::Build, format!("plugin `{}`: {what}", self.plugin))
    }
}

/// What a folder says.
struct Parsed {
    resolve: Resolve,
    package: PackageId,
    is_offered: bool,
}

/// What to do where a folder's manifest names no world that is there.
fn name_the_world(folder: &Path, name: Option<&str>) -> String {
    let manifest = Language::of(folder).map_or("the manifest", Language::manifest);
    let how = Language::of(folder).map_or("its name", Language::world_setting);
    match name {
        Some(name) => format!(
            "`{manifest}` asks for the world `{name}`: name one there that `wit/` has, with `{how}`"
        ),
        None => format!("name it in `{manifest}`: `{how}`"),
    }
}

/// The package of a folder. Its file names stay out of the messages of the parser, which shows the lines.
fn parse(wit: &Path) -> Result<Parsed, String> {
    let attempt = |is_offered: bool| {
        let mut resolve = Resolve::default();
        if is_offered && let Err(error) = resolve.push_str("flowstone-plugin.wit", OFFERED) {
            return Err(resolve.render_error(&error));
        }
        match resolve.push_dir(wit) {
            Ok((package, _)) => Ok(Parsed {
                resolve,
                package,
                is_offered,
            }),
            Err(error) => Err(resolve.render_error(&error)),
        }
    };
    let parsed = attempt(false).or_else(|error: String| {
        if error.contains("flowstone:plugin") {
            attempt(true)
        } else {
            Err(error)
        }
    })?;
    wit::check_types(&parsed.resolve)?;
    Ok(parsed)
}

/// What the generators of bindings cannot work with, nor a flow, if there is any of it.
fn unsupported(resolve: &Resolve, world: &World) -> Option<String> {
    let kinds = || resolve.types.iter().map(|(_, ty)| &ty.kind);
    let unknown = kinds().find(|kind| {
        use TypeDefKind::{FixedLengthList, Future, Map, Stream};
        matches!(kind, Future(_) | Stream(_) | Map(..) | FixedLengthList(..))
    });
    if let Some(kind) = unknown {
        return Some(format!("a {}", kind.as_str()));
    }
    let mut values = kinds()
        .flat_map(parts)
        .chain(functions(resolve).flat_map(|function| {
            let parameters = function.params.iter().map(|parameter| parameter.ty);
            parameters.chain(function.result).collect::<Vec<_>>()
        }));
    if values.any(|ty| ty == Type::ErrorContext) {
        return Some("an error-context".to_owned());
    }
    functions(resolve)
        .find(|function| function.kind.is_async())
        .map(|function| format!("the async function `{}`", function.name))
        .or_else(|| exported_resource(resolve, world))
}

/// What a type is made of.
pub(super) fn parts(kind: &TypeDefKind) -> Vec<Type> {
    match kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        TypeDefKind::Variant(variant) => variant.cases.iter().filter_map(|case| case.ty).collect(),
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        TypeDefKind::Result(result) => result.ok.into_iter().chain(result.err).collect(),
        TypeDefKind::Option(ty) | TypeDefKind::List(ty) | TypeDefKind::Type(ty) => vec![*ty],
        _ => Vec::new(),
    }
}

/// The functions of all interfaces and worlds.
pub(super) fn functions(resolve: &Resolve) -> impl Iterator<Item = &Function> {
    let items = resolve
        .worlds
        .iter()
        .flat_map(|(_, world)| world.imports.values().chain(world.exports.values()));
    let own = items.filter_map(|item| match item {
        WorldItem::Function(function) => Some(function),
        _ => None,
    });
    let interfaces = resolve.interfaces.iter();
    interfaces
        .flat_map(|(_, interface)| interface.functions.values())
        .chain(own)
}

fn exported_resource(resolve: &Resolve, world: &World) -> Option<String> {
    let exports = world.exports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => Some(&resolve.interfaces[*id]),
        _ => None,
    });
    let mut types = exports.flat_map(|interface| interface.types.iter());
    types
        .find(|(_, id)| matches!(resolve.types[**id].kind, TypeDefKind::Resource))
        .map(|(name, _)| format!("the resource `{name}` in an exported interface"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(world: &str, name: Option<&str>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let root = tempfile::tempdir().expect("a folder for the test");
        let wit = root.path().join("wit");
        fs::create_dir(&wit).expect("it can be made");
        fs::write(wit.join("world.wit"), world).expect("it can be written to");
        PluginWorld::read("p", root.path(), name)?.generate(wit_bindgen_c::Opts::default().build())
    }

    #[test]
    fn a_world_makes_sources() {
        let made = read("package a:b; world w { export f: func(); }", None).expect("it is one");
        let mut names: Vec<_> = made.into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["w.c", "w.h", "w_component_type.o"]);
    }

    #[test]
    fn what_the_host_offers_needs_no_copy() {
        let world = "package a:b; world w { import flowstone:plugin/log@0.1.0; export f: func(); }";
        let made = read(world, None).expect("it is one");
        let header = made
            .iter()
            .find(|(name, _)| name == "w.h")
            .expect("there is one");
        assert!(String::from_utf8_lossy(&header.1).contains("flowstone_plugin_log_log"));
    }

    #[test]
    fn of_several_worlds_one_is_named() {
        let worlds = "package a:b; world v { export f: func(); } world w { export g: func(); }";
        read(worlds, Some("w")).expect("it is there");
        for name in [None, Some("x")] {
            let failure = read(worlds, name).expect_err("it is not clear");
            assert!(
                failure
                    .message
                    .ends_with("which world it is of is not clear"),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn how_a_world_is_named_is_said_in_the_words_of_the_manifest() {
        for (manifest, hint) in [
            ("go.mod", "name it in `go.mod`: `//flowstone:world NAME`"),
            (
                "plugin.toml",
                "name it in `plugin.toml`: `world = \"NAME\"`",
            ),
        ] {
            let root = tempfile::tempdir().expect("a folder for the test");
            fs::write(root.path().join(manifest), "").expect("it can be written to");
            assert_eq!(name_the_world(root.path(), None), hint);
            let other = name_the_world(root.path(), Some("x"));
            assert!(other.contains("asks for the world `x`"), "{other}");
        }
    }

    #[test]
    fn what_is_no_plain_value_is_refused_before_a_generator_sees_it() {
        for (items, what) in [
            ("export f: async func();", "the async function"),
            ("export f: func() -> stream<u8>;", "a stream"),
            ("export f: func(a: future<u8>);", "a future"),
            ("export f: func(a: map<string, u8>);", "a map"),
            ("export f: func(a: list<u8, 4>);", "a fixed-length list"),
            (
                "export i: interface { resource r; }",
                "the resource `r` in an exported interface",
            ),
            (
                "export f: func(a: list<error-context>);",
                "an error-context",
            ),
        ] {
            let failure =
                read(&format!("package a:b; world w {{ {items} }}"), None).expect_err(items);
            assert!(
                failure.message.contains(what),
                "{items}: {}",
                failure.message
            );
        }
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let failure =
            read("package a:b;\nworld w { export f: fun(); }", None).expect_err("it is none");
        let said = failure.detail.as_deref().unwrap_or_default();
        assert!(said.contains("world.wit:2:"), "{said}");
    }

    #[test]
    fn the_recipe_names_the_versions_that_are_built_in() {
        let lock = include_str!("../../../../Cargo.lock");
        for made_by in MADE_BY.split(", ") {
            let (name, version) = made_by.split_once(' ').expect("a name and a version");
            let name = if name == "wit-bindgen" {
                "wit-bindgen-core"
            } else {
                name
            };
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{made_by}");
        }
    }
}
