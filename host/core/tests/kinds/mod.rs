//! What tests of flows share: kinds of sources and targets, functions, and faults as a person reads them.

#![allow(dead_code, reason = "each of the tests uses a part of it")]

pub(crate) mod shop;
pub(crate) mod shown;

use std::fmt::Write;

use flowstone_core::{
    Connectors, FlowErrors, Function, OptionError, OptionValue, Options, Param, Plan,
    SourceColumns, TargetSpec, Type,
};

/// Two kinds of sources and two of targets, as strict as the real ones.
pub(crate) struct Kinds;

impl Connectors for Kinds {
    fn source_kinds(&self) -> &[&'static str] {
        &["files", "csv"]
    }

    fn source_columns(&self, kind: &str) -> Option<SourceColumns> {
        match kind {
            "files" => Some(SourceColumns::Fixed(vec![
                ("path".to_owned(), vec![Type::String]),
                ("content".to_owned(), vec![Type::String, Type::bytes()]),
                ("size".to_owned(), vec![Type::U64]),
            ])),
            "csv" => Some(SourceColumns::Open),
            _ => None,
        }
    }

    fn accepts(&self, kind: &str, column: &str, ty: &Type) -> bool {
        match self.source_columns(kind) {
            Some(SourceColumns::Fixed(columns)) => columns
                .iter()
                .any(|(name, types)| name == column && types.contains(ty)),
            Some(SourceColumns::Open) => matches!(ty, Type::String | Type::U32 | Type::F64),
            None => false,
        }
    }

    fn check_source(&self, _: &str, options: &Options) -> Result<(), OptionError> {
        match options
            .keys()
            .find(|name| !["root", "include", "path", "key"].contains(&&***name))
        {
            Some(name) => Err(OptionError {
                candidates: vec!["root".to_owned(), "include".to_owned()],
                ..OptionError::new(name, format!("there is no option `{name}` here"))
            }),
            None => Ok(()),
        }
    }

    fn source_key(&self, kind: &str, options: &Options) -> Option<Vec<String>> {
        match options.get("key") {
            _ if kind == "files" => Some(vec!["path".to_owned()]),
            Some(OptionValue::Str(key)) => Some(vec![key.clone()]),
            Some(OptionValue::List(keys)) => Some(keys.clone()),
            _ => None,
        }
    }

    fn target_kinds(&self) -> &[&'static str] {
        &["sqlite", "files"]
    }

    fn implied_key(&self, kind: &str, options: &Options) -> Option<Vec<String>> {
        (kind == "files").then(|| match options.get("path") {
            Some(OptionValue::Str(path)) => vec![path.trim_matches(['{', '}']).to_owned()],
            _ => Vec::new(),
        })
    }

    fn place(&self, spec: &TargetSpec) -> String {
        format!("{} {:?}", spec.kind, spec.options)
    }

    fn check_target(&self, spec: &TargetSpec) -> Result<(), OptionError> {
        if spec.kind == "sqlite" && spec.key.is_empty() {
            return Err(OptionError::new("key", "an SQLite target needs a `key`"));
        }
        Ok(())
    }
}

/// A function of a plugin.
pub(crate) fn function(name: &str, params: &[(&str, Type)], result: Option<Type>) -> Function {
    let params = params.iter().map(|(name, ty)| Param {
        name: (*name).to_owned(),
        ty: ty.clone(),
    });
    Function {
        name: name.to_owned(),
        params: params.collect(),
        result,
        docs: None,
    }
}

/// The errors as a person would read them, with line and column.
pub(crate) fn told(text: &str, wired: Result<Plan, FlowErrors>) -> String {
    match wired {
        Ok(_) => "no error\n".to_owned(),
        Err(errors) => errors.0.iter().fold(String::new(), |mut out, fault| {
            let place = fault
                .position(text)
                .map_or("-".to_owned(), |(line, column)| format!("{line}:{column}"));
            writeln!(out, "{place}: {}", fault.message).expect("a string takes text");
            for (what, said) in [("at", &fault.label), ("help", &fault.help)] {
                if let Some(said) = said {
                    writeln!(out, "  {what}: {said}").expect("a string takes text");
                }
            }
            out
        }),
    }
}
