//! Failures that say what is to be done about a row.

use std::fmt;
use std::time::Duration;

/// Why there is no result for a row, and what becomes of the row: the err of a function's `Result`.
///
/// It is `flowstone:plugin/types.failure`. Any error becomes one with `?`, as [`Failure::Invalid`]:
///
/// ```
/// use flowstone_sdk::Failure;
///
/// fn number(text: &str) -> Result<u32, Failure> {
///     if text.is_empty() {
///         return Err(Failure::Skip);
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(number("12"), Ok(12));
/// assert_eq!(number(""), Err(Failure::Skip));
/// assert_eq!(number("x"), Err(Failure::invalid("invalid digit found in string")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The row fails until its arguments change: a reason for people. It is remembered.
    Invalid(String),
    /// The row may go well after so many milliseconds: a reason for people. It is never remembered.
    RetryAfter((u64, String)),
    /// There is to be no row here, as with none of an `Option`. It is remembered.
    Skip,
}

impl Failure {
    /// The row fails until its arguments change.
    pub fn invalid(reason: impl fmt::Display) -> Self {
        Failure::Invalid(reason.to_string())
    }

    /// The row may go well after this time.
    pub fn retry_after(time: Duration, reason: impl fmt::Display) -> Self {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Failure::RetryAfter((milliseconds, reason.to_string()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Invalid(reason) => f.write_str(reason),
            Failure::RetryAfter((milliseconds, reason)) => {
                write!(f, "{reason} (again after {milliseconds} ms)")
            }
            Failure::Skip => f.write_str("skipped"),
        }
    }
}

/// It is no `Error` itself: then `?` could not take every error.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Invalid(error.to_string())
    }
}
