//! The arguments of `cache` and its sub-commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use flowstone::core::parse_size;

use super::{CacheVerifyArgs, EngineArgs, FlowArgs, time};
use crate::words::WordArgs;

/// What to do with what is remembered.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheVerb {
    /// List what is remembered: sizes, ages, how often each result was reused, and what that saved
    #[command(
        after_help = "Examples:\n  flowstone cache list\n  flowstone cache list --transform words --sort saved --limit 10\n  \
            flowstone cache list --unused --older-than 30d --json"
    )]
    List(CacheListArgs),
    /// Show how much is remembered, by function and code, and what it takes on disk
    #[command(
        after_help = "Examples:\n  flowstone cache stat\n  flowstone cache stat --store /srv/store --json"
    )]
    Stat(CacheStatArgs),
    /// Show one result that is remembered
    #[command(
        override_usage = "flowstone cache get [OPTIONS] [FLOW] <TRANSFORM> <KEY>",
        long_about = "Show one result that is remembered.\n\n\
            KEY is a row: the key of a row of the source, and for rows below it their positions in the lists \
            (`guide.md#3`). Or it is at least eight digits of a key that `cache list` shows. Exits 1 when the result is \
            none or a failure.",
        after_help = "Examples:\n  flowstone cache get words guide.md#3\n  flowstone cache get thumbnail cat.jpg --format raw -o cat.png\n  \
            flowstone cache get words 0f63a2d5b7c1 --json"
    )]
    Get(CacheGetArgs),
    /// Remember a result that is given, for the present code and inputs
    #[command(
        override_usage = "flowstone cache put [OPTIONS] [FLOW] <TRANSFORM> <KEY> <VALUE|@FILE>",
        long_about = "Remember a result that is given, for the present code and inputs.\n\n\
            It takes the place of what the call would give, until the code or the inputs change. The rows that use it \
            are looked at again by the next run. VALUE is the value as WAVE text, or a whole result such as `none` or \
            `err(\"not a date\")`; a plain word is a string where one is wanted. `@FILE` reads it from a file, of at \
            most 256 MiB as `raw` and 64 MiB else.",
        after_help = "Examples:\n  flowstone cache put words guide.md#3 12\n  flowstone cache put title guide.md 'The guide'\n  \
            flowstone cache put thumbnail cat.jpg @cat.png"
    )]
    Put(CachePutArgs),
    /// Forget results; a row that needs one again has it called again
    #[command(
        override_usage = "flowstone cache rm [OPTIONS] [FLOW] <TRANSFORM> [KEY]\n       \
            flowstone cache rm [OPTIONS] [FLOW] <FILTERS>\n       \
            flowstone cache rm [OPTIONS] [FLOW] --all",
        long_about = "Forget results; a row that needs one again has it called again.\n\n\
            Rows that nobody touches keep what was made of them. What large results take on disk is given back by \
            `flowstone gc`.",
        after_help = "Examples:\n  flowstone cache rm words guide.md#3\n  flowstone cache rm words\n  \
            flowstone cache rm --unused --older-than 30d --dry-run"
    )]
    Rm(CacheRmArgs),
    /// Write results to a file, to be imported into another store
    #[command(after_help = "Examples:\n  flowstone cache export results.cache\n  \
            flowstone cache export results.cache handbook/ --in-use\n  \
            flowstone cache export words.cache --transform words --with-builds")]
    Export(CacheExportArgs),
    /// Remember the results in a file that another store has exported
    #[command(
        long_about = "Remember the results in a file that another store has exported.\n\n\
            All of the file is checked before anything is remembered. What the store has already stays as it is.",
        after_help = "Examples:\n  flowstone cache import results.cache\n  flowstone cache import results.cache handbook/ --dry-run"
    )]
    Import(CacheImportArgs),
    /// Read everything in the store, and drop what is damaged
    #[command(
        long_about = "Read everything in the store, and drop what is damaged.\n\n\
            A result that was dropped is made again when it is needed. Exits 1 when something was damaged, 3 when what is \
            known of rows and targets is: that cannot be dropped.",
        after_help = "Examples:\n  flowstone cache verify\n  flowstone cache verify --dry-run --json"
    )]
    Verify(CacheVerifyArgs),
}

/// Which results.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which results")]
pub(crate) struct CacheFilterArgs {
    /// Those that this transform finds with its present code; may be given more than once
    #[arg(long, value_name = "TRANSFORM")]
    pub(crate) transform: Vec<String>,
    /// Those of this function
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) function: Option<String>,
    /// Those made by the code whose digest begins with these digits
    #[arg(long, value_name = "DIGITS")]
    pub(crate) code: Option<String>,
    /// Those of this pin
    #[arg(long, value_name = "NAME")]
    pub(crate) pin: Option<String>,
    /// Those that no row uses
    #[arg(long)]
    pub(crate) unused: bool,
    /// Those that some row uses
    #[arg(long, conflicts_with = "unused")]
    pub(crate) in_use: bool,
    /// Those made by a run that began longer ago than this, such as 30d
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) older_than: Option<Duration>,
    /// Those whose value is larger than this, such as 1MiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) larger_than: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct CacheListArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    #[command(flatten)]
    pub(crate) filter: CacheFilterArgs,
    /// What comes first: the largest, the oldest, ...
    #[arg(long, value_name = "BY", default_value = "size")]
    pub(crate) sort: CacheOrder,
    /// How many results to list; 0 for all
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: u64,
}

/// What comes first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheOrder {
    /// The largest
    Size,
    /// The oldest
    Age,
    /// Those that saved most time
    Saved,
    /// Those reused most often
    Hits,
    /// Those that took longest
    Cost,
}

#[derive(Debug, Args)]
pub(crate) struct CacheStatArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheFormat {
    /// WAVE text
    Wave,
    /// JSON
    Json,
    /// The bytes of a string or a list of bytes, as they are
    Raw,
}

#[derive(Debug, Args)]
pub(crate) struct CacheGetArgs {
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// How the value is written
    #[arg(long, value_name = "FORMAT", default_value = "wave")]
    pub(crate) format: CacheFormat,
    /// Write the value to a file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CachePutArgs {
    /// The transform, the row and the value; before them the flow, if it is not `flow.toml`
    #[arg(
        value_name = "[FLOW] TRANSFORM KEY VALUE",
        required = true,
        allow_negative_numbers = true
    )]
    pub(crate) words: Vec<String>,
    /// The flow file or its folder, as an option
    #[arg(long = "flow", value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
    /// How the value is written [default: wave; raw for the file of a string or bytes]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<CacheFormat>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CacheRmArgs {
    /// The transform, and a row or the digits of a key; before them the flow, if it is not `flow.toml`
    #[arg(value_name = "[FLOW] TRANSFORM KEY")]
    pub(crate) words: Vec<String>,
    /// The flow file or its folder, as an option
    #[arg(long = "flow", value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    #[command(flatten)]
    pub(crate) filter: CacheFilterArgs,
    /// Forget everything
    #[arg(long, conflicts_with_all = [
        "transform", "function", "code", "pin", "unused", "in_use", "older_than", "larger_than",
    ])]
    pub(crate) all: bool,
    /// Say what would be forgotten, and forget nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CacheExportArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    #[command(flatten)]
    pub(crate) filter: CacheFilterArgs,
    /// Write the components too that made the results, so that these can be verified elsewhere
    #[arg(long)]
    pub(crate) with_builds: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CacheImportArgs {
    /// The file to read
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// Check the file and say what would be remembered, and remember nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| "it is a size such as 64KiB or 1MB".to_owned())
}
