//! Serves the figures over HTTP/1.1: two paths, `GET` only, one answer per connection.
//!
//! Whoever can connect may be slow or mean: few threads serve, each connection has a deadline and a small head, and when
//! all are busy and enough wait, a new connection is closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Metrics;
use crate::failure::{Failure, Kind};

/// So many connections are served at once, and so many may wait.
const SERVED_MAX: usize = 4;
const WAITING_MAX: usize = 256;

/// How long a connection may take in all, from when it was accepted: those that waited behind silent ones have said
/// what they want by then, or never will.
const DEADLINE: Duration = Duration::from_secs(2);

/// The longest head of a request.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Where the figures are served. The process ends without waiting for its threads.
pub(crate) struct Server {
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(address: SocketAddr, metrics: &Arc<Metrics>) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(
                Kind::Usage,
                format!("cannot serve metrics at {address}: {error}"),
            )
            .hint("another port may be free: `--metrics 0` takes any that is")
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (send, receive) = sync_channel(WAITING_MAX);
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..SERVED_MAX {
            let (receive, metrics) = (Arc::clone(&receive), Arc::clone(metrics));
            thread::spawn(move || serve_all(&receive, &metrics));
        }
        thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(connection) = connection else {
                    // Out of descriptors, most likely: others have to be closed first.
                    thread::sleep(Duration::from_millis(50));
                    continue;
                };
                if let Err(TrySendError::Disconnected(_)) =
                    send.try_send((connection, Instant::now() + DEADLINE))
                {
                    return;
                }
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A connection, and when its time is up.
type Accepted = (TcpStream, Instant);

fn serve_all(connections: &Mutex<Receiver<Accepted>>, metrics: &Metrics) {
    loop {
        let next = connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((connection, end)) = next else {
            return;
        };
        // Whoever asked is gone, or was too slow: nobody is left to tell.
        let _ = serve(connection, end, metrics);
    }
}

fn serve(mut connection: TcpStream, end: Instant, metrics: &Metrics) -> std::io::Result<()> {
    let head = read_head(&mut connection, end)?;
    let answer = answer(&head, metrics);
    connection.set_write_timeout(Some(left(end)))?;
    connection.write_all(answer.as_bytes())?;
    connection.flush()
}

/// The head of a request, as far as it fits.
fn read_head(connection: &mut TcpStream, end: Instant) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() < HEAD_BYTES_MAX && !is_complete(&head) {
        connection.set_read_timeout(Some(left(end)))?;
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(&buffer[..read]);
    }
    Ok(head)
}

fn is_complete(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// The time that is left; a little, when none is, since no time at all would mean for ever.
fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

fn answer(head: &[u8], metrics: &Metrics) -> String {
    if !is_complete(head) {
        return response("400 Bad Request", "text/plain", "no request\n");
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let path = path.split(|byte| *byte == b'?').next();
    if method != Some(b"GET") {
        return response("405 Method Not Allowed", "text/plain", "only GET\n");
    }
    match path {
        Some(b"/metrics") => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            response("200 OK", kind, &metrics.text())
        }
        Some(b"/healthz") => match metrics.health() {
            Ok(()) => response("200 OK", "text/plain", "ok\n"),
            Err(reason) => response("503 Service Unavailable", "text/plain", &(reason + "\n")),
        },
        _ => response(
            "404 Not Found",
            "text/plain",
            "there are /metrics and /healthz\n",
        ),
    }
}

fn response(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::{Event, RoundReport};

    fn server() -> (Server, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new("handbook", Duration::from_mins(1)));
        let any = "127.0.0.1:0".parse().expect("an address");
        let server = Server::start(any, &metrics).expect("a port is free");
        (server, metrics)
    }

    fn ask(server: &Server, request: &[u8]) -> String {
        let mut connection = TcpStream::connect(server.address()).expect("it listens");
        connection.write_all(request).expect("it reads");
        let mut answer = String::new();
        // Closed with something unread, a connection may be reset behind the answer.
        let _ = connection.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn figures_and_health_are_served_and_nothing_else() {
        let (server, metrics) = server();
        let get = |path: &str| {
            ask(
                &server,
                format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
            )
        };
        assert!(get("/healthz").starts_with("HTTP/1.1 503 "));
        let report = RoundReport {
            whole: true,
            ..RoundReport::default()
        };
        metrics.take(&Event::RoundDone { report: &report });
        assert!(get("/healthz").starts_with("HTTP/1.1 200 "));
        let answer = get("/metrics?x=y");
        assert!(
            answer.contains("Content-Type: text/plain; version=0.0.4"),
            "{answer}"
        );
        assert!(answer.contains("\nflowstone_rescans_total 1\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(get("/").starts_with("HTTP/1.1 404 "));
        assert!(ask(&server, b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        let long = [
            b"GET /metrics HTTP/1.1\r\n".as_slice(),
            &[b'a'; HEAD_BYTES_MAX],
        ]
        .concat();
        assert!(ask(&server, &long).starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn whoever_asks_behind_silent_ones_is_answered() {
        let (server, _) = server();
        let silent: Vec<TcpStream> = (0..WAITING_MAX / 2)
            .map(|_| TcpStream::connect(server.address()).expect("it listens"))
            .collect();
        let answer = ask(&server, b"GET /healthz HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        drop(silent);
    }

    #[test]
    fn those_who_say_nothing_do_not_keep_others_waiting_for_ever() {
        let (server, _) = server();
        let silent: Vec<TcpStream> = (0..2 * (SERVED_MAX + WAITING_MAX))
            .map(|_| TcpStream::connect(server.address()).expect("it listens"))
            .collect();
        let end = Instant::now() + Duration::from_mins(1);
        // Closed at once while all wait; served when the silent ones are out of time.
        loop {
            if ask(&server, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 ") {
                break;
            }
            assert!(Instant::now() < end, "it serves nobody any more");
        }
        drop(silent);
    }
}
