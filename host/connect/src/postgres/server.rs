//! The connection to a server, and what its errors mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, Transaction};

use crate::error::ConnectError;

/// How the session is set up. Names are found by their schemas alone, a lock is waited for as long as one of SQLite, and
/// a commit is on the server's disk before it is acknowledged, because the store settles the batch next.
const SESSION: &str = "SELECT pg_catalog.set_config('search_path', '', false), \
     pg_catalog.set_config('lock_timeout', '10s', false), \
     pg_catalog.set_config('client_min_messages', 'warning', false), \
     CASE WHEN pg_catalog.current_setting('synchronous_commit') = 'off' \
     THEN pg_catalog.set_config('synchronous_commit', 'on', false) END";

/// How long the server may take to notice that the connection ends.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// A connection, made again where it was lost.
pub(crate) struct Server {
    config: Config,
    place: PathBuf,
    /// Always there but while dropping.
    runtime: Option<Runtime>,
    client: Option<Client>,
    /// What moves the bytes, whenever this thread waits for an answer.
    driver: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn connect(config: Config, place: PathBuf) -> Result<Self, ConnectError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ConnectError::io("begin to talk to", &place, error))?;
        let mut server = Server {
            config,
            place,
            runtime: Some(runtime),
            client: None,
            driver: None,
        };
        server.ensure()?;
        Ok(server)
    }

    /// Does `work` in a transaction: all of it has happened when this returns, or nothing.
    pub(crate) fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        self.ensure()?;
        let Server {
            place,
            runtime: Some(runtime),
            client: Some(client),
            ..
        } = self
        else {
            return Err(ConnectError::misuse("the connection is not open"));
        };
        runtime.block_on(async {
            let transaction = (client.transaction().await)
                .map_err(|error| failure(place, "begin a transaction", &error))?;
            // Dropped on an error, which takes it back.
            let result = work(&transaction).await?;
            (transaction.commit().await).map_err(|error| failure(place, "commit", &error))?;
            Ok(result)
        })
    }

    /// Connects, unless the connection is there: a server that was started anew since the last batch is no failure.
    fn ensure(&mut self) -> Result<(), ConnectError> {
        if let (Some(runtime), Some(client)) = (&self.runtime, &self.client) {
            if runtime.block_on(client.check_connection()).is_ok() {
                return Ok(());
            }
            self.client = None;
        }
        let Server {
            config,
            place,
            runtime: Some(runtime),
            ..
        } = &*self
        else {
            return Err(ConnectError::misuse("the connection is not open"));
        };
        let (client, driver) = runtime.block_on(async {
            let (client, connection) =
                (config.connect(NoTls).await).map_err(|error| unreachable(place, &error))?;
            // The client reports how it ends.
            let driver = tokio::spawn(async move {
                let _ = connection.await;
            });
            let failed = |error| failure(place, "set up the session", &error);
            client.batch_execute(SESSION).await.map_err(failed)?;
            let sql = "SELECT pg_catalog.current_setting('server_encoding')";
            let encoding: String = client
                .query_typed_one(sql, &[])
                .await
                .map_err(failed)?
                .get(0);
            if encoding != "UTF8" {
                return Err(ConnectError::WrongType {
                    path: place.clone(),
                    expected: "a database in UTF-8 (made with `ENCODING 'UTF8'`)",
                });
            }
            Ok((client, driver))
        })?;
        self.client = Some(client);
        self.driver = Some(driver);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // Said goodbye, the server does not log a lost connection. Within another runtime nothing may block.
        if let Some(driver) = self.driver.take()
            && tokio::runtime::Handle::try_current().is_err()
        {
            self.client = None;
            runtime.block_on(async {
                let _ = tokio::time::timeout(GOODBYE_MAX, driver).await;
            });
        }
        runtime.shutdown_background();
    }
}

/// Why there is no connection.
fn unreachable(place: &Path, error: &Error) -> ConnectError {
    let message = match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => chain(error),
    };
    ConnectError::Unreachable {
        place: place.to_owned(),
        message,
    }
}

/// Sorts an error of the server into the variant that tells people most.
pub(crate) fn failure(place: &Path, action: &'static str, error: &Error) -> ConnectError {
    let path = place.to_owned();
    let Some(said) = error.as_db_error() else {
        if error.is_closed() || has_io(error) {
            let message = format!("the connection was lost while trying to {action}");
            return ConnectError::Unreachable {
                place: path,
                message,
            };
        }
        return ConnectError::Database {
            action,
            path,
            message: chain(error),
        };
    };
    let code = said.code();
    match code {
        &SqlState::READ_ONLY_SQL_TRANSACTION => ConnectError::ReadOnly { path },
        &SqlState::DISK_FULL => ConnectError::Full { path },
        &SqlState::LOCK_NOT_AVAILABLE => ConnectError::Busy { path },
        // The server is going down, or an administrator ended the connection.
        code if code.code().starts_with("57P") || code.code().starts_with("08") => {
            ConnectError::Unreachable {
                place: path,
                message: said.message().to_owned(),
            }
        }
        _ => {
            let more = [said.detail(), said.hint()].into_iter().flatten();
            let message = more.fold(said.message().to_owned(), |text, more| {
                format!("{text} ({more})")
            });
            ConnectError::Database {
                action,
                path,
                message,
            }
        }
    }
}

fn has_io(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
