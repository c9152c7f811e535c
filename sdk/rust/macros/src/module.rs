//! Reads a module: its public functions, and the types that these use. All that is wrong with it is told at once.

use quote::ToTokens;
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, Item, ItemFn, ItemMod, Pat, Result, ReturnType, Visibility};

use crate::defined::defined;
use crate::model::{Defined, Function, Param, Plugin, Type};
use crate::names;
use crate::reading::{Faults, Taken, docs, unconditional};
use crate::types::Types;

/// The plugin that a module is, in this package.
pub(crate) fn read(module: &ItemMod, package: Option<&str>) -> Result<Plugin> {
    let Some((_, items)) = &module.content else {
        let message = "the functions of a plugin stand in the same file: `mod NAME { ... }`";
        return Err(Error::new_spanned(module, message));
    };
    let mut faults = Faults::default();
    let world = faults.take(names::kebab(&module.ident)).unwrap_or_default();
    let types = Types::new(items);
    let functions = functions(items, &types, &mut faults);
    let defined = defined(&types, &mut faults);
    if functions.is_empty() && faults.is_none() {
        let message =
            "a plugin exports the public functions of its module, and here is none: write `pub fn`";
        faults.add(Error::new(module.ident.span(), message));
    }
    faults.end()?;
    let package = package.map_or_else(|| format!("local:{}", names::wit(&world)), str::to_owned);
    Ok(Plugin {
        docs: docs(&module.attrs),
        package,
        world,
        has_failure: uses_failure(&functions, &defined),
        types: defined,
        functions,
    })
}

fn functions(items: &[Item], types: &Types<'_>, faults: &mut Faults) -> Vec<Function> {
    let (mut functions, mut taken) = (Vec::new(), Taken::default());
    for item in items {
        match item {
            Item::Fn(this) if matches!(this.vis, Visibility::Public(_)) => {
                if let Some(function) = faults.take(function(this, types)) {
                    let free = taken.take("function", &this.sig.ident, &function.name);
                    faults.take(free);
                    functions.push(function);
                }
            }
            Item::Mod(this) if matches!(this.vis, Visibility::Public(_)) => {
                let message = "only the functions of the plugin's own module are exported: make this one private, or \
                               move its functions up";
                faults.add(Error::new(this.ident.span(), message));
            }
            _ => {}
        }
    }
    functions
}

fn function(this: &ItemFn, types: &Types<'_>) -> Result<Function> {
    let mut faults = Faults::default();
    faults.take(plain_function(this));
    let name = faults.take(names::kebab(&this.sig.ident));
    let mut taken = Taken::default();
    let mut params = Vec::new();
    for argument in &this.sig.inputs {
        if let Some(param) = faults.take(param(argument, types, &mut taken)) {
            params.push(param);
        }
    }
    let result = match &this.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) if is_unit(ty) => None,
        ReturnType::Type(_, ty) => faults.take(types.read(ty)),
    };
    faults.end()?;
    Ok(Function {
        docs: docs(&this.attrs),
        ident: this.sig.ident.clone(),
        name: name.unwrap_or_default(),
        params,
        result,
    })
}

/// Refuses what makes a function more than a plain one.
fn plain_function(this: &ItemFn) -> Result<()> {
    let signature = &this.sig;
    let refuse = |what: &dyn ToTokens, message: &str| Err(Error::new_spanned(what, message));
    if let Some(word) = &signature.asyncness {
        return refuse(
            word,
            "a plugin's functions are not asynchronous: leave `async` out",
        );
    }
    if let Some(word) = &signature.unsafety {
        return refuse(
            word,
            "any host may call this: make it a safe function, without `unsafe`",
        );
    }
    if let Some(abi) = &signature.abi {
        return refuse(
            abi,
            "the macro exports it in its own way: leave `extern` out",
        );
    }
    if let Some(dots) = &signature.variadic {
        return refuse(
            dots,
            "a plugin's function has a fixed number of parameters; take a `Vec`",
        );
    }
    let generic = signature
        .generics
        .params
        .iter()
        .find(|param| !matches!(param, syn::GenericParam::Lifetime(_)));
    if let Some(generic) = generic {
        return refuse(
            generic,
            "a plugin's functions have one type each: write it in place of the type parameter",
        );
    }
    unconditional(&this.attrs)
}

fn param(argument: &FnArg, types: &Types<'_>, taken: &mut Taken) -> Result<Param> {
    let typed = match argument {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let message = "a plugin's functions stand by themselves: pass what it needs of `self` as parameters";
            return Err(Error::new(receiver.self_token.span, message));
        }
    };
    let mut faults = Faults::default();
    let name = faults.take(param_name(&typed.pat, taken));
    let read = faults.take(types.param(&typed.ty));
    faults.end()?;
    let (Some(name), Some((ty, passed))) = (name, read) else {
        return Err(Error::new_spanned(typed, "this parameter cannot be read"));
    };
    Ok(Param {
        name,
        ty,
        passed,
        span: typed.ty.span(),
    })
}

fn param_name(pattern: &Pat, taken: &mut Taken) -> Result<String> {
    match pattern {
        Pat::Ident(pattern) if pattern.subpat.is_none() && pattern.by_ref.is_none() => {
            let name = names::kebab(&pattern.ident)?;
            taken.take("parameter", &pattern.ident, &name)?;
            Ok(name)
        }
        _ => Err(Error::new_spanned(
            pattern,
            "flows name a function's parameters: give this one a name, and take it apart inside",
        )),
    }
}

fn uses_failure(functions: &[Function], defined: &[Defined]) -> bool {
    let of_functions = functions.iter().flat_map(|function| {
        function
            .params
            .iter()
            .map(|param| &param.ty)
            .chain(&function.result)
    });
    let of_types = defined.iter().flat_map(|this| {
        this.kind
            .members()
            .iter()
            .filter_map(|member| member.ty.as_ref())
    });
    of_functions.chain(of_types).any(Type::has_failure)
}

fn is_unit(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Tuple(tuple) if tuple.elems.is_empty())
}
