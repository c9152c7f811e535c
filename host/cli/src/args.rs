//! The arguments as they are typed, with their help. What they mean is resolved in `settings`.

mod authors;
mod cache;
mod global;
mod history;
mod pins;
mod store;
mod test;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use flowstone::core::{parse_duration, parse_size};

pub(crate) use self::authors::{BuildArgs, NewFlowArgs, NewLanguage, NewPluginArgs, NewVerb};
pub(crate) use self::cache::{
    CacheExportArgs, CacheFilterArgs, CacheFormat, CacheGetArgs, CacheImportArgs, CacheListArgs,
    CacheOrder, CachePutArgs, CacheRmArgs, CacheStatArgs, CacheVerb,
};
pub(crate) use self::global::{ColorChoice, GlobalArgs};
pub(crate) use self::history::{GraphArgs, GraphFormat, RunsArgs, RunsShowArgs, RunsVerb};
pub(crate) use self::pins::{
    PinAdoptArgs, PinArgs, PinDropArgs, PinListArgs, PinMoveArgs, PinVerb, PinVerifyArgs,
    SampleArgs, VerifyArgs,
};
pub(crate) use self::store::{CacheVerifyArgs, GcArgs};
pub(crate) use self::test::{LimitArgs, TestArgs};
pub(crate) use self::watch::WatchArgs;
use crate::words::WordArgs;

