//! Reads Rust types as WIT types, and says of those that WIT does not have what to use instead.

use std::cell::RefCell;
use std::collections::BTreeMap;

use quote::ToTokens as _;
use syn::{
    Error, GenericArgument, Ident, Item, PathArguments, PathSegment, Result, TypePath,
    TypeReference, Visibility,
};

use crate::model::{PLAIN, Passed, Type};
use crate::names;

/// How deep types may be nested; aliases that name each other in a circle go deeper.
const DEPTH_MAX: usize = 32;

/// The types that a module defines, and which of them its functions use.
pub(crate) struct Types<'a> {
    local: BTreeMap<String, &'a Item>,
    used: RefCell<Vec<Ident>>,
}

impl<'a> Types<'a> {
    /// Those of the module with these items.
    pub(crate) fn new(items: &'a [Item]) -> Self {
        let local = items.iter().filter_map(|item| match item {
            Item::Struct(this) => Some((this.ident.to_string(), item)),
            Item::Enum(this) => Some((this.ident.to_string(), item)),
            Item::Type(this) => Some((this.ident.to_string(), item)),
            _ => None,
        });
        Self {
            local: local.collect(),
            used: RefCell::default(),
        }
    }

    /// The `at`th type that was used, if there are as many.
    pub(crate) fn used(&self, at: usize) -> Option<&'a Item> {
        let name = self.used.borrow().get(at)?.to_string();
        self.local.get(&name).copied()
    }

    /// The type of a parameter, and how the function takes it.
    pub(crate) fn param(&self, ty: &syn::Type) -> Result<(Type, Passed)> {
        match ty {
            syn::Type::Reference(reference) => Ok((self.behind(reference)?, Passed::Borrowed)),
            syn::Type::Path(path) => {
                let inner = path
                    .path
                    .segments
                    .last()
                    .filter(|last| last.ident == "Option");
                if let Some(syn::Type::Reference(reference)) = inner.and_then(only_argument) {
                    let passed = match &*reference.elem {
                        syn::Type::Slice(_) => Passed::OptionDeref,
                        inner if is_str(inner) => Passed::OptionDeref,
                        _ => Passed::OptionRef,
                    };
                    return Ok((Type::Option(Box::new(self.behind(reference)?)), passed));
                }
                Ok((self.read(ty)?, Passed::Owned))
            }
            syn::Type::Paren(inner) => self.param(&inner.elem),
            syn::Type::Group(inner) => self.param(&inner.elem),
            _ => Ok((self.read(ty)?, Passed::Owned)),
        }
    }

    /// What a parameter refers to, as a value of its own.
    fn behind(&self, reference: &TypeReference) -> Result<Type> {
        if let Some(mutability) = &reference.mutability {
            let message = "a function cannot change what it is given: take it by value, and return what it becomes";
            return Err(Error::new_spanned(mutability, message));
        }
        match &*reference.elem {
            inner if is_str(inner) => Ok(Type::String),
            syn::Type::Slice(slice) => Ok(Type::List(Box::new(self.read(&slice.elem)?))),
            inner => self.read(inner),
        }
    }

    /// The type of a value.
    pub(crate) fn read(&self, ty: &syn::Type) -> Result<Type> {
        self.at_depth(ty, 0)
    }

    fn at_depth(&self, ty: &syn::Type, depth: usize) -> Result<Type> {
        if depth > DEPTH_MAX {
            let message =
                "this type is nested too deeply, or names itself; WIT has no recursive types";
            return Err(Error::new_spanned(ty, message));
        }
        let instead = |message: &str| {
            let message = format!("{message} in place of `{}`", text(ty));
            Err(Error::new_spanned(ty, message))
        };
        match ty {
            syn::Type::Path(path) => self.path(path, depth),
            syn::Type::Tuple(tuple) if tuple.elems.is_empty() => {
                let message = "`()` is no value in WIT: leave it out, or use a `bool`";
                Err(Error::new_spanned(ty, message))
            }
            syn::Type::Tuple(tuple) => {
                let types = tuple
                    .elems
                    .iter()
                    .map(|element| self.at_depth(element, depth + 1));
                Ok(Type::Tuple(types.collect::<Result<_>>()?))
            }
            syn::Type::Paren(inner) => self.at_depth(&inner.elem, depth),
            syn::Type::Group(inner) => self.at_depth(&inner.elem, depth),
            syn::Type::Reference(reference) => {
                let owned = owned(&reference.elem);
                let message =
                    format!("a reference can only be a whole parameter: use `{owned}` here");
                Err(Error::new_spanned(ty, message))
            }
            syn::Type::Array(array) => {
                let message = format!(
                    "WIT has no lists of fixed length: use `Vec<{}>`",
                    text(&array.elem)
                );
                Err(Error::new_spanned(ty, message))
            }
            syn::Type::Slice(slice) => {
                let message = format!(
                    "a slice has no length of its own: use `Vec<{}>`",
                    text(&slice.elem)
                );
                Err(Error::new_spanned(ty, message))
            }
            syn::Type::ImplTrait(_) => instead("a plugin's functions have one type each: name it"),
            syn::Type::TraitObject(_) => instead("WIT has no trait objects: use an enum"),
            syn::Type::BareFn(_) => instead("WIT has no functions as values: use an enum"),
            syn::Type::Ptr(_) => instead("WIT has no pointers: use the value itself"),
            syn::Type::Never(_) => Err(Error::new_spanned(
                ty,
                "WIT has no `!`: return a `Result` whose err says what went wrong",
            )),
            _ => Err(Error::new_spanned(ty, "this has no type in WIT")),
        }
    }

    fn path(&self, path: &TypePath, depth: usize) -> Result<Type> {
        let Some(last) = path.path.segments.last() else {
            return Err(Error::new_spanned(path, "this has no type in WIT"));
        };
        let name = last.ident.to_string();
        if path.path.segments.len() == 1
            && let Some(item) = self.local.get(&name)
        {
            return self.local(path, last, item, depth);
        }
        if let Some((rust, wit)) = PLAIN.iter().find(|(rust, _)| *rust == name) {
            return Ok(Type::Plain(rust, wit));
        }
        let arguments = arguments(last);
        let inner = |at: usize| self.at_depth(arguments[at], depth + 1).map(Box::new);
        match (&*name, arguments.len()) {
            ("String", 0) => Ok(Type::String),
            ("Failure", 0) => Ok(Type::Failure),
            ("Vec", 1) => Ok(Type::List(inner(0)?)),
            ("Option", 1) => Ok(Type::Option(inner(0)?)),
            ("Result", 2) => {
                let side = |at: usize| match arguments[at] {
                    syn::Type::Tuple(tuple) if tuple.elems.is_empty() => Ok(None),
                    _ => inner(at).map(Some),
                };
                Ok(Type::Result(side(0)?, side(1)?))
            }
            ("Result", _) => {
                let ok = arguments.first().map_or("T".to_owned(), |ok| text(ok));
                let message = format!(
                    "the err of this `Result` is not known here: write `Result<{ok}, String>`, or \
                     `Result<{ok}, flowstone_sdk::Failure>`"
                );
                Err(Error::new_spanned(path, message))
            }
            _ => Err(Error::new_spanned(path, unknown(path, &name, &arguments))),
        }
    }

    fn local(
        &self,
        path: &TypePath,
        last: &PathSegment,
        item: &Item,
        depth: usize,
    ) -> Result<Type> {
        let (visibility, generics, what) = match item {
            Item::Struct(this) => (&this.vis, &this.generics, "struct"),
            Item::Enum(this) => (&this.vis, &this.generics, "enum"),
            Item::Type(this) if this.generics.params.is_empty() => {
                return self.at_depth(&this.ty, depth + 1);
            }
            Item::Type(this) => (&this.vis, &this.generics, "type"),
            _ => return Err(Error::new_spanned(path, "this has no type in WIT")),
        };
        if let Some(first) = generics.params.first() {
            let message = format!(
                "WIT has no types with parameters: make `{}` a {what} of its own for each type that it is used with",
                last.ident
            );
            return Err(Error::new_spanned(first, message));
        }
        if !matches!(visibility, Visibility::Public(_)) {
            let message = format!(
                "a public function has it in its signature, so it is part of the plugin's interface: write `pub {what} {}`",
                last.ident
            );
            return Err(Error::new(item_ident(item).span(), message));
        }
        let mut used = self.used.borrow_mut();
        if !used.contains(&last.ident) {
            used.push(last.ident.clone());
        }
        Ok(Type::Named(
            last.ident.clone(),
            names::kebab(item_ident(item))?,
        ))
    }
}

