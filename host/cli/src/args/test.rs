//! The arguments of `test`, and the limits of calls that are made by hand.

use std::path::PathBuf;

use clap::Args;
use flowstone::Limits;

use super::{memory, time_ms};

/// What a call may take.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// How much memory a call may take [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory_limit: Option<u64>,
    /// How long a call may take [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    time_limit: Option<u64>,
}

impl LimitArgs {
    /// The limits, with the defaults where nothing is said.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.memory_bytes_max = self.memory_limit.unwrap_or(limits.memory_bytes_max);
        limits.time_ms_max = self.time_limit.unwrap_or(limits.time_ms_max);
        limits
    }
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The plugin: the folder of its sources, or a component file [default: this folder]
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugin: Option<PathBuf>,
    /// The cases: a file, or a folder of them [default: cases.toml and cases/ in the plugin's folder]
    #[arg(long, value_name = "PATH")]
    pub(crate) cases: Option<PathBuf>,
    /// Try only the cases of this function, and those with this in their name; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Write what came of the cases into their file, where something else or nothing was expected
    #[arg(long)]
    pub(crate) accept: bool,
    /// Let cases have the network and the variables of this process that their `[grants]` ask for
    #[arg(long)]
    pub(crate) allow_grants: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// The store's folder, where the component is kept [default: .flowstone in the plugin's folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}
