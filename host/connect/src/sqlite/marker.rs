//! The table `_flowstone`: which tables of the database flowstone made, for whom, and the last batch each holds.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::database::failure;
use crate::error::ConnectError;
use crate::made::{Made, Marker};
use crate::sqlite::layout::Layout;
use crate::tables::quoted;
use crate::target::TargetIdentity;

/// The name of the table.
pub(crate) const MARKER_TABLE: &str = "_flowstone";
/// How this version of flowstone keeps a table. Raise it when an older one must not touch what this one writes.
const FORMAT: i64 = 1;
const READING: &str = "read the table `_flowstone`";

/// Makes the marker table where it is missing.
pub(crate) fn prepare(connection: &Connection, path: &Path) -> Result<(), ConnectError> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {MARKER_TABLE} (table_name TEXT PRIMARY KEY COLLATE NOCASE NOT NULL, \
         flow TEXT NOT NULL, target TEXT NOT NULL, token TEXT NOT NULL, batch INTEGER NOT NULL, format INTEGER NOT NULL, \
         made TEXT)"
    );
    connection
        .execute_batch(&sql)
        .map_err(|error| failure(path, "create the table `_flowstone`", error))
}

/// Reads the marker of a table, if there is one, and gives a marker table of an older flowstone what it lacks.
pub(crate) fn find(
    connection: &Connection,
    path: &Path,
    table: &str,
) -> Result<Option<Marker>, ConnectError> {
    let Some(markers) = Layout::read(connection, path, MARKER_TABLE)? else {
        return Ok(None);
    };
    if !markers.names("made") {
        let sql = format!("ALTER TABLE {MARKER_TABLE} ADD COLUMN made TEXT");
        connection
            .execute_batch(&sql)
            .map_err(|error| failure(path, "change the table `_flowstone`", error))?;
    }
    read(connection, path, table)
}

/// Reads the marker of a table. The marker table must be there.
pub(crate) fn read(
    connection: &Connection,
    path: &Path,
    table: &str,
) -> Result<Option<Marker>, ConnectError> {
    let sql = format!(
        "SELECT flow, target, token, batch, format, made FROM {MARKER_TABLE} WHERE table_name = ?1"
    );
    let found = connection
        .query_row(&sql, [table], |row| {
            let owner = TargetIdentity {
                flow: row.get(0)?,
                target: row.get(1)?,
                token: row.get(2)?,
            };
            let batch = row.get::<_, i64>(3)? as u64;
            let made = row.get::<_, Option<String>>(5)?;
            Ok((owner, batch, row.get::<_, i64>(4)?, made))
        })
        .optional()
        .map_err(|error| failure(path, READING, error))?;
    let Some((owner, batch, format, made)) = found else {
        return Ok(None);
    };
    if format > FORMAT {
        return Err(ConnectError::NewerFormat {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    let made = made.as_deref().map(Made::parse).transpose();
    let made = made.map_err(|message| ConnectError::Database {
        action: READING,
        path: path.to_owned(),
        message,
    })?;
    Ok(Some(Marker { owner, batch, made }))
}

/// Writes the marker of a table: its owner, the last batch, and how it was made.
pub(crate) fn write(
    connection: &Connection,
    path: &Path,
    table: &str,
    owner: &TargetIdentity,
    batch: u64,
    made: &Made,
) -> Result<(), ConnectError> {
    let sql = format!(
        "INSERT INTO {MARKER_TABLE} (table_name, flow, target, token, batch, format, made) \
         VALUES (?1, ?2, ?3, ?4, ?5, {FORMAT}, ?6) \
         ON CONFLICT (table_name) DO UPDATE SET flow = excluded.flow, target = excluded.target, \
         token = excluded.token, batch = excluded.batch, format = excluded.format, made = excluded.made"
    );
    connection
        .execute(
            &sql,
            params![
                table,
                owner.flow,
                owner.target,
                owner.token,
                batch as i64,
                made.to_text()
            ],
        )
        .map(drop)
        .map_err(|error| failure(path, "write the table `_flowstone`", error))
}

/// Removes the marker of a table, and the marker table with the last one.
pub(crate) fn remove(
    connection: &Connection,
    path: &Path,
    table: &str,
) -> Result<(), ConnectError> {
    let failed = |error| failure(path, "write the table `_flowstone`", error);
    connection
        .execute(
            &format!("DELETE FROM {MARKER_TABLE} WHERE table_name = ?1"),
            [table],
        )
        .map_err(failed)?;
    let sql = format!("SELECT count(*) FROM {MARKER_TABLE}");
    let left: i64 = connection
        .query_row(&sql, [], |row| row.get(0))
        .map_err(failed)?;
    if left == 0 {
        connection
            .execute_batch(&format!("DROP TABLE {}", quoted(MARKER_TABLE)))
            .map_err(failed)?;
    }
    Ok(())
}
