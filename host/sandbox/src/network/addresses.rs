//! Which addresses a name may lead to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

/// So many addresses of a name are tried.
const ADDRESSES_MAX: usize = 32;

/// The addresses of a name that may be connected to at these ports; from then on they are open.
pub(super) fn usable(
    all: &[IpAddr],
    open: &mut BTreeSet<SocketAddr>,
    ports: &[u16],
) -> Result<Vec<IpAddr>, ErrorCode> {
    if all.is_empty() {
        return Err(ErrorCode::NameUnresolvable);
    }
    let is_listed = |address: &IpAddr| open.iter().any(|listed| listed.ip() == *address);
    let usable: Vec<IpAddr> = (all.iter().map(IpAddr::to_canonical))
        .filter(|address| is_public(*address) || is_listed(address))
        .take(ADDRESSES_MAX)
        .collect();
    if usable.is_empty() {
        return Err(ErrorCode::AccessDenied);
    }
    for address in usable.iter().filter(|address| is_public(**address)) {
        open.extend(ports.iter().map(|port| SocketAddr::new(*address, *port)));
    }
    Ok(usable)
}

/// Whether an address is one that anybody on the internet could have: by the registries of special addresses of RFC 6890.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let parts = address.segments();
            let embedded = |high: u16, low: u16| {
                is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            };
            match parts {
                // NAT64 and 6to4 lead to an IPv4 address.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                    embedded(high, low)
                }
                // Teredo, ORCHID, documentation.
                [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
                // Only this is given out as global unicast: loopback, private and link-local ones are not of it.
                [first, ..] => first & 0xe000 == 0x2000,
            }
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn addresses_of_the_machine_and_of_private_networks_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "2002:808:808::",
        ] {
            assert!(public(address), "{address}");
        }
    }

    /// What of `found` may be used under a name that is granted at the port 80, and where to; `listed` is granted too.
    fn use_of(found: &[&str], listed: &[&str]) -> (Result<Vec<IpAddr>, ErrorCode>, Vec<String>) {
        let all: Vec<IpAddr> = found.iter().map(|ip| ip.parse().unwrap()).collect();
        let mut open = listed.iter().map(|place| place.parse().unwrap()).collect();
        let usable = usable(&all, &mut open, &[80]);
        (usable, open.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_lead_to_public_addresses_and_to_listed_ones() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (usable, open) = use_of(&["127.0.0.1", "8.8.8.8", "10.0.0.1"], &[]);
        assert_eq!(usable.unwrap(), [ip("8.8.8.8")]);
        assert_eq!(open, ["8.8.8.8:80"]);
        let (usable, open) = use_of(&["127.0.0.1", "::1"], &[]);
        assert!(matches!(usable, Err(ErrorCode::AccessDenied)));
        assert_eq!(open, [""; 0]);
        // A listed address is open at its listed port, and at no other for the name.
        let (usable, open) = use_of(&["127.0.0.1", "::ffff:127.0.0.1"], &["127.0.0.1:8080"]);
        assert_eq!(usable.unwrap(), [ip("127.0.0.1"), ip("127.0.0.1")]);
        assert_eq!(open, ["127.0.0.1:8080"]);
        let (usable, _) = use_of(&[], &[]);
        assert!(matches!(usable, Err(ErrorCode::NameUnresolvable)));
    }
}
