//! The arguments of the verbs that pin results, and that compare them with calls.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use flowstone::PinSource;

use super::EngineArgs;
use crate::words::WordArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flowstone pin adopt words\n  flowstone pin verify words --sample 200\n  \
        flowstone pin list"
)]
pub(crate) struct PinArgs {
    #[command(subcommand)]
    pub(crate) verb: PinVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PinVerb {
    /// Make results of a transform those of the pin that the flow names for it; calls nothing
    #[command(
        override_usage = "flowstone pin adopt [OPTIONS] [FLOW] <TRANSFORM>",
        long_about = "Make results of a transform those of the pin that the flow names for it; calls nothing.\n\n\
            The flow file names the pin: `cache = { pin = \"words-1\" }`. From then on the name stands for the code, and \
            results stay whatever becomes of the code, as long as the types, literals and grants are the same. A \
            parameter that was added and is given a literal is no obstacle: that the literal is how it was before is \
            what adopting says.",
        after_help = "CODE is the first digits of the digest of a component or function, `DIGEST#FUNCTION` where several \
            functions may be meant, `run:N` for what run N of the flow used, or `pin:NAME` for the results of another \
            pin.\n\nExamples:\n  flowstone pin adopt words\n  flowstone pin adopt handbook/ words --from run:17\n  \
            flowstone pin adopt words --from 1f3a5c"
    )]
    Adopt(PinAdoptArgs),
    /// List the pins of a store, whose results they have, and how far these are proved
    #[command(
        after_help = "Examples:\n  flowstone pin list\n  flowstone pin list handbook/ --json"
    )]
    List(PinListArgs),
    /// Drop a pin: its results fall back to the code that made them
    #[command(after_help = "Example:\n  flowstone pin drop words-1")]
    Drop(PinDropArgs),
    /// Give a pin another name
    #[command(after_help = "Example:\n  flowstone pin move words-1 word-count")]
    Move(PinMoveArgs),
    /// Compare results of a pin with what the present code gives
    #[command(
        override_usage = "flowstone pin verify [OPTIONS] [FLOW] <TRANSFORM>",
        long_about = "Compare results of a pin with what the present code gives.\n\n\
            The inputs are those that the present rows have. The result is kept with the pin, and `plan` and `check` \
            show it. Exits 1 when a result differs or a call fails.",
        after_help = "Examples:\n  flowstone pin verify words\n  flowstone pin verify handbook/ words --sample 500\n  \
            flowstone pin verify words --all"
    )]
    Verify(PinVerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PinAdoptArgs {
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// Whose results: code, a run or another pin [default: the present code]
    #[arg(long, value_name = "CODE", value_parser = str::parse::<PinSource>)]
    pub(crate) from: Option<PinSource>,
}

#[derive(Debug, Args)]
pub(crate) struct PinListArgs {
    /// The flow whose store it is, or its folder [default: flow.toml]
    #[arg(value_name = "FLOW", conflicts_with = "store")]
    pub(crate) flow: Option<PathBuf>,
    /// The store's folder [default: .flowstone beside the flow]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The flow whose store it is, or its folder [default: flow.toml]
    #[arg(long, value_name = "FLOW", conflicts_with = "store")]
    pub(crate) flow: Option<PathBuf>,
    /// The store's folder [default: .flowstone beside the flow]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PinDropArgs {
    /// The pin
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PinMoveArgs {
    /// The pin
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// Its new name
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PinVerifyArgs {
    #[command(flatten)]
    pub(crate) words: WordArgs,
    #[command(flatten)]
    pub(crate) sample: SampleArgs,
}

/// Make stored calls again with the code that made them, and compare the results
#[derive(Debug, Args)]
#[command(
    override_usage = "flowstone verify [OPTIONS] [FLOW] [TRANSFORM]...",
    long_about = "Make stored calls again with the code that made them, and compare the results.\n\n\
        A result that differs is one of a function that is not deterministic, or was damaged. The inputs are those that \
        the present rows have. Exits 1 when a result differs or a call fails.",
    after_help = "Examples:\n  flowstone verify\n  flowstone verify handbook/ words --sample 500\n  \
        flowstone verify words --all"
)]
pub(crate) struct VerifyArgs {
    /// The transforms, if not all; before them the flow, if it is not `flow.toml`
    #[arg(value_name = "[FLOW] TRANSFORM")]
    pub(crate) words: Vec<String>,
    /// The flow file or its folder, as an option
    #[arg(long = "flow", value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    #[command(flatten)]
    pub(crate) sample: SampleArgs,
}

/// Which results are compared.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sample")]
pub(crate) struct SampleArgs {
    /// How many results of each transform are compared
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) sample: u64,
    /// Compare all results whose inputs are at hand
    #[arg(long, conflicts_with = "sample")]
    pub(crate) all: bool,
    /// What chooses the sample: equal seeds choose equal samples [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many differences are shown
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: usize,
}
