//! What is wrong with what was asked of a pin.

use flowstone_core::RunId;

use super::codes::EarlierCode;

/// Why something could not be done with a pin. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The flow does not name a pin for the transform.
    #[error("transform `{transform}` has no pin")]
    NotNamed {
        /// The transform's name.
        transform: String,
        /// What to write in the flow file.
        line: String,
    },
    /// What has the name is a fold, which keeps steps and no results.
    #[error(
        "`{name}` keeps steps, not results of single rows: there is nothing to adopt or to compare row by row. A pin only \
         says that its steps hold whatever its code is"
    )]
    OfSteps {
        /// The fold's name.
        name: String,
    },
    /// There are no results that could be adopted.
    #[error("the store has no results of {code} that transform `{transform}` could adopt")]
    NothingToAdopt {
        /// The transform's name.
        transform: String,
        /// The code that was asked for.
        code: String,
        /// The codes that the store has results of, the newest first.
        earlier: Vec<EarlierCode>,
    },
    /// No code that the store has results of is the one that was asked for.
    #[error("the store has no results of code that begins with `{digits}`")]
    UnknownCode {
        /// What was given for its digest.
        digits: String,
        /// The codes that the store has results of, the newest first.
        earlier: Vec<EarlierCode>,
    },
    /// Several codes may be the one that was asked for.
    #[error("`{digits}` may be any of {} codes", candidates.len())]
    Ambiguous {
        /// What was given for its digest.
        digits: String,
        /// How each of them is named.
        candidates: Vec<String>,
    },
    /// The run says nothing of the transform's code.
    #[error("run {run} does not say what code it used: {reason}")]
    UnknownRun {
        /// The run.
        run: RunId,
        /// Why not.
        reason: String,
    },
    /// There is no such pin.
    #[error("the store has no pin `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The pins that it has.
        pins: Vec<String>,
    },
    /// The pin stands for another function.
    #[error(
        "pin `{pin}` is that of {holder}; {user}, and would be given its results. Name another pin here, give that one \
         another name there and in the store (`flowstone pin move {pin} NEW`), or drop it (`flowstone pin drop {pin}`)"
    )]
    Held {
        /// Its name.
        pin: String,
        /// Whose it is, in words: the transform, its flow, and the function that it calls.
        holder: String,
        /// Who names it too, in words: the transform, and the function that it calls.
        user: String,
    },
    /// A pin of this name stands.
    #[error("there is a pin `{name}` already")]
    Taken {
        /// The name.
        name: String,
    },
    /// A name that no pin can have.
    #[error("a pin's name has 1 to 200 bytes and no control characters")]
    Name,
    /// The results cannot be compared with the code.
    #[error("the results of transform `{transform}` cannot be compared with its code: {reason}")]
    NotComparable {
        /// The transform's name.
        transform: String,
        /// Why not.
        reason: String,
    },
}
