//! The macro of `flowstone-sdk`: a module of plain functions becomes a plugin. Use it through that crate.
//!
//! `module` reads the module into the `model`, which `wit` writes as WIT and `expand` as code.

#![forbid(unsafe_code)]

mod defined;
mod docs;
mod expand;
mod model;
mod module;
mod names;
mod reading;
mod types;
mod wit;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use syn::parse::Parser as _;
use syn::{Error, ItemMod, LitStr, Result};

/// Makes the public functions of a module the functions of a plugin. See the crate `flowstone-sdk`.
#[proc_macro_attribute]
pub fn plugin(
    arguments: proc_macro::TokenStream,
    module: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let module: TokenStream = module.into();
    made(arguments.into(), module.clone())
        .unwrap_or_else(|error| {
            // The module stays, so that nothing else is reported as missing.
            let message = error.into_compile_error();
            quote::quote!(#message #module)
        })
        .into()
}

fn made(arguments: TokenStream, module: TokenStream) -> Result<TokenStream> {
    let package = package(arguments)?;
    let module: ItemMod = syn::parse2(module).map_err(|error| {
        Error::new(
            error.span(),
            "this goes before a module: `#[flowstone_sdk::plugin] mod NAME { ... }`",
        )
    })?;
    let plugin = module::read(&module, package.as_deref())?;
    Ok(expand::expand(&module, &plugin))
}

/// The `package = "acme:text@0.1.0"` of the macro, where it has one.
fn package(arguments: TokenStream) -> Result<Option<String>> {
    let mut package = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("package") {
            return Err(meta.error("only `package = \"NAMESPACE:NAME@VERSION\"` can be said here"));
        }
        let name: LitStr = meta.value()?.parse()?;
        if !is_package(&name.value()) {
            let message = "a package is written `NAMESPACE:NAME` or `NAMESPACE:NAME@VERSION`, such as `acme:text@0.1.0`";
            return Err(Error::new(name.span(), message));
        }
        package = Some(name.value());
        Ok(())
    });
    parser.parse2(arguments)?;
    Ok(package)
}

fn is_package(name: &str) -> bool {
    let (path, version) = name
        .split_once('@')
        .map_or((name, None), |(path, version)| (path, Some(version)));
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    let is_name = |name: &str| name.split('-').all(is_word);
    let is_version = |version: &str| {
        let numbers = version.split('.').collect::<Vec<_>>();
        numbers.len() == 3
            && numbers.iter().all(|number| {
                number
                    .parse::<u64>()
                    .is_ok_and(|value| value.to_string() == *number)
            })
    };
    path.split_once(':')
        .is_some_and(|(namespace, name)| is_name(namespace) && is_name(name))
        && version.is_none_or(is_version)
}
