//! Reading a database that somebody else writes, and whose views may do anything: read-only, bounded, interruptible.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};

use crate::database::failure;
use crate::error::ConnectError;
use crate::stamp::Stamp;

/// How long a lock of another program is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The largest value, in bytes.
const VALUE_BYTES_MAX: i32 = 128 << 20;

/// The longest statement, in bytes.
const SQL_BYTES_MAX: i32 = 1 << 20;

/// After so many operations of SQLite's machine it is looked at the clock.
const OPERATIONS: i32 = 10_000;

/// What bounds a query that never ends.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// How long it may take to the next row.
    pub(super) silence: Duration,
    /// How many rows there may be.
    pub(super) rows_max: u64,
    /// Whether nobody waits for it any more.
    pub(super) stopped: Arc<AtomicBool>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_mins(1),
            rows_max: 100_000_000,
            stopped: Arc::default(),
        }
    }
}

/// An open database.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) limits: Limits,
    /// The file, by inode, as it was when it was opened.
    file: (u64, u64),
    opened: Instant,
    /// When there was a row last, in milliseconds since `opened`.
    last_row_ms: Arc<AtomicU64>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, ConnectError> {
        let file = file_at(path)?;
        let failed = |error| failure(path, "open the database", error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
        let limit = |limit, most| connection.set_limit(limit, most).map(drop).map_err(failed);
        limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
        limit(Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX)?;
        // The schema may be somebody's who means ill: its views call no functions with side effects, what is sorted for
        // them goes to the disk, and damaged pages are noticed.
        let careful = "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; \
                       PRAGMA temp_store = FILE; PRAGMA mmap_size = 0;";
        connection.execute_batch(careful).map_err(failed)?;
        let (opened, last_row_ms) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let last = Arc::clone(&last_row_ms);
        let silence_ms = limits.silence.as_millis() as u64;
        let stopped = Arc::clone(&limits.stopped);
        let is_over = move || {
            let now = opened.elapsed().as_millis() as u64;
            let is_silent = now.saturating_sub(last.load(Ordering::Relaxed)) > silence_ms;
            is_silent || stopped.load(Ordering::Relaxed)
        };
        connection
            .progress_handler(OPERATIONS, Some(is_over))
            .map_err(failed)?;
        // Reads the header, so that a file that is no database is found here.
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(failed)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            limits,
            file,
            opened,
            last_row_ms,
        })
    }

    /// Notes that a row came, or that a statement begins.
    pub(super) fn alive(&self) {
        let now = self.opened.elapsed().as_millis() as u64;
        self.last_row_ms.store(now, Ordering::Relaxed);
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.limits.stopped.load(Ordering::Relaxed)
    }

    /// Whether the file that was opened is no longer the one in its place.
    pub(super) fn is_replaced(&self) -> Result<bool, ConnectError> {
        Ok(file_at(&self.path)? != self.file)
    }

    /// That the file that was opened is still the one in its place: rows that another one lacks are not gone.
    pub(super) fn check_in_place(&self) -> Result<(), ConnectError> {
        if self.is_replaced()? {
            let reason = "the database was replaced since it was listed";
            return Err(ConnectError::incomplete(&self.path, reason));
        }
        Ok(())
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<Statement<'_>, ConnectError> {
        self.alive();
        let prepared = self.connection.prepare(sql);
        prepared.map_err(|error| self.failure("prepare the query", error))
    }

    pub(super) fn failure(&self, action: &'static str, error: rusqlite::Error) -> ConnectError {
        let seconds = self.limits.silence.as_secs();
        let message = match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if self.is_stopped() => {
                "it was stopped".to_owned()
            }
            Some(ErrorCode::OperationInterrupted) => {
                format!("there was no row for {seconds} s: the query may never end")
            }
            Some(ErrorCode::TooBig) => format!(
                "a value is larger than {} MiB: leave it out with `query`",
                VALUE_BYTES_MAX >> 20
            ),
            _ => return failure(&self.path, action, error),
        };
        ConnectError::Database {
            action,
            path: self.path.clone(),
            message,
        }
    }
}

/// The file at a path, by device and inode.
fn file_at(path: &Path) -> Result<(u64, u64), ConnectError> {
    if path.is_dir() {
        return Err(ConnectError::WrongType {
            path: path.to_owned(),
            expected: "an SQLite database",
        });
    }
    match Stamp::at(path) {
        Ok(stamp) => Ok((stamp.device, stamp.inode)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ConnectError::Missing {
            what: "the database of the source",
            path: path.to_owned(),
        }),
        Err(error) => Err(ConnectError::io("look at", path, error)),
    }
}
