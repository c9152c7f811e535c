//! The table as a target.

use std::path::{Path, PathBuf};

use flowstone_core::{Column, TargetSpec};
use tokio_postgres::types::Type as SqlType;

use crate::error::ConnectError;
use crate::key::split_key;
use crate::made::{FoundTable, replaced};
use crate::postgres::cell::{Cell, cells, key_parts};
use crate::postgres::layout::{Change, Found, Layout};
use crate::postgres::options::{TableOptions, server_place};
use crate::postgres::server::Server;
use crate::postgres::wire::Wire;
use crate::postgres::work::Work;
use crate::tables::TableKeys;
use crate::target::{Held, Target, TargetIdentity, TargetKeys, TargetOp, TargetState};

/// Whoever makes, changes or drops tables in flowstone's name holds this lock: "flow" in ASCII.
const LAYOUT_LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(1718382455)";

/// The keys of the rows of such a table.
pub(crate) fn target_keys(spec: &TargetSpec) -> Box<dyn TargetKeys> {
    Box::new(TableKeys::of(spec, key_parts))
}

/// Opens the table, or makes it.
pub(crate) fn open_target(
    spec: &TargetSpec,
    base: &Path,
    identity: &TargetIdentity,
) -> Result<(Box<dyn Target>, TargetState), ConnectError> {
    let options = TableOptions::read(spec)?;
    let place = server_place(&options.config);
    let mut target = TableTarget {
        layout: Layout::of(spec),
        keys: TableKeys::of(spec, key_parts),
        schema: options.schema.to_owned(),
        table: options.table.to_owned(),
        identity: identity.clone(),
        usable: false,
        server: Server::connect(options.config(base)?, place.clone())?,
        place,
    };
    let state = target.settle_in()?;
    target.usable = matches!(state, TargetState::Created | TargetState::Known { .. });
    Ok((Box::new(target), state))
}

pub(crate) struct TableTarget {
    server: Server,
    place: PathBuf,
    schema: String,
    table: String,
    layout: Layout,
    keys: TableKeys,
    identity: TargetIdentity,
    /// False until the table is ours and has the right key.
    usable: bool,
}

/// How the table is to look.
struct Shape<'a> {
    layout: &'a Layout,
    keys: &'a TableKeys,
}

impl Work<'_> {
    async fn lock_layout(&self) -> Result<(), ConnectError> {
        self.query("wait for another flowstone", LAYOUT_LOCK, &[])
            .await
            .map(drop)
    }

    /// Finds out what is there, makes it where there is nothing, and brings its columns up to date where it is ours.
    async fn settle_in(
        &self,
        layout: &Layout,
        identity: &TargetIdentity,
    ) -> Result<TargetState, ConnectError> {
        self.lock_layout().await?;
        let doing = "look for the schema";
        let sql = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        if self
            .query(doing, sql, &[(&self.schema, SqlType::TEXT)])
            .await?
            .is_empty()
        {
            let message = format!("there is no schema `{}`: create it first", self.schema);
            return Err(ConnectError::Database {
                action: doing,
                path: self.place.to_owned(),
                message,
            });
        }
        let made = layout.made();
        Ok(match self.find().await? {
            // Perhaps a marker without its table: somebody dropped it, and with it all that it held.
            None => {
                self.prepare_marker().await?;
                layout.create(self).await?;
                self.write_marker(identity, 0, &made).await?;
                TargetState::Created
            }
            Some(there) if there.owner.token != identity.token => TargetState::Foreign {
                flow: there.owner.flow,
                target: there.owner.target,
                token: there.owner.token,
            },
            Some(there) => match layout.evolve(&there.layout, &there.made, self).await? {
                Change::Rekeyed => TargetState::Rekeyed { batch: there.batch },
                Change::Fits => {
                    if there.is_changed {
                        self.empty().await?;
                    }
                    if there.is_news(identity, &made) {
                        self.write_marker(identity, there.batch, &made).await?;
                    }
                    TargetState::Known { batch: there.batch }
                }
            },
        })
    }

    /// The table that is there, if there is one. What flowstone did not make is an error.
    async fn find(&self) -> Result<Option<FoundTable<Layout>>, ConnectError> {
        let marker = self.find_marker().await?;
        let own_name = || format!("`{}.{}`", self.schema, self.table);
        let (layout, marker) = match (Layout::read(self, self.table).await?, marker) {
            (Found::Nothing, _) => return Ok(None),
            (Found::Table(layout), Some(marker)) => (layout, marker),
            _ => return Err(self.not_ours(own_name())),
        };
        let now = layout.made();
        let there = FoundTable::of(marker, layout, now);
        there
            .map(Some)
            .ok_or_else(|| self.not_ours(replaced(self.table)))
    }

    async fn empty(&self) -> Result<(), ConnectError> {
        let sql = format!("DELETE FROM {}", self.qualified());
        self.execute("empty the table", &sql, &[]).await.map(drop)
    }

    fn not_ours(&self, what: String) -> ConnectError {
        ConnectError::NotOurs {
            what,
            path: self.place.to_owned(),
        }
    }

    async fn still_ours(&self, identity: &TargetIdentity) -> Result<(), ConnectError> {
        match self.read_marker().await? {
            Some(marker) if marker.owner.token == identity.token => Ok(()),
            _ => Err(ConnectError::misuse(format!(
                "the table `{}` belongs to another flow by now",
                self.table
            ))),
        }
    }
}

