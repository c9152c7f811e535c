//! `flowstone completions`: the script that completes this command in a shell.

use clap::CommandFactory;

use crate::args::{CompletionsArgs, TypedArgs};
use crate::failure::{EXIT_DONE, Failure};
use crate::output::Output;

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs, output: Output) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut TypedArgs::command(),
        "flowstone",
        &mut script,
    );
    let script = String::from_utf8_lossy(&script);
    if output.json {
        output.object(&serde_json::json!({"shell": args.shell.to_string(), "script": script}))?;
    } else {
        output.answer(&script)?;
    }
    Ok(EXIT_DONE)
}
