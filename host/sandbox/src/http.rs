//! `wasi:http` for plugins: requests to the hosts that a call was granted, and to no others.
//!
//! What is granted, which addresses a name may lead to and how many connections there may be are the rules of sockets (see
//! [`crate::network`]). A request is a task that goes with its handle, so none outlives its call. Nothing is sent to where the
//! plugin did not ask for: an answer that leads elsewhere is an answer.

use std::io;

use flowstone_core::Endpoint;
use hyper::{Request, Uri};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p2::{HttpResult, add_only_http_to_linker_sync};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use self::send::{Reply, Sending};
pub(crate) use self::tls::Trust;
use crate::host::{Host, SharedLog};
use crate::log::LogLevel;
use crate::network::Network;

mod send;
mod tls;

/// What a plugin may put into one set of headers, counted with what they take in memory.
const FIELDS_BYTES_MAX: usize = 16 << 10;

/// What it may write to the body of a request at once; two such parts wait to be sent.
const BODY_PART_BYTES_MAX: usize = 16 << 10;

/// How long a path with its query, an authority or a method may be. wasmtime-wasi-http bounds the first alone, at 64 KiB: with
/// as many requests as a plugin may have handles, that would be much memory of the host.
const TEXT_BYTES_MAX: usize = 8 << 10;

type At<'a> = StoreContextMut<'a, Host>;
type Own = Resource<HostOutgoingRequest>;

/// Whether an import is of what this offers.
pub(crate) fn is_http(import: &str) -> bool {
    import.starts_with("wasi:http/")
}

/// What is the same for all requests.
pub(crate) fn context() -> WasiHttpCtx {
    let mut context = WasiHttpCtx::new();
    context.set_field_size_limit(FIELDS_BYTES_MAX);
    context
}

