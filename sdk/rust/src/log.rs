//! Messages for the person who runs the flow. They are shown with the row, and never influence a result.
//!
//! ```
//! flowstone_sdk::log::warn!("{} of {} lines have no date", 3, 10);
//! ```
//!
//! In a component they go to `flowstone:plugin/log`, natively to standard error.

use std::fmt;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the author of the plugin.
    Debug,
    /// For the person who runs the flow.
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}

/// Adds a message to the log of the call. The macros of this module are shorter.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    #[cfg(target_family = "wasm")]
    crate::host::log::log(level.into(), &message.to_string());
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level}: {message}");
}

#[cfg(target_family = "wasm")]
impl From<Level> for crate::host::log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        })
    }
}

macro_rules! macros {
    ($dollar:tt $($name:ident $hidden:ident $level:ident $what:literal;)*) => {
        $(
            #[doc(hidden)]
            #[macro_export]
            macro_rules! $hidden {
                ($dollar($dollar arguments:tt)*) => {
                    $crate::log::log($crate::log::Level::$level, ::core::format_args!($dollar($dollar arguments)*))
                };
            }

            #[doc = $what]
            pub use $hidden as $name;
        )*
    };
}

macros! { $
    trace __trace Trace "Says every step.";
    debug __debug Debug "Says something to the author of the plugin.";
    info __info Info "Says something to the person who runs the flow.";
    warn __warn Warn "Says that something is odd.";
    error __error Error "Says that something went wrong.";
}
