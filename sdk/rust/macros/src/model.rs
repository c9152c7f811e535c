//! A plugin as the macro understands it: its functions and types, in Rust's and in WIT's words.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::Ident;

/// A module that becomes a plugin.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) docs: Vec<String>,
    /// The WIT package, such as `acme:text@0.1.0`.
    pub(crate) package: String,
    /// The name of the world, in kebab case.
    pub(crate) world: String,
    pub(crate) types: Vec<Defined>,
    pub(crate) functions: Vec<Function>,
    /// Whether a function gives `flowstone_sdk::Failure`.
    pub(crate) has_failure: bool,
}

/// A struct or an enum of the module.
#[derive(Debug)]
pub(crate) struct Defined {
    pub(crate) docs: Vec<String>,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a type is in WIT.
#[derive(Debug)]
pub(crate) enum Kind {
    Record(Vec<Member>),
    Variant(Vec<Member>),
    Enum(Vec<Member>),
}

/// A field, or a case.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) docs: Vec<String>,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// The type of a field, or what a case carries.
    pub(crate) ty: Option<Type>,
}

/// A public function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) docs: Vec<String>,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    pub(crate) result: Option<Type>,
}

/// A parameter.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) passed: Passed,
    /// Where its type is, for what the compiler has to say about it.
    pub(crate) span: Span,
}

/// How the function takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// `String`
    Owned,
    /// `&str`
    Borrowed,
    /// `Option<&str>`
    OptionDeref,
    /// `Option<&Section>`
    OptionRef,
}

/// A type that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A type without parameters, by its names in Rust and in WIT.
    Plain(&'static str, &'static str),
    String,
    List(Box<Type>),
    Option(Box<Type>),
    Result(Option<Box<Type>>, Option<Box<Type>>),
    Tuple(Vec<Type>),
    /// One of the module, by its names in Rust and in WIT.
    Named(Ident, String),
    /// `flowstone_sdk::Failure`
    Failure,
}

/// The types without parameters.
pub(crate) const PLAIN: [(&str, &str); 12] = [
    ("bool", "bool"),
    ("u8", "u8"),
    ("u16", "u16"),
    ("u32", "u32"),
    ("u64", "u64"),
    ("i8", "s8"),
    ("i16", "s16"),
    ("i32", "s32"),
    ("i64", "s64"),
    ("f32", "f32"),
    ("f64", "f64"),
    ("char", "char"),
];

impl Plugin {
    /// Whether a result is handed over with memory of its own: a text or a list is in it.
    pub(crate) fn allocates(&self, ty: Option<&Type>) -> bool {
        let allocates = |ty: &Type| match ty {
            Type::String | Type::List(_) | Type::Failure => true,
            Type::Named(_, name) => self
                .types
                .iter()
                .filter(|this| this.name == *name)
                .flat_map(|this| this.kind.members())
                .any(|member| self.allocates(member.ty.as_ref())),
            _ => ty
                .parts()
                .into_iter()
                .any(|part| self.allocates(Some(part))),
        };
        ty.is_some_and(allocates)
    }
}

impl Kind {
    /// The fields, or the cases.
    pub(crate) fn members(&self) -> &[Member] {
        match self {
            Kind::Record(members) | Kind::Variant(members) | Kind::Enum(members) => members,
        }
    }
}

impl Type {
    /// The types that it consists of.
    fn parts(&self) -> Vec<&Type> {
        match self {
            Type::List(inner) | Type::Option(inner) => vec![&**inner],
            Type::Result(ok, err) => ok.iter().chain(err).map(|side| &**side).collect(),
            Type::Tuple(types) => types.iter().collect(),
            Type::Plain(..) | Type::String | Type::Named(..) | Type::Failure => Vec::new(),
        }
    }

    /// Adds the WIT names of the module's types in it.
    pub(crate) fn named<'a>(&'a self, names: &mut Vec<&'a str>) {
        if let Type::Named(_, name) = self {
            names.push(name);
        }
        for part in self.parts() {
            part.named(names);
        }
    }

    /// Whether `flowstone_sdk::Failure` is in it.
    pub(crate) fn has_failure(&self) -> bool {
        *self == Type::Failure || self.parts().into_iter().any(Type::has_failure)
    }

    /// The type as it is named in a module within the author's.
    pub(crate) fn rust(&self) -> TokenStream {
        let side = |ty: &Option<Box<Type>>| ty.as_ref().map_or(quote!(()), |ty| ty.rust());
        match self {
            Type::Plain(name, _) => {
                let name = format_ident!("{name}");
                quote!(#name)
            }
            Type::String => quote!(::std::string::String),
            Type::List(element) => {
                let element = element.rust();
                quote!(::std::vec::Vec<#element>)
            }
            Type::Option(inner) => {
                let inner = inner.rust();
                quote!(::core::option::Option<#inner>)
            }
            Type::Result(ok, err) => {
                let (ok, err) = (side(ok), side(err));
                quote!(::core::result::Result<#ok, #err>)
            }
            Type::Tuple(types) => {
                let types = types.iter().map(Type::rust);
                quote!((#(#types,)*))
            }
            Type::Named(ident, _) => quote!(super::#ident),
            Type::Failure => quote!(::flowstone_sdk::Failure),
        }
    }
}
