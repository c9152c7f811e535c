//! The table as a target.

use std::path::{Path, PathBuf};

use flowstone_core::{Column, OptionError, TargetSpec, Type, Value};
use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};

use crate::database::{failure, open};
use crate::error::ConnectError;
use crate::key::{KeyPart, split_key};
use crate::location::place_target;
use crate::made::{FoundTable, replaced};
use crate::options::OptionReader;
use crate::sqlite::audit::Audit;
use crate::sqlite::cell::{Cell, cell};
use crate::sqlite::layout::{Change, Layout};
use crate::sqlite::marker::{self, MARKER_TABLE};
use crate::tables::{TableKeys, check_key, quoted};
use crate::target::{Held, Target, TargetIdentity, TargetKeys, TargetOp, TargetState};

/// SQLite's own limit on the columns of a table.
const COLUMNS_MAX: usize = 2000;

/// Checks options, column names and key.
pub(crate) fn check_target(spec: &TargetSpec) -> Result<(), OptionError> {
    let options = OptionReader::new(&spec.options, &["path", "table"])?;
    options.required_text("path")?;
    let table = options.required_text("table")?;
    if table.contains('\0')
        || table.eq_ignore_ascii_case(MARKER_TABLE)
        || starts_with_ignore_case(table, "sqlite_")
    {
        return Err(OptionError::new(
            "table",
            format!("a table cannot be named `{}`", table.escape_debug()),
        ));
    }
    let bad_column = |message: String| Err(OptionError::new("columns", message));
    if spec.columns.len() > COLUMNS_MAX {
        return bad_column(format!(
            "SQLite tables have at most {COLUMNS_MAX} columns, not {}",
            spec.columns.len()
        ));
    }
    for (position, column) in spec.columns.iter().enumerate() {
        let name = &column.name;
        if name.is_empty() || name.contains('\0') {
            return bad_column(format!(
                "a column cannot be named `{}`",
                name.escape_debug()
            ));
        }
        if let Some(other) = spec.columns[..position]
            .iter()
            .find(|other| other.name.eq_ignore_ascii_case(name))
        {
            return bad_column(format!(
                "the columns `{}` and `{name}` have the same name to SQLite",
                other.name
            ));
        }
    }
    check_key(spec, can_be_key)
}

