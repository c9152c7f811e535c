//! What flowstone is about, without any I/O: values and their types, fingerprints and cache keys, and the flow model.
//!
//! Everything here is a pure function of its arguments. The other crates load components, keep results and talk to
//! the outside world; this one says what a value *is*, when two calls are the same call, and whether a flow makes sense.

#![forbid(unsafe_code)]

mod diagnostic;
mod encoding;
mod failure;
mod flow;
mod id;
mod interface;
mod json;
mod key;
mod printable;
mod types;
mod units;
mod value;
mod wave;

pub use diagnostic::{Diagnostic, FlowErrors, nearest, suggest};
pub use encoding::{
    DecodeError, ENCODING_VERSION, check_encoding, decode, encode, fingerprint, is_same,
};
pub use failure::RowFailure;
pub use flow::{
    Argument, BatchSettings, CacheMode, CacheSettings, Collection, Column, ColumnKind, ColumnRef,
    Connectors, Endpoint, FlowFile, Fold, FoldKind, Gather, GatherColumn, Grants, Host, Identity,
    InstanceMode, Located, Lookup, OnError, OptionError, OptionValue, Options, Origin, Plan,
    PluginDecl, PluginOrigin, REDUCE, RELATION, Reader, Relation, RelationRef, ResultShape, STATE,
    SourceColumns, SourceDecl, SourcePlan, Stage, StateArgument, StoreSettings, TargetPlan,
    TargetSpec, Transform, UNION, Variable, is_pin_name, row_function,
};
pub use id::{ComponentDigest, Fingerprint, FunctionDigest, IdParseError, MemoKey, RunId};
pub use interface::{Function, Interface, NotFound, Param, UnsupportedFunction};
pub use json::{JsonError, from_json, to_json};
pub use key::{CodeId, Grant, KEY_SCHEMA, KeyRecipe, LiteralArgument, Maker, Recipe, RecipeRecord};
pub use printable::{is_unprintable, printable};
pub use types::{Case, Field, Type};
pub use units::{format_duration, format_size, parse_duration, parse_size};
pub use value::Value;
pub use wave::{WaveError, from_wave, to_wave};
