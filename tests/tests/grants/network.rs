//! Granted hosts: what is listed can be reached, nothing else, and waiting for it counts towards the time limit.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::{FLOW, probe, project, refused, said};

const AGE: &str = "\ncache = { max-age = \"1d\" }";

/// A server that answers every connection with what it says, for as long as the test runs.
fn server(says: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut asked = [0; 6];
            let _ = stream.read_exact(&mut asked);
            let _ = stream.write_all(says.as_bytes());
        }
    });
    address
}

/// A server that takes connections and never says anything.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            kept.push(stream);
        }
    });
    address
}

#[test]
fn a_listed_host_is_reached_and_others_are_not() {
    let (listed, other) = (server("listed"), server("other"));
    let project = project(&format!("grants = {{ network = [\"{listed}\"] }}{AGE}"));
    let other_ip = format!("tcp 127.0.0.2:{}", listed.port());
    let mapped = format!("tcp [::ffff:127.0.0.1]:{}", other.port());
    let lines = [
        &*format!("tcp {listed}"),
        &*format!("tcp {other}"),
        &*other_ip,
        &*mapped,
        "tcp 127.0.0.1:1",
        "tcp [::1]:80",
        "tcp 10.0.0.1:80",
        "listen 127.0.0.1:0",
        "listen 0.0.0.0:0",
        &*format!("udp {listed}"),
        "lookup localhost:80",
        "lookup example.org:443",
        "env",
        "read flow.toml",
    ];
    let found = probe(&project, &lines);
    for (line, said) in &found {
        match &**line {
            "env" => assert_eq!(said, ""),
            line if line == format!("tcp {listed}") => assert_eq!(said, "listed"),
            line => assert!(said.starts_with("error: "), "`{line}` gave {said}"),
        }
    }
    let denied = |line: &str| found[line].starts_with("error: PermissionDenied");
    assert!(denied("tcp [::1]:80") && denied("tcp 10.0.0.1:80") && denied("listen 0.0.0.0:0"));
}

#[test]
fn a_listed_name_that_leads_to_the_machine_is_refused_unless_the_address_is_listed() {
    let address = server("here");
    let port = address.port();
    let lookup = format!("lookup localhost:{port}");
    let tcp = format!("tcp localhost:{port}");
    let name = format!("\"localhost:{port}\"");
    let by_name = project(&format!("grants = {{ network = [{name}] }}{AGE}"));
    let literal = format!("tcp {address}");
    let found = probe(&by_name, &[&lookup, &tcp, &literal]);
    for (line, said) in &found {
        assert!(said.starts_with("error: "), "`{line}` gave {said}");
    }
    let both = project(&format!(
        "grants = {{ network = [{name}, \"{address}\"] }}{AGE}"
    ));
    let found = probe(&both, &[&lookup, &tcp, &literal]);
    assert_eq!(found[&lookup], format!("[127.0.0.1:{port}]"));
    assert_eq!(found[&tcp], "here");
    assert_eq!(found[&literal], "here");
}

#[test]
fn waiting_for_an_answer_meets_the_time_limit() {
    let address = silent();
    let mut project = project(&format!("grants = {{ network = [\"{address}\"] }}{AGE}"));
    project.flow = project.flow.replace("time = \"5s\"", "time = \"300ms\"");
    project.write("a.md", format!("tcp {address}"));
    let outcome = project.run();
    assert_eq!(outcome.report.failures, 1);
    let reason = &outcome.report.failed[0].reason;
    assert!(
        reason.contains("longer than its time limit of 300 ms"),
        "{reason}"
    );
}

#[test]
fn results_from_the_network_need_an_age() {
    let grants = "grants = { network = [\"api.example.org:443\"] }";
    assert_eq!(
        refused(&project(grants))[0].split(':').next(),
        Some("transform `said` is granted network api.example.org")
    );
    // Nothing listed is nothing granted.
    let none = project("grants = { network = [] }");
    assert_eq!(probe(&none, &["tcp 127.0.0.1:9"]).len(), 1);
    assert!(said(&none)["tcp 127.0.0.1:9"].starts_with("error: PermissionDenied"));
    // Another host asks for new calls, another order does not.
    let mut project = project(&format!(
        "grants = {{ network = [\"127.0.0.1:1\", \"127.0.0.1:2\"] }}{AGE}"
    ));
    probe(&project, &["env"]);
    let turned = format!("grants = {{ network = [\"127.0.0.1:2\", \"127.0.0.1:1\"] }}{AGE}");
    project.flow = FLOW.replace("GRANTS", &turned);
    assert_eq!(project.run().calls, [""; 0]);
    project.flow = project.flow.replace("127.0.0.1:1", "127.0.0.1:3");
    assert_eq!(project.run().calls, ["said a.md"]);
}

#[test]
fn what_is_no_single_host_and_port_is_refused() {
    for host in [
        "*.example.org:443",
        "https://example.org:443",
        "example.org",
        "example.org:0",
    ] {
        let project = project(&format!("grants = {{ network = [\"{host}\"] }}{AGE}"));
        let [fault] = &refused(&project)[..] else {
            panic!("there is one fault");
        };
        assert!(
            fault.starts_with(&format!("`{host}` cannot be granted: ")),
            "{fault}"
        );
    }
}
