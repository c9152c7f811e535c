//! The `flowstone` command: arguments in, one verb, an exit status out.

#![forbid(unsafe_code)]

mod args;
mod bar;
mod build;
mod code_key;
mod failure;
mod folders;
mod graph;
mod metrics;
mod opening;
mod outlet;
mod output;
mod panics;
mod progress;
mod reload;
mod render;
mod settings;
mod signals;
mod table;
mod verbs;
mod when;
mod whole;
mod words;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::args::TypedArgs;
use crate::failure::{EXIT_BUG, EXIT_DONE, EXIT_WRONG};
use crate::output::Output;

/// Values are made on one thread and dropped on another, many and small: with the allocator of the system that takes a
/// quarter more time, and in a process that stays up its heaps grow for hours.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    panics::install();
    // The hook has said what there is to say.
    let status = std::panic::catch_unwind(command).unwrap_or(EXIT_BUG);
    ExitCode::from(status)
}

fn command() -> u8 {
    let args = match TypedArgs::try_parse() {
        Ok(args) => args,
        Err(error) => return not_parsed(&error),
    };
    signals::install();
    let output = Output::new(&args.global);
    match verbs::verb(&args.verb, output) {
        Ok(status) => status,
        Err(failure) => {
            render::failure(&failure, output);
            failure.exit()
        }
    }
}

/// Help and the version are asked for; everything else is a mistake.
fn not_parsed(error: &clap::Error) -> u8 {
    if error.exit_code() == 0 {
        // A reader that went away is no error.
        let _ = error.print();
        return EXIT_DONE;
    }
    let json = std::env::args_os()
        .take_while(|word| word != "--")
        .any(|word| word == "--json");
    if json {
        render::usage_json(error);
    } else {
        let _ = error.print();
    }
    EXIT_WRONG
}
