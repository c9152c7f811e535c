//! What is done in one transaction, and about which table.

use std::path::Path;

use tokio_postgres::types::{FromSql, ToSql, Type as SqlType};
use tokio_postgres::{Row, RowStream, Transaction};

use crate::error::ConnectError;
use crate::postgres::cell::Cell;
use crate::postgres::server::failure;
use crate::postgres::wire::Wire;
use crate::tables::quoted;

/// So many rows go in one statement, or so many bytes of them.
const ROWS_AT_ONCE: usize = 10_000;
const BYTES_AT_ONCE: usize = 16 << 20;

/// A value that goes with a statement, and its type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), SqlType);

/// A transaction, and what it is about.
pub(crate) struct Work<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(crate) place: &'a Path,
    pub(crate) schema: &'a str,
    pub(crate) table: &'a str,
}

impl Work<'_> {
    /// The table's name in SQL.
    pub(crate) fn qualified(&self) -> String {
        format!("{}.{}", quoted(self.schema), quoted(self.table))
    }

    pub(crate) async fn execute(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Parameter<'_>],
    ) -> Result<u64, ConnectError> {
        (self.transaction.execute_typed(sql, values).await)
            .map_err(|error| self.failed(doing, &error))
    }

    pub(crate) async fn query(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Parameter<'_>],
    ) -> Result<Vec<Row>, ConnectError> {
        (self.transaction.query_typed(sql, values).await)
            .map_err(|error| self.failed(doing, &error))
    }

    pub(crate) fn get<'r, T: FromSql<'r>>(
        &self,
        doing: &'static str,
        row: &'r Row,
        at: usize,
    ) -> Result<T, ConnectError> {
        row.try_get(at).map_err(|error| self.failed(doing, &error))
    }

    pub(crate) async fn stream(
        &self,
        doing: &'static str,
        sql: &str,
        values: Vec<Parameter<'_>>,
    ) -> Result<RowStream, ConnectError> {
        (self.transaction.query_typed_raw(sql, values).await)
            .map_err(|error| self.failed(doing, &error))
    }

    pub(crate) fn failed(
        &self,
        doing: &'static str,
        error: &tokio_postgres::Error,
    ) -> ConnectError {
        failure(self.place, doing, error)
    }

    /// Runs a statement for rows that come as one array per column, some rows at a time.
    pub(crate) async fn in_arrays(
        &self,
        sql: &str,
        wires: &[Wire],
        rows: &[Vec<Cell<'_>>],
    ) -> Result<(), ConnectError> {
        let mut rows = rows;
        while !rows.is_empty() {
            let mut bytes = 0;
            let count = rows.iter().take(ROWS_AT_ONCE).take_while(|row| {
                let fits = bytes < BYTES_AT_ONCE;
                bytes += row.iter().map(Cell::size).sum::<usize>();
                fits
            });
            let (now, later) = rows.split_at(count.count());
            let columns: Vec<_> = (wires.iter().enumerate())
                .map(|(at, wire)| wire.parameter(now.iter().map(|row| &row[at])))
                .collect();
            let values: Vec<Parameter<'_>> = (columns.iter().zip(wires))
                .map(|(column, wire)| (&**column, wire.array_type()))
                .collect();
            self.execute("write rows", sql, &values).await?;
            rows = later;
        }
        Ok(())
    }
}
