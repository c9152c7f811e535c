//! One step of a build, and what is told of it.

use std::time::Instant;

use super::language::Job;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::seconds;

/// Builds a plugin with what `tool` names, and tells how long it took.
pub(super) fn building<T>(
    job: &Job<'_>,
    tool: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let what = format!("building plugin `{}` ({tool})", job.plugin);
    timed(job.output, &what, work)
}

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
