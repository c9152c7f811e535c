//! What can go wrong before a call: making the sandbox, and loading a component into it.

use std::fmt::Write as _;

/// The sandbox itself failed: a fault of the machine or of the configuration, not of a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The wasmtime engine could not be made.
    #[error("cannot make the WebAssembly engine: {0}")]
    Engine(String),
    /// The thread that watches the time limits could not be started.
    #[error("cannot start the thread that watches the time limits: {0}")]
    Ticker(#[source] std::io::Error),
    /// Compiled code could not be written out.
    #[error("cannot write out compiled code: {0}")]
    Serialize(String),
}

/// A component cannot be loaded. The message says why, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are WebAssembly text.
    #[error(
        "this is WebAssembly text, not a binary; turn it into one with `wasm-tools parse FILE -o FILE.wasm` \
         (or `wat2wasm`, for a core module)"
    )]
    Text,
    /// The bytes are a core module.
    #[error(
        "this is a core WebAssembly module, not a component; build it for the target wasm32-wasip2, \
         or make a component of it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes are something else.
    #[error("this is not a WebAssembly component: {0}")]
    NotWasm(String),
    /// The binary is damaged or cut off.
    #[error("the component is damaged at byte {offset}: {reason}")]
    Malformed {
        /// Where in the file.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The binary is larger than the sandbox takes.
    #[error("the component has {bytes} bytes, more than the {bytes_max} that a plugin may have")]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// The component does not validate, or uses features that the sandbox does not have.
    #[error("the component is not valid here: {reason}{advice}")]
    Invalid {
        /// What the validation said.
        reason: String,
        /// What to do about it: empty, or a sentence that starts with `; `.
        advice: &'static str,
    },
    /// The component needs what the sandbox does not offer.
    #[error("the component imports what plugins are not given:{}", listed(.0))]
    MissingImports(Vec<MissingImport>),
    /// An import has a known name but not the shape that the sandbox offers.
    #[error("the component's imports do not fit what plugins are given: {0}")]
    ImportMismatch(String),
    /// The compiled code was made for another component, or by another version or configuration of the engine.
    #[error("the compiled code is out of date: {0}; compile the component again")]
    Stale(String),
    /// The compiled code is not the one that was written.
    #[error("the compiled code was changed since it was written; compile the component again")]
    Tampered,
}

/// An import that the sandbox does not offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingImport {
    /// Its name, as the component has it: `wasi:http/incoming-handler@0.2.0`.
    pub name: String,
    /// Why it is not offered, and what to do.
    pub advice: String,
}

fn listed(imports: &[MissingImport]) -> String {
    imports.iter().fold(String::new(), |mut text, import| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}: {}", import.name, import.advice);
        text
    })
}
