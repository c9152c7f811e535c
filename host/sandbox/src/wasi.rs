//! WASI 0.2 as plugins get it: virtual, deterministic, and never waiting, but for what a call was granted.
//!
//! - Clocks stand still: the wall clock at 1970-01-01T00:00:00Z, the monotonic clock at 1, both with a resolution of
//!   one nanosecond. Sleeping returns at once. A call that was granted the clock gets real ones, and sleeps.
//! - Random bytes follow from the seed of the call, unless it was granted real ones.
//! - No arguments, no current directory, no environment or folders but what was granted; standard input is at its end.
//! - Standard output and error go to the log of the call.
//! - Sockets and name lookup exist, for components whose toolchain always imports them, and are denied but for granted
//!   hosts. So is HTTP (see [`crate::http`]).
//!
//! Interfaces are implemented here where the ones of wasmtime-wasi would wait, or would make a tokio runtime.

use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets, sync};
use wasmtime_wasi::p2::pipe::ClosedInputStream;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, OutputStream, Pollable, SocketError,
    SocketResult, StreamResult, UdpSocket, subscribe,
};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtxView};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::bytes::Bytes;

use crate::clock::Clock;
use crate::host::{Host, Randomness, SharedLog};
use crate::log::Stream;

/// The most random bytes that a plugin may ask for at once.
const RANDOM_BYTES_MAX: u64 = 16 << 20;

/// Where the monotonic clock stands, in nanoseconds. Not at 0: programs in Go take that for a clock that does not work,
/// and end.
const STANDING_NS: u64 = 1;

/// How many bytes a stream takes at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// A plugin ended its call with `exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("exit with status {0}")]
pub(crate) struct Exit(pub(crate) u8);

/// Offers everything to the components linked with `linker`.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type Own = HasSelf<Host>;
    fn own(host: &mut Host) -> &mut Host {
        host
    }
    fn network(host: &mut Host) -> WasiSocketsCtxView<'_> {
        let (ctx, table) = host.sockets();
        WasiSocketsCtxView { ctx, table }
    }

    clocks::wall_clock::add_to_linker::<Host, Own>(linker, own)?;
    clocks::monotonic_clock::add_to_linker::<Host, Own>(linker, own)?;
    random::random::add_to_linker::<Host, Own>(linker, own)?;
    random::insecure::add_to_linker::<Host, Own>(linker, own)?;
    random::insecure_seed::add_to_linker::<Host, Own>(linker, own)?;
    cli::environment::add_to_linker::<Host, Own>(linker, own)?;
    cli::exit::add_to_linker::<Host, Own>(linker, own)?;
    cli::stdin::add_to_linker::<Host, Own>(linker, own)?;
    cli::stdout::add_to_linker::<Host, Own>(linker, own)?;
    cli::stderr::add_to_linker::<Host, Own>(linker, own)?;
    cli::terminal_input::add_to_linker::<Host, Own>(linker, own)?;
    cli::terminal_output::add_to_linker::<Host, Own>(linker, own)?;
    cli::terminal_stdin::add_to_linker::<Host, Own>(linker, own)?;
    cli::terminal_stdout::add_to_linker::<Host, Own>(linker, own)?;
    cli::terminal_stderr::add_to_linker::<Host, Own>(linker, own)?;
    crate::io::add_to_linker(linker)?;
    filesystem::preopens::add_to_linker::<Host, Own>(linker, own)?;
    sync::filesystem::types::add_to_linker::<Host, Own>(linker, own)?;
    sockets::network::add_to_linker::<Host, WasiSockets>(
        linker,
        &sockets::network::LinkOptions::default(),
        network,
    )?;
    sockets::instance_network::add_to_linker::<Host, WasiSockets>(linker, network)?;
    sockets::ip_name_lookup::add_to_linker::<Host, Own>(linker, own)?;
    sockets::tcp_create_socket::add_to_linker::<Host, Own>(linker, own)?;
    sync::sockets::tcp::add_to_linker::<Host, WasiSockets>(linker, network)?;
    sync::sockets::udp::add_to_linker::<Host, WasiSockets>(linker, network)?;
    sync::sockets::udp_create_socket::add_to_linker::<Host, Own>(linker, own)
}

