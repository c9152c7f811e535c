//! `flowstone:plugin/types.failure`: errors that say what is to be done about them. Known by structure, so that any
//! language's bindings will do.

use std::sync::Arc;
use std::time::Duration;

use crate::types::{Case, Type};
use crate::value::Value;

/// What a call says of a row that it gives no result for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFailure {
    /// It fails, and will as long as its arguments stay as they are.
    Invalid(Arc<str>),
    /// It may go well after so long.
    RetryAfter(Duration, Arc<str>),
    /// There is to be no row here.
    Skip,
}

impl RowFailure {
    /// Whether a type has the structure of
    /// `variant failure { invalid(string), retry-after(tuple<u64, string>), skip }`.
    pub fn is_type(ty: &Type) -> bool {
        let Type::Variant(cases) = ty else {
            return false;
        };
        let [invalid, again, skip] = &**cases else {
            return false;
        };
        let is = |case: &Case, name: &str| &*case.name == name;
        let is_pair = |ty: &Option<Type>| matches!(ty, Some(Type::Tuple(parts)) if **parts == [Type::U64, Type::String]);
        is(invalid, "invalid")
            && invalid.ty == Some(Type::String)
            && is(again, "retry-after")
            && is_pair(&again.ty)
            && is(skip, "skip")
            && skip.ty.is_none()
    }

    /// What a value of such a type says; none for any other value.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Variant(0, Some(reason)) => match &**reason {
                Value::Str(reason) => Some(Self::Invalid(Arc::clone(reason))),
                _ => None,
            },
            Value::Variant(1, Some(pair)) => match &**pair {
                Value::Tuple(parts) => match &**parts {
                    [Value::U64(after_ms), Value::Str(reason)] => {
                        let after = Duration::from_millis(*after_ms);
                        Some(Self::RetryAfter(after, Arc::clone(reason)))
                    }
                    _ => None,
                },
                _ => None,
            },
            Value::Variant(2, None) => Some(Self::Skip),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(cases: &[(&str, Option<Type>)]) -> Type {
        let case = |(name, ty): &(&str, Option<Type>)| Case {
            name: (*name).into(),
            ty: ty.clone(),
        };
        Type::Variant(cases.iter().map(case).collect())
    }

    #[test]
    fn it_is_known_by_its_cases_and_what_they_carry() {
        let pair = Type::Tuple([Type::U64, Type::String].into());
        let cases = [
            ("invalid", Some(Type::String)),
            ("retry-after", Some(pair)),
            ("skip", None),
        ];
        assert!(RowFailure::is_type(&failure(&cases)));
        assert!(!RowFailure::is_type(&failure(&cases[..2])));
        assert!(!RowFailure::is_type(&Type::String));
        for at in 0..cases.len() {
            let mut other = cases.clone();
            other[at].0 = "other";
            assert!(!RowFailure::is_type(&failure(&other)), "case {at} renamed");
            let mut other = cases.clone();
            other[at].1 = Some(Type::U64);
            assert!(
                !RowFailure::is_type(&failure(&other)),
                "case {at} carries another"
            );
        }
    }

    #[test]
    fn its_values_are_read() {
        let text = |text: &str| Some(Arc::new(Value::str(text)));
        let pair = Value::Tuple([Value::U64(1500), Value::str("busy")].into());
        let read = [
            Value::Variant(0, text("no")),
            Value::Variant(1, Some(Arc::new(pair))),
            Value::Variant(2, None),
            Value::Variant(1, text("no")),
            Value::str("no"),
        ]
        .map(|value| RowFailure::of(&value));
        let again = RowFailure::RetryAfter(Duration::from_millis(1500), "busy".into());
        let expected = [
            Some(RowFailure::Invalid("no".into())),
            Some(again),
            Some(RowFailure::Skip),
            None,
            None,
        ];
        assert_eq!(read, expected);
    }
}
