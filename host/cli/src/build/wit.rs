//! How large the types of a `wit/` are when they are written out. A few lines of aliases can stand for more than a machine
//! holds, and generators of bindings write them out.

use std::collections::{HashMap, HashSet};

use wit_bindgen_core::wit_parser::{Resolve, Type, TypeDefKind, World, WorldItem};

use super::world::{functions, parts};

/// How deep types may be nested, and how many parts one may have, as for components.
const DEPTH_MAX: usize = 64;
const PARTS_MAX: usize = 10_000;

/// How many parts the types of all functions may have together.
const ALL_PARTS_MAX: usize = 1_000_000;

/// What a type is when it is written out.
#[derive(Clone, Copy)]
struct Extent {
    parts: usize,
    depth: usize,
}

/// Sees to it that bindings can be made of all types, in time that grows with what was written.
///
/// # Errors
///
/// Which type is too large.
pub(super) fn check_types(resolve: &Resolve) -> Result<(), String> {
    let mut extents = HashMap::new();
    // A type comes after those that it is made of.
    for (id, ty) in &resolve.types {
        let of_parts = parts(&ty.kind);
        let extent = of_parts.iter().map(|part| of(part, &extents)).fold(
            Extent { parts: 1, depth: 1 },
            |all, part| Extent {
                parts: all.parts.saturating_add(part.parts),
                depth: all.depth.max(part.depth + usize::from(!is_alias(&ty.kind))),
            },
        );
        let name = ty
            .name
            .as_deref()
            .map_or("a type".to_owned(), |name| format!("the type `{name}`"));
        if extent.parts > PARTS_MAX {
            return Err(format!(
                "{name} has more than {PARTS_MAX} parts when it is written out; make it smaller"
            ));
        }
        if extent.depth > DEPTH_MAX {
            return Err(format!(
                "{name} is nested deeper than {DEPTH_MAX}; flatten it"
            ));
        }
        extents.insert(Type::Id(id), extent);
    }
    let types = functions(resolve).flat_map(|function| {
        let parameters = function.params.iter().map(|parameter| parameter.ty);
        parameters.chain(function.result)
    });
    let all = types.fold(0_usize, |all, ty| {
        all.saturating_add(of(&ty, &extents).parts)
    });
    if all > ALL_PARTS_MAX {
        return Err(format!(
            "the types of its functions have more than {ALL_PARTS_MAX} parts when they are written out; make them smaller"
        ));
    }
    Ok(())
}

/// The exported functions that take or give integers of 64 bits, by their names.
pub(super) fn with_wide_integers<'a>(resolve: &'a Resolve, world: &'a World) -> Vec<&'a str> {
    let functions = world.exports.values().flat_map(|item| match item {
        WorldItem::Function(function) => vec![function],
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.values().collect(),
        WorldItem::Type { .. } => Vec::new(),
    });
    functions
        .filter(|function| {
            let parameters = function.params.iter().map(|parameter| parameter.ty);
            is_wide(resolve, parameters.chain(function.result).collect())
        })
        .map(|function| &*function.name)
        .collect()
}

fn is_wide(resolve: &Resolve, mut types: Vec<Type>) -> bool {
    let mut seen = HashSet::new();
    while let Some(ty) = types.pop() {
        match ty {
            Type::U64 | Type::S64 => return true,
            // The time that a `failure` of ours asks for is never so long.
            Type::Id(id)
                if seen.insert(id) && resolve.types[id].name.as_deref() != Some("failure") =>
            {
                types.extend(parts(&resolve.types[id].kind));
            }
            _ => {}
        }
    }
    false
}

fn of(ty: &Type, extents: &HashMap<Type, Extent>) -> Extent {
    let one = Extent { parts: 1, depth: 1 };
    extents.get(ty).copied().unwrap_or(one)
}

/// Another name for a type is not nested deeper.
fn is_alias(kind: &TypeDefKind) -> bool {
    matches!(kind, TypeDefKind::Type(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn check(types: &str) -> Result<(), String> {
        let text = format!("package a:b; world w {{ {types} }}");
        let mut resolve = Resolve::default();
        resolve.push_str("world.wit", &text).expect("it is WIT");
        check_types(&resolve)
    }

    /// So many types, each made of the one before.
    fn chain(many: usize, next: impl Fn(String) -> String) -> String {
        let mut text = "type t0 = list<u8>;".to_owned();
        for number in 1..many {
            let before = format!("t{}", number - 1);
            let _ = write!(text, "type t{number} = {};", next(before));
        }
        let _ = write!(text, "export f: func(a: t{}) -> u32;", many - 1);
        text
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        for many in [18, 40, 2000] {
            let twice = chain(many, |t| format!("tuple<list<{t}>, list<{t}>>"));
            let thrice = chain(many, |t| format!("tuple<{t}, {t}, {t}>"));
            for types in [twice, thrice] {
                let error = check(&types).expect_err("it is too large");
                assert!(error.contains("more than 10000 parts"), "{error}");
            }
        }
    }

    #[test]
    fn what_people_write_is_not() {
        assert_eq!(check(&chain(8, |t| format!("tuple<{t}, {t}>"))), Ok(()));
        assert_eq!(check(&chain(60, |t| format!("list<{t}>"))), Ok(()));
        assert_eq!(check(&chain(2000, |t| t)), Ok(()), "aliases are not nested");
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let error = check(&chain(2000, |t| format!("list<{t}>"))).expect_err("it is too deep");
        assert!(error.contains("nested deeper than 64"), "{error}");
    }

    #[test]
    fn functions_with_wide_integers_are_found_wherever_these_are() {
        let text = "package a:b; interface i { record r { x: option<list<s64>> } g: func(a: r); h: func(a: u32); }
            world w { variant failure { again(tuple<u64, string>) } export i;
            export f: func() -> u64; export k: func() -> result<u32, failure>; }";
        let mut resolve = Resolve::default();
        let package = resolve.push_str("world.wit", text).expect("it is WIT");
        let world = resolve.select_world(&[package], None).expect("it is there");
        let mut found = with_wide_integers(&resolve, &resolve.worlds[world]);
        found.sort_unstable();
        assert_eq!(found, ["f", "g"]);
    }

    #[test]
    fn many_functions_with_large_types_are_refused_together() {
        let mut types = chain(12, |t| format!("tuple<{t}, {t}>"));
        for number in 0..200 {
            let _ = write!(types, "export g{number}: func(a: t11) -> u32;");
        }
        let error = check(&types).expect_err("they are too many");
        assert!(error.starts_with("the types of its functions"), "{error}");
    }
}
