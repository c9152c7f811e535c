//! The table `_flowstone`: which tables of the schema flowstone made, for whom, and the last batch each holds.

use tokio_postgres::types::Type as SqlType;

use crate::error::ConnectError;
use crate::made::{Made, Marker};
use crate::postgres::layout::{Found, Layout};
use crate::postgres::work::Work;
use crate::tables::quoted;
use crate::target::TargetIdentity;

/// The name of the table.
pub(crate) const MARKER_TABLE: &str = "_flowstone";
/// How this version of flowstone keeps a table. Raise it when an older one must not touch what this one writes.
const FORMAT: i64 = 1;

impl Work<'_> {
    fn marker_table(&self) -> String {
        format!("{}.{}", quoted(self.schema), quoted(MARKER_TABLE))
    }

    /// Makes the marker table where it is missing.
    pub(crate) async fn prepare_marker(&self) -> Result<(), ConnectError> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (table_name text PRIMARY KEY, flow text NOT NULL, target text NOT NULL, \
             token text NOT NULL, batch bigint NOT NULL, format bigint NOT NULL, made text)",
            self.marker_table()
        );
        self.execute("create the table `_flowstone`", &sql, &[])
            .await
            .map(drop)
    }

    /// Reads the marker of the table, if there is one, and gives a marker table of an older flowstone what it lacks.
    pub(crate) async fn find_marker(&self) -> Result<Option<Marker>, ConnectError> {
        match Layout::read(self, MARKER_TABLE).await? {
            Found::Nothing => return Ok(None),
            Found::Table(markers) if !markers.made().names("made") => {
                let sql = format!("ALTER TABLE {} ADD COLUMN made text", self.marker_table());
                self.execute("change the table `_flowstone`", &sql, &[])
                    .await?;
            }
            _ => {}
        }
        self.read_marker().await
    }

    /// Reads the marker of the table, and keeps others from writing it until the transaction ends. The marker table must
    /// be there.
    pub(crate) async fn read_marker(&self) -> Result<Option<Marker>, ConnectError> {
        let sql = format!(
            "SELECT flow, target, token, batch, format, made FROM {} WHERE table_name = $1 FOR UPDATE",
            self.marker_table()
        );
        let doing = "read the table `_flowstone`";
        let rows = self
            .query(doing, &sql, &[(&self.table, SqlType::TEXT)])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let text = |at: usize| self.get::<String>(doing, row, at);
        let number = |at: usize| self.get::<i64>(doing, row, at);
        let found = number(4)?;
        if found > FORMAT {
            return Err(ConnectError::NewerFormat {
                path: self.place.to_owned(),
                found,
                known: FORMAT,
            });
        }
        let made = self.get::<Option<String>>(doing, row, 5)?;
        let made = made.as_deref().map(Made::parse).transpose();
        let made = made.map_err(|message| ConnectError::Database {
            action: doing,
            path: self.place.to_owned(),
            message,
        })?;
        let owner = TargetIdentity {
            flow: text(0)?,
            target: text(1)?,
            token: text(2)?,
        };
        Ok(Some(Marker {
            owner,
            batch: number(3)? as u64,
            made,
        }))
    }

    /// Writes the marker of the table: its owner, the last batch, and how it was made.
    pub(crate) async fn write_marker(
        &self,
        owner: &TargetIdentity,
        batch: u64,
        made: &Made,
    ) -> Result<(), ConnectError> {
        let sql = format!(
            "INSERT INTO {} (table_name, flow, target, token, batch, format, made) \
             VALUES ($1, $2, $3, $4, $5, {FORMAT}, $6) \
             ON CONFLICT (table_name) DO UPDATE SET flow = EXCLUDED.flow, target = EXCLUDED.target, \
             token = EXCLUDED.token, batch = EXCLUDED.batch, format = EXCLUDED.format, made = EXCLUDED.made",
            self.marker_table()
        );
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), SqlType); 6] = [
            (&self.table, SqlType::TEXT),
            (&owner.flow, SqlType::TEXT),
            (&owner.target, SqlType::TEXT),
            (&owner.token, SqlType::TEXT),
            (&(batch as i64), SqlType::INT8),
            (&made.to_text(), SqlType::TEXT),
        ];
        self.execute("write the table `_flowstone`", &sql, &values)
            .await
            .map(drop)
    }

    /// Removes the marker of the table, and the marker table with the last one.
    pub(crate) async fn remove_marker(&self) -> Result<(), ConnectError> {
        let doing = "write the table `_flowstone`";
        let table = self.marker_table();
        let sql = format!("DELETE FROM {table} WHERE table_name = $1");
        self.execute(doing, &sql, &[(&self.table, SqlType::TEXT)])
            .await?;
        let left = self
            .query(doing, &format!("SELECT 1 FROM {table} LIMIT 1"), &[])
            .await?;
        if left.is_empty() {
            self.execute(doing, &format!("DROP TABLE {table}"), &[])
                .await?;
        }
        Ok(())
    }
}
