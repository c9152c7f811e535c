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
        self.functions
            .iter()
            .find(|function| function.name == name)
            .or_else(|| {
                let mut short = self
                    .functions
                    .iter()
                    .filter(|function| function.short_name() == name);
                short.next().filter(|_| short.next().is_none())
            })
    }
}

impl Function {
    /// The name without its interface.
    pub fn short_name(&self) -> &str {
        self.name
            .rsplit_once('#')
            .map_or(&*self.name, |(_, short)| short)
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
