//! Grants: the real things that a flow hands a transform. Everything else in a plugin's world is virtual.
//!
//! What can be hashed (the content of files, the value of a variable) is part of the keys; what cannot (the time, chance,
//! the network) makes the transform impure.

mod endpoint;

use super::fields::Fields;
use super::tree::{self, Kind, Located};
use crate::diagnostic::{Diagnostic, FlowErrors};
use crate::printable::printable;

pub use endpoint::{Endpoint, Host};

/// The most that a transform can be granted of each kind; people write them.
const GRANTS_MAX: usize = 256;

/// The real things that a transform is handed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The real clocks.
    pub clock: bool,
    /// Real random numbers.
    pub random: bool,
    /// Files and folders that it may read, by their paths below the flow file's folder: normal ones, with `/` between names.
    pub read: Vec<Located<String>>,
    /// Environment variables.
    pub env: Vec<Variable>,
    /// The hosts that it may speak to.
    pub network: Vec<Endpoint>,
}

/// An environment variable that a transform sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; none where it is not set.
    pub value: Option<String>,
    /// Whether the value is that of flowstone's own environment, and not given by the flow.
    pub is_inherited: bool,
}

impl Grants {
    /// Reads the table `grants` of a file that is no flow: the same words, without variables. Paths start at the folder that
    /// messages call `base`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn of_file(text: &str, owner: &str, base: &str) -> Result<Self, FlowErrors> {
        let entries = tree::table(text, "grants")?;
        let mut errors = Vec::new();
        let mut fields = Fields::new(owner, 0..0, &entries, &mut errors);
        let grants = read_below(&mut fields, base);
        if errors.is_empty() {
            Ok(grants)
        } else {
            Err(FlowErrors(errors))
        }
    }

    /// The variables whose values are those of flowstone's own environment: whoever has one sets them.
    pub fn inherited_variables(&mut self) -> impl Iterator<Item = &mut Variable> {
        let variables = self.env.iter_mut();
        variables.filter(|variable| variable.is_inherited)
    }

    /// What is granted, in words that follow the flow file: `read data/stop-words`, `env LANG`, `clock`.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.pure_names();
        names.extend(self.impure_names());
        names
    }

    /// Those of them whose content is part of the keys.
    pub fn pure_names(&self) -> Vec<String> {
        let read = self.read.iter().map(|path| format!("read {}", path.value));
        let env = (self.env.iter()).map(|variable| format!("env {}", variable.name));
        read.chain(env).collect()
    }

    /// Those of them that make the results hang on more than can be known.
    pub fn impure_names(&self) -> Vec<String> {
        let simple = [("clock", self.clock), ("random", self.random)];
        let simple = simple.iter().filter(|(_, granted)| *granted);
        let network = self.network.iter();
        let network = network.map(|endpoint| format!("network {endpoint}"));
        simple
            .map(|(name, _)| (*name).to_owned())
            .chain(network)
            .collect()
    }

    /// Whether the results hang on more than the arguments and what is in the keys.
    pub fn is_impure(&self) -> bool {
        self.clock || self.random || !self.network.is_empty()
    }
}

/// The `grants` of a transform.
pub(super) fn read_grants(fields: &mut Fields<'_, '_>) -> Grants {
    read_below(fields, "the flow file's folder")
}

/// The `grants` of a table, whose paths start at the folder `base`.
fn read_below(fields: &mut Fields<'_, '_>, base: &str) -> Grants {
    let Some((entries, span)) = fields.table("grants") else {
        return Grants::default();
    };
    let owner = format!("the grants of {}", fields.owner());
    let mut fields = fields.nested(&owner, span, entries);
    let grants = Grants {
        clock: fields.bool("clock").unwrap_or(false),
        random: fields.bool("random").unwrap_or(false),
        read: read_paths(&mut fields, base),
        env: read_variables(&mut fields),
        network: read_endpoints(&mut fields),
    };
    fields.finish();
    grants
}

fn read_paths(fields: &mut Fields<'_, '_>, base: &str) -> Vec<Located<String>> {
    let mut paths: Vec<Located<String>> = Vec::new();
    for path in fields.string_list("read").unwrap_or_default() {
        match normal_path(&path.value) {
            Ok(normal) if paths.iter().any(|other| other.value == normal) => {
                let message = format!("`{normal}` is granted twice");
                fields.fault(Diagnostic::at(&path.span, message).help("keep one"));
            }
            Ok(normal) => {
                // The file system of a plugin has one place for each path: it would see the inner one alone.
                let outer = paths.iter().find_map(|other| {
                    let other = &*other.value;
                    let (outer, inner) = if lies_in(&normal, other) {
                        (other, &*normal)
                    } else {
                        (&*normal, other)
                    };
                    lies_in(inner, outer).then(|| (outer.to_owned(), inner.to_owned()))
                });
                if let Some((outer, inner)) = outer {
                    let message = format!("`{inner}` is granted twice: it lies in `{outer}`");
                    let help = format!("keep one: `{outer}` grants all that is in it");
                    fields.fault(Diagnostic::at(&path.span, message).help(help));
                    continue;
                }
                paths.push(Located::new(normal, path.span));
            }
            Err(why) => {
                let message = format!("`{}` cannot be granted: {why}", path.value);
                let help = format!("name a file or folder below {base}, such as `data/stop-words`");
                fields.fault(Diagnostic::at(&path.span, message).help(help));
            }
        }
    }
    bounded(&mut paths, "read", fields);
    paths
}

