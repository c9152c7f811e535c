//! Aligning: whether the results under one recipe can stand for those under another, parameter by parameter.
//!
//! They can when the arguments from columns have the same types in the same order, the result has the same type, and the
//! literals are equal. The other recipe may have literals for parameters that the function did not have before: that an
//! added argument of this value changes nothing is what whoever adopts the results says.

use flowstone_core::{Fingerprint, Param, Recipe};

/// No component has functions with more parameters: what a store says beyond that is not looked at.
const PARAMS_MAX: usize = 1000;

/// Where the argument of a parameter comes from.
#[derive(PartialEq, Eq)]
enum Given {
    Column,
    Ignored,
    Literal(Fingerprint),
}

/// A parameter, with where its argument comes from.
struct Slot<'a> {
    param: &'a Param,
    given: Given,
}

/// The position in `new` of each parameter of `old`; none where the results under `old` cannot stand for those under
/// `new`. The parameters of `new` that are left are literals which `old` did not have.
pub(crate) fn align(old: &Recipe, new: &Recipe) -> Option<Vec<usize>> {
    if old.function.result != new.function.result || old.grants != new.grants {
        return None;
    }
    let count = |recipe: &Recipe| recipe.function.params.len();
    if count(old) > count(new) || count(new) > PARAMS_MAX {
        return None;
    }
    let (from, to) = (slots(old), slots(new));
    let added = |slot: &Slot<'_>| {
        let before = &old.function.params;
        matches!(slot.given, Given::Literal(_))
            && before.iter().all(|param| param.name != slot.param.name)
    };
    let fits = |a: &Slot<'_>, b: &Slot<'_>| a.given == b.given && a.param.ty == b.param.ty;
    // Whether the parameters of `from` beginning at the first index can be found in `to` beginning at the second.
    let mut found = vec![vec![false; to.len() + 1]; from.len() + 1];
    found[from.len()][to.len()] = true;
    for at in (0..=from.len()).rev() {
        for other in (0..to.len()).rev() {
            let here = at < from.len() && fits(&from[at], &to[other]) && found[at + 1][other + 1];
            found[at][other] = here || added(&to[other]) && found[at][other + 1];
        }
    }
    if !found[0][0] {
        return None;
    }
    let mut positions = Vec::with_capacity(from.len());
    for (other, slot) in to.iter().enumerate() {
        let at = positions.len();
        let here = at < from.len() && fits(&from[at], slot) && found[at + 1][other + 1];
        if here {
            positions.push(other);
        }
    }
    Some(positions)
}

fn slots(recipe: &Recipe) -> Vec<Slot<'_>> {
    let given = |position: u32| {
        let literal = recipe
            .literals
            .iter()
            .find(|literal| literal.position == position);
        match literal {
            Some(literal) => Given::Literal(literal.fingerprint),
            None if recipe.ignored.contains(&position) => Given::Ignored,
            None => Given::Column,
        }
    };
    let params = (0..).zip(&recipe.function.params);
    params
        .map(|(position, param)| Slot {
            param,
            given: given(position),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone_core::{CodeId, Function, Grant, LiteralArgument, Type, Value, fingerprint};

    /// A recipe of parameters, each with its type and, where it is one, its literal.
    fn recipe(params: &[(&str, Type, Option<u32>)], result: Type) -> Recipe {
        let literal = |(position, (_, ty, value)): (u32, &(&str, Type, Option<u32>))| {
            let value = Value::U32((*value)?);
            Some(LiteralArgument {
                position,
                fingerprint: fingerprint(&value, ty, &ty.fingerprint()),
                text: String::new(),
            })
        };
        Recipe {
            code: CodeId::Pin {
                name: "p".to_owned(),
            },
            function: Function {
                name: "f".to_owned(),
                params: params
                    .iter()
                    .map(|(name, ty, _)| Param {
                        name: (*name).to_owned(),
                        ty: ty.clone(),
                    })
                    .collect(),
                result: Some(result),
                docs: None,
            },
            literals: (0..).zip(params).filter_map(literal).collect(),
            grants: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn column(name: &str) -> (&str, Type, Option<u32>) {
        (name, Type::String, None)
    }

    fn literal(name: &str, value: u32) -> (&str, Type, Option<u32>) {
        (name, Type::U32, Some(value))
    }

    fn aligned(
        old: &[(&str, Type, Option<u32>)],
        new: &[(&str, Type, Option<u32>)],
    ) -> Option<Vec<usize>> {
        align(&recipe(old, Type::U32), &recipe(new, Type::U32))
    }

    #[test]
    fn names_do_not_count_but_types_and_literals_do() {
        let old = [column("text"), literal("max", 5)];
        assert_eq!(aligned(&old, &old), Some(vec![0, 1]));
        assert_eq!(
            aligned(&old, &[column("body"), literal("limit", 5)]),
            Some(vec![0, 1])
        );
        assert_eq!(aligned(&old, &[column("text"), literal("max", 6)]), None);
        assert_eq!(aligned(&old, &[column("text")]), None, "one is gone");
        assert_eq!(
            aligned(&old, &[column("text"), ("max", Type::U32, None)]),
            None,
            "it comes from a column now"
        );
        let bytes = ("text", Type::bytes(), None);
        assert_eq!(aligned(&old, &[bytes, literal("max", 5)]), None);
        let (a, b) = (recipe(&old, Type::U32), recipe(&old, Type::U64));
        assert_eq!(align(&a, &b), None);
    }

    #[test]
    fn a_literal_may_be_added_anywhere_but_a_column_may_not() {
        let old = [column("text"), literal("max", 5)];
        let before = [literal("min", 1), column("text"), literal("max", 5)];
        assert_eq!(aligned(&old, &before), Some(vec![1, 2]));
        let after = [column("text"), literal("max", 5), literal("min", 1)];
        assert_eq!(aligned(&old, &after), Some(vec![0, 1]));
        let equal = [column("text"), literal("min", 5), literal("max", 5)];
        assert!(aligned(&old, &equal).is_some());
        let more = [column("text"), literal("max", 5), column("title")];
        assert_eq!(aligned(&old, &more), None);
    }

    #[test]
    fn a_literal_that_was_there_with_another_value_is_not_an_added_one() {
        let old = [column("text"), literal("max", 5)];
        let new = [column("text"), literal("max", 6), literal("min", 5)];
        assert_eq!(aligned(&old, &new), None);
    }

    #[test]
    fn grants_and_ignored_parameters_stay() {
        let old = recipe(&[column("text"), column("log")], Type::U32);
        let mut new = old.clone();
        new.ignored.push(1);
        assert_eq!(align(&old, &new), None);
        assert!(align(&new, &new).is_some());
        let mut granted = old.clone();
        granted.grants.push(Grant {
            name: "clock".to_owned(),
            fingerprint: Fingerprint::from_bytes([0; 32]),
        });
        assert_eq!(align(&old, &granted), None);
    }
}
