//! The arguments of the verbs that look at a flow's shape and history.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::FlowArgs;
use crate::words::WordArgs;

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// The language of the graph [default: what FILE ends in, else dot]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<GraphFormat>,
    /// Write to a file: .svg is a picture, .mmd and .md are Mermaid
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// The language of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Graphviz
    Dot,
    /// For pages that know Mermaid
    Mermaid,
    /// A picture
    Svg,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<RunsVerb>,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// How many runs to list, the newest first; 0 for all
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: usize,
    /// List the runs of all flows of the store
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsVerb {
    /// Show one run with every source, transform and target
    #[command(
        override_usage = "flowstone runs show [OPTIONS] [FLOW] <RUN>",
        after_help = "Examples:\n  flowstone runs show 17\n  flowstone runs show handbook/ 17 --json"
    )]
    Show(RunsShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunsShowArgs {
    #[command(flatten)]
    pub(crate) words: WordArgs,
}
