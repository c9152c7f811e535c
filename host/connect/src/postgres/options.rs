//! The options of a `postgres` target: where the table is, and how its server is reached.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowstone_core::{OptionError, OptionValue, TargetSpec};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::ConnectError;
use crate::options::OptionReader;
use crate::postgres::cell::can_be_key;
use crate::postgres::marker::MARKER_TABLE;
use crate::tables::check_key;

const OPTIONS: [&str; 5] = ["url", "table", "schema", "password-file", "tls"];
/// What a name may take before PostgreSQL cuts it off.
const NAME_BYTES_MAX: usize = 63;
/// PostgreSQL keeps a row's fixed part in one page of 8 KiB: this many columns fit in it whatever their types.
const COLUMNS_MAX: usize = 400;
/// The most columns that an index takes.
const KEY_COLUMNS_MAX: usize = 32;
/// Columns that every table has.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that is silent for so long is asked whether it is still there, and given up after some more of it.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The options, read and checked.
pub(crate) struct TableOptions<'a> {
    pub(crate) schema: &'a str,
    pub(crate) table: &'a str,
    pub(crate) config: Config,
    password_file: Option<&'a str>,
}

impl<'a> TableOptions<'a> {
    pub(crate) fn read(spec: &'a TargetSpec) -> Result<Self, OptionError> {
        let options = OptionReader::new(&spec.options, &OPTIONS)?;
        let config = read_url(options.required_text("url")?)?;
        check_encryption(&config, options.text("tls")?)?;
        let table = options.required_text("table")?;
        let schema = options.text("schema")?.unwrap_or("public");
        check_name("table", table)?;
        check_name("schema", schema)?;
        if table == MARKER_TABLE {
            let message = format!("a table cannot be named `{table}`");
            return Err(OptionError::new("table", message));
        }
        let password_file = options.text("password-file")?;
        if password_file.is_some() && config.get_password().is_some() {
            let message = "the password is in `url` already: leave out one of them";
            return Err(OptionError::new("password-file", message));
        }
        Ok(TableOptions {
            schema,
            table,
            config,
            password_file,
        })
    }

    /// The connection's configuration, with the password where a file holds it.
    pub(crate) fn config(&self, base: &Path) -> Result<Config, ConnectError> {
        let mut config = self.config.clone();
        if let Some(file) = self.password_file {
            let path = base.join(file);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| ConnectError::io("read the password file", &path, error))?;
            config.password(text.trim_end_matches(['\r', '\n']));
        }
        Ok(config)
    }
}

/// Checks options, column names and key.
pub(crate) fn check_target(spec: &TargetSpec) -> Result<(), OptionError> {
    TableOptions::read(spec)?;
    let bad_column = |message: String| Err(OptionError::new("columns", message));
    if spec.columns.len() > COLUMNS_MAX {
        return bad_column(format!(
            "a table has at most {COLUMNS_MAX} columns here, not {}",
            spec.columns.len()
        ));
    }
    for (position, column) in spec.columns.iter().enumerate() {
        let name = column.name.as_str();
        check_name("columns", name)?;
        if SYSTEM_COLUMNS.contains(&name) {
            return bad_column(format!(
                "PostgreSQL has a column `{name}` of its own in every table"
            ));
        }
        if spec.columns[..position]
            .iter()
            .any(|other| other.name == name)
        {
            return bad_column(format!("there are two columns `{name}`"));
        }
    }
    if spec.key.len() > KEY_COLUMNS_MAX {
        let message = format!("a key has at most {KEY_COLUMNS_MAX} columns");
        return Err(OptionError::new("key", message));
    }
    check_key(spec, can_be_key)
}

fn check_name(option: &str, name: &str) -> Result<(), OptionError> {
    let what = name.escape_debug();
    let message = if name.is_empty() || name.contains('\0') {
        format!("`{what}` is no name")
    } else if name.len() > NAME_BYTES_MAX {
        format!(
            "the name `{what}` has {} bytes, and PostgreSQL takes {NAME_BYTES_MAX}",
            name.len()
        )
    } else {
        return Ok(());
    };
    Err(OptionError::new(option, message))
}

/// Reads the URL. Whatever is wrong with it, the message does not repeat it: there may be a password in it.
fn read_url(url: &str) -> Result<Config, OptionError> {
    let bad = |message: String| OptionError::new("url", format!("option `url`: {message}"));
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(bad("it must begin with `postgres://`".to_owned()));
    }
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        bad(format!("{error}{}", cause.unwrap_or_default()))
    })?;
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    if hosts != 1 || config.get_ports().len() > 1 {
        return Err(bad(format!("it must name one server, not {hosts}")));
    }
    // What is missing would be taken from the environment.
    if config.get_user().is_none() {
        return Err(bad(
            "it names no user: `postgres://USER@HOST/DATABASE`".to_owned()
        ));
    }
    if config.get_dbname().is_none() {
        return Err(bad(
            "it names no database: `postgres://USER@HOST/DATABASE`".to_owned()
        ));
    }
    if config.get_application_name().is_none() {
        config.application_name("flowstone");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE_MAX * 2);
    }
    if !url.contains("keepalives") {
        config.keepalives_idle(SILENCE_MAX);
        config.keepalives_interval(SILENCE_MAX / 3);
        config.keepalives_retries(3);
    }
    Ok(config)
}

/// Connections are not encrypted: rows and passwords stay on this machine, unless the flow says that they may leave it.
fn check_encryption(config: &Config, tls: Option<&str>) -> Result<(), OptionError> {
    match tls {
        None | Some("off") => {}
        Some(other) => {
            let message = format!(
                "option `tls` can only be \"off\", not \"{}\"",
                other.escape_debug()
            );
            return Err(OptionError::new("tls", message));
        }
    }
    let tunnel = "reach the server through an encrypted tunnel that ends on this machine (`ssh -L`, a proxy)";
    if !matches!(config.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
        let message =
            format!("`sslmode` asks for encryption, which this version does not have: {tunnel}");
        return Err(OptionError::new("url", message));
    }
    if tls.is_none() && !is_local(config) {
        let message = format!(
            "the server is not on this machine, and the connection is not encrypted: {tunnel}, or say `tls = \"off\"` \
             to send rows and password as they are over a network that you trust"
        );
        return Err(OptionError::new("url", message));
    }
    Ok(())
}

fn is_local(config: &Config) -> bool {
    if let Some(address) = config.get_hostaddrs().first() {
        return address.is_loopback();
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// The server and the database, as people see them: without user and password.
pub(crate) fn server_place(config: &Config) -> PathBuf {
    let host = match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Tcp(name)), _) => name.clone(),
        #[cfg(unix)]
        (Some(Host::Unix(path)), _) => path.display().to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => String::new(),
    };
    let port = config.get_ports().first().unwrap_or(&5432);
    let database = config.get_dbname().unwrap_or_default();
    format!("postgres://{host}:{port}/{database}").into()
}

/// Where the table lies, as text: equal for two specifications that mean the same table, whoever asks for it.
pub(crate) fn place(spec: &TargetSpec) -> String {
    let text = |option: &str| match spec.options.get(option) {
        Some(OptionValue::Str(text)) => text.as_str(),
        _ => "",
    };
    let server = match read_url(text("url")) {
        Ok(config) => server_place(&config).display().to_string(),
        Err(_) => text("url").to_owned(),
    };
    let schema = match text("schema") {
        "" => "public",
        schema => schema,
    };
    format!("postgres {server} {schema} {}", text("table"))
}
