//! Requests over `wasi:http`: granted hosts answer, all others are denied, and nothing waits or grows beyond the limits.

use std::io::{Read, Write};
use std::net::TcpStream;

use flowstone_tests::Project;

use crate::serve::{granted, greet, head, reply, server};
use crate::{probe, project};

/// Answers with the body that comes, whose length is not told before.
fn echo(stream: &mut TcpStream) {
    let (_, mut body) = head(stream);
    let mut part = [0; 4096];
    while !body.ends_with(b"0\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(read @ 1..) => body.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    reply(stream, "201 Created", &body);
}

/// Sends `bytes` for as long as anybody takes them.
fn pour(stream: &mut TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

/// The project with much time and little memory for its plugin.
fn slow_and_small(mut project: Project) -> Project {
    let limits = "limits = { time = \"60s\", memory = \"16MiB\" }";
    project.flow = (project.flow).replace("limits = { time = \"5s\" }", limits);
    project
}

/// Why the only call failed.
fn failure(project: &Project, line: &str) -> String {
    project.write("a.md", line);
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    outcome.report.failed[0].reason.clone()
}

#[test]
fn a_granted_host_answers_and_others_are_denied() {
    let ((listed, _), (other, _)) = (server(greet), server(greet));
    let (port, elsewhere) = (listed.port(), other.port());
    let get = format!("get http://{listed}/a/b?c=d");
    let mapped = format!("get http://[::ffff:127.0.0.1]:{port}/");
    let lines = [
        &*get,
        &*format!("get http://127.0.0.1:{elsewhere}/"),
        &*format!("get http://127.0.0.2:{port}/"),
        &*format!("get http://localhost:{port}/"),
        &*mapped,
        "get http://127.0.0.1/",
        "get https://127.0.0.1/",
        "get https://example.org/",
    ];
    let found = probe(&granted(&[listed]), &lines);
    for (line, said) in &found {
        if *line == get {
            assert_eq!(said, &format!("200: GET /a/b?c=d HTTP/1.1 host: {listed}"));
        } else {
            assert_eq!(said, "error: Other: ErrorCode::HttpRequestDenied", "{line}");
        }
    }
    let user = format!("get http://user@{listed}/");
    let found = probe(&granted(&[listed]), &[&user]);
    assert_eq!(
        found[&user],
        "error: Other: ErrorCode::HttpRequestUriInvalid"
    );
}

#[test]
fn a_name_leads_only_to_where_sockets_may_go() {
    let (address, _) = server(greet);
    let port = address.port();
    let get = format!("get http://LOCALHOST:{port}/");
    let with = |list: &str| {
        let project = project(&format!(
            "grants = {{ network = [{list}] }}\ncache = {{ max-age = \"1d\" }}"
        ));
        probe(&project, &[&get])[&get].clone()
    };
    assert_eq!(
        with(&format!("\"localhost:{port}\"")),
        "error: Other: ErrorCode::DestinationIpProhibited"
    );
    assert_eq!(
        with(&format!("\"localhost:{port}\", \"127.0.0.1:1\"")),
        "error: Other: ErrorCode::DestinationIpProhibited",
        "the address is granted at another port alone"
    );
    assert_eq!(
        with(&format!("\"localhost:{port}\", \"{address}\"")),
        format!("200: GET / HTTP/1.1 host: LOCALHOST:{port}")
    );
    assert!(
        with(&format!("\"{address}\"")).ends_with("HttpRequestDenied"),
        "the name is not granted"
    );
}

#[test]
fn an_answer_that_leads_elsewhere_is_not_followed() {
    let (listed, _) = server(|stream| {
        head(stream);
        reply(
            stream,
            "302 Found\r\nlocation: http://127.0.0.2:1/",
            b"there",
        );
    });
    let get = format!("get http://{listed}/");
    let there = "get http://127.0.0.2:1/";
    let found = probe(&granted(&[listed]), &[&get, there]);
    assert_eq!(found[&get], "302 -> http://127.0.0.2:1/: there");
    assert!(found[there].ends_with("HttpRequestDenied"));
}

#[test]
fn a_body_goes_there_and_back() {
    let (address, _) = server(echo);
    // More than is buffered on the way.
    let post = format!("post 20000 http://{address}/");
    let found = probe(&slow_and_small(granted(&[address])), &[&post]);
    let said = found[&post].strip_prefix("201: ").expect("it is created");
    // It went in chunks: without their lengths it is what was sent.
    let lines = said.split("\r\n").filter(|line| line.len() > 8);
    assert_eq!(lines.collect::<String>(), "0123456789".repeat(20_000));
}

#[test]
fn a_server_that_never_answers_meets_the_time_limit_and_is_left() {
    let (address, left) = server(|stream| {
        head(stream);
        // Until the other side is gone.
        let _ = stream.read(&mut [0]);
    });
    let mut project = granted(&[address]);
    project.flow = project.flow.replace("time = \"5s\"", "time = \"300ms\"");
    let reason = failure(&project, &format!("get http://{address}/"));
    assert!(
        reason.contains("longer than its time limit of 300 ms"),
        "{reason}"
    );
    left.recv().expect("the connection ends with the call");
}

#[test]
fn a_request_may_be_less_patient_than_the_time_limit() {
    let (silent, _) = server(|stream| {
        head(stream);
        let _ = stream.read(&mut [0]);
    });
    let (halting, _) = server(|stream| {
        head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
        let _ = stream.read(&mut [0]);
    });
    let (quick, _) = server(greet);
    let lines = [
        &*format!("patient first 50 http://{silent}/"),
        &*format!("patient between 50 http://{halting}/"),
        &*format!("patient between 999999999999 http://{quick}/"),
    ];
    let found = probe(&granted(&[silent, halting, quick]), &lines);
    assert_eq!(
        found[lines[0]],
        "error: Other: ErrorCode::ConnectionReadTimeout"
    );
    assert!(found[lines[1]].contains("read timeout"), "{found:?}");
    assert!(found[lines[2]].parse::<u32>().is_ok(), "{found:?}");
}

#[test]
fn an_endless_answer_meets_the_limits() {
    let (body, left) = server(|stream| {
        head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        pour(stream, &[b'x'; 8 << 10]);
    });
    let project = slow_and_small(granted(&[body]));
    let reason = failure(&project, &format!("get http://{body}/"));
    assert!(reason.contains("more than its limit of 16 MiB"), "{reason}");
    left.recv().expect("the connection ends with the call");

    let (long, _) = server(|stream| {
        head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        pour(stream, &[b'x'; 4 << 10]);
    });
    let (many, _) = server(|stream| {
        head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        pour(stream, b"x: y\r\n");
    });
    let lines = [long, many].map(|address| format!("get http://{address}/"));
    let lines = lines.each_ref().map(|line| &**line);
    for (line, said) in probe(&granted(&[long, many]), &lines) {
        assert_eq!(
            said, "error: Other: ErrorCode::HttpResponseHeaderSectionSize(None)",
            "{line}"
        );
    }
}

#[test]
fn a_large_answer_that_is_not_kept_needs_no_memory() {
    let (address, _) = server(|stream| {
        head(stream);
        // More than the plugin may have.
        reply(stream, "200 OK", &vec![b'x'; 24 << 20]);
    });
    let size = format!("size http://{address}/");
    let project = slow_and_small(granted(&[address]));
    assert_eq!(probe(&project, &[&size])[&size], (24 << 20).to_string());
}

#[test]
fn what_a_plugin_puts_into_requests_is_bounded() {
    let (address, _) = server(greet);
    let flood = format!("flood http://{address}/");
    let lines = [&*flood, "long", "header 8000"];
    let project = slow_and_small(granted(&[address]));
    let found = probe(&project, &lines);
    assert_eq!(found[&flood], "64, then ErrorCode::ConnectionLimitReached");
    assert_eq!(found["long"], "[]");
    assert_eq!(found["header 8000"], "done");
    let reason = failure(&project, "header 20000");
    assert!(
        reason.contains("total size of fields exceeds limit"),
        "{reason}"
    );
}

#[test]
fn nonsense_is_no_answer() {
    let (nonsense, _) = server(|stream| {
        head(stream);
        let _ = stream.write_all(b"what do you mean?\r\n\r\n");
    });
    let (nothing, _) = server(|stream| {
        head(stream);
    });
    let lines = [nonsense, nothing].map(|address| format!("get http://{address}/"));
    let found = probe(
        &granted(&[nonsense, nothing]),
        &lines.each_ref().map(|line| &**line),
    );
    assert_eq!(
        found[&lines[0]],
        "error: Other: ErrorCode::HttpProtocolError"
    );
    assert_eq!(
        found[&lines[1]],
        "error: Other: ErrorCode::HttpResponseIncomplete"
    );
}
