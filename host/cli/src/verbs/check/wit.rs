//! A component's functions as its own types tell them, also those that the sandbox has no types for: resources, streams,
//! async functions.

use std::collections::BTreeSet;

use wit_component::DecodedWasm;
use wit_parser::{
    Function, FunctionKind, Handle, Resolve, Type, TypeDefKind, TypeId, WorldId, WorldItem,
};

/// How many types a signature is written with; what is larger is no help to anybody.
const TYPES_MAX: usize = 64;

/// What a component says of itself.
#[derive(Default)]
pub(super) struct Wit {
    pub(super) functions: Vec<WitFunction>,
    pub(super) imports: Vec<String>,
}

/// An exported function.
pub(super) struct WitFunction {
    /// As the sandbox names it: `acme:text/stats#word-count`.
    pub(super) name: String,
    /// With its types, under the names that they have in WIT.
    pub(super) wit: String,
    /// What no plugin can have, in the order of its types.
    pub(super) foreign: Option<String>,
}

impl Wit {
    /// Reads a component; nothing where it cannot be read.
    pub(super) fn of(component: &[u8]) -> Self {
        match wit_component::decode(component) {
            Ok(DecodedWasm::Component(resolve, world)) => Self::of_world(&resolve, world),
            _ => Self::default(),
        }
    }

    fn of_world(resolve: &Resolve, world: WorldId) -> Self {
        let world = &resolve.worlds[world];
        let mut functions = Vec::new();
        for (key, item) in &world.exports {
            match item {
                WorldItem::Function(function) => {
                    functions.push(WitFunction::new(resolve, None, function));
                }
                WorldItem::Interface { id, .. } => {
                    let interface = resolve.name_world_key(key);
                    let inner = resolve.interfaces[*id].functions.values();
                    functions.extend(
                        inner.map(|inner| WitFunction::new(resolve, Some(&interface), inner)),
                    );
                }
                WorldItem::Type { .. } => {}
            }
        }
        let imports = world.imports.iter();
        let imports = imports.filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
        Self {
            functions,
            imports: imports
                .map(|(key, _)| resolve.name_world_key(key))
                .collect(),
        }
    }
}

impl WitFunction {
    fn new(resolve: &Resolve, interface: Option<&str>, function: &Function) -> Self {
        let name = match interface {
            Some(interface) => format!("{interface}#{}", function.name),
            None => function.name.clone(),
        };
        let mut signature = Signature {
            resolve,
            text: format!("{name}: "),
            left: TYPES_MAX,
        };
        signature.function(function);
        Self {
            wit: signature.text,
            foreign: foreign(resolve, function),
            name,
        }
    }
}

fn is_async(function: &Function) -> bool {
    matches!(
        function.kind,
        FunctionKind::AsyncFreestanding
            | FunctionKind::AsyncMethod(_)
            | FunctionKind::AsyncStatic(_)
    )
}

/// What a function has that no plugin can.
fn foreign(resolve: &Resolve, function: &Function) -> Option<String> {
    if is_async(function) {
        return Some("it is an async function".to_owned());
    }
    let params = function.params.iter();
    let params = params.map(|param| (format!("its parameter `{}`", param.name), &param.ty));
    let result = function
        .result
        .iter()
        .map(|ty| ("its result".to_owned(), ty));
    let mut places = params.chain(result);
    places.find_map(|(place, ty)| Some(format!("{place} has {} in it", foreign_in(resolve, *ty)?)))
}

/// What a type has in it that no plugin can have.
fn foreign_in(resolve: &Resolve, ty: Type) -> Option<&'static str> {
    // Types name each other often: each is looked at once.
    let (mut seen, mut open) = (BTreeSet::new(), vec![ty]);
    while let Some(ty) = open.pop() {
        let id = match ty {
            Type::ErrorContext => return Some("an error-context"),
            Type::Id(id) if seen.insert(id) => id,
            _ => continue,
        };
        match &resolve.types[id].kind {
            TypeDefKind::Resource | TypeDefKind::Handle(_) => return Some("a resource"),
            TypeDefKind::Stream(_) => return Some("a stream"),
            TypeDefKind::Future(_) => return Some("a future"),
            TypeDefKind::Map(..) => return Some("a map"),
            TypeDefKind::FixedLengthList(..) => return Some("a list of fixed length"),
            kind => open.extend(parts(kind)),
        }
    }
    None
}

