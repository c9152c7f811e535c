//! The shape of a table: what it should be, what it is, and the way from one to the other.

use flowstone_core::TargetSpec;
use tokio_postgres::types::Type as SqlType;

use crate::error::ConnectError;
use crate::made::Made;
use crate::postgres::cell::declared_type;
use crate::postgres::wire::Wire;
use crate::postgres::work::Work;
use crate::tables::quoted;

/// What sorts and compares keys by their bytes, whatever the database's own order is.
const BYTE_ORDER: &str = " COLLATE pg_catalog.\"C\"";

/// The shape of a table, as far as flowstone decides it. Indexes, views, triggers and rights are the user's.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Names and declared types, in order.
    columns: Vec<(String, String)>,
    /// How the cells of the columns are sent; empty for a layout that was read.
    wires: Vec<Wire>,
    /// Positions of the key columns, in key order.
    pub(crate) key: Vec<usize>,
}

/// What goes by the table's name.
pub(crate) enum Found {
    Nothing,
    Table(Layout),
    /// A view, a sequence or something else that flowstone never makes.
    Other,
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
        let columns = spec.columns.iter();
        Layout {
            wires: columns.clone().map(|column| Wire::of(&column.ty)).collect(),
            columns: columns
                .map(|column| (column.name.clone(), declared_type(&column.ty).to_owned()))
                .collect(),
            key: spec.key.clone(),
        }
    }

    /// What goes by the name of a table in the schema, which must be there.
    pub(crate) async fn read(work: &Work<'_>, table: &str) -> Result<Found, ConnectError> {
        let doing = "read the columns of a table";
        let names = [
            (&work.schema as _, SqlType::TEXT),
            (&table as _, SqlType::TEXT),
        ];
        let sql = "SELECT c.oid, c.relkind::text FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1 AND c.relname = $2";
        let rows = work.query(doing, sql, &names).await?;
        let Some(row) = rows.first() else {
            return Ok(Found::Nothing);
        };
        let oid: u32 = work.get(doing, row, 0)?;
        if work.get::<String>(doing, row, 1)? != "r" {
            return Ok(Found::Other);
        }
        let oid = [(&oid as _, SqlType::OID)];
        let sql = "SELECT a.attnum, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod) \
                   FROM pg_catalog.pg_attribute a \
                   WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let (mut numbers, mut columns) = (Vec::new(), Vec::new());
        for row in work.query(doing, sql, &oid).await? {
            numbers.push(work.get::<i16>(doing, &row, 0)?);
            columns.push((work.get(doing, &row, 1)?, work.get(doing, &row, 2)?));
        }
        let sql = "SELECT k.number FROM pg_catalog.pg_index i \
                   CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place) \
                   WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.place";
        let mut key = Vec::new();
        for row in work.query(doing, sql, &oid).await? {
            let number: i16 = work.get(doing, &row, 0)?;
            key.extend(numbers.iter().position(|known| *known == number));
        }
        Ok(Found::Table(Layout {
            columns,
            wires: Vec::new(),
            key,
        }))
    }

    /// Makes the table.
    pub(crate) async fn create(&self, work: &Work<'_>) -> Result<(), ConnectError> {
        let mut columns: Vec<String> = Vec::with_capacity(self.columns.len() + 1);
        for (position, (name, declared)) in self.columns.iter().enumerate() {
            let mut column = format!("{} {declared}", quoted(name));
            if self.key.contains(&position) {
                if declared == "text" {
                    column.push_str(BYTE_ORDER);
                }
                column.push_str(" NOT NULL");
            }
            columns.push(column);
        }
        columns.push(format!("PRIMARY KEY ({})", self.key_names().join(", ")));
        let sql = format!("CREATE TABLE {} ({})", work.qualified(), columns.join(", "));
        work.execute("create the table", &sql, &[]).await.map(drop)
    }

    /// Brings a table of the layout `found` to this one: columns that are missing are added (holding NULL), columns that
    /// are no more are dropped, and columns whose declared type changed are both. The order of columns is left alone, and
    /// so are columns that others added to the table that was `made`.
    pub(crate) async fn evolve(
        &self,
        found: &Layout,
        made: &Made,
        work: &Work<'_>,
    ) -> Result<Change, ConnectError> {
        if !self.key_columns().eq(found.key_columns()) {
            return Ok(Change::Rekeyed);
        }
        let own = self.made();
        let dropped = (found.columns.iter()).filter(|column| self.drops(column, &own, made));
        let added = self
            .columns
            .iter()
            .filter(|column| !found.columns.contains(column));
        let changes: Vec<String> = dropped
            .map(|(name, _)| format!("DROP COLUMN {}", quoted(name)))
            .chain(added.map(|(name, declared)| format!("ADD COLUMN {} {declared}", quoted(name))))
            .collect();
        if !changes.is_empty() {
            let sql = format!("ALTER TABLE {} {}", work.qualified(), changes.join(", "));
            work.execute("change the columns of the table", &sql, &[])
                .await?;
        }
        Ok(Change::Fits)
    }

    /// Whether the table that is there has this key and these columns, in whatever order, and no other column that was
    /// `made` with it.
    pub(crate) fn same(&self, found: &Layout, made: &Made) -> bool {
        let own = self.made();
        self.key_columns().eq(found.key_columns())
            && (self.columns.iter()).all(|column| found.columns.contains(column))
            && !(found.columns.iter()).any(|column| self.drops(column, &own, made))
    }

    /// Whether a column that is there has to go: it is not one of these, and is flowstone's or in the way of one.
    fn drops(&self, column: &(String, String), own: &Made, made: &Made) -> bool {
        !self.columns.contains(column) && (made.names(&column.0) || own.names(&column.0))
    }

    /// What is to be remembered of the table.
    pub(crate) fn made(&self) -> Made {
        Made {
            columns: self.columns.clone(),
            key: self.key_columns().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn key_columns(&self) -> impl Iterator<Item = &(String, String)> {
        self.key.iter().map(|&position| &self.columns[position])
    }

    pub(crate) fn key_names(&self) -> Vec<String> {
        self.key_columns().map(|(name, _)| quoted(name)).collect()
    }

    /// Inserts or updates the rows that come as one array per column.
    pub(crate) fn upsert_sql(&self, qualified: &str) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let cells =
            self.columns
                .iter()
                .zip(&self.wires)
                .enumerate()
                .map(|(at, ((_, declared), wire))| {
                    let cast = if *wire == Wire::Text && declared != "text" {
                        format!("::{declared}")
                    } else {
                        String::new()
                    };
                    format!("given.c{at}{cast}")
                });
        let set: Vec<String> = (names.iter().enumerate())
            .filter(|(position, _)| !self.key.contains(position))
            .map(|(_, name)| format!("{name} = EXCLUDED.{name}"))
            .collect();
        let or_else = if set.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", set.join(", "))
        };
        let wires: Vec<Wire> = self.wires.clone();
        format!(
            "INSERT INTO {qualified} ({}) SELECT {} FROM {} ON CONFLICT ({}) DO {or_else}",
            names.join(", "),
            cells.collect::<Vec<_>>().join(", "),
            given(&wires),
            self.key_names().join(", "),
        )
    }

    /// Deletes the rows whose keys come as one array per key column.
    pub(crate) fn delete_sql(&self, qualified: &str) -> String {
        format!(
            "DELETE FROM {qualified} AS held USING {} WHERE {}",
            given(&self.key_wires()),
            self.same_key()
        )
    }

    /// The rows whose keys come as one array per key column, each after its place among them. Arrays and JSON come as
    /// they are sent: as text.
    pub(crate) fn select_sql(&self, qualified: &str) -> String {
        let wires = self.key_wires();
        let names: Vec<String> = (0..wires.len()).map(|at| format!("c{at}")).collect();
        let cells = self.columns.iter().map(|(name, declared)| {
            let cast = if declared == "jsonb" { "::text" } else { "" };
            format!("held.{}{cast}", quoted(name))
        });
        format!(
            "SELECT given.place, {} FROM ROWS FROM ({}) WITH ORDINALITY AS given({}, place) JOIN {qualified} AS held ON {}",
            cells.collect::<Vec<_>>().join(", "),
            arrays(&wires),
            names.join(", "),
            self.same_key()
        )
    }

    /// The next keys in their order: after none, or after one, whose parts come as the first parameters. The last
    /// parameter says how many.
    pub(crate) fn keys_sql(&self, qualified: &str, after: bool) -> String {
        let names = self.key_names().join(", ");
        let slots: Vec<String> = (1..=self.key.len())
            .map(|slot| format!("${slot}"))
            .collect();
        let (from, limit) = if after {
            (
                format!("WHERE ({names}) > ({})", slots.join(", ")),
                slots.len() + 1,
            )
        } else {
            (String::new(), 1)
        };
        format!("SELECT {names} FROM {qualified} {from} ORDER BY {names} LIMIT ${limit}")
    }

    pub(crate) fn key_wires(&self) -> Vec<Wire> {
        self.key
            .iter()
            .map(|&position| self.wires[position])
            .collect()
    }

    /// That a row `held` has the key of a row `given`.
    fn same_key(&self) -> String {
        let terms = self.key_names().into_iter().enumerate();
        let terms: Vec<String> = terms
            .map(|(at, name)| format!("held.{name} = given.c{at}"))
            .collect();
        terms.join(" AND ")
    }
}

/// The rows that come as one array per column, as the table `given` with the columns `c0`, `c1` ...
fn given(wires: &[Wire]) -> String {
    let names: Vec<String> = (0..wires.len()).map(|at| format!("c{at}")).collect();
    format!(
        "ROWS FROM ({}) AS given({})",
        arrays(wires),
        names.join(", ")
    )
}

fn arrays(wires: &[Wire]) -> String {
    let arrays = wires.iter().enumerate();
    let arrays =
        arrays.map(|(at, wire)| format!("pg_catalog.unnest(${}::{})", at + 1, wire.array_name()));
    arrays.collect::<Vec<_>>().join(", ")
}