/// Incremental data flows whose steps are WebAssembly components.
#[derive(Debug, Parser)]
#[command(
    name = "flowstone",
    version,
    long_about = "Incremental data flows whose steps are WebAssembly components.\n\n\
        flowstone remembers what every step produced, from which code and which inputs. A run does only the work that \
        a change asks for, and keeps the targets in step with the sources.",
    after_help = "Exit status: 0 done; 1 done, but rows failed; 2 the flow, a plugin or the arguments are wrong; \
        3 the store, a source or a target failed; 130 interrupted.",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct TypedArgs {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check a flow or a plugin: types, wiring, options; runs nothing
    #[command(
        long_about = "Check a flow or a plugin: types, wiring, options; runs nothing.\n\n\
            Of a flow: how it is wired. Of a plugin (a component file, or a folder with sources and no flow.toml): which \
            functions can be transforms, which cannot and why, and what its imports need.",
        override_usage = "flowstone check [OPTIONS] [FLOW]\n       flowstone check [OPTIONS] <PLUGIN>",
        after_help = "Examples:\n  flowstone check\n  flowstone check handbook/ --json\n  flowstone check plugins/text"
    )]
    Check(CheckArgs),
    /// Say what a run would do, and why; runs nothing
    #[command(
        after_help = "Examples:\n  flowstone plan\n  flowstone plan handbook/flow.toml --rows"
    )]
    Plan(PlanArgs),
    /// Bring the targets of a flow up to date
    #[command(
        long_about = "Bring the targets of a flow up to date.\n\n\
            Only what a change asks for is called. Rows that fail keep what they made before and are listed at the end. \
            An interrupted run keeps what it has finished; the next one does the rest.",
        after_help = "Examples:\n  flowstone run\n  flowstone run handbook/ --set root=docs --jobs 4\n  \
            flowstone run --json | jq .targets"
    )]
    Run(RunArgs),
    /// Keep the targets of a flow up to date until it is stopped
    #[command(
        long_about = "Keep the targets of a flow up to date until it is stopped.\n\n\
            First everything is brought up to date, as a run does. Then changes are worked on as they come: files are \
            watched, databases and other files are asked now and then, and every source is listed in full once in a while. \
            When the flow file or a plugin changes, the new flow takes over; one that is broken is reported, and the old one \
            goes on. Times of day are UTC. Ctrl-c or SIGTERM stops it in good order: status 0 when nothing was cut off.",
        after_help = "Examples:\n  flowstone watch\n  flowstone watch handbook/ --rescan 5m --metrics 9464\n  \
            flowstone watch --json | jq 'select(.event == \"round\")'"
    )]
    Watch(WatchArgs),
    /// Call one function of a component
    #[command(
        long_about = "Call one function of a component, with arguments and result as WAVE text.\n\n\
            A plain word is a string where the parameter is one; `@FILE` reads a string, bytes or WAVE text from a \
            file: all of a call together no more than `--memory-limit`, and WAVE text of at most 64 MiB. Exits 1 when the function returns an `err` or traps.",
        after_help = "Examples:\n  flowstone call text.wasm word-count 'one two three'\n  \
            flowstone call plugins/text sections @README.md 1200\n  \
            flowstone call --flow flow.toml text tokens 'the plugin `text` of a flow'"
    )]
    Call(CallArgs),
    /// Show what a component offers and needs
    #[command(
        after_help = "Examples:\n  flowstone inspect text.wasm\n  flowstone inspect plugins/text --json\n  \
            flowstone inspect old.wasm new.wasm"
    )]
    Inspect(InspectArgs),
    /// Make a plugin or a flow to begin with
    #[command(subcommand)]
    New(NewVerb),
    /// Build a plugin from its sources
    #[command(
        long_about = "Build a plugin from its sources.\n\n\
            The folder's manifest tells the language. Tools that are not part of it are installed on first use, in the \
            versions that this flowstone was made for, and kept for all projects. Building runs what the sources ask for \
            with your rights, such as the build scripts of Rust packages.",
        after_help = "Examples:\n  flowstone build\n  flowstone build plugins/text -o text.wasm"
    )]
    Build(BuildArgs),
    /// Try a plugin's cases in the sandbox
    #[command(
        long_about = "Try a plugin's cases in the sandbox.\n\n\
            A case names a function, its arguments, and the result that is expected, or the reason of a failure. It is \
            called twice, in two instances with other random numbers, and once more in an instance that others were \
            called in before: a result that hangs on that is a failure too. The reference is docs/testing.md. Exits 1 when a \
            case failed.",
        after_help = "Examples:\n  flowstone test\n  flowstone test plugins/text --only word-count\n  \
            flowstone test text.wasm --cases cases.toml --accept"
    )]
    Test(TestArgs),
    /// Show where a target row came from, or what a source row became
    #[command(
        override_usage = "flowstone lineage [OPTIONS] [FLOW] <TARGET> <KEY>\n       \
            flowstone lineage [OPTIONS] [FLOW] --down <SOURCE> <KEY>",
        after_help = "Examples:\n  flowstone lineage index '[\"guide.md\",\"Install\"]'\n  \
            flowstone lineage --down page guide.md\n  flowstone lineage handbook/ --down page guide.md"
    )]
    Lineage(LineageArgs),
    /// Say why the last run called a transform, or reused its results
    #[command(
        override_usage = "flowstone explain [OPTIONS] [FLOW] <TRANSFORM> [KEY]",
        after_help = "Examples:\n  flowstone explain words\n  flowstone explain words guide.md --values\n  \
            flowstone explain handbook/ words guide.md#3"
    )]
    Explain(ExplainArgs),
    /// Draw the flow, with what the last run did
    #[command(
        after_help = "Examples:\n  flowstone graph -o flow.svg\n  flowstone graph handbook/ -o flow.md\n  \
            flowstone graph | dot -Tpdf > flow.pdf"
    )]
    Graph(GraphArgs),
    /// List past runs, or show one of them
    #[command(
        override_usage = "flowstone runs [OPTIONS] [FLOW]\n       flowstone runs show [OPTIONS] [FLOW] <RUN>",
        after_help = "Examples:\n  flowstone runs\n  flowstone runs --all --limit 100\n  flowstone runs show 17"
    )]
    Runs(RunsArgs),
    /// Keep results whatever becomes of the code that made them
    Pin(PinArgs),
    Verify(VerifyArgs),
    /// Remove what is remembered and nobody needs any more
    #[command(
        long_about = "Remove what is remembered and nobody needs any more.\n\n\
            Results that rows use and results of pins stay, and so do those that were used lately; where the store is \
            larger than it may be, the latter go too, the least recently used first. It can be stopped, or killed, at any \
            time, and goes on the next time. A run does the same by itself when there may be something to gain.",
        after_help = "Examples:\n  flowstone gc --dry-run\n  flowstone gc --keep 7d --keep-runs 3\n  \
            flowstone gc handbook/ --max-size 500MiB"
    )]
    Gc(GcArgs),
    /// List, read, set, forget and move what is remembered
    #[command(subcommand)]
    Cache(CacheVerb),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  flowstone completions bash > ~/.local/share/bash-completion/completions/flowstone"
    )]
    Completions(CompletionsArgs),
}

