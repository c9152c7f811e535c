//! The arguments of the verbs for those who write plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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

/// What to make.
#[derive(Debug, Subcommand)]
pub(crate) enum NewVerb {
    /// Make a plugin: functions with their WIT, tests and a README
    #[command(
        after_help = "Examples:\n  flowstone new plugin word-count\n  flowstone new plugin plugins/word-count --lang typescript"
    )]
    Plugin(NewPluginArgs),
    /// Make a flow that runs at once: texts, a plugin, a table
    #[command(
        after_help = "Examples:\n  flowstone new flow notes\n  flowstone new flow notes --lang c\n  \
            flowstone new flow notes --plugin plugins/word-count"
    )]
    Flow(NewFlowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewPluginArgs {
    /// Its folder, which is made; the last part is the plugin's name
    #[arg(value_name = "NAME")]
    pub(crate) folder: PathBuf,
    /// What it is written in
    #[arg(long = "lang", value_name = "LANGUAGE", default_value = "rust")]
    pub(crate) language: NewLanguage,
}

#[derive(Debug, Args)]
pub(crate) struct NewFlowArgs {
    /// Its folder, which is made; the last part is the flow's name
    #[arg(value_name = "NAME")]
    pub(crate) folder: PathBuf,
    /// What its plugin is written in
    #[arg(long = "lang", value_name = "LANGUAGE", default_value = "rust")]
    pub(crate) language: NewLanguage,
    /// The folder of a plugin that is there already; it is built
    #[arg(long, value_name = "DIR", conflicts_with = "language")]
    pub(crate) plugin: Option<PathBuf>,
}

/// A language to write a plugin in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewLanguage {
    /// Compiled by cargo
    Rust,
    /// Put into a component with its interpreter
    Python,
    /// Put into a component with the engine QuickJS
    Javascript,
    /// The same, with types
    Typescript,
    /// Compiled by zig's clang
    C,
    /// Compiled by Go
    Go,
}

impl NewLanguage {
    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::Typescript => "TypeScript",
            Self::C => "C",
            Self::Go => "Go",
        }
    }
}
