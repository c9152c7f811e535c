//! Grants: the real things that a flow hands a transform. Everything else in a plugin's world is virtual.
//!
//! What can be hashed (the content of files, the value of a variable) is part of the keys; what cannot (the time, chance,
//! the network) makes the transform impure.

use std::fmt;
use std::net::IpAddr;

use super::fields::Fields;
use super::tree::{Kind, Located};
use crate::diagnostic::Diagnostic;
use crate::printable::printable;

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

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Which host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A host as a flow names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By a name, in lower case.
    Name(String),
    /// By an address.
    Address(IpAddr),
}

impl Grants {
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

impl Endpoint {
    /// Reads `api.example.org:443`, `192.0.2.1:80` or `[2001:db8::1]:80`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or("the port is missing: a grant is for one port of one host")?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port > 0);
        let port = port.ok_or("the port is a number from 1 to 65535")?;
        if let Some(inner) = host.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|host| host.parse().ok());
            let address =
                address.ok_or("an IPv6 address stands in brackets: `[2001:db8::1]:443`")?;
            return Ok(Self {
                host: Host::Address(IpAddr::V6(address)),
                port,
            });
        }
        if host.contains('*') {
            return Err("there are no wildcards: name every host");
        }
        if host.contains(['/', '@']) {
            return Err("only a host and a port are named, no URL");
        }
        if host.contains(':') {
            return Err("an IPv6 address stands in brackets: `[2001:db8::1]:443`");
        }
        let host = match host.parse() {
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) if is_host_name(host) => Host::Name(host.to_ascii_lowercase()),
            Err(_) => return Err("a host is a name such as `api.example.org`, or an address"),
        };
        Ok(Self { host, port })
    }
}

/// Whether a text has the form of a host's name (RFC 1123, with `_`, which is in use).
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && (label.bytes())
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The `grants` of a transform.
pub(super) fn read_grants(fields: &mut Fields<'_, '_>) -> Grants {
    let Some((entries, span)) = fields.table("grants") else {
        return Grants::default();
    };
    let owner = format!("the grants of {}", fields.owner());
    let mut fields = fields.nested(&owner, span, entries);
    let grants = Grants {
        clock: fields.bool("clock").unwrap_or(false),
        random: fields.bool("random").unwrap_or(false),
        read: read_paths(&mut fields),
        env: read_variables(&mut fields),
        network: read_endpoints(&mut fields),
    };
    fields.finish();
    grants
}

fn read_paths(fields: &mut Fields<'_, '_>) -> Vec<Located<String>> {
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
                fields.fault(Diagnostic::at(&path.span, message).help(
                    "name a file or folder below the flow file's folder, such as `data/stop-words`",
                ));
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
        return Err("the whole folder of the flow holds its store and targets too");
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
    fn endpoints_are_read_and_written_alike() {
        for text in [
            "api.example.org:443",
            "192.0.2.1:80",
            "[2001:db8::1]:8080",
            "localhost:1",
            "a_b.c-d:65535",
        ] {
            let endpoint = Endpoint::parse(text).expect("it is one");
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!(
            Endpoint::parse("API.Example.org:443"),
            Endpoint::parse("api.example.org:443")
        );
    }

    #[test]
    fn what_names_no_single_port_of_a_single_host_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "host:+80",
            "*:80",
            "*.example.org:443",
            "https://example.org:443",
            "user@example.org:443",
            "::1:80",
            "[::1]",
            "[::1:80",
            "[nonsense]:80",
            "a..b:80",
            "-a:80",
            "a b:80",
            "a\u{0}:80",
            "exämple.org:443",
            "host:80:90",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

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