/// NULL is not equal to itself, NaN is kept as NULL, and the two zeros are one: none of them finds its row again.
fn can_be_key(ty: &Type) -> bool {
    !matches!(ty, Type::Option(_) | Type::F32 | Type::F64)
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Opens the table, or makes it.
pub(crate) fn open_target(
    spec: &TargetSpec,
    base: &Path,
    identity: &TargetIdentity,
    allow_outside: bool,
) -> Result<(Box<dyn Target>, TargetState), ConnectError> {
    let options = OptionReader::new(&spec.options, &["path", "table"])?;
    let path = place_target(base, "path", options.required_text("path")?, allow_outside)?;
    let connection = open(&path, allow_outside)?;
    prefer_write_ahead_log(&connection, &path)?;
    let mut target = TableTarget {
        layout: Layout::of(spec),
        keys: TableKeys::of(spec, key_parts),
        table: options.required_text("table")?.to_owned(),
        identity: identity.clone(),
        usable: false,
        connection,
        path,
    };
    let state = target.settle_in()?;
    target.usable = matches!(state, TargetState::Created | TargetState::Known { .. });
    Ok((Box::new(target), state))
}

/// Switches a database that is empty, and so most likely ours, to write-ahead logging.
fn prefer_write_ahead_log(connection: &Connection, path: &Path) -> Result<(), ConnectError> {
    let failed = |error| failure(path, "set the journal mode", error);
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .map_err(failed)?;
    if pages == 0 {
        // File systems without shared memory answer with the mode they stay in, which is fine too.
        connection
            .query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
            .map_err(failed)?;
    }
    Ok(())
}

/// The keys of the rows of such a table.
pub(crate) fn target_keys(spec: &TargetSpec) -> Box<dyn TargetKeys> {
    Box::new(TableKeys::of(spec, key_parts))
}

struct TableTarget {
    connection: Connection,
    path: PathBuf,
    table: String,
    layout: Layout,
    keys: TableKeys,
    identity: TargetIdentity,
    /// False until the table is ours and has the right key.
    usable: bool,
}

impl TableTarget {
    fn audit<'a>(&'a self, connection: &'a Connection) -> Audit<'a> {
        Audit {
            connection,
            path: &self.path,
            table: &self.table,
            layout: &self.layout,
            keys: &self.keys,
        }
    }

    /// Finds out what is there, makes it where there is nothing, and brings its columns up to date where it is ours.
    fn settle_in(&mut self) -> Result<TargetState, ConnectError> {
        let transaction = begin(&mut self.connection, &self.path)?;
        let (path, table, layout) = (&self.path, &self.table, &self.layout);
        let made = layout.made();
        let write = |batch| marker::write(&transaction, path, table, &self.identity, batch, &made);
        let state = match find(&transaction, path, table)? {
            // Perhaps a marker without its table: somebody dropped it, and with it all that it held.
            None => {
                marker::prepare(&transaction, path)?;
                layout.create(&transaction, path, table)?;
                write(0)?;
                TargetState::Created
            }
            Some(there) if there.owner.token != self.identity.token => TargetState::Foreign {
                flow: there.owner.flow,
                target: there.owner.target,
                token: there.owner.token,
            },
            Some(there) => {
                let found = (&there.layout, &there.made);
                match layout.evolve(found, &transaction, path, table)? {
                    Change::Rekeyed => TargetState::Rekeyed { batch: there.batch },
                    Change::Fits => {
                        if there.is_changed {
                            empty(&transaction, path, table)?;
                        }
                        if there.is_news(&self.identity, &made) {
                            write(there.batch)?;
                        }
                        TargetState::Known { batch: there.batch }
                    }
                }
            }
        };
        commit(transaction, &self.path)?;
        Ok(state)
    }
}

impl Target for TableTarget {
    fn keys(&self) -> &dyn TargetKeys {
        &self.keys
    }

    fn apply(&mut self, batch: u64, ops: &[TargetOp]) -> Result<(), ConnectError> {
        if !self.usable {
            return Err(ConnectError::misuse(format!(
                "the table `{}` must be cleared before it is written",
                self.table
            )));
        }
        // In key order the pages of the table are visited once; of operations on one key the last one stays last.
        let mut sorted: Vec<&TargetOp> = ops.iter().collect();
        sorted.sort_by(|a, b| a.key().cmp(b.key()));
        let transaction = begin(&mut self.connection, &self.path)?;
        still_ours(&transaction, &self.path, &self.table, &self.identity)?;
        let failed = |error| failure(&self.path, "write rows", error);
        let mut upsert = transaction
            .prepare(&self.layout.upsert_sql(&self.table))
            .map_err(failed)?;
        let mut delete = transaction
            .prepare(&self.layout.delete_sql(&self.table))
            .map_err(failed)?;
        for op in sorted {
            match op {
                TargetOp::Upsert { row, .. } => {
                    let cells = cells(&self.keys.columns, row).map_err(ConnectError::misuse)?;
                    upsert.execute(params_from_iter(cells)).map_err(failed)?;
                }
                TargetOp::Delete { key } => {
                    let cells = key_cells(key, self.keys.key.len())?;
                    delete.execute(params_from_iter(cells)).map_err(failed)?;
                }
            }
        }
        drop((upsert, delete));
        let (path, table, made) = (&self.path, &self.table, self.layout.made());
        marker::write(&transaction, path, table, &self.identity, batch, &made)?;
        commit(transaction, path)
    }

    fn held(
        &mut self,
        keys: &[Vec<u8>],
        visit: &mut dyn FnMut(usize, Held),
    ) -> Result<(), ConnectError> {
        self.audit(&self.connection).held(keys, visit)
    }

    fn remove_unknown(
        &mut self,
        known: &mut dyn FnMut(&[u8]) -> bool,
        removed: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ConnectError> {
        loop {
            let strays = self.audit(&self.connection).unknown(known)?;
            if strays.is_empty() {
                return Ok(());
            }
            let transaction = self
                .connection
                .unchecked_transaction()
                .map_err(|error| failure(&self.path, "begin a transaction", error))?;
            still_ours(&transaction, &self.path, &self.table, &self.identity)?;
            self.audit(&transaction).remove(&strays)?;
            commit(transaction, &self.path)?;
            for stray in &strays {
                removed(&stray.key);
            }
        }
    }

    fn clear(&mut self) -> Result<(), ConnectError> {
        let transaction = begin(&mut self.connection, &self.path)?;
        let (path, table) = (&self.path, &self.table);
        match find(&transaction, path, table)? {
            Some(there) if self.layout.same(&there.layout, &there.made) => {
                empty(&transaction, path, table)?;
            }
            there => {
                if there.is_some() {
                    transaction
                        .execute_batch(&format!("DROP TABLE {}", quoted(table)))
                        .map_err(|error| failure(path, "drop the table", error))?;
                }
                self.layout.create(&transaction, path, table)?;
            }
        }
        marker::prepare(&transaction, path)?;
        let made = self.layout.made();
        marker::write(&transaction, path, table, &self.identity, 0, &made)?;
        commit(transaction, path)?;
        self.usable = true;
        Ok(())
    }

    fn retire(mut self: Box<Self>) -> Result<(), ConnectError> {
        let transaction = begin(&mut self.connection, &self.path)?;
        let (path, table) = (&self.path, &self.table);
        still_ours(&transaction, path, table, &self.identity)?;
        let sql = format!("DROP TABLE IF EXISTS {}", quoted(table));
        transaction
            .execute_batch(&sql)
            .map_err(|error| failure(path, "drop the table", error))?;
        marker::remove(&transaction, path, table)?;
        commit(transaction, path)
    }
}

fn cells<'a>(columns: &[Column], row: &'a [Value]) -> Result<Vec<Cell<'a>>, String> {
    if row.len() != columns.len() {
        return Err(format!(
            "the row has {} values for {} columns",
            row.len(),
            columns.len()
        ));
    }
    let cells = row.iter().zip(columns).map(|(value, column)| {
        cell(value, &column.ty).map_err(|reason| format!("column `{}`: {reason}", column.name))
    });
    cells.collect()
}

