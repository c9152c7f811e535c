//! The books of a `files` target: whose it is, the last batch it holds, and which files in its root it made.
//!
//! They are an SQLite database in the root. A target without them could not tell its own files from those that a person
//! put there: it could neither refuse to overwrite them nor clear what it made for another flow.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::database::{failure, open};
use crate::error::ConnectError;
use crate::target::TargetIdentity;

/// The name of the database in the root.
pub(crate) const MANIFEST_NAME: &str = ".flowstone-target.db";
/// How this version of flowstone keeps the books.
const FORMAT: i64 = 2;
/// How many paths are held at once while all of them are gone through.
const PAGE: usize = 1000;

pub(crate) struct Manifest {
    connection: Connection,
    path: PathBuf,
}

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// BLAKE3 of its content.
    pub(crate) hash: [u8; 32],
    /// What the file system said when it was last found to be so ([`crate::stamp`]), and would no longer say after a
    /// write.
    pub(crate) stamp: Option<Vec<u8>>,
}

/// What the books say about the target.
pub(crate) struct Owner {
    pub(crate) identity: TargetIdentity,
    pub(crate) batch: u64,
}

impl Manifest {
    /// Opens the books in `root`, or begins them. The second value is what they say, `None` when they were begun now.
    pub(crate) fn open(root: &Path) -> Result<(Self, Option<Owner>), ConnectError> {
        let path = root.join(MANIFEST_NAME);
        // With a rollback journal the books are one file whenever nobody writes.
        let mut manifest = Manifest {
            connection: open(&path, false)?,
            path,
        };
        let transaction = manifest.begin()?;
        let sql = "CREATE TABLE IF NOT EXISTS target (one INTEGER PRIMARY KEY CHECK (one = 1), flow TEXT NOT NULL, \
                   target TEXT NOT NULL, token TEXT NOT NULL, batch INTEGER NOT NULL, format INTEGER NOT NULL); \
                   CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY NOT NULL, pending INTEGER NOT NULL, \
                   hash BLOB, stamp BLOB) WITHOUT ROWID;";
        let failed = |error| failure(&root.join(MANIFEST_NAME), "read the list of files", error);
        transaction.execute_batch(sql).map_err(failed)?;
        add_columns(&transaction).map_err(failed)?;
        let sql = "SELECT flow, target, token, batch, format FROM target";
        let found = transaction
            .query_row(sql, [], |row| {
                let identity = TargetIdentity {
                    flow: row.get(0)?,
                    target: row.get(1)?,
                    token: row.get(2)?,
                };
                Ok((
                    Owner {
                        identity,
                        batch: row.get::<_, i64>(3)? as u64,
                    },
                    row.get::<_, i64>(4)?,
                ))
            })
            .optional()
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        match found {
            Some((_, format)) if format > FORMAT => Err(ConnectError::NewerFormat {
                path: root.to_owned(),
                found: format,
                known: FORMAT,
            }),
            found => Ok((manifest, found.map(|(owner, _)| owner))),
        }
    }

