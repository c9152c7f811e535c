//! The shape of a table: what it should be, what it is, and the way from one to the other.

use flowstone_core::TargetSpec;

use std::path::Path;

use rusqlite::Connection;

use crate::database::failure;
use crate::error::ConnectError;
use crate::made::Made;
use crate::sqlite::cell::declared_type;
use crate::tables::quoted;

/// The shape of a table, as far as flowstone decides it. Indexes, views and triggers are the user's.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Names and declared types, in order.
    columns: Vec<(String, String)>,
    /// Positions of the key columns, in key order.
    key: Vec<usize>,
}

/// How the table that is there differs from the one that should be.
pub(crate) enum Change {
    /// Not at all, or in columns that were put right by now.
    Fits,
    /// In its key: rows cannot be found by the keys that are asked for.
    Rekeyed,
}

impl Layout {
    pub(crate) fn of(spec: &TargetSpec) -> Self {
        Layout {
            columns: spec
                .columns
                .iter()
                .map(|c| (c.name.clone(), declared_type(&c.ty).to_owned()))
                .collect(),
            key: spec.key.clone(),
        }
    }

    /// The layout of an existing table; `None` when there is no such table.
    pub(crate) fn read(
        connection: &Connection,
        path: &Path,
        table: &str,
    ) -> Result<Option<Self>, ConnectError> {
        let failed = |error| failure(path, "read the columns of a table", error);
        let sql = "SELECT name, type, pk FROM pragma_table_xinfo(?1) ORDER BY cid";
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map([table], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, u32>(2)?,
            ))
        });
        let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(failed)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut key: Vec<(u32, usize)> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.2 > 0)
            .map(|(position, row)| (row.2, position))
            .collect();
        key.sort_unstable();
        Ok(Some(Layout {
            columns: rows
                .into_iter()
                .map(|(name, declared, _)| (name, declared))
                .collect(),
            key: key.into_iter().map(|(_, position)| position).collect(),
        }))
    }

    /// Makes the table, with a rowid. `WITHOUT ROWID` keeps whole rows in the B-tree of the key: 70,000 upserts of rows
    /// with 40, 500 and 4,000 bytes of text took it 0.75, 1.1 and 1.1 times as long when new, and 0.9, 1.2 and 3.9 times
    /// when they were there already (`benches/connect.rs`). Rows of flows are often long, and a single integer key is the
    /// rowid itself.
    pub(crate) fn create(
        &self,
        connection: &Connection,
        path: &Path,
        table: &str,
    ) -> Result<(), ConnectError> {
        let mut columns: Vec<String> = Vec::with_capacity(self.columns.len() + 1);
        for (position, (name, declared)) in self.columns.iter().enumerate() {
            let null = if self.key.contains(&position) {
                " NOT NULL"
            } else {
                ""
            };
            columns.push(format!("{} {declared}{null}", quoted(name)));
        }
        let key: Vec<String> = self.key_columns().map(|(name, _)| quoted(name)).collect();
        columns.push(format!("PRIMARY KEY ({})", key.join(", ")));
        let sql = format!("CREATE TABLE {} ({})", quoted(table), columns.join(", "));
        connection
            .execute_batch(&sql)
            .map_err(|error| failure(path, "create the table", error))
    }

    /// Brings a table of the layout `found` to this one: columns that are missing are added (holding NULL), columns that
    /// are no more are dropped, and columns whose declared type changed are both. The order of columns is left alone, and
    /// so are columns that others added to the table that was `made`.
    pub(crate) fn evolve(
        &self,
        (found, made): (&Layout, &Made),
        connection: &Connection,
        path: &Path,
        table: &str,
    ) -> Result<Change, ConnectError> {
        if !self
            .key_columns()
            .map(folded)
            .eq(found.key_columns().map(folded))
        {
            return Ok(Change::Rekeyed);
        }
        let table = quoted(table);
        let own = self.made();
        let dropped = (found.columns.iter()).filter(|column| self.drops(column, &own, made));
        let added = self.columns.iter().filter(|column| !found.has(column));
        let statements = dropped
            .map(|(name, _)| {
                (
                    format!("ALTER TABLE {table} DROP COLUMN {}", quoted(name)),
                    "drop a column",
                )
            })
            .chain(added.map(|(name, declared)| {
                (
                    format!("ALTER TABLE {table} ADD COLUMN {} {declared}", quoted(name)),
                    "add a column",
                )
            }));
        for (sql, action) in statements {
            connection
                .execute_batch(&sql)
                .map_err(|error| failure(path, action, error))?;
        }
        Ok(Change::Fits)
    }

    /// Whether the table that is there has this key and these columns, in whatever order, and no other column that was
    /// `made` with it.
    pub(crate) fn same(&self, found: &Layout, made: &Made) -> bool {
        let own = self.made();
        self.key_columns()
            .map(folded)
            .eq(found.key_columns().map(folded))
            && self.columns.iter().all(|column| found.has(column))
            && !(found.columns.iter()).any(|column| self.drops(column, &own, made))
    }

    /// Whether a column that is there has to go: it is not one of these, and is flowstone's or in the way of one.
    fn drops(&self, column: &(String, String), own: &Made, made: &Made) -> bool {
        let (name, _) = folded(column);
        !self.has(column) && (made.names(&name) || own.names(&name))
    }

    /// What is to be remembered of the table.
    pub(crate) fn made(&self) -> Made {
        let columns = self.columns.iter().map(folded);
        Made {
            columns: (columns.map(|(name, declared)| (name, declared.to_owned()))).collect(),
            key: self.key_columns().map(|column| folded(column).0).collect(),
        }
    }

    /// Whether there is a column of this name, which is in lower case.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.columns.iter().any(|column| folded(column).0 == name)
    }

    fn has(&self, column: &(String, String)) -> bool {
        self.columns.iter().any(|own| folded(own) == folded(column))
    }

    fn key_columns(&self) -> impl Iterator<Item = &(String, String)> {
        self.key.iter().map(|&position| &self.columns[position])
    }

    pub(crate) fn upsert_sql(&self, table: &str) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let slots: Vec<String> = (1..=names.len()).map(|slot| format!("?{slot}")).collect();
        let key: Vec<&str> = self
            .key
            .iter()
            .map(|&position| names[position].as_str())
            .collect();
        let set: Vec<String> = names
            .iter()
            .enumerate()
            .filter(|(position, _)| !self.key.contains(position))
            .map(|(_, name)| format!("{name} = excluded.{name}"))
            .collect();
        let or_else = if set.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", set.join(", "))
        };
        format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {or_else}",
            quoted(table),
            names.join(", "),
            slots.join(", "),
            key.join(", "),
        )
    }

    pub(crate) fn delete_sql(&self, table: &str) -> String {
        format!("DELETE FROM {} WHERE {}", quoted(table), self.same_key())
    }

    /// The row with a key.
    pub(crate) fn select_sql(&self, table: &str) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        format!(
            "SELECT {} FROM {} WHERE {}",
            names.join(", "),
            quoted(table),
            self.same_key()
        )
    }

    /// All keys, in their order.
    pub(crate) fn keys_sql(&self, table: &str) -> String {
        let names = self.key_columns().map(|(name, _)| quoted(name));
        let names = names.collect::<Vec<_>>().join(", ");
        format!("SELECT {names} FROM {} ORDER BY {names}", quoted(table))
    }

    /// Deletes the row whose key columns hold just this, which may be nothing that a key is made of.
    pub(crate) fn delete_odd_sql(&self, table: &str) -> String {
        let terms = self.key_columns().enumerate();
        let terms: Vec<String> = terms
            .map(|(slot, (name, _))| format!("{} IS ?{}", quoted(name), slot + 1))
            .collect();
        format!(
            "DELETE FROM {} WHERE {}",
            quoted(table),
            terms.join(" AND ")
        )
    }

    fn same_key(&self) -> String {
        let terms = self.key_columns().enumerate();
        let terms: Vec<String> = terms
            .map(|(slot, (name, _))| format!("{} = ?{}", quoted(name), slot + 1))
            .collect();
        terms.join(" AND ")
    }
}

/// SQLite tells names apart without regard to ASCII case.
fn folded((name, declared): &(String, String)) -> (String, &str) {
    (name.to_ascii_lowercase(), declared)
}
