//! What the macro makes of a module: the module as it is, its WIT, and for a component the exports.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, ItemMod, LitStr};

use crate::model::{Defined, Function, Kind, Passed, Plugin};
use crate::names;

/// What the linker knows exports by, before their names in WIT: the naming of the component model's build targets.
///
/// Without it a function `round` would be the linker's `round`, in the place of that of the mathematical library.
const PREFIX: &str = "cm32p2||";

/// The module with what makes it a plugin.
pub(crate) fn expand(module: &ItemMod, plugin: &Plugin) -> TokenStream {
    let ItemMod {
        attrs,
        vis,
        unsafety,
        mod_token,
        ident,
        content,
        ..
    } = module;
    let items = content
        .as_ref()
        .map(|(_, items)| items)
        .into_iter()
        .flatten();
    let wit = plugin.to_string();
    let exports = exports(plugin);
    let enums = plugin.types.iter().filter_map(lift);
    quote! {
        #(#attrs)*
        // Natively it may be that only tests call the functions.
        #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
        #vis #unsafety #mod_token #ident {
            #(#items)*

            /// The interface of the plugin, as WIT.
            pub const WIT: &str = #wit;

            #(#enums)*
            #exports
        }
    }
}

/// The exports of the component. wit-bindgen writes them, with the author's own types for those of the WIT.
fn exports(plugin: &Plugin) -> TokenStream {
    let wit = LitStr::new(&plugin.with_packages(), Span::call_site());
    let world = &plugin.world;
    let keys = plugin
        .types
        .iter()
        .map(|this| format!("{world}/{}", this.name));
    let paths = plugin.types.iter().map(|this| &this.ident);
    let shared = plugin
        .has_failure
        .then(|| quote!("flowstone:plugin/types@0.1.0": ::flowstone_sdk::__private::types,));
    let functions = plugin.functions.iter().map(function);
    let freed = plugin
        .functions
        .iter()
        .filter(|function| plugin.allocates(function.result.as_ref()))
        .map(freed);
    let docs = crate::docs::section(plugin);
    let (docs, bytes) = (Literal::byte_string(&docs), docs.len());
    quote! {
        #[cfg(target_family = "wasm")]
        #[allow(missing_docs, unreachable_pub, unsafe_code, unused_qualifications, clippy::all, clippy::pedantic)]
        mod __flowstone {
            ::flowstone_sdk::__private::wit_bindgen::generate!({
                inline: #wit,
                path: [],
                world: #world,
                runtime_path: "::flowstone_sdk::__private::wit_bindgen::rt",
                with: { #shared #(#keys: super::#paths,)* },
                export_prefix: #PREFIX,
            });

            struct Plugin;

            impl Guest for Plugin {
                #(#functions)*
            }

            export!(Plugin with_types_in self);

            #(#freed)*

            #[unsafe(link_section = "package-docs")]
            static DOCS: [u8; #bytes] = *#docs;
        }
    }
}

fn function(this: &Function) -> TokenStream {
    let (ident, span) = (&this.ident, this.ident.span());
    let name = Ident::new(&names::rust(&this.name), Span::call_site());
    let names = (0..this.params.len())
        .map(|at| format_ident!("p{at}"))
        .collect::<Vec<_>>();
    let types = this.params.iter().map(|param| param.ty.rust());
    let result = this.result.as_ref().map(|ty| {
        let ty = ty.rust();
        quote!(-> #ty)
    });
    let passed = this
        .params
        .iter()
        .zip(&names)
        .map(|(param, name)| match param.passed {
            Passed::Owned => quote_spanned!(param.span => #name),
            Passed::Borrowed => quote_spanned!(param.span => &#name),
            Passed::OptionDeref => quote_spanned!(param.span => #name.as_deref()),
            Passed::OptionRef => quote_spanned!(param.span => #name.as_ref()),
        });
    let call = quote_spanned!(span => super::#ident(#(#passed),*));
    quote! {
        fn #name(#(#names: #types),*) #result {
            #call
        }
    }
}

/// Frees the memory of a function's result once the host has read it. wit-bindgen's own export of it does not go by the
/// naming of the prefix, so that nobody would call it.
fn freed(this: &Function) -> TokenStream {
    let export = format!("{PREFIX}{}_post", this.name);
    let snake = this.name.replace('-', "_");
    let (name, free) = (
        format_ident!("__free_{snake}"),
        format_ident!("__post_return_{snake}"),
    );
    quote! {
        #[unsafe(export_name = #export)]
        unsafe extern "C" fn #name(result: *mut u8) {
            unsafe { #free::<Plugin>(result) }
        }
    }
}

/// What wit-bindgen asks of an enum that it did not write: from its number, and a copy to take the number of.
fn lift(this: &Defined) -> Option<TokenStream> {
    let Kind::Enum(cases) = &this.kind else {
        return None;
    };
    let (ident, last) = (&this.ident, &cases.last()?.ident);
    let arms = cases[..cases.len() - 1]
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let (number, case) = (Literal::usize_unsuffixed(number), &case.ident);
            quote!(#number => Self::#case,)
        });
    let copies = cases.iter().map(|case| {
        let case = &case.ident;
        quote!(Self::#case => Self::#case,)
    });
    let number = match cases.len() {
        0..=256 => quote!(u8),
        257..=65_536 => quote!(u16),
        _ => quote!(u32),
    };
    Some(quote! {
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        #[allow(missing_docs, clippy::all, clippy::pedantic)]
        impl #ident {
            pub fn _lift(number: #number) -> Self {
                match number {
                    #(#arms)*
                    // The host only hands over numbers of cases.
                    _ => Self::#last,
                }
            }

            pub fn clone(&self) -> Self {
                match self {
                    #(#copies)*
                }
            }
        }
    })
}