/// The parts of a row's key, once all its cells are known to fit.
fn key_parts<'a>(
    columns: &[Column],
    key: &[usize],
    row: &'a [Value],
) -> Result<Vec<KeyPart<'a>>, String> {
    let mut cells = cells(columns, row)?;
    let parts = key.iter().map(|&position| {
        let cell = std::mem::replace(&mut cells[position], Cell::Null);
        let name = &columns[position].name;
        (cell.into_part()).ok_or_else(|| format!("key column `{name}` has no value"))
    });
    parts.collect()
}

pub(crate) fn key_cells(key: &[u8], count: usize) -> Result<Vec<Cell<'static>>, ConnectError> {
    match split_key(key) {
        Some((parts, [])) if parts.len() == count => {
            Ok(parts.into_iter().map(Cell::of_part).collect())
        }
        _ => Err(ConnectError::misuse("the bytes are no key of this table")),
    }
}

/// The table that is there, if there is one. One that flowstone did not make is an error.
fn find(
    connection: &Connection,
    path: &Path,
    table: &str,
) -> Result<Option<FoundTable<Layout>>, ConnectError> {
    let marker = marker::find(connection, path, table)?;
    let Some(layout) = Layout::read(connection, path, table)? else {
        return Ok(None);
    };
    let not_ours = |what| ConnectError::NotOurs {
        what,
        path: path.to_owned(),
    };
    let Some(marker) = marker else {
        return Err(not_ours(format!("the table `{table}`")));
    };
    let now = layout.made();
    let there = FoundTable::of(marker, layout, now);
    there.map(Some).ok_or_else(|| not_ours(replaced(table)))
}

fn empty(connection: &Connection, path: &Path, table: &str) -> Result<(), ConnectError> {
    connection
        .execute_batch(&format!("DELETE FROM {}", quoted(table)))
        .map_err(|error| failure(path, "empty the table", error))
}

fn still_ours(
    connection: &Connection,
    path: &Path,
    table: &str,
    identity: &TargetIdentity,
) -> Result<(), ConnectError> {
    match marker::read(connection, path, table)? {
        Some(marker) if marker.owner.token == identity.token => Ok(()),
        _ => Err(ConnectError::misuse(format!(
            "the table `{table}` belongs to another flow by now"
        ))),
    }
}

fn begin<'a>(connection: &'a mut Connection, path: &Path) -> Result<Transaction<'a>, ConnectError> {
    // Immediate: a lock that is taken later, on the first write, cannot be waited for.
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failure(path, "begin a transaction", error))
}

fn commit(transaction: Transaction<'_>, path: &Path) -> Result<(), ConnectError> {
    transaction
        .commit()
        .map_err(|error| failure(path, "commit", error))
}
