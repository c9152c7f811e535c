//! Looking at what the table holds, whoever wrote it: for finding out whether it is still what was applied.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use crate::database::failure;
use crate::error::ConnectError;
use crate::key::{KeyPart, push_part};
use crate::sqlite::cell::value;
use crate::sqlite::layout::Layout;
use crate::sqlite::table::key_cells;
use crate::tables::TableKeys;
use crate::target::Held;

/// So many bytes of rows that nobody knows are held at once.
const STRAY_BYTES_MAX: usize = 16 << 20;

/// The table that is looked at.
pub(crate) struct Audit<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) path: &'a Path,
    pub(crate) table: &'a str,
    pub(crate) layout: &'a Layout,
    pub(crate) keys: &'a TableKeys,
}

impl Audit<'_> {
    /// See [`crate::Target::held`].
    pub(crate) fn held(
        &self,
        keys: &[Vec<u8>],
        visit: &mut dyn FnMut(usize, Held),
    ) -> Result<(), ConnectError> {
        let failed = |error| failure(self.path, "read rows", error);
        let sql = self.layout.select_sql(self.table);
        let mut select = self.connection.prepare(&sql).map_err(failed)?;
        for (index, key) in keys.iter().enumerate() {
            let cells = key_cells(key, self.keys.key.len())?;
            let mut rows = select.query(params_from_iter(cells)).map_err(failed)?;
            if let Some(row) = rows.next().map_err(failed)? {
                visit(index, self.row(row).map_err(failed)?);
            }
        }
        Ok(())
    }

    fn row(&self, row: &Row<'_>) -> rusqlite::Result<Held> {
        let mut values = Vec::with_capacity(self.keys.columns.len());
        for (at, column) in self.keys.columns.iter().enumerate() {
            match value(row.get_ref(at)?, &column.ty) {
                Some(value) => values.push(value),
                None => return Ok(Held::Other),
            }
        }
        Ok(Held::Row(values))
    }

    /// Rows whose keys are not `known`; not all where there are very many.
    pub(crate) fn unknown(
        &self,
        known: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Vec<Stray>, ConnectError> {
        let failed = |error| failure(self.path, "read the keys of rows", error);
        let sql = self.layout.keys_sql(self.table);
        let mut select = self.connection.prepare(&sql).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        let (mut strays, mut bytes) = (Vec::new(), 0);
        while bytes < STRAY_BYTES_MAX
            && let Some(row) = rows.next().map_err(failed)?
        {
            let cells = (0..self.keys.key.len()).map(|at| Ok(Raw::of(row.get_ref(at)?)));
            let cells: Vec<Raw> = cells.collect::<rusqlite::Result<_>>().map_err(failed)?;
            let key = cells.iter().map(Raw::part).collect::<Option<Vec<_>>>();
            let key = key.map(|parts| {
                let mut key = Vec::new();
                for part in &parts {
                    push_part(&mut key, part);
                }
                key
            });
            if !key.as_deref().is_some_and(&mut *known) {
                bytes += cells.iter().map(Raw::size).sum::<usize>();
                let key = key.unwrap_or_default();
                strays.push(Stray { key, cells });
            }
        }
        Ok(strays)
    }

    /// Removes such rows.
    pub(crate) fn remove(&self, strays: &[Stray]) -> Result<(), ConnectError> {
        let failed = |error| failure(self.path, "delete rows", error);
        let sql = self.layout.delete_odd_sql(self.table);
        let mut delete = self.connection.prepare(&sql).map_err(failed)?;
        for stray in strays {
            (delete.execute(params_from_iter(&stray.cells))).map_err(failed)?;
        }
        Ok(())
    }
}

/// A row that nobody knows: its key, no bytes where it can have none, and what its key columns hold.
pub(crate) struct Stray {
    pub(crate) key: Vec<u8>,
    cells: Vec<Raw>,
}

/// What a key column holds, whatever that is.
enum Raw {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Raw {
    fn of(cell: ValueRef<'_>) -> Self {
        match cell {
            ValueRef::Null => Raw::Null,
            ValueRef::Integer(number) => Raw::Integer(number),
            ValueRef::Real(number) => Raw::Real(number),
            ValueRef::Text(text) => Raw::Text(text.to_vec()),
            ValueRef::Blob(bytes) => Raw::Blob(bytes.to_vec()),
        }
    }

    fn part(&self) -> Option<KeyPart<'_>> {
        match self {
            Raw::Integer(number) => Some(KeyPart::Int(*number)),
            Raw::Text(text) => Some(KeyPart::Text(std::str::from_utf8(text).ok()?.into())),
            Raw::Blob(bytes) => Some(KeyPart::Bytes(bytes.into())),
            Raw::Null | Raw::Real(_) => None,
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Raw::Text(bytes) | Raw::Blob(bytes) => 2 * bytes.len(),
                _ => 0,
            }
    }
}

impl ToSql for Raw {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Raw::Null => ValueRef::Null,
            Raw::Integer(number) => ValueRef::Integer(*number),
            Raw::Real(number) => ValueRef::Real(*number),
            Raw::Text(text) => ValueRef::Text(text),
            Raw::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