/// Which flow, and how it is worked on.
#[derive(Debug, Args)]
pub(crate) struct FlowArgs {
    /// The flow file, or the folder of a `flow.toml` [default: flow.toml]
    #[arg(value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// How a flow is worked on.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// The store's folder [default: .flowstone beside the flow]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Set a variable of the flow's `[var]` table; may be given more than once
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,
    /// How many bytes of values may be in flight, besides the memory and results of the calls that run (see docs/flow.md)
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = memory)]
    pub(crate) memory: u64,
    /// How many threads call functions [default: one per processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Let targets lie outside of the flow's folder
    #[arg(long)]
    pub(crate) allow_outside: bool,
}

impl EngineArgs {
    /// Those of a verb that has none, and runs nothing.
    pub(crate) fn none() -> Self {
        Self {
            store: None,
            variables: Vec::new(),
            memory: 1 << 20,
            jobs: None,
            allow_outside: false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// List the rows that differ
    #[arg(long)]
    pub(crate) rows: bool,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// Go on where more than half of a source's rows are gone
    #[arg(long)]
    pub(crate) allow_deletes: bool,
    /// First compare what the targets hold with what was written to them, and put right what others changed
    #[arg(long)]
    pub(crate) verify_targets: bool,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// Leave what nobody needs any more in the store
    #[arg(long)]
    pub(crate) no_gc: bool,
    /// Give results in place of what a transform would give, for the rows that a JSONL file names
    #[arg(long = "override", value_name = "TRANSFORM=FILE", value_parser = assignment, help_heading = "Cache")]
    pub(crate) overrides: Vec<(String, String)>,
}

/// What one run looks up and remembers, besides what the flow says.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheArgs {
    /// Call this transform for all rows and remember the results; may be given more than once
    #[arg(long, value_name = "TRANSFORM")]
    pub(crate) recompute: Vec<String>,
    /// Call this transform for all rows, and neither look up nor remember results
    #[arg(long, value_name = "TRANSFORM")]
    pub(crate) disable: Vec<String>,
    /// Call all transforms for all rows and remember the results
    #[arg(long, conflicts_with = "no_cache")]
    pub(crate) refresh: bool,
    /// Call all transforms for all rows, and neither look up nor remember results
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// Which component.
#[derive(Debug, Args)]
pub(crate) struct ComponentArgs {
    /// A component file, a plugin's source folder, or with --flow a plugin's name
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,
    /// Take the plugin of this name from a flow
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    pub(crate) component: ComponentArgs,
    /// The function: its name, or interface#name where several interfaces have one of that name
    #[arg(value_name = "FUNCTION")]
    pub(crate) function: String,
    /// The arguments as WAVE text, one per parameter
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) component: ComponentArgs,
    /// Another build of it: say which functions differ
    #[arg(value_name = "OTHER")]
    pub(crate) other: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LineageArgs {
    /// The target or source, and the row's key; before them the flow, if it is not `flow.toml`
    #[arg(value_name = "[FLOW] TARGET KEY", required = true)]
    pub(crate) names: Vec<String>,
    /// Start at a row of a source and show what it became
    #[arg(long)]
    pub(crate) down: bool,
    /// Show all rows and calls, however many there are
    #[arg(long)]
    pub(crate) all: bool,
    /// Print a graph in DOT, for Graphviz
    #[arg(long, conflicts_with = "json")]
    pub(crate) dot: bool,
    /// The flow file or its folder, as an option
    #[arg(long = "flow", value_name = "FLOW")]
    pub(crate) flow: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// Show the former and the present value of arguments that changed
    #[arg(long)]
    pub(crate) values: bool,
    /// Show all calls of a row
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is written NAME=VALUE".to_owned()),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.to_owned()))
        }
        _ => Err("it is written TRANSFORM=FILE".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "it is a time such as 30d or 12h".to_owned())
}

/// Less would not hold one value of any use.
const MEMORY_BYTES_MIN: u64 = 1 << 20;

fn memory(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Some(bytes) if bytes >= MEMORY_BYTES_MIN => Ok(bytes),
        Some(_) => Err("at least 1MiB is needed".to_owned()),
        None => Err("it is a size such as 64MiB or 1.5GB".to_owned()),
    }
}

fn time_ms(text: &str) -> Result<u64, String> {
    match parse_duration(text).map(|time| u64::try_from(time.as_millis())) {
        Some(Ok(ms)) if ms > 0 => Ok(ms),
        Some(_) => Err("it is too short or too long".to_owned()),
        None => Err("it is a time such as 2s or 250ms".to_owned()),
    }
}

#[cfg(test)]
mod tests;