/// Whether a normal path is that of something in the folder with another.
fn lies_in(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// The path without `.` and a `/` at its end. It says the same on every system.
fn normal_path(path: &str) -> Result<String, &'static str> {
    if path.starts_with('/') || path.contains(['\\', ':']) {
        return Err("it is no relative path with `/` between its names");
    }
    if path.chars().any(char::is_control) {
        return Err("it has control characters in it");
    }
    let names: Vec<&str> = (path.split('/'))
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    if names.contains(&"..") {
        return Err("it leads out of where it begins");
    }
    if names.is_empty() {
        return Err("the whole folder holds what runs write too");
    }
    Ok(names.join("/"))
}

fn read_variables(fields: &mut Fields<'_, '_>) -> Vec<Variable> {
    let is_list = (fields.get("env")).is_some_and(|node| matches!(node.value, Kind::List(_)));
    let mut variables: Vec<Variable> = Vec::new();
    let mut add = |name: &Located<String>,
                   value: Option<&Located<String>>,
                   fields: &mut Fields<'_, '_>| {
        let is_bad = |c: char| c == '=' || c.is_control();
        let shown = printable(&name.value, &[]);
        let fault = if name.value.is_empty() || name.value.contains(is_bad) {
            Some((
                name,
                format!("`{shown}` is no name for a variable"),
                "a name has characters, none of which is `=` or a control character, such as a line break",
            ))
        } else if variables.iter().any(|other| other.name == name.value) {
            Some((
                name,
                format!("the variable `{shown}` is granted twice"),
                "keep one",
            ))
        } else {
            let bad = value.filter(|value| value.value.contains('\0'));
            bad.map(|value| {
                (
                    value,
                    format!("the value of `{shown}` has a zero byte in it"),
                    "no variable can hold one: leave it out",
                )
            })
        };
        if let Some((place, message, help)) = fault {
            fields.fault(Diagnostic::at(&place.span, message).help(help));
            return;
        }
        variables.push(Variable {
            name: name.value.clone(),
            value: value.map(|value| value.value.clone()),
            is_inherited: value.is_none(),
        });
    };
    if is_list {
        for name in fields.string_list("env").unwrap_or_default() {
            add(&name, None, fields);
        }
    } else {
        for (name, value) in fields.strings_table("env") {
            add(&name, Some(&value), fields);
        }
    }
    bounded(&mut variables, "env", fields);
    variables
}

fn read_endpoints(fields: &mut Fields<'_, '_>) -> Vec<Endpoint> {
    let hosts = fields.string_list("network").unwrap_or_default();
    let mut endpoints = Vec::with_capacity(hosts.len());
    for host in hosts {
        match Endpoint::parse(&host.value) {
            Ok(endpoint) if endpoints.contains(&endpoint) => {
                let message = format!("`{endpoint}` is granted twice");
                fields.fault(Diagnostic::at(&host.span, message).help("keep one"));
            }
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => {
                let message = format!("`{}` cannot be granted: {why}", host.value);
                fields.fault(
                    Diagnostic::at(&host.span, message)
                        .help("for example: `network = [\"api.example.org:443\"]`"),
                );
            }
        }
    }
    bounded(&mut endpoints, "network", fields);
    endpoints
}

fn bounded<T>(granted: &mut Vec<T>, what: &str, fields: &mut Fields<'_, '_>) {
    if granted.len() > GRANTS_MAX {
        granted.truncate(GRANTS_MAX);
        let message = format!(
            "`{what}` of {} has more than {GRANTS_MAX} entries",
            fields.owner()
        );
        let help = "grant what the function uses, or a folder that holds all the files";
        fields.fault(Diagnostic::at(&fields.place(), message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normal_and_stay_inside() {
        assert_eq!(normal_path("./data//words/"), Ok("data/words".to_owned()));
        for path in [
            "", ".", "./", "/etc", "..", "a/../b", "a/..", "c:\\x", "a\\b", "a\u{0}b",
        ] {
            assert!(normal_path(path).is_err(), "{path:?}");
        }
    }
}
