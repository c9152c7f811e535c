//! Folders of the user's that commands share, in whatever project they run. Variables count when they hold absolute paths,
//! as the XDG base directory specification says.
//!
//! ```text
//! $XDG_CACHE_HOME/flowstone/    or ~/.cache/flowstone/: what can be made again
//!   tools/                      or $FLOWSTONE_TOOLS: see `build::tools`
//!   compiled/                   or $FLOWSTONE_COMPILED, or $FLOWSTONE_TOOLS/compiled: the code of components without a flow
//! $XDG_STATE_HOME/flowstone/    or ~/.local/state/flowstone/: see `code_key`
//! ```

use std::path::PathBuf;

/// Where tools are installed, if `$FLOWSTONE_TOOLS` does not say.
pub(crate) fn tools() -> Option<PathBuf> {
    Some(cache()?.join("tools"))
}

/// Where the compiled code of components is kept that are used without a flow.
pub(crate) fn compiled() -> Option<PathBuf> {
    named("FLOWSTONE_COMPILED")
        .or_else(|| Some(named("FLOWSTONE_TOOLS")?.join("compiled")))
        .or_else(|| Some(cache()?.join("compiled")))
}

/// Where secrets are kept.
pub(crate) fn state() -> Option<PathBuf> {
    own("XDG_STATE_HOME", ".local/state")
}

fn cache() -> Option<PathBuf> {
    own("XDG_CACHE_HOME", ".cache")
}

/// What is flowstone's in the folder that a variable names, else in this one below the user's home.
fn own(variable: &str, in_home: &str) -> Option<PathBuf> {
    let folder = named(variable).or_else(|| Some(named("HOME")?.join(in_home)));
    Some(folder?.join("flowstone"))
}

/// The folder that a variable names.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