/// The types that a type consists of.
fn parts(kind: &TypeDefKind) -> Vec<Type> {
    match kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        TypeDefKind::Variant(variant) => variant.cases.iter().filter_map(|case| case.ty).collect(),
        TypeDefKind::Result(result) => result.ok.into_iter().chain(result.err).collect(),
        TypeDefKind::Option(ty) | TypeDefKind::List(ty) | TypeDefKind::Type(ty) => vec![*ty],
        _ => Vec::new(),
    }
}

/// A signature as it is written.
struct Signature<'a> {
    resolve: &'a Resolve,
    text: String,
    /// How many types there is room for.
    left: usize,
}

impl Signature<'_> {
    fn function(&mut self, function: &Function) {
        self.text.push_str(if is_async(function) {
            "async func("
        } else {
            "func("
        });
        for (index, param) in function.params.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            self.text.extend([comma, &param.name, ": "]);
            self.ty(param.ty);
        }
        self.text.push(')');
        if let Some(result) = function.result {
            self.text.push_str(" -> ");
            self.ty(result);
        }
    }

    fn ty(&mut self, ty: Type) {
        if self.left == 0 {
            self.text.push('…');
            return;
        }
        self.left -= 1;
        let name = match ty {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::Id(id) => return self.defined(id),
        };
        self.text.push_str(name);
    }

    fn defined(&mut self, id: TypeId) {
        let resolve = self.resolve;
        let defined = &resolve.types[id];
        if let Some(name) = &defined.name {
            self.text.push_str(name);
            return;
        }
        match &defined.kind {
            TypeDefKind::Handle(Handle::Own(id)) => self.generic("own", &[Some(Type::Id(*id))]),
            TypeDefKind::Handle(Handle::Borrow(id)) => {
                self.generic("borrow", &[Some(Type::Id(*id))]);
            }
            TypeDefKind::Option(ty) => self.generic("option", &[Some(*ty)]),
            TypeDefKind::List(ty) => self.generic("list", &[Some(*ty)]),
            TypeDefKind::Map(key, value) => self.generic("map", &[Some(*key), Some(*value)]),
            TypeDefKind::Stream(ty) => self.generic("stream", &[*ty]),
            TypeDefKind::Future(ty) => self.generic("future", &[*ty]),
            TypeDefKind::Tuple(tuple) => {
                let types = tuple.types.iter().copied().map(Some);
                self.generic("tuple", &types.collect::<Vec<_>>());
            }
            TypeDefKind::Result(result) => match (result.ok, result.err) {
                (ok, None) => self.generic("result", &[ok]),
                (ok, err) => self.generic("result", &[ok, err]),
            },
            TypeDefKind::FixedLengthList(ty, length) => {
                self.text.push_str("list<");
                self.ty(*ty);
                self.text.extend([", ", &*length.to_string(), ">"]);
            }
            TypeDefKind::Type(ty) => self.ty(*ty),
            // These always have names; what they consist of would be of no use here.
            kind => self.text.push_str(kind.as_str()),
        }
    }

    /// `name<a, b>`, with `_` for what there is not; `name` by itself without any.
    fn generic(&mut self, name: &str, types: &[Option<Type>]) {
        self.text.push_str(name);
        if types.iter().all(Option::is_none) {
            return;
        }
        self.text.push('<');
        for (index, ty) in types.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            match ty {
                Some(ty) => self.ty(*ty),
                None => self.text.push('_'),
            }
        }
        self.text.push('>');
    }
}