impl TableTarget {
    /// Does something in a transaction.
    fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(Work<'_>, Shape<'_>, &TargetIdentity) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        let TableTarget {
            server,
            place,
            schema,
            table,
            layout,
            keys,
            identity,
            ..
        } = self;
        server.transact(async |transaction| {
            let about = Work {
                transaction,
                place,
                schema,
                table,
            };
            work(about, Shape { layout, keys }, identity).await
        })
    }

    fn settle_in(&mut self) -> Result<TargetState, ConnectError> {
        self.transact(async |work, shape, identity| work.settle_in(shape.layout, identity).await)
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
        let columns = self.keys.columns.clone();
        let key_columns: Vec<Column> = self.keys.key_columns().cloned().collect();
        let (upserts, deletes) = sorted(ops, &columns, &key_columns)?;
        self.transact(async |work, Shape { layout, .. }, identity| {
            work.still_ours(identity).await?;
            let wires: Vec<Wire> = columns.iter().map(|column| Wire::of(&column.ty)).collect();
            let table = work.qualified();
            work.in_arrays(&layout.delete_sql(&table), &layout.key_wires(), &deletes)
                .await?;
            work.in_arrays(&layout.upsert_sql(&table), &wires, &upserts)
                .await?;
            work.write_marker(identity, batch, &layout.made()).await
        })
    }

    fn held(
        &mut self,
        keys: &[Vec<u8>],
        visit: &mut dyn FnMut(usize, Held),
    ) -> Result<(), ConnectError> {
        self.transact(async |work, shape, _| work.held(shape.layout, shape.keys, keys, visit).await)
    }

    fn remove_unknown(
        &mut self,
        known: &mut dyn FnMut(&[u8]) -> bool,
        removed: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ConnectError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let unknown = self.transact(async |work, shape, identity| {
                let page = work.keys(shape.layout, shape.keys, last.as_deref()).await?;
                last = page.last().cloned();
                let unknown: Vec<_> = page.into_iter().filter(|key| !known(key)).collect();
                if !unknown.is_empty() {
                    work.still_ours(identity).await?;
                    let columns: Vec<Column> = shape.keys.key_columns().cloned().collect();
                    let keys = unknown.iter().map(|key| key_cells(key, &columns));
                    let keys = keys.collect::<Result<Vec<_>, _>>()?;
                    let sql = shape.layout.delete_sql(&work.qualified());
                    work.in_arrays(&sql, &shape.layout.key_wires(), &keys)
                        .await?;
                }
                Ok(unknown)
            })?;
            for key in &unknown {
                removed(key);
            }
            if last.is_none() {
                return Ok(());
            }
        }
    }

    fn clear(&mut self) -> Result<(), ConnectError> {
        self.transact(async |work, Shape { layout, .. }, identity| {
            work.lock_layout().await?;
            match work.find().await? {
                Some(there) if layout.same(&there.layout, &there.made) => work.empty().await?,
                there => {
                    if there.is_some() {
                        let sql = format!("DROP TABLE {}", work.qualified());
                        work.execute("drop the table", &sql, &[]).await?;
                    }
                    layout.create(&work).await?;
                }
            }
            work.prepare_marker().await?;
            work.write_marker(identity, 0, &layout.made()).await
        })?;
        self.usable = true;
        Ok(())
    }

    fn retire(mut self: Box<Self>) -> Result<(), ConnectError> {
        self.transact(async |work, _, identity| {
            work.lock_layout().await?;
            work.still_ours(identity).await?;
            let sql = format!("DROP TABLE IF EXISTS {}", work.qualified());
            work.execute("drop the table", &sql, &[]).await?;
            work.remove_marker().await
        })
    }
}

type Cells<'a> = Vec<Vec<Cell<'a>>>;

/// The rows to be written and the keys of those to be deleted, each in the order of their keys, so that the pages of the
/// index are visited once; of several operations on one key, the last one.
fn sorted<'a>(
    ops: &'a [TargetOp],
    columns: &[Column],
    key_columns: &[Column],
) -> Result<(Cells<'a>, Cells<'a>), ConnectError> {
    let mut sorted: Vec<&TargetOp> = ops.iter().collect();
    sorted.sort_by(|a, b| a.key().cmp(b.key()));
    let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
    for (index, op) in sorted.iter().enumerate() {
        if sorted
            .get(index + 1)
            .is_some_and(|next| next.key() == op.key())
        {
            continue;
        }
        match op {
            TargetOp::Upsert { row, .. } => {
                upserts.push(cells(columns, row).map_err(ConnectError::misuse)?);
            }
            TargetOp::Delete { key } => deletes.push(key_cells(key, key_columns)?),
        }
    }
    Ok((upserts, deletes))
}

/// The cells of the key columns that a key stands for.
pub(crate) fn key_cells(
    key: &[u8],
    columns: &[Column],
) -> Result<Vec<Cell<'static>>, ConnectError> {
    let no_key = || ConnectError::misuse("the bytes are no key of this table");
    match split_key(key) {
        Some((parts, [])) if parts.len() == columns.len() => {
            let cells = parts.into_iter().zip(columns);
            let cells =
                cells.map(|(part, column)| Cell::of_part(part, &column.ty).ok_or_else(no_key));
            cells.collect()
        }
        _ => Err(no_key()),
    }
}
