//! The WebAssembly sandbox of flowstone: load, describe, limit and call components.
//!
//! A [`Sandbox`] holds the one engine. [`Sandbox::load`] makes a [`Plugin`] of a component: its digest, its interface
//! and its compiled code. [`Plugin::function`] finds a [`Callable`], and [`Callable::call`] runs it in a fresh
//! instance, so no state is left between calls. A plugin can read nothing that the host did not hand it: clocks stand
//! still, random numbers follow from a seed, and there are no files, sockets or variables, but for what the [`World`] of
//! the call grants. [`function_digests`] tells what code each function can reach.
//!
//! ```
//! use flowstone_core::Value;
//! use flowstone_sandbox::{Limits, Sandbox, SandboxConfig};
//!
//! let component = wat::parse_str(r#"
//!     (component
//!         (core module $m (func (export "add") (param i32 i32) (result i32)
//!             local.get 0 local.get 1 i32.add))
//!         (core instance $i (instantiate $m))
//!         (func (export "add") (param "a" u32) (param "b" u32) (result u32)
//!             (canon lift (core func $i "add"))))
//! "#)?;
//! let sandbox = Sandbox::new(SandboxConfig::for_threads(1))?;
//! let plugin = sandbox.load(&component)?;
//! let add = plugin.function("add").ok_or("no such function")?;
//! let output = add.call(&[Value::U32(2), Value::U32(3)], &Limits::default(), [0; 32])?;
//! assert_eq!(output.value, Some(Value::U32(5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod call;
mod clock;
mod config;
mod describe;
mod docs;
mod engine;
mod error;
mod failure;
mod files;
mod filesystem;
mod host;
mod http;
mod identity;
mod imports;
mod io;
mod kept;
mod lift;
mod log;
mod lower;
mod memories;
mod network;
mod panics;
mod plugin;
#[cfg(test)]
mod reference;
mod sandbox;
mod scan;
mod turns;
mod unchecked;
mod wasi;

pub use call::{Callable, Output};
pub use config::{Limits, Row, SandboxConfig, World};
pub use error::{LoadError, MissingImport, SandboxError};
pub use failure::{CallError, FailureKind};
pub use files::{FileContent, FileNode, Files};
pub use identity::{IDENTITY_VERSION, function_digests};
pub use kept::Kept;
pub use log::{LogLevel, LogLine};
pub use plugin::{Extent, Plugin};
pub use sandbox::Sandbox;
pub use scan::{COMPONENT_BYTES_MAX, Scan, scan};
