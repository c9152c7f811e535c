//! A request on its way: find the host, connect, encrypt, send, and hand the answer on as it comes.
//!
//! The connection is a task of its own that ends when what holds it is dropped. Waiting without end is left to the time limit of
//! the call; the time-outs that a request asks for are shorter, or do nothing.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::http::uri::PathAndQuery;
use hyper::rt::{Read, Write};
use hyper::{Request, Response, Uri};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::runtime;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};
use wasmtime_wasi_io::bytes::Bytes;

use super::tls::Encryption;
use crate::network::Places;

/// How often it is looked whether a name was found.
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// An answer whose body still comes, and what makes it come.
pub(super) type Reply = (
    Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

/// Where a request goes, and how.
pub(super) struct Sending {
    pub(super) places: Places,
    pub(super) encryption: Option<Encryption>,
    pub(super) options: RequestOptions,
}

impl Sending {
    /// Sends the request, up to the head of its answer.
    pub(super) async fn send(self, mut request: Request<WasiBody>) -> Result<Reply, Error> {
        let path = request.uri().path_and_query().cloned();
        // A server, other than a proxy, is not told the scheme and the authority but by the header `host`.
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        let options = self.options;
        let connecting = async {
            let stream = connect(&self.places).await?;
            match self.encryption {
                None => Ok(Connection::Plain(stream)),
                Some(Encryption { connector, name }) => {
                    let stream = connector.connect(name, stream).await;
                    Ok(Connection::Encrypted(Box::new(stream.map_err(Error::Tls)?)))
                }
            }
        };
        let connection = within(options.connect_timeout, connecting)
            .await
            .unwrap_or(Err(Error::ConnectionTimeout))?;
        let answering = async {
            match connection {
                Connection::Plain(stream) => exchange(TokioIo::new(stream), request, options).await,
                Connection::Encrypted(stream) => {
                    exchange(TokioIo::new(*stream), request, options).await
                }
            }
        };
        within(options.first_byte_timeout, answering)
            .await
            .unwrap_or(Err(Error::ConnectionReadTimeout))
    }
}

enum Connection {
    Plain(TcpStream),
    Encrypted(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// What the future gives, or nothing when the time is up before.
async fn within<T>(time_max: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match time_max {
        None => Some(future.await),
        Some(time_max) => timeout(time_max, future).await.ok(),
    }
}

/// Connects to the first of the addresses that takes connections.
async fn connect(places: &Places) -> Result<TcpStream, Error> {
    let found = loop {
        match places.found() {
            Some(found) => break found.map_err(not_found)?,
            None => sleep(ASK_AGAIN).await,
        }
    };
    let stream = TcpStream::connect(&found[..])
        .await
        .map_err(Error::Connect)?;
    // A small request is sent at once.
    stream.set_nodelay(true).map_err(Error::Connect)?;
    Ok(stream)
}

/// Why a host cannot be reached, when no address of it may be.
pub(super) fn not_found(code: ErrorCode) -> Error {
    let rcode = match code {
        ErrorCode::AccessDenied => return Error::DestinationIpProhibited,
        ErrorCode::TemporaryResolverFailure => "too many names are being looked up",
        _ => "the name has no address",
    };
    Error::DnsError {
        rcode: Some(rcode.to_owned()),
        info_code: None,
    }
}

/// The most bytes of the head of an answer, which the host holds while it comes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Speaks HTTP/1.1 over a connection that has no other use.
async fn exchange(
    connection: impl Read + Write + Unpin + Send + 'static,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Reply, Error> {
    let mut settings = http1::Builder::new();
    settings.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = settings.handshake(connection).await?;
    let connection = runtime::spawn(connection);
    let response = sender.send_request(request).await?;
    let body = |incoming| WasiBody::new(Received::new(incoming, options.between_bytes_timeout));
    let connection = async move { connection.await.map_err(Error::from) };
    Ok((response.map(body), Box::new(connection)))
}

/// The body of an answer.
struct Received {
    incoming: Incoming,
    /// How long it may be quiet, and until when it may be now.
    quiet: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Received {
    fn new(incoming: Incoming, quiet_max: Option<Duration>) -> Self {
        Self {
            incoming,
            quiet: quiet_max.map(|quiet_max| (quiet_max, Box::pin(sleep(quiet_max)))),
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = pin!(&mut self.incoming).poll_frame(context);
        let Some((quiet_max, until)) = &mut self.quiet else {
            return polled.map_err(Error::from);
        };
        if polled.is_ready() {
            let now = Instant::now();
            until
                .as_mut()
                .reset(now.checked_add(*quiet_max).unwrap_or(now));
            return polled.map_err(Error::from);
        }
        (until.as_mut().poll(context)).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