impl clocks::wall_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        let time = if self.clock().is_some() {
            Clock::wall()
        } else {
            Duration::ZERO
        };
        Ok(clocks::wall_clock::Datetime {
            seconds: time.as_secs(),
            nanoseconds: time.subsec_nanos(),
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        Ok(clocks::wall_clock::Datetime {
            seconds: 0,
            nanoseconds: 1,
        })
    }
}

impl clocks::monotonic_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock().map_or(STANDING_NS, Clock::monotonic_ns))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.until(|_| when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.until(|now| now.saturating_add(duration))
    }
}

impl Host {
    /// A point in time, made of what the clock shows. Without a real clock it is over, whatever the plugin asked for.
    fn until(&mut self, when: impl Fn(u64) -> u64) -> wasmtime::Result<Resource<DynPollable>> {
        if let Some(clock) = self.clock() {
            let until = self.table.push(clock.until(when(clock.monotonic_ns())))?;
            return subscribe(&mut self.table, until);
        }
        let past = self.table.push(Past)?;
        subscribe(&mut self.table, past)
    }
}

struct Past;

#[async_trait]
impl Pollable for Past {
    async fn ready(&mut self) {}
}

impl Host {
    fn random_bytes(&mut self, randomness: Randomness, len: u64) -> wasmtime::Result<Vec<u8>> {
        wasmtime::ensure!(
            len <= RANDOM_BYTES_MAX,
            "it asked for {len} random bytes at once, more than the {RANDOM_BYTES_MAX} that a plugin may have"
        );
        let mut bytes = vec![0; len as usize];
        self.random.fill(randomness, &mut bytes)?;
        Ok(bytes)
    }
}

impl random::random::Host for Host {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(Randomness::Secure, len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random.next_u64(Randomness::Secure)
    }
}

impl random::insecure::Host for Host {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(Randomness::Insecure, len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random.next_u64(Randomness::Insecure)
    }
}

impl random::insecure_seed::Host for Host {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        self.random.insecure_seed()
    }
}

impl cli::environment::Host for Host {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.env.to_vec())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl cli::exit::Host for Host {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Exit(u8::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        Err(Exit(status).into())
    }
}

impl cli::stdin::Host for Host {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.table.push(stream)?)
    }
}

impl cli::stdout::Host for Host {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.logged(Stream::Stdout)
    }
}

impl cli::stderr::Host for Host {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.logged(Stream::Stderr)
    }
}

impl Host {
    fn logged(&mut self, stream: Stream) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Logged {
            log: self.log.clone(),
            stream,
        });
        Ok(self.table.push(stream)?)
    }
}

/// A stream that ends in the log of the call. Always ready, never closed.
struct Logged {
    log: SharedLog,
    stream: Stream,
}

#[async_trait]
impl Pollable for Logged {
    async fn ready(&mut self) {}
}

impl OutputStream for Logged {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.with(|log| log.write(self.stream, &bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl cli::terminal_input::Host for Host {}

impl cli::terminal_input::HostTerminalInput for Host {
    fn drop(
        &mut self,
        handle: Resource<cli::terminal_input::TerminalInput>,
    ) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl cli::terminal_output::Host for Host {}

impl cli::terminal_output::HostTerminalOutput for Host {
    fn drop(
        &mut self,
        handle: Resource<cli::terminal_output::TerminalOutput>,
    ) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl cli::terminal_stdin::Host for Host {
    fn get_terminal_stdin(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<cli::terminal_stdin::TerminalInput>>> {
        Ok(None)
    }
}

impl cli::terminal_stdout::Host for Host {
    fn get_terminal_stdout(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<cli::terminal_stdout::TerminalOutput>>> {
        Ok(None)
    }
}

impl cli::terminal_stderr::Host for Host {
    fn get_terminal_stderr(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<cli::terminal_stderr::TerminalOutput>>> {
        Ok(None)
    }
}

impl sync::sockets::udp_create_socket::Host for Host {
    fn create_udp_socket(
        &mut self,
        _family: sync::sockets::udp_create_socket::IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        Err(sockets::network::ErrorCode::AccessDenied.into())
    }
}

impl sockets::network::HostNetwork for Host {
    fn drop(&mut self, handle: Resource<sockets::network::Network>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl sockets::network::Host for Host {
    fn convert_error_code(
        &mut self,
        error: SocketError,
    ) -> wasmtime::Result<sockets::network::ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        _error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<sockets::network::ErrorCode>> {
        Ok(None)
    }
}