    /// Writes down whose the target is; forgets all files when `clear`.
    pub(crate) fn take_over(
        &mut self,
        owner: &TargetIdentity,
        batch: u64,
        clear: bool,
    ) -> Result<(), ConnectError> {
        let path = self.path.clone();
        let failed = |error| failure(&path, "write the owner", error);
        let transaction = self.begin()?;
        if clear {
            transaction
                .execute("DELETE FROM file", [])
                .map_err(failed)?;
        }
        let sql = format!("INSERT OR REPLACE INTO target VALUES (1, ?1, ?2, ?3, ?4, {FORMAT})");
        let row = params![owner.flow, owner.target, owner.token, batch as i64];
        transaction.execute(&sql, row).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Of these paths (sorted, each once), those that the target did not make so far.
    pub(crate) fn unknown<'a>(&self, paths: &[&'a str]) -> Result<Vec<&'a str>, ConnectError> {
        let failed = |error| failure(&self.path, "read the list of files", error);
        let mut known = self
            .connection
            .prepare("SELECT 1 FROM file WHERE path = ?1")
            .map_err(failed)?;
        let mut unknown = Vec::new();
        for path in paths {
            if !known.exists([path]).map_err(failed)? {
                unknown.push(*path);
            }
        }
        Ok(unknown)
    }

    /// Notes, before anything is written, which files are about to be: they are the target's from here on.
    pub(crate) fn claim(&mut self, token: &str, paths: &[&str]) -> Result<(), ConnectError> {
        let path = self.path.clone();
        let failed = |error| failure(&path, "write the list of files", error);
        let transaction = self.begin()?;
        let owner: Option<String> = transaction
            .query_row("SELECT token FROM target", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        if owner.as_deref() != Some(token) {
            return Err(ConnectError::misuse(
                "the target belongs to another flow by now",
            ));
        }
        let mut claim = transaction
            .prepare("INSERT OR REPLACE INTO file VALUES (?1, 1, NULL, NULL)")
            .map_err(failed)?;
        for path in paths {
            claim.execute([path]).map_err(failed)?;
        }
        drop(claim);
        transaction.commit().map_err(failed)
    }

    /// Notes that a batch is done: these files are written, with contents of these hashes, those are gone. Their times are
    /// too young to tell them from what is written over them in the same moment: whoever looks at them next reads them.
    pub(crate) fn settle(
        &mut self,
        batch: u64,
        written: &[(&str, [u8; 32])],
        gone: &[&str],
    ) -> Result<(), ConnectError> {
        let path = self.path.clone();
        let failed = |error| failure(&path, "write the list of files", error);
        let transaction = self.begin()?;
        let mut write = transaction
            .prepare("UPDATE file SET pending = 0, hash = ?2, stamp = NULL WHERE path = ?1")
            .map_err(failed)?;
        for (path, hash) in written {
            write.execute(params![path, hash]).map_err(failed)?;
        }
        drop(write);
        forget(&transaction, gone).map_err(failed)?;
        transaction
            .execute("UPDATE target SET batch = ?1", [batch as i64])
            .map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// How a file was written, if it is one of the target's; none inside when that is not known, or its writing was cut
    /// short.
    pub(crate) fn written(&self, path: &str) -> Result<Option<Option<Written>>, ConnectError> {
        let failed = |error| failure(&self.path, "read the list of files", error);
        let sql = "SELECT hash, stamp FROM file WHERE path = ?1 AND pending = 0";
        let mut select = self.connection.prepare(sql).map_err(failed)?;
        let row = |row: &rusqlite::Row<'_>| {
            let (hash, stamp) = (row.get::<_, Option<[u8; 32]>>(0)?, row.get(1)?);
            Ok(hash.map(|hash| Written { hash, stamp }))
        };
        select.query_row([path], row).optional().map_err(failed)
    }

    /// Notes what the file system says by now about files that are as they were written.
    pub(crate) fn restamp(&mut self, stamps: &[(&str, Vec<u8>)]) -> Result<(), ConnectError> {
        let path = self.path.clone();
        let failed = |error| failure(&path, "write the list of files", error);
        let transaction = self.begin()?;
        for (path, stamp) in stamps {
            let sql = "UPDATE file SET stamp = ?2 WHERE path = ?1 AND pending = 0";
            transaction
                .execute(sql, params![path, stamp])
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Takes files off the list.
    pub(crate) fn forget(&mut self, paths: &[&str]) -> Result<(), ConnectError> {
        let path = self.path.clone();
        let failed = |error| failure(&path, "write the list of files", error);
        let transaction = self.begin()?;
        forget(&transaction, paths).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// The next paths after `last`, sorted; none at the end. With `pending`, only files whose writing was cut short.
    pub(crate) fn page(&self, last: &str, pending: bool) -> Result<Vec<String>, ConnectError> {
        let failed = |error| failure(&self.path, "read the list of files", error);
        let sql = "SELECT path FROM file WHERE path > ?1 AND pending >= ?2 ORDER BY path LIMIT ?3";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let paths = statement.query_map(params![last, pending, PAGE as i64], |row| row.get(0));
        paths.and_then(Iterator::collect).map_err(failed)
    }

    fn begin(&mut self) -> Result<Transaction<'_>, ConnectError> {
        let path = &self.path;
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| failure(path, "begin a transaction", error))
    }
}

/// Brings books of format 1 to this one: how their files were written is not known.
fn add_columns(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "SELECT count(*) FROM pragma_table_info('file') WHERE name = 'hash'";
    let known: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
    if known == 0 {
        let sql = "ALTER TABLE file ADD COLUMN hash BLOB; ALTER TABLE file ADD COLUMN stamp BLOB; \
                   UPDATE target SET format = 2;";
        transaction.execute_batch(sql)?;
    }
    Ok(())
}

fn forget(transaction: &Transaction<'_>, paths: &[&str]) -> rusqlite::Result<()> {
    let mut forget = transaction.prepare("DELETE FROM file WHERE path = ?1")?;
    paths
        .iter()
        .try_for_each(|path| forget.execute([path]).map(drop))
}
