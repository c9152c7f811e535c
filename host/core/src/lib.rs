//! What flowstone is about, without any I/O: values and their types, fingerprints and cache keys, and the flow model.
//!
//! Everything here is a pure function of its arguments. The other crates load components, keep results and talk to
//! the outside world; this one says what a value *is*, when two calls are the same call, and whether a flow makes sense.

#![forbid(unsafe_code)]

mod encoding;
mod id;
mod interface;
mod json;
mod types;
mod value;

pub use encoding::{DecodeError, ENCODING_VERSION, decode, encode, fingerprint};
pub use id::{ComponentDigest, Fingerprint, IdParseError, MemoKey, RunId};
pub use interface::{Function, Interface, Param, UnsupportedFunction};
pub use json::{JsonError, from_json, to_json};
pub use types::{Case, Field, Type};
pub use value::Value;
