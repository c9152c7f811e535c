//! Encryption of requests: TLS 1.2 and 1.3, with whom to trust.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use flowstone_core::Host as HostName;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, TlsAlertReceivedPayload};

/// Whom requests trust to say who a server is. Made ready when it is first needed.
#[derive(Default)]
pub(crate) struct Trust {
    /// A file of certificates; without one it is the authorities that Mozilla trusts.
    authorities: Option<PathBuf>,
    connector: OnceLock<Result<TlsConnector, String>>,
}

/// What encrypts a connection to one host.
pub(super) struct Encryption {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Trust {
    pub(crate) fn new(authorities: Option<PathBuf>) -> Self {
        Self {
            authorities,
            connector: OnceLock::new(),
        }
    }

    /// What encrypts a connection to this host, and proves that it is that host.
    ///
    /// # Errors
    ///
    /// When nobody can be trusted; in words for the person who runs the flow.
    pub(super) fn encryption(&self, host: &HostName) -> Result<Encryption, String> {
        let name = match host {
            HostName::Name(name) => ServerName::try_from(name.clone())
                .map_err(|error| format!("no certificate can be for `{name}`: {error}"))?,
            HostName::Address(address) => ServerName::from(*address),
        };
        let connector = self.connector.get_or_init(|| {
            let roots = match &self.authorities {
                None => RootCertStore {
                    roots: webpki_roots::TLS_SERVER_ROOTS.into(),
                },
                Some(file) => read(file).map_err(|reason| {
                    let file = file.display();
                    format!("the authorities to trust cannot be read from `{file}`: {reason}")
                })?,
            };
            connector(roots).map_err(|error| error.to_string())
        });
        let connector = connector.clone()?;
        Ok(Encryption { connector, name })
    }
}

/// The authorities whose certificates a file holds.
fn read(file: &Path) -> Result<RootCertStore, String> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let mut roots = RootCertStore::empty();
    let certificates = certificates.map_err(|error| error.to_string())?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err("there is no certificate of an authority in it".to_owned()),
        _ => Ok(roots),
    }
}

/// What encrypts connections to servers that these authorities vouch for.
fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What a plugin is told of a connection that could not be encrypted.
pub(super) fn code(error: &io::Error) -> ErrorCode {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            ErrorCode::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
                alert_id: Some(u8::from(*alert)),
                alert_message: Some(format!("{alert:?}")),
            })
        }
        _ => ErrorCode::TlsProtocolError,
    }
}
