//! Encrypted requests: a server has to prove who it is, to authorities that are trusted.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream};

use flowstone::core::{Grants, Value};
use flowstone::{Component, Limits, granted_world};
use flowstone_tests::prober;

use crate::serve::{granted, greet, reply, server, server_at};
use crate::{probe, project};

/// A file of `tests/fixtures/tls`: an authority, and what it says is `localhost` and `127.0.0.1`.
fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls");
    folder.join(name)
}

/// A server that greets whoever trusts the authority.
fn encrypted(ip: &str) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(fixture("server.pem")).expect("it is there");
    let chain = chain.collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    let config = Arc::new(config);
    let (address, _) = server_at(ip, move |stream| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).expect("it is ready");
        greet(&mut Stream::new(&mut connection, stream));
        connection.send_close_notify();
        let _ = connection.write_tls(stream);
    });
    address
}

#[test]
fn a_server_that_a_trusted_authority_vouches_for_answers() {
    let address = encrypted("127.0.0.1");
    let port = address.port();
    let lines = [
        &*format!("get https://{address}/"),
        &*format!("get https://localhost:{port}/"),
    ];
    let mut project = project(&format!(
        "grants = {{ network = [\"{address}\", \"localhost:{port}\"] }}\ncache = {{ max-age = \"1d\" }}"
    ));
    project.config.authorities = Some(fixture("authority.pem"));
    let found = probe(&project, &lines);
    for (line, host) in lines.iter().zip(["127.0.0.1", "localhost"]) {
        let greeting = format!("200: GET / HTTP/1.1 host: {host}:{port}");
        assert_eq!(found[*line], greeting);
    }
}

#[test]
fn a_component_without_a_flow_trusts_the_authorities_that_it_is_given() {
    let address = encrypted("127.0.0.1");
    let table = format!("[grants]\nnetwork = [\"{address}\"]\n");
    let grants = Grants::of_file(&table, "the test", "its folder").expect("they are grants");
    let world = granted_world(&grants, Path::new("."), 1 << 20).expect("there is nothing to read");
    for (authorities, found) in [
        (
            Some(fixture("authority.pem")),
            format!("200: GET / HTTP/1.1 host: {address}"),
        ),
        (
            None,
            "error: Other: ErrorCode::TlsCertificateError".to_owned(),
        ),
    ] {
        let component =
            Component::load_trusting("prober", prober(), authorities).expect("it is a component");
        let get = Value::str(format!("get https://{address}/"));
        let output = component.call("probe", &[get], &Limits::default(), world.clone());
        let output = output.expect("it has the function").expect("it returns");
        assert_eq!(output.value, Some(Value::str(found)));
    }
}

#[test]
fn a_server_that_proves_nothing_is_not_spoken_to() {
    let address = encrypted("127.0.0.1");
    let (plain, _) = server(|stream| {
        let _ = stream.read(&mut [0; 512]);
        reply(stream, "400 Bad Request", b"");
    });
    let lines = [address, plain].map(|address| format!("get https://{address}/"));
    let found = probe(
        &granted(&[address, plain]),
        &lines.each_ref().map(|line| &**line),
    );
    assert_eq!(
        found[&lines[0]], "error: Other: ErrorCode::TlsCertificateError",
        "nobody trusts its authority"
    );
    assert_eq!(
        found[&lines[1]], "error: Other: ErrorCode::TlsProtocolError",
        "it does not encrypt"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_certificate_for_another_host_proves_nothing() {
    let address = encrypted("127.0.0.2");
    let mut project = granted(&[address]);
    project.config.authorities = Some(fixture("authority.pem"));
    let get = format!("get https://{address}/");
    assert_eq!(
        probe(&project, &[&get])[&get],
        "error: Other: ErrorCode::TlsCertificateError"
    );
}

#[test]
fn without_the_authorities_that_are_asked_for_nobody_is_trusted() {
    let address = encrypted("127.0.0.1");
    let get = format!("get https://{address}/");
    for (name, content) in [("missing.pem", None), ("empty.pem", Some("nothing"))] {
        let mut project = granted(&[address]);
        let file = project.path(name);
        if let Some(content) = content {
            fs::write(&file, content).expect("files are taken");
        }
        project.config.authorities = Some(file);
        assert_eq!(
            probe(&project, &[&get])[&get],
            "error: Other: ErrorCode::ConfigurationError"
        );
    }
}
