//! What a component offers, as the host reads it out of the binary: its functions and what it needs from outside.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::Type;

/// What a component offers and needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The functions that can be transforms, in the order of the component's exports.
    pub functions: Vec<Function>,
    /// The exported functions that cannot, with the reason.
    pub unsupported: Vec<UnsupportedFunction>,
    /// The names of the imported interfaces and functions, in the component's order.
    pub imports: Vec<String>,
}

/// An exported function whose types are plain values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name: `word-count` at the root of the world, `acme:text/stats#word-count` in an exported interface.
    pub name: String,
    /// Its parameters, in order.
    pub params: Vec<Param>,
    /// The type of its result, where it has one.
    pub result: Option<Type>,
    /// Its doc comment, where the component carries one.
    pub docs: Option<String>,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Its name, in kebab case.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// An exported function that cannot be a transform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsupportedFunction {
    /// Its name, as [`Function::name`].
    pub name: String,
    /// Why not, and what to do about it.
    pub reason: String,
}

/// The interface that tells a function which row it is called for, without its version.
const ROW: &str = "flowstone:plugin/row@";

impl Interface {
    /// Whether its functions can ask which row they are called for.
    pub fn asks_row(&self) -> bool {
        self.imports.iter().any(|import| Self::is_row(import))
    }

    /// Whether an import is the one that tells which row it is.
    pub fn is_row(import: &str) -> bool {
        import.starts_with(ROW)
    }

    /// What a flow grants to make an import more than virtual; none for imports that are what they are.
    pub fn grant_of(import: &str) -> Option<&'static str> {
        // There is no UDP, whatever is granted.
        if import.starts_with("wasi:sockets/udp") {
            return None;
        }
        let grants = [
            ("wasi:filesystem/", "read"),
            ("wasi:cli/environment@", "env"),
            ("wasi:clocks/", "clock"),
            ("wasi:random/", "random"),
            ("wasi:http/outgoing-handler@", "network"),
            ("wasi:sockets/", "network"),
        ];
        let granted = grants.iter().find(|(start, _)| import.starts_with(start));
        granted.map(|(_, grant)| *grant)
    }

    /// The function that `name` means: its full name, or the part after `#` where only one function has that.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.find(name).ok()
    }

    /// The function that `name` means, as [`Interface::function`].
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn find(&self, name: &str) -> Result<&Function, NotFound<'_>> {
        let mut functions = self.functions.iter();
        if let Some(function) = functions.find(|function| function.name == name) {
            return Ok(function);
        }
        let mut unsupported = self.unsupported.iter();
        if let Some(function) = unsupported.find(|function| function.name == name) {
            return Err(NotFound::Unsupported(function));
        }
        let functions = self.functions.iter();
        let short: Vec<_> = functions
            .filter(|function| function.short_name() == name)
            .collect();
        match short[..] {
            [one] => return Ok(one),
            [] => {}
            _ => return Err(NotFound::Several(short)),
        }
        let mut unsupported = self.unsupported.iter();
        let short = unsupported.find(|function| short_name(&function.name) == name);
        Err(short.map_or(NotFound::Unknown, NotFound::Unsupported))
    }

    /// The names that a wrong one is compared with: full ones where it is meant as one.
    pub fn names_like<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let is_full = name.contains('#');
        self.functions.iter().map(move |function| {
            if is_full {
                &*function.name
            } else {
                function.short_name()
            }
        })
    }
}

/// Why a name means no function that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound<'a> {
    /// Several interfaces have a function of this name: these.
    Several(Vec<&'a Function>),
    /// The function cannot be called.
    Unsupported(&'a UnsupportedFunction),
    /// There is none.
    Unknown,
}

fn short_name(name: &str) -> &str {
    name.rsplit_once('#').map_or(name, |(_, short)| short)
}

impl Function {
    /// The name without its interface.
    pub fn short_name(&self) -> &str {
        short_name(&self.name)
    }
}

/// Writes the function as WIT: `word-count: func(text: string) -> u32`.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: func(", self.short_name())?;
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}: {}", param.name, param.ty)?;
        }
        f.write_str(")")?;
        self.result
            .as_ref()
            .map_or(Ok(()), |ty| write!(f, " -> {ty}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(functions: &[&str], unsupported: &[&str]) -> Interface {
        let function = |name: &&str| Function {
            name: (*name).to_owned(),
            params: Vec::new(),
            result: None,
            docs: None,
        };
        let refused = |name: &&str| UnsupportedFunction {
            name: (*name).to_owned(),
            reason: String::new(),
        };
        Interface {
            functions: functions.iter().map(function).collect(),
            unsupported: unsupported.iter().map(refused).collect(),
            imports: Vec::new(),
        }
    }

    #[test]
    fn a_short_name_means_the_only_function_that_has_it() {
        let interface = interface(
            &[
                "area",
                "a:b/c@1.2.0#area",
                "a:b/c@1.2.0#count",
                "x#size",
                "y#size",
            ],
            &["a:b/c@1.2.0#read"],
        );
        let found = |name: &str| match interface.find(name) {
            Ok(function) => function.name.clone(),
            Err(NotFound::Several(functions)) => format!("one of {}", functions.len()),
            Err(NotFound::Unsupported(function)) => format!("not {}", function.name),
            Err(NotFound::Unknown) => "none".to_owned(),
        };
        for (name, meant) in [
            ("area", "area"),
            ("a:b/c@1.2.0#area", "a:b/c@1.2.0#area"),
            ("count", "a:b/c@1.2.0#count"),
            ("size", "one of 2"),
            ("read", "not a:b/c@1.2.0#read"),
            ("a:b/c@1.2.0#read", "not a:b/c@1.2.0#read"),
            ("a:b/c#area", "none"),
        ] {
            assert_eq!(found(name), meant, "{name}");
        }
    }
}
