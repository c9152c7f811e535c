//! Opening SQLite databases the one way this crate does, and what its errors mean.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::ConnectError;

/// How long a lock of another program is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Opens the database at `path`, or makes it.
///
/// `synchronous = EXTRA` is what makes a commit durable before `commit` returns: under write-ahead logging it is the
/// same as `FULL` (one sync per commit), and with a rollback journal it also syncs the folder after the journal is
/// deleted, without which a power failure could undo a commit that the store already counts on.
///
/// Unless `follow`, a symbolic link at `path` is refused.
pub(crate) fn open(path: &Path, follow: bool) -> Result<Connection, ConnectError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if !follow {
        flags |= OpenFlags::SQLITE_OPEN_NOFOLLOW;
    }
    if !follow && path.is_symlink() {
        let expected = "an SQLite database (symbolic links are not followed here)";
        return Err(ConnectError::WrongType {
            path: path.to_owned(),
            expected,
        });
    }
    if path.is_dir() {
        return Err(ConnectError::WrongType {
            path: path.to_owned(),
            expected: "an SQLite database",
        });
    }
    let failed = |error| failure(path, "open the database", error);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "EXTRA")
        .map_err(failed)?;
    // The schema may be someone else's: its views and triggers must not call functions with side effects.
    connection
        .pragma_update(None, "trusted_schema", false)
        .map_err(failed)?;
    // SQLite falls back to reading when it may not write, and says so only at the first write.
    if connection.is_readonly("main").map_err(failed)? {
        return Err(ConnectError::ReadOnly {
            path: path.to_owned(),
        });
    }
    // Reads the header, so that a file that is no database is found here.
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(failed)?;
    Ok(connection)
}

/// Sorts an error of SQLite into the variant that tells people most.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(crate) fn failure(path: &Path, action: &'static str, error: rusqlite::Error) -> ConnectError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ConnectError::WrongType {
            path,
            expected: "an SQLite database",
        },
        Some(ErrorCode::ReadOnly) => ConnectError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => ConnectError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ConnectError::Busy { path },
        _ => ConnectError::Database {
            action,
            path,
            message: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(
            &path,
            "just some text, longer than the header of a database would be ".repeat(20),
        )
        .unwrap();
        assert!(matches!(
            open(&path, false),
            Err(ConnectError::WrongType { .. })
        ));
        assert!(matches!(
            open(folder.path(), false),
            Err(ConnectError::WrongType { .. })
        ));
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let connection = open(&path, false).unwrap();
        connection
            .execute_batch("CREATE TABLE t (x); PRAGMA max_page_count = 3;")
            .unwrap();
        let error = connection
            .execute("INSERT INTO t VALUES (zeroblob(100000))", [])
            .unwrap_err();
        assert!(matches!(
            failure(&path, "write", error),
            ConnectError::Full { .. }
        ));
    }

    #[test]
    fn a_database_that_may_not_be_written_is_read_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        open(&path, false)
            .unwrap()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
        // Permissions do not bind the superuser, under whom tests may run: the flag does.
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let error = connection
            .execute("INSERT INTO t VALUES (1)", [])
            .unwrap_err();
        assert!(matches!(
            failure(&path, "write", error),
            ConnectError::ReadOnly { .. }
        ));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_followed_only_with_leave() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(folder.join("real.db"), folder.join("link.db")).unwrap();
        let refused = open(&folder.join("link.db"), false);
        assert!(
            matches!(refused, Err(ConnectError::WrongType { .. })),
            "{refused:?}"
        );
        assert!(!folder.join("real.db").exists());
        assert!(open(&folder.join("link.db"), true).is_ok());
    }
}
