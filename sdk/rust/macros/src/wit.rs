//! The plugin as WIT text: what `flowstone inspect` will show of it.

use std::fmt;

use crate::model::{Defined, Function, Kind, Member, Plugin, Type};
use crate::names;

/// The types of a host that plugins share, as far as the macro knows them.
const SHARED: &str = "package flowstone:plugin@0.1.0 {
    interface types {
        variant failure {
            invalid(string),
            retry-after(tuple<u64, string>),
            skip,
        }
    }
}
";

/// The WIT of the plugin's world, by itself.
impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "package {};\n", self.package)?;
        docs(f, "", &self.docs)?;
        writeln!(f, "world {} {{", names::wit(&self.world))?;
        let mut parts = Vec::new();
        if self.has_failure {
            parts.push("    use flowstone:plugin/types@0.1.0.{failure};\n".to_owned());
        }
        parts.extend(self.types.iter().map(ToString::to_string));
        parts.extend(self.functions.iter().map(ToString::to_string));
        f.write_str(&parts.join("\n"))?;
        f.write_str("}\n")
    }
}

impl Plugin {
    /// The same with the packages that it uses.
    pub(crate) fn with_packages(&self) -> String {
        let shared = if self.has_failure { SHARED } else { "" };
        format!("{self}\n{shared}")
    }
}

impl fmt::Display for Defined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        docs(f, "    ", &self.docs)?;
        let (word, members) = match &self.kind {
            Kind::Record(fields) => ("record", fields),
            Kind::Variant(cases) => ("variant", cases),
            Kind::Enum(cases) => ("enum", cases),
        };
        writeln!(f, "    {word} {} {{", names::wit(&self.name))?;
        for member in members {
            self.kind.member(f, member)?;
        }
        f.write_str("    }\n")
    }
}

impl Kind {
    fn member(&self, f: &mut fmt::Formatter<'_>, member: &Member) -> fmt::Result {
        docs(f, "        ", &member.docs)?;
        write!(f, "        {}", names::wit(&member.name))?;
        match (&member.ty, self) {
            (Some(ty), Kind::Record(_)) => write!(f, ": {ty}")?,
            (Some(ty), _) => write!(f, "({ty})")?,
            (None, _) => {}
        }
        f.write_str(",\n")
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        docs(f, "    ", &self.docs)?;
        write!(f, "    export {}: func(", names::wit(&self.name))?;
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}: {}", names::wit(&param.name), param.ty)?;
        }
        f.write_str(")")?;
        if let Some(result) = &self.result {
            write!(f, " -> {result}")?;
        }
        f.write_str(";\n")
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Plain(_, name) => f.write_str(name),
            Type::String => f.write_str("string"),
            Type::List(element) => write!(f, "list<{element}>"),
            Type::Option(inner) => write!(f, "option<{inner}>"),
            Type::Result(None, None) => f.write_str("result"),
            Type::Result(Some(ok), None) => write!(f, "result<{ok}>"),
            Type::Result(None, Some(err)) => write!(f, "result<_, {err}>"),
            Type::Result(Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
            Type::Tuple(types) => {
                f.write_str("tuple<")?;
                for (index, ty) in types.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{ty}")?;
                }
                f.write_str(">")
            }
            Type::Named(_, name) => f.write_str(&names::wit(name)),
            Type::Failure => f.write_str("failure"),
        }
    }
}

fn docs(f: &mut fmt::Formatter<'_>, indent: &str, lines: &[String]) -> fmt::Result {
    for line in lines {
        writeln!(f, "{indent}///{}", line.trim_end())?;
    }
    Ok(())
}
