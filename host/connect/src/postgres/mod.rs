//! The target `postgres`: a table of a PostgreSQL database, one row per target row.
//!
//! Options: `url` (`postgres://user@host/database`), `table`, `schema` (default `public`), `password-file`, `tls`. The
//! table belongs to flowstone as a whole: a table, view or anything else that flowstone did not make is never touched.
//! Which table is whose, and the last batch it holds, is in the table `_flowstone` of the same schema, written in the
//! same transaction as the rows, so every batch is applied exactly once or not at all.
//!
//! The connection is driven by a runtime of the target's own, on the thread that calls: do not call it from a task of
//! another tokio runtime, which must not block. Nothing is read from the environment or from files such as `.pgpass`.

mod audit;
mod cell;
mod layout;
mod marker;
mod options;
mod server;
mod table;
mod wire;
mod work;

pub(crate) use options::{check_target, place};
pub(crate) use table::{open_target, target_keys};
