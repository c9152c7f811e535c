//! `wasi:io` without waiting.
//!
//! The streams and pollables that a plugin can hold are always ready, so each operation ends at its first poll. One
//! that did not would wait for ever, beyond the reach of the time limit: it ends the call instead. Only with a real
//! clock or the network there is something to wait for, and then a timer bounds the waiting.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult};
use wasmtime_wasi_io::bindings::wasi::io::{error, poll as ready, streams as plain};

use crate::clock::Deadline;
use crate::host::Host;

/// Offers `wasi:io`.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    error::add_to_linker::<Host, HasSelf<ResourceTable>>(linker, |host| &mut host.table)?;
    poll::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    streams::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)
}

/// What the future gives at its first poll.
fn now<T>(future: impl Future<Output = T>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(wasmtime::format_err!(
            "it waited for something that never happens"
        )),
    }
}

/// [`now`], and where there is something to wait for what the future gives at last.
fn at_last<T>(deadline: &Deadline, future: impl Future<Output = T>) -> wasmtime::Result<T> {
    if !deadline.waits() {
        return now(future);
    }
    let mut future = pin!(future);
    loop {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return Ok(output);
        }
        deadline.wait()?;
    }
}

/// [`at_last`] for operations on streams.
fn stream_at_last<T>(
    deadline: &Deadline,
    future: impl Future<Output = StreamResult<T>>,
) -> StreamResult<T> {
    at_last(deadline, future).map_err(StreamError::Trap)?
}

impl poll::Host for Host {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        at_last(
            &self.deadline,
            ready::Host::poll(&mut self.table, pollables),
        )?
    }
}

impl poll::HostPollable for Host {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        now(ready::HostPollable::ready(&mut self.table, pollable))?
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        at_last(
            &self.deadline,
            ready::HostPollable::block(&mut self.table, pollable),
        )?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        ready::HostPollable::drop(&mut self.table, pollable)
    }
}

impl streams::Host for Host {
    fn convert_stream_error(
        &mut self,
        error: StreamError,
    ) -> wasmtime::Result<streams::StreamError> {
        Ok(plain::Host::convert_stream_error(&mut self.table, error)?.into())
    }
}

impl streams::HostOutputStream for Host {
    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        at_last(
            &self.deadline,
            plain::HostOutputStream::drop(&mut self.table, stream),
        )?
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        plain::HostOutputStream::check_write(&mut self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        plain::HostOutputStream::write(&mut self.table, stream, bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        stream_at_last(
            &self.deadline,
            plain::HostOutputStream::blocking_write_and_flush(&mut self.table, stream, bytes),
        )
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        stream_at_last(
            &self.deadline,
            plain::HostOutputStream::blocking_write_zeroes_and_flush(&mut self.table, stream, len),
        )
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        plain::HostOutputStream::subscribe(&mut self.table, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        plain::HostOutputStream::write_zeroes(&mut self.table, stream, len)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        plain::HostOutputStream::flush(&mut self.table, stream)
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        stream_at_last(
            &self.deadline,
            plain::HostOutputStream::blocking_flush(&mut self.table, stream),
        )
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        plain::HostOutputStream::splice(&mut self.table, to, from, len)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        stream_at_last(
            &self.deadline,
            plain::HostOutputStream::blocking_splice(&mut self.table, to, from, len),
        )
    }
}

impl streams::HostInputStream for Host {
    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        at_last(
            &self.deadline,
            plain::HostInputStream::drop(&mut self.table, stream),
        )?
    }

    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        plain::HostInputStream::read(&mut self.table, stream, len)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        stream_at_last(
            &self.deadline,
            plain::HostInputStream::blocking_read(&mut self.table, stream, len),
        )
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        plain::HostInputStream::skip(&mut self.table, stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        stream_at_last(
            &self.deadline,
            plain::HostInputStream::blocking_skip(&mut self.table, stream, len),
        )
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        plain::HostInputStream::subscribe(&mut self.table, stream)
    }
}
