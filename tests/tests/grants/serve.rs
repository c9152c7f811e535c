//! Servers for requests over HTTP, and the project that may speak to them.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use flowstone_tests::Project;

use crate::project;

/// A server for as long as the test runs; it tells when it is done with a connection.
pub(crate) fn server(
    serve: impl Fn(&mut TcpStream) + Clone + Send + 'static,
) -> (SocketAddr, Receiver<()>) {
    server_at("127.0.0.1", serve)
}

/// A server at another address of the machine.
pub(crate) fn server_at(
    ip: &str,
    serve: impl Fn(&mut TcpStream) + Clone + Send + 'static,
) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind((ip, 0)).expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    let (done, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (done, serve) = (done.clone(), serve.clone());
            let Ok(mut stream) = stream else { continue };
            thread::spawn(move || {
                serve(&mut stream);
                drop(stream);
                let _ = done.send(());
            });
        }
    });
    (address, seen)
}

/// The head of a request, and the part of its body that came with it.
pub(crate) fn head(stream: &mut impl Read) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let body = bytes.split_off(end + 4);
            return (String::from_utf8_lossy(&bytes).into_owned(), body);
        }
        match stream.read(&mut part) {
            Ok(read @ 1..) => bytes.extend_from_slice(&part[..read]),
            _ => return (String::new(), bytes),
        }
    }
}

/// Answers, with all of the body.
pub(crate) fn reply(stream: &mut impl Write, head: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// Answers with the request's first line and its host.
pub(crate) fn greet(stream: &mut (impl Read + Write)) {
    let (head, _) = head(stream);
    let line = head.lines().next().unwrap_or_default();
    let host = head.lines().find(|line| line.starts_with("host: "));
    let body = format!("{line} {}", host.unwrap_or_default());
    reply(stream, "200 OK", body.as_bytes());
}

/// A project whose plugin may speak to these.
pub(crate) fn granted(endpoints: &[SocketAddr]) -> Project {
    let mut list = String::new();
    for endpoint in endpoints {
        let _ = write!(list, "\"{endpoint}\",");
    }
    project(&format!(
        "grants = {{ network = [{list}] }}\ncache = {{ max-age = \"1d\" }}"
    ))
}