/// Offers `wasi:http`, where what is granted is looked at before wasmtime-wasi-http is asked.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    add_only_http_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    linker
        .instance("wasi:http/outgoing-handler@0.2.12")?
        .func_wrap(
            "handle",
            |mut store: At<'_>, (request, options): (Own, Option<Resource<RequestOptions>>)| {
                let handled = store.data_mut().handle(request, options);
                Ok((match handled {
                    Ok(response) => Ok(response),
                    Err(error) => Err(error.downcast()?),
                },))
            },
        )?;
    bound_setters(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Puts setters that take no long texts in the place of those that do.
fn bound_setters(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use types::HostOutgoingRequest as Setters;

    let is_long = |text: &str| text.len() > TEXT_BYTES_MAX;
    let mut offered = linker.instance("wasi:http/types@0.2.12")?;
    offered.func_wrap(
        "[method]outgoing-request.set-method",
        move |mut store: At<'_>, (request, method): (Own, types::Method)| {
            if matches!(&method, types::Method::Other(name) if is_long(name)) {
                return Ok((Err(()),));
            }
            let mut view = store.data_mut().http();
            Ok((Setters::set_method(&mut view, request, method)?,))
        },
    )?;
    offered.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        move |mut store: At<'_>, (request, path): (Own, Option<String>)| {
            if path.as_deref().is_some_and(is_long) {
                return Ok((Err(()),));
            }
            let mut view = store.data_mut().http();
            Ok((Setters::set_path_with_query(&mut view, request, path)?,))
        },
    )?;
    offered.func_wrap(
        "[method]outgoing-request.set-authority",
        move |mut store: At<'_>, (request, authority): (Own, Option<String>)| {
            if authority.as_deref().is_some_and(is_long) {
                return Ok((Err(()),));
            }
            let mut view = store.data_mut().http();
            Ok((Setters::set_authority(&mut view, request, authority)?,))
        },
    )
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.network,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl Host {
    /// Sends a request. Denies it before anything is begun: where nothing is granted a plugin has nothing to wait for.
    fn handle(
        &mut self,
        request: Own,
        options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<HostFutureIncomingResponse>> {
        let asked = self.table.get(&request)?;
        let is_plain = match &asked.scheme {
            Some(types::Scheme::Other(name)) => name.eq_ignore_ascii_case("http"),
            scheme => matches!(scheme, Some(types::Scheme::Http)),
        };
        let authority = asked.authority.as_deref().unwrap_or_default();
        if let Err(error) = self.network.check(authority, is_plain) {
            self.table.delete(request)?;
            return Err(error.into());
        }
        outgoing_handler::Host::handle(&mut self.http(), request, options)
    }
}

/// The host and port that a request is for. Nothing where it names a user, or no host at all.
fn endpoint(authority: &str, is_plain: bool) -> Option<Endpoint> {
    let port = if is_plain { 80 } else { 443 };
    Endpoint::parse(authority)
        .or_else(|_| Endpoint::parse(&format!("{authority}:{port}")))
        .ok()
}

/// Of the URI of a request: where it is for, and whether that is without encryption.
fn destination(uri: &Uri) -> Result<(Endpoint, bool), Error> {
    let is_plain = uri.scheme_str() == Some("http");
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    let endpoint = endpoint(authority.as_str(), is_plain).ok_or(Error::HttpRequestUriInvalid)?;
    Ok((endpoint, is_plain))
}

/// Tells whoever reads the plugin's log. The plugin is told a code and no more.
fn warn(log: &SharedLog, message: &str) {
    log.with(|log| log.message(LogLevel::Warn, &format!("wasi:http: {message}")));
}

impl Network {
    /// Whether a request may be sent there.
    fn check(&self, authority: &str, is_plain: bool) -> Result<(), types::ErrorCode> {
        let Some(endpoint) = endpoint(authority, is_plain) else {
            return Err(types::ErrorCode::HttpRequestUriInvalid);
        };
        if self.has(&endpoint) {
            return Ok(());
        }
        let message = format!(
            "no request may go to `{endpoint}`: a flow grants that with `grants = {{ network = [\"{endpoint}\"] }}`"
        );
        warn(&self.log, &message);
        Err(types::ErrorCode::HttpRequestDenied)
    }

    /// Makes a request ready to be sent.
    fn sending(&mut self, uri: &Uri, options: RequestOptions) -> Result<Sending, Error> {
        let (endpoint, is_plain) = destination(uri)?;
        if !self.has(&endpoint) {
            return Err(Error::HttpRequestDenied);
        }
        let granted = self.granted().map_err(|_| Error::HttpRequestDenied)?;
        if !granted.take_socket() {
            return Err(Error::ConnectionLimitReached);
        }
        let places = granted.reach(&endpoint).map_err(send::not_found)?;
        let encryption = (!is_plain).then(|| granted.trust().encryption(&endpoint.host));
        match encryption.transpose() {
            Ok(encryption) => Ok(Sending {
                places,
                encryption,
                options,
            }),
            Err(reason) => {
                warn(&self.log, &reason);
                Err(Error::ConfigurationError)
            }
        }
    }
}

impl WasiHttpHooks for Network {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Reply, Error>> + Send> {
        let sending = self.sending(request.uri(), options.unwrap_or_default());
        let log = self.log.clone();
        Box::new(async move {
            let authority = request.uri().authority().map(ToString::to_string);
            let reply = match sending {
                Ok(sending) => sending.send(request).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &reply {
                let authority = authority.unwrap_or_default();
                warn(&log, &format!("no answer from `{authority}`: {error}"));
            }
            reply
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_PART_BYTES_MAX
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> types::ErrorCode {
        use types::ErrorCode;
        if error.is_parse_too_large() {
            ErrorCode::HttpResponseHeaderSectionSize(None)
        } else if error.is_incomplete_message() {
            ErrorCode::HttpResponseIncomplete
        } else if error.is_closed() || error.is_canceled() {
            ErrorCode::ConnectionTerminated
        } else {
            ErrorCode::HttpProtocolError
        }
    }

    fn p2_error_from_connect(&mut self, error: &io::Error) -> types::ErrorCode {
        use types::ErrorCode;
        match error.kind() {
            io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ErrorCode::DestinationUnavailable
            }
            _ => ErrorCode::ConnectionRefused,
        }
    }

    fn p2_error_from_tls(&mut self, error: &io::Error) -> types::ErrorCode {
        tls::code(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_the_host_and_port_that_its_authority_names() {
        let of = |authority, is_plain| {
            endpoint(authority, is_plain).map_or("none".to_owned(), |found| found.to_string())
        };
        for (authority, plain, encrypted) in [
            ("example.org", "example.org:80", "example.org:443"),
            ("EXAMPLE.org:8080", "example.org:8080", "example.org:8080"),
            ("192.0.2.1", "192.0.2.1:80", "192.0.2.1:443"),
            ("[2001:db8::1]", "[2001:db8::1]:80", "[2001:db8::1]:443"),
            ("[::1]:8080", "[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(of(authority, true), plain);
            assert_eq!(of(authority, false), encrypted);
        }
        for authority in [
            "",
            ":80",
            "example.org:",
            "example.org:0",
            "example.org:99999",
            "user@example.org",
            "user:word@example.org:443",
            "example.org.",
            "::1",
            "[::1",
            "a b",
        ] {
            assert_eq!(of(authority, false), "none", "{authority}");
        }
    }
}
