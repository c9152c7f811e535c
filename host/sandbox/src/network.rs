//! The network, for calls that were granted hosts: TCP connections to these, and finding the addresses of their names.
//!
//! Whatever else is tried is denied: other hosts and ports, listening, UDP. A name leads only to addresses that it was
//! found to have during the call, and to none of the machine or of private networks, unless that address is listed too: a
//! name server could say anything. Waiting is done by polling (see [`crate::io`]), so that the time limit ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;

use flowstone_core::{Endpoint, Host as HostName};
use wasmtime::component::Resource;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, IpAddress, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket;
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketResult, TcpSocket, subscribe};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx, WasiSocketsCtxView};
use wasmtime_wasi_io::async_trait;

use crate::host::Host;

/// So many connections a call may make, in all. The files that a process may have open are few, and the store needs some.
const SOCKETS_MAX: usize = 64;

/// So many addresses of a name are tried.
const ADDRESSES_MAX: usize = 32;

/// What of the network a call was granted, and what it has found out.
pub(crate) struct Granted {
    endpoints: Arc<[Endpoint]>,
    /// Where it may connect to: the addresses of names come in when they are found.
    open: Arc<Mutex<BTreeSet<SocketAddr>>>,
    /// The names that were looked up: each is asked for once in a call.
    names: BTreeMap<String, Arc<Found>>,
    sockets: usize,
}

/// What came of looking up a name; none before that is known.
#[derive(Default)]
struct Found(Mutex<Option<Result<Vec<IpAddr>, ErrorCode>>>);

