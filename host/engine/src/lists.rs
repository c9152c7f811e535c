//! Lists of rows: how the arguments of many rows become those of one call, and its result those of the rows.

use std::borrow::Borrow;

use flowstone_core::{Recipe, Type, Value};

use crate::answer;

/// The lists that a function over rows takes and returns.
#[derive(Clone, Debug)]
pub(crate) struct Lists {
    /// Of each parameter the type of the elements; none for one that is given once for all rows.
    params: Vec<Option<Type>>,
    /// The type of the list that it returns.
    result: Type,
}

impl Lists {
    /// Those of a recipe; none where its function is called for each row alone.
    pub(crate) fn of(recipe: &Recipe) -> Option<Self> {
        let is_literal = |position: u32| {
            let mut literals = recipe.literals.iter();
            literals.any(|literal| literal.position == position)
        };
        let params = (0..).zip(&recipe.function.params);
        let params =
            params.map(|(position, param)| (!is_literal(position)).then(|| param.ty.clone()));
        let result = recipe.function.result.clone().filter(|_| recipe.batched)?;
        Some(Self {
            params: params.collect(),
            result: Type::list(result),
        })
    }

    /// The arguments of a call for rows with these arguments, of which there is at least one.
    pub(crate) fn arguments<A: Borrow<[Value]>>(&self, rows: &[A]) -> Vec<Value> {
        let of_row = |row: &A, position: usize| row.borrow()[position].clone();
        let param = |(position, element): (usize, &Option<Type>)| match element {
            Some(element) => {
                let items = rows.iter().map(|row| of_row(row, position));
                Value::list_of(element, items.collect())
            }
            None => of_row(&rows[0], position),
        };
        self.params.iter().enumerate().map(param).collect()
    }

    /// How many bytes a row adds to the arguments of a call.
    pub(crate) fn bytes(&self, row: &[Value]) -> u64 {
        let of_rows = row
            .iter()
            .zip(&self.params)
            .filter(|(_, element)| element.is_some());
        of_rows.map(|(value, _)| value.size() as u64).sum()
    }

    /// What a call returned for each of so many rows, in order.
    ///
    /// # Errors
    ///
    /// When it is not one value per row: with both numbers, for people.
    pub(crate) fn results(&self, returned: &Value, rows: usize) -> Result<Vec<Value>, String> {
        let element = |position| answer::row(returned, &self.result, position);
        let values: Vec<Value> = (0..rows).map_while(element).collect();
        let more = (rows..).map_while(element).count();
        let found = values.len() + more;
        if found == rows {
            return Ok(values);
        }
        Err(format!(
            "the function was given {rows} rows and returned a list of {found}: it must return one element per row, in \
             their order"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        Lists {
            params: vec![Some(Type::U8), None, Some(Type::String)],
            result: Type::list(Type::U32),
        }
    }

    #[test]
    fn what_is_bound_to_a_column_is_listed_and_what_is_not_is_given_once() {
        let row = |byte, text| [Value::U8(byte), Value::U64(9), Value::str(text)];
        let arguments = lists().arguments(&[row(1, "a"), row(2, "b")]);
        let texts = Value::List([Value::str("a"), Value::str("b")].into());
        assert_eq!(arguments, [Value::bytes([1, 2]), Value::U64(9), texts]);
    }

    #[test]
    fn results_are_one_per_row() {
        let returned = Value::Packed([7u32, 8].iter().flat_map(|n| n.to_le_bytes()).collect());
        let results = lists().results(&returned, 2);
        assert_eq!(results, Ok(vec![Value::U32(7), Value::U32(8)]));
        for rows in [1, 3] {
            let error = lists()
                .results(&returned, rows)
                .expect_err("the length is another");
            assert!(error.contains(&format!("given {rows} rows")), "{error}");
            assert!(error.contains("a list of 2:"), "{error}");
        }
    }
}
