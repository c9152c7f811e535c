//! What the tests of sources and targets share.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[cfg(feature = "postgres")]
#[allow(unreachable_pub, reason = "it is public in the tests' own crate")]
#[path = "../../../../tests/src/postgres.rs"]
pub(crate) mod postgres;

use flowstone_connect::TargetIdentity;
use flowstone_core::{Column, OptionValue, Options, TargetSpec, Type};

pub(crate) fn text(text: &str) -> OptionValue {
    OptionValue::Str(text.to_owned())
}

pub(crate) fn list(items: &[&str]) -> OptionValue {
    OptionValue::List(items.iter().map(|&item| item.to_owned()).collect())
}

pub(crate) fn options(pairs: &[(&str, OptionValue)]) -> Options {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

pub(crate) fn columns(pairs: &[(&str, Type)]) -> Vec<Column> {
    pairs
        .iter()
        .map(|(name, ty)| Column {
            name: (*name).to_owned(),
            ty: ty.clone(),
        })
        .collect()
}

pub(crate) fn identity(token: char) -> TargetIdentity {
    let token = token.to_string().repeat(32);
    TargetIdentity {
        flow: "handbook".to_owned(),
        target: "index".to_owned(),
        token,
    }
}

/// A table `section` in `out/x.db`, keyed by `path` and `heading`.
pub(crate) fn table_spec() -> TargetSpec {
    TargetSpec {
        kind: "sqlite".to_owned(),
        options: options(&[("path", text("out/x.db")), ("table", text("section"))]),
        columns: columns(&[
            ("path", Type::String),
            ("heading", Type::String),
            ("content", Type::String),
        ]),
        key: vec![0, 1],
    }
}

/// A folder `out/pages`, one file per `path` and `heading`.
pub(crate) fn files_spec() -> TargetSpec {
    TargetSpec {
        kind: "files".to_owned(),
        options: options(&[
            ("root", text("out/pages")),
            ("path", text("{path}/{heading}.txt")),
        ]),
        columns: columns(&[
            ("path", Type::String),
            ("heading", Type::String),
            ("content", Type::String),
        ]),
        key: vec![],
    }
}

/// A table `section` of the database with this URL, keyed by `path` and `heading`.
pub(crate) fn postgres_spec(url: &str) -> TargetSpec {
    TargetSpec {
        kind: "postgres".to_owned(),
        options: options(&[("url", text(url)), ("table", text("section"))]),
        ..table_spec()
    }
}
