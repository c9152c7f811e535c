//! Aligning: whether the results under one recipe can stand for those under another, parameter by parameter.
//!
//! They can when the arguments from columns have the same types, the result has the same type, and the literals are equal.
//! The other recipe may have literals for parameters that the function did not have before: that an added argument of this
//! value changes nothing is what whoever adopts the results says.
//!
//! A flow wires by name. So where the arguments from columns have the same names on both sides, each is that of its name,
//! whatever the order; where they have other names, each is that of its place.

use flowstone_core::{Fingerprint, Param, Recipe};

/// No component has functions with more parameters: what a store says beyond that is not looked at.
const PARAMS_MAX: usize = 1000;

/// Where the argument of a parameter comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Column,
    Ignored,
    Literal(Fingerprint),
}

/// A parameter, with where its argument comes from.
#[derive(Clone, Copy)]
struct Slot<'a> {
    position: usize,
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
    if !have_same_columns(old, new) {
        return by_place(&from, &to);
    }
    let is_column = |slot: &Slot<'_>| slot.given == Given::Column;
    let (columns, rest): (Vec<_>, Vec<_>) = from.iter().copied().partition(is_column);
    let (others, other_rest): (Vec<_>, Vec<_>) = to.iter().copied().partition(is_column);
    let mut positions = vec![0; from.len()];
    for slot in columns {
        let mut others = others.iter();
        let other = others.find(|other| other.param.name == slot.param.name)?;
        if other.param.ty != slot.param.ty {
            return None;
        }
        positions[slot.position] = other.position;
    }
    for (slot, at) in rest.iter().zip(by_place(&rest, &other_rest)?) {
        positions[slot.position] = at;
    }
    Some(positions)
}
/// The position among the arguments under `old` of each argument under `new`; none where they stay as they are.
pub(super) fn order(old: &Recipe, new: &Recipe) -> Option<Vec<usize>> {
    if old.function.params.len().max(new.function.params.len()) > PARAMS_MAX
        || !have_same_columns(old, new)
    {
        return None;
    }
    let names: Vec<&str> = old.arguments().map(|(_, param)| &*param.name).collect();
    let at = |(_, param): (u32, &Param)| names.iter().position(|name| *name == param.name);
    let mut order: Vec<usize> = new.arguments().filter_map(at).collect();
    // What stands for the row comes after the arguments, on both sides: the grants are equal.
    order.extend(new.tells_row().then_some(names.len()));
    (!order.is_sorted()).then_some(order)
}

/// Whether the arguments from columns have the same names, each once, in whatever order.
fn have_same_columns(old: &Recipe, new: &Recipe) -> bool {
    let names = |recipe: &Recipe| -> Vec<String> {
        let mut names: Vec<_> = (recipe.arguments())
            .map(|(_, param)| param.name.clone())
            .collect();
        names.sort_unstable();
        names
    };
    let (from, to) = (names(old), names(new));
    from == to && from.windows(2).all(|pair| pair[0] != pair[1])
}

/// The position in `to` of each of `from`, in their order.
fn by_place(from: &[Slot<'_>], to: &[Slot<'_>]) -> Option<Vec<usize>> {
    let added = |slot: &Slot<'_>| {
        matches!(slot.given, Given::Literal(_))
            && from.iter().all(|known| known.param.name != slot.param.name)
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
            positions.push(slot.position);
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
    let params = (0..).zip(recipe.function.params.iter().enumerate());
    params
        .map(|(number, (position, param))| Slot {
            position,
            param,
            given: given(number),
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
            batched: false,
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
    fn arguments_of_the_same_names_are_those_of_their_names() {
        let old = [column("title"), column("body")];
        let new = [column("body"), literal("max", 5), column("title")];
        assert_eq!(aligned(&old, &new), Some(vec![2, 0]));
        let (a, b) = (recipe(&old, Type::U32), recipe(&new, Type::U32));
        assert_eq!(order(&a, &b), Some(vec![1, 0]));
        assert_eq!(order(&b, &a), Some(vec![1, 0]), "and back");
        assert_eq!(order(&a, &a), None);
        // Three that go round: forth and back are not the same.
        let round = ["b", "c", "a"].map(column);
        let (a, b) = (["a", "b", "c"].map(column), round);
        assert_eq!(aligned(&a, &b), Some(vec![2, 0, 1]));
        let (a, b) = (recipe(&a, Type::U32), recipe(&b, Type::U32));
        assert_eq!(order(&a, &b), Some(vec![1, 2, 0]));
        assert_eq!(order(&b, &a), Some(vec![2, 0, 1]));
    }

    #[test]
    fn arguments_of_other_names_are_those_of_their_places() {
        let old = [column("title"), column("body")];
        let new = [column("body"), column("text")];
        assert_eq!(aligned(&old, &new), Some(vec![0, 1]));
        let twice = [column("body"), column("body")];
        assert_eq!(aligned(&twice, &twice), Some(vec![0, 1]));
        let (a, b) = (recipe(&old, Type::U32), recipe(&new, Type::U32));
        assert_eq!(order(&a, &b), None);
        // The same names with each other's types: neither place nor name fits.
        let bytes = |name| (name, Type::bytes(), None);
        let old = [column("a"), bytes("b")];
        assert_eq!(aligned(&old, &[column("b"), bytes("a")]), None);
        assert_eq!(aligned(&old, &[bytes("b"), column("a")]), Some(vec![1, 0]));
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
