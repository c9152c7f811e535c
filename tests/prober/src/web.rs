//! Requests over `wasi:http`, by the bindings that Rust has for it.

use std::io;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use wasip2::io::streams::StreamError;

/// So many bytes of a body are read at once.
const PART_BYTES: u64 = 64 << 10;

/// How long a text is that nobody needs.
const LONG: usize = 1 << 20;

/// What a server answers: the status, where it leads to, and the body.
///
/// # Errors
///
/// When there is no answer, or not all of it.
pub(crate) fn fetch(method: &Method, url: &str, body: &str) -> io::Result<String> {
    let response = answer(ask(method, url)?, body, None)?;
    let location = response.headers().get("location");
    let location = location
        .iter()
        .map(|value| format!(" -> {}", String::from_utf8_lossy(value)));
    let head = format!("{}{}", response.status(), location.collect::<String>());
    let mut whole = Vec::new();
    read(&response, |part| whole.extend_from_slice(part))?;
    Ok(format!("{head}: {}", String::from_utf8_lossy(&whole)))
}

/// How many bytes a body has, which is not kept.
///
/// # Errors
///
/// When there is no answer, or not all of it.
pub(crate) fn size(url: &str) -> io::Result<String> {
    length(&answer(ask(&Method::Get, url)?, "", None)?)
}

/// How many bytes a body has, when a request waits for so many milliseconds at most: for the `first` byte, or `between` two.
///
/// # Errors
///
/// When there is no answer in that time.
pub(crate) fn patient(rest: &str) -> io::Result<String> {
    let words: Vec<&str> = rest.split(' ').collect();
    let [what, time, url] = words[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let time: u64 = time.parse().map_err(io::Error::other)?;
    let (options, time) = (RequestOptions::new(), Some(time * 1_000_000));
    let set = match what {
        "first" => options.set_first_byte_timeout(time),
        _ => options.set_between_bytes_timeout(time),
    };
    set.map_err(|()| io::Error::other("a time-out"))?;
    let response = answer(ask(&Method::Get, url)?, "", Some(options))?;
    length(&response)
}

/// How many requests are answered, before one is refused, and why that is.
///
/// # Errors
///
/// When a request cannot be made.
pub(crate) fn flood(url: &str) -> io::Result<String> {
    let mut answered = 0;
    loop {
        match answer(ask(&Method::Get, url)?, "", None) {
            Ok(_) => answered += 1,
            Err(error) => return Ok(format!("{answered}, then {error}")),
        }
    }
}

/// Which parts of a request take a text without end.
pub(crate) fn long() -> String {
    let text = "x".repeat(LONG);
    let request = OutgoingRequest::new(Fields::new());
    let taken = [
        ("method", request.set_method(&Method::Other(text.clone()))),
        (
            "path",
            request.set_path_with_query(Some(&format!("/{text}"))),
        ),
        ("authority", request.set_authority(Some(&text))),
    ];
    let taken = taken.iter().filter(|(_, set)| set.is_ok());
    format!("{:?}", taken.map(|(name, _)| *name).collect::<Vec<_>>())
}

/// Puts a header of this many bytes into a request.
///
/// # Errors
///
/// When it is refused.
pub(crate) fn header(bytes: &str) -> io::Result<String> {
    let bytes = bytes.parse().map_err(io::Error::other)?;
    let fields = Fields::new();
    (fields.append("x-long", &vec![b'x'; bytes])).map_err(failed)?;
    Ok("done".to_owned())
}

/// A request, and what its body is written to.
fn ask(method: &Method, url: &str) -> io::Result<(OutgoingRequest, OutgoingBody)> {
    let bad = || io::Error::from(io::ErrorKind::InvalidInput);
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(Fields::new());
    let body = request.body().map_err(|()| bad())?;
    for set in [
        request.set_method(method),
        request.set_scheme(Some(&scheme)),
        request.set_authority(Some(authority)),
        request.set_path_with_query(Some(path)),
    ] {
        set.map_err(|()| bad())?;
    }
    Ok((request, body))
}

/// Sends a request with its body, and waits for the answer.
fn answer(
    (request, to): (OutgoingRequest, OutgoingBody),
    body: &str,
    options: Option<RequestOptions>,
) -> io::Result<IncomingResponse> {
    let future = outgoing_handler::handle(request, options).map_err(failed)?;
    let stream = to.write().map_err(|()| io::ErrorKind::BrokenPipe)?;
    for part in body.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(part).map_err(failed)?;
    }
    drop(stream);
    OutgoingBody::finish(to, None).map_err(failed)?;
    future.subscribe().block();
    let answered = future.get().ok_or(io::ErrorKind::WouldBlock)?;
    let answered = answered.map_err(|()| io::Error::other("taken twice"))?;
    answered.map_err(failed)
}

/// Hands out a body, part by part.
fn read(response: &IncomingResponse, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let body: IncomingBody = response.consume().map_err(|()| io::ErrorKind::BrokenPipe)?;
    let stream = body.stream().map_err(|()| io::ErrorKind::BrokenPipe)?;
    loop {
        match stream.blocking_read(PART_BYTES) {
            Ok(part) => each(&part),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(io::Error::other(error.to_debug_string()));
            }
        }
    }
}

fn length(response: &IncomingResponse) -> io::Result<String> {
    let mut length = 0;
    read(response, |part| length += part.len())?;
    Ok(length.to_string())
}

fn failed(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("{error:?}"))
}
