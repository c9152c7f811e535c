//! One port of one host, which a transform may speak to, as a flow names it.

use std::fmt;
use std::net::IpAddr;

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
}
