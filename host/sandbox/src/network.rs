//! The network, for calls that were granted hosts: TCP connections to these, and finding the addresses of their names.
//! Requests over HTTP (see [`crate::http`]) go by the same rules.
//!
//! Whatever else is tried is denied: other hosts and ports, listening, UDP. A name leads only to addresses that it was
//! found to have during the call, and to none of the machine or of private networks, unless that address is listed too: a
//! name server could say anything. Waiting is done by polling (see [`crate::io`]), so that the time limit ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

use flowstone_core::{Endpoint, Host as HostName};
use wasmtime::component::Resource;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, IpAddress, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddressFamily, Network as NetworkHandle,
};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket;
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketResult, TcpSocket, subscribe};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx, WasiSocketsCtxView};
use wasmtime_wasi_io::async_trait;

use self::addresses::usable;
use self::lookups::Answer;
use self::lookups::Lookups;
use crate::host::{Host, SharedLog};
use crate::http::Trust;

mod addresses;
mod lookups;

/// So many connections a call may make, in all. The files that a process may have open are few, and the store needs some.
const SOCKETS_MAX: usize = 64;

/// What all calls of a sandbox have in common.
#[derive(Default)]
pub(crate) struct Outside {
    lookups: Arc<Lookups>,
    trust: Trust,
}

impl Outside {
    /// With a file of the authorities that are trusted.
    pub(crate) fn new(authorities: Option<PathBuf>) -> Self {
        Self {
            lookups: Arc::default(),
            trust: Trust::new(authorities),
        }
    }
}

/// The network of one call.
pub(crate) struct Network {
    granted: Option<Granted>,
    /// Where it is told why a request failed.
    pub(crate) log: SharedLog,
}

/// What of the network a call was granted, and what it has found out.
pub(crate) struct Granted {
    outside: Arc<Outside>,
    endpoints: Arc<[Endpoint]>,
    /// Where it may connect to: the addresses of names come in when they are found.
    open: Arc<Mutex<BTreeSet<SocketAddr>>>,
    /// The names that were looked up: each is asked for once in a call.
    names: BTreeMap<String, Arc<Found>>,
    sockets: usize,
}

/// What comes of looking up a name for a call.
pub(crate) struct Found {
    answer: Arc<Answer>,
    ports: Vec<u16>,
    open: Arc<Mutex<BTreeSet<SocketAddr>>>,
    usable: OnceLock<Result<Vec<IpAddr>, ErrorCode>>,
}

impl Found {
    /// The addresses that the call may connect to, once they are known; from then on they are open.
    fn usable(&self) -> Option<&Result<Vec<IpAddr>, ErrorCode>> {
        let all = self.answer.get()?;
        Some(self.usable.get_or_init(|| match all {
            Ok(all) => usable(all, &mut lock(&self.open), &self.ports),
            Err(error) => Err(*error),
        }))
    }
}

/// The addresses of a name, as a plugin takes them one by one.
struct Addresses {
    found: Arc<Found>,
    taken: usize,
}

/// Where an endpoint is.
pub(crate) enum Places {
    At(SocketAddr),
    /// What the name is found to be, and the port.
    Named(Arc<Found>, u16),
}

impl Places {
    /// The addresses that the call may connect to, once they are known.
    pub(crate) fn found(&self) -> Option<Result<Vec<SocketAddr>, ErrorCode>> {
        let (found, port) = match self {
            Places::At(place) => return Some(Ok(vec![*place])),
            Places::Named(found, port) => (found, *port),
        };
        let addresses = match found.usable()? {
            Ok(addresses) => addresses,
            Err(error) => return Some(Err(*error)),
        };
        // A listed address may be open at another port alone.
        let open = lock(&found.open);
        let places = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
        let places: Vec<SocketAddr> = places.filter(|place| open.contains(place)).collect();
        Some(if places.is_empty() {
            Err(ErrorCode::AccessDenied)
        } else {
            Ok(places)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion or assignment: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// Grants these hosts: no network where there are none.
    pub(crate) fn new(endpoints: Arc<[Endpoint]>, outside: &Arc<Outside>, log: &SharedLog) -> Self {
        Self {
            granted: (!endpoints.is_empty()).then(|| Granted::new(endpoints, Arc::clone(outside))),
            log: log.clone(),
        }
    }

    /// What is granted.
    ///
    /// # Errors
    ///
    /// When it is nothing.
    pub(crate) fn granted(&mut self) -> Result<&mut Granted, ErrorCode> {
        self.granted.as_mut().ok_or(ErrorCode::AccessDenied)
    }

    /// Whether a port of a host is granted.
    pub(crate) fn has(&self, endpoint: &Endpoint) -> bool {
        let granted = self.granted.as_ref();
        granted.is_some_and(|granted| granted.endpoints.contains(endpoint))
    }

    /// The sockets of wasmtime-wasi. Their default denies everything.
    pub(crate) fn context(&self) -> WasiSocketsCtx {
        let granted = self.granted.as_ref();
        granted.map(Granted::context).unwrap_or_default()
    }
}

impl Granted {
    fn new(endpoints: Arc<[Endpoint]>, outside: Arc<Outside>) -> Self {
        let literal = |endpoint: &Endpoint| match endpoint.host {
            HostName::Address(address) => {
                Some(SocketAddr::new(address.to_canonical(), endpoint.port))
            }
            HostName::Name(_) => None,
        };
        let open = endpoints.iter().filter_map(literal).collect();
        Self {
            outside,
            endpoints,
            open: Arc::new(Mutex::new(open)),
            names: BTreeMap::new(),
            sockets: 0,
        }
    }

    /// Whom requests trust to say who a server is.
    pub(crate) fn trust(&self) -> &Trust {
        &self.outside.trust
    }

    /// Takes one of the connections that the call may make. False when there is none left.
    pub(crate) fn take_socket(&mut self) -> bool {
        let is_left = self.sockets < SOCKETS_MAX;
        self.sockets += usize::from(is_left);
        is_left
    }

    /// Begins to find out where a granted endpoint is.
    pub(crate) fn reach(&mut self, endpoint: &Endpoint) -> Result<Places, ErrorCode> {
        let port = endpoint.port;
        match &endpoint.host {
            HostName::Address(address) => {
                Ok(Places::At(SocketAddr::new(address.to_canonical(), port)))
            }
            HostName::Name(name) => Ok(Places::Named(self.look_up(name)?, port)),
        }
    }

    /// The sockets of wasmtime-wasi, with this as what is permitted.
    fn context(&self) -> WasiSocketsCtx {
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
        let found = Arc::new(Found {
            answer: self.outside.lookups.begin(&name)?,
            ports,
            open: Arc::clone(&self.open),
            usable: OnceLock::new(),
        });
        self.names.insert(name, Arc::clone(&found));
        Ok(found)
    }
}

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        let known = || self.found.usable().is_some();
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
        network: Resource<NetworkHandle>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        self.table.get(&network)?;
        let found = self.network.granted()?.look_up(&name)?;
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
        let next = match addresses.found.usable() {
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
        if !self.network.granted()?.take_socket() {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        let (ctx, table) = self.sockets();
        let mut view = WasiSocketsCtxView { ctx, table };
        tcp_create_socket::Host::create_tcp_socket(&mut view, family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(list: &[&str]) -> Arc<[Endpoint]> {
        list.iter()
            .map(|text| Endpoint::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn only_granted_names_are_looked_up() {
        let mut granted = Granted::new(
            endpoints(&["one.example:80", "127.0.0.1:8080"]),
            Arc::default(),
        );
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
