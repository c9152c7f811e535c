//! What a component offers, read out of its types: the functions that can be transforms, and why others cannot.

use std::sync::Arc;

use flowstone_core::{Case, Field, Function, Interface, Param, Type, UnsupportedFunction};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem};

use crate::docs::Docs;

/// How deep types may be nested. Reading values goes as deep, on the host's stack.
const TYPE_DEPTH_MAX: usize = 64;

/// How many types the types of a function may consist of: a few nested records can name each other so often that
/// writing them out fills the memory.
const TYPE_NODES_MAX: usize = 10_000;

/// Describes the exports of a component.
pub(crate) fn describe(
    component: &Component,
    engine: &Engine,
    docs: &Docs,
    imports: Vec<String>,
) -> Interface {
    let mut description = Interface {
        imports,
        ..Interface::default()
    };
    for (name, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => {
                add(
                    &mut description,
                    name.to_owned(),
                    &function,
                    docs.function(None, name),
                );
            }
            ComponentItem::ComponentInstance(instance) => {
                for (inner, item) in instance.exports(engine) {
                    let full = format!("{name}#{inner}");
                    match item.ty {
                        ComponentItem::ComponentFunc(function) => {
                            add(&mut description, full, &function, docs.function(Some(name), inner));
                        }
                        ComponentItem::ComponentInstance(_) => description.unsupported.push(UnsupportedFunction {
                            name: full,
                            reason: "it is an instance within an instance; export its interface by itself".to_owned(),
                        }),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    description
}

fn add(description: &mut Interface, name: String, function: &ComponentFunc, docs: Option<String>) {
    match signature(function) {
        Ok((params, result)) => description.functions.push(Function {
            name,
            params,
            result,
            docs,
        }),
        Err(reason) => description
            .unsupported
            .push(UnsupportedFunction { name, reason }),
    }
}

fn signature(function: &ComponentFunc) -> Result<(Vec<Param>, Option<Type>), String> {
    if function.async_() {
        return Err("it is an async function; export it without `async`".to_owned());
    }
    let mut budget = TYPE_NODES_MAX;
    let params = function
        .params()
        .map(|(name, ty)| {
            let ty = plain(&ty, 0, &mut budget)
                .map_err(|reason| format!("its parameter `{name}` {reason}"))?;
            Ok(Param {
                name: name.to_owned(),
                ty,
            })
        })
        .collect::<Result<_, String>>()?;
    let mut results = function.results();
    let result = results
        .next()
        .map(|ty| plain(&ty, 0, &mut budget).map_err(|reason| format!("its result {reason}")))
        .transpose()?;
    if results.next().is_some() {
        return Err("it has more than one result; return a tuple or a record".to_owned());
    }
    Ok((params, result))
}

/// The type as the host has it, or why there is none: a phrase that goes on "its result ...".
fn plain(ty: &types::Type, depth: usize, budget: &mut usize) -> Result<Type, String> {
    if depth >= TYPE_DEPTH_MAX {
        return Err(format!(
            "has a type nested deeper than {TYPE_DEPTH_MAX}; flatten it"
        ));
    }
    *budget = budget.checked_sub(1).ok_or_else(|| {
        format!("has a type of more than {TYPE_NODES_MAX} parts when written out; make it smaller")
    })?;
    let mut inner = |ty: &types::Type| plain(ty, depth + 1, budget);
    Ok(match ty {
        types::Type::Bool => Type::Bool,
        types::Type::S8 => Type::S8,
        types::Type::U8 => Type::U8,
        types::Type::S16 => Type::S16,
        types::Type::U16 => Type::U16,
        types::Type::S32 => Type::S32,
        types::Type::U32 => Type::U32,
        types::Type::S64 => Type::S64,
        types::Type::U64 => Type::U64,
        types::Type::Float32 => Type::F32,
        types::Type::Float64 => Type::F64,
        types::Type::Char => Type::Char,
        types::Type::String => Type::String,
        types::Type::List(list) => Type::list(inner(&list.ty())?),
        types::Type::Option(option) => Type::option(inner(&option.ty())?),
        types::Type::Result(result) => Type::Result {
            ok: result.ok().map(|ty| inner(&ty)).transpose()?.map(Arc::new),
            err: result.err().map(|ty| inner(&ty)).transpose()?.map(Arc::new),
        },
        types::Type::Tuple(tuple) => Type::Tuple(
            tuple
                .types()
                .map(|ty| inner(&ty))
                .collect::<Result<_, _>>()?,
        ),
        types::Type::Record(record) => Type::Record(
            record
                .fields()
                .map(|field| {
                    Ok(Field {
                        name: field.name.into(),
                        ty: inner(&field.ty)?,
                    })
                })
                .collect::<Result<_, String>>()?,
        ),
        types::Type::Variant(variant) => Type::Variant(
            variant
                .cases()
                .map(|case| {
                    Ok(Case {
                        name: case.name.into(),
                        ty: case.ty.map(|ty| inner(&ty)).transpose()?,
                    })
                })
                .collect::<Result<_, String>>()?,
        ),
        types::Type::Enum(names) => Type::Enum(spend(names.names(), budget)?),
        types::Type::Flags(flags) if flags.names().len() <= 32 => {
            Type::Flags(spend(flags.names(), budget)?)
        }
        types::Type::Flags(_) => {
            return Err("has more than 32 flags; split them, or use a list of an enum".to_owned());
        }
        types::Type::Own(_) | types::Type::Borrow(_) => {
            return Err(
                "has a resource in it; take and return plain values, such as a record".to_owned(),
            );
        }
        types::Type::Future(_) | types::Type::Stream(_) => {
            return Err(
                "has a stream or a future in it; take and return whole values, such as a list"
                    .to_owned(),
            );
        }
        types::Type::ErrorContext => {
            return Err("has an error-context in it; use a string".to_owned());
        }
        types::Type::Map(_) => return Err("has a map in it; use a list of tuples".to_owned()),
        types::Type::FixedLengthList(_) => {
            return Err("has a list of fixed length in it; use a plain list".to_owned());
        }
    })
}

/// Names count as parts of a type too.
fn spend<'a>(
    names: impl ExactSizeIterator<Item = &'a str>,
    budget: &mut usize,
) -> Result<Arc<[Arc<str>]>, String> {
    *budget = budget.checked_sub(names.len()).ok_or_else(|| {
        format!("has a type of more than {TYPE_NODES_MAX} parts when written out; make it smaller")
    })?;
    Ok(names.map(Arc::from).collect())
}
