//! Errors of the store, with what to do about them.

use flowstone::StoreError;

use super::{Failure, Kind};
use crate::when;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Failure::new(Kind::Store, error.to_string());
        match error {
            StoreError::Locked { holder, .. } => {
                let since = holder.and_then(|holder| Some((holder.pid, holder.since?)));
                let failure = match since {
                    Some((pid, since)) => failure.hint(format!(
                        "it has it since {} ({}); `kill {pid}` asks it to stop, and what it settled stays",
                        when::utc(since),
                        when::ago(since)
                    )),
                    None => failure,
                };
                failure.hint("`--store DIR` names another store")
            }
            StoreError::Io { .. } => {
                failure.hint("`--store DIR` puts the store elsewhere, where this account may write")
            }
            StoreError::TooLong { .. } => {
                failure.hint("shorten it at its source: a key is a name, not the content")
            }
            // The others' messages say what to do.
            _ => failure,
        }
    }
}
