//! x
use crate::args::CheckArgs;
use crate::failure::{EXIT_DONE, Failure};
use crate::output::Output;
pub(crate) fn check(_: &CheckArgs, _: &Output) -> Result<u8, Failure> {
    Ok(EXIT_DONE)
}
