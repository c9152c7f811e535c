//! The arguments of the verbs for those who write plugins.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The folder with the plugin's sources and manifest [default: this one]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Write the component to this file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The store's folder, where the component is kept [default: .flowstone in the plugin's folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}