/// The addresses of a name, as a plugin takes them one by one.
struct Addresses {
    found: Arc<Found>,
    taken: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion or assignment: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Granted {
    pub(crate) fn new(endpoints: Arc<[Endpoint]>) -> Self {
        let literal = |endpoint: &Endpoint| match endpoint.host {
            HostName::Address(address) => {
                Some(SocketAddr::new(address.to_canonical(), endpoint.port))
            }
            HostName::Name(_) => None,
        };
        let open = endpoints.iter().filter_map(literal).collect();
        Self {
            endpoints,
            open: Arc::new(Mutex::new(open)),
            names: BTreeMap::new(),
            sockets: 0,
        }
    }

    /// The sockets of wasmtime-wasi, with this as what is permitted.
    pub(crate) fn context(&self) -> WasiSocketsCtx {
        let open = Arc::clone(&self.open);
        WasiCtx::builder()
            .allow_tcp(true)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .socket_addr_check(move |address, usage| {
                let is_open = match usage {
                    SocketAddrUse::TcpConnect => {
                        let ip = address.ip().to_canonical();
                        lock(&open).contains(&SocketAddr::new(ip, address.port()))
                    }
                    // What the system does by itself when a connection is made.
                    SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                    _ => false,
                };
                Box::pin(async move { is_open })
            })
            .build()
            .sockets()
            .clone()
    }

    /// Begins to look up a name.
    fn look_up(&mut self, name: &str) -> Result<Arc<Found>, ErrorCode> {
        let name = name.to_ascii_lowercase();
        let of_name = |endpoint: &&Endpoint| match &endpoint.host {
            HostName::Name(granted) => *granted == name,
            HostName::Address(address) => name.parse() == Ok(*address),
        };
        let ports = self.endpoints.iter().filter(of_name);
        let ports: Vec<u16> = ports.map(|endpoint| endpoint.port).collect();
        if ports.is_empty() {
            return Err(ErrorCode::AccessDenied);
        }
        if let Some(found) = self.names.get(&name) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(Found::default());
        self.names.insert(name.clone(), Arc::clone(&found));
        let (answer, open) = (Arc::clone(&found), Arc::clone(&self.open));
        // The system waits as long as it likes; the call does not wait for the thread when it ends.
        let asked = thread::Builder::new()
            .name("flowstone-lookup".to_owned())
            .spawn(move || {
                let all = (name.as_str(), 0).to_socket_addrs();
                let usable = usable(all, &mut lock(&open), &ports);
                *lock(&answer.0) = Some(usable);
            });
        if asked.is_err() {
            *lock(&found.0) = Some(Err(ErrorCode::TemporaryResolverFailure));
        }
        Ok(found)
    }
}

/// The addresses of a name that may be connected to at these ports; from then on they are open.
fn usable(
    all: io::Result<impl Iterator<Item = SocketAddr>>,
    open: &mut BTreeSet<SocketAddr>,
    ports: &[u16],
) -> Result<Vec<IpAddr>, ErrorCode> {
    let all: Vec<IpAddr> = match all {
        Ok(all) => all.map(|address| address.ip().to_canonical()).collect(),
        Err(_) => return Err(ErrorCode::NameUnresolvable),
    };
    if all.is_empty() {
        return Err(ErrorCode::NameUnresolvable);
    }
    let is_listed = |address: &IpAddr| open.iter().any(|listed| listed.ip() == *address);
    let usable: Vec<IpAddr> = (all.into_iter())
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

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        let known = || lock(&self.found.0).is_some();
        std::future::poll_fn(|_| {
            if known() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl ip_name_lookup::Host for Host {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        self.table.get(&network)?;
        let granted = self.network.as_mut().ok_or(ErrorCode::AccessDenied)?;
        let found = granted.look_up(&name)?;
        let handle = self.table.push(Addresses { found, taken: 0 })?;
        // Handles of lookups are handles of what this host has in their place.
        Ok(Resource::new_own(handle.rep()))
    }
}

impl ip_name_lookup::HostResolveAddressStream for Host {
    fn resolve_next_address(
        &mut self,
        this: Resource<ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        let this = Resource::<Addresses>::new_borrow(this.rep());
        let addresses = self.table.get_mut(&this)?;
        let found = lock(&addresses.found.0);
        let next = match &*found {
            None => return Err(ErrorCode::WouldBlock.into()),
            Some(Err(error)) => return Err((*error).into()),
            Some(Ok(found)) => found.get(addresses.taken).copied(),
        };
        addresses.taken += 1;
        Ok(next.map(IpAddress::from))
    }

    fn subscribe(
        &mut self,
        this: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let this = Resource::<Addresses>::new_borrow(this.rep());
        subscribe(&mut self.table, this)
    }

    fn drop(&mut self, this: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table
            .delete(Resource::<Addresses>::new_own(this.rep()))?;
        Ok(())
    }
}

impl tcp_create_socket::Host for Host {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let granted = self.network.as_mut().ok_or(ErrorCode::AccessDenied)?;
        if granted.sockets == SOCKETS_MAX {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        granted.sockets += 1;
        let (ctx, table) = self.sockets();
        let mut view = WasiSocketsCtxView { ctx, table };
        tcp_create_socket::Host::create_tcp_socket(&mut view, family)
    }
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

    fn endpoints(list: &[&str]) -> Arc<[Endpoint]> {
        list.iter()
            .map(|text| Endpoint::parse(text).unwrap())
            .collect()
    }

    /// What of `found` may be used under a name that is granted at the port 80, and where to; `listed` is granted too.
    fn use_of(found: &[&str], listed: &[&str]) -> (Result<Vec<IpAddr>, ErrorCode>, Vec<String>) {
        let granted = Granted::new(endpoints(listed));
        let all = found
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
        let mut open = lock(&granted.open);
        let usable = usable(Ok(all), &mut open, &[80]);
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

    #[test]
    fn only_granted_names_are_looked_up() {
        let mut granted = Granted::new(endpoints(&["one.example:80", "127.0.0.1:8080"]));
        for name in [
            "two.example",
            "example",
            "sub.one.example",
            "one.example.",
            "127.0.0.2",
            "localhost",
            "",
        ] {
            assert!(
                matches!(granted.look_up(name), Err(ErrorCode::AccessDenied)),
                "{name}"
            );
        }
        assert!(granted.look_up("127.0.0.1").is_ok());
    }
}
