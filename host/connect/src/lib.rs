//! Sources and targets: where rows come from and where they are kept in step.
//!
//! A [`Source`] lists its rows in key order with cheap version hints and loads the values of the rows that somebody
//! wants. A [`Target`] takes upserts and deletes by key, idempotently, and remembers the last batch it holds. Each kind
//! is a module of its own behind a cargo feature; this crate knows nothing about flows, plugins or the store.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(
        feature = "files",
        feature = "csv",
        feature = "jsonl",
        feature = "sqlite",
        feature = "postgres"
    )),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        clippy::needless_pass_by_value,
        reason = "what the kinds share also serves those left out"
    )
)]

#[cfg(any(
    feature = "files",
    feature = "csv",
    feature = "jsonl",
    feature = "sqlite"
))]
mod database;
mod error;
#[cfg(feature = "files")]
mod files;
mod granted;
mod hint;
mod key;
mod location;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod made;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod records;
#[cfg(any(feature = "csv", feature = "jsonl", feature = "sqlite"))]
mod sorter;
mod source;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stamp;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod tables;
mod target;
mod watch;

pub use error::{ConnectError, KeyParseError, RowError};
pub use granted::{GrantError, GrantedEntry, GrantedTree};
pub use hint::Hint;
pub use key::{KeyPart, is_own_key, push_part, show_part, split_key};
pub use location::real_place;
pub use source::{
    Entries, Entry, Source, SourcePlace, check_source, display_key, open_source, reading_options,
    source_column_accepts, source_columns, source_key, source_kinds, source_may_hang,
};
pub use target::{
    Held, Target, TargetIdentity, TargetKeys, TargetOp, TargetState, check_target,
    check_target_inside, implied_key, open_target, target_keys, target_kinds, target_path,
    target_place,
};
pub use watch::{Change, Poll, Push, Tell, Watch};
