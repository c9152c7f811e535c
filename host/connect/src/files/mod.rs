//! The folder as a source, and as a target.

mod changes;
mod folders;
mod globs;
mod manifest;
mod operations;
mod output;
mod template;
mod tree;
mod walk;

pub(crate) use output::{check_target, open_target, target_keys};
pub(crate) use template::placeholders;
pub(crate) use tree::{SourceOptions, open_source, source_columns};