fn item_ident(item: &Item) -> &Ident {
    match item {
        Item::Struct(this) => &this.ident,
        Item::Enum(this) => &this.ident,
        Item::Type(this) => &this.ident,
        _ => unreachable!("only these are kept"),
    }
}

fn is_str(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Path(path) if path.path.is_ident("str"))
}

/// The types between the angle brackets.
fn arguments(segment: &PathSegment) -> Vec<&syn::Type> {
    match &segment.arguments {
        PathArguments::AngleBracketed(given) => given
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn only_argument(segment: &PathSegment) -> Option<&syn::Type> {
    match arguments(segment)[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// What to write for a type that stood behind a pointer.
fn owned(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        // Mostly an error.
        syn::Type::TraitObject(_) => "String".to_owned(),
        inner if is_str(inner) => "String".to_owned(),
        inner => text(inner),
    }
}

/// What to say of a type that is neither of WIT nor of the module.
fn unknown(path: &TypePath, name: &str, arguments: &[&syn::Type]) -> String {
    let inner = arguments.first().map_or("T".to_owned(), |ty| owned(ty));
    let shown = text(&syn::Type::Path(path.clone()));
    match name {
        "HashMap" | "BTreeMap" | "IndexMap" => {
            let value = arguments.get(1).map_or("V".to_owned(), |ty| text(ty));
            format!("WIT has no maps: use `Vec<({inner}, {value})>` in place of `{shown}`")
        }
        "HashSet" | "BTreeSet" | "VecDeque" | "LinkedList" | "BinaryHeap" | "SmallVec" => {
            format!("WIT has lists only: use `Vec<{inner}>` in place of `{shown}`")
        }
        "Box" | "Rc" | "Arc" | "Cell" | "RefCell" | "Mutex" => {
            format!("a value crosses to the host by itself: use `{inner}` in place of `{shown}`")
        }
        "usize" => "`usize` is of another size on another machine: use `u32` or `u64`".to_owned(),
        "isize" => "`isize` is of another size on another machine: use `i32` or `i64`".to_owned(),
        "u128" | "i128" => format!("WIT has no `{name}`: use a `String`, or a tuple of two `u64`"),
        "str" => "a `str` has no size of its own: use `&str` or `String`".to_owned(),
        "Cow" | "PathBuf" | "Path" | "OsString" | "OsStr" | "CString" | "Url" | "Uuid" => {
            format!("WIT has no `{name}`: use `String` in place of `{shown}`")
        }
        "Duration" | "Instant" | "SystemTime" | "DateTime" | "NaiveDate" => {
            format!(
                "WIT has no `{name}`: use a number, such as `u64` for milliseconds, or a `String`"
            )
        }
        "Error" => format!(
            "`{shown}` has no type in WIT: use `String`, with `.map_err(|error| error.to_string())`"
        ),
        "Self" => {
            "a plugin's functions stand by themselves: name the type in place of `Self`".to_owned()
        }
        "Vec" | "Option" => format!("`{name}` takes one type: `{name}<T>`"),
        _ => format!(
            "`{shown}` is not defined in this module: a type of the plugin's interface is a `pub struct` or `pub enum` \
             next to its functions"
        ),
    }
}

/// A type as the author wrote it, with the usual spaces.
pub(crate) fn text(ty: &syn::Type) -> String {
    let tokens = ty.to_token_stream().to_string();
    let pairs = [
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        (" ;", ";"),
    ];
    pairs
        .iter()
        .fold(tokens, |text, (from, to)| text.replace(from, to))
}
