//! The arguments of what keeps the store small and sound.

use std::time::Duration;

use clap::Args;
use flowstone::core::parse_size;

use super::{FlowArgs, time};

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How large the store may be [default: as the flow says, or no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_size: Option<u64>,
    /// How long results are kept that no row uses [default: as the flow says, or 30d]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) keep: Option<Duration>,
    /// Keep what one of so many last runs used, whatever its age [default: as the flow says, or 20]
    #[arg(long, value_name = "N")]
    pub(crate) keep_runs: Option<u32>,
    /// Leave what becomes free to later runs; do not make the database smaller
    #[arg(long)]
    pub(crate) no_compact: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CacheVerifyArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// Say what is damaged, and drop nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| "it is a size such as 500MiB or 2GiB".to_owned())
}
