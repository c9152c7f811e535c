//! One step of a build, and what is told of it.

use std::time::Instant;

use crate::failure::Failure;
use crate::output::Output;
use crate::table::seconds;

/// Does the work, and tells how long it took.
pub(super) fn timed<T>(
    output: Output,
    what: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    if !output.quiet {
        output.say(&format!("{what} "));
    }
    let begun = Instant::now();
    let done = work();
    let end = match done {
        Ok(_) => seconds(begun.elapsed().as_secs_f64()),
        Err(_) => "failed".to_owned(),
    };
    output.note(&end);
    done
}
